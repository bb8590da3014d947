package contract_test

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/role"
)

// world is what a random history draws from.
type world struct {
	*contracttest.Ledger
	people []*command.CreateUser // most of them are registered
	loans  []string
	books  books
}

var countries = []string{"DE", "LK", "XX"} // the last one is not registered

// newWorld opens a ledger with few genesis slots and people who hold some.
func newWorld(t *testing.T) *world {
	w := &world{Ledger: contracttest.Open(t, "DE", "LK")}
	var ids []string
	for _, code := range countries[:2] {
		put(t, w.Ledger, "\x00cty\x00"+code+"\x00", encode(t, contract.Country{CountryCode: code, WeightE8: 1000, Slots: [6]uint64{3, 2, 1, 1, 2, 1}}))
		for range 3 {
			p := w.Person(t, code)
			w.Apply(t, p)
			w.people = append(w.people, p)
			ids = append(ids, p.UserID)
		}
	}
	// Loans for people without a family.
	put(t, w.Ledger, "\x00param\x00minTrustScoreForLoan\x00", `{"paramID":"minTrustScoreForLoan","value":"0","updatedAt":"2026-01-01T00:00:00Z","updatedBy":"PROP_1"}`)
	w.books = openBooks(t, w.Ledger, ids, countries[:2]...)
	return w
}

func (w *world) clone() *world {
	return &world{Ledger: w.Ledger.Clone(), people: slices.Clone(w.people), books: maps.Clone(w.books)}
}

func (w *world) user(t *rapid.T) string { return rapid.SampledFrom(w.people).Draw(t, "user").UserID }

func (w *world) account(t *rapid.T) string {
	if rapid.IntRange(0, 3).Draw(t, "of a person") > 0 {
		return w.user(t)
	}
	ids := []string{"nobody-inc", "treasury_DE", "treasury_LK", "treasury_XX"}
	for _, p := range account.Pools {
		ids = append(ids, p.Account)
	}
	return rapid.SampledFrom(ids).Draw(t, "account")
}

func (w *world) amount(t *rapid.T) qirat.Amount {
	return qirat.Amount(rapid.OneOf(
		rapid.Uint64Range(1, uint64(120*gx)), rapid.Uint64Range(1, uint64(120*gx)), rapid.Uint64Range(1, uint64(qirat.MaxSupply)),
		rapid.SampledFrom([]uint64{1, uint64(3 * gx), uint64(100 * gx), uint64(500 * gx), uint64(100_000_000 * gx), uint64(qirat.MaxSupply)}),
	).Draw(t, "amount"))
}

// registration is that of a new person, or sometimes of one who is known.
func (w *world) registration(t *rapid.T, code string) *command.CreateUser {
	if rapid.IntRange(0, 5).Draw(t, "again") == 0 {
		return rapid.SampledFrom(w.people).Draw(t, "person")
	}
	p := w.PersonBorn(t, code, w.Now.AddDate(-rapid.IntRange(0, 90).Draw(t, "age"), 0, -1))
	w.people = append(w.people, p)
	return p
}

