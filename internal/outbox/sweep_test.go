package outbox

import (
	"encoding/binary"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"
)

const day = 24 * time.Hour

// idAt is an id that was made at a time.
func idAt(t time.Time) uuid.UUID {
	id := uuid.Must(uuid.NewV7())
	var ms [8]byte
	binary.BigEndian.PutUint64(ms[:], uint64(t.UnixMilli()))
	copy(id[:6], ms[2:])
	return id
}

func dayOf(id uuid.UUID) time.Time {
	return time.Unix(id.Time().UnixTime()).UTC().Truncate(day)
}

// shelf is a partitioned table of what ended, as it must be.
type shelf struct {
	days  map[time.Time]bool // with a partition
	ended map[uuid.UUID]time.Time
	loose map[uuid.UUID]bool // what is in no partition of its day
}

func newShelf() *shelf {
	return &shelf{map[time.Time]bool{}, map[uuid.UUID]time.Time{}, map[uuid.UUID]bool{}}
}

func (s *shelf) put(id uuid.UUID, at time.Time) {
	s.ended[id], s.loose[id] = at, !s.days[dayOf(id)]
}

// sweep removes what ended before a time with its day, and the loose ones one by one.
func (s *shelf) sweep(now, before time.Time) (rows int) {
	for i := range ahead + 1 {
		s.days[now.UTC().Truncate(day).AddDate(0, 0, i)] = true
	}
	needed := map[time.Time]bool{}
	for id, at := range s.ended {
		if !s.loose[id] && !at.Before(before) {
			needed[dayOf(id)] = true
		}
	}
	for d := range s.days {
		if !d.Add(day).After(before) && !needed[d] {
			delete(s.days, d)
		}
	}
	for id, at := range s.ended {
		switch {
		case s.loose[id] && at.Before(before):
			rows++
		case s.loose[id] || s.days[dayOf(id)]:
			continue
		}
		delete(s.ended, id)
	}
	return rows
}

// model is what the outbox must have kept.
type model struct {
	asked             []Request // with the time of their ids
	open              map[uuid.UUID]bool
	claimed, dead     []uuid.UUID // of those that are open
	commands, batches *shelf
	deaths            map[uuid.UUID][]time.Time // when they were resolved
	fresh, old        map[uuid.UUID]bool        // commands whose keys are known: since the last turn, and before
	turned            time.Time
}

// sweep does what a sweep must do.
func (m *model) sweep(now time.Time, keep time.Duration) (want Swept) {
	if m.turned.IsZero() {
		m.turned = now
	}
	if want.Keys = !m.turned.After(now.Add(-keep)); want.Keys {
		m.turned = now
		for id := range m.old {
			if m.open[id] {
				m.fresh[id] = true
			}
		}
		m.old, m.fresh = m.fresh, map[uuid.UUID]bool{}
	}
	before := now.Add(-keep)
	want.Rows = m.batches.sweep(now, before) + m.commands.sweep(now, before)
	for id, times := range m.deaths {
		if _, there := m.commands.ended[id]; there || m.open[id] {
			continue
		}
		n := len(times)
		m.deaths[id] = slices.DeleteFunc(times, func(t time.Time) bool { return t.Before(before) })
		want.Rows += n - len(m.deaths[id])
	}
	return want
}

