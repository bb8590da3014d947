package service_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/platform/password"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/sealed"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/fee"
	"gxcoin.money/gx/protocol/gxid"
	"gxcoin.money/gx/protocol/qirat"
)

// system is all seven doors on one database, without ledger and workers: tests
// put into the read model what those would have put there.
type system struct {
	t      testing.TB
	owner  *pgxpool.Pool
	doors  map[string]*door.Handler
	signer *token.Signer
	hasher *password.Hasher
	now    atomic.Int64
	log    *safeBuffer
	drain  atomic.Bool
	deps   service.Deps
	dsn    string
	remote string // address that requests come from
	index  sealed.Index

	contracts map[string]*contract
}

const secret = "Correct horse 1"

func newSystem(t testing.TB, change ...func(*service.Deps)) *system {
	t.Helper()
	db := pgtest.New(t)
	s := &system{t: t, dsn: db.DSN, owner: db.Pool(t, ""), doors: map[string]*door.Handler{}, contracts: map[string]*contract{}, log: &safeBuffer{}}
	s.now.Store(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
	key, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	if s.signer, err = token.NewSigner(key, s.clock); err != nil {
		t.Fatal(err)
	}
	pool := db.Pool(t, "gx_service")
	if err := s.signer.Publish(t.Context(), pool); err != nil {
		t.Fatal(err)
	}
	s.hasher = password.New(password.Options{MemoryKiB: 64, Passes: 1})
	watcher := &readmodel.Watcher{}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = watcher.Run(ctx, pool) })
	t.Cleanup(func() { cancel(); wg.Wait() })

	s.deps = service.Deps{
		Pool: pool, Outbox: outbox.New(outbox.Options{Clock: s.clock}), Watcher: watcher, Clock: s.clock,
		Log: slog.New(slog.NewJSONHandler(s.log, nil)), Registerer: prometheus.NewRegistry(),
		Keys: token.NewKeySet(pool, s.clock), Signer: s.signer, Passwords: s.hasher, Pepper: bytes.Repeat([]byte("p"), 32),
		Limits: door.Limits{}, Version: "test", Draining: s.drain.Load,
	}
	if s.deps.Admission, err = httpkit.NewAdmission(1000, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(&s.deps)
	}
	if s.deps.Fields == nil {
		s.deps.Fields, err = sealed.NewRing(sealed.NewKey())
	}
	if err == nil {
		s.index, err = sealed.NewIndex(s.deps.Pepper)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range service.Doors {
		h, err := service.New(d.Name, s.deps)
		if err != nil {
			t.Fatal(err)
		}
		s.doors[d.Name] = h.(*door.Handler)
		if s.contracts[d.Name], err = newContract(s.doors[d.Name]); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func (s *system) clock() time.Time { return time.UnixMicro(s.now.Load()).UTC() }

func (s *system) advance(d time.Duration) { s.now.Add(d.Microseconds()) }

func (s *system) exec(sql string, args ...any) {
	s.t.Helper()
	if _, err := s.owner.Exec(s.t.Context(), sql, args...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) scan(sql string, args []any, into ...any) {
	s.t.Helper()
	if err := s.owner.QueryRow(s.t.Context(), sql, args...).Scan(into...); err != nil {
		s.t.Fatal(err)
	}
}

func (s *system) count(sql string, args ...any) (n int) {
	s.t.Helper()
	s.scan(sql, args, &n)
	return n
}

// answer is a response with its body decoded.
type answer struct {
	status int
	header http.Header
	raw    string
	body   map[string]any
}

func (a answer) code() string { s, _ := a.body["code"].(string); return s }

// at follows a path of member names into the body.
func (a answer) at(path ...string) any {
	var v any = a.body
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

func (a answer) text(path ...string) string { s, _ := a.at(path...).(string); return s }

// call sends a request; a body that is not a string is encoded. Whatever comes back,
// it must be as the OpenAPI document says, and an error a whole problem.
func (s *system) call(doorName, method, path, bearer string, body any, header ...string) answer {
	s.t.Helper()
	var text string
	switch b := body.(type) {
	case nil:
	case string:
		text = b
	default:
		raw, err := json.Marshal(b, json.Deterministic(true))
		if err != nil {
			s.t.Fatal(err)
		}
		text = string(raw)
	}
	if !strings.HasPrefix(path, "//") {
		path = door.Base + path
	}
	r := httptest.NewRequest(method, strings.Replace(strings.ReplaceAll(path, " ", "%20"), "//", "/", 1), strings.NewReader(text))
	r.Header.Set("User-Agent", "test")
	if s.remote != "" {
		r.RemoteAddr = s.remote
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	w := &recorder{httptest.NewRecorder(), cancel}
	s.doors[doorName].ServeHTTP(w, r.WithContext(ctx))
	a := answer{status: w.Code, header: w.Header(), raw: w.Body.String()}
	_ = json.Unmarshal(w.Body.Bytes(), &a.body)
	contentType := w.Header().Get("Content-Type")
	if w.Code >= 400 && !strings.HasSuffix(path, "/readyz") {
		if contentType != problem.MediaType || a.code() == "" || a.body["success"] != false ||
			a.text("requestId") != w.Header().Get("X-Request-Id") || w.Header().Get("Cache-Control") != "no-store" {
			s.t.Errorf("%s %s: not a whole problem: %d %v %s", method, path, w.Code, w.Header(), w.Body)
		}
	} else if contentType == "application/x-ndjson" || strings.HasPrefix(contentType, "text/") { // no JSON
		return a
	} else if w.Code == http.StatusNoContent || w.Code == http.StatusNotModified {
		return a
	} else if contentType != "application/json" {
		s.t.Errorf("%s %s: content type %q", method, path, contentType)
	}
	if err := s.contracts[doorName].check(r, w.Code, contentType, a.raw); err != nil {
		s.t.Errorf("%s %s: the answer is not as documented: %v\n%s", method, path, err, a.raw)
	}
	return a
}

// recorder leaves a stream after its first bytes.
type recorder struct {
	*httptest.ResponseRecorder
	leave context.CancelFunc
}

func (r *recorder) Flush() { r.ResponseRecorder.Flush(); r.leave() }

// want fails unless the answer has this status and, for a problem, this code.
func (a answer) want(t *testing.T, status int, code string) answer {
	t.Helper()
	if a.status != status || a.code() != code {
		t.Fatalf("answer %d %q, want %d %q: %s", a.status, a.code(), status, code, a.raw)
	}
	return a
}

// person is a customer with a session.
type person struct {
	profile uuid.UUID
	gx      string
	bearer  string
}

// person stores a customer; with a balance they are on the ledger.
func (s *system) person(name, country string, balance *qirat.Amount) person {
	s.t.Helper()
	p := person{profile: uuid.New()}
	hash, err := s.hasher.Hash(s.t.Context(), secret)
	if err != nil {
		s.t.Fatal(err)
	}
	born := time.Date(1990, 12, 10, 0, 0, 0, 0, time.UTC)
	status := people.Registered
	var gx *string
	if balance != nil {
		id, err := gxid.New(rand.Reader, country, born, gxid.Female)
		if err != nil {
			s.t.Fatal(err)
		}
		p.gx, status = id.String(), people.PendingOnchain
		gx = &p.gx
	}
	if err := people.Insert(s.t.Context(), s.owner, s.deps.Fields, s.index, people.New{
		ProfileID: p.profile, PasswordHash: hash, Nationality: &country, Status: status, GXID: gx, At: s.clock(),
		Personal: people.Personal{Email: strings.ToLower(name) + "@example.org", FirstName: name, LastName: "Lovelace", DateOfBirth: &born, Gender: "FEMALE"},
	}); err != nil {
		s.t.Fatal(err)
	}
	if balance != nil {
		s.exec(`INSERT INTO read.users (user_id, nationality, status, trust_score, genesis_status, genesis_phase, genesis_amount, created_at)
			VALUES ($1, $2, 'ACTIVE', 10, 'DISTRIBUTED', 1, 500000000, $3)`, p.gx, country, s.clock())
		s.account(p.gx, account.Individual, country, *balance)
	}
	p.bearer = s.session(token.Customers, p.profile)
	return p
}

func (s *system) account(id string, kind account.Kind, country string, balance qirat.Amount) {
	s.t.Helper()
	s.exec(`INSERT INTO read.accounts (account_id, kind, country, status, balance, created_at, updated_at, block, tx_index)
		VALUES ($1, $2, $3, 'ACTIVE', $4, $5, $5, 1, 0)`, id, kind, country, int64(balance), s.clock())
}

// session opens a session of a subject and returns its access token.
func (s *system) session(audience token.Audience, subject uuid.UUID) string {
	s.t.Helper()
	_, raw := s.openSession(audience, subject)
	return raw
}

func (s *system) openSession(audience token.Audience, subject uuid.UUID) (id uuid.UUID, raw string) {
	s.t.Helper()
	id = uuid.New()
	s.exec(`INSERT INTO app.sessions (session_id, audience, subject, created_at, last_used_at, expires_at) VALUES ($1, $2, $3, $4, $4, $5)`,
		id, audience, subject, s.clock(), s.clock().Add(24*time.Hour))
	raw, err := s.signer.Sign(subject, id, audience)
	if err != nil {
		s.t.Fatal(err)
	}
	return id, raw
}

func (s *system) staff(role door.Role) (id uuid.UUID, bearer string) {
	s.t.Helper()
	id = uuid.New()
	hash, err := s.hasher.Hash(s.t.Context(), secret)
	if err != nil {
		s.t.Fatal(err)
	}
	s.exec(`INSERT INTO app.staff (staff_id, username, display_name, password_hash, role, created_at, updated_at) VALUES ($1, $2, $2, $3, $4, $5, $5)`,
		id, fmt.Sprintf("%s-%s", strings.ToLower(string(role)), id), hash, role, s.clock())
	return id, s.session(token.Staff, id)
}

// open marks the system as bootstrapped, with the pools and the parameters of the ledger.
func (s *system) open() {
	s.t.Helper()
	s.exec(`UPDATE read.system_status SET bootstrapped = true, max_supply = $1`, int64(qirat.MaxSupply))
	for _, p := range account.Pools {
		s.account(p.Account, account.System, "", qirat.Amount(p.Opening))
		s.exec(`INSERT INTO read.pools (account_id, name, opening) VALUES ($1, $2, $3)`, p.Account, p.Name, int64(p.Opening))
	}
	schedule := fee.Default()
	for _, p := range schedule.Parameters() {
		s.exec(`INSERT INTO read.parameters VALUES ($1, $2, $3)`, p.ID, fmt.Sprint(p.Bps), s.clock())
	}
}

// project ends a command as the projector would.
func (s *system) project(id, outcome, code string) {
	s.t.Helper()
	s.exec(`WITH c AS (UPDATE app.commands SET state = CASE WHEN $2 = 'APPLIED' THEN 'COMMITTED' ELSE 'REJECTED' END, tx_id = 'tx1', completed_at = $4 WHERE id = $1::uuid)
		INSERT INTO read.command_results (command_id, type, outcome, code, message, tx_id, block, at) VALUES ($1::text, 'TRANSFER_TOKENS', $2, $3, $3, 'tx1', 7, $4)`,
		id, outcome, code, s.clock())
}

func gx(n qirat.Amount) *qirat.Amount { n *= qirat.PerGX; return &n }

func key() string { return "test-key-" + uuid.NewString() }

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
