package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
	goa "goa.design/goa/v3/pkg"

	"halfclose.test/go/beside"
)

// How long an entry that is on its way may block after its stream has ended,
// before the connection is cut.
const drainWithin = 10 * time.Second

// How long the client has for its half of the closing handshake before the
// server closes its half of the connection, and before it closes all of it.
const (
	closeWithin  = 700 * time.Millisecond
	lingerWithin = 5 * time.Second
)

// sockets closes the WebSockets that Goa's generated server leaves open: its
// handler just returns when the service does, and the stream's own Close knows
// no code but 1000. The upgrade, the error and the end of a request meet in the
// socket that travels in the request's context.
type sockets struct {
	upgrader websocket.Upgrader
	open     sync.WaitGroup
}

// socket is one WebSocket request, upgraded or not. A nil socket ignores all calls.
type socket struct {
	connection *websocket.Conn
	reason     error // why the service ended, nil for the client's end
	read       chan struct{}
	written    chan struct{}
}

type socketKey struct{}

func socketOf(ctx context.Context) *socket {
	found, _ := ctx.Value(socketKey{}).(*socket)
	return found
}

func (s *socket) readingOver() {
	if s != nil {
		close(s.read)
	}
}

func (s *socket) writingOver() {
	if s != nil {
		close(s.written)
	}
}

// Upgrade implements goahttp.Upgrader.
func (s *sockets) Upgrade(w http.ResponseWriter, r *http.Request, header http.Header) (*websocket.Conn, error) {
	connection, err := s.upgrader.Upgrade(w, r, header)
	if err == nil {
		connection.SetReadLimit(beside.MaxFilterBytes)
		socketOf(r.Context()).connection = connection
	}
	return connection, err
}

// noteError is Goa's error handler for what can't be answered over HTTP any more.
func (s *sockets) noteError(ctx context.Context, _ http.ResponseWriter, err error) {
	socketOf(ctx).reason = err
}

// closeAfter is the middleware around Goa's handler.
func (s *sockets) closeAfter(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.open.Add(1)
		defer s.open.Done()
		socket := &socket{read: make(chan struct{}), written: make(chan struct{})}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), socketKey{}, socket)))
		if socket.connection != nil {
			socket.close()
		}
	})
}

func (s *socket) close() {
	defer s.connection.Close()
	code, text, answered := closeOf(s.reason)
	if !answered {
		// The Close frame goes behind an entry that a slow reader has half of.
		waitAtMost(s.written, drainWithin)
		message := websocket.FormatCloseMessage(code, text)
		err := s.connection.WriteControl(websocket.CloseMessage, message, time.Now().Add(closeWithin))
		switch {
		case errors.Is(err, websocket.ErrCloseSent):
			code = websocket.CloseProtocolError // gorilla's own answer to a bad frame
		case err != nil:
			return
		}
	}
	s.awaitClient(code)
}

// awaitClient reads on until the client has answered, has gone or has had its
// time: a connection that is closed with something unread is reset, and a
// client that is behind would lose entries and the Close frame.
func (s *socket) awaitClient(code int) {
	tcp := s.connection.NetConn().(*net.TCPConn)
	enough := time.AfterFunc(closeWithin, func() { _ = tcp.CloseWrite() })
	defer enough.Stop()
	_ = s.connection.SetReadDeadline(time.Now().Add(lingerWithin))
	waitAtMost(s.read, lingerWithin)
	switch code {
	case websocket.CloseMessageTooBig, websocket.CloseProtocolError:
		// gorilla reads nothing after these
		_, _ = io.Copy(io.Discard, tcp)
	default:
		for {
			if _, _, err := s.connection.NextReader(); err != nil {
				return
			}
		}
	}
}

func waitAtMost(done <-chan struct{}, atMost time.Duration) {
	timer := time.NewTimer(atMost)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// closeOf is how a reason is told on a WebSocket, and whether gorilla has told
// it by itself.
func closeOf(reason error) (code int, text string, answered bool) {
	var closed *websocket.CloseError
	var named goa.GoaErrorNamer
	switch {
	case reason == nil:
		return websocket.CloseNormalClosure, "", false
	case errors.Is(reason, websocket.ErrReadLimit):
		return websocket.CloseMessageTooBig, "", true
	case errors.As(reason, &closed):
		return closed.Code, "", true
	case errors.As(reason, &named):
		switch named.GoaErrorName() {
		case "too_slow":
			return websocket.CloseTryAgainLater, reason.Error(), false
		case "stopping":
			return websocket.CloseGoingAway, reason.Error(), false
		}
		return websocket.ClosePolicyViolation, "invalid filter", false
	}
	return websocket.CloseInvalidFramePayloadData, "not a filter", false
}
