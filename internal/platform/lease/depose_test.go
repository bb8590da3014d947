package lease_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/lease"
	"gxcoin.money/gx/internal/platform/pgtest"
)

// While a transaction deposes, nobody proves the term; afterwards it is over and
// another begins, without waiting for its time to run out. Taken back, it goes on.
func TestDepose(t *testing.T) {
	pool := pgtest.New(t).Pool(t, "gx_submitter")
	const ttl = time.Hour // its end by itself is not what ends it
	first := run(t, pool, lease.Options{Holder: "a", TTL: ttl, Retry: 10 * time.Millisecond}).elected()
	depose := func(then func(pgx.Tx) error) error {
		return pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error {
			if err := lease.Depose(t.Context(), tx, name); err != nil {
				return err
			}
			bounded, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if err := pgx.BeginFunc(bounded, pool, func(other pgx.Tx) error { return first.Assert(bounded, other) }); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("meanwhile the term is proved: %v", err)
			}
			return then(tx)
		})
	}
	second := run(t, pool, lease.Options{Holder: "b", TTL: ttl, Retry: ttl})
	failed := errors.New("failed")
	if err := depose(func(pgx.Tx) error { return failed }); !errors.Is(err, failed) {
		t.Fatal(err)
	}
	if err := assert(t, pool, first.Term); err != nil {
		t.Errorf("the term of a leader that was not deposed after all: %v", err)
	}
	if err := depose(func(pgx.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := assert(t, pool, first.Term); !errors.Is(err, lease.ErrLost) {
		t.Errorf("the term of a deposed leader: %v", err)
	}
	if m := second.elected(); m.Fence <= first.Fence {
		t.Errorf("fence %d after %d", m.Fence, first.Fence)
	}

	// Of a name that nobody ever led.
	if err := pgx.BeginFunc(t.Context(), pool, func(tx pgx.Tx) error { return lease.Depose(t.Context(), tx, "nobody") }); err != nil {
		t.Error(err)
	}
}
