// Package rates gives the doors the parameters in force on the ledger, as the read
// model has them, and the schedules of fees and of the velocity tax that the
// contracts make of them.
package rates

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/protocol/fee"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/velocity"
)

// fresh is how old what is returned may be. A fee is what the ledger charges; ours
// is a preview.
const fresh = time.Second

// Rates reads the parameters when they are needed. It may be used concurrently.
type Rates struct {
	db    postgres.DB
	clock clock.Clock

	turn     chan struct{} // who has it may use what follows
	current  Parameters
	fees     fee.Schedule
	velocity velocity.Schedule
	read     time.Time
}

// New returns rates that read db.
func New(db postgres.DB, c clock.Clock) *Rates {
	return &Rates{db: db, clock: c, turn: make(chan struct{}, 1)}
}

// Parameters are the values in force. A parameter that the ledger does not have
// yet has its default.
type Parameters struct{ values map[string]uint64 }

// Value returns the value of a parameter of the catalogue, as parameter.Parse does.
func (p Parameters) Value(id string) uint64 {
	if v, ok := p.values[id]; ok {
		return v
	}
	known, _ := parameter.Lookup(id)
	return known.Default
}

// Amount returns the value of a parameter that is an amount of money.
func (p Parameters) Amount(id string) qirat.Amount { return qirat.Amount(p.Value(id)) }

// Schedule returns the fees in force.
func (r *Rates) Schedule(ctx context.Context) (fee.Schedule, error) {
	return get(ctx, r, func() fee.Schedule { return r.fees })
}

// Velocity returns the velocity tax in force.
func (r *Rates) Velocity(ctx context.Context) (velocity.Schedule, error) {
	return get(ctx, r, func() velocity.Schedule { return r.velocity })
}

// Parameters returns the parameters in force.
func (r *Rates) Parameters(ctx context.Context) (Parameters, error) {
	return get(ctx, r, func() Parameters { return r.current })
}

// get reads a value that is fresh. Who waits for another's query waits no longer
// than their own time allows.
func get[T any](ctx context.Context, r *Rates, value func() T) (none T, err error) {
	select {
	case r.turn <- struct{}{}:
	case <-ctx.Done():
		return none, fmt.Errorf("wait for the parameters: %w", ctx.Err())
	}
	defer func() { <-r.turn }()
	if err := r.refresh(ctx); err != nil {
		return none, err
	}
	return value(), nil
}

// refresh reads the parameters unless they are fresh.
func (r *Rates) refresh(ctx context.Context) error {
	now := r.clock()
	if !r.read.IsZero() && now.Sub(r.read) < fresh {
		return nil
	}
	all, err := readmodel.Parameters(ctx, r.db)
	if err != nil {
		return err
	}
	current := Parameters{make(map[string]uint64, len(all))}
	fees, tax := fee.Default(), velocity.Default()
	for _, p := range all {
		known, err := parameter.Lookup(p.ParamID)
		if errors.Is(err, parameter.ErrUnknown) { // of a newer release
			continue
		}
		n, err := known.Parse(p.Value)
		if err == nil && strings.HasPrefix(p.ParamID, "fee.") {
			err = fees.Set(p.ParamID, n)
		}
		if err == nil && strings.HasPrefix(p.ParamID, "velocityTax") {
			err = tax.Set(p.ParamID, n)
		}
		if err != nil {
			return fmt.Errorf("parameter %s: %w", p.ParamID, err)
		}
		current.values[p.ParamID] = n
	}
	r.current, r.fees, r.velocity, r.read = current, fees, tax, now
	return nil
}
