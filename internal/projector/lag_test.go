package projector

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/platform/lease"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/readmodel/readmodeltest"
)

func TestLag(t *testing.T) {
	l := lag{}
	at := func(s int) time.Time { return readmodeltest.Epoch.Add(time.Duration(s) * time.Second) }
	check := func(step string, now int, blocks uint64, seconds float64) {
		t.Helper()
		_, b, s := l.report(at(now))
		if b != blocks || s != seconds {
			t.Errorf("%s: %d blocks, %v s; want %d, %v", step, b, s, blocks, seconds)
		}
	}
	l.seen(7, at(0))
	check("before the checkpoint is known", 5, 0, 0)
	l = lag{}
	l.start(-1, 0)
	check("empty ledger", 1000, 0, 0)
	l.seen(3, at(1000))
	check("three blocks were found", 1002, 3, 2)
	l.arrived(0, at(900))
	check("their age is known", 1002, 3, 102)
	l.applied(1)
	check("two are applied", 1002, 1, 0)
	l.arrived(2, at(990))
	check("one is left", 1002, 1, 12)
	l.applied(2)
	check("idle", 9999, 0, 0)
	l.seen(2, at(9999))
	check("a peer that is behind", 9999, 0, 0)
	l.start(2, 3)
	check("a block that may be applied in part", 0, 1, 0)
}

func TestJudge(t *testing.T) {
	for _, c := range []struct {
		err  error
		want verdict
	}{
		{fmt.Errorf("x: %w", lease.ErrLost), stepDown},
		{fmt.Errorf("x: %w", errSurprise), stepDown},
		{fmt.Errorf("x: %w", &BrokenChainError{}), halt},
		{fmt.Errorf("x: %w", &PoisonError{}), halt},
		{ledger.ErrUnavailable, retry},
		{errors.New("connection refused"), retry},
	} {
		if got := judge(c.err); got != c.want {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
	}
}

func TestChain(t *testing.T) {
	hash := func(n int64) []byte { return []byte{byte(n)} }
	at := readmodel.Position{Block: 5, TxIndex: 2, Hash: hash(5)}
	for name, c := range map[string]struct {
		from    readmodel.Position
		b       ledger.Block
		resumed bool
		ok      bool
	}{
		"genesis":           {readmodel.Origin, ledger.Block{Number: 0, Hash: hash(0)}, false, true},
		"start in history":  {readmodel.Origin, ledger.Block{Number: 89, PrevHash: hash(88)}, false, false},
		"the same again":    {at, ledger.Block{Number: 5, Hash: hash(5), PrevHash: hash(4)}, true, true},
		"another instead":   {at, ledger.Block{Number: 5, Hash: hash(9), PrevHash: hash(4)}, true, false},
		"resumed too late":  {at, ledger.Block{Number: 6, Hash: hash(6), PrevHash: hash(5)}, true, false},
		"successor":         {at, ledger.Block{Number: 6, Hash: hash(6), PrevHash: hash(5)}, false, true},
		"repeated":          {at, ledger.Block{Number: 5, Hash: hash(5), PrevHash: hash(4)}, false, false},
		"hole":              {at, ledger.Block{Number: 7, Hash: hash(7), PrevHash: hash(6)}, false, false},
		"other predecessor": {at, ledger.Block{Number: 6, Hash: hash(6), PrevHash: hash(9)}, false, false},
	} {
		ch := chain{c.from}
		if err := ch.next(c.b, c.resumed); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
