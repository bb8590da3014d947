package sealed_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"gxcoin.money/gx/internal/platform/sealed"
)

func ring(t *testing.T, keys ...string) *sealed.Ring {
	t.Helper()
	r, err := sealed.NewRing(strings.Join(keys, "\n"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestSealAndOpen(t *testing.T) {
	r := ring(t, sealed.NewKey())
	for _, plain := range []string{"", "ada@example.org", strings.Repeat("x", 1000)} {
		field := r.Seal("people.email", []byte(plain))
		if got, err := r.Open("people.email", field); err != nil || string(got) != plain {
			t.Errorf("%q: %q, %v", plain, got, err)
		}
		if plain != "" && bytes.Contains(field, []byte(plain)) {
			t.Errorf("%q can be read", plain)
		}
		if bytes.Equal(field, r.Seal("people.email", []byte(plain))) {
			t.Error("the same text is sealed alike twice")
		}
		if !bytes.HasPrefix(field, r.Prefix()) {
			t.Error("a field does not begin with the prefix")
		}
	}
}

// Every byte of a field counts, and so does its place.
func TestForgeries(t *testing.T) {
	r := ring(t, sealed.NewKey())
	field := r.Seal("people.email 1", []byte("ada@example.org"))
	if _, err := r.Open("people.email 2", field); !errors.Is(err, sealed.ErrForged) {
		t.Errorf("moved to another place: %v", err)
	}
	for i := range field {
		changed := bytes.Clone(field)
		changed[i] ^= 1
		if _, err := r.Open("people.email 1", changed); err == nil {
			t.Errorf("byte %d can be changed", i)
		}
	}
	for i := range field {
		if _, err := r.Open("people.email 1", field[:i]); err == nil {
			t.Errorf("cut to %d bytes it opens", i)
		}
	}
}

func TestRotation(t *testing.T) {
	old, next := sealed.NewKey(), sealed.NewKey()
	before, prepared, after := ring(t, old), ring(t, old, next), ring(t, next, old)
	field := before.Seal("x", []byte("secret"))
	for name, r := range map[string]*sealed.Ring{"before": before, "prepared": prepared, "after": after} {
		if got, err := r.Open("x", field); err != nil || string(got) != "secret" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if prepared.Stale(field) || !after.Stale(field) || !after.Stale(nil) {
		t.Error("what is to be sealed again is not told")
	}
	again := after.Seal("x", []byte("secret"))
	// A process that is a step behind reads it already.
	if got, err := prepared.Open("x", again); err != nil || string(got) != "secret" || after.Stale(again) {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := ring(t, next).Open("x", field); !errors.Is(err, sealed.ErrKey) {
		t.Errorf("without the old key: %v", err)
	}
}

func TestBadKeys(t *testing.T) {
	key := sealed.NewKey()
	for name, keys := range map[string]string{
		"none": " \n", "no id": strings.SplitN(key, ":", 2)[1], "short": key[:20], "twice": key + " " + key, "no base64": "00000000:!",
	} {
		if _, err := sealed.NewRing(keys); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), key[9:30]) {
			t.Errorf("%s: the error tells the key: %v", name, err)
		}
	}
}

func TestDerivedRing(t *testing.T) {
	a, err1 := sealed.DeriveRing(bytes.Repeat([]byte("a"), 32))
	again, err2 := sealed.DeriveRing(bytes.Repeat([]byte("a"), 32))
	b, err3 := sealed.DeriveRing(bytes.Repeat([]byte("b"), 32))
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	field := a.Seal("x", []byte("secret"))
	if got, err := again.Open("x", field); err != nil || string(got) != "secret" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := b.Open("x", field); !errors.Is(err, sealed.ErrForged) {
		t.Errorf("another master opens it: %v", err)
	}
}

func TestIndex(t *testing.T) {
	index := func(master string) sealed.Index {
		x, err := sealed.NewIndex([]byte(strings.Repeat(master, 32)))
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	x := index("a")
	same := x.Sum("email", "ada@example.org")
	if !bytes.Equal(same, index("a").Sum("email", "ada@example.org")) || len(same) != 32 {
		t.Error("the same value has another hash")
	}
	for name, other := range map[string][]byte{
		"value": x.Sum("email", "bob@example.org"), "context": x.Sum("phone", "ada@example.org"), "key": index("b").Sum("email", "ada@example.org"),
		"border": x.Sum("emaila", "da@example.org"),
	} {
		if bytes.Equal(same, other) {
			t.Errorf("another %s has the same hash", name)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	r, err := sealed.NewRing(sealed.NewKey())
	if err != nil {
		b.Fatal(err)
	}
	field := r.Seal("people.email 018f", []byte("ada@example.org"))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Open("people.email 018f", field); err != nil {
			b.Fatal(err)
		}
	}
}
