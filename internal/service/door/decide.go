package door

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/platform/problem"
)

// How far an approval has come.
const (
	statusPending   = "PENDING"
	statusApproved  = "APPROVED"
	statusRejected  = "REJECTED"
	statusCancelled = "CANCELLED"
	statusExpired   = "EXPIRED"
)

// approval is a row of app.approvals.
type approval struct {
	Request
	Permission string
	Mode       string
	Digest     []byte
	Quorum     int
	Session    uuid.UUID `db:"session_id"`
	ExpiresAt  time.Time
	Status     string
	DecidedAt  *time.Time
	ExecutedAt *time.Time
}

// locked reads an approval for a decision.
func locked(ctx context.Context, tx pgx.Tx, id uuid.UUID) (a approval, err error) {
	err = tx.QueryRow(ctx, `SELECT operation, resource, payload, requester, route, idempotency_key, request, response,
			permission, mode, digest, quorum, session_id, expires_at, status, decided_at, executed_at
		FROM app.approvals WHERE approval_id = $1 FOR UPDATE`, id).Scan(
		&a.Operation, &a.Resource, &a.Payload, &a.Requester, &a.Route, &a.Key, &a.Body, &a.Response,
		&a.Permission, &a.Mode, &a.Digest, &a.Quorum, &a.Session, &a.ExpiresAt, &a.Status, &a.DecidedAt, &a.ExecutedAt)
	a.ApprovalID = id
	if errors.Is(err, pgx.ErrNoRows) {
		return a, problem.New(http.StatusNotFound, "APPROVAL_NOT_FOUND", "There is no such approval.")
	}
	if err != nil {
		return a, fmt.Errorf("read approval: %w", err)
	}
	return a, nil
}

// overdue reports whether it is too late to decide. A review is never too late.
func (a approval) overdue(now time.Time) bool {
	return a.Mode != modeBreakGlass && !now.Before(a.ExpiresAt)
}

// Vote is what a second person says.
type Vote struct {
	Approve bool
	Reason  string
	Digest  string // of what they saw, in hex; not checked when empty
}

var (
	errExpired = problem.New(http.StatusGone, "APPROVAL_EXPIRED", "The request was not decided in time.")
	errOwn     = problem.New(http.StatusForbidden, "SELF_APPROVAL_NOT_ALLOWED", "You asked for this yourself.")
)

// Decide takes the caller's vote. When enough others have approved, the act is
// done in the same transaction.
func (d *Door) Decide(ctx context.Context, id uuid.UUID, v Vote) error {
	expired := false
	err := pgx.BeginFunc(ctx, d.Pool, func(tx pgx.Tx) error {
		a, err := locked(ctx, tx, id)
		if err != nil {
			return err
		}
		if a.Status == statusPending && a.overdue(d.Clock()) {
			expired = true
			return d.settle(ctx, tx, a, statusExpired, "APPROVAL_EXPIRED", "")
		}
		op, payload, err := d.mayDecide(ctx, tx, a, v)
		if err != nil {
			return err
		}
		return d.count(ctx, tx, a, op, payload, v)
	})
	if err == nil && expired {
		return errExpired
	}
	d.Outbox.Wake()
	return err
}

// mayDecide refuses whoever may not be the second person, and what is not
// what was asked for.
func (d *Door) mayDecide(ctx context.Context, tx pgx.Tx, a approval, v Vote) (op Operation, payload any, err error) {
	who := Caller(ctx)
	switch {
	case a.Requester == who.ID || a.Session == who.Session:
		return op, nil, errOwn
	case a.Status != statusPending:
		return op, nil, problem.New(http.StatusConflict, "APPROVAL_ALREADY_PROCESSED", "This is "+a.Status+" already.")
	case v.Digest != "" && v.Digest != hex.EncodeToString(a.Digest):
		return op, nil, problem.New(http.StatusConflict, "approval_changed", "This is not the request with that digest.")
	case !who.Role.Covers(permissionByCode[a.Permission]):
		return op, nil, problem.New(http.StatusForbidden, "APPROVAL_UNAUTHORIZED", "Your role may not decide on this.")
	}
	if op, payload, err = d.stored(a); err != nil {
		return op, nil, err
	}
	if op.Check != nil && v.Approve {
		err = op.Check(ctx, tx, who.Role, a.Requester, payload)
	}
	return op, payload, err
}

// stored returns what an approval is about. It is ours to worry when that is not
// what was stored.
func (d *Door) stored(a approval) (op Operation, payload any, err error) {
	op, ok := d.Operation(a.Operation)
	if !ok || !bytes.Equal(a.Digest, digest(a.Operation, a.Payload)) {
		return op, nil, fmt.Errorf("approval %s is not what was stored", a.ApprovalID)
	}
	payload, err = op.Decode(a.Payload)
	return op, payload, err
}

