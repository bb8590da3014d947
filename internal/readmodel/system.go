package readmodel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/qirat"
)

// SystemState says whether the ledger is open for business.
type SystemState struct {
	Bootstrapped bool
	Paused       bool
	Reason       string // of the pause
	MaxSupply    qirat.Amount
	ChangedAt    *time.Time // last bootstrap, pause or resumption; nil before the first
}

// SystemStatus returns the state of the system.
func SystemStatus(ctx context.Context, db postgres.DB) (SystemState, error) {
	return one[SystemState](ctx, db, "system status", `SELECT bootstrapped, paused, reason, max_supply, changed_at FROM read.system_status`)
}

// Parameter is a system parameter in force on the ledger.
type Parameter struct {
	ParamID   string
	Value     string
	Source    string // BOOTSTRAP, or status.ParameterSource
	Cause     string // the proposal, or the reason of an emergency
	UpdatedAt time.Time
}

// Parameters returns every parameter, sorted by id.
func Parameters(ctx context.Context, db postgres.DB) ([]Parameter, error) {
	return many[Parameter](ctx, db, "parameters", `SELECT param_id, value, source, cause, updated_at FROM read.parameters ORDER BY param_id`)
}

// ParameterValue returns the value in force of a parameter of the catalogue: its
// default when the ledger is older than the parameter.
func ParameterValue(ctx context.Context, db postgres.DB, id string) (uint64, error) {
	p, err := parameter.Lookup(id)
	if err != nil {
		return 0, fmt.Errorf("parameter %s: %w", id, err)
	}
	v, err := one[struct{ Value string }](ctx, db, "parameter", `SELECT value FROM read.parameters WHERE param_id = $1`, id)
	if errors.Is(err, ErrNotFound) {
		return p.Default, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := p.Parse(v.Value)
	if err != nil {
		return 0, fmt.Errorf("parameter %s: %w", id, err)
	}
	return n, nil
}

// systemChange is what a run of events did to the system; nil is unchanged.
type systemChange struct {
	maxSupply  *int64
	paused     *bool
	reason     string
	at         time.Time
	parameters map[string]Parameter
}

func systemBootstrapped(p *Projection, m meta, e *event.SystemBootstrapped) error {
	if p.system.maxSupply != nil {
		return misfit("the system is bootstrapped twice")
	}
	var total qirat.Amount
	for _, o := range e.Pools {
		var err error
		if total, err = total.Add(o.Opening); err != nil {
			return misfit("openings of pools: %v", err)
		}
		p.pools.opened = append(p.pools.opened, PoolState{AccountID: o.AccountID, Name: poolName(o.AccountID), Opening: o.Opening})
		p.setBalance(m, o.AccountID, account.System, "", o.Opening, nil)
	}
	if total != e.MaxSupply {
		return misfit("openings of pools sum to %s instead of %s", total, e.MaxSupply)
	}
	supply := int64(e.MaxSupply)
	p.system.maxSupply, p.system.at = &supply, m.at
	p.system.parameters = make(map[string]Parameter, len(e.Parameters))
	for _, v := range e.Parameters {
		p.system.parameters[v.ParamID] = Parameter{v.ParamID, v.Value, "BOOTSTRAP", "", m.at}
	}
	return nil
}

func systemParameterUpdated(p *Projection, m meta, e *event.SystemParameterUpdated) error {
	if p.system.parameters == nil {
		p.system.parameters = map[string]Parameter{}
	}
	p.system.parameters[e.ParamID] = Parameter{e.ParamID, e.NewValue, string(e.Source), e.Cause, m.at}
	return nil
}

// poolName returns the short name of a pool; one that this binary does not know
// is shown under its account.
func poolName(id string) string {
	for _, p := range account.Pools {
		if p.Account == id {
			return p.Name
		}
	}
	return id
}

func systemPaused(p *Projection, m meta, e *event.SystemPaused) error {
	p.setPaused(m, true, e.Reason)
	return nil
}

func systemResumed(p *Projection, m meta, _ *event.SystemResumed) error {
	p.setPaused(m, false, "")
	return nil
}

func (p *Projection) setPaused(m meta, paused bool, reason string) {
	p.system.paused, p.system.reason, p.system.at = &paused, reason, m.at
}

func (p *Projection) flushSystem(b *batch) {
	s := p.system
	if s.maxSupply != nil {
		b.exec(1, "bootstrap", `
			UPDATE read.system_status SET bootstrapped = true, max_supply = $1, changed_at = $2 WHERE NOT bootstrapped`, *s.maxSupply, s.at)
	}
	if s.paused != nil {
		b.exec(1, "system status", `
			UPDATE read.system_status SET paused = $1, reason = $2, changed_at = $3`, *s.paused, s.reason, s.at)
	}
	if v := sorted(s.parameters); len(v) > 0 {
		b.exec(len(v), "parameters", `
			INSERT INTO read.parameters (param_id, value, source, cause, updated_at)
			SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
			ON CONFLICT (param_id) DO UPDATE
			SET value = excluded.value, source = excluded.source, cause = excluded.cause, updated_at = excluded.updated_at`,
			column(v, func(p Parameter) string { return p.ParamID }),
			column(v, func(p Parameter) string { return p.Value }),
			column(v, func(p Parameter) string { return p.Source }),
			column(v, func(p Parameter) string { return p.Cause }),
			column(v, func(p Parameter) time.Time { return p.UpdatedAt }))
	}
}
