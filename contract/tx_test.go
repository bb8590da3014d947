package contract

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"gxcoin.money/gx/protocol/qirat"
)

// state is a stub with a fixed state.
type state map[string]string

func (state) TxID() string                  { return "t1" }
func (state) Time() time.Time               { return time.Date(2026, 6, 15, 12, 0, 0, 999, time.FixedZone("", 3600)) }
func (state) Channel() string               { return "c" }
func (state) Caller() Caller                { return Caller{} }
func (state) Put(string, []byte) error      { return nil }
func (state) Delete(string) error           { return nil }
func (state) SetEvent(string, []byte) error { return nil }

func (s state) Get(key string) ([]byte, error) {
	if v, ok := s[key]; ok {
		return []byte(v), nil
	}
	return nil, nil
}

func (s state) GetMany(keys []string) ([][]byte, error) {
	values := make([][]byte, len(keys))
	for i, key := range keys {
		values[i], _ = s.Get(key)
	}
	return values, nil
}

func (s state) Scan(start, end string, _ int, yield func(string, []byte) bool) error {
	for _, key := range slices.Sorted(maps.Keys(s)) {
		if start <= key && key < end && !yield(key, []byte(s[key])) {
			break
		}
	}
	return nil
}

// A scan merges what is committed with the transaction's own writes.
func TestScan(t *testing.T) {
	tx := newTx(state{"b": "1", "d": "2", "f": "3", "h": "4", "z": "out"})
	for key, value := range map[string]string{"a": "A", "d": "D", "e": "E", "i": "I", "zz": "out"} {
		tx.put(key, []byte(value))
	}
	tx.delete("f")
	tx.delete("g")
	scan := func(start, end string, limit int) string {
		var out []string
		if err := tx.scan(start, end, func(key string, value []byte) bool {
			out = append(out, key+"="+string(value))
			return len(out) != limit
		}); err != nil {
			t.Fatal(err)
		}
		return strings.Join(out, " ")
	}
	const all = "a=A b=1 d=D e=E h=4 i=I"
	if got := scan("a", "z", 0); got != all {
		t.Errorf("scan: %s, want %s", got, all)
	}
	for n := range strings.Fields(all) {
		if got, want := scan("a", "z", n+1), strings.Join(strings.Fields(all)[:n+1], " "); got != want {
			t.Errorf("the first %d: %s, want %s", n+1, got, want)
		}
	}
	if got := scan("b", "e", 0); got != "b=1 d=D" {
		t.Errorf("a part: %s", got)
	}
}

func TestTry(t *testing.T) {
	tx := newTx(state{"k": "0"})
	failure := errors.New("no")
	value := func(key string) string {
		v, err := tx.get(key)
		if err != nil {
			t.Fatal(err)
		}
		return string(v)
	}
	err := tx.try(func() error {
		tx.put("k", []byte("1"))
		tx.put("n", []byte("1"))
		if err := tx.addFlow("treasury_DE", flow{In: 5}); err != nil {
			return err
		}
		inner := tx.try(func() error {
			tx.put("k", []byte("2"))
			tx.put("k", []byte("3"))
			tx.delete("n")
			if value("k") != "3" || value("n") != "" {
				t.Error("a nested unit does not see its own writes")
			}
			if err := tx.addFlow("treasury_DE", flow{Out: 3}); err != nil {
				return err
			}
			return failure
		})
		if inner != failure || value("k") != "1" || value("n") != "1" || tx.deltas["treasury_DE"] != (flow{In: 5}) {
			t.Errorf("after the failure of a nested unit: %v, %s, %s, %v", inner, value("k"), value("n"), tx.deltas)
		}
		return nil
	})
	if err != nil || value("k") != "1" || value("n") != "1" {
		t.Errorf("after success: %v, %s, %s", err, value("k"), value("n"))
	}
	if err := tx.try(func() error { tx.put("k", []byte("9")); tx.delete("n"); return failure }); err != failure || value("k") != "1" || value("n") != "1" {
		t.Errorf("after failure: %v, %s, %s", err, value("k"), value("n"))
	}
}

