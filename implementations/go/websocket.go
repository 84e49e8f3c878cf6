package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"halfclose.test/go/beside"
	"halfclose.test/go/journal"
)

// How long an entry that is on its way may block after its stream has ended,
// before the connection is cut: what a slow reader gets is then whole, and the
// Close frame comes behind it.
const drainWithin = 10 * time.Second

// How long the client has for its half of the closing handshake before the
// server closes its half of the connection; the library closes all of it after 5 s.
const closeWithin = 700 * time.Millisecond

type tcpConnection struct{}

var errGone = errors.New("the connection is over")

func newHTTPServer(m *monitor) *http.Server {
	mux := http.NewServeMux()
	beside.Handle(mux, m.journal, &m.open)
	mux.HandleFunc("GET /logs/monitor", m.serveWebSocket)
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: handshakeWithin,
		ConnContext: func(ctx context.Context, c net.Conn) context.Context {
			return context.WithValue(ctx, tcpConnection{}, c)
		},
	}
}

func (m *monitor) serveWebSocket(w http.ResponseWriter, r *http.Request) {
	connection, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	m.webSockets.Add(1)
	defer m.webSockets.Done()
	connection.SetReadLimit(beside.MaxFilterBytes)

	// Background: the request's context ends when the connection is hijacked,
	// and a context that ends in the middle of a read or write cuts the socket.
	socket := webSocket{connection, context.Background()}
	idle, reason := m.run(context.Background(), socket)
	if m.bugs.socketLeftOpen && reason == nil {
		leftOpen.Store(connection, true)
		return
	}
	if errors.Is(reason, errGone) {
		_ = connection.CloseNow()
		return
	}
	within := time.NewTimer(drainWithin)
	defer within.Stop()
	select {
	case <-idle:
	case <-within.C:
	case <-m.stopping.Done():
	}
	// Only our half is closed, and what comes is still read: closing both would reset the
	// connection, and a client that is behind would lose entries and the Close frame.
	tcp := r.Context().Value(tcpConnection{}).(*net.TCPConn)
	enough := time.AfterFunc(closeWithin, func() { _ = tcp.CloseWrite() })
	defer enough.Stop()
	code, text := closeOf(reason)
	_ = connection.Close(code, text)
}

// closeOf is how an ended stream is told to the client. After a protocol error
// the library has sent its own Close already, and this one stays unsent.
func closeOf(reason error) (websocket.StatusCode, string) {
	var invalid invalidFilter
	var refused refusedFrame
	switch {
	case reason == nil:
		return websocket.StatusNormalClosure, ""
	case errors.As(reason, &invalid):
		return websocket.StatusPolicyViolation, shortened(invalid.Error())
	case errors.As(reason, &refused):
		return refused.code, shortened(refused.Error())
	case errors.Is(reason, journal.ErrOverflow):
		return websocket.StatusTryAgainLater, reason.Error()
	case errors.Is(reason, errStopping):
		return websocket.StatusGoingAway, reason.Error()
	}
	return websocket.StatusInternalError, ""
}

// isGone reports whether a read failed because the connection is over, by the
// client's Close frame, which the library has answered, or by the network.
func isGone(err error) bool {
	var network *net.OpError
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &network) || websocket.CloseStatus(err) != -1
}

// shortened fits a reason into a Close frame.
func shortened(text string) string {
	const most = 123
	for len(text) > most || !utf8.ValidString(text) {
		text = text[:min(len(text)-1, most)]
	}
	return text
}

// refusedFrame is a frame that carries no filter.
type refusedFrame struct {
	code websocket.StatusCode
	error
}

type webSocket struct {
	*websocket.Conn
	ctx context.Context
}

func (s webSocket) receive() (journal.Filter, error) {
	kind, data, err := s.Read(s.ctx)
	switch {
	case errors.Is(err, websocket.ErrMessageTooBig):
		return journal.Filter{}, refusedFrame{websocket.StatusMessageTooBig, errors.New("filter too long")}
	case isGone(err):
		return journal.Filter{}, errGone
	case err != nil:
		return journal.Filter{}, refusedFrame{websocket.StatusProtocolError, errors.New("bad frame")}
	case kind != websocket.MessageText:
		return journal.Filter{}, refusedFrame{websocket.StatusUnsupportedData, errors.New("filters are text frames")}
	case !utf8.Valid(data):
		return journal.Filter{}, refusedFrame{websocket.StatusInvalidFramePayloadData, errors.New("not UTF-8")}
	case bytes.Equal(bytes.TrimSpace(data), []byte("null")):
		return journal.Filter{}, io.EOF
	}
	var filter journal.Filter
	if err := json.Unmarshal(data, &filter); err != nil {
		return filter, refusedFrame{websocket.StatusInvalidFramePayloadData, fmt.Errorf("not a filter: %w", err)}
	}
	return filter, nil
}

func (s webSocket) send(entry *journal.Entry) error {
	frame, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	return s.Write(s.ctx, websocket.MessageText, frame)
}
