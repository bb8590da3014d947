package service_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime"
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

// streamBytes is the most memory that the server may need for one idle stream.
const streamBytes = 64 << 10

// TestIdleStreams opens GX_STREAMS streams, 500 without, and wants the server to
// bear them within streamBytes each.
func TestIdleStreams(t *testing.T) {
	n := 500
	if more, err := strconv.Atoi(os.Getenv("GX_STREAMS")); err == nil {
		n = more
	}
	s := newSystem(t)
	address, drain := s.serve("tokenomics")
	bearers := make([]string, n)
	profiles, sessions := make([]uuid.UUID, n), make([]uuid.UUID, n)
	for i := range bearers {
		profiles[i], sessions[i] = uuid.New(), uuid.New()
		var err error
		if bearers[i], err = s.signer.Sign(profiles[i], sessions[i], token.Customers); err != nil {
			t.Fatal(err)
		}
	}
	s.people(profiles)
	s.exec(`INSERT INTO app.sessions (session_id, audience, subject, created_at, last_used_at, expires_at)
		SELECT s, 'gx-api', p, $3::timestamptz, $3, $3 + interval '1 day' FROM unnest($1::uuid[], $2::uuid[]) v (s, p)`, sessions, profiles, s.clock())

	before := memory()
	conns := make([]net.Conn, n)
	defer func() {
		for _, c := range conns {
			if c != nil {
				_ = c.Close()
			}
		}
	}()
	for i := range conns {
		c, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		conns[i] = c
		if _, err := fmt.Fprintf(c, "GET /api/v1/wallets/me/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n\r\n", bearers[i]); err != nil {
			t.Fatal(err)
		}
		readUntil(t, c, "event: ready")
	}
	each := (memory() - before) / int64(n)
	t.Logf("%d idle streams take %d KiB each, %d MiB together", n, each>>10, each*int64(n)>>20)
	if each > streamBytes {
		t.Errorf("an idle stream takes %d bytes, want %d at most", each, streamBytes)
	}
	// They live: a payment to the last is told, to it alone.
	last := profiles[n-1].String()
	s.pay(last, 9)
	readUntil(t, conns[n-1], "event: transaction")
	drain()
	for _, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if rest, err := io.ReadAll(c); err != nil || strings.Contains(string(rest), "event: transaction") {
			t.Fatalf("a stream did not end well: %q, %v", rest, err)
		}
	}
}

// memory returns what the process has in use after everything that is not was given up.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

func readUntil(t *testing.T, c net.Conn, text string) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(patience))
	var got []byte
	buf := make([]byte, 4096)
	for !strings.Contains(string(got), text) {
		n, err := c.Read(buf)
		if err != nil {
			t.Fatalf("%q: %v", got, err)
		}
		got = append(got, buf[:n]...)
	}
}

// people stores customers on the ledger whose account is named after their profile.
func (s *system) people(profiles []uuid.UUID) {
	s.t.Helper()
	s.exec(`INSERT INTO app.people (profile_id, password_hash, status, gx_id, created_at, updated_at)
		SELECT p, '', 'APPROVED_PENDING_ONCHAIN', p::text, $2, $2 FROM unnest($1::uuid[]) p`, profiles, s.clock())
	s.exec(`INSERT INTO read.users (user_id, nationality, status, trust_score, genesis_status, created_at)
		SELECT p::text, 'CH', 'ACTIVE', 10, 'NONE', $2 FROM unnest($1::uuid[]) p`, profiles, s.clock())
	s.exec(`INSERT INTO read.accounts (account_id, kind, status, balance, created_at, updated_at, block, tx_index)
		SELECT p::text, 'INDIVIDUAL', 'ACTIVE', 0, $2, $2, 1, 0 FROM unnest($1::uuid[]) p`, profiles, s.clock())
}
