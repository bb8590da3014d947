package contract_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/status"
)

// B-015: after the end of a transaction nobody moves it again.
func TestB015_NothingAfterTheEnd(t *testing.T) {
	ends := map[status.MultiSig]func(l *contracttest.Ledger, p []string, id string) command.Payload{
		status.MultiSigExecuted: func(_ *contracttest.Ledger, p []string, id string) command.Payload { return approve(p[1], id) },
		status.MultiSigCancelled: func(_ *contracttest.Ledger, p []string, id string) command.Payload {
			return &command.CancelMultiSigTx{ActorID: p[0], PendingTxID: id}
		},
		status.MultiSigExpired: func(l *contracttest.Ledger, _ []string, id string) command.Payload {
			l.Now = l.Now.AddDate(0, 0, 7)
			return &command.ExpireMultiSigTx{PendingTxID: id}
		},
		status.MultiSigRejected: func(l *contracttest.Ledger, p []string, id string) command.Payload {
			l.Apply(t, reject(p[1], id))
			return reject(p[2], id)
		},
	}
	for end, finish := range ends {
		t.Run(string(end), func(t *testing.T) {
			l, p := acme(t)
			id := initiateTx(t, l, payment(p[0], p[3], 200*gx))
			l.Apply(t, finish(l, p, id))
			if got := pendingOf(t, l, id).Status; got != end {
				t.Fatalf("status %s", got)
			}
			balance := l.Balance(t, "acme")
			for _, again := range []command.Payload{
				approve(p[2], id), approve(p[1], id), retry(p[2], id), reject(p[2], id),
				&command.CancelMultiSigTx{ActorID: p[0], PendingTxID: id}, &command.ExpireMultiSigTx{PendingTxID: id},
			} {
				l.Refuse(t, contract.CodeInvalidState, string(end), again)
			}
			if got := l.Balance(t, "acme"); got != balance {
				t.Errorf("the balance went from %s to %s", balance, got)
			}
			if got := pendingList(t, l, "10", "").Items; len(got) != 0 {
				t.Errorf("it is still listed: %+v", got)
			}
		})
	}
}

func TestRejectAndCancel(t *testing.T) {
	l, p := acme(t)
	id := initiateTx(t, l, payment(p[0], p[3], 200*gx))
	l.Refuse(t, contract.CodeAlreadyApproved, "approved", reject(p[0], id))
	l.Refuse(t, contract.CodeAlreadyApproved, "approved", approve(p[0], id))
	l.Refuse(t, contract.CodeUnauthorized, "no stake", reject(p[3], id))
	e := l.Apply(t, reject(p[1], id))[0].(*event.MultiSigTxRejected)
	if *e != (event.MultiSigTxRejected{PendingTxID: id, OrgID: "acme", RejectedBy: p[1], Reason: "too dear", Status: status.MultiSigPending}) {
		t.Errorf("the first rejection: %+v", e)
	}
	l.Refuse(t, contract.CodeInvalidState, "has rejected", approve(p[1], id))
	l.Refuse(t, contract.CodeInvalidState, "has rejected", reject(p[1], id))
	if e := l.Apply(t, reject(p[2], id))[0].(*event.MultiSigTxRejected); e.Status != status.MultiSigRejected {
		t.Errorf("too few are left: %+v", e)
	}
	if x := pendingOf(t, l, id); x.Status != status.MultiSigRejected || !slices.Equal(x.Rejections, p[1:3]) || x.EndedAt == nil {
		t.Errorf("rejected: %+v", x)
	}

	// One rejection of three leaves the two that are needed.
	id = initiateTx(t, l, payment(p[0], p[3], 200*gx))
	l.Apply(t, reject(p[1], id), approve(p[2], id))
	if x := pendingOf(t, l, id); x.Status != status.MultiSigExecuted {
		t.Errorf("approved by two of three: %+v", x)
	}

	id = initiateTx(t, l, payment(p[0], p[3], 200*gx))
	l.Refuse(t, contract.CodeUnauthorized, "did not initiate", &command.CancelMultiSigTx{ActorID: p[1], PendingTxID: id})
	c := l.Apply(t, &command.CancelMultiSigTx{ActorID: p[0], PendingTxID: id, OrgID: "acme"})[0].(*event.MultiSigTxCancelled)
	if *c != (event.MultiSigTxCancelled{PendingTxID: id, OrgID: "acme", CancelledBy: p[0]}) {
		t.Errorf("cancelled: %+v", c)
	}
}

