package contract_test

import (
	"fmt"
	"strconv"
	"testing"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/qirat"
)

// measure runs commands in one batch, again and again on the same state. An
// operation is one of them.
func measure(b *testing.B, name string, l *contracttest.Ledger, payloads []command.Payload) {
	b.Helper()
	var items []contract.BatchItem
	for _, p := range payloads {
		items = append(items, l.Item(b, p))
	}
	args, err := contract.EncodeBatch(items)
	if err != nil {
		b.Fatal(err)
	}
	d, _ := command.Lookup(payloads[0].CommandType())
	engine := &idle{l.State(), contracttest.As(d.Identity(payloads[0])), l.Now}
	l.Clone().Apply(b, payloads...) // none is refused
	b.Run(name, func(b *testing.B) {
		b.ReportAllocs()
		for n := 0; n < b.N; n += len(items) {
			if _, err := contract.Invoke(engine, contract.BatchFunction, args); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkOrganization is each command about one of 100 organizations of two
// people, inside a batch of 100.
func BenchmarkOrganization(b *testing.B) {
	const size = 100
	l := contracttest.Open(b, "DE")
	people := l.Join(b, "DE", 2*size)
	org := func(i int) string { return fmt.Sprintf("org-%d", i) }
	each := func(make func(i int, a, b string) command.Payload) (all []command.Payload) {
		for i := range size {
			all = append(all, make(i, people[2*i], people[2*i+1]))
		}
		return all
	}
	initiated := func(amount qirat.Amount) (ids []string) {
		for _, p := range each(func(i int, a, b string) command.Payload {
			return &command.InitiateMultiSigTx{ActorID: a, OrgID: org(i), ToID: b, Amount: amount}
		}) {
			ids = append(ids, initiateTx(b, l, p))
		}
		return ids
	}

	run := func(name string, make func(i int, a, b string) command.Payload) []command.Payload {
		all := each(make)
		measure(b, name, l, all)
		return all
	}
	l.Apply(b, run("ProposeOrganization", func(i int, a, b string) command.Payload { return proposalOf(org(i), account.Business, a, b) })...)
	run("DefineAuthRule", func(i int, a, b string) command.Payload {
		return &command.DefineAuthRule{ActorID: a, OrgID: org(i), Rule: threshold(0, 2, a, b)}
	})
	l.Apply(b, run("EndorseMembership", func(i int, a, _ string) command.Payload {
		return &command.EndorseMembership{ActorID: a, OrgID: org(i)}
	})...)
	l.Apply(b, each(func(i int, _, b string) command.Payload { return &command.EndorseMembership{ActorID: b, OrgID: org(i)} })...)
	l.Apply(b, run("ActivateOrganization", func(i int, a, _ string) command.Payload {
		return &command.ActivateOrganization{ActorID: a, OrgID: org(i)}
	})...)
	l.Apply(b, each(func(i int, a, _ string) command.Payload { return contracttest.Pay(a, org(i), 400*gx) })...)
	run("InitiateMultiSigTx", func(i int, a, b string) command.Payload {
		return &command.InitiateMultiSigTx{ActorID: a, OrgID: org(i), ToID: b, Amount: gx}
	})
	open := initiated(50 * gx)
	run("ApproveMultiSigTx", func(i int, _, b string) command.Payload { // and pays
		return &command.ApproveMultiSigTx{ActorID: b, PendingTxID: open[i], OrgID: org(i), FromID: org(i), ToID: b}
	})
	run("RejectMultiSigTx", func(i int, _, b string) command.Payload {
		return &command.RejectMultiSigTx{ActorID: b, PendingTxID: open[i], OrgID: org(i), Reason: "no"}
	})
	run("CancelMultiSigTx", func(i int, a, _ string) command.Payload {
		return &command.CancelMultiSigTx{ActorID: a, PendingTxID: open[i], OrgID: org(i)}
	})
	failed := initiated(4000 * gx)
	l.Apply(b, each(func(i int, _, b string) command.Payload { return approve(b, failed[i]) })...)
	run("ExecuteMultiSigTx", func(i int, a, b string) command.Payload { // and fails
		return &command.ExecuteMultiSigTx{ActorID: a, PendingTxID: failed[i], OrgID: org(i), FromID: org(i), ToID: b}
	})
	l.Now = l.Now.AddDate(0, 0, 7)
	run("ExpireMultiSigTx", func(i int, _, _ string) command.Payload {
		return &command.ExpireMultiSigTx{PendingTxID: open[i], OrgID: org(i)}
	})
}

// BenchmarkGovernance is each command of a vote, inside a batch of 100.
func BenchmarkGovernance(b *testing.B) {
	const size = 100
	l := contracttest.Open(b, "DE")
	voters := citizens(b, l, size)
	var proposals, votes, tallies, executions, cancellations []command.Payload
	for i, v := range voters {
		proposals = append(proposals, submission(v, "loanDefaultGraceDays", strconv.Itoa(100+i)))
	}
	measure(b, "SubmitProposal", l, proposals)
	for i, p := range proposals {
		s := p.(*command.SubmitProposal)
		id := submit(b, l, s.ActorID, s.TargetParam, s.NewValue)
		if i == 0 {
			for _, v := range voters {
				votes = append(votes, &command.CastVote{ActorID: v, ProposalID: id, Support: true})
			}
		}
		tallies = append(tallies, &command.TallyProposal{ProposalID: id})
		executions = append(executions, &command.ExecuteProposal{ProposalID: id})
		cancellations = append(cancellations, &command.CancelProposal{ActorID: "ops", ProposalID: id})
	}
	measure(b, "VoteOnProposal", l, votes)
	measure(b, "CancelProposal", l, cancellations)
	l.Now = l.Now.AddDate(0, 0, 14)
	measure(b, "TallyProposal", l, tallies)
	measure(b, "ExecuteProposal", l, executions)
}

// BenchmarkTally counts a page of 5000 votes.
func BenchmarkTally(b *testing.B) {
	l := contracttest.Open(b, "DE")
	id := submit(b, l, l.Join(b, "DE", 1)[0], "loanMaxConcurrent", "6")
	ballots := map[string][]byte{}
	for range 5_000 {
		ballots["\x00vote\x00"+id+"\x00"+l.Person(b, "DE").UserID+"\x00"] = []byte(`{"support":true,"txID":"t","at":"2026-06-16T00:00:00Z"}`)
	}
	if err := l.Commit(&contracttest.Tx{Writes: ballots}); err != nil {
		b.Fatal(err)
	}
	l.Now = l.Now.AddDate(0, 0, 14)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Simulate(contracttest.As("gx_admin"), "GovernanceContract:TallyProposal", id, ""); err != nil {
			b.Fatal(err)
		}
	}
}
