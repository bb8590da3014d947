package contract

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"gxcoin.money/gx/protocol/event"
)

// receipt is the end of a command, kept under its function and id. It makes a
// repetition harmless.
type receipt struct {
	ArgsHash string         `json:"argsHash"` // SHA-256 of the payload, in base64url
	Outcome  event.Outcome  `json:"outcome"`
	Code     Code           `json:"code,omitzero"`
	Message  string         `json:"message,omitzero"`
	Result   jsontext.Value `json:"result,omitzero"`
	TxID     string         `json:"txId"`
}

func receiptKey(function, id string) string { return compositeKey("idem", function, id) }

func (r *receipt) refusal() *Error {
	if r.Outcome == event.Rejected {
		return &Error{Code: r.Code, Message: r.Message}
	}
	return nil
}

// replay returns the receipt of an earlier run of the same command, nil when
// there was none. The same id with another payload is a conflict.
func (t *tx) replay(key, argsHash string) (*receipt, error) {
	r, err := load[receipt](t, key)
	if err != nil || r == nil {
		return nil, err
	}
	if r.ArgsHash != argsHash {
		return nil, refuse(CodeIdempotencyConflict, "the id was used with other arguments")
	}
	return r, nil
}

func hashArgs(payload []byte) string {
	sum := sha256.Sum256(payload)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// maxID is how long the id of a command may be, in bytes.
const maxID = 128

// validText reports whether s can be an attribute of a key.
func validText(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsAny(s, separator+endOfKeys)
}

// maxTrace is the length of a traceparent of version 00.
const maxTrace = 55

func checkTrace(trace string) error {
	if len(trace) > maxTrace || strings.Trim(trace, "0123456789abcdef-") != "" {
		return refuse(CodeInvalidArgument, "the trace of a command must be a W3C traceparent")
	}
	return nil
}

func checkID(id string) error {
	if id == "" || len(id) > maxID || !validText(id) {
		return refuse(CodeInvalidArgument, "the id of a command must be 1 to %d bytes of text", maxID)
	}
	return nil
}
