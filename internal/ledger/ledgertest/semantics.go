package ledgertest

import (
	"errors"
	"strings"
	"time"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/protocol/role"
)

func (s *suite) readsCommitted() {
	k := s.key("own")
	if got := s.invoke("Own", k, "1", s.prefix); got != ",," {
		s.Errorf("reads of a key that the transaction itself creates see %q", got)
	}
	if got, want := s.invoke("Own", k, "2", s.prefix), "1,1,"+k+"=1"; got != want {
		s.Errorf("reads of a key that the transaction itself writes see %q, want %q", got, want)
	}
	s.wantValue(k, "2")

	tx := s.endorse("Put", s.key("pending"), "1")
	s.wantValue(s.key("pending"), "")
	s.commit(tx)
	s.wantValue(s.key("pending"), "1")
	if got := s.evaluate("GetMany", k, s.key("none"), s.key("pending"), k); got != "2,,1,2" {
		s.Errorf("GetMany returns %q", got)
	}
}

func (s *suite) context() {
	for _, r := range role.All {
		p := proposal("Context", nil)
		p.Identity = r
		before := time.Now().Add(-time.Minute)
		tx, err := s.ledger.Endorse(s.ctx, p)
		if err != nil {
			s.Fatal(err)
		}
		got := strings.Split(string(tx.Result), "\n")
		at, err := time.Parse(time.RFC3339Nano, got[1])
		if err != nil {
			s.Fatal(err)
		}
		recorded := s.recorded(s.commit(tx)[0])
		switch {
		case got[0] != tx.ID:
			s.Errorf("the stub's transaction id is %s, the transaction's %s", got[0], tx.ID)
		case !recorded.Time.Equal(at), recorded.Time.Location() != time.UTC, at.Before(before), at.Location() != time.UTC:
			s.Errorf("the stub's time is %v, the block's %v", at, recorded.Time)
		case got[2] == "" || got[3] == "" || got[5] == "":
			s.Errorf("channel, organization or identity is empty: %q", got)
		case got[4] != string(r):
			s.Errorf("the caller has role %s, want %s", got[4], r)
		}
	}
	if _, err := s.ledger.Endorse(s.ctx, ledger.Proposal{Identity: "gx_nobody", Function: "Test:Get", Args: []string{"k"}}); err == nil {
		s.Error("an unknown identity endorsed")
	}
}

func (s *suite) readConflicts() {
	for name, prepare := range map[string]func(k string){
		"update": func(k string) { s.invoke("Put", k, "0") },
		"create": func(k string) {},
		"create again": func(k string) {
			s.invoke("Put", k, "0")
			s.invoke("Delete", k)
		},
	} {
		k := s.key(name)
		prepare(k)
		a, b, c := s.endorse("Replace", k, "a"), s.endorse("Replace", k, "b"), s.endorse("Replace", k, "c")
		s.wantCodes(s.commit(a, b, c), ledger.Valid, ledger.ReadConflict, ledger.ReadConflict)
		s.wantValue(k, "a")
	}

	k := s.key("deleted")
	s.invoke("Put", k, "0")
	tx := s.endorse("Replace", k, "a")
	s.wantCodes(s.commit(s.endorse("Delete", k), tx), ledger.Valid, ledger.ReadConflict)
	s.wantValue(k, "")

	k = s.key("same value again")
	s.invoke("Put", k, "0")
	tx = s.endorse("Replace", k, "a")
	s.invoke("Delete", k)
	s.invoke("Put", k, "0")
	s.wantCodes(s.commit(tx), ledger.ReadConflict)

	k = s.key("after an invalid one")
	a, b, c := s.endorse("Replace", k, "a"), s.endorse("Replace", k, "b"), s.endorse("Get", k)
	s.wantCodes(s.commit(c, a, b), ledger.Valid, ledger.Valid, ledger.ReadConflict)
	if got := s.invoke("Replace", k, "c"); got != "a" {
		s.Errorf("the next transaction reads %q, want a", got)
	}
}

func (s *suite) blindWrites() {
	k := s.key("k")
	txs := []ledger.Transaction{s.endorse("Put", k, "a"), s.endorse("Delete", k), s.endorse("Put", k, "b")}
	s.wantCodes(s.commit(txs...), ledger.Valid, ledger.Valid, ledger.Valid)
	s.wantValue(k, "b")
	s.wantCodes(s.commit(s.endorse("Put", k, "c"), s.endorse("Delete", k)), ledger.Valid, ledger.Valid)
	s.wantValue(k, "")
}

