package invariant

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/protocol/qirat"
)

// Payment is something that somebody wanted once, however often they asked.
type Payment struct {
	Key          string // Idempotency-Key
	From, To     string // accounts
	Amount       qirat.Amount
	Command      string // that was accepted for it
	Refused      bool   // before it was accepted
	Contradicted bool   // two answers to the same key were not the same
}

// CheckPayments fails the test unless each payment that was accepted moved money
// exactly once or, when the ledger refused it, not at all, and none was accepted
// that nobody wanted. Nothing may be on its way. It returns how many were applied.
func CheckPayments(t testing.TB, dsn string, wanted []Payment) (applied int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), timeout)
	defer cancel()
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Error(err)
		return 0
	}
	defer conn.Close(ctx)
	applied, errs := Payments(ctx, conn, wanted)
	for _, err := range errs {
		t.Errorf("payments: %v", err)
	}
	return applied
}

// accepted is a payment in the tables.
type accepted struct {
	ID    uuid.UUID
	Key   string
	State outbox.State
	Code  string
	Sent  []string // "account amount" of each debit
	Got   []string // of each credit
}

// Payments is what CheckPayments does, over a connection, without a test.
func Payments(ctx context.Context, db querier, wanted []Payment) (applied int, errs []error) {
	keys := make([]string, len(wanted))
	for i, p := range wanted {
		keys[i] = p.Key
	}
	rows, err := db.Query(ctx, `
		WITH moved AS (
			SELECT command_id, array_agg(account_id || ' ' || amount) FILTER (WHERE type = 'SENT') AS sent,
				array_agg(account_id || ' ' || amount) FILTER (WHERE type = 'RECEIVED') AS got
			FROM read.transactions GROUP BY command_id
		)
		SELECT c.id, c.idempotency_key AS key, c.state, c.error_code AS code, coalesce(m.sent, '{}') AS sent, coalesce(m.got, '{}') AS got
		FROM app.commands c LEFT JOIN moved m ON m.command_id = c.id::text
		WHERE c.type = 'TRANSFER_TOKENS' AND c.idempotency_key = ANY ($1)`, keys)
	if err != nil {
		return 0, []error{err}
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[accepted])
	if err != nil {
		return 0, []error{err}
	}
	byKey := map[string]accepted{}
	for _, a := range list {
		if other, ok := byKey[a.Key]; ok {
			errs = append(errs, fmt.Errorf("key %s has the commands %s and %s", a.Key, a.ID, other.ID))
		}
		byKey[a.Key] = a
	}
	for _, p := range wanted {
		a, found := byKey[p.Key]
		if err := p.check(a, found); err != nil {
			errs = append(errs, fmt.Errorf("%s from %s to %s, key %s, command %s: %w", p.Amount, p.From, p.To, p.Key, p.Command, err))
		}
		if a.State == outbox.Committed {
			applied++
		}
	}
	return applied, errs
}

// check compares a payment with what became of it.
func (p Payment) check(a accepted, found bool) error {
	switch {
	case p.Contradicted:
		return errors.New("two answers to one key contradict each other")
	case p.Command == "":
		return nil // whoever had no answer, or was refused, can't complain of what is checked elsewhere
	case !found || a.ID.String() != p.Command:
		return errors.New("it was accepted and is gone")
	}
	switch sent, got := fmt.Sprint(a.Sent), fmt.Sprint(a.Got); {
	case a.State == outbox.Committed:
		if sent != fmt.Sprintf("[%s %s]", p.From, p.Amount) || got != fmt.Sprintf("[%s %s]", p.To, p.Amount) {
			return fmt.Errorf("it was applied with the debits %s and the credits %s", sent, got)
		}
	case a.State == outbox.Rejected && a.Code == "INSUFFICIENT_FUNDS":
		if len(a.Sent)+len(a.Got) > 0 {
			return fmt.Errorf("it was rejected with the debits %s and the credits %s", sent, got)
		}
	default:
		return fmt.Errorf("it is %s %s", a.State, a.Code)
	}
	return nil
}
