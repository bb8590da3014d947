package audit_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.uber.org/goleak"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/platform/lease"
	"gxcoin.money/gx/internal/platform/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type fixture struct {
	owner, service, sealing *pgxpool.Pool
	sealer                  *audit.Sealer
	term                    lease.Term
}

func newFixture(t testing.TB) *fixture {
	t.Helper()
	db := pgtest.New(t)
	f := &fixture{owner: db.Pool(t, ""), service: db.Pool(t, "gx_service"), sealing: db.Pool(t, "gx_sealer"), term: lease.Term{Name: audit.Lease, Fence: 1}}
	var err error
	if f.sealer, err = audit.NewSealer(f.sealing, audit.Options{Holder: "test"}); err != nil {
		t.Fatal(err)
	}
	f.exec(t, `INSERT INTO app.leases (name, holder, fence, expires_at) VALUES ('audit', 'test', 1, now() + interval '1 hour')`)
	return f
}

func (f *fixture) exec(t testing.TB, sql string, args ...any) {
	t.Helper()
	if _, err := f.owner.Exec(t.Context(), sql, args...); err != nil {
		t.Fatal(err)
	}
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func record(i int) audit.Record {
	session := uuid.New()
	return audit.Record{At: noon.Add(time.Duration(i) * time.Second), Actor: fmt.Sprintf("staff:%d", i), Role: "ADMIN", Session: &session,
		Action: "STAFF_LOGIN", ResourceType: "staff", ResourceID: fmt.Sprint(i), RequestID: "r", Address: "192.0.2.1", UserAgent: "test",
		Detail: []byte(`{"n":1}`)}
}

// append stores n records, each in a transaction.
func (f *fixture) append(t testing.TB, n int) {
	t.Helper()
	for i := range n {
		if err := audit.Append(t.Context(), f.service, record(i)); err != nil {
			t.Fatal(err)
		}
	}
}

func (f *fixture) seal(t testing.TB) int {
	t.Helper()
	n, err := f.sealer.Seal(t.Context(), f.term)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (f *fixture) verify(t testing.TB, kept ...audit.Head) audit.Report {
	t.Helper()
	r, err := audit.Verify(t.Context(), f.service, kept...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tamper changes what the database forbids to change, as its superuser can.
func (f *fixture) tamper(t testing.TB, sql ...string) {
	t.Helper()
	err := pgx.BeginFunc(context.WithoutCancel(t.Context()), f.owner, func(tx pgx.Tx) error {
		for _, s := range append([]string{`SET LOCAL session_replication_role = replica`}, sql...) {
			if _, err := tx.Exec(t.Context(), s); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
