package door

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/token"
)

// Limits of what waits for a second person.
const (
	approvalLifetime = 72 * time.Hour
	maxPending       = 10 // of one requester
)

// How an operation came to be done.
const (
	modeRegular    = "REGULAR"     // after a second person approved it
	modeAlone      = "ALONE"       // by the first owner, who is alone
	modeBreakGlass = "BREAK_GLASS" // at once, to be reviewed afterwards
)

// Act is an operation that the caller asks for.
type Act struct {
	Operation  string
	Permission Permission // that of the route when zero
	Payload    any
	Resource   string // what it is about
	Request    any    // what was asked, to tell a repetition from another request with the same key
	Reason     string // for the second person; the reason in Request when empty
	BreakGlass bool   // do it at once and have it reviewed; the owner's right when the system must stop
}

// Ask stores an act until a second person decides, under the caller's
// Idempotency-Key; a repetition gets the first answer again. It is done at once
// when nobody but the caller is there to decide, or by breaking the glass.
func (d *Door) Ask(ctx context.Context, a Act) (*Accepted, error) {
	c := callOf(ctx)
	if a.Permission == noPermission {
		a.Permission = c.permission
	}
	op, ok := d.Operation(a.Operation)
	if !ok || !op.permits(a.Permission) {
		return nil, fmt.Errorf("operation %s is not one that %s covers", a.Operation, a.Permission)
	}
	if a.BreakGlass && (c.who.Role != SuperOwner || a.Permission != SystemPause) {
		return nil, problem.New(http.StatusForbidden, "forbidden", "Only an owner may break the glass, and only to pause the system.")
	}
	payload, err1 := json.Marshal(a.Payload, json.Deterministic(true))
	request, err2 := json.Marshal(a.Request, json.Deterministic(true))
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("encode act: %w", err)
	}
	decoded, err := op.Decode(payload)
	if err != nil {
		return nil, err
	}
	if first, err := d.asked(ctx, d.Pool, request); first != nil || err != nil {
		return first, err
	}
	var out *Accepted
	err = pgx.BeginFunc(ctx, d.Pool, func(tx pgx.Tx) error {
		out, err = d.ask(ctx, tx, op, a, decoded, payload, request)
		return err
	})
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) && pg.ConstraintName == "approvals_requester_route_idempotency_key_key" {
		return nil, refused(outbox.ErrInProgress)
	}
	if err != nil {
		return nil, err
	}
	d.Outbox.Wake()
	return out, nil
}

func (d *Door) ask(ctx context.Context, tx pgx.Tx, op Operation, a Act, decoded any, payload, request []byte) (*Accepted, error) {
	c := callOf(ctx)
	if op.Check != nil {
		if err := op.Check(ctx, tx, c.who.Role, c.who.ID, decoded); err != nil {
			return nil, err
		}
	}
	mode := modeRegular
	if a.BreakGlass {
		mode = modeBreakGlass
	} else if op.Alone != nil {
		alone, err := op.Alone(ctx, tx, c.who, decoded)
		if err != nil {
			return nil, err
		}
		if alone {
			mode = modeAlone
		}
	}
	id, err := uuid.NewV7()
	if err != nil {
		return nil, fmt.Errorf("approval id: %w", err)
	}
	row := approval{Request: Request{ApprovalID: id, Operation: a.Operation, Resource: a.Resource, Payload: payload,
		Requester: c.who.ID, Route: c.route, Key: c.key, Body: request}, Permission: a.Permission.String(), Mode: mode}
	receipt := Receipt{ApprovalID: id.String(), Status: PendingApproval, Message: "A second person has to approve this.",
		StatusURL: Base + "/admin/approvals/" + id.String(), AggregateID: a.Resource}
	out := &Accepted{Status: http.StatusAccepted}
	now := d.Clock()
	status, decided := statusPending, (*time.Time)(nil)
	if mode == modeAlone {
		status, decided = statusApproved, &now
	}
	if err := d.note(ctx, tx, row, "APPROVAL_REQUESTED", reasonOf(a.Reason, request)); err != nil {
		return nil, err
	}
	var executed *time.Time
	var command *uuid.UUID
	if mode != modeRegular {
		done, err := op.Execute(ctx, tx, row.Request, decoded)
		if err != nil {
			return nil, err
		}
		executed, receipt.Status, receipt.Message = &now, Confirmed, "Done."
		if done != uuid.Nil {
			command = &done
			receipt.CommandID, receipt.Status, receipt.Message = done.String(), Pending, "Accepted."
			receipt.StatusURL = Base + "/commands/" + done.String()
		}
		if err := d.note(ctx, tx, row, "APPROVAL_EXECUTED", mode); err != nil {
			return nil, err
		}
	}
	out.Location, out.Body = receipt.StatusURL, receipt
	response, err := json.Marshal(receipt, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encode receipt: %w", err)
	}
	_, err = tx.Exec(ctx, `INSERT INTO app.approvals (approval_id, mode, operation, permission, risk, resource, payload, digest, reason, quorum,
			requester, session_id, route, idempotency_key, request, response, created_at, expires_at, status, decided_at, executed_at, command_id)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)`,
		id, mode, a.Operation, row.Permission, a.Permission.Risk(), a.Resource, payload, digest(a.Operation, payload), reasonOf(a.Reason, request),
		d.quorum(a.Permission), c.who.ID, c.who.Session, c.route, c.key, request, response, now, now.Add(approvalLifetime), status, decided, executed, command)
	if err != nil {
		return nil, fmt.Errorf("store approval: %w", err)
	}
	return out, d.notTooMany(ctx, tx, c.who.ID)
}

