// Package deadletter is the operators' view on what could not be done: commands
// that died before they reached the ledger, and events of the ledger that the
// read model does not take. Each waits for a decision, which is kept with it and
// in the audit trail, with a name and a reason.
//
// A command that is retried starts afresh under its id, so that the ledger
// applies it once whatever became of it. An event that is retried is applied in
// its place: by the projector, when that has halted on it, or else by the next
// rebuild of the read model.
package deadletter

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/audit"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/readmodel"
)

var (
	// ErrNotFound reports that there is no such dead letter.
	ErrNotFound = errors.New("no such dead letter")
	// ErrID reports a text that is no id of a dead letter.
	ErrID = errors.New("a dead letter is named by the id of a command, or by that of a ledger transaction, followed by /N for its event N")
)

// Kind of a dead letter.
type Kind string

const (
	Command Kind = "command"
	Event   Kind = "event"
)

// Letter is one death of a command, or an event that was not applied.
type Letter struct {
	Kind     Kind   `json:"kind"`
	ID       string `json:"id"`
	Type     string `json:"type"`              // of the command or event; empty for a whole transaction
	Actor    string `json:"actor,omitzero"`    // of a command
	Class    string `json:"class,omitzero"`    // of a command's error
	Code     string `json:"code,omitzero"`     // of a command's error
	Attempts int    `json:"attempts,omitzero"` // of a command
	Block    uint64 `json:"block,omitzero"`    // of an event
	// Halts tells that the projector stands before an event until it is decided.
	Halts  bool      `json:"halts,omitzero"`
	Error  string    `json:"error"`
	DiedAt time.Time `json:"diedAt"`

	Resolution string     `json:"resolution,omitzero"` // empty while nobody has decided
	ResolvedBy string     `json:"resolvedBy,omitzero"`
	Reason     string     `json:"reason,omitzero"`
	ResolvedAt *time.Time `json:"resolvedAt,omitzero"`

	Payload []byte `json:"payload,omitempty"` // not in lists
}

func ofCommand(d outbox.DeadCommand) Letter {
	return Letter{
		Kind: Command, ID: d.CommandID.String(), Type: string(d.Type), Actor: d.Actor, Class: string(d.ErrorClass), Code: d.ErrorCode, Attempts: d.Attempts,
		Error: d.Error, DiedAt: d.MovedAt.UTC(), Resolution: string(d.Resolution), ResolvedBy: d.ResolvedBy, Reason: d.Reason, ResolvedAt: d.ResolvedAt,
	}
}

// ofEvent needs the checkpoint to tell whether the projector stands before the event.
func ofEvent(d readmodel.DeadLetter, at readmodel.CheckpointState) Letter {
	id := d.TxID
	if d.Seq != readmodel.WholeTx {
		id += "/" + strconv.Itoa(d.Seq)
	}
	ahead := int64(d.Block) > at.Block || int64(d.Block) == at.Block && d.TxIndex > at.TxIndex
	return Letter{
		Kind: Event, ID: id, Type: d.Type, Block: d.Block, Halts: ahead && d.Resolution != readmodel.Skipped, Error: d.Reason, DiedAt: d.RecordedAt.UTC(),
		Resolution: string(d.Resolution), ResolvedBy: d.ResolvedBy, Reason: d.ResolutionReason, ResolvedAt: d.ResolvedAt, Payload: d.Payload,
	}
}

// Filter selects dead letters. The zero value selects up to a thousand that wait.
type Filter struct {
	Kind  Kind         // empty: both
	Class outbox.Class // of commands; excludes events
	All   bool         // also those that are decided
	Limit int          // of each kind; default 1000
}