// Default 14 of domain.md section 12: after seven days, to the second, nobody
// can do anything but expire it, and not before.
func TestMultiSigExpiry(t *testing.T) {
	l, p := acme(t)
	late := initiateTx(t, l, payment(p[0], p[3], 2000*gx))
	l.Apply(t, approve(p[1], late)) // has its approvals, but not the money
	open := initiateTx(t, l, payment(p[0], p[3], 200*gx))
	expire := func(id string) *command.ExpireMultiSigTx {
		return &command.ExpireMultiSigTx{PendingTxID: id, OrgID: "acme"}
	}
	start := l.Now
	l.Now = start.AddDate(0, 0, 7).Add(-time.Second)
	l.Refuse(t, contract.CodeInvalidState, "is open until", expire(open))
	in := l.Clone()
	in.Apply(t, approve(p[1], open), retry(p[0], late))
	if got := pendingOf(t, in, open).Status; got != status.MultiSigExecuted {
		t.Errorf("approved in the last second: %s", got)
	}
	l.Now = start.AddDate(0, 0, 7)
	for _, p := range []command.Payload{
		approve(p[1], open), reject(p[1], open), retry(p[1], late), &command.CancelMultiSigTx{ActorID: p[0], PendingTxID: open},
	} {
		l.Refuse(t, contract.CodeExpired, "expired", p)
	}
	for _, id := range []string{late, open} {
		if e := l.Apply(t, expire(id))[0].(*event.MultiSigTxExpired); *e != (event.MultiSigTxExpired{PendingTxID: id, OrgID: "acme"}) {
			t.Errorf("expired: %+v", e)
		}
	}
	if got := l.Balance(t, "acme"); got != 1000*gx {
		t.Errorf("the organization has %s", got)
	}

	elect(t, l, "multiSigExpiryDays", "30")
	e := l.Apply(t, payment(p[0], p[3], gx))[0].(*event.MultiSigTxInitiated)
	if !e.ExpiresAt.Equal(l.Now.AddDate(0, 0, 30)) {
		t.Errorf("expires at %s, now is %s", e.ExpiresAt, l.Now)
	}
}

// I8: two approvals that are each the last one are in one block, or in one
// batch; the money moves once.
func TestMultiSigMovesMoneyOnce(t *testing.T) {
	l, p := acme(t)
	id := initiateTx(t, l, payment(p[0], p[3], 200*gx))
	l2 := l.Clone()
	var txs []*contracttest.Tx
	for _, actor := range p[1:3] {
		args, err := contract.EncodeBatch([]contract.BatchItem{l.Item(t, approve(actor, id))})
		if err != nil {
			t.Fatal(err)
		}
		tx, err := l.Simulate(backend, contract.BatchFunction, args...)
		if err != nil {
			t.Fatal(err)
		}
		txs = append(txs, tx)
	}
	if err := l.Commit(txs[0]); err != nil {
		t.Fatal(err)
	}
	if err := l.Commit(txs[1]); !errors.Is(err, contracttest.ErrConflict) {
		t.Errorf("the second of a block: %v", err)
	}
	results, events := l2.Run(t, approve(p[1], id), approve(p[2], id), retry(p[2], id))
	if results[0].Outcome != event.Applied || results[1].Code != string(contract.CodeInvalidState) || results[2].Code != string(contract.CodeInvalidState) || len(events) != 3 {
		t.Errorf("in one batch: %+v", results)
	}
	for _, l := range []*contracttest.Ledger{l, l2} {
		if got := l.Balance(t, p[3]); got != 700*gx {
			t.Errorf("the receiver has %s", got)
		}
		l.CheckSupply(t)
	}
}

// pendingPage is what ListPendingTransactions returns.
type pendingPage struct {
	Items    []contract.PendingTransaction
	Bookmark string
}
