package embedded

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/ledger"
)

// BrokenError reports the first place where the chain is not what was committed.
type BrokenError struct {
	Block  uint64
	TxID   string // empty when the block as a whole is broken
	Reason string
}

func (e *BrokenError) Error() string {
	if e.TxID != "" {
		return fmt.Sprintf("ledger: block %d, transaction %s: %s", e.Block, e.TxID, e.Reason)
	}
	return fmt.Sprintf("ledger: block %d: %s", e.Block, e.Reason)
}

// VerifyChain recomputes every hash from the stored transactions and returns
// the number of blocks that are sound; a BrokenError names the one that is not.
// A chain can't tell that its end was cut off: compare the height and the last
// hash with what was known before. State that is newer than the chain is found.
func (l *Ledger) VerifyChain(ctx context.Context) (height uint64, err error) {
	return l.VerifyChainPaced(ctx, func(int) error { return nil })
}

// VerifyChainPaced is VerifyChain that calls pace after blocks, which may make it
// wait, or end it with an error.
func (l *Ledger) VerifyChainPaced(ctx context.Context, pace func(blocks int) error) (height uint64, err error) {
	prev := []byte{}
	for {
		blocks, err := l.stored(ctx, height)
		if err != nil {
			return height, unavailable("verify", err)
		}
		for _, b := range blocks {
			if err := b.verify(height, prev); err != nil {
				return height, err
			}
			prev = b.storedHash
			height++
		}
		if len(blocks) == 0 {
			break
		}
		if err := pace(len(blocks)); err != nil {
			return height, err
		}
	}
	var ahead bool
	err = l.pool.QueryRow(ctx, "SELECT EXISTS (SELECT FROM ledger.state WHERE block > (SELECT coalesce(max(number), -1) FROM ledger.blocks))").Scan(&ahead)
	if err != nil {
		return height, unavailable("verify", err)
	}
	if ahead {
		return height, &BrokenError{Block: height, Reason: "is missing, but state was written by a later block"}
	}
	return height, nil
}

// storedBlock is a block as it is found in the tables.
type storedBlock struct {
	block
	storedHash, storedData []byte
	rows                   []row
}

// row is a transaction's row.
type row struct {
	id, function, creator string
	code                  ledger.Code
	index                 int
	at                    time.Time
	event                 ledger.Event
	bytes                 []byte
}

func (l *Ledger) stored(ctx context.Context, from uint64) ([]storedBlock, error) {
	rows, err := l.pool.Query(ctx, `SELECT b.number, b.prev_hash, b.data_hash, b.hash, b.at,
		coalesce(t.tx_id, ''), coalesce(t.tx_index, -1), coalesce(t.code, ''), coalesce(t.function, ''), coalesce(t.creator, ''),
		coalesce(t.at, b.at), coalesce(t.event_name, ''), t.event, t.bytes
		FROM ledger.blocks b LEFT JOIN ledger.transactions t ON t.block = b.number
		WHERE b.number >= $1 AND b.number < (SELECT min(number) FROM ledger.blocks WHERE number >= $1) + $2
		ORDER BY b.number, t.tx_index`, int64(from), chunk)
	if err != nil {
		return nil, err
	}
	var blocks []storedBlock
	var b storedBlock
	var r row
	_, err = pgx.ForEachRow(rows, []any{&b.number, &b.prevHash, &b.storedData, &b.storedHash, &b.at,
		&r.id, &r.index, &r.code, &r.function, &r.creator, &r.at, &r.event.Name, &r.event.Payload, &r.bytes}, func() error {
		if n := len(blocks); n == 0 || blocks[n-1].number != b.number {
			blocks = append(blocks, b)
		}
		last := &blocks[len(blocks)-1]
		last.rows = append(last.rows, r)
		return nil
	})
	return blocks, err
}

func (b *storedBlock) verify(number uint64, prev []byte) error {
	broken := func(txID, format string, args ...any) error {
		return &BrokenError{Block: number, TxID: txID, Reason: fmt.Sprintf(format, args...)}
	}
	switch {
	case b.number != int64(number):
		return broken("", "is missing")
	case !bytes.Equal(b.prevHash, prev):
		return broken("", "the previous hash is %x, but the block before has %x", b.prevHash, prev)
	}
	for i, r := range b.rows {
		if r.index != i {
			return broken("", "transaction %d is missing", i)
		}
		t, err := decode(slices.Concat(r.bytes, r.event.Payload))
		if err != nil {
			return broken(r.id, "%v", err)
		}
		stored := recorded{t, r.code}
		_, name, payload := stored.split()
		if t.id != r.id || t.function != r.function || t.creator != r.creator || !t.time.Equal(r.at) ||
			name != r.event.Name || !bytes.Equal(payload, r.event.Payload) {
			return broken(r.id, "its row differs from its bytes")
		}
		b.txs = append(b.txs, stored)
	}
	data := b.dataHash()
	switch {
	case !bytes.Equal(data, b.storedData):
		return broken("", "its transactions have hash %x, not %x", data, b.storedData)
	case !bytes.Equal(b.hash(data), b.storedHash):
		return broken("", "its hash is %x, not %x", b.hash(data), b.storedHash)
	}
	return nil
}
