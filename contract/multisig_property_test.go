package contract_test

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/role"
	"gxcoin.money/gx/protocol/status"
)

// sent is a batch with what became of it.
type sent struct {
	caller  contract.Caller
	items   []contract.BatchItem
	results []contract.BatchResult
}

// send runs a batch on two peers, which must agree to the byte.
func send(t *rapid.T, l *contracttest.Ledger, payloads ...command.Payload) (sent, []event.Event) {
	s := sent{caller: contracttest.As(role.PartnerAPI)}
	for _, p := range payloads {
		s.items = append(s.items, l.Item(t, p))
	}
	if d, _ := command.Lookup(payloads[0].CommandType()); !slices.Contains(d.Roles, s.caller.Role) {
		s.caller.Role = d.Roles[0]
	}
	args, err := contract.EncodeBatch(s.items)
	if err != nil {
		t.Fatal(err)
	}
	other := l.Clone()
	tx, err := l.Simulate(s.caller, contract.BatchFunction, args...)
	if err != nil {
		t.Fatal(err)
	}
	twin, err := other.Simulate(s.caller, contract.BatchFunction, args...)
	if err != nil || !maps.EqualFunc(tx.Writes, twin.Writes, bytes.Equal) || !bytes.Equal(tx.Event, twin.Event) || !bytes.Equal(tx.Result, twin.Result) ||
		!slices.Equal(tx.Reads(), twin.Reads()) {
		t.Fatalf("two peers differ: %v", err)
	}
	if err := l.Commit(tx); err != nil {
		t.Fatal(err)
	}
	if s.results, err = contract.DecodeBatch(tx.Result); err != nil {
		t.Fatal(err)
	}
	env, events, err := tx.Envelope()
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.results {
		s.results[i].Result = env.Commands[i].Result
	}
	return s, events
}

// replay sends the batches of a history again, which changes nothing.
func replay(t *rapid.T, l *contracttest.Ledger, history []sent) {
	before := l.State()
	for _, s := range history {
		_, again, err := l.Batch(s.caller, s.items...)
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range again {
			if first := s.results[i]; !r.Replayed || r.Outcome != first.Outcome || r.Code != first.Code || !bytes.Equal(r.Result, first.Result) {
				t.Fatalf("a repetition of %s: %+v, first %+v", s.items[i].Type, r, first)
			}
		}
	}
	if !maps.EqualFunc(before, l.State(), bytes.Equal) {
		t.Fatal("a repetition of the history changed the state")
	}
}

// signature is what the events say of a pending transaction.
type signature struct {
	*event.MultiSigTxInitiated
	approvals, rejections []string
	ended                 status.MultiSig
}

// office keeps the books of an organization from its events alone.
type office struct {
	signatures map[string]*signature
	balances   map[string]qirat.Amount
	rules      int
	clock      func() time.Time
}

