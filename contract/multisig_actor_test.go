package contract_test

import (
	"testing"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/status"
)

// A locked organization does nothing, but what it does not want any more can
// still be taken back.
func TestLockedOrganization(t *testing.T) {
	l, p := acme(t)
	ready := initiateTx(t, l, payment(p[0], p[3], 2000*gx))
	l.Apply(t, approve(p[1], ready))
	open, other := initiateTx(t, l, payment(p[0], p[3], 200*gx)), initiateTx(t, l, payment(p[0], p[3], 200*gx))
	l.Apply(t, &command.FreezeWallet{AccountID: "acme", Reason: "x"})
	for _, p := range []command.Payload{
		payment(p[0], p[3], gx), approve(p[1], open), retry(p[1], ready), &command.DefineAuthRule{ActorID: p[0], OrgID: "acme", Rule: threshold(0, 1, p[0])},
	} {
		l.Refuse(t, contract.CodeAccountFrozen, "locked", p)
	}
	l.Apply(t, reject(p[1], open), &command.CancelMultiSigTx{ActorID: p[0], PendingTxID: other})
	l.Now = l.Now.AddDate(0, 0, 7)
	l.Apply(t, &command.ExpireMultiSigTx{PendingTxID: open})
	l.Apply(t, &command.UnfreezeWallet{AccountID: "acme"})
	l.Apply(t, payment(p[0], p[3], gx))
}

// B-033: a frozen or suspended person, and one who is no part of it, does
// nothing for an organization or in a vote.
func TestB033_WhoMayNotAct(t *testing.T) {
	base := contracttest.Open(t, "DE")
	p := citizens(t, base, 5)
	found(t, base, proposalOf("acme", account.Business, p[:4]...))
	base.Apply(t, proposalOf("young", account.Business, p[:4]...))
	for _, id := range p[:4] {
		base.Apply(t, &command.EndorseMembership{ActorID: id, OrgID: "young"})
	}
	base.Apply(t, proposalOf("early", account.Business, p[:4]...))
	open := initiateTx(t, base, payment(p[1], p[4], 200*gx))
	own := initiateTx(t, base, payment(p[0], p[4], 200*gx))
	ready := initiateTx(t, base, payment(p[1], p[4], 200*gx))
	base.Apply(t, approve(p[2], ready))
	proposal := submit(t, base, p[1], "votingPeriodDays", "15")
	commands := func(actor string) []command.Payload {
		return []command.Payload{
			proposalOf("other", account.Business, actor, p[1]),
			&command.EndorseMembership{ActorID: actor, OrgID: "early"},
			&command.ActivateOrganization{ActorID: actor, OrgID: "young"},
			&command.DefineAuthRule{ActorID: actor, OrgID: "early", Rule: threshold(0, 1, p[0])},
			&command.DefineAuthRule{ActorID: actor, OrgID: "acme", Rule: threshold(0, 1, p[0])},
			payment(actor, p[1], gx), approve(actor, open), reject(actor, open), retry(actor, ready),
			&command.CancelMultiSigTx{ActorID: actor, PendingTxID: own},
			&command.CastVote{ActorID: actor, ProposalID: proposal, Support: true},
			&command.SubmitProposal{ActorID: actor, TargetParam: "votingPeriodDays", NewValue: "16", Title: "t"},
			&command.CancelProposal{ActorID: actor, ProposalID: proposal},
		}
	}
	for i := range commands(p[0]) {
		c := commands(p[0])[i]
		base.Clone().Apply(t, c) // a matter of status alone
		frozen, suspended := base.Clone(), base.Clone()
		frozen.Apply(t, &command.FreezeWallet{AccountID: p[0], Reason: "x"})
		frozen.Refuse(t, contract.CodeAccountFrozen, "frozen", c)
		suspended.Apply(t, &command.SetUserStatus{UserID: p[0], Status: "SUSPENDED", Reason: "x"})
		suspended.Refuse(t, contract.CodeInvalidState, "SUSPENDED", c)
		base.Refuse(t, contract.CodeNotFound, "does not exist", commands(base.Person(t, "DE").UserID)[i])
		if 0 < i && i < 10 { // the others are open to everyone
			base.Refuse(t, contract.CodeUnauthorized, "no stake", commands(p[4])[i])
		}
	}
}

// B-001: a person's own certificate signs for that person alone.
func TestB001_SignaturesOfPeople(t *testing.T) {
	l, p := acme(t)
	id := initiateTx(t, l, payment(p[0], p[3], 200*gx))
	own := contract.Caller{ID: "someone", User: p[1]}
	_, err := l.Simulate(own, "OrganizationContract:ApproveMultiSigTx", p[2], id)
	wantError(t, err, contract.CodeUnauthorized, "cannot act for")
	_, err = l.Simulate(own, "OrganizationContract:ExpireMultiSigTx", id)
	wantError(t, err, contract.CodeUnauthorized, "does not have the required role")
	if _, err := l.Invoke(own, "OrganizationContract:ApproveMultiSigTx", p[1], id); err != nil {
		t.Error(err)
	}
	if got := pendingOf(t, l, id).Status; got != status.MultiSigExecuted {
		t.Errorf("status %s", got)
	}
}

// A command that says wrongly what it touches would run in the wrong lanes.
func TestMultiSigHintsMustBeTrue(t *testing.T) {
	l, p := acme(t)
	found(t, l, proposalOf("bolt", account.Business, p...))
	id := initiateTx(t, l, payment(p[0], p[3], 200*gx))
	for _, q := range []command.Payload{
		&command.ApproveMultiSigTx{ActorID: p[1], PendingTxID: id, OrgID: "bolt", FromID: "bolt", ToID: p[3]},
		&command.ApproveMultiSigTx{ActorID: p[1], PendingTxID: id, OrgID: "acme", FromID: "acme", ToID: p[2]},
		&command.ApproveMultiSigTx{ActorID: p[1], PendingTxID: id, OrgID: "acme", FromID: "treasury_DE", ToID: p[3]},
		&command.ApproveMultiSigTx{ActorID: p[1], PendingTxID: id, OrgID: "acme"},
		&command.ExecuteMultiSigTx{ActorID: p[1], PendingTxID: id, OrgID: "acme", FromID: "acme", ToID: p[2]},
		&command.RejectMultiSigTx{ActorID: p[1], PendingTxID: id, OrgID: "bolt", Reason: "x"},
		&command.CancelMultiSigTx{ActorID: p[0], PendingTxID: id, OrgID: "bolt"},
		&command.ExpireMultiSigTx{PendingTxID: id, OrgID: "bolt"},
	} {
		l.Refuse(t, contract.CodeInvalidArgument, "pending transaction", q)
	}
	rule := initiateTx(t, l, &command.DefineAuthRule{ActorID: p[0], OrgID: "acme", Rule: threshold(0, 1, p[0])})
	l.Refuse(t, contract.CodeInvalidArgument, "pending transaction",
		&command.ApproveMultiSigTx{ActorID: p[1], PendingTxID: rule, OrgID: "acme", FromID: "acme", ToID: p[3]})
	l.Apply(t, &command.ApproveMultiSigTx{ActorID: p[1], PendingTxID: rule, OrgID: "acme"})
	missing := command.MultiSigPrefix + "x"
	for _, q := range []command.Payload{
		approve(p[1], missing), retry(p[1], missing), reject(p[1], missing), &command.CancelMultiSigTx{ActorID: p[1], PendingTxID: missing},
		&command.ExpireMultiSigTx{PendingTxID: missing},
	} {
		l.Refuse(t, contract.CodeNotFound, missing, q)
	}
}
