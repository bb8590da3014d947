package httpkit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// streamWrite is how long a client may take to accept what a stream sends; one
// that is slower is let go.
const streamWrite = 10 * time.Second

// Clients come back after streamRetry and a random part of streamSpread, so that
// those of a server that stops don't come to the next all at once.
const (
	streamRetry  = time.Second
	streamSpread = 4 * time.Second
)

type drainKey struct{}

// Stream is an answer that goes on: server-sent events to one client.
type Stream struct {
	w   http.ResponseWriter
	rc  *http.ResponseController
	buf []byte
}

// StreamContext returns the context of an answer that goes on. It is not bounded
// as that of a request is; it ends when the client is gone or the server drains.
func StreamContext(r *http.Request) (context.Context, context.CancelFunc) {
	x := From(r.Context())
	base := x.base
	if base == nil {
		base = r.Context()
	}
	ctx, cancel := context.WithCancel(context.WithValue(base, exchangeKey{}, x))
	if drain, ok := base.Value(drainKey{}).(context.Context); ok {
		stop := context.AfterFunc(drain, cancel)
		return ctx, func() { stop(); cancel() }
	}
	return ctx, cancel
}

// NewStream begins the answer.
func NewStream(w http.ResponseWriter, r *http.Request) (*Stream, error) {
	s := &Stream{w: w, rc: http.NewResponseController(w)}
	From(r.Context()).streams = true
	// The server would take the end of its read timeout for the client's departure.
	if err := ignoreUnsupported(s.rc.SetReadDeadline(time.Time{})); err != nil {
		return nil, fmt.Errorf("begin stream: %w", err)
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // proxies pass events on as they come
	w.WriteHeader(http.StatusOK)
	retry := streamRetry + rand.N(streamSpread)
	return s, s.send(fmt.Appendf(nil, "retry: %d\n\n", retry.Milliseconds()))
}

// Event sends an event. The id names the place from which a client that comes
// back can go on. data must not hold a line break.
func (s *Stream) Event(id, name string, data []byte) error {
	if strings.ContainsAny(id+name+string(data), "\r\n\x00") {
		return fmt.Errorf("stream: event %q holds a line break", name)
	}
	s.buf = fmt.Appendf(s.buf[:0], "id: %s\nevent: %s\ndata: %s\n\n", id, name, data)
	return s.send(s.buf)
}

// Beat sends what clients ignore, so that nobody between takes the stream for dead.
func (s *Stream) Beat() error { return s.send([]byte(":\n\n")) }

func (s *Stream) send(b []byte) error {
	if err := ignoreUnsupported(s.rc.SetWriteDeadline(time.Now().Add(streamWrite))); err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	if _, err := s.w.Write(b); err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	if err := s.rc.Flush(); err != nil {
		return fmt.Errorf("stream: %w", err)
	}
	return nil
}

func ignoreUnsupported(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}
