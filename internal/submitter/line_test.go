package submitter

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/role"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// at makes an entry; lanes are letters, a small one is shared.
func at(position int64, lanes string) *entry {
	var list []command.Lane
	for _, l := range lanes {
		list = append(list, command.Lane{Key: strings.ToUpper(string(l)), Shared: l >= 'a'})
	}
	return &entry{id: uuid.New(), position: position, lanes: hashLanes(list), identity: role.Admin, size: 1}
}

func positions(list []*entry) (out []int64) {
	for _, e := range list {
		out = append(out, e.position)
	}
	return out
}

func TestPack(t *testing.T) {
	type line = []*entry
	with := func(e *entry, f func(*entry)) *entry { f(e); return e }
	waits := func(e *entry) { e.due = noon.Add(time.Second) }
	suspect := func(position int64, lanes string) *entry {
		return with(at(position, lanes), func(e *entry) { e.suspect, e.limit = true, 1 })
	}
	for name, c := range map[string]struct {
		working, waiting line
		bounds           bounds
		want             []int64
		early            bool // a batch is not stored yet
	}{
		"strangers":                        {nil, line{at(1, "A"), at(2, "B")}, bounds{9, 9}, []int64{1, 2}, false},
		"one lane":                         {nil, line{at(1, "A"), at(2, "A"), at(3, "A")}, bounds{9, 9}, []int64{1, 2, 3}, false},
		"a lane at work":                   {line{at(1, "A")}, line{at(2, "A"), at(3, "B")}, bounds{9, 9}, []int64{3}, false},
		"no overtaking":                    {line{at(1, "A")}, line{at(2, "AB"), at(3, "BC"), at(4, "C"), at(5, "D")}, bounds{9, 9}, []int64{5}, false},
		"shared at work":                   {line{at(1, "a")}, line{at(2, "a"), at(3, "A"), at(4, "a")}, bounds{9, 9}, []int64{2}, false},
		"exclusive at work":                {line{at(1, "A")}, line{at(2, "a")}, bounds{9, 9}, nil, false},
		"shared and exclusive in one":      {nil, line{at(1, "a"), at(2, "A"), at(3, "a")}, bounds{9, 9}, []int64{1, 2, 3}, false},
		"out of order":                     {nil, line{at(3, "A"), at(1, "A"), at(2, "A")}, bounds{2, 9}, []int64{1, 2}, false},
		"a retry holds up":                 {nil, line{with(at(1, "A"), waits), at(2, "A"), at(3, "a"), at(4, "B")}, bounds{9, 9}, []int64{4}, false},
		"a retry that shares holds up not": {nil, line{with(at(1, "a"), waits), at(2, "A")}, bounds{9, 9}, []int64{2}, false},
		"a retry is due":                   {nil, line{with(at(1, "A"), func(e *entry) { e.due = noon }), at(2, "A")}, bounds{9, 9}, []int64{1, 2}, false},
		"a clock that was set back":        {nil, line{with(at(1, "A"), func(e *entry) { e.due = noon.Add(2 * time.Hour) }), at(2, "A")}, bounds{9, 9}, []int64{1, 2}, false},
		"count":                            {nil, line{at(1, "A"), at(2, "B"), at(3, "C")}, bounds{2, 9}, []int64{1, 2}, false},
		"bytes":                            {nil, line{at(1, "A"), at(2, "B"), at(3, "C")}, bounds{9, 2}, []int64{1, 2}, false},
		"too large goes alone":             {nil, line{with(at(1, "A"), func(e *entry) { e.size = 99 }), at(2, "B")}, bounds{9, 2}, []int64{1}, false},
		"too large comes later":            {nil, line{at(1, "B"), with(at(2, "A"), func(e *entry) { e.size = 99 }), at(3, "C")}, bounds{9, 2}, []int64{1}, false},
		"one signer":                       {nil, line{at(1, "A"), with(at(2, "B"), func(e *entry) { e.identity = role.SuperAdmin }), at(3, "B"), at(4, "C")}, bounds{9, 9}, []int64{1, 4}, false},
		"limit of the first":               {nil, line{with(at(1, "A"), func(e *entry) { e.limit = 1 }), at(2, "B")}, bounds{9, 9}, []int64{1}, false},
		"limit of a later one":             {nil, line{at(1, "A"), with(at(2, "B"), func(e *entry) { e.limit = 1 }), at(3, "B"), at(4, "C")}, bounds{9, 9}, []int64{1, 4}, false},
		"limit that fits":                  {nil, line{at(1, "A"), with(at(2, "B"), func(e *entry) { e.limit = 2 }), at(3, "C")}, bounds{9, 9}, []int64{1, 2}, false},
		"a suspect goes alone":             {nil, line{suspect(1, "A"), at(2, "B")}, bounds{9, 9}, []int64{1}, false},
		"a suspect is not overtaken":       {nil, line{at(1, "A"), suspect(2, "B"), at(3, "C")}, bounds{9, 9}, []int64{1}, false},
		"a suspect waits for quiet":        {nil, line{suspect(1, "A"), at(2, "B")}, bounds{9, 9}, nil, true},
		"a suspect that waits for time":    {nil, line{with(suspect(1, "A"), waits), at(2, "B")}, bounds{9, 9}, []int64{2}, true},
		"all at work":                      {line{at(1, "A")}, line{at(2, "A")}, bounds{9, 9}, nil, false},
		"nothing":                          {nil, nil, bounds{9, 9}, nil, false},
	} {
		q := newLine(time.Hour)
		for _, e := range c.working {
			q.knows(e)
			q.hold(e)
		}
		for _, e := range c.waiting {
			q.insert(e)
		}
		got := positions(q.pack(noon, c.bounds, !c.early))
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
		if left := len(q.entries); left != len(c.waiting)-len(got) {
			t.Errorf("%s: %d are left", name, left)
		}
	}
}

