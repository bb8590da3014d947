package door

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/protocol/event"
)

const (
	maxWait   = 10              // seconds of Prefer: wait
	afterWait = 3 * time.Second // of GX-After
)

// CommandStatus says how far a command has come (api.md 1.19).
type CommandStatus string

const (
	Pending    CommandStatus = "PENDING"
	Processing CommandStatus = "PROCESSING"
	Confirmed  CommandStatus = "CONFIRMED"
	Failed     CommandStatus = "FAILED"

	PendingApproval CommandStatus = "PENDING_APPROVAL" // waits for a second person; there is no command yet
)

// Schema implements huma.SchemaProvider with one schema for the whole document.
func (CommandStatus) Schema(r huma.Registry) *huma.Schema {
	r.Map()["CommandStatus"] = &huma.Schema{Type: huma.TypeString, Enum: []any{string(Pending), string(Processing), string(Confirmed), string(Failed), string(PendingApproval)}}
	return &huma.Schema{Ref: "#/components/schemas/CommandStatus"}
}

// CommandView is a command as its sender sees it.
type CommandView struct {
	CommandID string         `json:"commandId" format:"uuid"`
	Type      string         `json:"type" example:"TRANSFER_TOKENS"`
	Status    CommandStatus  `json:"status" doc:"CONFIRMED: on the ledger; see projected for when reads show it"`
	Projected bool           `json:"projected" doc:"Every read shows the effect"`
	Attempts  int            `json:"attempts"`
	Result    *CommandResult `json:"result,omitzero"`
	Error     string         `json:"error,omitzero" doc:"Why it failed, for people"`
	ErrorCode string         `json:"errorCode,omitzero" doc:"Why it failed, for programs" example:"INSUFFICIENT_FUNDS"`
	CreatedAt Time           `json:"createdAt"`
	UpdatedAt Time           `json:"updatedAt"`
}

// CommandResult is where a command ended on the ledger.
type CommandResult struct {
	TransactionID string `json:"transactionId"`
	BlockNumber   string `json:"blockNumber,omitzero"`
	Value         any    `json:"value,omitzero" doc:"What the contract returned"`
}

// view tells a command to its sender. Texts of faults stay inside: only the
// contract's own refusals are for callers.
func view(c outbox.Command) CommandView {
	v := CommandView{
		CommandID: c.ID.String(), Type: string(c.Type), Attempts: c.Attempts, Status: Pending,
		CreatedAt: Time{c.CreatedAt}, UpdatedAt: Time{c.CreatedAt},
	}
	if c.CompletedAt != nil {
		v.UpdatedAt = Time{*c.CompletedAt}
	}
	switch c.State {
	case outbox.Locked:
		v.Status = Processing
	case outbox.Committed:
		v.Status = Confirmed
		v.Result = &CommandResult{TransactionID: c.TxID}
	case outbox.Rejected:
		v.Status, v.ErrorCode, v.Error = Failed, c.ErrorCode, c.Error
	case outbox.Dead, outbox.Cancelled:
		v.Status, v.ErrorCode, v.Error = Failed, "NOT_COMPLETED", "The command could not be completed; nothing was changed."
	}
	if r := c.Result; r != nil {
		v.Status, v.Projected = Confirmed, true
		v.Result = &CommandResult{TransactionID: r.TxID, BlockNumber: strconv.FormatUint(r.Block, 10)}
		if len(r.Result) > 0 {
			v.Result.Value = r.Result
		}
		v.ErrorCode, v.Error = "", ""
		if r.Outcome == event.Rejected {
			v.Status, v.ErrorCode, v.Error = Failed, r.Code, r.Message
		}
		if c.CompletedAt == nil {
			v.UpdatedAt = Time{r.At}
		}
	}
	return v
}

// final reports whether nothing more will happen to the command that a reader could see.
func (v CommandView) final() bool { return v.Projected || v.Status == Failed }

