package readmodel_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/protocol/qirat"
)

func TestStatementPages(t *testing.T) {
	w := newWorld(t)
	w.open()
	for i := range 12 {
		w.commit(w.Transfer("alice", "bob", qirat.Amount(i+1), 1, ""), w.Transfer("bob", "alice", 1, 0, ""))
	}
	read := func(f readmodel.Filter) readmodel.Page {
		return must[readmodel.Page](t)(readmodel.Statement(t.Context(), w.pool, "alice", f))
	}
	all := read(readmodel.Filter{Limit: readmodel.MaxPage})
	if len(all.Entries) != 12*3+1 || all.Next != nil {
		t.Fatalf("%d entries, next %v", len(all.Entries), all.Next)
	}
	// The running balance is consistent entry by entry, and ids are unique.
	seen := map[string]bool{}
	balance := must[readmodel.AccountState](t)(readmodel.Account(t.Context(), w.pool, "alice")).Balance
	for _, e := range all.Entries {
		if *e.BalanceAfter != balance {
			t.Fatalf("%s at %s: balance after is %s, want %s", e.Type, e.Cursor, e.BalanceAfter, balance)
		}
		if e.Type.Credit() {
			balance -= e.Amount
		} else {
			balance += e.Amount
		}
		if seen[e.TransactionID.String()] {
			t.Errorf("transaction id %s is used twice", e.TransactionID)
		}
		seen[e.TransactionID.String()] = true
	}
	if balance != 0 {
		t.Errorf("the statement begins with %s", balance)
	}

	// Pages join to the whole, also while new entries arrive.
	for _, limit := range []int{1, 5, 36, 37, 38} {
		var got []readmodel.Entry
		f := readmodel.Filter{Limit: limit}
		for {
			p := read(f)
			got = append(got, p.Entries...)
			if p.Next == nil {
				break
			}
			if len(p.Entries) != limit {
				t.Fatalf("page of %d instead of %d", len(p.Entries), limit)
			}
			f.Before = p.Next
			if len(got) == limit {
				w.commit(w.Transfer("bob", "carol", 1, 0, ""))
			}
		}
		if diff := cmp.Diff(all.Entries, got); diff != "" {
			t.Errorf("limit %d: %s", limit, diff)
		}
	}

	for _, c := range []struct {
		f    readmodel.Filter
		want int
	}{
		{readmodel.Filter{Types: []readmodel.EntryType{readmodel.Fee, readmodel.Genesis}}, 13},
		{readmodel.Filter{Counterparty: "bob"}, 24},
		{readmodel.Filter{From: w.at(3), To: w.at(5)}, 6},
		{readmodel.Filter{Min: 3, Max: 4}, 2},
		{readmodel.Filter{Counterparty: "bob", Types: []readmodel.EntryType{readmodel.Sent}, Min: 12}, 1},
		{readmodel.Filter{Limit: -1}, 37},
	} {
		if got := read(c.f).Entries; len(got) != c.want {
			t.Errorf("%+v: %d entries, want %d", c.f, len(got), c.want)
		}
	}
}

func TestCursorText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		small := rapid.IntRange(0, 1<<31-1)
		c := readmodel.Cursor{Block: rapid.Int64Min(0).Draw(t, "block"), TxIndex: small.Draw(t, "tx"), Seq: small.Draw(t, "seq"), Entry: small.Draw(t, "entry")}
		got, err := readmodel.ParseCursor(c.String())
		if err != nil || got != c {
			t.Fatalf("%v: %v, %v", c, got, err)
		}
	})
}

func FuzzParseCursor(f *testing.F) {
	for _, s := range []string{"1.2.3.4", "", "1.2.3", "1.2.3.4.5", "-1.0.0.0", "01.0.0.0", "9223372036854775808.0.0.0", "0.2147483648.0.0", "a.b.c.d"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := readmodel.ParseCursor(s); err == nil && c.String() != s {
			t.Errorf("%q reads as %q", s, c)
		}
	})
}