// command draws a command that a role may send.
func (w *world) command(t *rapid.T, r role.Role) command.Payload {
	country := func() string { return rapid.SampledFrom(countries).Draw(t, "country") }
	pay := func() command.Payload { return contracttest.Pay(w.user(t), w.account(t), w.amount(t)) }
	join := func() command.Payload { return w.registration(t, country()) }
	loan := func() string { return rapid.SampledFrom(append([]string{"LOAN_none"}, w.loans...)).Draw(t, "loan") }
	apply := func() command.Payload {
		return &command.ApplyForLoan{ActorID: w.user(t), Amount: 100 * gx, CollateralHash: strings.Repeat("a", 64), Purpose: "seeds", TermDays: 90}
	}
	approve := func() command.Payload { return &command.ApproveLoan{ApproverAdminID: "ops", LoanID: loan()} }
	repay := func() command.Payload {
		amount := qirat.Amount(rapid.Uint64Range(1, uint64(110*gx)).Draw(t, "instalment"))
		return &command.RepayLoan{ActorID: w.user(t), LoanID: loan(), Amount: amount}
	}
	kinds := map[role.Role][]func() command.Payload{
		role.PartnerAPI: {pay, pay, pay, pay, pay, apply, repay, repay, join, func() command.Payload {
			p, code := &command.CreateUsersBatch{}, country()
			for range rapid.IntRange(1, 4).Draw(t, "people") {
				u := *w.registration(t, code)
				u.Nationality = code
				p.Users = append(p.Users, u)
			}
			return p
		}},
		role.Admin: {pay, pay, join, approve, approve,
			func() command.Payload { return &command.ApplyVelocityTax{AccountID: w.user(t)} },
			func() command.Payload { return &command.MarkLoanDefaulted{AdminID: "ops", LoanID: loan()} },
			func() command.Payload {
				return &command.TransferInternal{FromID: w.account(t), ToID: w.account(t), Amount: w.amount(t), Type: command.SystemAdjustment}
			},
			func() command.Payload {
				return &command.TransferInternal{FromID: w.account(t), ToID: "treasury_DE", Amount: w.amount(t), Type: command.FeeCollection}
			},
			func() command.Payload {
				p := rapid.SampledFrom(w.people).Draw(t, "claimant")
				return &command.DistributeGenesis{UserID: p.UserID, Nationality: p.Nationality}
			},
			func() command.Payload {
				id := rapid.SampledFrom([]string{account.OperationsFund, "treasury_DE", account.UserGenesisPool}).Draw(t, "account")
				return &command.CompactAccount{AccountID: id, Max: rapid.IntRange(1, 5).Draw(t, "max")}
			},
		},
		role.SuperAdmin: {
			func() command.Payload {
				name := rapid.SampledFrom([]string{"CHARITABLE", "GX", "OPERATIONS", "REDISTRIBUTION"}).Draw(t, "pool")
				return &command.DisburseFromPool{Pool: name, RecipientID: w.account(t), Amount: w.amount(t), Reason: "x"}
			},
			func() command.Payload { return &command.FreezeWallet{AccountID: w.user(t), Reason: "x"} },
			func() command.Payload { return &command.UnfreezeWallet{AccountID: w.user(t)} },
			func() command.Payload {
				to := rapid.SampledFrom([]string{"ACTIVE", "ACTIVE", "SUSPENDED", "CLOSED", "DECEASED"}).Draw(t, "status")
				return &command.SetUserStatus{UserID: w.user(t), Status: to, Reason: "x"}
			},
			func() command.Payload { return &command.AppointAdmin{ActorID: "ops", NewAdminID: w.user(t)} },
			func() command.Payload { return &command.RevokeAdmin{AdminID: w.user(t)} },
			func() command.Payload {
				return &command.SetTaxExempt{AccountID: w.user(t), Exempt: rapid.Bool().Draw(t, "exempt"), Reason: "x"}
			},
			func() command.Payload {
				value := rapid.SampledFrom([]string{"1000000", "100000000000000"}).Draw(t, "cap")
				return &command.EmergencySetParameter{ParamID: parameter.PoolDisburseMax, NewValue: value, Reason: "x"}
			},
			func() command.Payload { return &command.PauseSystem{Reason: "x"} },
			func() command.Payload { return &command.ResumeSystem{} },
			func() command.Payload { return &command.ResumeSystem{} },
			func() command.Payload { return &command.BootstrapSystem{} },
		},
	}
	return rapid.SampledFrom(kinds[r]).Draw(t, "command")()
}

