package embedded

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"time"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/ledger"
)

// scanPage is how many keys of a range are held in memory.
const scanPage = 1000

// stub implements contract.Stub for one transaction on one snapshot.
type stub struct {
	ctx     context.Context
	db      pgx.Tx
	tx      *transaction
	caller  contract.Caller
	values  map[string][]byte // of the keys in tx.reads: a snapshot never changes
	limited bool              // a limited scan was made
	fault   error             // the first failure of the database, whatever the contract makes of it
}

var _ contract.Stub = (*stub)(nil)

func (s *stub) TxID() string            { return s.tx.id }
func (s *stub) Time() time.Time         { return s.tx.time }
func (s *stub) Channel() string         { return s.tx.channel }
func (s *stub) Caller() contract.Caller { return s.caller }

func (s *stub) Get(key string) ([]byte, error) {
	if err := s.load(key); err != nil {
		return nil, err
	}
	return bytes.Clone(s.values[key]), nil
}

func (s *stub) GetMany(keys []string) ([][]byte, error) {
	if err := s.load(keys...); err != nil {
		return nil, err
	}
	values := make([][]byte, len(keys))
	for i, key := range keys {
		values[i] = bytes.Clone(s.values[key])
	}
	return values, nil
}

// load reads keys that were not read before.
func (s *stub) load(keys ...string) error {
	var missing [][]byte
	for _, key := range keys {
		if err := checkKey(key); err != nil {
			return err
		}
		if _, ok := s.tx.reads[key]; !ok {
			s.tx.reads[key] = absent
			missing = append(missing, []byte(key))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	records, err := s.query("SELECT key, value, block, tx_index FROM ledger.state WHERE key = ANY ($1)", missing)
	if err != nil {
		return err
	}
	for _, r := range records {
		s.tx.reads[string(r.key)] = r.version
		s.values[string(r.key)] = r.value
	}
	return nil
}

func (s *stub) Scan(start, end string, limit int, yield func(key string, value []byte) bool) error {
	// On Fabric an empty bound means something else than on this engine.
	if start == "" || end == "" {
		return errors.New("a scan needs both bounds")
	}
	s.limited = s.limited || limit > 0
	d := newRangeDigest()
	last := end // the end of what the contract has seen
	for from, seen, more := start, 0, true; more; {
		page := scanPage
		if limit > 0 {
			page = min(page, limit-seen)
		}
		records, err := s.query("SELECT key, value, block, tx_index FROM ledger.state WHERE key >= $1 AND key < $2 ORDER BY key LIMIT $3",
			[]byte(from), []byte(end), page)
		if err != nil {
			return err
		}
		more = len(records) == page
		for _, r := range records {
			d.add(r.key, r.version)
			from = string(r.key) + "\x00"
			seen++
			if seen == limit {
				more = false
			}
			if !yield(string(r.key), r.value) {
				last, more = from, false
				break
			}
		}
	}
	if limit <= 0 {
		s.tx.ranges = append(s.tx.ranges, keyRange{start, last, d.sum()})
	}
	return nil
}

func (s *stub) Put(key string, value []byte) error {
	if len(value) == 0 {
		return fmt.Errorf("the value of key %q is empty", key)
	}
	return s.write(key, bytes.Clone(value))
}

func (s *stub) Delete(key string) error { return s.write(key, nil) }

func (s *stub) write(key string, value []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	s.tx.writes[key] = value
	return nil
}

func (s *stub) SetEvent(name string, payload []byte) error {
	if name == "" {
		return errors.New("an event needs a name")
	}
	if err := checkName(name); err != nil {
		return err
	}
	s.tx.event = &ledger.Event{Name: name, Payload: bytes.Clone(payload)}
	return nil
}

// record is a row of the state.
type record struct {
	key, value []byte
	version    version
}

// query reads records. After a failure of the database all reads fail.
func (s *stub) query(sql string, args ...any) ([]record, error) {
	if s.fault != nil {
		return nil, s.fault
	}
	rows, err := s.db.Query(s.ctx, sql, args...)
	var records []record
	if err == nil {
		records, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (r record, err error) {
			return r, row.Scan(&r.key, &r.value, &r.version.block, &r.version.txIndex)
		})
	}
	if err != nil {
		s.fault = fmt.Errorf("read state: %w", err)
	}
	return records, s.fault
}

// rangeDigest condenses the keys and versions of a range, in key order.
type rangeDigest struct {
	hash hash.Hash
	buf  []byte
}

func newRangeDigest() *rangeDigest { return &rangeDigest{hash: sha256.New()} }

func (d *rangeDigest) add(key []byte, v version) {
	d.buf = appendText(d.buf[:0], key)
	d.buf = binary.AppendVarint(d.buf, v.block)
	d.buf = binary.AppendVarint(d.buf, int64(v.txIndex))
	d.hash.Write(d.buf)
}

func (d *rangeDigest) sum() (out [sha256.Size]byte) {
	d.hash.Sum(out[:0])
	return out
}
