package submitter

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/outbox"
)

// Positions are given in one order and committed in another, a thousand times, while
// the submitter takes whatever it finds: nothing is skipped.
func TestCommitInversions(t *testing.T) {
	const together, rounds = 10, 100
	r := newRig(t)
	r.start(New(r.pool, newFake(), r.quick()))
	conns := make([]*pgx.Conn, together)
	for i := range conns {
		var err error
		if conns[i], err = pgx.Connect(t.Context(), r.db.DSN); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conns[i].Close(context.WithoutCancel(t.Context())) })
	}
	random := rand.New(rand.NewPCG(1, 2))
	inversions := 0
	for range rounds {
		txs := make([]pgx.Tx, together)
		for i, c := range conns {
			var err error
			if txs[i], err = c.Begin(t.Context()); err != nil {
				t.Fatal(err)
			}
			id := uuid.Must(uuid.NewV7())
			if _, err := r.outbox.Enqueue(t.Context(), txs[i], outbox.Request{ID: id, Payload: pay(2*i, 2*i+1, ""), Principal: "test", Route: "POST /test", Key: id.String()}); err != nil {
				t.Fatal(err)
			}
		}
		last := -1
		for _, i := range random.Perm(together) {
			if i < last {
				inversions++
			}
			last = i
			if err := txs[i].Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			r.outbox.Wake()
		}
	}
	r.settled()
	if n := r.count("SELECT count(*) FROM app.commands WHERE state = 'COMMITTED'"); n != together*rounds || inversions < rounds {
		t.Errorf("%d of %d committed, %d inversions", n, together*rounds, inversions)
	}
}
