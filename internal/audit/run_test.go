package audit_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/platform/pgtest"
)

type ctx = context.Context

// Of two sealers one leads; when it stops the other goes on.
func TestRun(t *testing.T) {
	db := pgtest.New(t)
	f := &fixture{owner: db.Pool(t, ""), service: db.Pool(t, "gx_service")}
	f.append(t, 1200) // more than a block
	var wg sync.WaitGroup
	run := func(holder string) context.CancelFunc {
		s, err := audit.NewSealer(db.Pool(t, "gx_sealer"), audit.Options{Holder: holder, Every: 10 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		t.Cleanup(func() { cancel(); wg.Wait() })
		wg.Go(func() {
			if err := s.Run(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", holder, err)
			}
		})
		return cancel
	}
	stopA := run("a")
	run("b")
	f.await(t, 1200)
	stopA()
	f.append(t, 10)
	f.await(t, 1210)
	if r := f.verify(t); r.Break != nil || r.Pending != 0 {
		t.Errorf("%+v", r)
	}
}

// await waits until so many records are sealed.
func (f *fixture) await(t *testing.T, n int64) {
	t.Helper()
	deadline, tick := time.After(20*time.Second), time.NewTicker(10*time.Millisecond)
	defer tick.Stop()
	for {
		if r := f.verify(t); r.Head.Sequence >= n {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%+v, want %d records", f.verify(t), n)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	f := newFixture(b)
	const records = 10_000
	for b.Loop() {
		b.StopTimer()
		f.exec(b, `INSERT INTO app.audit_pending (at, actor, action, resource_type, resource_id)
			SELECT now(), 'customer:1', 'COMMAND_ACCEPTED', 'command', n::text FROM generate_series(1, $1) n`, records)
		b.StartTimer()
		for f.seal(b) > 0 {
		}
	}
	b.ReportMetric(float64(records*b.N)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkVerify(b *testing.B) {
	f := newFixture(b)
	const records = 100_000
	f.exec(b, `INSERT INTO app.audit_pending (at, actor, action, resource_type, resource_id)
		SELECT now(), 'customer:1', 'COMMAND_ACCEPTED', 'command', n::text FROM generate_series(1, $1) n`, records)
	for f.seal(b) > 0 {
	}
	for b.Loop() {
		if r := f.verify(b); r.Break != nil || r.Head.Sequence != records {
			b.Fatalf("%+v", r)
		}
	}
	b.ReportMetric(float64(records*b.N)/b.Elapsed().Seconds(), "records/s")
}