// Random histories by random callers: the supply is constant (I1), no balance
// is negative (I2), slots are not exceeded (I3), fees and taxes are where they
// belong (I5, I6), the events tell every balance, timer and status (I9), a
// command ends once (I10), and two peers agree to the byte (I12).
func TestHistories(t *testing.T) {
	opened := newWorld(t)
	declared := map[command.Type][]event.Type{}
	for _, f := range contract.Functions() {
		declared[f.Command] = f.Events
	}
	rapid.Check(t, func(t *rapid.T) {
		w := opened.clone()
		ended := map[string]contract.BatchResult{}
		var sent []sending
		for range rapid.IntRange(1, 12).Draw(t, "batches") {
			w.Now = w.Now.Add(time.Duration(rapid.IntRange(0, 400*24).Draw(t, "hours")) * time.Hour)
			caller := contracttest.As(rapid.SampledFrom(role.All).Draw(t, "role"))
			var items []contract.BatchItem
			for range rapid.IntRange(1, 8).Draw(t, "size") {
				items = append(items, w.Item(t, w.command(t, caller.Role)))
			}
			if len(sent) > 0 && rapid.IntRange(0, 4).Draw(t, "repeat") == 0 {
				for _, item := range rapid.SampledFrom(sent).Draw(t, "old").items {
					if d, _ := command.Lookup(item.Type); slices.Contains(d.Roles, caller.Role) {
						items = slices.Insert(items, rapid.IntRange(0, len(items)).Draw(t, "at"), item)
					}
				}
			}
			sent = append(sent, sending{caller, items})
			w.step(t, caller, items, ended, declared)
		}
		w.invariants(t)
		w.replay(t, sent, ended)
	})
}

// sending is a batch that was sent.
type sending struct {
	caller contract.Caller
	items  []contract.BatchItem
}

// step runs a batch on two peers and compares what each command came to.
func (w *world) step(t *rapid.T, caller contract.Caller, items []contract.BatchItem, ended map[string]contract.BatchResult, declared map[command.Type][]event.Type) {
	before, other := w.Clone(), w.Clone()
	args, err := contract.EncodeBatch(items)
	if err != nil {
		t.Fatal(err)
	}
	tx, err := w.Simulate(caller, contract.BatchFunction, args...)
	twin, twinErr := other.Simulate(caller, contract.BatchFunction, args...)
	if err != nil {
		if twinErr == nil || twinErr.Error() != err.Error() || !strings.Contains(err.Error(), "system is paused") {
			t.Fatalf("%v, and on another peer %v", err, twinErr)
		}
		return
	}
	if twinErr != nil || !maps.EqualFunc(tx.Writes, twin.Writes, bytes.Equal) || !bytes.Equal(tx.Event, twin.Event) || !bytes.Equal(tx.Result, twin.Result) ||
		!slices.Equal(tx.Reads(), twin.Reads()) {
		t.Fatalf("two peers differ: %v", twinErr)
	}
	results, err := contract.DecodeBatch(tx.Result)
	if err != nil {
		t.Fatal(err)
	}
	env, events, err := tx.Envelope()
	if err != nil {
		t.Fatal(err)
	}
	published := 0
	for i, r := range results {
		first, again := ended[r.ID]
		switch {
		case r.Outcome == contract.Deferred:
		case again:
			if !r.Replayed || r.Outcome != first.Outcome || r.Code != first.Code || r.Message != first.Message || !bytes.Equal(r.Result, first.Result) {
				t.Fatalf("a repetition of %s: %+v, first %+v", items[i].Type, r, first)
			}
		default:
			ended[r.ID] = r
			if end := env.Commands[published]; r.Replayed || end.ID != r.ID || end.Outcome != r.Outcome || end.Type != items[i].Type {
				t.Fatalf("%+v is published as %+v", r, end)
			}
			published++
		}
	}
	if published != len(env.Commands) || (published == 0) != (len(tx.Writes) == 0) || (published == 0) != (tx.Event == nil) {
		t.Fatalf("%d commands ended, %d are published, with %d writes", published, len(env.Commands), len(tx.Writes))
	}
	for i, e := range events {
		cause := env.Commands[env.Events[i].Command]
		if cause.Outcome != event.Applied || !slices.Contains(declared[cause.Type], e.EventType()) || env.Events[i].Seq != i {
			t.Fatalf("%s %s caused %s as event %d", cause.Outcome, cause.Type, e.EventType(), env.Events[i].Seq)
		}
		w.books.apply(t, e)
		if loan, ok := e.(*event.LoanApplicationReceived); ok {
			w.loans = append(w.loans, loan.LoanID)
		}
	}
	withoutRejected(t, before, caller, items, results, tx)
	if err := w.Commit(tx); err != nil {
		t.Fatal(err)
	}
}

