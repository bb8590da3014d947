package service_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/platform/password"
	"gxcoin.money/gx/internal/service"
	"gxcoin.money/gx/protocol/account"
)

// processorTime is what this process has used so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u) // never fails with these arguments
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkRequest takes requests through the whole stack, in turn with a bare
// statement of the same kind on a pool of the same kind. Processor time is that
// of this process, without PostgreSQL; x-bare is the ratio of the two.
func BenchmarkRequest(b *testing.B) {
	s := newSystem(b, func(d *service.Deps) { d.Passwords = password.New(password.Options{}) })
	s.hasher = s.deps.Passwords
	s.open()
	ada, bob := s.person("Ada", "CH", gx(1_000_000)), s.person("Bob", "CH", gx(0))
	s.account("house", account.Business, "CH", 0)
	s.exec(`INSERT INTO read.transactions (account_id, block, tx_index, seq, entry, transaction_id, tx_id, type, counterparty, amount, at)
		SELECT $1, n, 0, 0, 0, gen_random_uuid(), 'tx' || n, 'RECEIVED', $2, n, $3 FROM generate_series(1, 500) n`, ada.gx, bob.gx, s.clock())
	s.exec(`CREATE TABLE app.bare (id uuid PRIMARY KEY, payload bytea NOT NULL)`)
	s.exec(`GRANT INSERT ON app.bare TO gx_service`)
	n := 0
	for _, kind := range []struct {
		name, door, method, path string
		body                     func() string
		status                   int
		bare                     string
		args                     func() []any
	}{
		{"wallet", "tokenomics", "GET", "/wallets/me/balance", func() string { return "" }, 200,
			`SELECT balance FROM read.accounts WHERE account_id = $1`, func() []any { return []any{ada.gx} }},
		{"history", "tokenomics", "GET", "/wallets/me/transactions?limit=50", func() string { return "" }, 200,
			`SELECT * FROM read.transactions WHERE account_id = $1 ORDER BY block DESC, tx_index DESC, seq DESC, entry DESC LIMIT 51`, func() []any { return []any{ada.gx} }},
		{"transfer", "tokenomics", "POST", "/transfers", func() string { return `{"toID":"` + bob.gx + `","amount":"1","reason":"x"}` }, 202,
			`INSERT INTO app.bare VALUES ($1, $2)`, func() []any { return []any{uuid.New(), make([]byte, 600)} }},
		{"login", "identity", "POST", "/auth/login", func() string { return `{"email":"ada@example.org","password":"` + secret + `"}` }, 200,
			`SELECT profile_id FROM app.people WHERE profile_id = $1`, func() []any { return []any{ada.profile} }},
	} {
		b.Run(kind.name, func(b *testing.B) {
			var ours, bare time.Duration
			b.ReportAllocs()
			for b.Loop() {
				r := httptest.NewRequest(kind.method, "/api/v1"+kind.path, strings.NewReader(kind.body()))
				r.Header.Set("Authorization", "Bearer "+ada.bearer)
				r.Header.Set("Idempotency-Key", fmt.Sprintf("benchmark-key-%d", n))
				n++
				w := httptest.NewRecorder()
				begin := processorTime()
				s.doors[kind.door].ServeHTTP(w, r)
				middle := processorTime()
				ours += middle - begin
				if w.Code != kind.status {
					b.Fatal(w.Code, w.Body)
				}
				rows, err := s.deps.Pool.Query(b.Context(), kind.bare, kind.args()...)
				if err == nil {
					for rows.Next() {
					}
					err = rows.Err()
				}
				if err != nil {
					b.Fatal(err)
				}
				bare += processorTime() - middle
			}
			b.ReportMetric(float64(ours.Microseconds())/float64(b.N), "cpu-µs/op")
			b.ReportMetric(float64(bare.Microseconds())/float64(b.N), "bare-µs/op")
			b.ReportMetric(float64(ours)/float64(bare), "x-bare")
		})
	}
}
