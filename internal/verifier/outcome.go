package verifier

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/protocol/event"
)

// commandPage is how many commands are read at once.
const commandPage = 1000

// outcomes compares what people are told about their commands with what became
// of them. Of a command on its way there is nothing to say.
func (p *pass) outcomes(ctx context.Context) error {
	var after uuid.UUID
	for {
		rows, err := p.query(ctx, outcomeSelect+` WHERE c.id > $1 ORDER BY c.id LIMIT $2`, after, commandPage)
		if err != nil {
			return fmt.Errorf("verifier: commands: %w", err)
		}
		for _, row := range rows {
			after = row["id"].([16]byte)
			if compare(ending(row), row) == nil {
				continue
			}
			if err := p.settleOutcome(ctx, after); err != nil {
				return err
			}
		}
		if err := p.count(ctx, "commands", 0, len(rows)); err != nil {
			return err
		}
		if len(rows) < commandPage {
			return nil
		}
	}
}

const outcomeSelect = `
	SELECT c.id, c.state, c.error_code, coalesce(r.outcome, '') AS outcome, coalesce(r.code, '') AS code
	FROM app.commands c LEFT JOIN read.command_results r ON r.command_id = c.id::text`

// ending returns what the result of a command must be by its state.
func ending(row fields) fields {
	switch outbox.State(row["state"].(string)) {
	case outbox.Committed:
		return fields{"outcome": event.Applied, "code": ""}
	case outbox.Rejected:
		return fields{"outcome": event.Rejected, "code": row["error_code"]}
	case outbox.Dead, outbox.Cancelled:
		return fields{"outcome": ""}
	}
	return nil
}

// settleOutcome looks again when everything that the ledger has is visible. The
// submitter may be about to correct what it has said.
func (p *pass) settleOutcome(ctx context.Context, id uuid.UUID) error {
	until := time.Now().Add(p.o.Patience)
	last := ""
	for {
		height, err := p.height(ctx)
		if err != nil {
			return err
		}
		if err := p.await(ctx, height); err != nil {
			return err
		}
		rows, err := p.query(ctx, outcomeSelect+` WHERE c.id = $1`, id)
		if err != nil {
			return fmt.Errorf("verifier: command %s: %w", id, err)
		}
		if len(rows) == 0 { // swept
			return nil
		}
		found := compare(ending(rows[0]), rows[0])
		at := Place{"commands", []string{id.String()}, "app.commands"}
		switch {
		case found == nil:
			return nil
		case fmt.Sprint(found) == last:
			for _, d := range found {
				p.violation(Violation{at, d.field, d.read, d.ledger + " (" + rows[0]["state"].(string) + ")"})
			}
			return nil
		case time.Now().After(until):
			p.unsettled(at)
			return nil
		}
		last = fmt.Sprint(found)
		if err := pause(ctx, p.o.Confirm); err != nil {
			return err
		}
	}
}