// List returns dead letters: commands in the order of their deaths, then events in
// that of the ledger. db has the rights of gx_submitter.
func List(ctx context.Context, db postgres.DB, f Filter) ([]Letter, error) {
	if f.Limit <= 0 {
		f.Limit = 1000
	}
	letters := []Letter{}
	if f.Kind != Event {
		dead, err := outbox.ListDead(ctx, db, f.All, f.Class, f.Limit)
		if err != nil {
			return nil, err
		}
		for _, d := range dead {
			letters = append(letters, ofCommand(d))
		}
	}
	if f.Kind != Command && f.Class == "" {
		at, err := readmodel.Checkpoint(ctx, db)
		if err != nil {
			return nil, err
		}
		dead, err := readmodel.DeadLetters(ctx, db, f.All, f.Limit)
		if err != nil {
			return nil, err
		}
		for _, d := range dead {
			letters = append(letters, ofEvent(d, at))
		}
	}
	return letters, nil
}

// Find returns every death of a command, the last one first, or one event, with
// the payload.
func Find(ctx context.Context, db postgres.DB, id string) ([]Letter, error) {
	at, err := parse(id)
	if err != nil {
		return nil, err
	}
	if at.command != uuid.Nil {
		return findCommand(ctx, db, at.command)
	}
	d, err := readmodel.Letter(ctx, db, at.tx, at.seq)
	if errors.Is(err, readmodel.ErrNotFound) {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	if err != nil {
		return nil, err
	}
	c, err := readmodel.Checkpoint(ctx, db)
	if err != nil {
		return nil, err
	}
	return []Letter{ofEvent(d, c)}, nil
}

func findCommand(ctx context.Context, db postgres.DB, id uuid.UUID) ([]Letter, error) {
	deaths, err := outbox.Deaths(ctx, db, id)
	if errors.Is(err, outbox.ErrNotFound) {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	if err != nil {
		return nil, err
	}
	payload, err := outbox.Payload(ctx, db, id)
	if err != nil {
		return nil, err
	}
	letters := make([]Letter, len(deaths))
	for i, d := range deaths {
		letters[i] = ofCommand(d)
		letters[i].Payload = payload
	}
	return letters, nil
}

// place is where a dead letter is found.
type place struct {
	command uuid.UUID // uuid.Nil: an event
	tx      string
	seq     int
}

// parse reads an id. Those of ledger transactions are never UUIDs.
func parse(id string) (place, error) {
	if c, err := uuid.Parse(id); err == nil && c != uuid.Nil {
		return place{command: c}, nil
	}
	tx, event, of := strings.Cut(id, "/")
	seq := readmodel.WholeTx
	if of {
		n, err := strconv.ParseUint(event, 10, 31)
		if err != nil {
			return place{}, fmt.Errorf("%w: %q", ErrID, id)
		}
		seq = int(n)
	}
	if tx == "" {
		return place{}, fmt.Errorf("%w: %q", ErrID, id)
	}
	return place{tx: tx, seq: seq}, nil
}

// Verdict is an operator's decision on dead letters.
type Verdict string

const (
	Retry   Verdict = "RETRY"   // try again
	Discard Verdict = "DISCARD" // go on without
)

// Actions in the audit trail, of events; those of commands are the outbox's.
const (
	EventRetried audit.Action = "EVENT_RETRIED"
	EventSkipped audit.Action = "EVENT_SKIPPED"
)

// Decision is a verdict with what it is about. Everything is required.
type Decision struct {
	Verdict Verdict
	By      string
	Reason  string
	IDs     []string
}

// Outcome says what a decision has done to a dead letter.
type Outcome struct {
	ID      string `json:"id"`
	Changed bool   `json:"changed"`
	Note    string `json:"note"`
}

// Decider applies decisions.
type Decider struct {
	Commands postgres.DB // rights of gx_submitter
	Events   postgres.DB // rights of gx_projector
	Clock    clock.Clock
	Wake     func() // called when there are commands to run; may be nil
}

// Decide applies a decision to each of its letters, with a record in the audit
// trail. Repeated, it changes nothing. An error tells that some may be undecided.
func (r Decider) Decide(ctx context.Context, d Decision) ([]Outcome, error) {
	if d.Verdict != Retry && d.Verdict != Discard || strings.TrimSpace(d.By) == "" || strings.TrimSpace(d.Reason) == "" || len(d.IDs) == 0 {
		return nil, errors.New("a decision needs a verdict, a name, a reason and what it is about")
	}
	places := make([]place, len(d.IDs))
	for i, id := range d.IDs {
		var err error
		if places[i], err = parse(id); err != nil {
			return nil, err
		}
	}
	outcomes := make([]Outcome, 0, len(places))
	woken := false
	for i, at := range places {
		decide := r.event
		if at.command != uuid.Nil {
			decide = r.command
		}
		o, err := decide(ctx, d, at)
		if errors.Is(err, ErrNotFound) {
			err, o.Note = nil, err.Error()
		}
		if err != nil {
			return outcomes, err
		}
		o.ID = d.IDs[i]
		outcomes = append(outcomes, o)
		woken = woken || o.Changed && at.command != uuid.Nil
	}
	if woken && r.Wake != nil {
		r.Wake()
	}
	return outcomes, nil
}

func (r Decider) command(ctx context.Context, d Decision, at place) (Outcome, error) {
	resolution, note := outbox.Requeued, "starts afresh"
	if d.Verdict == Discard {
		resolution, note = outbox.Discarded, "is cancelled"
	}
	done, err := outbox.Resolve(ctx, r.Commands, r.Clock, outbox.Decision{Resolution: resolution, By: d.By, Reason: d.Reason, Commands: []uuid.UUID{at.command}})
	if err != nil {
		return Outcome{}, err
	}
	if len(done) > 0 {
		return Outcome{Changed: true, Note: note}, nil
	}
	switch c, err := outbox.Find(ctx, r.Commands, at.command); {
	case errors.Is(err, outbox.ErrNotFound):
		return Outcome{}, ErrNotFound
	case err != nil:
		return Outcome{}, err
	case c.Result != nil:
		return Outcome{Note: "is on the ledger: " + string(c.Result.Outcome)}, nil
	default:
		return Outcome{Note: "is not dead: " + string(c.State)}, nil
	}
}

func (r Decider) event(ctx context.Context, d Decision, at place) (o Outcome, err error) {
	resolution, action := readmodel.Retried, EventRetried
	if d.Verdict == Discard {
		resolution, action = readmodel.Skipped, EventSkipped
	}
	err = pgx.BeginFunc(ctx, r.Events, func(tx pgx.Tx) error {
		l, err := readmodel.Letter(ctx, tx, at.tx, at.seq)
		if errors.Is(err, readmodel.ErrNotFound) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		c, err := readmodel.Checkpoint(ctx, tx)
		if err != nil {
			return err
		}
		now := r.Clock()
		if o.Changed, err = readmodel.Resolve(ctx, tx, l, resolution, d.By, d.Reason, now); err != nil {
			return err
		}
		halted := ofEvent(l, c)
		o.Note = noteOn(halted, resolution, o.Changed)
		if !o.Changed {
			return nil
		}
		detail, err := audit.Detail(map[string]any{"reason": d.Reason, "block": l.Block, "type": l.Type, "error": l.Reason})
		if err != nil {
			return err
		}
		return audit.Append(ctx, tx, audit.Record{At: now, Actor: d.By, Action: action, ResourceType: "event", ResourceID: halted.ID, Detail: detail})
	})
	return o, err
}

// noteOn says what a decision means for an event.
func noteOn(l Letter, r readmodel.Resolution, changed bool) string {
	switch {
	case !changed && l.Resolution == string(readmodel.Applied):
		return "was applied after all"
	case !changed:
		return "was decided so before"
	case r == readmodel.Skipped:
		return "is left out"
	case l.Halts:
		return "is tried again by the projector"
	}
	return "is applied in its place by the next gx rebuild"
}