// check compares the tables with the model, and whatever it says, the keys that
// have to be known.
func (m *model) check(rt *rapid.T, r *rig, keep time.Duration) {
	ids := func(sql string) map[uuid.UUID]bool {
		rows, err := r.owner.Query(r.t.Context(), sql)
		r.ok(err)
		list, err := pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		r.ok(err)
		out := map[uuid.UUID]bool{}
		for _, id := range list {
			out[id] = true
		}
		return out
	}
	all := func(sets ...map[uuid.UUID]bool) map[uuid.UUID]bool {
		out := map[uuid.UUID]bool{}
		for _, s := range sets {
			maps.Copy(out, s)
		}
		return out
	}
	there := func(s *shelf) map[uuid.UUID]bool {
		out := map[uuid.UUID]bool{}
		for id := range s.ended {
			out[id] = true
		}
		return out
	}
	for table, c := range map[string]struct {
		want map[uuid.UUID]bool
		sql  string
	}{
		"commands": {all(m.open, there(m.commands)), `SELECT id FROM app.commands`},
		"batches":  {there(m.batches), `SELECT id FROM app.batches`},
		"keys":     {all(m.fresh, m.old), `SELECT command_id FROM app.known_keys`},
	} {
		if diff := cmp.Diff(c.want, ids(c.sql)); diff != "" {
			rt.Fatalf("%s at %s:\n%s", table, r.clock(), diff)
		}
	}
	for _, q := range m.asked {
		accepted := time.Unix(q.ID.Time().UnixTime())
		if !m.open[q.ID] && accepted.Before(r.clock().Add(-keep)) {
			continue
		}
		again := q
		again.ID = idAt(r.clock())
		if a, err := r.Enqueue(r.t.Context(), r.service, again); err != nil || !a.Replayed || a.ID != q.ID {
			rt.Fatalf("the key of %s, accepted %s: %+v, %v", q.ID, accepted, a, err)
		}
	}
}

// TestSweep lets commands come, end, die and wait for days: what may go goes by the
// day, and nothing else does.
func TestSweep(t *testing.T) {
	const keep = 7 * day
	r := newRig(t)
	begin := epoch
	rapid.Check(t, func(rt *rapid.T) {
		r.exec("TRUNCATE app.commands, app.batches, app.dead_commands, app.keys, app.keys_before")
		r.exec("UPDATE app.keys_turn SET at = NULL")
		begin = begin.AddDate(1, 0, 0)
		r.at(begin)
		l := r.leader(uuid.New())
		m := &model{open: map[uuid.UUID]bool{}, commands: newShelf(), batches: newShelf(), deaths: map[uuid.UUID][]time.Time{},
			fresh: map[uuid.UUID]bool{}, old: map[uuid.UUID]bool{}}
		take := func(from *[]uuid.UUID) uuid.UUID {
			i := rapid.IntRange(0, len(*from)-1).Draw(rt, "which")
			id := (*from)[i]
			*from = slices.Delete(*from, i, i+1)
			return id
		}
		finish := func(id uuid.UUID) {
			delete(m.open, id)
			m.commands.put(id, r.clock())
		}
		sweep := func() {
			got, err := l.Sweep(t.Context(), keep)
			want := m.sweep(r.clock(), keep)
			if err != nil || got.Keys != want.Keys || got.Rows != want.Rows {
				rt.Fatalf("swept %+v, want %+v; %v", got, want, err)
			}
		}
		sweep()
		for range rapid.IntRange(3, 10).Draw(rt, "steps") {
			for range rapid.IntRange(0, 2).Draw(rt, "new ones") {
				q := request()
				q.ID = idAt(r.clock())
				r.enqueue(r.service, q)
				m.asked, m.open[q.ID], m.fresh[q.ID] = append(m.asked, q), true, true
			}
			m.claimed = append(m.claimed, r.claim(l, 10)...)
			for range rapid.IntRange(0, 2).Draw(rt, "ends") {
				if len(m.claimed) == 0 {
					break
				}
				id := take(&m.claimed)
				if rapid.Bool().Draw(rt, "dies") {
					r.ok(l.Settle(t.Context(), Settlement{Fates: []Fate{{ID: id, State: Dead, Class: Fault}}}))
					m.dead = append(m.dead, id)
					continue
				}
				b := Batch{ID: idAt(r.clock()), Identity: "gx_partner_api", Commands: []uuid.UUID{id}}
				_, err := l.Prepare(t.Context(), b)
				r.ok(err)
				r.ok(l.Store(t.Context(), b.ID, Transaction{ID: b.ID.String(), Bytes: []byte("x")}))
				r.ok(l.Settle(t.Context(), Settlement{Batch: b.ID, Code: "VALID",
					Fates: []Fate{{ID: id, State: rapid.SampledFrom([]State{Committed, Rejected}).Draw(rt, "end")}}}))
				m.batches.put(b.ID, r.clock())
				finish(id)
			}
			if decision := rapid.SampledFrom([]Resolution{"", Requeued, Discarded}).Draw(rt, "decision"); decision != "" && len(m.dead) > 0 {
				id := take(&m.dead)
				_, err := Resolve(t.Context(), r.leaders, r.clock, Decision{decision, "ada", "x", []uuid.UUID{id}})
				r.ok(err)
				m.deaths[id] = append(m.deaths[id], r.clock())
				if decision == Discarded {
					finish(id)
				}
			}
			r.at(r.clock().Add(time.Duration(rapid.IntRange(1, 120).Draw(rt, "hours")) * time.Hour))
			sweep()
			m.check(rt, r, keep)
		}
	})
}

