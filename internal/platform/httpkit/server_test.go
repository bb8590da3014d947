package httpkit_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"gxcoin.money/gx/internal/platform/httpkit"
)

// patience is more than any bound of a server.
const patience = time.Minute

// serve answers with h until stop, which waits for the end.
func serve(t *testing.T, h http.HandlerFunc) (address string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- httpkit.Serve(ctx, l, h, slog.New(slog.DiscardHandler)) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return l.Addr().String(), stop
}

// TestD59NoRequestIsResetByAStop stops a server with 32 requests in flight and as
// many idle connections: every request is answered in full.
func TestD59NoRequestIsResetByAStop(t *testing.T) {
	const requests = 32
	var entered sync.WaitGroup
	entered.Add(requests)
	release := make(chan struct{})
	address, stop := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			entered.Done()
			<-release
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 100_000))
	})
	dial := func(path string) (net.Conn, *bufio.Reader) {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
			t.Fatal(err)
		}
		return c, bufio.NewReader(c)
	}
	whole := func(r *bufio.Reader) error {
		answer, err := http.ReadResponse(r, nil)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(answer.Body)
		if err == nil && (answer.StatusCode != http.StatusOK || len(body) != 100_000) {
			err = fmt.Errorf("status %d with %d bytes", answer.StatusCode, len(body))
		}
		return err
	}
	var idle, busy []*bufio.Reader
	for range requests {
		_, r := dial("/quick")
		if err := whole(r); err != nil {
			t.Fatal(err)
		}
		idle = append(idle, r)
	}
	for range requests {
		_, r := dial("/slow")
		busy = append(busy, r)
	}
	entered.Wait()
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	for i, r := range idle { // the stop has begun when these are closed, and it closes them well
		if _, err := r.ReadByte(); err != io.EOF {
			t.Errorf("idle connection %d: %v", i, err)
		}
	}
	if c, err := net.Dial("tcp", address); err == nil {
		_ = c.Close()
		t.Error("a stopping server accepts connections")
	}
	close(release)
	for i, r := range busy {
		if err := whole(r); err != nil {
			t.Errorf("request %d was not answered: %v", i, err)
		}
	}
	<-stopped
}

// TestSlowRequests lets many clients trickle their requests: the server lets go
// of each within its bounds, and serves others meanwhile.
func TestSlowRequests(t *testing.T) {
	t.Parallel()
	address, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.Copy(io.Discard, r.Body)
		if err != nil {
			w.WriteHeader(http.StatusRequestTimeout)
		}
	})
	var slow []net.Conn
	for i := range 300 {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		begin := "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: " // the end of the header never comes
		if i%2 == 0 {
			begin = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nx" // nor the end of the body
		}
		if _, err := io.WriteString(c, begin); err != nil {
			t.Fatal(err)
		}
		slow = append(slow, c)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	for range 20 {
		r, err := (&http.Client{Transport: transport}).Get("http://" + address)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("an honest request: %v, %v", r, err)
		}
		_ = r.Body.Close()
	}
	for _, c := range slow {
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, c); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Fatal("a slow client is never let go")
		}
	}
}
