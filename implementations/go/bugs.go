package main

import (
	"fmt"
	"io"
	"sort"
	"strings"

	"halfclose.test/go/journal"
)

// bugs are defects as Go programs have them. Each bites at the one place that
// asks for it; without any the server is correct.
type bugs struct {
	sharedFilter       bool
	blockingFetch      bool
	receiveErrorIsEnd  bool
	flattenedContext   bool
	oneLoop            bool
	senderPerFilter    bool
	dropWhenFull       bool
	matchLate          bool
	sendUnderLock      bool
	emptySourceIgnored bool
	socketLeftOpen     bool
	abruptExit         bool
}

var catalogue = map[string]struct {
	sentence string
	plant    func(*bugs)
}{
	"shared-filter":        {"The filter is a package variable: each stream's filter holds for all streams.", func(b *bugs) { b.sharedFilter = true }},
	"blocking-fetch":       {"The loop blocks for the next matching entry and looks at filters, end and cancel only between two entries.", func(b *bugs) { b.blockingFetch = true }},
	"receive-error-is-end": {"Any error of Recv or Read is taken for io.EOF: bad input ends the stream cleanly.", func(b *bugs) { b.receiveErrorIsEnd = true }},
	"flattened-context":    {"The context's error is wrapped with %v instead of %w: an expired deadline becomes UNKNOWN.", func(b *bugs) { b.flattenedContext = true }},
	"one-loop":             {"One goroutine takes filters and sends entries: a blocked send hides updates, and the reading goroutine, which hands its filter over without looking at the context, outlives the stream.", func(b *bugs) { b.oneLoop = true }},
	"sender-per-filter":    {"Each filter starts a sending goroutine of its own, the one before is stopped but not awaited.", func(b *bugs) { b.senderPerFilter = true }},
	"drop-when-full":       {"A select with a default loses the entries that a slow reader's buffer can't hold.", func(b *bugs) { b.dropWhenFull = true }},
	"match-late":           {"Entries are queued unfiltered and matched when they are sent: a new filter reaches back into the queue.", func(b *bugs) { b.matchLate = true }},
	"send-under-lock":      {"One mutex is held over every send: a reader that stalls stalls all streams.", func(b *bugs) { b.sendUnderLock = true }},
	"empty-source-ignored": {`A source "" is skipped as if it were absent.`, func(b *bugs) { b.emptySourceIgnored = true }},
	"socket-left-open":     {"After a null frame the handler returns, and nobody closes the hijacked connection.", func(b *bugs) { b.socketLeftOpen = true }},
	"abrupt-exit":          {"SIGTERM ends the process at once, without a word to the streams.", func(b *bugs) { b.abruptExit = true }},
}

func (b bugs) ofJournal() journal.Quirks {
	return journal.Quirks{DropWhenFull: b.dropWhenFull, MatchLate: b.matchLate, SharedFilter: b.sharedFilter}
}

func plant(name string) (bugs, error) {
	var b bugs
	if name == "" {
		return b, nil
	}
	bug, known := catalogue[name]
	if !known {
		return b, fmt.Errorf("no bug %q: it is one of %s", name, strings.Join(bugNames(), ", "))
	}
	bug.plant(&b)
	return b, nil
}

func listBugs(w io.Writer) {
	for _, name := range bugNames() {
		fmt.Fprintf(w, "%-22s %s\n", name, catalogue[name].sentence)
	}
}

func bugNames() []string {
	names := make([]string, 0, len(catalogue))
	for name := range catalogue {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func withoutEmptySources(filter journal.Filter) journal.Filter {
	var sources []string
	for _, source := range filter.Sources {
		if source != "" {
			sources = append(sources, source)
		}
	}
	filter.Sources = sources
	return filter
}