// What is in use is left to the next sweep, the rest is done, and whoever comes
// meanwhile does not wait for either.
func TestSweepInUse(t *testing.T) {
	const keep = 7 * day
	for name, c := range map[string]struct {
		hold func(r *rig, q Request) pgx.Tx
		left func(s Swept) bool
	}{
		"a reader": {func(r *rig, q Request) pgx.Tx {
			tx := r.begin(r.service)
			_, err := Find(r.t.Context(), tx, q.ID)
			r.ok(err)
			return tx
		}, func(s Swept) bool { return s.Keys && !slices.Contains(s.Partitions, "app.commands_20260301") }},
		"a door": {func(r *rig, _ Request) pgx.Tx {
			tx := r.begin(r.service)
			r.enqueue(tx, request())
			return tx
		}, func(s Swept) bool { return !s.Keys && slices.Contains(s.Partitions, "app.commands_20260301") }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			l := r.leader(uuid.New())
			first, err := l.Sweep(t.Context(), keep)
			r.ok(err)
			q := request()
			q.ID = idAt(r.clock())
			r.enqueue(r.service, q)
			r.ok(l.Settle(t.Context(), Settlement{Fates: []Fate{{ID: r.claim(l, 1)[0], State: Committed}}}))
			r.at(epoch.Add(9 * day))
			r.ok(l.Extend(t.Context()))
			holder := c.hold(r, q)
			s, err := l.Sweep(t.Context(), keep)
			if !inUse(err) || !c.left(s) || len(first.Partitions) > 0 || first.Keys {
				t.Errorf("while it is in use: %+v, %v", s, err)
			}
			r.accept(1)
			r.claim(l, 1)
			r.ok(holder.Commit(t.Context()))
			s2, err := l.Sweep(t.Context(), keep)
			r.ok(err)
			if s.Keys == s2.Keys || slices.Contains(s.Partitions, "app.commands_20260301") == slices.Contains(s2.Partitions, "app.commands_20260301") {
				t.Errorf("first %+v, then %+v", s, s2)
			}
		})
	}
}

// A key that is used while the keys turn is taken once, whoever comes first.
func TestTurn(t *testing.T) {
	r := newRig(t)
	r.o.KeyWait = time.Minute
	l := r.leader(uuid.New())
	const rounds, keys, each = 20, 30, 3
	turns := 0
	for round := range rounds {
		r.at(r.clock().Add(day))
		accepted := make([][each]Accepted, keys)
		var wg sync.WaitGroup
		for i := range keys {
			q := request()
			for j := range each {
				wg.Go(func() {
					mine := q
					mine.ID = uuid.Must(uuid.NewV7())
					var err error
					if accepted[i][j], err = r.Enqueue(t.Context(), r.service, mine); err != nil {
						t.Error(err)
					}
				})
			}
		}
		s, err := l.Sweep(t.Context(), time.Hour)
		if err != nil && !inUse(err) {
			t.Error(err)
		}
		if s.Keys {
			turns++
		}
		wg.Wait()
		for _, a := range accepted {
			if a[0].ID != a[1].ID || a[0].ID != a[2].ID {
				t.Fatalf("one key, several commands: %+v", a)
			}
		}
		if n := r.count("SELECT count(*) FROM app.commands"); n != (round+1)*keys {
			t.Fatalf("%d commands after %d rounds of %d keys", n, round+1, keys)
		}
	}
	if turns == 0 {
		t.Error("the keys never turned")
	}
}
