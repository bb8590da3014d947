package embedded

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/ledger"
)

// snapshot begins the transaction that a contract reads in. Key order must come
// from the index: sorting a whole range for its first keys is what the planner
// prefers on a table without statistics.
const snapshot = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL enable_bitmapscan = off"

// Endorse implements ledger.Ledger. A panic of the contract is a ContractError
// with code INTERNAL.
func (l *Ledger) Endorse(ctx context.Context, p ledger.Proposal) (ledger.Transaction, error) {
	s, result, err := l.simulate(ctx, p)
	if err != nil {
		return ledger.Transaction{}, err
	}
	t := s.tx
	if s.limited && len(t.writes) > 0 {
		return ledger.Transaction{}, &ledger.ContractError{Message: "INTERNAL: " + p.Function + " writes after a limited scan, which is not checked at commit"}
	}
	t.encode()
	if len(t.bytes) > maxTxBytes {
		return ledger.Transaction{}, &ledger.ContractError{Message: fmt.Sprintf("LIMIT_EXCEEDED: a transaction of %d bytes is larger than %d", len(t.bytes), maxTxBytes)}
	}
	return ledger.Transaction{ID: t.id, Bytes: t.bytes, Result: result}, nil
}

// Evaluate implements ledger.Ledger. Writes of the function are dropped.
func (l *Ledger) Evaluate(ctx context.Context, p ledger.Proposal) ([]byte, error) {
	_, result, err := l.simulate(ctx, p)
	return result, err
}

// simulate runs the proposal on a snapshot of committed state.
func (l *Ledger) simulate(ctx context.Context, p ledger.Proposal) (*stub, []byte, error) {
	caller, err := identity(p.Identity)
	if err != nil {
		return nil, nil, fmt.Errorf("ledger: %s: %w", p.Function, err)
	}
	if err := checkName(p.Function); err != nil {
		return nil, nil, fmt.Errorf("ledger: %w", err)
	}
	t := &transaction{
		creator:  caller.ID,
		channel:  l.o.Channel,
		function: p.Function,
		args:     digestArgs(p.Args),
		time:     l.o.Clock().UTC().Truncate(time.Microsecond), // as it can be stored
		reads:    make(map[string]version),
		writes:   make(map[string][]byte),
	}
	rand.Read(t.nonce[:])
	t.id = txID(t.nonce, t.creator)

	db, err := l.pool.BeginTx(ctx, pgx.TxOptions{BeginQuery: snapshot})
	if err != nil {
		return nil, nil, unavailable(p.Function, err)
	}
	defer db.Rollback(context.WithoutCancel(ctx))
	s := &stub{ctx: ctx, db: db, tx: t, caller: caller, values: make(map[string][]byte)}
	result, err := l.invoke(s, p)
	if s.fault != nil {
		return nil, nil, unavailable(p.Function, s.fault)
	}
	if err != nil {
		return nil, nil, err
	}
	return s, result, nil
}

// invoke turns the contract's refusals and panics into ContractErrors.
func (l *Ledger) invoke(s *stub, p ledger.Proposal) (result []byte, err error) {
	defer func() {
		if r := recover(); r != nil {
			l.o.Log.ErrorContext(s.ctx, "the contract panicked", "function", p.Function, "tx", s.tx.id, "panic", r, "stack", string(debug.Stack()))
			result, err = nil, &ledger.ContractError{Message: "INTERNAL: the contract panicked"}
		}
	}()
	result, err = l.chaincode(s, p.Function, p.Args)
	if err != nil {
		if refusal := (*ledger.ContractError)(nil); errors.As(err, &refusal) {
			return nil, refusal
		}
		return nil, &ledger.ContractError{Message: err.Error()}
	}
	return result, nil
}
