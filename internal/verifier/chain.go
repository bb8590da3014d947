package verifier

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/protocol/event"
)

// chunk is how many blocks are compared with the log of events at once.
const chunk = 64

// logged is an event as the read model must have it in its log.
type logged struct {
	tx  string
	seq int
}

// chain walks the blocks: each must refer to the one before and have its number,
// and all events that they carry must be in the log, once, and no others. The
// embedded engine also computes every hash anew; Fabric's does so when it reads
// a block.
func (p *pass) chain(ctx context.Context) error {
	broken := func(number uint64, field, want, have string) {
		p.violation(Violation{Place{"blocks", []string{strconv.FormatUint(number, 10)}, "the ledger"}, field, want, have})
	}
	if l, ok := p.ledger.(interface {
		VerifyChainPaced(ctx context.Context, pace func(blocks int) error) (uint64, error)
	}); ok {
		sound, err := l.VerifyChainPaced(ctx, func(n int) error { return p.count(ctx, "hashes", n, 0) })
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ledger.ErrUnavailable):
			return fmt.Errorf("verifier: %w", err)
		case err != nil:
			broken(sound, "content", "what its hash says", err.Error())
		}
	}
	if p.report.Height == 0 {
		return nil
	}
	applied, err := readmodel.Checkpoint(ctx, p.db)
	if err != nil {
		return fmt.Errorf("verifier: %w", err)
	}
	buried, err := p.buried(ctx)
	if err != nil {
		return err
	}
	var before ledger.Block
	var blocks []ledger.Block
	for b, err := range p.ledger.Blocks(ctx, 0) {
		if err != nil {
			return fmt.Errorf("verifier: blocks: %w", err)
		}
		if b.Number > 0 && !bytes.Equal(b.PrevHash, before.Hash) {
			broken(b.Number, "previous hash", fmt.Sprintf("%x", before.Hash), fmt.Sprintf("%x", b.PrevHash))
		}
		if int64(b.Number) == applied.Block && !bytes.Equal(b.Hash, applied.BlockHash) {
			p.violation(Violation{Place{"blocks", []string{strconv.FormatUint(b.Number, 10)}, "read.checkpoint"}, "block_hash",
				fmt.Sprintf("%x", b.Hash), fmt.Sprintf("%x", applied.BlockHash)})
		}
		before, blocks = b, append(blocks, b)
		last := b.Number+1 >= p.report.Height
		if len(blocks) == chunk || last {
			if err := p.log(ctx, blocks, buried); err != nil {
				return err
			}
			if err := p.count(ctx, "blocks", len(blocks), 0); err != nil {
				return err
			}
			blocks = blocks[:0]
		}
		if last {
			return nil
		}
	}
	return ctx.Err()
}

// buried returns the events that are dead letters.
func (p *pass) buried(ctx context.Context) (map[logged]bool, error) {
	rows, err := p.query(ctx, `SELECT tx_id, seq FROM read.event_dlq WHERE resolution <> 'APPLIED'`)
	if err != nil {
		return nil, fmt.Errorf("verifier: dead letters: %w", err)
	}
	out := make(map[logged]bool, len(rows))
	for _, r := range rows {
		out[logged{r["tx_id"].(string), int(r["seq"].(int32))}] = true
	}
	return out, nil
}

// log compares the events of consecutive blocks with the log.
func (p *pass) log(ctx context.Context, blocks []ledger.Block, buried map[logged]bool) error {
	rows, err := p.query(ctx, `
		SELECT tx_id, seq, block, tx_index, type, version, command_id, sha256(data) AS data FROM read.event_log WHERE block >= $1 AND block <= $2`,
		int64(blocks[0].Number), int64(blocks[len(blocks)-1].Number))
	if err != nil {
		return fmt.Errorf("verifier: log of events: %w", err)
	}
	have := make(map[logged]fields, len(rows))
	for _, r := range rows {
		have[logged{r["tx_id"].(string), int(r["seq"].(int32))}] = r
	}
	events := 0
	for _, b := range blocks {
		for _, t := range b.Txs {
			if t.Code != ledger.Valid || t.Event == nil || buried[logged{t.ID, readmodel.WholeTx}] {
				continue
			}
			env, err := event.DecodeEnvelope(t.Event.Payload)
			if err != nil {
				p.violation(Violation{Place{"events", []string{t.ID}, "read.event_log"}, "", "an envelope that can't be read: " + err.Error(), "nothing"})
				continue
			}
			for _, r := range env.Events {
				events++
				id := logged{t.ID, r.Seq}
				data := sha256.Sum256(r.Data)
				want := fields{"block": b.Number, "tx_index": t.Index, "type": r.Type, "version": r.Version, "data": data[:]}
				if r.Command >= 0 && r.Command < len(env.Commands) {
					want["command_id"] = env.Commands[r.Command].ID
				}
				p.entry(id, want, have, buried)
			}
		}
	}
	for id, row := range have {
		row["data"] = fmt.Sprintf("%x", row["data"])
		p.violation(Violation{Place{"events", []string{id.tx, strconv.Itoa(id.seq)}, "read.event_log"}, "", "nothing", summary(row)})
	}
	return p.count(ctx, "events", events, len(rows))
}

// entry compares one event with its entry in the log, and takes that away.
func (p *pass) entry(id logged, want fields, have map[logged]fields, buried map[logged]bool) {
	at := Place{"events", []string{id.tx, strconv.Itoa(id.seq)}, "read.event_log"}
	row, found := have[id]
	delete(have, id)
	switch {
	case !found && !buried[id]:
		want["data"] = fmt.Sprintf("%x", want["data"])
		p.violation(Violation{at, "", summary(want), "nothing"})
	case found:
		for _, d := range compare(want, row) {
			if d.field == "data" {
				d.ledger, d.read = fmt.Sprintf("%x", want["data"]), fmt.Sprintf("%x", row["data"])
			}
			p.violation(Violation{at, d.field, d.ledger, d.read})
		}
	}
}
