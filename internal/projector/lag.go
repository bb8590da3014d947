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
}

// start begins at a checkpoint, whose block may be applied in part.
func (l *lag) start(block int64, height uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.known, l.next, l.height, l.oldest = true, uint64(max(block, 0)), height, time.Time{}
}

func (l *lag) seen(height uint64, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.height = max(l.height, height)
	if l.known && l.oldest.IsZero() && l.height > l.next {
		l.oldest = now
	}
}

func (l *lag) arrived(block uint64, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.oldest, l.height = at, max(l.height, block+1)
}

func (l *lag) applied(block uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next, l.oldest = block+1, time.Time{}
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
