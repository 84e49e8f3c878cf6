// Package beside is what a monitor server offers beside its streams: command
// line, producer, probe, background entries, the ready line and the way down.
package beside

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"halfclose.test/go/journal"
)

// MaxFilterBytes is the largest filter message that a server accepts.
const MaxFilterBytes = 64 << 10

const maxBatchBytes = 16 << 20

// Options are the flags that every server has.
type Options struct {
	Host     string
	GRPCPort int
	HTTPPort int
	Rate     float64 // background entries a second, 0: none
}

// RegisterFlags adds the common flags to the command line; call flag.Parse after it.
func RegisterFlags() *Options {
	o := &Options{}
	flag.StringVar(&o.Host, "host", "127.0.0.1", "address to listen on")
	flag.IntVar(&o.GRPCPort, "grpc-port", 50051, "port of the gRPC server, 0: any free one")
	flag.IntVar(&o.HTTPPort, "http-port", 8080, "port of the HTTP and WebSocket server, 0: any free one")
	flag.Float64Var(&o.Rate, "rate", 1000, "background entries a second, 0: none")
	return o
}

// Listen opens both ports.
func (o *Options) Listen() (grpcListener, httpListener net.Listener, err error) {
	grpcListener, err = net.Listen("tcp", net.JoinHostPort(o.Host, strconv.Itoa(o.GRPCPort)))
	if err != nil {
		return nil, nil, err
	}
	httpListener, err = net.Listen("tcp", net.JoinHostPort(o.Host, strconv.Itoa(o.HTTPPort)))
	if err != nil {
		_ = grpcListener.Close()
		return nil, nil, err
	}
	return grpcListener, httpListener, nil
}

// AnnounceReady prints the line that says which ports are open.
func AnnounceReady(grpcListener, httpListener net.Listener) {
	port := func(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }
	fmt.Printf("ready grpc=%d http=%d\n", port(grpcListener), port(httpListener))
}

// Terminated returns a context that ends with the first SIGTERM or SIGINT.
func Terminated() (context.Context, context.CancelFunc) {
	return signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
}

// WriteBackground writes rate entries a second until the context ends.
func WriteBackground(ctx context.Context, log *journal.Journal, rate float64) {
	if rate <= 0 {
		return
	}
	sources := []string{"alpha", "beta", "gamma"}
	ticker := time.NewTicker(max(time.Millisecond, time.Duration(float64(time.Second)/rate)))
	defer ticker.Stop()
	start, written := time.Now(), 0
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		for due := int(time.Since(start).Seconds() * rate); written < due; written++ {
			log.Append(journal.Draft{
				Level:   journal.Levels[written%len(journal.Levels)],
				Source:  sources[written%len(sources)],
				Message: "tick " + strconv.Itoa(written+1),
			})
		}
	}
}

// Gauge counts the open streams.
type Gauge struct{ open atomic.Int64 }

// Enter counts a stream until the returned function is called.
func (g *Gauge) Enter() (leave func()) {
	g.open.Add(1)
	return func() { g.open.Add(-1) }
}

// Handle adds the producer, POST /logs, and the probe, GET /stats.
func Handle(mux *http.ServeMux, log *journal.Journal, open *Gauge) {
	mux.HandleFunc("POST /logs", func(w http.ResponseWriter, r *http.Request) {
		drafts, err := readDrafts(http.MaxBytesReader(w, r.Body, maxBatchBytes))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		first, last := log.Append(drafts...)
		answer(w, http.StatusAccepted, map[string]uint64{"first": first, "last": last})
	})
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]int64{"open_streams": open.open.Load(), "rss_bytes": residentBytes()})
	})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func readDrafts(body io.Reader) ([]journal.Draft, error) {
	var posted []struct{ Level, Source, Message *string }
	if err := json.NewDecoder(body).Decode(&posted); err != nil {
		return nil, fmt.Errorf("not an array of entries: %w", err)
	}
	if len(posted) == 0 {
		return nil, fmt.Errorf("no entries")
	}
	drafts := make([]journal.Draft, len(posted))
	for i, p := range posted {
		switch {
		case p.Level == nil || p.Source == nil || p.Message == nil:
			return nil, fmt.Errorf("entry %d: level, source and message are required", i)
		case !slices.Contains(journal.Levels, *p.Level):
			return nil, fmt.Errorf("entry %d: level %q is not one of %s", i, *p.Level, strings.Join(journal.Levels, ", "))
		}
		drafts[i] = journal.Draft{Level: *p.Level, Source: *p.Source, Message: *p.Message}
	}
	return drafts, nil
}

// residentBytes is the process's resident memory as Linux counts it, 0 elsewhere.
func residentBytes() int64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(statm))
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
