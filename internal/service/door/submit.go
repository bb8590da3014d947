package door

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/qirat"
)

// Receipt is the answer to an accepted command.
type Receipt struct {
	CommandID   string        `json:"commandId,omitzero" format:"uuid"`
	ApprovalID  string        `json:"approvalId,omitzero" format:"uuid" doc:"The request, when a second person has to approve it"`
	Status      CommandStatus `json:"status"`
	Message     string        `json:"message"`
	StatusURL   string        `json:"statusUrl" doc:"Where to ask how far it has come"`
	AggregateID string        `json:"aggregateId,omitzero" doc:"What the command is about"`
	Fee         string        `json:"fee,omitzero" doc:"Qirat, by the parameters in force now"`
	FeeGx       string        `json:"feeGx,omitzero" doc:"The fee in GX, for people"`
	Total       string        `json:"total,omitzero" doc:"Qirat that will leave the account"`
	TotalGx     string        `json:"totalGx,omitzero" doc:"The total in GX, for people"`
	Invitation  string        `json:"invitation,omitzero" doc:"With which a new member of staff sets their password; shown only now"`
	Command     *CommandView  `json:"command,omitzero" doc:"The end of the command, when Prefer: wait saw it"`
}

// Accepted is the response to a command.
type Accepted struct {
	Status     int
	Location   string `header:"Location"`
	RetryAfter string `header:"Retry-After"`
	Hit        string `header:"Idempotency-Hit"`
	Applied    string `header:"Preference-Applied"`
	Body       Receipt
}

// Submission is a command to be accepted for the caller under their Idempotency-Key.
type Submission struct {
	Payload command.Payload
	Request any     // what was asked, to tell a repetition from another request with the same key
	Receipt Receipt // Message and whatever is known of the outcome

	BreakGlass bool // see Act
	FourEyes   bool // even who may do it alone needs a second person this time
}

// Submit accepts a command: it and its key are stored in one transaction. A
// repetition gets the first answer again. When the caller needs a second person
// for it, it is asked for instead.
func (d *Door) Submit(ctx context.Context, s Submission) (*Accepted, error) {
	c := callOf(ctx)
	if c.held || s.FourEyes {
		return d.Ask(ctx, Act{Operation: string(s.Payload.CommandType()), Payload: s.Payload, Resource: s.Receipt.AggregateID,
			Request: s.Request, BreakGlass: s.BreakGlass})
	}
	if c.who.Kind != token.Staff {
		if err := d.room(ctx); err != nil {
			return nil, err
		}
		stored, receipt, err := d.Enqueue(ctx, d.Pool, c.who.String(), c.route, c.key, s)
		if err != nil {
			return nil, err
		}
		return d.Accept(ctx, stored, receipt)
	}
	var stored outbox.Accepted
	var receipt Receipt
	err := pgx.BeginFunc(ctx, d.Pool, func(tx pgx.Tx) (err error) {
		if stored, receipt, err = d.Enqueue(ctx, tx, c.who.String(), c.route, c.key, s); err != nil || stored.Replayed {
			return err
		}
		return d.Audit(ctx, tx, audit.Record{Action: audit.Action(s.Payload.CommandType()), ResourceType: "command", ResourceID: stored.ID.String()})
	})
	if err != nil {
		return nil, err
	}
	return d.Accept(ctx, stored, receipt)
}

// Accept answers for a command that is stored and committed, and waits for its end
// as long as the caller prefers.
func (d *Door) Accept(ctx context.Context, stored outbox.Accepted, receipt Receipt) (*Accepted, error) {
	d.Outbox.Wake()
	out := &Accepted{Status: http.StatusAccepted, Location: receipt.StatusURL, RetryAfter: "1", Body: receipt}
	if stored.Replayed {
		out.Hit = "true"
	}
	if seconds := callOf(ctx).wait; seconds > 0 {
		out.Applied = "wait=" + strconv.Itoa(seconds)
		v, done, err := d.wait(ctx, stored.ID, seconds)
		if err != nil {
			return nil, err
		}
		if done {
			out.Status, out.RetryAfter = http.StatusOK, ""
			out.Body.Status, out.Body.Command = v.Status, &v
		}
	}
	return out, nil
}

