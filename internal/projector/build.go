package projector

import (
	"context"
	"errors"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/platform/lease"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/readmodel"
)

// Build applies the ledger to a read model that is not live, from its checkpoint
// up to a position, or with nil on and on. moved is told where it is. What would
// halt a projector ends it with that error; what need not last is tried again.
//
// The term, of whoever builds, is proved in every transaction as a leader's is.
func (p *Projector) Build(ctx context.Context, term lease.Term, until *readmodel.Position, moved func(readmodel.Position)) error {
	s := &session{Projector: p, term: term, until: until, moved: moved}
	backoff := p.o.BackoffMin
	for {
		before := s.at
		err := s.follow(ctx)
		switch {
		case errors.Is(err, errArrived):
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case judge(err) != retry:
			return err
		}
		if !same(s.at, before) {
			backoff = p.o.BackoffMin
		}
		p.o.Log.Warn("build of the read model", "error", err)
		if !sleep(ctx, backoff) {
			return context.Cause(ctx)
		}
		backoff = min(2*backoff, p.o.BackoffMax)
	}
}

// Replay applies the ledger to a read model in a schema of db that nobody else
// sees, from its checkpoint up to a position, or fails.
func Replay(ctx context.Context, db postgres.DB, schema string, l ledger.Ledger, until readmodel.Position, moved func(readmodel.Position)) error {
	p := New(nil, l, Options{Schema: schema})
	p.db = readmodel.In(db, schema)
	s := &session{Projector: p, until: &until, moved: moved}
	if err := s.follow(ctx); !errors.Is(err, errArrived) {
		return err
	}
	return nil
}