func (o *office) apply(t *rapid.T, e event.Event, next event.Event) {
	open := func(id string) *signature {
		s := o.signatures[id]
		if s == nil || s.ended != "" {
			t.Fatalf("%s after the end of %s: %+v", e.EventType(), id, s)
		}
		return s
	}
	answer := func(id, actor string) *signature {
		s := open(id)
		if !slices.Contains(s.ApproverGroup, actor) || slices.Contains(s.approvals, actor) || slices.Contains(s.rejections, actor) || !o.clock().Before(s.ExpiresAt) {
			t.Fatalf("%s by %s of %+v", e.EventType(), actor, s)
		}
		return s
	}
	// effect checks that what was done is what was signed for.
	effect := func(matches func(s *signature) bool) {
		done, ok := next.(*event.MultiSigTxExecuted)
		if !ok {
			t.Fatalf("%s is followed by %T", e.EventType(), next)
		}
		if s := open(done.PendingTxID); !matches(s) || len(s.approvals) < s.RequiredApprovals || !o.clock().Before(s.ExpiresAt) {
			t.Fatalf("%+v for %+v", e, s)
		}
	}
	switch e := e.(type) {
	case *event.MultiSigTxInitiated:
		s := &signature{MultiSigTxInitiated: e}
		if e.Approved {
			s.approvals = append(s.approvals, e.InitiatorID)
		}
		if o.signatures[e.PendingTxID] != nil || e.Approved != slices.Contains(e.ApproverGroup, e.InitiatorID) {
			t.Fatalf("initiated %+v", e)
		}
		o.signatures[e.PendingTxID] = s
	case *event.MultiSigTxApproved:
		s := answer(e.PendingTxID, e.ApproverID)
		if s.approvals = append(s.approvals, e.ApproverID); len(s.approvals) != e.Approvals {
			t.Fatalf("%+v of %+v", e, s)
		}
	case *event.MultiSigTxRejected:
		s := answer(e.PendingTxID, e.RejectedBy)
		s.rejections = append(s.rejections, e.RejectedBy)
		if hopeless := len(s.ApproverGroup)-len(s.rejections) < s.RequiredApprovals; hopeless != (e.Status == status.MultiSigRejected) {
			t.Fatalf("%+v of %+v", e, s)
		} else if hopeless {
			s.ended = e.Status
		}
	case *event.MultiSigTxCancelled:
		s := open(e.PendingTxID)
		if s.InitiatorID != e.CancelledBy {
			t.Fatalf("%+v of %+v", e, s)
		}
		s.ended = status.MultiSigCancelled
	case *event.MultiSigTxExpired:
		s := open(e.PendingTxID)
		if o.clock().Before(s.ExpiresAt) {
			t.Fatalf("%+v of %+v", e, s)
		}
		s.ended = status.MultiSigExpired
	case *event.MultiSigTxExecuted:
		open(e.PendingTxID).ended = status.MultiSigExecuted
	case *event.MultiSigTxExecutionFailed:
		if s := open(e.PendingTxID); len(s.approvals) < s.RequiredApprovals {
			t.Fatalf("%+v of %+v", e, s)
		}
	case *event.TransferCompleted:
		effect(func(s *signature) bool { return s.FromID == e.FromID && s.ToID == e.ToID && s.Amount == e.Amount })
		o.balances[e.FromID] -= e.Amount + e.Fee
		o.balances[e.ToID] += e.Amount
		o.balances[account.OperationsFund] += e.Fee
	case *event.AuthRuleDefined:
		effect(func(s *signature) bool {
			return s.Rule != nil && s.Rule.AmountThreshold == e.AmountThreshold && slices.Equal(s.Rule.ApproverGroup, e.ApproverGroup)
		})
		o.rules++
	case *event.PoolDisbursed:
		o.balances[e.PoolID] -= e.Amount
		o.balances[e.RecipientID] += e.Amount
	}
}

// Random histories of an organization with a treasury (I8): what is done was
// signed for by enough of the right people in time, once; every balance follows
// from the events; and no repetition changes anything.
func TestMultiSigHistories(t *testing.T) {
	opened := contracttest.Open(t, "DE", "LK")
	people := opened.Join(t, "DE", 6)
	found(t, opened, proposalOf("acme", account.Government, people[:4]...),
		threshold(0, 1, people[0], people[1]), threshold(100*gx, 2, people[:3]...), threshold(1000*gx, 3, people[:4]...))
	opened.Apply(t, &command.ActivateTreasury{CountryCode: "DE", OrgID: "acme"})
	opened.Apply(t, &command.DisburseFromPool{Pool: "GX", RecipientID: "acme", Amount: 2000 * gx, Reason: "funds"})
	accounts := append([]string{"acme", "treasury_DE", "treasury_LK", account.OperationsFund, account.CharitablePool, account.GXPool}, people...)
	rapid.Check(t, func(t *rapid.T) {
		l := opened.Clone()
		o := &office{signatures: map[string]*signature{}, balances: map[string]qirat.Amount{}, clock: func() time.Time { return l.Now }}
		for _, id := range accounts {
			o.balances[id] = l.Balance(t, id)
		}
		var history []sent
		for range rapid.IntRange(5, 40).Draw(t, "batches") {
			l.Now = l.Now.Add(time.Duration(rapid.IntRange(0, 30).Draw(t, "hours")) * time.Hour)
			var batch []command.Payload
			if rapid.IntRange(0, 4).Draw(t, "office") > 0 {
				for range rapid.IntRange(1, 5).Draw(t, "size") {
					batch = append(batch, o.command(t, people, accounts))
				}
			} else {
				batch = append(batch, o.oversight(t, people))
			}
			s, events := send(t, l, batch...)
			history = append(history, s)
			for i, e := range events {
				var next event.Event
				if i+1 < len(events) {
					next = events[i+1]
				}
				o.apply(t, e, next)
			}
		}
		for id, want := range o.balances {
			if got := l.Balance(t, id); got != want {
				t.Fatalf("%s has %s, its payments make %s", id, got, want)
			}
		}
		var open []string
		for id, s := range o.signatures {
			x := pendingOf(t, l, id)
			if want := s.ended; x.Status != want && (want != "" || x.Status != status.MultiSigPending) || !slices.Equal(x.Approvals, s.approvals) && len(s.approvals) > 0 {
				t.Fatalf("%+v, its events make %+v", x, s)
			}
			if s.ended == "" {
				open = append(open, id)
			}
		}
		var listed []string
		for _, x := range pendingList(t, l, "100", "").Items {
			listed = append(listed, x.PendingTxID)
		}
		if slices.Sort(open); len(open) <= 100 && !slices.Equal(open, listed) {
			t.Fatalf("listed are %q, pending %q", listed, open)
		}
		l.CheckSupply(t)
		replay(t, l, history)
	})
}

