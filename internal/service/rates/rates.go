// Package rates gives the doors the fees in force: the parameters of the ledger
// as the read model has them, in the schedule that the contracts use.
package rates

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/protocol/fee"
)

// fresh is how old a schedule may be. A fee is what the ledger charges; ours is a preview.
const fresh = time.Second

// Rates reads the schedule when it is needed. It may be used concurrently.
type Rates struct {
	db    postgres.DB
	clock clock.Clock

	mu       sync.Mutex
	schedule fee.Schedule
	read     time.Time
}

// New returns rates that read db.
func New(db postgres.DB, c clock.Clock) *Rates { return &Rates{db: db, clock: c} }

// Schedule returns the fees in force.
func (r *Rates) Schedule(ctx context.Context) (fee.Schedule, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.clock()
	if !r.read.IsZero() && now.Sub(r.read) < fresh {
		return r.schedule, nil
	}
	parameters, err := readmodel.Parameters(ctx, r.db)
	if err != nil {
		return fee.Schedule{}, err
	}
	s := fee.Default()
	for _, p := range parameters {
		if !strings.HasPrefix(p.ParamID, "fee.") {
			continue
		}
		bps, err := strconv.ParseUint(p.Value, 10, 64)
		if err != nil {
			return fee.Schedule{}, fmt.Errorf("parameter %s: %w", p.ParamID, err)
		}
		if err := s.Set(p.ParamID, bps); err != nil {
			return fee.Schedule{}, fmt.Errorf("parameter %s: %w", p.ParamID, err)
		}
	}
	r.schedule, r.read = s, now
	return s, nil
}