// What is remembered of an object is forgotten when the object changes or a
// change of it is taken back.
func TestRecall(t *testing.T) {
	tx := newTx(state{statusKey: `{"paused":true,"reason":"","changedAt":null,"changedBy":""}`})
	paused := func() bool { return errors.Is(tx.running(), errPaused) }
	resume := func() error { return store(tx, statusKey, &SystemStatus{}) }
	if !paused() {
		t.Fatal("not paused")
	}
	_ = tx.try(func() error {
		if err := resume(); err != nil || paused() {
			t.Errorf("paused after the resumption: %v", err)
		}
		return errors.New("no")
	})
	if !paused() {
		t.Error("a resumption that was taken back counts")
	}
	if err := resume(); err != nil || paused() {
		t.Errorf("paused after the resumption: %v", err)
	}
}

// A fold that is taken back leaves the balance as it was.
func TestCompactTakenBack(t *testing.T) {
	tx := newTx(state{accountKey("treasury_DE"): `{"accountID":"treasury_DE","kind":"TREASURY","status":"ACTIVE","balance":"0"}`, deltaKey("treasury_DE", "t0"): `{"in":"7","out":"2"}`})
	balance := func() qirat.Amount {
		a, err := tx.account("treasury_DE")
		if err != nil {
			t.Fatal(err)
		}
		b, err := tx.balance(a)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	_ = tx.try(func() error {
		a, err := tx.account("treasury_DE")
		if err != nil {
			return err
		}
		if n, err := tx.compact(a, 10); n != 1 || err != nil || balance() != 5 {
			t.Errorf("folded %d rows to %s, %v", n, balance(), err)
		}
		return errors.New("no")
	})
	if got := balance(); got != 5 {
		t.Errorf("balance %s", got)
	}
}

func TestMoveToItself(t *testing.T) {
	tx := newTx(state{})
	err := tx.move(movement{From: collectiveAccount("treasury_DE"), To: collectiveAccount("treasury_DE"), Amount: 1, Type: EntryAdjustment})
	if r := refusal(err); r == nil || r.Code != CodeInvalidArgument || len(tx.deltas) > 0 {
		t.Errorf("%v, %v", err, tx.deltas)
	}
}

func TestCompositeKey(t *testing.T) {
	// The forms that Fabric's CreateCompositeKey gives.
	if got := compositeKey("acct", "DE 1"); got != "\x00acct\x00DE 1\x00" {
		t.Errorf("%q", got)
	}
	key := compositeKey("tx", "a", "", "c")
	if key != "\x00tx\x00a\x00\x00c\x00" || !slices.Equal(attributes(key), []string{"a", "", "c"}) {
		t.Errorf("%q: %q", key, attributes(key))
	}
	if got := attributes(compositeKey("sys")); len(got) != 0 {
		t.Errorf("attributes of a bare type: %q", got)
	}
}

func TestNewID(t *testing.T) {
	tx := newTx(state{})
	_ = tx.try(func() error { tx.newID("LOAN_"); return errors.New("no") }) // leaves no gap
	for _, want := range []string{"LOAN_t1", "LOAN_t1_1", "PROP_t1_2"} {
		if got := tx.newID(want[:5]); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if want := time.Date(2026, 6, 15, 11, 0, 0, 0, time.UTC); tx.now != want {
		t.Errorf("now is %v, want %v", tx.now, want)
	}
}

func TestTotal(t *testing.T) {
	if _, err := total(1 << 63).add(1 << 63); refusal(err) == nil || refusal(err).Code != CodeOverflow {
		t.Errorf("overflow: %v", err)
	}
	for _, text := range []string{"", "-1", "01", "+1", "18446744073709551616", "1.0"} {
		if err := new(total).UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is read as a total", text)
		}
	}
	if _, err := (flow{In: 1, Out: 3}).apply(1); err == nil {
		t.Error("a balance below zero")
	}
}
