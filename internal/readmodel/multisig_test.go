package readmodel_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/status"
)

func TestMultiSig(t *testing.T) {
	w := newWorld(t)
	w.open()
	ctx := t.Context()
	w.commit(w.ProposeOrganization("acme", account.Business, "AE", "bob", "alice"))
	initiate := func(id string, expires uint64, change func(*event.MultiSigTxInitiated)) time.Time {
		e := &event.MultiSigTxInitiated{PendingTxID: id, OrgID: "acme", Operation: status.OperationTransfer, InitiatorID: "bob", FromID: "acme", ToID: "alice", Amount: 70, Remark: "rent",
			RuleID: "RULE_1", RequiredApprovals: 2, ApproverGroup: []string{"bob", "alice", "carol"}, Approved: true, ExpiresAt: w.at(expires)}
		change(e)
		return w.happen(e)
	}
	read := func(id string) readmodel.MultiSigState {
		return must[readmodel.MultiSigState](t)(readmodel.MultiSigTx(ctx, w.pool, id))
	}
	plain := func(*event.MultiSigTxInitiated) {}
	created := initiate("PENDING_TX_1", 900, plain)
	want := readmodel.MultiSigState{PendingTxID: "PENDING_TX_1", OrgID: "acme", Operation: status.OperationTransfer, InitiatorID: "bob", FromID: "acme", ToID: "alice", Amount: 70,
		Remark: "rent", RuleID: "RULE_1", RequiredApprovals: 2, ApproverGroup: []string{"bob", "alice", "carol"}, Status: status.MultiSigPending, Approvals: 1,
		ExpiresAt: w.at(900), CreatedAt: created}
	same(t, "pending", want, read("PENDING_TX_1"))

	failed := w.happen(&event.MultiSigTxApproved{PendingTxID: "PENDING_TX_1", OrgID: "acme", ApproverID: "alice", Approvals: 2, RequiredApprovals: 2},
		&event.MultiSigTxExecutionFailed{PendingTxID: "PENDING_TX_1", OrgID: "acme", Code: "INSUFFICIENT_FUNDS", Message: "insufficient funds"})
	want.Approvals, want.FailureCode, want.Failure, want.FailedAt = 2, "INSUFFICIENT_FUNDS", "insufficient funds", &failed
	same(t, "failed", want, read("PENDING_TX_1"))
	same(t, "decisions", []readmodel.MultiSigDecision{{PendingTxID: "PENDING_TX_1", UserID: "bob", Approved: true, At: created}, {PendingTxID: "PENDING_TX_1", UserID: "alice", Approved: true, At: failed}},
		must[[]readmodel.MultiSigDecision](t)(readmodel.MultiSigDecisions(ctx, w.pool, "PENDING_TX_1")))
	executed := w.happen(&event.MultiSigTxExecuted{PendingTxID: "PENDING_TX_1", OrgID: "acme", ExecutedBy: "bob"})
	want.Status, want.ClosedAt, want.ClosedBy, want.ClosedTx = status.MultiSigExecuted, &executed, "bob", read("PENDING_TX_1").ClosedTx
	want.FailureCode, want.Failure, want.FailedAt = "", "", nil
	same(t, "executed", want, read("PENDING_TX_1"))
	if want.ClosedTx == "" {
		t.Error("the transaction of the execution is not known")
	}

	rule := &event.Rule{AmountThreshold: 5, RequiredApprovers: 1, ApproverGroup: []string{"alice"}}
	initiate("PENDING_TX_2", 800, func(e *event.MultiSigTxInitiated) {
		e.Operation, e.FromID, e.ToID, e.Amount, e.Rule, e.Approved = status.OperationRule, "", "", 0, rule, false
	})
	if got := read("PENDING_TX_2"); cmp.Diff(rule, got.Rule) != "" || got.Approvals != 0 {
		t.Errorf("rule: %+v", got)
	}
	initiate("PENDING_TX_3", 700, plain)
	initiate("PENDING_TX_4", 600, plain)
	initiate("PENDING_TX_5", 800, func(e *event.MultiSigTxInitiated) { e.ApproverGroup = []string{"bob"} })

	awaiting := func(user string) (out []string) {
		for _, m := range walk(t, user, func(v readmodel.Window) (readmodel.List[readmodel.MultiSigState], error) {
			return readmodel.AwaitingApproval(ctx, w.pool, user, v)
		}) {
			out = append(out, m.PendingTxID)
		}
		return out
	}
	same(t, "awaiting alice", []string{"PENDING_TX_4", "PENDING_TX_3", "PENDING_TX_2"}, awaiting("alice"))
	same(t, "awaiting bob", []string{"PENDING_TX_2"}, awaiting("bob"))
	same(t, "awaiting dave", nil, awaiting("dave"))
	refused := w.happen(&event.MultiSigTxRejected{PendingTxID: "PENDING_TX_4", OrgID: "acme", RejectedBy: "alice", Reason: "too much", Status: status.MultiSigPending})
	same(t, "awaiting alice after a refusal", []string{"PENDING_TX_3", "PENDING_TX_2"}, awaiting("alice"))
	if got := read("PENDING_TX_4"); got.Status != status.MultiSigPending || got.Approvals != 1 || got.ClosedAt != nil {
		t.Errorf("one refusal: %+v", got)
	}
	same(t, "a refusal", readmodel.MultiSigDecision{PendingTxID: "PENDING_TX_4", UserID: "alice", Reason: "too much", At: refused},
		must[[]readmodel.MultiSigDecision](t)(readmodel.MultiSigDecisions(ctx, w.pool, "PENDING_TX_4"))[1])

	expired := func(until uint64) []string {
		return drain(t, func(after readmodel.Due, limit int) ([]readmodel.MultiSigState, error) {
			return readmodel.ExpiredMultiSigTxs(ctx, w.pool, w.at(until), after, limit)
		}, func(m readmodel.MultiSigState) readmodel.Due {
			return readmodel.Due{At: m.ExpiresAt, ID: m.PendingTxID}
		})
	}
	same(t, "expired", []string{"PENDING_TX_4", "PENDING_TX_3", "PENDING_TX_2", "PENDING_TX_5"}, expired(800))
	same(t, "expired earlier", []string{"PENDING_TX_4", "PENDING_TX_3"}, expired(799))

	w.happen(&event.MultiSigTxRejected{PendingTxID: "PENDING_TX_4", OrgID: "acme", RejectedBy: "carol", Reason: "no", Status: status.MultiSigRejected})
	w.happen(&event.MultiSigTxCancelled{PendingTxID: "PENDING_TX_3", OrgID: "acme", CancelledBy: "bob"})
	w.happen(&event.MultiSigTxExpired{PendingTxID: "PENDING_TX_2", OrgID: "acme"})
	same(t, "still to expire", []string{"PENDING_TX_5"}, expired(1000))
	var closed []string
	for _, m := range walk(t, "closed", func(v readmodel.Window) (readmodel.List[readmodel.MultiSigState], error) {
		return readmodel.MultiSigTxs(ctx, w.pool, "acme", []status.MultiSig{status.MultiSigRejected, status.MultiSigCancelled, status.MultiSigExpired, status.MultiSigExecuted}, v)
	}) {
		closed = append(closed, fmt.Sprint(m.Status, " by ", m.ClosedBy))
	}
	same(t, "closed", []string{"REJECTED by carol", "CANCELLED by bob", "EXPIRED by ", "EXECUTED by bob"}, closed)
}
