package door

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"

	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/protocol/command"
)

// Receipt is the answer to an accepted command.
type Receipt struct {
	CommandID   string        `json:"commandId" format:"uuid"`
	Status      CommandStatus `json:"status"`
	Message     string        `json:"message"`
	StatusURL   string        `json:"statusUrl" doc:"Where to ask how far it has come"`
	AggregateID string        `json:"aggregateId,omitzero" doc:"What the command is about"`
	Fee         string        `json:"fee,omitzero" doc:"Qirat, by the parameters in force now"`
	FeeGx       string        `json:"feeGx,omitzero" doc:"The fee in GX, for people"`
	Total       string        `json:"total,omitzero" doc:"Qirat that will leave the account"`
	TotalGx     string        `json:"totalGx,omitzero" doc:"The total in GX, for people"`
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
}

// Submit accepts a command: it and its key are stored in one statement. A
// repetition gets the first answer again.
func (d *Door) Submit(ctx context.Context, s Submission) (*Accepted, error) {
	c := callOf(ctx)
	stored, receipt, err := d.Enqueue(ctx, d.Pool, c.who.String(), c.route, c.key, s)
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
// then wakes the outbox after the commit.
func (d *Door) Enqueue(ctx context.Context, db postgres.DB, principal, route, key string, s Submission) (outbox.Accepted, Receipt, error) {
	if err := s.Payload.Validate(); err != nil {
		return outbox.Accepted{}, Receipt{}, invalidPayload(err)
	}
	id, err := uuid.NewV7()
	if err != nil {
		return outbox.Accepted{}, Receipt{}, fmt.Errorf("command id: %w", err)
	}
	r := s.Receipt
	r.CommandID, r.Status, r.StatusURL = id.String(), Pending, Base+"/commands/"+id.String()
	response, err1 := json.Marshal(r, json.Deterministic(true))
	request, err2 := json.Marshal(s.Request, json.Deterministic(true))
	if err := errors.Join(err1, err2); err != nil {
		return outbox.Accepted{}, Receipt{}, fmt.Errorf("encode command: %w", err)
	}
	x := httpkit.From(ctx)
	stored, err := d.Outbox.Enqueue(ctx, db, outbox.Request{
		Payload: s.Payload, Principal: principal, Route: route, Key: key, Body: request, Response: response, ID: id,
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
	return d.exists(ctx, knownKey, c.who.String(), c.route, c.key)
}

const knownKey = `SELECT FROM app.commands WHERE principal = $1 AND route = $2 AND idempotency_key = $3`

// Key returns the scope under which the caller's Idempotency-Key is stored.
func Key(ctx context.Context) (principal, route, key string) {
	c := callOf(ctx)
	return c.who.String(), c.route, c.key
}
