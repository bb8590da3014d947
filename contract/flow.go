package contract

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"

	"gxcoin.money/gx/protocol/qirat"
)

// total is a running total of Qirat; unlike an amount it may exceed the supply.
type total uint64

func (n total) add(m total) (total, error) {
	sum, carry := bits.Add64(uint64(n), uint64(m), 0)
	if carry != 0 {
		return 0, refuse(CodeOverflow, "a running total is too large")
	}
	return total(sum), nil
}

// AppendText implements encoding.TextAppender.
func (n total) AppendText(b []byte) ([]byte, error) { return strconv.AppendUint(b, uint64(n), 10), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *total) UnmarshalText(text []byte) error {
	v, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil || strconv.FormatUint(v, 10) != string(text) {
		return fmt.Errorf("%q is not a total of Qirat", text)
	}
	*n = total(v)
	return nil
}

// flow is what went into an account and out of it.
type flow struct {
	In  total `json:"in"`
	Out total `json:"out"`
}

func (f flow) add(g flow) (sum flow, err error) {
	if sum.In, err = f.In.add(g.In); err != nil {
		return flow{}, err
	}
	sum.Out, err = f.Out.add(g.Out)
	return sum, err
}

// apply returns the balance after the flow.
func (f flow) apply(balance qirat.Amount) (qirat.Amount, error) {
	if f.In >= f.Out {
		return balance.Add(qirat.Amount(f.In - f.Out))
	}
	return balance.Sub(qirat.Amount(f.Out - f.In))
}

func deltaKey(id, txID string) string { return compositeKey("bd", id, txID) }

// flows sums the movements of a collective account: those folded into it, its
// delta rows and what this transaction adds. It reads all rows, and so
// conflicts with everything that moves money there.
func (t *tx) flows(a *Account) (flow, error) {
	rows, ok := t.rows[a.AccountID]
	if !ok {
		var err error
		if rows, err = t.sumRows(a.AccountID, func(string) bool { return true }); err != nil {
			return flow{}, err
		}
		t.rows[a.AccountID] = rows
	}
	sum, err := flow{a.Received, a.Distributed}.add(rows)
	if err != nil {
		return flow{}, err
	}
	return sum.add(t.deltas[a.AccountID])
}

// sumRows sums the delta rows of an account, until more returns false for one.
func (t *tx) sumRows(id string, more func(key string) bool) (sum flow, err error) {
	var failure error
	err = t.scanPrefix(compositeKey("bd", id), func(key string, data []byte) bool {
		var row *flow
		if row, failure = decode[flow](key, data); failure == nil {
			sum, failure = sum.add(*row)
		}
		return failure == nil && more(key)
	})
	if failure != nil {
		err = failure
	}
	return sum, err
}

// compact folds up to limit delta rows of a collective account into it.
func (t *tx) compact(a *Account, limit int) (folded int, err error) {
	var keys []string
	sum, err := t.sumRows(a.AccountID, func(key string) bool {
		keys = append(keys, key)
		return len(keys) < limit
	})
	if err != nil {
		return 0, err
	}
	if sum, err = sum.add(flow{a.Received, a.Distributed}); err != nil {
		return 0, err
	}
	a.Received, a.Distributed = sum.In, sum.Out
	for _, key := range keys {
		t.delete(key)
	}
	delete(t.rows, a.AccountID)
	return len(keys), t.setAccount(a)
}

// addFlow moves money into or out of a collective account without a read.
func (t *tx) addFlow(id string, f flow) error {
	old := t.deltas[id]
	sum, err := old.add(f)
	if err != nil {
		return err
	}
	if t.depth > 0 {
		t.undo = append(t.undo, change{key: id, delta: true, flow: old})
	}
	t.deltas[id] = sum
	return nil
}

// writeDeltas makes one row of what the transaction did to a collective account.
func (t *tx) writeDeltas() error {
	ids := make([]string, 0, len(t.deltas))
	for id, f := range t.deltas {
		if f != (flow{}) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		f := t.deltas[id]
		if err := store(t, deltaKey(id, t.stub.TxID()), &f); err != nil {
			return err
		}
	}
	return nil
}