// count stores a vote and does what follows from it.
func (d *Door) count(ctx context.Context, tx pgx.Tx, a approval, op Operation, payload any, v Vote) error {
	who := Caller(ctx)
	decision, action := "REJECT", audit.Action("APPROVAL_REJECTED")
	if v.Approve {
		decision, action = "APPROVE", "APPROVAL_APPROVED"
	}
	tag, err := tx.Exec(ctx, `INSERT INTO app.approval_votes (approval_id, voter, session_id, decision, reason, at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT DO NOTHING`, a.ApprovalID, who.ID, who.Session, decision, v.Reason, d.Clock())
	if err != nil {
		return fmt.Errorf("store vote: %w", err)
	}
	if tag.RowsAffected() == 0 {
		return problem.New(http.StatusConflict, "APPROVAL_ALREADY_PROCESSED", "You have voted on this already.")
	}
	if !v.Approve {
		return d.settle(ctx, tx, a, statusRejected, action, v.Reason)
	}
	var approved int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM app.approval_votes WHERE approval_id = $1 AND decision = 'APPROVE'`, a.ApprovalID).Scan(&approved); err != nil {
		return fmt.Errorf("count votes: %w", err)
	}
	if approved < a.Quorum {
		return d.note(ctx, tx, a, action, v.Reason)
	}
	if err := d.settle(ctx, tx, a, statusApproved, action, v.Reason); err != nil {
		return err
	}
	if a.ExecutedAt != nil { // it was a review
		return nil
	}
	return d.execute(ctx, tx, a, op, payload)
}

// settle ends an approval.
func (d *Door) settle(ctx context.Context, tx pgx.Tx, a approval, status string, action audit.Action, reason string) error {
	if _, err := tx.Exec(ctx, `UPDATE app.approvals SET status = $2, decided_at = $3 WHERE approval_id = $1`, a.ApprovalID, status, d.Clock()); err != nil {
		return fmt.Errorf("settle approval: %w", err)
	}
	return d.note(ctx, tx, a, action, reason)
}

// execute does what was approved, or stores why it could not be done.
func (d *Door) execute(ctx context.Context, tx pgx.Tx, a approval, op Operation, payload any) error {
	var command uuid.UUID
	err := pgx.BeginFunc(ctx, tx, func(tx pgx.Tx) (err error) {
		if err := d.stillMay(ctx, tx, a, op, payload); err != nil {
			return err
		}
		command, err = op.Execute(ctx, tx, a.Request, payload)
		return err
	})
	if p := (*problem.Problem)(nil); errors.As(err, &p) && p.Status < http.StatusInternalServerError {
		if _, err := tx.Exec(ctx, `UPDATE app.approvals SET execution_error = $2 WHERE approval_id = $1`, a.ApprovalID, p.Detail); err != nil {
			return fmt.Errorf("store execution error: %w", err)
		}
		return d.note(ctx, tx, a, "APPROVAL_FAILED", p.Code)
	}
	if err != nil {
		return err
	}
	var id *uuid.UUID
	if command != uuid.Nil {
		id = &command
	}
	if _, err := tx.Exec(ctx, `UPDATE app.approvals SET executed_at = $2, command_id = $3, execution_error = '' WHERE approval_id = $1`,
		a.ApprovalID, d.Clock(), id); err != nil {
		return fmt.Errorf("store execution: %w", err)
	}
	return d.note(ctx, tx, a, "APPROVAL_EXECUTED", "")
}

// stillMay refuses what the requester could not ask for any more.
func (d *Door) stillMay(ctx context.Context, tx pgx.Tx, a approval, op Operation, payload any) error {
	var role Role
	err := tx.QueryRow(ctx, `SELECT role FROM app.staff WHERE staff_id = $1 AND active`, a.Requester).Scan(&role)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return fmt.Errorf("read requester: %w", err)
	}
	if !role.Covers(permissionByCode[a.Permission]) {
		return problem.New(http.StatusConflict, "requester_not_allowed", "Who asked for this may no longer do so.")
	}
	if op.Check == nil {
		return nil
	}
	return op.Check(ctx, tx, role, a.Requester, payload)
}

// CancelRequest withdraws a request of the caller's own.
func (d *Door) CancelRequest(ctx context.Context, id uuid.UUID) error {
	return pgx.BeginFunc(ctx, d.Pool, func(tx pgx.Tx) error {
		a, err := locked(ctx, tx, id)
		switch {
		case err != nil:
			return err
		case a.Requester != Caller(ctx).ID:
			return problem.New(http.StatusForbidden, "APPROVAL_UNAUTHORIZED", "Somebody else asked for this.")
		case a.Status != statusPending || a.ExecutedAt != nil:
			return problem.New(http.StatusConflict, "APPROVAL_ALREADY_PROCESSED", "This is decided already.")
		}
		return d.settle(ctx, tx, a, statusCancelled, "APPROVAL_CANCELLED", "")
	})
}

// Retry does again what was approved and could not be done.
func (d *Door) Retry(ctx context.Context, id uuid.UUID) error {
	err := pgx.BeginFunc(ctx, d.Pool, func(tx pgx.Tx) error {
		a, err := locked(ctx, tx, id)
		switch {
		case err != nil:
			return err
		case a.Requester == Caller(ctx).ID:
			return errOwn
		case a.Status != statusApproved || a.ExecutedAt != nil:
			return problem.New(http.StatusConflict, "APPROVAL_ALREADY_PROCESSED", "There is nothing left to be done.")
		case d.Clock().Sub(*a.DecidedAt) > approvalLifetime:
			return errExpired
		}
		op, payload, err := d.stored(a)
		if err != nil {
			return err
		}
		return d.execute(ctx, tx, a, op, payload)
	})
	d.Outbox.Wake()
	return err
}
