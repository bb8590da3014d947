package contract

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
)

// BatchFunction runs many commands in one transaction (architecture, decision 4).
// Its one argument is what EncodeBatch returns, its result what DecodeBatch reads.
const BatchFunction = "BatchContract:Execute"

// BatchItem is one command of a batch.
type BatchItem struct {
	ID      string         `json:"id"` // of the command; its receipt makes a repetition harmless
	Type    command.Type   `json:"type"`
	Payload jsontext.Value `json:"payload"`
	Trace   string         `json:"trace,omitzero"` // W3C traceparent of the request, passed on in the envelope
}

// Deferred is the outcome of a command that met a paused system: nothing
// remains of it on the ledger and it may be tried again.
const Deferred event.Outcome = "DEFERRED"

// BatchResult is what became of one command of a batch.
type BatchResult struct {
	ID       string         `json:"id"`
	Outcome  event.Outcome  `json:"outcome"` // Applied, Rejected or Deferred
	Code     string         `json:"code,omitzero"`
	Message  string         `json:"message,omitzero"`
	Result   jsontext.Value `json:"result,omitzero"`   // of a command that is replayed; otherwise the envelope has it
	Replayed bool           `json:"replayed,omitzero"` // an earlier transaction ended the command so
}

// EncodeBatch returns the arguments of BatchFunction.
func EncodeBatch(items []BatchItem) ([]string, error) {
	b, err := json.Marshal(items, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("contract: encode batch: %w", err)
	}
	return []string{string(b)}, nil
}

// DecodeBatch reads the result of BatchFunction: one entry for each item, in order.
func DecodeBatch(result []byte) ([]BatchResult, error) {
	var out []BatchResult
	if err := json.Unmarshal(result, &out, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("contract: decode batch result: %w", err)
	}
	return out, nil
}