// Enqueue stores a command in db, which may be a transaction of the caller, who
// then wakes the outbox after the commit. It refuses a caller who needs a second
// person for it.
func (d *Door) Enqueue(ctx context.Context, db postgres.DB, principal, route, key string, s Submission) (outbox.Accepted, Receipt, error) {
	if callOf(ctx).held {
		return outbox.Accepted{}, Receipt{}, errHeld
	}
	request, err := json.Marshal(s.Request, json.Deterministic(true))
	if err != nil {
		return outbox.Accepted{}, Receipt{}, fmt.Errorf("encode request: %w", err)
	}
	return d.enqueue(ctx, db, principal, route, key, s.Payload, request, s.Receipt)
}

var errHeld = problem.New(http.StatusForbidden, "approval_required", "This needs the approval of a second person.")

func (d *Door) enqueue(ctx context.Context, db postgres.DB, principal, route, key string, payload command.Payload, request []byte, r Receipt) (outbox.Accepted, Receipt, error) {
	if err := payload.Validate(); err != nil {
		return outbox.Accepted{}, Receipt{}, invalidPayload(err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return outbox.Accepted{}, Receipt{}, fmt.Errorf("command id: %w", err)
	}
	r.CommandID, r.Status, r.StatusURL = id.String(), Pending, Base+"/commands/"+id.String()
	response, err := json.Marshal(r, json.Deterministic(true))
	if err != nil {
		return outbox.Accepted{}, Receipt{}, fmt.Errorf("encode receipt: %w", err)
	}
	var holds qirat.Amount
	if r.Total != "" {
		if holds, err = qirat.Parse(r.Total); err != nil {
			return outbox.Accepted{}, Receipt{}, fmt.Errorf("total of a receipt: %w", err)
		}
	}
	x := httpkit.From(ctx)
	stored, err := d.Outbox.Enqueue(ctx, db, outbox.Request{
		Payload: payload, Principal: principal, Route: route, Key: key, Body: request, Response: response, Holds: holds, ID: id,
		CorrelationID: x.RequestID, TraceParent: x.Trace.String(),
	})
	if err != nil {
		return outbox.Accepted{}, Receipt{}, refused(err)
	}
	x.CommandID = stored.ID.String()
	if stored.Replayed {
		r = Receipt{}
		if err := json.Unmarshal(stored.Response, &r); err != nil {
			return outbox.Accepted{}, Receipt{}, fmt.Errorf("decode stored response of command %s: %w", stored.ID, err)
		}
	}
	return stored, r, nil
}

func refused(err error) error {
	var reused *outbox.KeyReusedError
	switch {
	case errors.As(err, &reused):
		p := problem.New(http.StatusUnprocessableEntity, "idempotency_key_reused", "This Idempotency-Key was used for a request with another "+reused.Field+".")
		p.Errors = []problem.Field{{Field: reused.Field, Code: "idempotency_key_reused", Message: "differs from the first request with this key"}}
		p.Field = reused.Field
		return p
	case errors.Is(err, outbox.ErrInProgress):
		return problem.New(http.StatusConflict, "idempotency_in_progress", "The first request with this Idempotency-Key is still at work.").
			WithHeader("Retry-After", "1")
	}
	return err
}

// invalidPayload names the bad fields of a payload.
func invalidPayload(err error) error {
	bad := command.Fields(err)
	if bad == nil {
		return err
	}
	fields := make([]problem.Field, len(bad))
	for i, f := range bad {
		fields[i] = problem.Field{Field: f.Field, Code: problem.InvalidCode(f.Field), Message: f.Message}
	}
	return problem.Invalid(http.StatusBadRequest, fields...)
}

// Known reports whether the caller's Idempotency-Key was used on this route
// before, in which case a command must go to Submit without further ado.
func (d *Door) Known(ctx context.Context) (bool, error) {
	c := callOf(ctx)
	return d.exists(ctx, `SELECT FROM app.known_keys WHERE principal = $1 AND route = $2 AND idempotency_key = $3
		UNION ALL SELECT FROM app.approvals WHERE requester = $4 AND route = $2 AND idempotency_key = $3`, c.who.String(), c.route, c.key, c.who.ID)
}

// Refuse returns a refusal, but nil when the request repeats one that was
// accepted: that gets its first answer, whatever has become of things since.
func (d *Door) Refuse(ctx context.Context, refusal error) error {
	if refusal == nil {
		return nil
	}
	known, err := d.Known(ctx)
	if err != nil || known {
		return err
	}
	return refusal
}

// Key returns the scope under which the caller's Idempotency-Key is stored.
func Key(ctx context.Context) (principal, route, key string) {
	c := callOf(ctx)
	return c.who.String(), c.route, c.key
}
