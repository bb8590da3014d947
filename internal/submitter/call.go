package submitter

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/sony/gobreaker/v2"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/outbox"
)

// errNotYet reports a transaction that has not arrived in the time it was given.
var errNotYet = errors.New("submitter: the transaction is in no block yet")

// breakerVolume is how many calls a window needs before their failures mean
// something, breakerBuckets how finely the window rolls.
const (
	breakerVolume  = 5
	breakerBuckets = 10
)

// newBreaker opens when half of the ledger calls of a window found no ledger. An
// answer that is no pleases nobody but is an answer.
func (s *Submitter) newBreaker() *gobreaker.CircuitBreaker[any] {
	return gobreaker.NewCircuitBreaker[any](gobreaker.Settings{
		Name: "ledger", MaxRequests: 1, Timeout: s.o.BreakerTimeout,
		Interval: s.o.BreakerWindow, BucketPeriod: s.o.BreakerWindow / breakerBuckets,
		ReadyToTrip: func(c gobreaker.Counts) bool {
			calls := c.TotalSuccesses + c.TotalFailures
			return calls >= breakerVolume && 2*c.TotalFailures >= calls
		},
		IsSuccessful: func(err error) bool { return !infrastructure(err) },
		IsExcluded: func(err error) bool {
			return errors.Is(err, context.Canceled) || errors.Is(err, errNotYet)
		},
		OnStateChange: func(_ string, from, to gobreaker.State) {
			s.metrics.breakerState(to)
			s.o.Log.Warn("ledger circuit breaker", "from", from.String(), "to", to.String())
		},
	})
}

// call is the way of every ledger call: with a deadline and through the breaker.
func call[T any](ctx context.Context, s *Submitter, timeout time.Duration, f func(ctx context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	v, err := s.breaker.Execute(func() (any, error) { return f(ctx) })
	t, _ := v.(T)
	return t, err
}

func (s *Submitter) endorse(ctx context.Context, p ledger.Proposal) (ledger.Transaction, error) {
	return call(ctx, s, s.o.EndorseTimeout, func(ctx context.Context) (ledger.Transaction, error) {
		return s.ledger.Endorse(ctx, p)
	})
}

func (s *Submitter) submit(ctx context.Context, t ledger.Transaction) error {
	_, err := call(ctx, s, s.o.SubmitTimeout, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, s.ledger.Submit(ctx, t)
	})
	return err
}

func (s *Submitter) status(ctx context.Context, txID string, timeout time.Duration) (ledger.Status, error) {
	return call(ctx, s, timeout, func(ctx context.Context) (ledger.Status, error) {
		st, err := s.ledger.Status(ctx, txID)
		if errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, ledger.ErrUnavailable) {
			err = errNotYet
		}
		return st, err
	})
}

// infrastructure reports whether the ledger was not there to answer.
func infrastructure(err error) bool {
	if refusal := (*ledger.ContractError)(nil); errors.As(err, &refusal) {
		return false
	}
	return errors.Is(err, ledger.ErrUnavailable) || errors.Is(err, context.DeadlineExceeded) ||
		errors.Is(err, gobreaker.ErrOpenState) || errors.Is(err, gobreaker.ErrTooManyRequests)
}

// classify says what an error of Endorse means for the commands of the batch,
// when they are to blame with its code and text.
func classify(err error) (class outbox.Class, code, text string) {
	refusal := (*ledger.ContractError)(nil)
	switch {
	case errors.As(err, &refusal):
		code, text := split(refusal.Message)
		return outbox.Refused, code, text
	case infrastructure(err):
		return outbox.Unavailable, "", err.Error()
	}
	return outbox.Fault, "", err.Error()
}

// split takes apart "<CODE>: <text>".
func split(message string) (code, text string) {
	code, text, ok := strings.Cut(message, ": ")
	if !ok || code == "" || strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		return "", message
	}
	return code, text
}