// withoutRejected checks that the rejected commands of a batch left their
// receipts alone: the others come to the same without them.
func withoutRejected(t *rapid.T, before *contracttest.Ledger, caller contract.Caller, items []contract.BatchItem, results []contract.BatchResult, tx *contracttest.Tx) {
	var applied []contract.BatchItem
	want := maps.Clone(tx.Writes)
	for i, r := range results {
		if r.Outcome == event.Applied && !r.Replayed {
			applied = append(applied, items[i])
		} else if r.Outcome == event.Rejected && !r.Replayed {
			d, _ := command.Lookup(items[i].Type)
			delete(want, "\x00idem\x00"+d.Name()+"\x00"+r.ID+"\x00")
		}
	}
	if len(applied) == 0 {
		if len(want) > 0 {
			t.Fatalf("rejected commands wrote %q", slices.Sorted(maps.Keys(want)))
		}
		return
	}
	args, err := contract.EncodeBatch(applied)
	if err != nil {
		t.Fatal(err)
	}
	alone, err := before.Simulate(caller, contract.BatchFunction, args...)
	if err != nil || !maps.EqualFunc(alone.Writes, want, bytes.Equal) {
		t.Fatalf("the applied commands alone write something else: %v", err)
	}
}

// replay sends what has ended again: nothing happens.
func (w *world) replay(t *rapid.T, sent []sending, ended map[string]contract.BatchResult) {
	for _, s := range sent {
		items := slices.DeleteFunc(slices.Clone(s.items), func(i contract.BatchItem) bool { return ended[i.ID].ID == "" })
		if len(items) == 0 {
			continue
		}
		tx, _, err := w.Batch(s.caller, items...)
		if err != nil && !strings.Contains(err.Error(), "system is paused") {
			t.Fatal(err)
		}
		if err == nil && (len(tx.Writes) > 0 || tx.Event != nil) {
			t.Fatalf("a repetition writes %q", slices.Sorted(maps.Keys(tx.Writes)))
		}
	}
}

func (w *world) invariants(t *rapid.T) {
	w.CheckSupply(t)
	w.books.compare(t, w.Ledger)
	for _, code := range countries[:2] {
		var c contract.Country
		if err := w.Query(&c, "AdminContract:GetCountryStats", code); err != nil {
			t.Fatal(err)
		}
		for i := range c.Used {
			if c.Used[i] > c.Slots[i] {
				t.Fatalf("phase %d of %s: %d of %d slots are used", i+1, code, c.Used[i], c.Slots[i])
			}
		}
	}
}

// B-005, B-009: a hundred runs of one batch write the same bytes.
func TestRepeatable(t *testing.T) {
	l := contracttest.Open(t, "DE", "LK")
	ids := l.Join(t, "DE", 20)
	items := []contract.BatchItem{l.Item(t, l.Person(t, "LK")), l.Item(t, l.Person(t, "DE"))}
	for i := range 10 {
		items = append(items, l.Item(t, contracttest.Pay(ids[2*i], ids[2*i+1], 5*gx)), l.Item(t, contracttest.Pay(ids[2*i], "treasury_LK", 5*gx)))
	}
	args, err := contract.EncodeBatch(items)
	if err != nil {
		t.Fatal(err)
	}
	var first *contracttest.Tx
	for range 100 {
		tx, err := l.Clone().Simulate(backend, contract.BatchFunction, args...)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = tx
		}
		if !maps.EqualFunc(tx.Writes, first.Writes, bytes.Equal) || !bytes.Equal(tx.Event, first.Event) || !bytes.Equal(tx.Result, first.Result) {
			t.Fatal("two runs differ")
		}
	}
}
