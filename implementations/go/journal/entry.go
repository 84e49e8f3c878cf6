// Package journal is one shared log with live subscriptions: whoever subscribes
// gets, in order and once each, the entries that match its filter and are
// written from then on.
package journal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Entry is one line of the log.
type Entry struct {
	Sequence uint64 `json:"sequence"`
	Time     string `json:"time"`
	Level    string `json:"level"`
	Source   string `json:"source"`
	Message  string `json:"message"`
}

// Draft is an entry that has not been written yet: the log gives it its
// sequence and its time.
type Draft struct {
	Level, Source, Message string
}

// Levels from the least to the most severe.
var Levels = []string{"debug", "info", "warn", "error"}

const maxContainsBytes = 256

// Filter says which entries a subscriber wants. A nil field, like an empty
// list of sources, does not constrain; the zero Filter lets everything through.
type Filter struct {
	MinLevel *string  `json:"min_level"`
	Sources  []string `json:"sources"`
	Contains *string  `json:"contains"`
}

// Check returns an error that says what is wrong with the filter, nil for a valid one.
func (f *Filter) Check() error {
	if f.MinLevel != nil && !slices.Contains(Levels, *f.MinLevel) {
		return fmt.Errorf("min_level %q is not one of %s", *f.MinLevel, strings.Join(Levels, ", "))
	}
	if f.Contains != nil && len(*f.Contains) > maxContainsBytes {
		return fmt.Errorf("contains is longer than %d bytes", maxContainsBytes)
	}
	return nil
}

// Matches reports whether the filter, which must be valid, lets the entry through.
func (f *Filter) Matches(e *Entry) bool {
	if f.MinLevel != nil && slices.Index(Levels, e.Level) < slices.Index(Levels, *f.MinLevel) {
		return false
	}
	if len(f.Sources) > 0 && !slices.Contains(f.Sources, e.Source) {
		return false
	}
	return f.Contains == nil || strings.Contains(e.Message, *f.Contains)
}

// ErrOverflow ends a subscription whose reader was too slow for its buffer.
var ErrOverflow = errors.New("the reader is too slow")

// ErrClosed ends a subscription that its owner closed.
var ErrClosed = errors.New("the subscription is closed")
