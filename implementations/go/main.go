// A monitor server in idiomatic Go: grpc-go on one port, net/http with
// coder/websocket on the other, one journal behind both.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"sync"
	"time"

	"google.golang.org/grpc"

	"halfclose.test/go/beside"
	"halfclose.test/go/journal"
)

// What is still open this long after SIGTERM is cut.
const stopWithin = 3 * time.Second

// A client that has not finished its handshake by then is dropped.
const handshakeWithin = 5 * time.Second

// monitor is what both transports serve.
type monitor struct {
	journal *journal.Journal
	open    beside.Gauge
	bugs    bugs

	stopping   context.Context // done when the server goes down
	webSockets sync.WaitGroup
}

func main() {
	options := beside.RegisterFlags()
	bugName := flag.String("bug", "", `plant a defect, or "list" to see them`)
	flag.Parse()
	if *bugName == "list" {
		listBugs(os.Stdout)
		return
	}
	planted, err := plant(*bugName)
	if err == nil {
		err = serve(options, planted)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func serve(options *beside.Options, planted bugs) error {
	stopping, forget := beside.Terminated()
	defer forget()
	m := &monitor{
		journal:  journal.New(planted.ofJournal()),
		bugs:     planted,
		stopping: stopping,
	}
	grpcListener, httpListener, err := options.Listen()
	if err != nil {
		return fmt.Errorf("can't listen: %w", err)
	}
	grpcServer := newGRPCServer(m)
	httpServer := newHTTPServer(m)
	failed := make(chan error, 2)
	go func() { failed <- grpcServer.Serve(grpcListener) }()
	go func() { failed <- httpServer.Serve(httpListener) }()
	go beside.WriteBackground(stopping, m.journal, options.Rate)
	beside.AnnounceReady(grpcListener, httpListener)

	select {
	case err := <-failed:
		return err
	case <-stopping.Done():
	}
	if planted.abruptExit {
		os.Exit(0)
	}
	stop(grpcServer, httpServer, &m.webSockets)
	return nil
}

// stop lets the streams, which have noticed the signal themselves, finish.
func stop(grpcServer *grpc.Server, httpServer *http.Server, webSockets *sync.WaitGroup) {
	within, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		grpcServer.GracefulStop()
		if err := httpServer.Shutdown(within); errors.Is(err, context.DeadlineExceeded) {
			_ = httpServer.Close()
		}
		webSockets.Wait()
	}()
	select {
	case <-drained:
	case <-within.Done():
		grpcServer.Stop()
	}
}
