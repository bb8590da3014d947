package readmodel_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/readmodel/readmodeltest"
)

func TestKF08ReplayIsRefused(t *testing.T) {
	w := newWorld(t)
	w.open()
	tx := w.commit(w.Transfer("alice", "bob", 100, 3, ""))
	before := readmodeltest.Dump(t, w.pool)
	if err := w.flush(tx); !errors.Is(err, readmodel.ErrData) || !strings.Contains(err.Error(), "event_log") {
		t.Errorf("replay: %v", err)
	}
	if diff := cmp.Diff(before, readmodeltest.Dump(t, w.pool)); diff != "" {
		t.Error(diff)
	}
}

// However often the ledger's story is told again, from the beginning, from anywhere,
// twice over, and however often the projector dies between the effects and their
// commit, everything counts once (F-08).
func TestKF08Replay(t *testing.T) {
	const deaths = 1000
	l, txs := newLife(8)
	txs = append(txs, l.transactions(deaths/2)...)
	want := readmodeltest.Dump(t, build(t, txs, func([]readmodel.Tx) int { return len(txs) }))

	pool := pgtest.New(t).Pool(t, "gx_projector")
	died := errors.New("dead")
	flush := func(from, to int, end error) error {
		p := readmodel.NewProjection()
		for _, tx := range txs[from:to] {
			if err := p.Add(tx); err != nil {
				t.Fatal(err)
			}
		}
		last := txs[to-1]
		return pgx.BeginFunc(t.Context(), pool, func(db pgx.Tx) error {
			if err := p.Flush(t.Context(), db, readmodel.Position{Block: int64(last.Block), TxIndex: last.Index, Hash: []byte{1}}); err != nil {
				return err
			}
			return end
		})
	}
	dead := 0
	for at := 0; at < len(txs); {
		to := min(at+1+l.rand.IntN(3), len(txs))
		for range 1 + (deaths-dead)/(len(txs)-at) { // the effects were written, their commit was not
			dead++
			if err := flush(at, to, died); !errors.Is(err, died) {
				t.Fatalf("transactions %d to %d: %v", at, to, err)
			}
		}
		if at > 0 { // the stream begins again, somewhere before
			from := l.rand.IntN(at)
			if l.rand.IntN(4) == 0 {
				from = 0
			}
			if err := flush(from, to, nil); !errors.Is(err, readmodel.ErrData) {
				t.Fatalf("transactions %d to %d, of which %d were applied: %v", from, to, at-from, err)
			}
		}
		if err := flush(at, to, nil); err != nil {
			t.Fatalf("transactions %d to %d: %v", at, to, err)
		}
		at = to
	}
	if dead < deaths {
		t.Errorf("it died %d times", dead)
	}
	if diff := cmp.Diff(want, readmodeltest.Dump(t, pool)); diff != "" {
		t.Error(diff)
	}
	_, err := pool.Exec(t.Context(), `INSERT INTO read.event_log SELECT * FROM read.event_log LIMIT 1`)
	if pg := (*pgconn.PgError)(nil); !errors.As(err, &pg) || pg.Code != "23505" {
		t.Errorf("an event can be logged twice: %v", err)
	}
}
