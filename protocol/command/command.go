// Package command is the registry of everything that can change the ledger:
// each command's payload, the contract function that runs it, the identity it
// needs and the lanes it occupies (domain.md 5.2, 5.6).
//
// Payload structs declare their fields in the order of the contract function's
// arguments, so the same struct serves the JSON of the outbox and the string
// arguments of a direct call. Fields that may be left out come last. Some of
// them only say what the command will touch, for its lanes: a contract refuses
// one that is not true, and a command without them runs alone.
package command

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gxcoin.money/gx/protocol/role"
)

// Type names a command in the outbox, in envelopes and in the API.
type Type string

// Payload is the typed content of one command. Implementations are the structs
// of this package, used by pointer.
type Payload interface {
	// CommandType returns the registered type.
	CommandType() Type
	// Validate checks everything that can be checked without ledger state and
	// returns a FieldErrors naming each bad field.
	Validate() error
	// Lanes returns what the command touches, see Lane.
	Lanes() []Lane
	// Actor returns the GX id of the person who acts, empty for staff and system.
	Actor() string
}

// Lane is an ordered resource of the ledger: an account, a country, a proposal.
// Commands that share a lane run in acceptance order and never in two
// transactions at once, unless both hold it shared, as commands do that only
// read it or append to it.
type Lane struct {
	Key    string
	Shared bool
}

// Definition ties a command to the contract function that runs it.
type Definition struct {
	Type     Type
	Contract string      // for example "TokenomicsContract"
	Function string      // for example "TransferWithFees"
	Roles    []role.Role // who may call the function; the first is the identity the submitter uses
	New      func() Payload
}

// Name returns "<Contract>:<Function>".
func (d Definition) Name() string { return d.Contract + ":" + d.Function }

// Identity returns the identity the submitter signs a payload with: the first
// role, unless the payload needs a stronger one.
func (d Definition) Identity(p Payload) role.Role {
	if s, ok := p.(interface{ identity() role.Role }); ok {
		return s.identity()
	}
	return d.Roles[0]
}

var definitions = map[Type]Definition{}

func define(d Definition) { definitions[d.Type] = d }

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

// Invocation is one command on its way to the ledger. ID is the receipt key:
// a second invocation with the same ID and payload has no effect and returns
// the first one's result.
type Invocation struct {
	ID      string         `json:"id"`
	Type    Type           `json:"type"`
	Payload jsontext.Value `json:"payload"`
}

// Encode returns the canonical JSON of a payload.
func Encode(p Payload) (jsontext.Value, error) {
	b, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", p.CommandType(), err)
	}
	return b, nil
}

// ErrUnknown reports a type that is not registered.
var ErrUnknown = errors.New("command: unknown type")

// Decode reads the payload of a type strictly: unknown members, duplicate names,
// wrong types and trailing data are refused. The payload is also validated. The
// errors are ErrUnknown and FieldErrors.
func Decode(t Type, data []byte) (Payload, error) {
	d, ok := definitions[t]
	if !ok {
		return nil, fmt.Errorf("%w: %q", ErrUnknown, string(t))
	}
	p := d.New()
	if err := json.Unmarshal(data, p, json.RejectUnknownMembers(true)); err != nil {
		return nil, jsonError("", err)
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, nil
}
