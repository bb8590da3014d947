package outbox

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Recovered is what a new leader finds besides commands that are PENDING.
type Recovered struct {
	Retrying []Waiting // in RETRY
	Batches  []Stored  // whose fate is unknown, oldest first
}

// Stored is a batch whose transaction may have been submitted.
type Stored struct {
	ID          uuid.UUID
	Identity    string
	Transaction Transaction
	Commands    []Waiting
}

// Recover takes over what an earlier leader left: its claims are undone, and
// those of its attempts that it did not live to store count as Faults. It is
// called before anything else.
func (l *Leader) Recover(ctx context.Context) (r Recovered, err error) {
	err = l.transact(ctx, "recover", func(tx pgx.Tx) error {
		if err := l.undo(ctx, tx); err != nil {
			return err
		}
		rows, err := tx.Query(ctx, `SELECT `+waitingColumns+` FROM app.commands c WHERE state = 'RETRY'`)
		if err != nil {
			return err
		}
		if r.Retrying, err = pgx.CollectRows(rows, scanWaiting); err != nil {
			return err
		}
		r.Batches, err = stored(ctx, tx)
		return err
	})
	return r, err
}

// Withdraw gives back, before the term ends, what is claimed and in no stored
// batch. None of the leader's methods may be at work.
func (l *Leader) Withdraw(ctx context.Context) error {
	return l.transact(ctx, "withdraw", func(tx pgx.Tx) error { return l.undo(ctx, tx) })
}

// undo returns every LOCKED command that is in no stored batch.
func (l *Leader) undo(ctx context.Context, tx pgx.Tx) error {
	// Suspects are the commands whose attempt another worker began and, as it
	// seems, did not survive.
	rows, err := tx.Query(ctx, `
		WITH begun AS (
			DELETE FROM app.batches WHERE state = 'PREPARED' RETURNING worker, command_ids
		)
		SELECT `+waitingColumns+` FROM app.commands c
		WHERE c.state = 'LOCKED' AND c.id IN (SELECT unnest(command_ids) FROM begun WHERE worker <> $1)`, l.Worker)
	if err != nil {
		return err
	}
	suspects, err := pgx.CollectRows(rows, scanWaiting)
	if err != nil {
		return err
	}
	fates := make([]Fate, len(suspects))
	now, random := l.Clock(), l.Random()
	for i, w := range suspects {
		f := Fate{ID: w.ID, Class: Fault, Error: "the submitter ended during the attempt"}
		state, n, wait := l.Policy.After(Fault, w.Counters, 0, random)
		f.State, f.Counters, f.NextAt = state, n, now.Add(wait)
		fates[i] = f
	}
	var q pgx.Batch
	l.apply(&q, fates)
	if err := tx.SendBatch(ctx, &q).Close(); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `
		UPDATE app.commands SET state = 'PENDING'
		WHERE state = 'LOCKED' AND id NOT IN (SELECT unnest(command_ids) FROM app.batches WHERE state = 'ENDORSED')`); err != nil {
		return err
	}
	// Another leader's clock may have run ahead of ours.
	_, err = tx.Exec(ctx, `UPDATE app.commands SET next_at = $1 WHERE state = 'RETRY' AND next_at > $1`, now.Add(l.Policy.Longest()))
	return err
}

// stored reads the batches that wait for their fate, with their commands.
func stored(ctx context.Context, tx pgx.Tx) ([]Stored, error) {
	rows, err := tx.Query(ctx, `
		SELECT id, identity, command_ids, tx_id, tx_bytes, tx_result FROM app.batches WHERE state = 'ENDORSED' ORDER BY created_at, id`)
	if err != nil {
		return nil, err
	}
	var list []Stored
	var members [][]uuid.UUID
	var s Stored
	var ids []uuid.UUID
	_, err = pgx.ForEachRow(rows, []any{&s.ID, &s.Identity, &ids, &s.Transaction.ID, &s.Transaction.Bytes, &s.Transaction.Result}, func() error {
		list, members = append(list, s), append(members, ids)
		s, ids = Stored{}, nil
		return nil
	})
	if err != nil || len(list) == 0 {
		return nil, err
	}
	rows, err = tx.Query(ctx, `SELECT `+waitingColumns+` FROM app.commands c
		WHERE c.state = 'LOCKED' AND c.id IN (SELECT unnest(command_ids) FROM app.batches WHERE state = 'ENDORSED')`)
	if err != nil {
		return nil, err
	}
	commands, err := pgx.CollectRows(rows, scanWaiting)
	if err != nil {
		return nil, err
	}
	byID := make(map[uuid.UUID]Waiting, len(commands))
	for _, w := range commands {
		byID[w.ID] = w
	}
	for i := range list {
		for _, id := range members[i] {
			w, ok := byID[id]
			if !ok {
				return nil, fmt.Errorf("%w: command %s of stored batch %s is not locked", ErrSurprise, id, list[i].ID)
			}
			list[i].Commands = append(list[i].Commands, w)
		}
	}
	return list, nil
}