// await returns the command, waiting until ctx ends for its end to be visible.
func (d *Door) await(ctx context.Context, id uuid.UUID) (c outbox.Command, final bool, err error) {
	if c, err = outbox.Find(ctx, d.Pool, id); err != nil {
		return c, false, err
	}
	if final = view(c).final(); final || d.Watcher == nil {
		return c, final, nil
	}
	httpkit.From(ctx).Wait(func() { _, err = d.Watcher.Wait(ctx, d.Pool, id.String()) })
	if err != nil && ctx.Err() == nil {
		return c, false, err
	}
	// The wait is over, not the request.
	read, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	c, err = outbox.Find(read, d.Pool, id)
	return c, err == nil && view(c).final(), err
}

// wait is await for the seconds that the caller prefers.
func (d *Door) wait(ctx context.Context, id uuid.UUID, seconds int) (CommandView, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Duration(seconds)*time.Second)
	defer cancel()
	c, final, err := d.await(ctx, id)
	return view(c), final, err
}

type commandInput struct {
	CommandID uuid.UUID `path:"commandId" format:"uuid"`
}

type commandOutput struct {
	Applied string `header:"Preference-Applied"`
	Body    CommandView
}

type commandsInput struct {
	Status string `query:"status" enum:"PENDING,PROCESSING,CONFIRMED,FAILED"`
	Type   string `query:"type" pattern:"^[A-Z_]{1,64}$"`
	Cursor string `query:"cursor" maxLength:"100"`
	Limit  int    `query:"limit" minimum:"1" maximum:"100" default:"50"`
}

type commandsOutput struct {
	Body struct {
		Data       []CommandView `json:"data"`
		NextCursor string        `json:"nextCursor,omitzero"`
		HasMore    bool          `json:"hasMore"`
	}
}

// commands adds the routes of commands, which every service has.
func (d *Door) commands() {
	d.RegisterStatus("/commands/{commandId}", "getCommand")
	d.RegisterStatus("/commands/{commandId}/status", "getCommandStatus")
	RegisterStream(d, Route{
		Method: http.MethodGet, Path: "/commands/{commandId}/events", ID: "streamCommand", Summary: "How far a command comes, as events; ends with it",
		Policy: statusPolicy,
	}, d.commandEvents)
	Register(d, Route{
		Method: http.MethodGet, Path: "/commands", ID: "listCommands", Summary: "Your own commands, newest first",
		Policy: Policy{Customer: true, Staff: SystemStatusRead},
	}, d.listCommands)
}

// statusPolicy is of what tells about one command.
var statusPolicy = Policy{Object: Command, Staff: AuditView}

// RegisterStatus adds a route that tells how far {commandId} has come.
func (d *Door) RegisterStatus(path, id string) {
	Register(d, Route{Method: http.MethodGet, Path: path, ID: id, Summary: "How far a command has come; waits with Prefer: wait=N", Policy: statusPolicy}, d.getCommand)
}

func (d *Door) getCommand(ctx context.Context, in *commandInput) (*commandOutput, error) {
	var out commandOutput
	seconds := callOf(ctx).wait
	if seconds > 0 {
		out.Applied = "wait=" + strconv.Itoa(seconds)
		v, _, err := d.wait(ctx, in.CommandID, seconds)
		out.Body = v
		return &out, commandError(err)
	}
	c, err := outbox.Find(ctx, d.Pool, in.CommandID)
	if err != nil {
		return nil, commandError(err)
	}
	out.Body = view(c)
	return &out, nil
}

// commandEvents tells each state that is seen; one that lasts shorter may be left out.
func (d *Door) commandEvents(_ context.Context, in *commandInput) (Feed, error) {
	return Feed{CommandTopic(in.CommandID), func(ctx context.Context, id string) ([]Event, bool, error) {
		c, err := outbox.Find(ctx, d.Pool, in.CommandID)
		if err != nil {
			return nil, false, commandError(err)
		}
		v := view(c)
		e := Event{ID: fmt.Sprintf("%s-%d-%t", v.Status, v.Attempts, v.Projected), Name: "status", Data: v}
		if e.ID == id {
			return nil, v.final(), nil
		}
		return []Event{e}, v.final(), nil
	}}, nil
}

