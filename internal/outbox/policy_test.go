package outbox

import (
	"testing"
	"time"
)

func TestPolicy(t *testing.T) {
	const s = time.Second
	for name, c := range map[string]struct {
		class   Class
		n       Counters
		outages int
		random  float64
		state   State
		want    Counters
		wait    time.Duration
	}{
		"first fault":              {Fault, Counters{}, 0, 0.5, Retry, Counters{1, 0}, s},
		"second fault":             {Fault, Counters{1, 0}, 0, 0.5, Retry, Counters{2, 0}, 2 * s},
		"third fault":              {Fault, Counters{2, 3}, 0, 0.5, Retry, Counters{3, 3}, 4 * s},
		"fourth fault":             {Fault, Counters{3, 0}, 9, 0.5, Retry, Counters{4, 0}, 8 * s},
		"fifth fault":              {Fault, Counters{4, 0}, 0, 0.5, Dead, Counters{5, 0}, 0},
		"soonest":                  {Fault, Counters{}, 0, 0, Retry, Counters{1, 0}, 800 * time.Millisecond},
		"latest":                   {Fault, Counters{}, 0, 1, Retry, Counters{1, 0}, 1200 * time.Millisecond},
		"first conflict":           {Conflict, Counters{}, 0, 0, Retry, Counters{0, 1}, 50 * time.Millisecond},
		"late conflict":            {Conflict, Counters{4, 18}, 0, 1, Retry, Counters{4, 19}, 500 * time.Millisecond},
		"last conflict":            {Conflict, Counters{0, 19}, 0, 0, Dead, Counters{0, 20}, 0},
		"first outage":             {Unavailable, Counters{4, 19}, 1, 0.5, Retry, Counters{4, 19}, s},
		"sixth outage":             {Unavailable, Counters{}, 6, 0.5, Retry, Counters{}, 30 * s},
		"an outage of days":        {Unavailable, Counters{}, 1 << 30, 0.5, Retry, Counters{}, 30 * s},
		"pause":                    {Deferred, Counters{4, 19}, 0, 0.5, Retry, Counters{4, 19}, 60 * s},
		"refusal":                  {Refused, Counters{}, 0, 0.5, Dead, Counters{1, 0}, 0},
		"void":                     {Invalid, Counters{}, 0, 0.5, Dead, Counters{1, 0}, 0},
		"poison":                   {Poison, Counters{}, 0, 0.5, Dead, Counters{1, 0}, 0},
		"a class nobody knows yet": {"X", Counters{}, 0, 0.5, Dead, Counters{1, 0}, 0},
	} {
		state, n, wait := Policy{}.After(c.class, c.n, c.outages, c.random)
		if state != c.state || n != c.want || wait != c.wait {
			t.Errorf("%s: %s %+v %s, want %s %+v %s", name, state, n, wait, c.state, c.want, c.wait)
		}
		if wait > (Policy{}).Longest() {
			t.Errorf("%s: longer than the longest", name)
		}
	}
	p := Policy{MaxAttempts: 1, MaxConflicts: 2, BackoffMax: 3 * s}
	if state, _, _ := p.After(Fault, Counters{}, 0, 0); state != Dead {
		t.Error("one attempt is not the last")
	}
	if _, _, wait := p.After(Unavailable, Counters{}, 3, 0.5); wait != 3*s {
		t.Errorf("capped at %s", wait)
	}
}

func TestClean(t *testing.T) {
	long := make([]byte, 2*maxText)
	for i := range long {
		long[i] = "é"[i%2]
	}
	for _, c := range []struct{ in, want string }{
		{"", ""}, {"plain", "plain"}, {"a\x00b", "a\uFFFDb"}, {"a\xffb", "a\uFFFDb"}, {string(long), string(long[:maxText])}, {"x" + string(long), "x" + string(long[:maxText-2])},
	} {
		if got := clean(c.in); got != c.want {
			t.Errorf("%.20q: %q, want %q", c.in, got, c.want)
		}
	}
}
