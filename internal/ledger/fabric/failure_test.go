package fabric

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hyperledger/fabric-protos-go-apiv2/gateway"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"gxcoin.money/gx/internal/ledger"
)

// answer is a gateway's error with what peers said, as pairs of organization and text.
func answer(t *testing.T, code codes.Code, said ...string) error {
	t.Helper()
	var details []protoadapt.MessageV1
	for ; len(said) > 0; said = said[2:] {
		details = append(details, protoadapt.MessageV1Of(&gateway.ErrorDetail{MspId: said[0], Address: "h:1", Message: said[1]}))
	}
	s, err := status.New(code, "see details").WithDetails(details...)
	if err != nil {
		t.Fatal(err)
	}
	return s.Err()
}

func TestDiagnose(t *testing.T) {
	const no, mismatch = "chaincode response 400, NOT_ELIGIBLE: no\nreally", "ProposalResponsePayloads do not match"
	both := []string{"Org1MSP", "Org2MSP"}
	for name, test := range map[string]struct {
		said         []string
		endorsers    []string
		refusal      string
		disagreement bool
	}{
		"all refuse":                       {[]string{"Org1MSP", no, "Org2MSP", no}, both, "NOT_ELIGIBLE: no\nreally", false},
		"all refuse, every peer of theirs": {[]string{"Org1MSP", no, "Org1MSP", no, "Org2MSP", no}, both, "NOT_ELIGIBLE: no\nreally", false},
		"a query is refused":               {[]string{"Org1MSP", no}, nil, "NOT_ELIGIBLE: no\nreally", false},
		"one refuses":                      {[]string{"Org2MSP", no}, both, "", true},
		"one refuses, one is down":         {[]string{"Org2MSP", no, "Org1MSP", "connection refused"}, both, "", false},
		"results differ":                   {[]string{"Org2MSP", mismatch}, both, "", true},
		"a peer fails the contract":        {[]string{"Org1MSP", "chaincode response 500, disk", "Org2MSP", "chaincode response 500, disk"}, both, "", false},
		"a peer fails":                     {[]string{"Org1MSP", "error in simulation: chaincode stream terminated"}, both, "", false},
		"a message that looks like ours":   {[]string{"Org1MSP", "error: chaincode response 400, x", "Org2MSP", "error: chaincode response 400, x"}, both, "", false},
		"nobody said anything":             {nil, both, "", false},
	} {
		f := diagnose(answer(t, codes.Aborted, test.said...), test.endorsers)
		got := ""
		if f.refusal != nil {
			got = f.refusal.Message
		}
		if got != test.refusal || f.disagreement != test.disagreement {
			t.Errorf("%s: refusal %q, disagreement %v", name, got, f.disagreement)
		}
	}
	if f := diagnose(context.Canceled, both); f.refusal != nil || f.disagreement || !errors.Is(f, context.Canceled) {
		t.Errorf("an error without status: %+v", f)
	}
}

func TestTransient(t *testing.T) {
	for code, want := range map[codes.Code]bool{
		codes.Unavailable: true, codes.ResourceExhausted: true, codes.DeadlineExceeded: true, codes.Canceled: true,
		codes.Aborted: false, codes.InvalidArgument: false, codes.PermissionDenied: false, codes.Unknown: false,
	} {
		if got := transient(fmt.Errorf("submit: %w", status.Error(code, "x"))); got != want {
			t.Errorf("%s: %v", code, got)
		}
	}
}

func TestQuiet(t *testing.T) {
	now := time.Unix(1000, 0)
	q := quiet{clock: func() time.Time { return now }}
	for i, test := range []struct {
		kind string
		step time.Duration
		held int
		ok   bool
	}{
		{"a", 0, 0, true}, {"a", 0, 0, false}, {"b", 0, 0, true}, {"a", time.Second, 0, false}, {"a", quietFor, 2, true}, {"a", 2 * quietFor, 0, true},
	} {
		now = now.Add(test.step)
		if held, ok := q.may(test.kind); held != test.held || ok != test.ok {
			t.Errorf("%d: %d, %v", i, held, ok)
		}
	}
}

func TestFates(t *testing.T) {
	f := newFates()
	a, b := f.await("x"), f.await("x")
	first := ledger.Status{TxID: "x", Block: 1, Code: ledger.Valid}
	f.record(first)
	f.record(ledger.Status{TxID: "x", Block: 2, Code: ledger.Invalid})
	for _, c := range []chan ledger.Status{a, b} {
		if s := <-c; s != first {
			t.Errorf("got %v", s)
		}
		f.forget("x", c)
	}
	gone := f.await("y")
	f.forget("y", gone)
	for i := range remembered - 1 {
		f.record(ledger.Status{TxID: fmt.Sprint(i)})
	}
	if s, ok := f.known("x"); !ok || s != first {
		t.Errorf("%v, %v", s, ok)
	}
	f.record(ledger.Status{TxID: "one more"})
	if _, ok := f.known("x"); ok || len(f.latest) != remembered || len(f.waiting) != 0 {
		t.Errorf("%d are remembered, %d awaited", len(f.latest), len(f.waiting))
	}
}

func TestHeights(t *testing.T) {
	a, b := &peer{}, &peer{}
	a.Name, b.Name = "a", "b"
	h := newHeights([]*peer{a, b}, newMetrics(nil, &Ledger{}))
	if !h.level() {
		t.Error("without peers they differ")
	}
	h.set(a, peerHeight{blocks: 8, connected: true})
	h.set(b, peerHeight{blocks: 7, connected: true})
	if h.level() {
		t.Error("8 and 7 are level")
	}
	done := make(chan struct{})
	go func() {
		h.awaitBlock(t.Context(), 7)
		close(done)
	}()
	h.set(b, peerHeight{blocks: 8, connected: true})
	<-done
	h.set(b, peerHeight{blocks: 8}) // away: nobody waits for it
	h.awaitBlock(t.Context(), 7)
	h.set(a, peerHeight{blocks: 9, connected: true})
	if !h.level() {
		t.Error("a peer that is away counts")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	h.awaitBlock(ctx, 100)
}
