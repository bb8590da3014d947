package outbox

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/uuid"
)

// die claims commands and gives them up.
func (r *rig) die(l *Leader, n int, class Class) []uuid.UUID {
	r.t.Helper()
	r.accept(n)
	list := r.claim(l, n)
	var fates []Fate
	for _, id := range list {
		fates = append(fates, Fate{ID: id, State: Dead, Counters: Counters{5, 2}, Class: class, Code: "X", Error: "why"})
	}
	r.ok(l.Settle(r.t.Context(), Settlement{Fates: fates}))
	return list
}

func TestDead(t *testing.T) {
	r := newRig(t)
	l := r.leader(uuid.New())
	faults, poison := r.die(l, 3, Fault), r.die(l, 1, Poison)
	list := func(class Class, limit int) (out []uuid.UUID) {
		all, err := ListDead(t.Context(), r.service, false, class, limit)
		r.ok(err)
		for _, d := range all {
			out = append(out, d.CommandID)
		}
		return out
	}
	if got := list("", 10); !slices.Equal(got, slices.Concat(faults, poison)) {
		t.Errorf("all: %v", got)
	}
	if got := list(Poison, 10); !slices.Equal(got, poison) {
		t.Errorf("poison: %v", got)
	}
	if got := list("", 2); !slices.Equal(got, faults[:2]) {
		t.Errorf("limited: %v", got)
	}
	deaths, err := Deaths(t.Context(), r.service, faults[0])
	r.ok(err)
	want := DeadCommand{CommandID: faults[0], Type: "TRANSFER_TOKENS", Actor: alice, ErrorClass: Fault, ErrorCode: "X", Error: "why",
		Counters: Counters{5, 2}, CreatedAt: epoch, MovedAt: epoch}
	if diff := cmp.Diff([]DeadCommand{want}, deaths); diff != "" {
		t.Error(diff)
	}
	if _, err := Deaths(t.Context(), r.service, uuid.New()); !errors.Is(err, ErrNotFound) {
		t.Errorf("nothing: %v", err)
	}

	// A decision is for the dead alone, once, and says by whom and why.
	r.at(epoch.Add(time.Hour))
	alive := r.accept(1)[0]
	r.exec(`INSERT INTO read.command_results (command_id, type, outcome, tx_id, block, at) VALUES ($1, 'T', 'APPLIED', 't', 1, now())`, faults[2].String())
	resolve := func(d Decision) []uuid.UUID {
		t.Helper()
		got, err := Resolve(t.Context(), r.leaders, r.clock, d)
		r.ok(err)
		return got
	}
	d := Decision{Requeued, "ada", "the ledger is back", []uuid.UUID{faults[0], faults[2], alive, uuid.New()}}
	if got := resolve(d); !slices.Equal(got, faults[:1]) {
		t.Errorf("requeued %v", got)
	}
	if got := resolve(d); len(got) != 0 {
		t.Errorf("requeued again %v", got)
	}
	if got := resolve(Decision{Discarded, "ada", "a test", poison}); !slices.Equal(got, poison) {
		t.Errorf("discarded %v", got)
	}
	if got := resolve(Decision{Requeued, "ada", "after all", poison}); len(got) != 0 {
		t.Errorf("requeued what was discarded: %v", got)
	}
	for i, d := range []Decision{{}, {Requeued, "", "x", faults}, {Requeued, "ada", "", faults}, {"FIXED", "ada", "x", faults}} {
		if _, err := Resolve(t.Context(), r.leaders, r.clock, d); err == nil {
			t.Errorf("decision %d has no error", i)
		}
	}
	if c := r.find(faults[0]); c.State != Pending || c.Attempts != 0 || c.CompletedAt != nil {
		t.Errorf("requeued: %+v", c)
	}
	if c := r.find(poison[0]); c.State != Cancelled || c.Attempts != 5 || c.CompletedAt == nil {
		t.Errorf("discarded: %+v", c)
	}
	if s := r.state(faults[2]); s != Dead {
		t.Errorf("what the ledger has recorded is %s", s)
	}
	if got := list("", 10); !slices.Equal(got, faults[1:3]) {
		t.Errorf("left: %v", got)
	}

	if all, err := ListDead(t.Context(), r.service, true, "", 10); err != nil || len(all) != 4 {
		t.Errorf("all, decided or not: %v, %v", all, err)
	}

	// It may die again; its story is kept.
	if got := r.claim(l, 1); !slices.Equal(got, faults[:1]) {
		t.Fatalf("claimed %v", got)
	}
	r.ok(l.Settle(t.Context(), Settlement{Fates: []Fate{{ID: faults[0], State: Dead, Counters: Counters{1, 0}, Class: Refused}}}))
	deaths, err = Deaths(t.Context(), r.service, faults[0])
	r.ok(err)
	now := r.clock()
	first := want
	first.Resolution, first.ResolvedBy, first.Reason, first.ResolvedAt = Requeued, "ada", "the ledger is back", &now
	second := DeadCommand{CommandID: faults[0], Type: "TRANSFER_TOKENS", Actor: alice, ErrorClass: Refused, Counters: Counters{1, 0}, CreatedAt: epoch, MovedAt: now}
	if diff := cmp.Diff([]DeadCommand{second, first}, deaths, cmpopts.EquateApproxTime(0)); diff != "" {
		t.Error(diff)
	}
}

func TestStats(t *testing.T) {
	r := newRig(t)
	if got, err := ReadStats(t.Context(), r.leaders); err != nil || got != (Stats{Partitions: 2}) {
		t.Errorf("empty: %+v %v", got, err)
	}
	l := r.leader(uuid.New())
	r.die(l, 2, Fault)
	r.at(epoch.Add(time.Minute))
	r.accept(4)
	claimed := r.claim(l, 4)
	stored := r.batch(l, claimed[0])
	r.ok(l.Store(t.Context(), stored, tx(1)))
	r.batch(l, claimed[1])
	r.ok(l.Settle(t.Context(), Settlement{Fates: []Fate{{ID: claimed[2], State: Retry, NextAt: epoch}, {ID: claimed[3], State: Committed}}}))
	r.at(epoch.Add(time.Hour))
	r.accept(3)
	got, err := ReadStats(t.Context(), r.leaders)
	r.ok(err)
	at := epoch.Add(time.Minute)
	if diff := cmp.Diff(Stats{Pending: 3, Locked: 2, Retry: 1, Dead: 2, Unknown: 1, OldestOpen: &at, OldestUnknown: &at, Partitions: 2, OldestFinished: &at}, got); diff != "" {
		t.Error(diff)
	}
	if got.Depth() != 6 {
		t.Errorf("depth %d", got.Depth())
	}
	for most, want := range map[int]int{5: 5, 6: 6, 7: 6} {
		if n, err := Open(t.Context(), r.leaders, most); err != nil || n != want {
			t.Errorf("%d of at most %d are open, want %d, error %v", n, most, want, err)
		}
	}
}
