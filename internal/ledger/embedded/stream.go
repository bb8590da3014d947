package embedded

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/platform/postgres"
)

const (
	// notification is the channel on which a committed block tells the new height.
	notification = "gx_ledger"

	// chunk is how many blocks a stream reads at a time.
	chunk = 16
)

// Blocks implements ledger.Ledger. A lost connection to the database only delays
// the stream.
func (l *Ledger) Blocks(ctx context.Context, from uint64) iter.Seq2[ledger.Block, error] {
	return func(yield func(ledger.Block, error) bool) {
		next := from
		for {
			blocks, err := l.read(ctx, next)
			switch {
			case ctx.Err() != nil:
				yield(ledger.Block{}, fmt.Errorf("ledger: blocks: %w", ctx.Err()))
				return
			case postgres.IsTransient(err):
				l.o.Log.WarnContext(ctx, "blocks could not be read", "from", next, "retry", l.o.Poll, "error", err)
				pause(ctx, l.o.Poll)
				continue
			case err != nil:
				yield(ledger.Block{}, fmt.Errorf("ledger: blocks from %d: %w", next, err))
				return
			}
			for _, b := range blocks {
				if b.Number != next {
					yield(ledger.Block{}, fmt.Errorf("ledger: block %d is missing", next))
					return
				}
				if !yield(b, nil) {
					return
				}
				next++
			}
			if len(blocks) == 0 {
				l.tip.above(ctx, next)
			}
		}
	}
}

// read returns some blocks from number from on, none when there is none yet.
func (l *Ledger) read(ctx context.Context, from uint64) ([]ledger.Block, error) {
	rows, err := l.pool.Query(ctx, `SELECT b.number, b.prev_hash, b.hash, b.at, t.tx_id, t.tx_index, t.code, t.at, t.event_name, t.event
		FROM ledger.blocks b JOIN ledger.transactions t ON t.block = b.number
		WHERE b.number >= $1 AND b.number < $1 + $2 ORDER BY b.number, t.tx_index`, int64(from), chunk)
	if err != nil {
		return nil, err
	}
	var blocks []ledger.Block
	var b ledger.Block
	var t ledger.BlockTx
	var e ledger.Event
	_, err = pgx.ForEachRow(rows, []any{&b.Number, &b.PrevHash, &b.Hash, &b.Time, &t.ID, &t.Index, &t.Code, &t.Time, &e.Name, &e.Payload}, func() error {
		b.Time, t.Time, t.Event = b.Time.UTC(), t.Time.UTC(), nil
		if n := len(blocks); n == 0 || blocks[n-1].Number != b.Number {
			blocks = append(blocks, b)
		}
		if e.Name != "" {
			event := e
			t.Event = &event
		}
		last := &blocks[len(blocks)-1]
		last.Txs = append(last.Txs, t)
		return nil
	})
	return blocks, err
}

// tip is the height that this process knows of.
type tip struct {
	mu     sync.Mutex
	height uint64
	grown  chan struct{} // closed when height grows
}

// above waits until the height is above number or ctx ends.
func (t *tip) above(ctx context.Context, number uint64) {
	for {
		t.mu.Lock()
		height, grown := t.height, t.grown
		t.mu.Unlock()
		if height > number {
			return
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return
		}
	}
}

// grow wakes the streams when height is news.
func (l *Ledger) grow(height uint64) {
	l.tip.mu.Lock()
	defer l.tip.mu.Unlock()
	if height <= l.tip.height {
		return
	}
	l.tip.height = height
	close(l.tip.grown)
	l.tip.grown = make(chan struct{})
	l.metrics.height.Set(float64(height))
}

// fates delivers statuses to those who wait for them. A channel has room for
// the one status that it will ever get.
type fates struct {
	mu      sync.Mutex
	waiting map[string]map[chan ledger.Status]struct{}
}

func (f *fates) await(txID string) chan ledger.Status {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waiting[txID] == nil {
		f.waiting[txID] = make(map[chan ledger.Status]struct{})
	}
	ch := make(chan ledger.Status, 1)
	f.waiting[txID][ch] = struct{}{}
	return ch
}

func (f *fates) forget(txID string, ch chan ledger.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.waiting[txID], ch)
	if len(f.waiting[txID]) == 0 {
		delete(f.waiting, txID)
	}
}

func (f *fates) tell(statuses []ledger.Status) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range statuses {
		for ch := range f.waiting[s.TxID] {
			ch <- s
		}
		delete(f.waiting, s.TxID)
	}
}

func (f *fates) open() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Collect(maps.Keys(f.waiting))
}

// watch learns of the blocks that any process commits, until ctx ends.
func (l *Ledger) watch(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := l.listen(ctx); err != nil && ctx.Err() == nil {
			l.o.Log.WarnContext(ctx, "listening for blocks was interrupted", "retry", l.o.Poll, "error", err)
			pause(ctx, l.o.Poll)
		}
	}
	return ctx.Err()
}

// listen follows the height until the connection fails.
func (l *Ledger) listen(ctx context.Context) error {
	pooled, err := l.pool.Acquire(ctx)
	if err != nil {
		return err
	}
	// Taken out of the pool for good: it listens.
	conn := pooled.Hijack()
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "LISTEN "+notification); err != nil {
		return err
	}
	now, err := height(ctx, conn) // notifications before LISTEN were missed
	for seen := uint64(0); err == nil; now, err = l.await(ctx, conn) {
		if now <= seen {
			continue
		}
		seen = now
		l.grow(now)
		ids := l.fates.open()
		if len(ids) == 0 {
			continue
		}
		found, err := statuses(ctx, conn, ids)
		if err != nil {
			return err
		}
		l.fates.tell(found)
	}
	return err
}

// await returns the height when it was told or enough time has passed.
func (l *Ledger) await(ctx context.Context, conn *pgx.Conn) (uint64, error) {
	patience, cancel := context.WithTimeout(ctx, l.o.Poll)
	defer cancel()
	n, err := conn.WaitForNotification(patience)
	if err == nil {
		if told, err := strconv.ParseUint(n.Payload, 10, 64); err == nil {
			return told, nil
		}
	} else if ctx.Err() != nil || !pgconn.Timeout(err) {
		return 0, err
	}
	return height(ctx, conn)
}
