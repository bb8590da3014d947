package outbox

import "time"

// Class says why a command did not reach its end on the ledger, and so what is
// done about it.
type Class string

const (
	// Conflict: the ledger held the transaction against newer state and refused
	// it. A new transaction is made soon, a limited number of times.
	Conflict Class = "CONFLICT"
	// Unavailable: the ledger could not be reached. As often as it takes.
	Unavailable Class = "UNAVAILABLE"
	// Deferred: the system is paused. As often as it takes.
	Deferred Class = "DEFERRED"
	// Fault: for no known reason, or the submitter died over it. A limited
	// number of attempts.
	Fault Class = "FAULT"
	// Poison: the row can't be read as a command. Dead at once.
	Poison Class = "POISON"
	// Refused: the ledger refused to record the command. Dead at once.
	Refused Class = "REFUSED"
	// Invalid: the ledger recorded the transaction as void. Dead at once.
	Invalid Class = "INVALID"
)

// Policy is how failures are dealt with. Zero values take the defaults.
type Policy struct {
	MaxAttempts  int // attempts that end in a Fault; default 5
	MaxConflicts int // default 20

	BackoffMin  time.Duration // doubles from failure to failure; default 1 s
	BackoffMax  time.Duration // default 30 s
	ConflictMin time.Duration // default 50 ms
	ConflictMax time.Duration // default 500 ms
	DeferFor    time.Duration // default 60 s
}

func (p Policy) withDefaults() Policy {
	number := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	duration := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	number(&p.MaxAttempts, 5)
	number(&p.MaxConflicts, 20)
	duration(&p.BackoffMin, time.Second)
	duration(&p.BackoffMax, 30*time.Second)
	duration(&p.ConflictMin, 50*time.Millisecond)
	duration(&p.ConflictMax, 500*time.Millisecond)
	duration(&p.DeferFor, time.Minute)
	return p
}

// jitter is the part by which a backoff is shorter or longer, so that what
// failed together does not come back together.
const jitter = 0.2

// After returns the state of a LOCKED command that has failed, Retry or Dead,
// its counters and how long it waits. Outages is how many calls in a row found
// the ledger unavailable; random is in [0, 1).
func (p Policy) After(class Class, n Counters, outages int, random float64) (State, Counters, time.Duration) {
	p = p.withDefaults()
	switch class {
	case Conflict:
		n.Conflicts++
		if n.Conflicts >= p.MaxConflicts {
			return Dead, n, 0
		}
		return Retry, n, p.ConflictMin + time.Duration(random*float64(p.ConflictMax-p.ConflictMin))
	case Unavailable:
		return Retry, n, p.backoff(outages, random)
	case Deferred:
		return Retry, n, spread(p.DeferFor, random)
	case Fault:
		n.Attempts++
		if n.Attempts >= p.MaxAttempts {
			return Dead, n, 0
		}
		return Retry, n, p.backoff(n.Attempts, random)
	default:
		n.Attempts++
		return Dead, n, 0
	}
}

// Last reports whether a command with these counters has one attempt left.
func (p Policy) Last(n Counters) bool { return n.Attempts >= p.withDefaults().MaxAttempts-1 }

// Counters of a command.
type Counters struct {
	Attempts  int // that ended for a reason of the command's own, or on the ledger
	Conflicts int
}

// backoff is the pause after the nth failure.
func (p Policy) backoff(n int, random float64) time.Duration {
	d := p.BackoffMin
	for ; n > 1 && d < p.BackoffMax; n-- {
		d *= 2
	}
	return spread(min(d, p.BackoffMax), random)
}

func spread(d time.Duration, random float64) time.Duration {
	return time.Duration(float64(d) * (1 - jitter + 2*jitter*random))
}

// Longest is the longest wait that After can tell.
func (p Policy) Longest() time.Duration {
	p = p.withDefaults()
	return spread(max(p.BackoffMax, p.ConflictMax, p.DeferFor), 1)
}