func (s *suite) phantoms() {
	for name, test := range map[string]struct {
		function string // over [b, d), beginning as b and c
		change   []string
		want     ledger.Code
	}{
		"insert":               {"Count", []string{"Put", "bb", "1"}, ledger.PhantomConflict},
		"insert at the start":  {"Count", []string{"Put", "b\x00", "1"}, ledger.PhantomConflict},
		"update":               {"Count", []string{"Put", "c", "1"}, ledger.PhantomConflict},
		"delete":               {"Count", []string{"Delete", "b"}, ledger.PhantomConflict},
		"before":               {"Count", []string{"Put", "a", "1"}, ledger.Valid},
		"the end is exclusive": {"Count", []string{"Put", "d", "1"}, ledger.Valid},
		"delete what is not":   {"Count", []string{"Delete", "cc"}, ledger.Valid},
		"the last seen":        {"First", []string{"Put", "b", "1"}, ledger.PhantomConflict},
	} {
		in := func(k string) string { return s.key(name + "/" + k) }
		change := append([]string{in(test.change[1])}, test.change[2:]...)
		arrange := func() (reader, writer ledger.Transaction) {
			s.invoke("Put", in("b"), "0", in("c"), "0")
			s.invoke("Delete", in("bb"))
			return s.endorse(test.function, in("b"), in("d"), in("result")), s.endorse(test.change[0], change...)
		}
		reader, writer := arrange() // as near to each other as it gets
		if st := s.commit(writer, reader); st[1].Code != test.want {
			s.Errorf("%s: %s, want %s", name, st[1].Code, test.want)
		}
		reader, writer = arrange() // in blocks that are apart
		s.commit(writer)
		if st := s.commit(reader); st[0].Code != test.want {
			s.Errorf("%s, a block later: %s, want %s", name, st[0].Code, test.want)
		}
	}

	// An engine may read ahead of the contract: what lies behind the last key seen
	// is not looked at here. Nothing is a range, too.
	start, end := s.span("empty/")
	a, b := s.endorse("Count", start, end, start+"a"), s.endorse("Count", start, end, start+"b")
	s.wantCodes(s.commit(a, b), ledger.Valid, ledger.PhantomConflict)
	if got := s.evaluate("Scan", start, end, "0"); got != start+"a=0" {
		s.Errorf("the range holds %q", got)
	}
}

func (s *suite) invalid() {
	from, to := s.key("from"), s.key("to")
	s.invoke("Put", from, "10")
	a, b := s.endorse("Transfer", from, to, "7"), s.endorse("Transfer", from, to, "7")
	fates := s.commit(a, b)
	s.wantCodes(fates, ledger.Valid, ledger.ReadConflict)
	if tx := s.recorded(fates[0]); tx.Event == nil || tx.Event.Name != "Transferred" {
		s.Errorf("the valid transaction has event %v", tx.Event)
	}
	if tx := s.recorded(fates[1]); tx.Event != nil {
		s.Errorf("the invalid transaction has event %v", tx.Event)
	}
	s.wantValue(from, "3")
	s.wantValue(to, "7")
	if !fates[1].Code.Conflict() {
		s.Error("a conflict is not called one")
	}
}

func (s *suite) events() {
	for _, test := range []struct {
		args          []string
		name, payload string
	}{
		{[]string{"One", "1"}, "One", "1"},
		{[]string{"One", "1", "Two", "2", "Three", "\x00\xff binary"}, "Three", "\x00\xff binary"},
		{[]string{"Empty", ""}, "Empty", ""},
		{[]string{"Large", strings.Repeat("x", 1<<20)}, "Large", strings.Repeat("x", 1<<20)},
	} {
		tx := s.recorded(s.commit(s.endorse("Event", test.args...))[0])
		if tx.Event == nil || tx.Event.Name != test.name || string(tx.Event.Payload) != test.payload {
			s.Errorf("event %s: got %.200v", test.name, tx.Event)
		}
	}
	if tx := s.recorded(s.commit(s.endorse("Put", s.key("k"), "1"))[0]); tx.Event != nil {
		s.Errorf("a transaction without event has %v", tx.Event)
	}
}

func (s *suite) refusal() {
	const message = "NOT_ELIGIBLE: for a reason, \"quoted\""
	refused := func(call string, err error) {
		s.Helper()
		if c := (*ledger.ContractError)(nil); !errors.As(err, &c) || c.Message != message {
			s.Errorf("%s: %v, want a ContractError with %s", call, err, message)
		}
		if errors.Is(err, ledger.ErrUnavailable) {
			s.Errorf("%s: a refusal is called unavailable", call)
		}
	}
	before := s.height()
	_, err := s.ledger.Endorse(s.ctx, proposal("Fail", []string{s.key("k"), message}))
	refused("endorse", err)
	_, err = s.ledger.Evaluate(s.ctx, proposal("Fail", []string{s.key("k"), message}))
	refused("evaluate", err)
	if _, err := s.ledger.Endorse(s.ctx, proposal("NoSuchFunction", nil)); !errors.As(err, new(*ledger.ContractError)) {
		s.Errorf("an unknown function: %v", err)
	}
	s.wantValue(s.key("k"), "")
	if after := s.height(); after != before {
		s.Errorf("the ledger grew from %d to %d", before, after)
	}
}

