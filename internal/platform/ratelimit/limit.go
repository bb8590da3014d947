// Package ratelimit decides who has to wait, by the generic cell rate algorithm:
// a client may do a number of things at once, and as many again evenly spread
// over a period. The state of a client is one time, so it is small, exact, and
// the same whether it is kept in this process or in Redis.
package ratelimit

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Limit is a number of times in a period.
type Limit struct {
	Name   string // distinguishes limits of the same key
	Count  int
	Period time.Duration
}

// ParseLimits reads limits of a name, as in "5/1m,20/1h". "off" is none.
func ParseLimits(name, s string) ([]Limit, error) {
	if s == "off" {
		return []Limit{}, nil
	}
	var out []Limit
	for i, part := range strings.Split(s, ",") {
		count, period, _ := strings.Cut(strings.TrimSpace(part), "/")
		n, err1 := strconv.Atoi(count)
		d, err2 := time.ParseDuration(period)
		if err1 != nil || err2 != nil || n < 1 || d < time.Duration(n)*time.Microsecond {
			return nil, fmt.Errorf("ratelimit: %q is not off or COUNT/PERIOD, as in 5/1m,20/1h", s)
		}
		l := Limit{name, n, d}
		if i > 0 {
			l.Name += strconv.Itoa(i + 1)
		}
		out = append(out, l)
	}
	return out, nil
}

// interval is the time that one use costs, in microseconds.
func (l Limit) interval() int64 { return max(1, l.Period.Microseconds()/int64(l.Count)) }

// window is how far ahead a client may get, in microseconds.
func (l Limit) window() int64 { return l.interval() * int64(l.Count) }

// Decision tells a client where it stands.
type Decision struct {
	Allowed    bool
	Limit      Limit         // the one that decides
	Remaining  int           // uses left at once
	Reset      time.Duration // until all of them are back
	RetryAfter time.Duration // until the next is possible; 0 when allowed
}

// Limiter counts uses. Implementations may be used concurrently.
type Limiter interface {
	// Take counts a use of key against all of the limits, or against none when
	// one of them is reached.
	Take(ctx context.Context, key string, limits ...Limit) (Decision, error)
	// Refund takes a use back.
	Refund(ctx context.Context, key string, limits ...Limit) error
}

// spent applies a use to a state: the time when the client would have nothing
// used, in microseconds. ok is false, and the state unchanged, when the limit is
// reached.
func (l Limit) spent(state, now int64) (next int64, ok bool) {
	state = max(state, now)
	if next = state + l.interval(); next-now > l.window() {
		return state, false
	}
	return next, true
}

// decide describes the states after a use that was allowed, or those before one
// that was not.
func decide(now int64, allowed bool, limits []Limit, states []int64) Decision {
	d := Decision{Allowed: allowed, RetryAfter: -1}
	for i, l := range limits {
		state := max(states[i], now)
		remaining := int((l.window() - (state - now)) / l.interval())
		wait := max(0, state+l.interval()-l.window()-now)
		tighter := i == 0 || remaining < d.Remaining
		if !allowed {
			tighter = time.Duration(wait)*time.Microsecond > d.RetryAfter
		}
		if tighter {
			d.Limit, d.Remaining, d.Reset = l, remaining, time.Duration(state-now)*time.Microsecond
			d.RetryAfter = time.Duration(wait) * time.Microsecond
		}
	}
	if allowed {
		d.RetryAfter = 0
	}
	return d
}
