package contracttest

import (
	"errors"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"gxcoin.money/gx/contract"
)

// stub records what a transaction reads and writes.
type stub struct {
	ledger *Ledger
	tx     *Tx
	caller contract.Caller
}

var _ contract.Stub = (*stub)(nil)

func (s *stub) TxID() string            { return s.tx.ID }
func (s *stub) Time() time.Time         { return s.ledger.Now }
func (s *stub) Channel() string         { return Channel }
func (s *stub) Caller() contract.Caller { return s.caller }

func (s *stub) Get(key string) ([]byte, error) {
	if err := checkKey(key); err != nil {
		return nil, err
	}
	e := s.ledger.state[key]
	s.tx.reads[key] = e.version
	return slices.Clone(e.value), nil
}

func (s *stub) GetMany(keys []string) ([][]byte, error) {
	values := make([][]byte, len(keys))
	for i, key := range keys {
		var err error
		if values[i], err = s.Get(key); err != nil {
			return nil, err
		}
	}
	return values, nil
}

func (s *stub) Scan(start, end string, limit int, yield func(key string, value []byte) bool) error {
	if start == "" || end == "" {
		return errors.New("a scan needs both bounds")
	}
	r := keyRange{start: start, end: end}
	for i, key := range s.ledger.between(start, end) {
		if limit > 0 && i == limit {
			break
		}
		e := s.ledger.state[key]
		r.versions = append(r.versions, e.version)
		if !yield(key, slices.Clone(e.value)) {
			r.end = key + "\x00"
			break
		}
	}
	if limit <= 0 {
		s.tx.ranges = append(s.tx.ranges, r)
	}
	return nil
}

func (s *stub) Put(key string, value []byte) error {
	if len(value) == 0 {
		return errors.New("an empty value")
	}
	return s.write(key, slices.Clone(value))
}

func (s *stub) Delete(key string) error { return s.write(key, nil) }

func (s *stub) write(key string, value []byte) error {
	if err := checkKey(key); err != nil {
		return err
	}
	s.tx.Writes[key] = value
	return nil
}

func (s *stub) SetEvent(name string, payload []byte) error {
	if name == "" || s.tx.Event != nil {
		return errors.New("a transaction has one event with a name")
	}
	s.tx.Event = slices.Clone(payload)
	return nil
}

// checkKey accepts composite keys as Fabric makes them.
func checkKey(key string) error {
	if !utf8.ValidString(key) || len(key) < 3 || key[0] != 0 || !strings.HasSuffix(key, "\x00") || strings.Contains(key, "\U0010FFFF") {
		return errors.New("not a composite key")
	}
	return nil
}
