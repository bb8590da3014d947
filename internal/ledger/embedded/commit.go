package embedded

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/ledger"
)

const (
	// maxBlockBytes ends a block early, so that it stays a small database transaction.
	maxBlockBytes = 8 << 20

	retryMin = 50 * time.Millisecond
	retryMax = 2 * time.Second

	// exclusive begins a block's transaction. One process at a time extends the
	// chain; what follows sees all that the one before it committed.
	exclusive = "BEGIN ISOLATION LEVEL READ COMMITTED; SELECT pg_advisory_xact_lock(5135611044716871026)"
)

// order commits blocks until ctx ends. A block that fails is tried again, for
// as long as it takes: everything in it was acknowledged.
func (l *Ledger) order(ctx context.Context) error {
	for {
		txs := l.gather(ctx)
		for retry := retryMin; ; retry = min(2*retry, retryMax) {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			fates, err := l.commit(ctx, txs)
			if err == nil {
				l.fates.tell(fates)
				break
			}
			if ctx.Err() == nil {
				l.o.Log.WarnContext(ctx, "a block could not be committed", "transactions", len(txs), "retry", retry, "error", err)
				pause(ctx, retry)
			}
		}
	}
}

// gather waits for a transaction and takes what else is there. The time that a
// commit takes is what fills the next block.
func (l *Ledger) gather(ctx context.Context) []*transaction {
	l.metrics.waiting.Set(float64(len(l.queue)))
	var txs []*transaction
	select {
	case t := <-l.queue:
		txs = append(txs, t)
	case <-ctx.Done():
		return nil
	}
	for size := len(txs[0].bytes); len(txs) < l.o.MaxBlockTxs && size < maxBlockBytes; {
		select {
		case t := <-l.queue:
			txs = append(txs, t)
			size += len(t.bytes)
		default:
			return txs
		}
	}
	return txs
}

// commit validates transactions and records those that are new as one block. It
// returns the status of each; the first record of a transaction stands.
func (l *Ledger) commit(ctx context.Context, txs []*transaction) ([]ledger.Status, error) {
	begin := time.Now()
	var fates []ledger.Status
	var b *block
	err := pgx.BeginTxFunc(ctx, l.pool, pgx.TxOptions{BeginQuery: exclusive}, func(db pgx.Tx) error {
		v, err := load(ctx, db, txs)
		if err != nil {
			return err
		}
		b = &block{number: v.number + 1, prevHash: v.hash, at: l.o.Clock().UTC().Truncate(time.Microsecond)}
		for _, t := range txs {
			s, ok := v.known[t.id]
			if !ok {
				s = b.append(v, t)
				v.known[t.id] = s
			}
			fates = append(fates, s)
		}
		if len(b.txs) == 0 {
			return nil
		}
		return b.store(ctx, db, v)
	})
	if err != nil {
		return nil, err
	}
	if len(b.txs) > 0 {
		l.metrics.commit.Observe(time.Since(begin).Seconds())
		l.metrics.blockTxs.Observe(float64(len(b.txs)))
		for _, t := range b.txs {
			l.metrics.transactions.WithLabelValues(string(t.code)).Inc()
		}
		l.grow(uint64(b.number) + 1)
	}
	return fates, nil
}

// append validates a transaction and makes it the next of the block.
func (b *block) append(v *view, t *transaction) ledger.Status {
	at := version{b.number, int32(len(b.txs))}
	code := v.validate(t)
	if code == ledger.Valid {
		v.apply(t, at)
	}
	b.txs = append(b.txs, recorded{t, code})
	return ledger.Status{TxID: t.id, Block: uint64(at.block), Index: int(at.txIndex), Code: code}
}

// store writes the block and what it changes, in one round trip.
func (b *block) store(ctx context.Context, db pgx.Tx, v *view) error {
	data := b.dataHash()
	var q pgx.Batch
	q.Queue("INSERT INTO ledger.blocks (number, prev_hash, data_hash, hash, at) VALUES ($1, $2, $3, $4, $5)",
		b.number, b.prevHash, data, b.hash(data), b.at)

	var rows struct {
		ids, codes, functions, creators, names []string
		times                                  []time.Time
		events, bytes                          [][]byte
	}
	for _, t := range b.txs {
		head, name, payload := t.split()
		rows.ids = append(rows.ids, t.id)
		rows.codes = append(rows.codes, string(t.code))
		rows.functions = append(rows.functions, t.function)
		rows.creators = append(rows.creators, t.creator)
		rows.times = append(rows.times, t.time)
		rows.names = append(rows.names, name)
		rows.events = append(rows.events, payload)
		rows.bytes = append(rows.bytes, head)
	}
	q.Queue(`INSERT INTO ledger.transactions (tx_id, block, tx_index, code, function, creator, at, event_name, event, bytes)
		SELECT id, $1, i - 1, code, function, creator, at, name, event, bytes
		FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::bytea[], $9::bytea[])
		WITH ORDINALITY AS t (id, code, function, creator, at, name, event, bytes, i)`,
		b.number, rows.ids, rows.codes, rows.functions, rows.creators, rows.times, rows.names, rows.events, rows.bytes)

	var deleted, keys, values [][]byte
	var indexes []int32
	for _, key := range slices.Sorted(maps.Keys(v.written)) {
		w := v.written[key]
		if w.version == absent {
			deleted = append(deleted, []byte(key))
			continue
		}
		keys = append(keys, []byte(key))
		values = append(values, w.value)
		indexes = append(indexes, w.version.txIndex)
	}
	if len(keys) > 0 {
		q.Queue(`INSERT INTO ledger.state (key, value, block, tx_index)
			SELECT key, value, $1, i FROM unnest($2::bytea[], $3::bytea[], $4::int[]) AS w (key, value, i)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value, block = excluded.block, tx_index = excluded.tx_index`,
			b.number, keys, values, indexes)
	}
	if len(deleted) > 0 {
		q.Queue("DELETE FROM ledger.state WHERE key = ANY ($1)", deleted)
	}
	// Inside the transaction, so that it is never lost; blocks commit one by one anyhow.
	q.Queue("SELECT pg_notify($1, $2)", notification, strconv.FormatInt(b.number+1, 10))
	if err := db.SendBatch(ctx, &q).Close(); err != nil {
		return fmt.Errorf("store block %d: %w", b.number, err)
	}
	return nil
}
