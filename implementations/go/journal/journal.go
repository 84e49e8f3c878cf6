package journal

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// A subscription that holds more than this when entries are written is ended.
// A batch is taken whole, so that one large batch never ends a reader that
// keeps up.
const maxQueuedBytes = 4 << 20

// Rough cost of an entry beside its texts.
const entryOverheadBytes = 96

// Quirks are defects that a Journal has on request; the zero value is correct.
type Quirks struct {
	DropWhenFull bool // entries that do not fit the buffer are lost, the stream goes on
	MatchLate    bool // the filter is applied when an entry is taken, not when it is written
	SharedFilter bool // one filter for all subscriptions that have had one
}

// Journal is the log. The zero value is not usable: call New.
type Journal struct {
	quirks Quirks

	shared atomic.Pointer[Filter] // of the quirk SharedFilter

	mu            sync.Mutex
	last          uint64
	subscriptions map[*Subscription]struct{}
}

// New returns an empty log.
func New(quirks Quirks) *Journal {
	return &Journal{quirks: quirks, subscriptions: map[*Subscription]struct{}{}}
}

// Append writes the drafts as one batch with contiguous sequences, and returns
// the first and the last. It never waits for a subscriber.
func (j *Journal) Append(drafts ...Draft) (first, last uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	batch := make([]*Entry, len(drafts))
	for i, d := range drafts {
		j.last++
		batch[i] = &Entry{
			Sequence: j.last,
			Time:     time.Now().UTC().Format(time.RFC3339Nano),
			Level:    d.Level,
			Source:   d.Source,
			Message:  d.Message,
		}
	}
	for s := range j.subscriptions {
		s.offer(batch)
	}
	return batch[0].Sequence, j.last
}

// Subscribe returns a subscription without a filter: nothing reaches it until
// the first Replace. The caller must Close it.
func (j *Journal) Subscribe() *Subscription {
	s := &Subscription{
		journal:    j,
		wake:       make(chan struct{}, 1),
		overflowed: make(chan struct{}),
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.subscriptions[s] = struct{}{}
	return s
}

// Subscription is one reader's place in the log. All methods may be called at
// the same time.
type Subscription struct {
	journal    *Journal
	wake       chan struct{}
	overflowed chan struct{}

	mu     sync.Mutex
	filter *Filter
	queue  []*Entry
	bytes  int
	ended  error
}

// Replace puts the filter, which must be valid, in the place of the one before.
// It holds for the entries that are written from now on; what was queued before
// matched the filter of its time and stays due.
func (s *Subscription) Replace(filter Filter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.filter = &filter
	if s.journal.quirks.SharedFilter {
		s.journal.shared.Store(&filter)
	}
}

// Take waits for matching entries and returns all that are there. Its errors
// are ErrOverflow, ErrClosed and the context's.
func (s *Subscription) Take(ctx context.Context) ([]*Entry, error) {
	for {
		s.mu.Lock()
		queue, ended := s.queue, s.ended
		s.queue, s.bytes = nil, 0
		if s.journal.quirks.MatchLate && s.filter != nil {
			queue = matching(s.current(), queue)
		}
		s.mu.Unlock()
		if ended != nil {
			return nil, ended
		}
		if len(queue) > 0 {
			return queue, nil
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// Overflowed is closed when the reader turns out too slow: a sender that is
// blocked on it can't notice by itself.
func (s *Subscription) Overflowed() <-chan struct{} { return s.overflowed }

// Close gives the subscription's place and queue back.
func (s *Subscription) Close() {
	s.journal.mu.Lock()
	delete(s.journal.subscriptions, s)
	s.journal.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(ErrClosed)
}

func (s *Subscription) offer(batch []*Entry) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.filter == nil || s.ended != nil {
		return
	}
	if s.bytes > maxQueuedBytes {
		if s.journal.quirks.DropWhenFull {
			return
		}
		s.end(ErrOverflow)
		close(s.overflowed)
		return
	}
	if !s.journal.quirks.MatchLate {
		batch = matching(s.current(), batch)
	}
	for _, e := range batch {
		s.queue = append(s.queue, e)
		s.bytes += entryOverheadBytes + len(e.Source) + len(e.Message)
	}
	if len(batch) > 0 {
		s.notify()
	}
}

func (s *Subscription) current() *Filter {
	if s.journal.quirks.SharedFilter {
		return s.journal.shared.Load()
	}
	return s.filter
}

func (s *Subscription) end(reason error) {
	if s.ended == nil {
		s.ended = reason
	}
	s.queue, s.bytes = nil, 0
	s.notify()
}

func (s *Subscription) notify() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func matching(filter *Filter, entries []*Entry) []*Entry {
	matched := make([]*Entry, 0, len(entries))
	for _, e := range entries {
		if filter.Matches(e) {
			matched = append(matched, e)
		}
	}
	return matched
}
