package embedded

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/ledger"
)

// entry is a key of a range.
type entry struct {
	key     string
	version version
}

// view is the state that the next transaction of a block meets: what is
// committed, overlaid by the valid transactions before it in the block.
type view struct {
	number  int64 // of the last block, -1 when there is none
	hash    []byte
	known   map[string]ledger.Status // transactions that are recorded already
	state   map[string]version       // of the keys that any transaction read
	ranges  map[bounds][]entry       // that any transaction read
	written map[string]write         // by this block
}

type write struct {
	version version // absent: deleted
	value   []byte
}

// load fills the view with everything that validating txs takes, in one round trip.
func load(ctx context.Context, db pgx.Tx, txs []*transaction) (*view, error) {
	v := &view{
		number: -1, hash: []byte{},
		known:   make(map[string]ledger.Status),
		state:   make(map[string]version),
		ranges:  make(map[bounds][]entry),
		written: make(map[string]write),
	}
	var ids []string
	for _, t := range txs {
		ids = append(ids, t.id)
		for key := range t.reads {
			v.state[key] = absent
		}
		for _, r := range t.ranges {
			v.ranges[r.bounds()] = nil
		}
	}
	keys := make([][]byte, 0, len(v.state))
	for key := range v.state {
		keys = append(keys, []byte(key))
	}

	var b pgx.Batch
	b.Queue("SELECT number, hash FROM ledger.blocks ORDER BY number DESC LIMIT 1").QueryRow(func(row pgx.Row) error {
		if err := row.Scan(&v.number, &v.hash); !errors.Is(err, pgx.ErrNoRows) {
			return err
		}
		return nil
	})
	b.Queue(statusQuery, ids).Query(func(rows pgx.Rows) error {
		found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[ledger.Status])
		for _, s := range found {
			v.known[s.TxID] = s
		}
		return err
	})
	b.Queue("SELECT key, block, tx_index FROM ledger.state WHERE key = ANY ($1)", keys).Query(func(rows pgx.Rows) error {
		entries, err := pgx.CollectRows(rows, toEntry)
		for _, e := range entries {
			v.state[e.key] = e.version
		}
		return err
	})
	for r := range v.ranges {
		b.Queue("SELECT key, block, tx_index FROM ledger.state WHERE key >= $1 AND key < $2 ORDER BY key", []byte(r.start), []byte(r.end)).
			Query(func(rows pgx.Rows) (err error) {
				v.ranges[r], err = pgx.CollectRows(rows, toEntry)
				return err
			})
	}
	if err := db.SendBatch(ctx, &b).Close(); err != nil {
		return nil, fmt.Errorf("load state: %w", err)
	}
	return v, nil
}

func toEntry(row pgx.CollectableRow) (e entry, err error) {
	var key []byte
	err = row.Scan(&key, &e.version.block, &e.version.txIndex)
	e.key = string(key)
	return e, err
}

// validate judges a transaction by what it read.
func (v *view) validate(t *transaction) ledger.Code {
	for key, read := range t.reads {
		now := v.state[key]
		if w, ok := v.written[key]; ok {
			now = w.version
		}
		if now != read {
			return ledger.ReadConflict
		}
	}
	for _, r := range t.ranges {
		d := newRangeDigest()
		for _, e := range v.scan(r.bounds()) {
			d.add([]byte(e.key), e.version)
		}
		if d.sum() != r.digest {
			return ledger.PhantomConflict
		}
	}
	return ledger.Valid
}

// scan returns a range with the block's own writes.
func (v *view) scan(r bounds) []entry {
	committed := v.ranges[r]
	written := slices.DeleteFunc(slices.Collect(maps.Keys(v.written)), func(key string) bool {
		return key < r.start || key >= r.end
	})
	if len(written) == 0 {
		return committed
	}
	merged := slices.DeleteFunc(slices.Clone(committed), func(e entry) bool {
		_, ok := v.written[e.key]
		return ok
	})
	for _, key := range written {
		if at := v.written[key].version; at != absent {
			merged = append(merged, entry{key, at})
		}
	}
	slices.SortFunc(merged, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	return merged
}

// apply overlays the writes of a valid transaction.
func (v *view) apply(t *transaction, at version) {
	for key, value := range t.writes {
		if value == nil {
			v.written[key] = write{absent, nil}
		} else {
			v.written[key] = write{at, value}
		}
	}
}