// command draws what a person does for the organization.
func (o *office) command(t *rapid.T, people, accounts []string) command.Payload {
	actor := rapid.SampledFrom(people).Draw(t, "actor")
	id := command.MultiSigPrefix + "x"
	ids := slices.Sorted(maps.Keys(o.signatures))
	if len(ids) > 0 {
		id = rapid.SampledFrom(ids[max(0, len(ids)-4):]).Draw(t, "transaction")
	}
	var orgID, fromID, toID string // hints, true or not given or wrong
	if s := o.signatures[id]; s != nil && rapid.Bool().Draw(t, "hint") {
		orgID, fromID, toID = "acme", s.FromID, s.ToID
		if toID != "" && rapid.IntRange(0, 9).Draw(t, "wrong") == 0 {
			toID = people[0]
		}
	}
	switch rapid.IntRange(0, 13).Draw(t, "kind") {
	case 0, 1, 2:
		p := &command.InitiateMultiSigTx{
			ActorID: actor, OrgID: "acme", ToID: rapid.SampledFrom(accounts[1:]).Draw(t, "to"),
			Amount: rapid.SampledFrom([]qirat.Amount{1, 50 * gx, 100 * gx, 100*gx + 1, 700 * gx, 1000*gx + 1, 5000 * gx}).Draw(t, "amount"),
		}
		if from := rapid.SampledFrom([]string{"", "", "treasury_DE", "treasury_LK"}).Draw(t, "from"); from != p.ToID {
			p.FromID = from
		}
		return p
	case 3:
		group := people[:rapid.IntRange(1, 5).Draw(t, "group")]
		return &command.DefineAuthRule{ActorID: actor, OrgID: "acme", Rule: threshold(
			rapid.SampledFrom([]qirat.Amount{0, 100 * gx, 500 * gx}).Draw(t, "threshold"), rapid.IntRange(1, len(group)).Draw(t, "required"), group...)}
	case 4:
		return &command.RejectMultiSigTx{ActorID: actor, PendingTxID: id, Reason: "no", OrgID: orgID}
	case 5:
		return &command.CancelMultiSigTx{ActorID: actor, PendingTxID: id, OrgID: orgID}
	case 6, 7:
		return &command.ExecuteMultiSigTx{ActorID: actor, PendingTxID: id, OrgID: orgID, FromID: fromID, ToID: toID}
	default:
		return &command.ApproveMultiSigTx{ActorID: actor, PendingTxID: id, OrgID: orgID, FromID: fromID, ToID: toID}
	}
}

// oversight draws what others do to the organization.
func (o *office) oversight(t *rapid.T, people []string) command.Payload {
	whom := rapid.SampledFrom(append([]string{"acme"}, people...)).Draw(t, "whom")
	list := []command.Payload{
		&command.FreezeWallet{AccountID: whom, Reason: "x"}, &command.UnfreezeWallet{AccountID: whom}, &command.UnfreezeWallet{AccountID: "acme"},
		&command.DisburseFromPool{Pool: "GX", RecipientID: "acme", Amount: 500 * gx, Reason: "funds"},
	}
	for _, id := range slices.Sorted(maps.Keys(o.signatures)) {
		list = append(list, &command.ExpireMultiSigTx{PendingTxID: id})
	}
	return rapid.SampledFrom(list).Draw(t, fmt.Sprintf("oversight of %s", whom))
}
