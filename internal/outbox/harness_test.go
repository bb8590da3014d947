package outbox

import (
	"context"
	"crypto/rand"
	"flag"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"gxcoin.money/gx/internal/platform/lease"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/gxid"
	"gxcoin.money/gx/protocol/qirat"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue { // each sweeps many days
		_ = f.Value.Set("20")
	}
	goleak.VerifyTestMain(m)
}

var alice, bob = person(), person()

func person() string {
	id, err := gxid.New(rand.Reader, "LK", time.Date(1990, 12, 10, 0, 0, 0, 0, time.UTC), gxid.Female)
	if err != nil {
		panic(err)
	}
	return id.String()
}

// rig is an outbox in a database of its own, on a clock of its own.
type rig struct {
	*Outbox
	t       testing.TB
	db      pgtest.Database
	owner   *pgxpool.Pool
	service *pgxpool.Pool
	leaders *pgxpool.Pool
	now     atomic.Pointer[time.Time]
}

var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newRig(t testing.TB) *rig {
	t.Helper()
	db := pgtest.New(t)
	r := &rig{t: t, db: db, owner: db.Pool(t, ""), service: db.Pool(t, "gx_service"), leaders: db.Pool(t, "gx_submitter")}
	r.at(epoch)
	r.Outbox = New(Options{Clock: r.clock, KeyWait: 100 * time.Millisecond})
	return r
}

func (r *rig) clock() time.Time { return *r.now.Load() }
func (r *rig) at(t time.Time)   { r.now.Store(&t) }

// leader begins a new term for a worker.
func (r *rig) leader(worker uuid.UUID) *Leader {
	r.t.Helper()
	l := &Leader{Pool: r.leaders, Term: lease.Term{Name: "submitter:gx"}, Worker: worker, Clock: r.clock, Random: func() float64 { return 0.5 }}
	if err := r.owner.QueryRow(r.t.Context(), `
		INSERT INTO app.leases (name, holder, fence, expires_at) VALUES ($1, 'test', 1, 'infinity')
		ON CONFLICT (name) DO UPDATE SET fence = app.leases.fence + 1 RETURNING fence`, l.Term.Name).Scan(&l.Term.Fence); err != nil {
		r.t.Fatal(err)
	}
	return l
}

// request is a payment; each has a key of its own.
func request() Request {
	id := uuid.Must(uuid.NewV7())
	return Request{
		ID: id, Payload: &command.TransferTokens{FromID: alice, ToID: bob, Amount: qirat.Amount(7)},
		Principal: "customer:1", Route: "POST /transfers", Key: "key-" + id.String(),
		Body: []byte(`{"amount":"7"}`), Response: []byte(`{"commandId":"` + id.String() + `"}`),
	}
}

func (r *rig) enqueue(db postgres.DB, q Request) Accepted {
	r.t.Helper()
	a, err := r.Enqueue(r.t.Context(), db, q)
	if err != nil {
		r.t.Fatal(err)
	}
	return a
}

// accept enqueues n commands.
func (r *rig) accept(n int) []uuid.UUID {
	r.t.Helper()
	ids := make([]uuid.UUID, n)
	for i := range ids {
		ids[i] = r.enqueue(r.service, request()).ID
	}
	return ids
}

// begin opens a transaction that does not outlive the test.
func (r *rig) begin(pool *pgxpool.Pool) pgx.Tx {
	r.t.Helper()
	tx, err := pool.Begin(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	return tx
}

func (r *rig) exec(sql string, args ...any) {
	r.t.Helper()
	if _, err := r.owner.Exec(r.t.Context(), sql, args...); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) count(sql string, args ...any) (n int) {
	r.t.Helper()
	if err := r.owner.QueryRow(r.t.Context(), sql, args...).Scan(&n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

func (r *rig) find(id uuid.UUID) Command {
	r.t.Helper()
	c, err := Find(r.t.Context(), r.service, id)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

func (r *rig) state(id uuid.UUID) State { r.t.Helper(); return r.find(id).State }

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func ids(list []Waiting) []uuid.UUID {
	out := make([]uuid.UUID, len(list))
	for i, w := range list {
		out[i] = w.ID
	}
	return out
}

// everything is all that the leader's methods change, as text.
func (r *rig) everything() string {
	r.t.Helper()
	var s string
	if err := r.owner.QueryRow(r.t.Context(), `SELECT concat_ws(E'\n',
		(SELECT string_agg(c::text, E'\n' ORDER BY id) FROM app.commands c),
		(SELECT string_agg(b::text, E'\n' ORDER BY id) FROM app.batches b),
		(SELECT string_agg(d::text, E'\n' ORDER BY id) FROM app.dead_commands d))`).Scan(&s); err != nil {
		r.t.Fatal(err)
	}
	return s
}

// batch claims the ids and prepares a batch of them.
func (r *rig) batch(l *Leader, commands ...uuid.UUID) uuid.UUID {
	r.t.Helper()
	b := Batch{ID: uuid.Must(uuid.NewV7()), Identity: "gx_partner_api", Commands: commands}
	if _, err := l.Prepare(r.t.Context(), b); err != nil {
		r.t.Fatal(err)
	}
	return b.ID
}

func tx(n int) Transaction {
	return Transaction{ID: fmt.Sprintf("tx%d", n), Bytes: []byte("bytes"), Result: []byte("result")}
}
