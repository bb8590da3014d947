package verifier

import (
	"testing"
)

// Every type of object that the contracts write is compared, and everything
// agrees after a long and busy life.
func TestVerify(t *testing.T) {
	w := newTown(t)
	w.live()
	r := w.verify()
	for _, v := range r.Violations {
		t.Error(v)
	}
	if err := r.Err(); err != nil {
		t.Error(err)
	}
	counted := map[string]Count{}
	for _, c := range r.Compared {
		counted[c.Subject] = c
	}
	for key := range w.ledger.State() {
		if object := split(key)[0]; counted[object].Ledger == 0 {
			t.Errorf("no %s was compared", object)
		}
	}
	for _, k := range kinds {
		if counted[k.object].Ledger == 0 {
			t.Errorf("the ledger has no %s", k.object)
		}
		if k.walk != nil && counted[k.object].Rows == 0 {
			t.Errorf("no row of %s was looked up", k.table)
		}
	}
	if s := r.Supply; s.Ledger == nil || s.Max == 0 || s.Read != s.Max || *s.Ledger != s.Max {
		t.Errorf("supply: %+v", s)
	}
	t.Logf("%d compared in %.2f s: %+v", r.Total(), r.Seconds, r.Compared)
}