func (s *suite) evaluation() {
	before := s.height()
	if got := s.evaluate("Add", s.key("k"), "5"); got != "5" {
		s.Errorf("the result is %q", got)
	}
	s.wantValue(s.key("k"), "")
	if after := s.height(); after != before {
		s.Errorf("the ledger grew from %d to %d", before, after)
	}
}

func (s *suite) limits() {
	for name, p := range map[string]ledger.Proposal{
		"write an empty key":   proposal("Put", []string{"", "1"}),
		"write an empty value": proposal("Put", []string{s.key("k"), ""}),
		"delete an empty key":  proposal("Delete", []string{""}),
		"event without name":   proposal("Event", []string{"", "payload"}),
	} {
		if _, err := s.ledger.Endorse(s.ctx, p); !errors.As(err, new(*ledger.ContractError)) {
			s.Errorf("%s: %v, want a ContractError", name, err)
		}
	}
}

func (s *suite) keys() {
	// Composite keys end their parts with NUL; order is that of bytes.
	names := []string{"a", "a\x00", "a\x00b\x00", "a\x00b\x00c", "a\x00ü", "a\x01", "aa", "b", "ü", "\U0010fffe"}
	var puts, lines []string
	for _, n := range names {
		puts = append(puts, s.key(n), n+"\x00\xff")
		lines = append(lines, s.key(n)+"="+n+"\x00\xff")
	}
	s.invoke("Put", puts...)
	for _, n := range names {
		s.wantValue(s.key(n), n+"\x00\xff")
	}
	start, end := s.span("")
	for limit, want := range map[string][]string{"0": lines, "3": lines[:3], "10": lines, "11": lines} {
		if got := s.evaluate("Scan", start, end, limit); got != strings.Join(want, "\n") {
			s.Errorf("limit %s: the scan returns\n%q", limit, got)
		}
	}
	if got := s.evaluate("Scan", s.key("a\x00"), s.key("a\x01"), "0"); got != strings.Join(lines[1:5], "\n") {
		s.Errorf("the keys below a NUL are %q", got)
	}
	if got := s.evaluate("Scan", end, start, "0"); got != "" {
		s.Errorf("a range that ends before it starts holds %q", got)
	}
}

// composite keys are those of Fabric's CreateCompositeKey: NUL begins the key
// and ends each part, of which the first is the type of object.
func (s *suite) composite() {
	key := func(parts ...string) string { return "\x00" + s.prefix + "\x00" + strings.Join(parts, "\x00") + "\x00" }
	all := []string{key("a", "1"), key("a", "2"), key("a", "3", "x"), key("ab", "1"), key("b")}
	var puts, lines []string
	for _, k := range all {
		puts = append(puts, k, "v")
		lines = append(lines, k+"=v")
	}
	s.invoke("Put", append(puts, s.key("simple"), "v")...)
	const end = "\U0010ffff"
	for _, test := range []struct {
		start, end, limit string
		want              []string
	}{
		{"\x00" + s.prefix + "\x00", "\x00" + s.prefix + "\x00" + end, "0", lines},
		{key("a"), key("a") + end, "0", lines[:3]},
		{key("a"), key("a") + end, "2", lines[:2]},
		{key("a", "2"), key("a") + end, "2", lines[1:3]},
		{key("a", "2"), key("a") + end, "0", lines[1:3]},
		{key("a", "1"), key("a", "3"), "0", lines[:2]},
		{key("a", "2"), key("b"), "0", lines[1:4]},
		{key("c"), key("c") + end, "0", nil},
	} {
		if got := s.evaluate("Scan", test.start, test.end, test.limit); got != strings.Join(test.want, "\n") {
			s.Errorf("from %q to %q, limit %s: the scan returns\n%q", test.start, test.end, test.limit, got)
		}
	}
	s.wantValue(all[0], "v")
	start, stop := s.span("")
	if got := s.evaluate("Scan", start, stop, "0"); got != s.key("simple")+"=v" {
		s.Errorf("a scan of simple keys returns %q", got)
	}
	reader, writer := s.endorse("Count", key("a"), key("a")+end, s.key("count")), s.endorse("Put", key("a", "15"), "1")
	s.wantCodes(s.commit(writer, reader), ledger.Valid, ledger.PhantomConflict)
}

func (s *suite) large() {
	k, v := s.key("k"), strings.Repeat("0123456789abcdef", 1<<16)
	s.invoke("Put", k, v)
	s.wantValue(k, v)
	if got := s.invoke("Replace", k, "small"); got != v {
		s.Errorf("the transaction reads %d bytes, want %d", len(got), len(v))
	}
	s.wantValue(k, "small")
}