// asked returns the answer to the first request with the caller's key, nil when
// there was none.
func (d *Door) asked(ctx context.Context, db postgres.DB, request []byte) (*Accepted, error) {
	c := callOf(ctx)
	var body, response []byte
	err := db.QueryRow(ctx, `SELECT request, response FROM app.approvals WHERE requester = $1 AND route = $2 AND idempotency_key = $3`,
		c.who.ID, c.route, c.key).Scan(&body, &response)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read approval: %w", err)
	}
	if err := outbox.SameRequest(request, body); err != nil {
		return nil, refused(err)
	}
	out := &Accepted{Status: http.StatusAccepted, Hit: "true"}
	if err := json.Unmarshal(response, &out.Body); err != nil {
		return nil, fmt.Errorf("decode stored response: %w", err)
	}
	out.Location = out.Body.StatusURL
	return out, nil
}

// notTooMany holds one requester back from flooding the others.
func (d *Door) notTooMany(ctx context.Context, tx pgx.Tx, requester uuid.UUID) error {
	var pending int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM app.approvals WHERE requester = $1 AND status = 'PENDING' AND expires_at > $2`,
		requester, d.Clock()).Scan(&pending); err != nil {
		return fmt.Errorf("count approvals: %w", err)
	}
	if pending > maxPending {
		return problem.New(http.StatusConflict, "MAX_PENDING_APPROVALS_EXCEEDED", "Too many of your requests wait for a second person already.")
	}
	return nil
}

// note records a step of an approval.
func (d *Door) note(ctx context.Context, tx pgx.Tx, a approval, action audit.Action, reason string) error {
	detail, err := audit.Detail(map[string]string{
		"operation": a.Operation, "permission": a.Permission, "digest": hex.EncodeToString(digest(a.Operation, a.Payload)), "reason": reason,
	})
	if err != nil {
		return err
	}
	return d.Audit(ctx, tx, audit.Record{Action: action, ResourceType: "approval", ResourceID: a.ApprovalID.String(), Approval: &a.ApprovalID, Detail: detail})
}

// quorum is how many others have to approve.
func (d *Door) quorum(p Permission) int {
	if p.Risk() == "CRITICAL" {
		return max(1, d.CriticalQuorum)
	}
	return 1
}

// digest stands for an operation with its payload: whoever approves it approves
// nothing else.
func digest(operation string, payload []byte) []byte {
	h := sha256.New()
	h.Write([]byte("gx.approval.v1\n" + operation + "\n"))
	h.Write(payload)
	return h.Sum(nil)
}

// reasonOf returns the reason given, or the one in the request.
func reasonOf(reason string, request jsontext.Value) string {
	var body struct {
		Reason string `json:"reason"`
	}
	if reason == "" && request.Kind() == '{' && json.Unmarshal(request, &body) == nil {
		return body.Reason
	}
	return reason
}

func staffName(id uuid.UUID) string { return Principal{Kind: token.Staff, ID: id}.String() }
