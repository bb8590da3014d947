package admin

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/deadletter"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/service/door"
)

// The operations on commands that died.
const (
	retryCommand   = "RETRY_COMMAND"
	discardCommand = "DISCARD_COMMAND"
)

// dying adds what could not be done.
func (s admin) dying() {
	door.Register(s.Door, door.Route{Method: http.MethodGet, Path: "/admin/dlq", ID: "listDeadLetters",
		Summary: "Commands that died before they reached the ledger, and events that reads don't show, the oldest first", Policy: door.Policy{Staff: door.SystemStatusRead}}, s.deadLetters)
	for _, o := range []struct {
		path, id, summary, operation string
		verdict                      deadletter.Verdict
	}{
		{"retry", "retryCommand", "Try a command again that died, after its cause is gone", retryCommand, deadletter.Retry},
		{"discard", "discardCommand", "Give a command up that died, for good", discardCommand, deadletter.Discard},
	} {
		s.Define(door.Operation{
			Name: o.operation, Permissions: []door.Permission{door.SystemPause}, Decode: door.DecodePayload[resolution],
			Execute: func(ctx context.Context, tx pgx.Tx, r door.Request, payload any) (uuid.UUID, error) {
				return uuid.Nil, s.resolve(ctx, tx, r, o.verdict, payload.(*resolution))
			},
		})
		door.Register(s.Door, door.Route{Method: http.MethodPost, Path: "/admin/commands/{commandId}/" + o.path, ID: o.id, Summary: o.summary,
			Policy: door.Policy{Staff: door.SystemPause}, Idempotency: door.KeyRequired, Status: http.StatusAccepted}, s.askResolution(o.operation))
	}
}

// DeadLetter is a command or an event that could not be done.
type DeadLetter struct {
	Kind       deadletter.Kind `json:"kind" enum:"command,event"`
	ID         string          `json:"id" doc:"Of the command, or of the ledger's transaction with the place of the event in it"`
	Type       string          `json:"type,omitzero" example:"TRANSFER_TOKENS"`
	Actor      string          `json:"actor,omitzero" doc:"Of a command: the GX id of who acts"`
	ErrorClass string          `json:"errorClass,omitzero"`
	ErrorCode  string          `json:"errorCode,omitzero"`
	Error      string          `json:"error"`
	Attempts   int             `json:"attempts,omitzero"`
	Block      string          `json:"block,omitzero" doc:"Of an event"`
	Halts      bool            `json:"halts" doc:"Reads stand still until somebody decides about this event, with gx dlq"`
	DiedAt     door.Time       `json:"diedAt"`
	Resolution string          `json:"resolution,omitzero" doc:"Absent while nobody has decided"`
	ResolvedBy string          `json:"resolvedBy,omitzero"`
	Reason     string          `json:"reason,omitzero"`
	ResolvedAt *door.Time      `json:"resolvedAt,omitzero"`
}

type deadLettersInput struct {
	Kind  deadletter.Kind `query:"kind" enum:"command,event"`
	All   bool            `query:"all" doc:"Also what is decided"`
	Limit int             `query:"limit" minimum:"1" maximum:"100" default:"50" doc:"Of each kind"`
}

type deadLettersOutput struct {
	Body struct {
		Data []DeadLetter `json:"data"`
	}
}

func (s admin) deadLetters(ctx context.Context, in *deadLettersInput) (*deadLettersOutput, error) {
	letters, err := deadletter.List(ctx, s.Pool, deadletter.Filter{Kind: in.Kind, All: in.All, Limit: in.Limit})
	if err != nil {
		return nil, err
	}
	var out deadLettersOutput
	out.Body.Data = make([]DeadLetter, len(letters))
	for i, l := range letters {
		out.Body.Data[i] = DeadLetter{
			Kind: l.Kind, ID: l.ID, Type: l.Type, Actor: l.Actor, ErrorClass: l.Class, ErrorCode: l.Code, Error: l.Error, Attempts: l.Attempts, Halts: l.Halts,
			DiedAt: door.Time{Time: l.DiedAt}, Resolution: l.Resolution, ResolvedBy: l.ResolvedBy, Reason: l.Reason, ResolvedAt: door.TimeOf(l.ResolvedAt),
		}
		if l.Kind == deadletter.Event {
			out.Body.Data[i].Block = strconv.FormatUint(l.Block, 10)
		}
	}
	return &out, nil
}

// resolution is a decision on a dead command.
type resolution struct {
	CommandID uuid.UUID `json:"commandId"`
	Reason    string    `json:"reason"`
}

type resolutionInput struct {
	CommandID uuid.UUID `path:"commandId" format:"uuid"`
	Body      struct {
		Reason string `json:"reason" minLength:"10" maxLength:"500" doc:"Why, for the record"`
	}
}

func (s admin) askResolution(operation string) func(context.Context, *resolutionInput) (*door.Accepted, error) {
	return func(ctx context.Context, in *resolutionInput) (*door.Accepted, error) {
		c, err := outbox.Find(ctx, s.Pool, in.CommandID)
		if errors.Is(err, outbox.ErrNotFound) {
			return nil, problem.New(http.StatusNotFound, "command_not_found", "There is no such command.")
		}
		if err == nil {
			err = s.conflict(ctx, c.State != outbox.Dead, "not_dead", "The command is not dead: it is "+string(c.State)+".")
		}
		if err != nil {
			return nil, err
		}
		p := resolution{in.CommandID, in.Body.Reason}
		return s.Ask(ctx, door.Act{Operation: operation, Payload: p, Resource: in.CommandID.String(), Request: p})
	}
}

func (s admin) resolve(ctx context.Context, tx pgx.Tx, r door.Request, verdict deadletter.Verdict, p *resolution) error {
	decider := deadletter.Decider{Commands: tx, Clock: s.Clock}
	done, err := decider.Decide(ctx, deadletter.Decision{
		Verdict: verdict, By: door.Principal{Kind: token.Staff, ID: r.Requester}.String(), Reason: p.Reason, IDs: []string{p.CommandID.String()},
	})
	if err == nil && !done[0].Changed {
		err = problem.New(http.StatusConflict, "not_dead", "The command "+done[0].Note+".")
	}
	return err
}