func commandError(err error) error {
	if errors.Is(err, outbox.ErrNotFound) {
		return problem.New(http.StatusNotFound, "not_found", "There is no such command.")
	}
	return err
}

// statusSQL says what each status means in the columns of c (app.commands) and r (its result).
var statusSQL = map[string]string{
	"":                 "true",
	string(Pending):    "r.command_id IS NULL AND c.state IN ('PENDING', 'RETRY')",
	string(Processing): "r.command_id IS NULL AND c.state = 'LOCKED'",
	string(Confirmed):  "(r.outcome = 'APPLIED' OR r.command_id IS NULL AND c.state = 'COMMITTED')",
	string(Failed):     "(r.outcome = 'REJECTED' OR r.command_id IS NULL AND c.state IN ('REJECTED', 'DEAD', 'CANCELLED'))",
}

func (d *Door) listCommands(ctx context.Context, in *commandsInput) (*commandsOutput, error) {
	before, last, err := parseCursor(in.Cursor)
	if err != nil {
		return nil, problem.BadField("cursor", "is not a cursor of this list")
	}
	rows, err := d.Pool.Query(ctx, `
		SELECT c.id, c.type, c.state, c.attempts, c.tx_id, c.error_code, c.error, c.created_at, c.completed_at,
		       r.outcome, r.code, r.message, r.result, r.tx_id, r.block, r.at
		FROM app.commands c LEFT JOIN read.command_results r ON r.command_id = c.id::text
		WHERE c.principal = $1 AND ($2 = '' OR c.type = $2) AND ($3::timestamptz IS NULL OR (c.created_at, c.id) < ($3, $4))
		  AND `+statusSQL[in.Status]+`
		ORDER BY c.created_at DESC, c.id DESC LIMIT $5`,
		Caller(ctx).String(), in.Type, before, last, in.Limit+1)
	if err != nil {
		return nil, fmt.Errorf("list commands: %w", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (outbox.Command, error) {
		var c outbox.Command
		var outcome, code, message, tx *string
		var result []byte
		var block *int64
		var at *time.Time
		err := row.Scan(&c.ID, &c.Type, &c.State, &c.Attempts, &c.TxID, &c.ErrorCode, &c.Error, &c.CreatedAt, &c.CompletedAt,
			&outcome, &code, &message, &result, &tx, &block, &at)
		if outcome != nil {
			c.Result = &readmodel.Result{Outcome: event.Outcome(*outcome), Code: *code, Message: *message,
				Result: result, TxID: *tx, Block: uint64(*block), At: *at}
		}
		return c, err
	})
	if err != nil {
		return nil, fmt.Errorf("list commands: %w", err)
	}
	var out commandsOutput
	if out.Body.HasMore = len(list) > in.Limit; out.Body.HasMore {
		list = list[:in.Limit]
		end := list[len(list)-1]
		out.Body.NextCursor = formatCursor(end.CreatedAt, end.ID)
	}
	out.Body.Data = make([]CommandView, len(list))
	for i, c := range list {
		out.Body.Data[i] = view(c)
	}
	return &out, nil
}

func formatCursor(at time.Time, id uuid.UUID) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(at.UnixMicro(), 10) + " " + id.String()))
}

// parseCursor returns nil for the beginning of the list.
func parseCursor(s string) (*time.Time, uuid.UUID, error) {
	if s == "" {
		return nil, uuid.Nil, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return nil, uuid.Nil, err
	}
	micros, rest, _ := strings.Cut(string(raw), " ")
	n, err := strconv.ParseInt(micros, 10, 64)
	if err != nil {
		return nil, uuid.Nil, err
	}
	id, err := uuid.Parse(rest)
	at := time.UnixMicro(n)
	return &at, id, err
}
