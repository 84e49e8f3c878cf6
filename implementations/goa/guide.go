package main

import (
	"context"
	"fmt"
	"io"
	"log"

	"halfclose.test/go/journal"
	"halfclose.test/goa/gen/logger"
)

// guideService has the structure of the server example in Goa's streaming
// guide: one goroutine receives filters into a channel, and a loop takes a
// filter, or honours the context, or else sends the next matching entry. It is
// here to be failed: what it does wrong is in README.md.
type guideService struct {
	entries *journal.Journal
}

// Monitor implements logger.Service.
func (s *guideService) Monitor(ctx context.Context, stream logger.MonitorServerStream) error {
	updates := make(chan *logger.LogFilter, 1)
	go func() {
		defer close(updates)
		for {
			update, err := stream.Recv()
			if err == io.EOF {
				return
			}
			if err != nil {
				log.Printf("receiving a filter: %v", err)
				return
			}
			updates <- update
		}
	}()

	var current *logger.LogFilter
	for {
		select {
		case update, more := <-updates:
			if !more {
				return nil
			}
			current = update
		case <-ctx.Done():
			return ctx.Err()
		default:
			if current == nil {
				continue
			}
			if err := stream.Send(s.getNextMatchingLog(current)); err != nil {
				return fmt.Errorf("sending an entry: %w", err)
			}
		}
	}
}

// getNextMatchingLog waits until an entry matches. The guide leaves it open;
// this is what a reader of the guide writes.
func (s *guideService) getNextMatchingLog(filter *logger.LogFilter) *logger.LogEntry {
	subscription := s.entries.Subscribe()
	defer subscription.Close()
	subscription.Replace(journalFilter(filter))
	matching, _ := subscription.Take(context.Background())
	return logEntry(matching[0])
}
