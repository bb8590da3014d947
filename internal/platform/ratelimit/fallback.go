package ratelimit

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"
)

// trustAgain is how long a limiter that failed is left alone.
const trustAgain = time.Second

// Fallback counts in one place that is shared, and here while that is away: then
// clients may use each process as much as all together, but nobody waits and
// nobody is turned away for it.
type Fallback struct {
	shared Limiter
	local  Limiter
	log    *slog.Logger
	until  atomic.Int64 // when to try the shared one again, in microseconds of the machine; 0 while it works
}

// NewFallback returns a limiter that counts in shared, or in local while it fails.
func NewFallback(shared, local Limiter, log *slog.Logger) *Fallback {
	return &Fallback{shared: shared, local: local, log: log}
}

// Take implements Limiter. It never fails.
func (f *Fallback) Take(ctx context.Context, key string, limits ...Limit) (Decision, error) {
	if f.away() {
		return f.local.Take(ctx, key, limits...)
	}
	d, err := f.shared.Take(ctx, key, limits...)
	if f.failed(ctx, err) {
		return f.local.Take(ctx, key, limits...)
	}
	return d, nil
}

// Refund implements Limiter. It never fails.
func (f *Fallback) Refund(ctx context.Context, key string, limits ...Limit) error {
	if f.away() || f.failed(ctx, f.shared.Refund(ctx, key, limits...)) {
		return f.local.Refund(ctx, key, limits...)
	}
	return nil
}

func (f *Fallback) away() bool { return time.Now().UnixMicro() < f.until.Load() }

// failed notes the outcome of a try and tells the operator when it changes.
func (f *Fallback) failed(ctx context.Context, err error) bool {
	if err == nil {
		if f.until.Swap(0) != 0 {
			f.log.InfoContext(ctx, "rate limits are shared again")
		}
		return false
	}
	if ctx.Err() != nil { // the client is gone, which says nothing about the limiter
		return true
	}
	if f.until.Swap(time.Now().Add(trustAgain).UnixMicro()) == 0 {
		f.log.WarnContext(ctx, "rate limits are not shared at the moment: every process counts for itself", "err", err)
	}
	return true
}
