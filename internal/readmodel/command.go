package readmodel

import (
	"context"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
)

// Result is the end of a command on the ledger, visible in every read model.
type Result struct {
	CommandID   string
	Type        command.Type
	Actor       string
	Outcome     event.Outcome
	Code        string         // of a rejection
	Message     string         // of a rejection
	Result      jsontext.Value // what the function returned; empty without
	TxID        string
	Block       uint64
	At          time.Time // ledger time
	ProjectedAt time.Time // database time of the flush
}

const resultSelect = `SELECT command_id, type, actor, outcome, code, message, result, tx_id, block, at, projected_at FROM read.command_results`

// CommandResult returns the end of a command, or ErrNotFound while there is none.
func CommandResult(ctx context.Context, db postgres.DB, commandID string) (Result, error) {
	return one[Result](ctx, db, "command result", resultSelect+` WHERE command_id = $1`, commandID)
}

func commandResults(ctx context.Context, db postgres.DB, ids []string) ([]Result, error) {
	return many[Result](ctx, db, "command results", resultSelect+` WHERE command_id = ANY($1)`, ids)
}

// addCommand keeps the end of a command. A function called directly without an
// idempotency key is no command of ours: nobody waits for it.
func (p *Projection) addCommand(m meta, c event.CommandResult) {
	if c.ID == "" {
		return
	}
	p.commands = append(p.commands, Result{CommandID: c.ID, Type: c.Type, Actor: c.ActorID, Outcome: c.Outcome,
		Code: c.Code, Message: c.Message, Result: c.Result, TxID: m.txID, Block: uint64(m.block), At: m.at})
}

func (p *Projection) flushCommands(b *batch) {
	c := p.commands
	if len(c) == 0 {
		return
	}
	b.exec(len(c), "command results", `
		INSERT INTO read.command_results (command_id, type, actor, outcome, code, message, result, tx_id, block, at)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bytea[], $8::text[], $9::bigint[], $10::timestamptz[])`,
		column(c, func(r Result) string { return r.CommandID }),
		column(c, func(r Result) string { return string(r.Type) }),
		column(c, func(r Result) string { return r.Actor }),
		column(c, func(r Result) string { return string(r.Outcome) }),
		column(c, func(r Result) string { return r.Code }),
		column(c, func(r Result) string { return r.Message }),
		column(c, func(r Result) []byte { return append([]byte{}, r.Result...) }), // never NULL
		column(c, func(r Result) string { return r.TxID }),
		column(c, func(r Result) uint64 { return r.Block }),
		column(c, func(r Result) time.Time { return r.At }))
}
