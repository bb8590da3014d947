package submitter

import (
	"cmp"
	"hash/maphash"
	"slices"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/role"
)

// entry is a command that is not finished, without its payload.
type entry struct {
	id       uuid.UUID
	position int64
	typ      command.Type
	identity role.Role
	lanes    []lane
	size     int // of its part of a batch, in bytes
	claimed  time.Time
	trace    string // traceparent of its request, once it was prepared
	outbox.Counters

	retrying bool      // RETRY in the database
	due      time.Time // of its next attempt
	outage   bool      // it waits because there was no ledger
	limit    int       // commands in the largest batch that may hold it; 0: no limit
	suspect  bool      // nothing else may begin with it or before it is stored, so that the next failure is its own
}

// blame says in what company a command with failures, of its own or as it seems of
// those beside it, is tried again: in a quarter of the largest batch after one, a
// quarter of that after the next, and alone for the last attempt. So the few that
// are to blame are found in a few attempts, and many are not held up for long.
func (e *entry) blame(p outbox.Policy, largest int) {
	switch {
	case e.Attempts == 0:
	case p.Last(e.Counters):
		e.limit, e.suspect = 1, true
	default:
		e.limit = max(1, largest>>(2*e.Attempts))
	}
}

// lane is the hash of a key; the lowest bit tells that it is held shared. Keys
// with the same hash do no more harm than to wait for each other.
type lane uint64

const shared lane = 1

func (l lane) key() lane { return l &^ shared }

func (l lane) mode() mode {
	if l&shared != 0 {
		return jointly
	}
	return exclusively
}

// mode is how a lane is held, 0 when it is not.
type mode uint8

const (
	jointly mode = iota + 1
	exclusively
)

// clashes reports whether two commands may not hold a lane at once.
func (m mode) clashes(with mode) bool {
	return m != 0 && with != 0 && (m == exclusively || with == exclusively)
}

var seed = maphash.MakeSeed()

func hashLanes(list []command.Lane) []lane {
	out := make([]lane, len(list))
	for i, l := range list {
		out[i] = lane(maphash.String(seed, l.Key)) &^ shared
		if l.Shared {
			out[i] |= shared
		}
	}
	return out
}

// line is the commands that a leader knows, in the order of their acceptance.
// It packs them into batches so that no two batches at work touch the same lane
// and no command overtakes another on a lane.
type line struct {
	entries []*entry               // not at work, by position
	known   map[uuid.UUID]struct{} // at work or not
	held    map[lane]hold          // lanes of what is at work
	blocked map[lane]mode          // lanes of what pack has passed over
	longest time.Duration          // that an entry waits for its time
}

// hold counts the commands at work that hold a lane.
type hold struct{ exclusive, shared int }

func (h hold) mode() mode {
	switch {
	case h.exclusive > 0:
		return exclusively
	case h.shared > 0:
		return jointly
	}
	return 0
}

func newLine(longest time.Duration) *line {
	return &line{known: make(map[uuid.UUID]struct{}), held: make(map[lane]hold), blocked: make(map[lane]mode), longest: longest}
}

// waits reports whether the time of e has not come. One that is too far away was
// told by a clock that has been set back since.
func (q *line) waits(e *entry, now time.Time) bool {
	return e.due.After(now) && !e.due.After(now.Add(q.longest))
}

// knows takes note of an entry and reports whether it was known before.
func (q *line) knows(e *entry) bool {
	_, ok := q.known[e.id]
	q.known[e.id] = struct{}{}
	return ok
}

// insert puts entries in their places.
func (q *line) insert(list ...*entry) {
	byPosition := func(a, b *entry) int { return cmp.Compare(a.position, b.position) }
	q.entries = append(q.entries, list...)
	if !slices.IsSortedFunc(q.entries, byPosition) {
		slices.SortFunc(q.entries, byPosition)
	}
}

// ready counts the entries whose time has come.
func (q *line) ready(now time.Time) int {
	n := 0
	for _, e := range q.entries {
		if !q.waits(e, now) {
			n++
		}
	}
	return n
}

// hasten ends the wait of those that found no ledger: there is one again.
func (q *line) hasten() {
	for _, e := range q.entries {
		if e.outage {
			e.outage, e.due = false, time.Time{}
		}
	}
}

// bounds of a batch.
type bounds struct{ commands, bytes int }

// pack takes the first entries that may run together off the line and holds
// their lanes; none when nothing may run. Quiet tells that no batch is between
// its beginning and its storage: a suspect waits for that, and others behind it.
//
// An entry that is passed over is not overtaken by a later one that clashes with
// it. One that waits for its next attempt holds up only its exclusive lanes:
// among those that append to a lane order means nothing.
func (q *line) pack(now time.Time, b bounds, quiet bool) []*entry {
	clear(q.blocked)
	var batch []*entry
	bytes, kept, i := 0, 0, 0
	for ; i < len(q.entries) && len(batch) < b.commands; i++ {
		e := q.entries[i]
		waits := q.waits(e, now)
		ready := !waits && q.free(e)
		if ready && e.suspect && (len(batch) > 0 || !quiet) {
			break
		}
		if ready && joins(e, batch) {
			if len(batch) > 0 && bytes+e.size > b.bytes {
				break
			}
			batch = append(batch, e)
			bytes += e.size
			if e.limit > 0 {
				b.commands = min(b.commands, e.limit)
			}
			continue
		}
		for _, l := range e.lanes {
			if !waits || l.mode() == exclusively {
				q.blocked[l.key()] = max(q.blocked[l.key()], l.mode())
			}
		}
		q.entries[kept] = e
		kept++
	}
	q.entries = slices.Delete(q.entries, kept, i)
	for _, e := range batch {
		q.hold(e)
	}
	return batch
}

// free reports whether no lane of e is held or reserved by another.
func (q *line) free(e *entry) bool {
	for _, l := range e.lanes {
		if l.mode().clashes(q.held[l.key()].mode()) || l.mode().clashes(q.blocked[l.key()]) {
			return false
		}
	}
	return true
}

// joins reports whether e may be in one transaction with a batch.
func joins(e *entry, batch []*entry) bool {
	return len(batch) == 0 || e.identity == batch[0].identity && (e.limit == 0 || len(batch) < e.limit)
}

// hold takes the lanes of an entry that goes to work.
func (q *line) hold(e *entry) { q.count(e, 1) }

// finish forgets an entry that was at work.
func (q *line) finish(e *entry) {
	q.count(e, -1)
	delete(q.known, e.id)
}

// retry puts an entry that was at work back in its place.
func (q *line) retry(e *entry) {
	q.count(e, -1)
	q.insert(e)
}

func (q *line) count(e *entry, n int) {
	for _, l := range e.lanes {
		h := q.held[l.key()]
		if l.mode() == jointly {
			h.shared += n
		} else {
			h.exclusive += n
		}
		if h == (hold{}) {
			delete(q.held, l.key())
		} else {
			q.held[l.key()] = h
		}
	}
}
