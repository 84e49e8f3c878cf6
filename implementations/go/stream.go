package main

import (
	"context"
	"errors"
	"io"

	"halfclose.test/go/journal"
)

// transport is what the two kinds of stream have in common.
type transport interface {
	// receive waits for the next filter, which need not be valid; io.EOF is the client's end.
	receive() (journal.Filter, error)
	send(*journal.Entry) error
}

var errStopping = errors.New("the server is stopping")

// invalidFilter is a filter that was understood and refused.
type invalidFilter struct{ error }

// run moves filters and entries until one side ends the stream, and returns
// why: nil for the client's end. A send that is blocked on a slow reader does
// not hold it up: idle is closed when the last send is over.
func (m *monitor) run(ctx context.Context, t transport) (idle <-chan struct{}, reason error) {
	if m.bugs.blockingFetch || m.bugs.oneLoop {
		return closedChannel(), m.runOneLoop(ctx, t)
	}
	if m.bugs.senderPerFilter {
		return closedChannel(), m.runSenderPerFilter(ctx, t)
	}
	defer m.open.Enter()()
	subscription := m.journal.Subscribe()
	defer subscription.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	received := make(chan error, 1)
	go func() { received <- m.receiveFilters(t, subscription) }()
	sent := make(chan error, 1)
	sendingOver := make(chan struct{})
	go func() {
		defer close(sendingOver)
		sent <- m.sendEntries(ctx, t, subscription)
	}()

	select {
	case reason = <-received:
	case reason = <-sent:
	case <-ctx.Done():
		reason = ctx.Err()
	case <-subscription.Overflowed():
		reason = journal.ErrOverflow
	case <-m.stopping.Done():
		reason = errStopping
	}
	return sendingOver, reason
}

func (m *monitor) receiveFilters(t transport, subscription *journal.Subscription) error {
	for {
		filter, err := m.nextFilter(t)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		subscription.Replace(filter)
	}
}

func (m *monitor) nextFilter(t transport) (journal.Filter, error) {
	filter, err := t.receive()
	if err == nil {
		if wrong := filter.Check(); wrong != nil {
			err = invalidFilter{wrong}
		}
	}
	if err != nil && m.bugs.receiveErrorIsEnd {
		return journal.Filter{}, io.EOF
	}
	if m.bugs.emptySourceIgnored {
		filter = withoutEmptySources(filter)
	}
	return filter, err
}

func (m *monitor) sendEntries(ctx context.Context, t transport, subscription *journal.Subscription) error {
	for {
		entries, err := subscription.Take(ctx)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := m.send(t, entry); err != nil {
				return err
			}
		}
	}
}

func (m *monitor) send(t transport, entry *journal.Entry) error {
	if m.bugs.sendUnderLock {
		sending.Lock()
		defer sending.Unlock()
	}
	return t.send(entry)
}

func closedChannel() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}
