package main

import (
	"context"
	"errors"
	"io"
	"sync"

	"halfclose.test/go/journal"
)

// sending is the lock of the bug send-under-lock.
var sending sync.Mutex

// leftOpen keeps the sockets of the bug socket-left-open from being collected,
// which would close them.
var leftOpen sync.Map

// runOneLoop is the stream of the bugs one-loop and blocking-fetch.
func (m *monitor) runOneLoop(ctx context.Context, t transport) error {
	leave := m.open.Enter()
	subscription := m.journal.Subscribe()
	defer subscription.Close()

	filters := make(chan journal.Filter)
	received := make(chan error, 1)
	go func() {
		defer leave()
		for {
			filter, err := m.nextFilter(t)
			if err != nil {
				received <- endOf(err)
				return
			}
			filters <- filter
		}
	}()
	if m.bugs.blockingFetch {
		return m.fetchBlocking(ctx, t, subscription, filters, received)
	}

	entries := make(chan *journal.Entry)
	go func() { _ = m.sendEntries(ctx, channel{t, ctx, entries}, subscription) }()
	for {
		select {
		case filter := <-filters:
			subscription.Replace(filter)
		case err := <-received:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-subscription.Overflowed():
			return journal.ErrOverflow
		case <-m.stopping.Done():
			return errStopping
		case entry := <-entries:
			if err := t.send(entry); err != nil {
				return err
			}
		}
	}
}

func (m *monitor) fetchBlocking(
	ctx context.Context, t transport, subscription *journal.Subscription,
	filters <-chan journal.Filter, received <-chan error,
) error {
	select {
	case filter := <-filters:
		subscription.Replace(filter)
	case err := <-received:
		return err
	}
	for {
		select {
		case filter := <-filters:
			subscription.Replace(filter)
		case err := <-received:
			return err
		case <-ctx.Done():
			return ctx.Err()
		case <-m.stopping.Done():
			return errStopping
		default:
			entries, err := subscription.Take(context.Background())
			if err != nil {
				return err
			}
			for _, entry := range entries {
				if err := t.send(entry); err != nil {
					return err
				}
			}
		}
	}
}

// runSenderPerFilter is the stream of the bug sender-per-filter.
func (m *monitor) runSenderPerFilter(ctx context.Context, t transport) error {
	defer m.open.Enter()()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var oneAtATime sync.Mutex
	ended := make(chan error, 1)
	go func() {
		stopOld := func() {}
		for {
			filter, err := m.nextFilter(t)
			stopOld()
			if err != nil {
				ended <- endOf(err)
				return
			}
			subscription := m.journal.Subscribe()
			subscription.Replace(filter)
			stopOld = subscription.Close
			go func() {
				for {
					entries, err := subscription.Take(ctx)
					if err != nil {
						return
					}
					for _, entry := range entries {
						oneAtATime.Lock()
						err := t.send(entry)
						oneAtATime.Unlock()
						if err != nil {
							return
						}
					}
				}
			}()
		}
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-m.stopping.Done():
		return errStopping
	}
}

// channel is a transport whose sends go to a channel.
type channel struct {
	transport
	ctx     context.Context
	entries chan<- *journal.Entry
}

func (c channel) send(entry *journal.Entry) error {
	select {
	case c.entries <- entry:
		return nil
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
}

func endOf(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}
