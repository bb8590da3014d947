package submitter

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/protocol/command"
)

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		err        error
		class      outbox.Class
		code, text string
	}{
		{&ledger.ContractError{Message: "NOT_FOUND: no such account"}, outbox.Refused, "NOT_FOUND", "no such account"},
		{fmt.Errorf("wrapped: %w", &ledger.ContractError{Message: "A_1: b: c"}), outbox.Refused, "A_1", "b: c"},
		{&ledger.ContractError{Message: "it broke"}, outbox.Refused, "", "it broke"},
		{&ledger.ContractError{Message: "it broke: badly"}, outbox.Refused, "", "it broke: badly"},
		{&ledger.ContractError{Message: ": badly"}, outbox.Refused, "", ": badly"},
		{fmt.Errorf("dial: %w", ledger.ErrUnavailable), outbox.Unavailable, "", "dial: ledger: unavailable"},
		{context.DeadlineExceeded, outbox.Unavailable, "", "context deadline exceeded"},
		{errors.New("endorsements differ"), outbox.Fault, "", "endorsements differ"},
	} {
		class, code, text := classify(c.err)
		if class != c.class || code != c.code || text != c.text {
			t.Errorf("%v: %s %q %q", c.err, class, code, text)
		}
	}
}

// Every registered command can be read back from the outbox.
func TestRead(t *testing.T) {
	for _, d := range command.All() {
		if _, err := read(outbox.Waiting{Type: d.Type, Payload: []byte("null")}); err != nil && strings.Contains(err.Error(), "broke") {
			t.Errorf("%s: %v", d.Type, err)
		}
	}
	payload, err := command.Encode(pay(0, 1, ""))
	if err != nil {
		t.Fatal(err)
	}
	e, err := read(outbox.Waiting{Type: command.TypeTransferTokens, Payload: payload, Position: 7, Counters: outbox.Counters{Attempts: 2}})
	if err != nil || e.position != 7 || e.identity != "gx_partner_api" || e.limit != 0 || e.size <= len(payload) || len(e.lanes) < 3 {
		t.Errorf("%+v %v", e, err)
	}
}

// A result must tell of the commands of its batch, in their order.
func TestDecode(t *testing.T) {
	a, b := uuid.New(), uuid.New()
	batch := &batch{entries: []*entry{{id: a}, {id: b}}}
	result := func(id uuid.UUID, outcome string) string { return fmt.Sprintf(`{"id":%q,"outcome":%q}`, id, outcome) }
	for _, c := range []struct {
		result string
		ok     bool
	}{
		{"[" + result(a, "APPLIED") + "," + result(b, "REJECTED") + "]", true},
		{"[" + result(a, "DEFERRED") + "," + result(b, "APPLIED") + "]", true},
		{"[" + result(b, "APPLIED") + "," + result(a, "APPLIED") + "]", false},
		{"[" + result(a, "APPLIED") + "]", false},
		{"[" + result(a, "APPLIED") + "," + result(b, "LATER") + "]", false},
		{"[" + result(a, "APPLIED") + "," + result(b, "") + "]", false},
		{"", false}, {"{}", false},
	} {
		if _, err := decode(batch, []byte(c.result)); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.result, err)
		}
	}
	if !allDeferred([]contract.BatchResult{{Outcome: contract.Deferred}}) || allDeferred([]contract.BatchResult{{Outcome: contract.Deferred}, {Outcome: "APPLIED"}}) {
		t.Error("deferred")
	}
}
