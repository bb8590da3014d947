package projector

import (
	"sync"
	"time"
)

// lag keeps how far the read model is behind the ledger. On an idle ledger it
// is zero however long ago the last block was.
type lag struct {
	mu     sync.Mutex
	known  bool      // next is
	next   uint64    // first block that is not completely applied
	height uint64    // of the ledger, as last seen
	oldest time.Time // of block next, or when it was first missed; zero while unknown

	busy   bool      // with a block that has arrived
	missed time.Time // monotonic: since when the ledger has a block that has not arrived; zero: it has none
}

// start begins at a checkpoint, whose block may be applied in part.
func (l *lag) start(block int64, height uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known, l.next, l.height, l.oldest = true, uint64(max(block, 0)), height, time.Time{}
	l.busy, l.missed = false, time.Time{}
}

func (l *lag) seen(height uint64, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.height = max(l.height, height)
	if l.known && l.oldest.IsZero() && l.height > l.next {
		l.oldest = now
	}
	if l.known && !l.busy && l.missed.IsZero() && l.height > l.next {
		l.missed = time.Now()
	}
}

// silence is for how long the stream has not brought a block that the ledger has.
func (l *lag) silence() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.missed.IsZero() {
		return 0
	}
	return time.Since(l.missed)
}

func (l *lag) arrived(block uint64, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.oldest, l.height = at, max(l.height, block+1)
	l.busy, l.missed = true, time.Time{}
}

func (l *lag) applied(block uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next, l.oldest = block+1, time.Time{}
	l.busy, l.missed = false, time.Time{}
}

func (l *lag) none() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next >= l.height
}

func (l *lag) report(now time.Time) (height, blocks uint64, seconds float64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.known || l.next >= l.height {
		return l.height, 0, 0
	}
	if !l.oldest.IsZero() {
		seconds = max(0, now.Sub(l.oldest).Seconds())
	}
	return l.height, l.height - l.next, seconds
}
