package service_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/platform/token"
)

// patience bounds what a stream has to tell at once.
const patience = 20 * time.Second

// serve answers for a door over real HTTP until drain is called.
func (s *system) serve(doorName string) (address string, drain func()) {
	s.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := httpkit.Serve(ctx, l, s.doors[doorName], slog.New(slog.DiscardHandler)); err != nil {
			s.t.Error(err)
		}
	})
	drain = func() { cancel(); wg.Wait() }
	s.t.Cleanup(drain)
	return l.Addr().String(), drain
}

// stream is the client of an event stream.
type stream struct {
	t      *testing.T
	status int
	body   io.ReadCloser
	lines  *bufio.Scanner
}

func openStream(t *testing.T, address, path, bearer, last string) *stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/api/v1"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+bearer)
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	a, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Body.Close() })
	s := &stream{t, a.StatusCode, a.Body, bufio.NewScanner(a.Body)}
	if a.StatusCode == http.StatusOK && (a.Header.Get("Content-Type") != "text/event-stream" || a.Header.Get("Cache-Control") != "no-store") {
		t.Errorf("stream with %v", a.Header)
	}
	return s
}

type streamEvent struct {
	id, name string
	data     map[string]any
}

// next returns the next event, false at the end of the stream.
func (s *stream) next() (e streamEvent, ok bool) {
	s.t.Helper()
	for s.lines.Scan() {
		field, value, _ := strings.Cut(s.lines.Text(), ": ")
		switch {
		case field == "id":
			e.id = value
		case field == "event":
			e.name = value
		case field == "data":
			if err := json.Unmarshal([]byte(value), &e.data); err != nil {
				s.t.Fatal(err)
			}
		case field == "" && e.name != "":
			return e, true
		}
	}
	if err := s.lines.Err(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		s.t.Fatalf("the stream broke off: %v", err)
	}
	return e, false
}

func (s *stream) want(name string) streamEvent {
	s.t.Helper()
	e, ok := s.next()
	if !ok || e.name != name {
		s.t.Fatalf("got %+v, %t, want %s", e, ok, name)
	}
	return e
}

func (s *stream) wantEnd() {
	s.t.Helper()
	if e, ok := s.next(); ok {
		s.t.Fatalf("got %+v, want the end", e)
	}
}

func TestCommandStream(t *testing.T) {
	s := newSystem(t)
	ada := s.person("Ada", "CH", gx(5))
	address, _ := s.serve("tax") // every service has them
	id := s.command("customer:" + ada.profile.String())
	path := "/commands/" + id + "/events"

	live := openStream(t, address, path, ada.bearer, "")
	first := live.want("status")
	if first.data["status"] != "PENDING" || first.data["commandId"] != id {
		t.Errorf("first: %+v", first)
	}
	s.exec(`UPDATE app.commands SET state = 'LOCKED', attempts = 1 WHERE id = $1`, id)
	if e := live.want("status"); e.data["status"] != "PROCESSING" {
		t.Errorf("second: %+v", e)
	}
	s.project(id, "APPLIED", "")
	last := live.want("status")
	if last.data["status"] != "CONFIRMED" || last.data["projected"] != true {
		t.Errorf("last: %+v", last)
	}
	live.wantEnd()

	// Who comes back hears what was missed, and then that there is no more.
	again := openStream(t, address, path, ada.bearer, first.id)
	if e := again.want("status"); e.id != last.id {
		t.Errorf("again: %+v", e)
	}
	again.wantEnd()
	if done := openStream(t, address, path, ada.bearer, last.id); done.status != http.StatusNoContent {
		t.Errorf("after the end: %d", done.status)
	}
	bob := s.person("Bob", "CH", gx(5))
	if other := openStream(t, address, path, bob.bearer, ""); other.status != http.StatusNotFound {
		t.Errorf("somebody else's: %d", other.status)
	}
}

// pay puts a line into a statement as the projector would.
func (s *system) pay(to string, block int) {
	s.t.Helper()
	s.exec(`WITH k AS (UPDATE read.checkpoint SET block = $2, tx_index = 0)
		INSERT INTO read.transactions (account_id, block, tx_index, seq, entry, transaction_id, tx_id, type, counterparty, amount, at)
		VALUES ($1, $2, 0, 0, 0, $3, 'tx', 'GRANT', 'SYSTEM_CHARITABLE', 7, $4)`, to, block, uuid.New(), s.clock())
}

func TestWalletStream(t *testing.T) {
	s := newSystem(t)
	ada, bob := s.person("Ada", "CH", gx(5)), s.person("Bob", "CH", gx(5))
	s.pay(ada.gx, 3)
	address, _ := s.serve("tokenomics")
	path := "/wallets/me/events"

	live := openStream(t, address, path, ada.bearer, "")
	ready := live.want("ready")
	s.pay(bob.gx, 4)
	s.pay(ada.gx, 5)
	e := live.want("transaction")
	if e.data["blockNumber"] != "5" || e.data["amount"] != "7" || e.data["direction"] != "IN" {
		t.Errorf("event: %+v", e)
	}
	for block := 6; block < 6+150; block++ { // more than a page
		s.pay(ada.gx, block)
	}
	again := openStream(t, address, path, ada.bearer, ready.id)
	for block := 5; block < 6+150; block++ {
		if e := again.want("transaction"); e.data["blockNumber"] != strconv.Itoa(block) {
			t.Fatalf("resumed at %s, want block %d: %+v", ready.id, block, e)
		}
	}
	for block := 6; block < 6+150; block++ {
		if e := live.want("transaction"); e.data["blockNumber"] != strconv.Itoa(block) {
			t.Fatalf("want block %d: %+v", block, e)
		}
	}
	if bad := openStream(t, address, path, ada.bearer, "nonsense"); bad.status != http.StatusBadRequest {
		t.Errorf("bad id: %d", bad.status)
	}
	if other := openStream(t, address, "/wallets/"+bob.profile.String()+"/events", ada.bearer, ""); other.status != http.StatusNotFound {
		t.Errorf("somebody else's: %d", other.status)
	}
}

func TestStreamsEnd(t *testing.T) {
	s := newSystem(t)
	ada := s.person("Ada", "CH", gx(5))
	address, drain := s.serve("tokenomics")
	session, bearer := s.openSession(token.Customers, ada.profile)
	open := func() *stream {
		live := openStream(t, address, "/wallets/me/events", bearer, "")
		live.want("ready")
		return live
	}
	live := open()
	s.exec(`UPDATE app.sessions SET revoked_at = now() WHERE session_id = $1`, session)
	live.wantEnd()

	bearer = ada.bearer
	streams := make([]*stream, 10)
	for i := range streams {
		streams[i] = open()
	}
	if more := openStream(t, address, "/wallets/me/events", bearer, ""); more.status != http.StatusTooManyRequests {
		t.Errorf("stream 11 of one person: %d", more.status)
	}
	_ = streams[0].body.Close()
	for streams[0] = nil; streams[0] == nil; { // the place is free as soon as its end is noticed
		if again := openStream(t, address, "/wallets/me/events", bearer, ""); again.status == http.StatusOK {
			again.want("ready")
			streams[0] = again
		}
	}
	drain()
	for _, live := range streams {
		live.wantEnd()
	}
}
