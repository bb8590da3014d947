package schedule_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/ringtest"
)

// TestAuditAnchor lets an hour go by: the head of the audit trail is on the
// ledger, and a trail that was rewritten from the beginning is found out.
func TestAuditAnchor(t *testing.T) {
	r := &ring{t: t, box: outbox.New(outbox.Options{})}
	db := pgtest.New(t)
	ringtest.StartWith(t, db, ringtest.Options{Clock: r.now, ScheduleEvery: time.Millisecond})
	r.pool = db.Pool(t, "gx_service")
	sealer, err := audit.NewSealer(db.Pool(t, "gx_sealer"), audit.Options{Holder: t.Name(), Every: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = sealer.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })

	const anchors = `SELECT count(*) FROM read.audit_anchors`
	r.eventually("what happened at the start is sealed", func() bool { return r.count(`SELECT count(*) FROM app.audit`) > 1 })
	if n := r.count(anchors); n != 0 {
		t.Errorf("%d anchors before the hour is over", n)
	}
	r.leap.Store(int64(2 * time.Hour))
	r.eventually("the head is on the ledger", func() bool { return r.count(anchors) > 0 })
	report, err := audit.Verify(t.Context(), r.pool)
	if err != nil || report.Break != nil || report.Anchored == 0 {
		t.Errorf("%+v, %v", report, err)
	}
	var hash string
	if err := r.pool.QueryRow(t.Context(), `SELECT encode(a.hash, 'hex') FROM app.audit a WHERE sequence = $1`, report.Anchored).Scan(&hash); err != nil {
		t.Fatal(err)
	}
	if n := r.count(anchors+` WHERE sequence = $1 AND hash = $2`, report.Anchored, hash); n != 1 {
		t.Error("the anchor is not the head of the trail")
	}
}
