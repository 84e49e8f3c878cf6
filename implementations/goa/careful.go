package main

import (
	"context"
	"errors"
	"io"

	"github.com/gorilla/websocket"

	"halfclose.test/go/journal"
	"halfclose.test/goa/gen/logger"
)

// carefulService keeps the contract: receiving and sending are independent, the
// filter is applied when an entry is written, and each end has its own error.
type carefulService struct {
	entries  *journal.Journal
	stopping context.Context // done when the server goes down
}

// Monitor implements logger.Service.
func (s *carefulService) Monitor(ctx context.Context, stream logger.MonitorServerStream) error {
	subscription := s.entries.Subscribe()
	defer subscription.Close()
	sending, stopSending := context.WithCancel(ctx)
	defer stopSending()
	socket := socketOf(ctx) // nil on gRPC

	received := make(chan error, 1)
	go func() {
		defer socket.readingOver()
		received <- receiveFilters(stream, subscription)
	}()
	sent := make(chan error, 1)
	go func() {
		defer socket.writingOver()
		sent <- sendEntries(sending, stream, subscription)
	}()

	// None of these waits for a send that is blocked on a slow reader.
	select {
	case err := <-received:
		return toldAs(err)
	case err := <-sent:
		return toldAs(err)
	case <-ctx.Done():
		return toldAs(ctx.Err())
	case <-subscription.Overflowed():
		return toldAs(journal.ErrOverflow)
	case <-s.stopping.Done():
		return logger.MakeStopping(errors.New("the server is stopping"))
	}
}

func receiveFilters(stream logger.MonitorServerStream, subscription *journal.Subscription) error {
	for {
		received, err := stream.Recv()
		if err != nil {
			return err
		}
		filter := journalFilter(received)
		if err := filter.Check(); err != nil {
			return logger.MakeInvalidFilter(err)
		}
		subscription.Replace(filter)
	}
}

func sendEntries(ctx context.Context, stream logger.MonitorServerStream, subscription *journal.Subscription) error {
	for {
		entries, err := subscription.Take(ctx)
		if err != nil {
			return err
		}
		for _, entry := range entries {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := stream.Send(logEntry(entry)); err != nil {
				return err
			}
		}
	}
}

// toldAs turns the reason of an end into the error that Goa has a status for:
// without it a deadline would be UNKNOWN.
func toldAs(reason error) error {
	var notUpgraded websocket.HandshakeError
	switch {
	case errors.Is(reason, io.EOF):
		return nil
	case errors.As(reason, &notUpgraded):
		return nil // gorilla has answered the request itself
	case errors.Is(reason, journal.ErrOverflow):
		return logger.MakeTooSlow(reason)
	case errors.Is(reason, context.DeadlineExceeded):
		return logger.MakeDeadlineExceeded(reason)
	}
	return reason
}

func journalFilter(filter *logger.LogFilter) journal.Filter {
	return journal.Filter{MinLevel: filter.MinLevel, Sources: filter.Sources, Contains: filter.Contains}
}

func logEntry(entry *journal.Entry) *logger.LogEntry {
	return &logger.LogEntry{
		Sequence: entry.Sequence,
		Time:     entry.Time,
		Level:    entry.Level,
		Source:   entry.Source,
		Message:  entry.Message,
	}
}
