// Package event is the registry of what the ledger tells the world: every
// state change is one typed event, and the events of a transaction travel in
// one envelope (domain.md 4.8). Read models are built from envelopes alone.
package event

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gxcoin.money/gx/protocol/command"
)

// EnvelopeName is the name of the one chaincode event of every transaction.
const EnvelopeName = "gx.events.v1"

// Type names an event.
type Type string

// Event is the typed content of one event. Implementations are the structs of
// this package, used by pointer.
type Event interface {
	// EventType returns the registered type.
	EventType() Type
}

// Outcome is the end of a command on the ledger.
type Outcome string

const (
	// Applied means that the command took effect.
	Applied Outcome = "APPLIED"
	// Rejected means that a rule refused it: nothing but its receipt remains.
	Rejected Outcome = "REJECTED"
)

// Envelope is the one event of a ledger transaction: what became of each of its
// commands and the events they caused, in order.
type Envelope struct {
	Version    int             `json:"v"`
	TxID       string          `json:"txId"`
	At         time.Time       `json:"at"`
	Channel    string          `json:"channel"`
	Function   string          `json:"fn"`
	CallerHash string          `json:"callerHash"` // SHA-256 of the caller's identity, hex
	Commands   []CommandResult `json:"commands"`
	Events     []Record        `json:"events"`
}

// CommandResult is the end of one command of the transaction.
type CommandResult struct {
	ID      string         `json:"id"`
	Type    command.Type   `json:"type"`
	ActorID string         `json:"actorID,omitzero"`
	Outcome Outcome        `json:"outcome"`
	Code    string         `json:"code,omitzero"`    // of a rejection, for example INSUFFICIENT_FUNDS
	Message string         `json:"message,omitzero"` // of a rejection
	Result  jsontext.Value `json:"result,omitzero"`  // what the function returned
	Trace   string         `json:"trace,omitzero"`   // W3C traceparent of the request that asked for the command
}

// Record is one event inside an envelope.
type Record struct {
	Seq     int            `json:"seq"`     // position in the envelope, from 0
	Command int            `json:"command"` // index into Envelope.Commands
	Type    Type           `json:"type"`
	Version string         `json:"ver"`
	Data    jsontext.Value `json:"data"`
}

// Definition describes a registered event.
type Definition struct {
	Type    Type
	Version string
	// Money marks events that carry balances: a projector that cannot read one
	// halts instead of going on.
	Money bool
	New   func() Event
}

var (
	definitions = map[Type]Definition{}

	// ErrUnknown reports an event type or version that is not registered.
	ErrUnknown = errors.New("event: unknown type or version")
	// ErrForm reports content that reads as one thing but was written as
	// another: a member is missing or null, or a value has an odd spelling.
	ErrForm = errors.New("event: a member is missing, null or not in its canonical form")
)

func define(money bool, new func() Event) {
	t := new().EventType()
	definitions[t] = Definition{Type: t, Version: "1.0", Money: money, New: new}
}

// All returns every definition sorted by type.
func All() []Definition {
	out := make([]Definition, 0, len(definitions))
	for _, d := range definitions {
		out = append(out, d)
	}
	slices.SortFunc(out, func(a, b Definition) int { return strings.Compare(string(a.Type), string(b.Type)) })
	return out
}

// Lookup returns the definition of a type.
func Lookup(t Type) (Definition, bool) {
	d, ok := definitions[t]
	return d, ok
}

// NewRecord encodes an event.
func NewRecord(seq, commandIndex int, e Event) (Record, error) {
	d, ok := definitions[e.EventType()]
	if !ok {
		return Record{}, fmt.Errorf("%w: %s", ErrUnknown, e.EventType())
	}
	data, err := json.Marshal(e)
	if err != nil {
		return Record{}, fmt.Errorf("encode event %s: %w", d.Type, err)
	}
	return Record{Seq: seq, Command: commandIndex, Type: d.Type, Version: d.Version, Data: data}, nil
}

// Decode reads the event of a record strictly: the type and version must be
// registered, and the data must be what NewRecord writes, but for white space
// and the order of members. Above all nothing that is absent reads as zero.
func Decode(r Record) (Event, error) {
	d, ok := definitions[r.Type]
	if !ok || d.Version != r.Version {
		return nil, fmt.Errorf("%w: %s %s", ErrUnknown, r.Type, r.Version)
	}
	e := d.New()
	if err := decode(r.Data, e); err != nil {
		return nil, fmt.Errorf("event %s: %w", r.Type, err)
	}
	return e, nil
}

// DecodeEnvelope reads an envelope as strictly as Decode reads an event. It
// does not look into the data of the records.
func DecodeEnvelope(payload []byte) (Envelope, error) {
	var env Envelope
	if err := decode(payload, &env); err != nil {
		return Envelope{}, fmt.Errorf("envelope: %w", err)
	}
	if env.Version != 1 {
		return Envelope{}, fmt.Errorf("envelope: %w: version %d", ErrUnknown, env.Version)
	}
	return env, nil
}

// decode reads data into v and demands that v writes the same.
func decode(data jsontext.Value, v any) error {
	if err := json.Unmarshal(data, v, json.RejectUnknownMembers(true)); err != nil {
		return err
	}
	written, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if bytes.Equal(written, data) {
		return nil
	}
	want, got := jsontext.Value(written), data.Clone()
	if err := errors.Join(want.Canonicalize(), got.Canonicalize()); err != nil {
		return err
	}
	if !bytes.Equal(want, got) {
		return ErrForm
	}
	return nil
}