func TestHasten(t *testing.T) {
	q := newLine(time.Hour)
	a, b := at(1, "A"), at(2, "B")
	a.due, b.due = noon.Add(time.Hour), noon.Add(time.Hour)
	a.outage = true
	q.insert(a, b)
	q.hasten()
	if got := positions(q.pack(noon, bounds{9, 9}, true)); !slices.Equal(got, []int64{1}) {
		t.Errorf("%v", got)
	}
}

func TestLaneModes(t *testing.T) {
	for _, c := range []struct {
		a, b mode
		want bool
	}{{0, 0, false}, {0, jointly, false}, {0, exclusively, false}, {jointly, jointly, false}, {jointly, exclusively, true}, {exclusively, exclusively, true}} {
		if c.a.clashes(c.b) != c.want || c.b.clashes(c.a) != c.want {
			t.Errorf("%d and %d", c.a, c.b)
		}
	}
}

// clash reports whether two commands touch a lane that one of them needs for
// itself; among lanes of a that a waits for time, only exclusive ones count.
func clash(a, b *entry, now time.Time) bool {
	for _, x := range a.lanes {
		for _, y := range b.lanes {
			if x.key() == y.key() && (x&shared == 0 || y&shared == 0) && (x&shared == 0 || !a.due.After(now)) {
				return true
			}
		}
	}
	return false
}

// TestLine holds pack against its promises for any history.
func TestLine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q, now := newLine(time.Hour), noon
		var batches [][]*entry
		free := rapid.Permutation([]int64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}).Draw(t, "positions")
		limits := bounds{rapid.IntRange(1, 5).Draw(t, "commands"), rapid.IntRange(1, 8).Draw(t, "bytes")}
		t.Repeat(map[string]func(*rapid.T){
			"insert": func(t *rapid.T) {
				n := min(len(free), rapid.IntRange(1, 4).Draw(t, "n"))
				for _, p := range free[:n] {
					e := at(p, rapid.StringMatching("[ABCabc]{1,3}").Draw(t, "lanes"))
					e.size = rapid.IntRange(1, 10).Draw(t, "size")
					e.limit = rapid.SampledFrom([]int{0, 0, 1, 2}).Draw(t, "limit")
					if e.Attempts = rapid.IntRange(-1, 2).Draw(t, "attempts"); e.Attempts > 0 {
						e.blame(outbox.Policy{MaxAttempts: 3}, limits.commands)
					}
					e.identity = rapid.SampledFrom(role.All[:2]).Draw(t, "identity")
					if q.knows(e) {
						t.Fatal("known")
					}
					q.insert(e)
				}
				free = free[n:]
			},
			"pack": func(t *rapid.T) {
				before := slices.Clone(q.entries)
				quiet := len(batches) == 0 || rapid.Bool().Draw(t, "quiet")
				batch := q.pack(now, limits, quiet)
				bytes := 0
				for i, e := range batch {
					bytes += e.size
					if e.identity != batch[0].identity || e.limit > 0 && e.limit < len(batch) || e.due.After(now) || i > 0 && batch[i-1].position >= e.position {
						t.Fatalf("entry %d of %v does not belong there", i, positions(batch))
					}
					if e.suspect && (!quiet || len(batch) > 1) {
						t.Fatalf("suspect %d is not alone", e.position)
					}
					for _, other := range batches {
						for _, o := range other {
							if o == e || clash(o, e, now) {
								t.Fatalf("%d runs beside %d", e.position, o.position)
							}
						}
					}
					for _, o := range before {
						if o.position < e.position && !slices.Contains(batch, o) && clash(o, e, now) {
							t.Fatalf("%d overtakes %d", e.position, o.position)
						}
					}
				}
				if len(batch) > limits.commands || len(batch) > 1 && bytes > limits.bytes {
					t.Fatalf("%d commands of %d bytes", len(batch), bytes)
				}
				if len(batch) == 0 && len(batches) == 0 {
					for i, e := range before {
						held := slices.ContainsFunc(before[:i], func(o *entry) bool { return clash(o, e, now) })
						if !held && !e.due.After(now) {
							t.Fatalf("%d could run", e.position)
						}
					}
				}
				if len(batch) > 0 {
					batches = append(batches, batch)
				}
				if got := len(q.entries) + len(batch); got != len(before) {
					t.Fatalf("%d of %d are left", got, len(before))
				}
			},
			"end": func(t *rapid.T) {
				if len(batches) == 0 {
					t.Skip()
				}
				i := rapid.IntRange(0, len(batches)-1).Draw(t, "batch")
				for _, e := range batches[i] {
					switch rapid.IntRange(0, 2).Draw(t, "fate") {
					case 0:
						q.finish(e)
					case 1:
						q.retry(e)
					case 2:
						e.due = now.Add(time.Duration(rapid.IntRange(1, 3).Draw(t, "wait")) * time.Second)
						q.retry(e)
					}
				}
				batches = slices.Delete(batches, i, i+1)
			},
			"wait": func(t *rapid.T) { now = now.Add(time.Second) },
			"": func(t *rapid.T) {
				working := 0
				for _, b := range batches {
					working += len(b)
				}
				if working == 0 && len(q.held) > 0 {
					t.Fatal("lanes are held by nobody")
				}
				if len(q.known) != working+len(q.entries) {
					t.Fatalf("%d are known, %d at work, %d wait", len(q.known), working, len(q.entries))
				}
			},
		})
	})
}
