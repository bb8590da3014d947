package contract_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/trust"
)

// apart reports whether two commands may be in flight together.
func apart(a, b command.Payload) bool {
	for _, x := range a.Lanes() {
		if slices.ContainsFunc(b.Lanes(), func(y command.Lane) bool { return x.Key == y.Key && !(x.Shared && y.Shared) }) {
			return false
		}
	}
	return true
}

// Commands whose lanes do not meet never meet on the ledger: both commit when
// they were simulated on the same state.
func TestLanesKeepCommandsApart(t *testing.T) {
	w := newTown(t)
	l, p, lk, loans, acme, shop, spend, open, idle, session := w.Ledger, w.p, w.lk, w.loans, w.acme, w.shop, w.spend, w.open, w.idle, w.session
	newcomers := []*command.CreateUser{l.Person(t, "DE"), l.Person(t, "DE"), l.Person(t, "LK")}
	id := func(subject string, r trust.Relation, object string) string {
		return trust.Relationship{Subject: subject, Relation: r, Object: object}.ID()
	}
	commands := []command.Payload{
		newcomers[0], newcomers[1], newcomers[2], &command.CreateUsersBatch{Users: []command.CreateUser{*l.Person(t, "LK"), *l.Person(t, "LK")}},
		contracttest.Pay(p[0], p[1], gx), contracttest.Pay(p[2], p[3], 5*gx), contracttest.Pay(lk[0], lk[1], 200*gx), contracttest.Pay(p[4], "shop", gx), contracttest.Pay(p[5], "treasury_DE", gx),
		contracttest.Pay(p[6], account.CharitablePool, gx), contracttest.Pay(p[7], newcomers[0].UserID, gx),
		&command.FreezeWallet{AccountID: p[3], Reason: "x"}, &command.FreezeWallet{AccountID: "acme", Reason: "x"}, &command.SetUserStatus{UserID: lk[2], Status: "SUSPENDED", Reason: "x"},
		&command.TransferInternal{FromID: account.GXPool, ToID: p[8], Amount: 5, Type: command.SystemAdjustment}, &command.TransferInternal{FromID: account.OperationsFund, ToID: "treasury_LK", Amount: 5, Type: command.FeeCollection},
		&command.TransferInternal{FromID: lk[3], ToID: account.RedistributionPool, Amount: 5, Type: command.SystemAdjustment},
		&command.CompactAccount{AccountID: account.OperationsFund, Max: 5}, &command.CompactAccount{AccountID: "treasury_DE", Max: 5}, &command.CompactAccount{AccountID: account.LoanPool, Max: 5},
		&command.DisburseFromPool{Pool: "CHARITABLE", RecipientID: p[1], Amount: 5, Reason: "x"}, &command.DisburseFromPool{Pool: "GX", RecipientID: "treasury_DE", Amount: 5, Reason: "x"},
		&command.SetTaxExempt{AccountID: p[2], Exempt: true, Reason: "x"}, &command.ApplyVelocityTax{AccountID: lk[0], Country: "LK"}, &command.ApplyVelocityTax{AccountID: lk[1], Country: "LK"},
		&command.AppointAdmin{ActorID: "clerk", NewAdminID: p[4]}, &command.AppointAdmin{ActorID: p[1], NewAdminID: p[5]}, &command.RevokeAdmin{AdminID: p[6]},
		&command.AnchorAudit{Sequence: 1, Hash: strings.Repeat("ab", 32)}, &command.AnchorAudit{Sequence: 2, Hash: strings.Repeat("cd", 32)},
		&command.ActivateTreasury{CountryCode: "LK", OrgID: "lk-gov"},
		&command.RequestRelationship{ActorID: p[1], ObjectID: p[2], Relation: trust.FriendOf}, &command.RequestRelationship{ActorID: p[2], ObjectID: p[1], Relation: trust.FriendOf},
		&command.RequestRelationship{ActorID: p[7], ObjectID: lk[0], Relation: trust.FriendOf}, &command.ConfirmRelationship{ActorID: lk[1], RelationshipID: id(lk[0], trust.FriendOf, lk[1])},
		&command.RejectRelationship{ActorID: p[3], RelationshipID: id(p[2], trust.FriendOf, p[3]), Reason: "x"}, &command.EndRelationship{ActorID: p[0], RelationshipID: id(p[0], trust.SpouseOf, p[2]), Reason: "x"},
		&command.NominateGuardians{ActorID: p[8], GuardianIDs: []string{p[1], p[2], lk[0]}}, &command.ConfirmRecovery{ActorID: p[7], SessionID: session, LostAccountID: p[9]},
		&command.CancelRecovery{ActorID: p[9], SessionID: session}, &command.ConfirmRecovery{ActorID: p[8], SessionID: session, LostAccountID: p[9]},
		&command.ProposeOrganization{ActorID: p[8], OrgID: "new-one", OrgName: "n", OrgType: account.Business, Country: "DE", StakeholderIDs: []string{p[8], p[9]}},
		&command.ProposeOrganization{ActorID: lk[0], OrgID: "new-two", OrgName: "n", OrgType: account.NGO, Country: "LK", StakeholderIDs: []string{lk[0], lk[1]}},
		&command.EndorseMembership{ActorID: p[7], OrgID: "young"}, &command.EndorseMembership{ActorID: lk[2], OrgID: "young"}, &command.ActivateOrganization{ActorID: p[6], OrgID: "ready"},
		&command.ActivateOrganization{ActorID: "clerk", OrgID: "ready"}, &command.DefineAuthRule{ActorID: p[4], OrgID: "shop", Rule: command.AuthRule{AmountThreshold: 5, RequiredApprovers: 1, ApproverGroup: []string{p[4]}}},
		&command.InitiateMultiSigTx{ActorID: p[3], OrgID: "acme", ToID: p[7], Amount: 5}, &command.InitiateMultiSigTx{ActorID: p[1], OrgID: "de-gov", ToID: lk[3], Amount: 5, FromID: "treasury_DE"},
		&command.ApproveMultiSigTx{ActorID: lk[2], PendingTxID: acme, OrgID: "acme", FromID: "acme", ToID: lk[1]}, &command.ApproveMultiSigTx{ActorID: lk[3], PendingTxID: shop, OrgID: "shop", FromID: "shop", ToID: p[6]},
		&command.ApproveMultiSigTx{ActorID: lk[0], PendingTxID: spend, OrgID: "de-gov", FromID: "treasury_DE", ToID: lk[1]}, &command.RejectMultiSigTx{ActorID: lk[3], PendingTxID: shop, Reason: "x", OrgID: "shop"},
		&command.CancelMultiSigTx{ActorID: p[3], PendingTxID: acme, OrgID: "acme"}, &command.ApproveMultiSigTx{ActorID: lk[2], PendingTxID: acme},
		application(p[0], 100*gx), application(p[5], 100*gx),
		&command.ApproveLoan{ApproverAdminID: "clerk", LoanID: loans[0], BorrowerID: p[0]}, &command.ApproveLoan{ApproverAdminID: p[1], LoanID: loans[2], BorrowerID: p[5]}, &command.ApproveLoan{ApproverAdminID: "clerk", LoanID: loans[2]},
		&command.RejectLoan{AdminID: "clerk", LoanID: loans[4], Reason: "x", BorrowerID: p[5]}, &command.CancelLoan{ActorID: p[0], LoanID: loans[0]},
		&command.RepayLoan{ActorID: p[0], LoanID: loans[1], Amount: 100 * gx, BorrowerID: p[0]}, &command.RepayLoan{ActorID: p[8], LoanID: loans[3], Amount: gx, BorrowerID: p[5]}, &command.RepayLoan{ActorID: p[8], LoanID: loans[1], Amount: gx},
		&command.SubmitProposal{ActorID: p[0], TargetParam: parameter.VotingPeriodDays, NewValue: "22", Title: "x"}, &command.SubmitProposal{ActorID: p[1], TargetParam: parameter.VotingPeriodDays, NewValue: "22", Title: "x"},
		&command.CastVote{ActorID: p[0], ProposalID: open, Support: true}, &command.CastVote{ActorID: p[5], ProposalID: open}, &command.CancelProposal{ActorID: "clerk", ProposalID: idle},
		&command.CancelProposal{ActorID: "clerk", ProposalID: open},
		&command.EmergencySetParameter{ParamID: parameter.PoolDisburseMax, NewValue: "1000000", Reason: "x"}, &command.PauseSystem{Reason: "x"},
	}
	// Those that do not take effect, or they would read next to nothing.
	early := map[command.Type]bool{command.TypeApplyVelocityTax: true, command.TypeRevokeAdmin: true}
	simulate := func(l *contracttest.Ledger) []*contracttest.Tx {
		var txs []*contracttest.Tx
		for _, c := range commands {
			d, _ := command.Lookup(c.CommandType())
			tx, results, err := l.Clone().Batch(contracttest.As(d.Identity(c)), l.Item(t, c))
			if err != nil {
				t.Fatal(err)
			}
			pay, ok := c.(*command.TransferTokens)
			unborn := ok && pay.ToID == newcomers[0].UserID
			if r := results[0]; r.Outcome != event.Applied && !unborn && !early[c.CommandType()] {
				t.Errorf("%s %+v: %s %s", c.CommandType(), c, r.Code, r.Message)
			}
			txs = append(txs, tx)
		}
		return txs
	}
	// Now, and when votes, loans, recoveries, approvals and cycles have ended.
	for _, wait := range []time.Duration{0, 400 * day} {
		ready := l.Clone()
		ready.Now = l.Now.Add(wait)
		if wait > 0 {
			early = nil
			commands = append([]command.Payload{
				&command.MarkLoanDefaulted{AdminID: "scheduler", LoanID: loans[1], BorrowerID: p[0]}, &command.MarkLoanDefaulted{AdminID: "scheduler", LoanID: loans[3], BorrowerID: p[5]},
				&command.ExpireMultiSigTx{PendingTxID: acme, OrgID: "acme"}, &command.ExpireMultiSigTx{PendingTxID: shop, OrgID: "shop"},
				&command.ExecuteProposal{ProposalID: open}, &command.TallyProposal{ProposalID: idle}, &command.TallyProposal{ProposalID: open},
				&command.ApplyVelocityTax{AccountID: lk[2], Country: "LK"}, &command.ApplyVelocityTax{AccountID: p[7], Country: "DE"},
				&command.InitiateRecovery{ActorID: p[6], LostAccountID: p[9], NewControllerKeyHash: collateral},
			}, slices.DeleteFunc(commands, func(c command.Payload) bool {
				switch c.(type) {
				case *command.CastVote, *command.ConfirmRecovery, *command.CancelRecovery, *command.ApproveMultiSigTx, *command.RejectMultiSigTx, *command.CancelMultiSigTx, *command.CancelProposal, *command.RevokeAdmin,
					*command.CreateUser, *command.CreateUsersBatch: // whose ages were those of then
					return true
				}
				return false
			})...)
		}
		txs := simulate(ready)
		pairs := 0
		for i, a := range commands {
			for j, b := range commands {
				if i == j || !apart(a, b) {
					continue
				}
				pairs++
				both := ready.Clone()
				if err := both.Commit(txs[i]); err != nil {
					t.Fatal(err)
				}
				if err := both.Commit(txs[j]); err != nil {
					t.Errorf("%s %+v and %s %+v: %v", a.CommandType(), a, b.CommandType(), b, err)
				}
			}
		}
		if pairs < 1000 {
			t.Errorf("only %d pairs are apart", pairs)
		}
	}
}
