package readmodel_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/readmodel/readmodeltest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
)

// world is a read model under construction.
type world struct {
	*readmodeltest.Economy
	t     *testing.T
	pool  *pgxpool.Pool
	block uint64
}

func newWorld(t *testing.T) *world {
	t.Parallel()
	return &world{readmodeltest.NewEconomy(), t, pgtest.New(t).Pool(t, "gx_projector"), 0}
}

// commit applies one block of one transaction.
func (w *world) commit(commands ...readmodeltest.Command) readmodel.Tx {
	w.t.Helper()
	tx := w.Decoded(w.block, 0, commands...)
	if err := w.flush(tx); err != nil {
		w.t.Fatal(err)
	}
	w.block++
	return tx
}

func (w *world) flush(txs ...readmodel.Tx) error {
	p := readmodel.NewProjection()
	for _, tx := range txs {
		if err := p.Add(tx); err != nil {
			return err
		}
	}
	last := txs[len(txs)-1]
	return pgx.BeginFunc(w.t.Context(), w.pool, func(db pgx.Tx) error {
		return p.Flush(w.t.Context(), db, readmodel.Position{Block: int64(last.Block), TxIndex: last.Index, Hash: []byte{1}})
	})
}

func (w *world) at(block uint64) time.Time {
	return readmodeltest.Epoch.Add(time.Duration(block) * time.Second)
}

func (w *world) open() {
	w.t.Helper()
	w.commit(w.Bootstrap())
	w.commit(w.AddCountries("AE", "US"))
	w.commit(w.CreateUser("alice", "AE", w.at(2)), w.CreateUser("bob", "US", w.at(2)))
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// checkBalances compares every account with the economy's.
func (w *world) checkBalances() {
	w.t.Helper()
	for id, want := range w.Balances {
		got := must[readmodel.AccountState](w.t)(readmodel.Account(w.t.Context(), w.pool, id))
		if got.Balance != want {
			w.t.Errorf("balance of %s is %s, want %s", id, got.Balance, want)
		}
	}
	s := must[readmodel.SupplyState](w.t)(readmodel.Supply(w.t.Context(), w.pool))
	if !s.Conserved() {
		w.t.Errorf("supply is not conserved: %+v", s)
	}
	for _, p := range s.Pools {
		if p.Balance != p.Opening-p.Distributed+p.Received {
			w.t.Errorf("pool does not add up: %+v", p)
		}
	}
}

func TestKF10EveryEventHasAHandler(t *testing.T) {
	for _, d := range event.All() {
		if !readmodel.Handles(d.Type) {
			t.Errorf("no handler for %s", d.Type)
		}
	}
}

func TestEmpty(t *testing.T) {
	w := newWorld(t)
	ctx := t.Context()
	s := must[readmodel.SupplyState](t)(readmodel.Supply(ctx, w.pool))
	if diff := cmp.Diff(readmodel.SupplyState{Block: -1}, s); diff != "" {
		t.Error(diff)
	}
	for what, err := range map[string]error{
		"account": second(readmodel.Account(ctx, w.pool, "nobody")), "user": second(readmodel.User(ctx, w.pool, "nobody")),
		"treasury": second(readmodel.Treasury(ctx, w.pool, "AE")), "command": second(readmodel.CommandResult(ctx, w.pool, "c1")),
		"genesis": second(readmodel.GenesisStatus(ctx, w.pool, "nobody")),
		"trust":   second(readmodel.Trust(ctx, w.pool, "nobody")), "relationship": second(readmodel.Relationship(ctx, w.pool, "nothing")),
		"recovery": second(readmodel.Recovery(ctx, w.pool, "nothing")), "organization": second(readmodel.Organization(ctx, w.pool, "nothing")),
		"multisig": second(readmodel.MultiSigTx(ctx, w.pool, "nothing")), "loan": second(readmodel.Loan(ctx, w.pool, "nothing")),
		"standing": second(readmodel.Standing(ctx, w.pool, "nobody")), "proposal": second(readmodel.Proposal(ctx, w.pool, "nothing")),
		"tax": second(readmodel.Tax(ctx, w.pool, "nobody")),
	} {
		if !errors.Is(err, readmodel.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	page := must[readmodel.Page](t)(readmodel.Statement(ctx, w.pool, "nobody", readmodel.Filter{}))
	if len(page.Entries) != 0 || page.Next != nil {
		t.Errorf("statement of nobody: %+v", page)
	}
}

func second[T any](_ T, err error) error { return err }

func TestSystem(t *testing.T) {
	w := newWorld(t)
	w.commit(w.Bootstrap())
	opened := w.at(0)
	got := must[readmodel.SystemState](t)(readmodel.SystemStatus(t.Context(), w.pool))
	if diff := cmp.Diff(readmodel.SystemState{Bootstrapped: true, MaxSupply: qirat.MaxSupply, ChangedAt: &opened}, got); diff != "" {
		t.Error(diff)
	}
	params := must[[]readmodel.Parameter](t)(readmodel.Parameters(t.Context(), w.pool))
	if diff := cmp.Diff([]readmodel.Parameter{{ParamID: "fee.p2p.local.low", Value: "5", Source: "BOOTSTRAP", UpdatedAt: opened}}, params); diff != "" {
		t.Error(diff)
	}
	w.checkBalances()

	w.commit(w.Pause("maintenance"))
	if got := must[readmodel.SystemState](t)(readmodel.SystemStatus(t.Context(), w.pool)); !got.Paused || got.Reason != "maintenance" {
		t.Errorf("paused: %+v", got)
	}
	w.commit(w.Resume())
	if got := must[readmodel.SystemState](t)(readmodel.SystemStatus(t.Context(), w.pool)); got.Paused || got.Reason != "" || !got.ChangedAt.Equal(w.at(2)) {
		t.Errorf("resumed: %+v", got)
	}
	if err := w.flush(w.Decoded(3, 0, w.Bootstrap())); !errors.Is(err, readmodel.ErrData) {
		t.Errorf("second bootstrap: %v", err)
	}
}

func TestCountriesAndGenesis(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.checkBalances()
	ctx := t.Context()

	owner := pgtestOwner(t, w)
	if _, err := owner.Exec(ctx, `INSERT INTO app.countries VALUES ('AE', 'United Arab Emirates', 'Asia')`); err != nil {
		t.Fatal(err)
	}
	countries := must[[]readmodel.CountryState](t)(readmodel.Countries(ctx, owner))
	want := []readmodel.CountryState{
		{CountryCode: "AE", Name: "United Arab Emirates", Region: "Asia", WeightE8: 1000, Slots: [6]uint64{100, 200, 300, 400, 500, 600}, Used: [6]uint64{1}},
		{CountryCode: "US", WeightE8: 1000, Slots: [6]uint64{100, 200, 300, 400, 500, 600}, Used: [6]uint64{1}},
	}
	if diff := cmp.Diff(want, countries); diff != "" {
		t.Error(diff)
	}
	if c := must[readmodel.CountryState](t)(readmodel.Country(ctx, owner, "AE")); c.Phase() != 1 || c.Name == "" {
		t.Errorf("country: %+v", c)
	}

	at := w.at(2)
	u := must[readmodel.UserState](t)(readmodel.User(ctx, w.pool, "alice"))
	if diff := cmp.Diff(readmodel.UserState{UserID: "alice", Nationality: "AE", Status: "ACTIVE", TrustScore: 10, CreatedAt: at,
		Genesis: readmodel.GenesisState{Status: "DISTRIBUTED", Phase: 1, Amount: readmodeltest.UserGenesis, At: &at}}, u); diff != "" {
		t.Error(diff)
	}
	a := must[readmodel.AccountState](t)(readmodel.Account(ctx, w.pool, "alice"))
	if diff := cmp.Diff(readmodel.AccountState{AccountID: "alice", Kind: account.Individual, Country: "AE", Status: "ACTIVE", Balance: readmodeltest.UserGenesis,
		VelocityTimerStart: &at, CreatedAt: at, UpdatedAt: at, Block: 2}, a); diff != "" {
		t.Error(diff)
	}
	tr := must[readmodel.TreasuryState](t)(readmodel.Treasury(ctx, w.pool, "AE"))
	if diff := cmp.Diff(readmodel.TreasuryState{CountryCode: "AE", AccountID: "treasury_AE", Status: "LOCKED", Balance: readmodeltest.GovtGenesis, UpdatedAt: at}, tr); diff != "" {
		t.Error(diff)
	}
	s := must[readmodel.SupplyState](t)(readmodel.Supply(ctx, w.pool))
	if want := 2 * (readmodeltest.UserGenesis + readmodeltest.GovtGenesis); s.Circulating != want {
		t.Errorf("circulating %s, want %s", s.Circulating, want)
	}

	// Nobody is lost to a phase: too young, too old and too late are counted too.
	for i, status := range []string{"PENDING_AGE", "INELIGIBLE_AGE", "EXHAUSTED"} {
		id := fmt.Sprintf("u%d", i)
		w.commit(readmodeltest.Command{Type: "CREATE_USER", Events: []event.Event{
			&event.UserCreated{UserID: id, Nationality: "AE", Status: "Active", At: w.at(w.block)},
			&event.GenesisDistributed{UserID: id, Nationality: "AE", Status: status, PoolSource: account.UserGenesisPool},
		}})
	}
	c := must[readmodel.CountryState](t)(readmodel.Country(ctx, owner, "AE"))
	if c.IneligibleUsers != 2 || c.ExhaustedUsers != 1 || c.Used != [6]uint64{1} {
		t.Errorf("counters: %+v", c)
	}
	w.checkBalances()
}

func pgtestOwner(t *testing.T, w *world) *pgxpool.Pool {
	t.Helper()
	cfg := w.pool.Config().Copy()
	cfg.AfterConnect = nil
	p, err := pgxpool.NewWithConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func TestTransfer(t *testing.T) {
	w := newWorld(t)
	w.open()
	ctx := t.Context()
	w.commit(w.Transfer("alice", "bob", 100, 3, "rent €"), w.Transfer("bob", "alice", 7, 0, ""), w.Transfer("alice", "bob", qirat.MaxSupply/2, 1, ""))
	w.commit(w.Transfer("bob", account.TreasuryOf("AE"), 11, 2, "tax"))
	w.checkBalances()

	type line struct {
		Type    readmodel.EntryType
		Other   string
		Amount  qirat.Amount
		Fee     qirat.Amount
		After   string
		Command string
		Remark  string
	}
	statement := func(id string) (out []line) {
		for _, e := range must[readmodel.Page](t)(readmodel.Statement(ctx, w.pool, id, readmodel.Filter{})).Entries {
			after := "-"
			if e.BalanceAfter != nil {
				after = e.BalanceAfter.String()
			}
			out = append(out, line{e.Type, e.Counterparty, e.Amount, e.Fee, after, e.CommandID, e.Remark})
		}
		return out
	}
	if diff := cmp.Diff([]line{
		{"RECEIVED", "bob", 7, 0, "499999904", "c6", ""},
		{"FEE", account.OperationsFund, 3, 0, "499999897", "c5", ""},
		{"SENT", "bob", 100, 3, "499999900", "c5", "rent €"},
		{"GENESIS", account.UserGenesisPool, 500_000_000, 0, "500000000", "c3", ""},
	}, statement("alice")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]line{
		{"FEE_COLLECTION", "bob", 2, 0, "-", "c8", ""},
		{"FEE_COLLECTION", "alice", 3, 0, "-", "c5", ""},
	}, statement(account.OperationsFund)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]line{
		{"RECEIVED", "bob", 11, 0, "-", "c8", "tax"},
		{"GOVT_GENESIS", account.GovtGenesisPool, 50_000_000, 0, "-", "c3", ""},
	}, statement("treasury_AE")); diff != "" {
		t.Error(diff)
	}

	r := must[readmodel.Result](t)(readmodel.CommandResult(ctx, w.pool, "c5"))
	if r.Outcome != event.Applied || r.Actor != "alice" || string(r.Result) != `{"ok":true}` || r.Block != 3 || !r.At.Equal(w.at(3)) {
		t.Errorf("applied: %+v", r)
	}
	r = must[readmodel.Result](t)(readmodel.CommandResult(ctx, w.pool, "c7"))
	if r.Outcome != event.Rejected || r.Code != "INSUFFICIENT_FUNDS" || r.Message != "refused" || len(r.Result) != 0 {
		t.Errorf("rejected: %+v", r)
	}
}

// A receiver without a row (an organization that this read model has not met)
// gets one: the payment is not dropped.
func TestUnknownCounterparty(t *testing.T) {
	w := newWorld(t)
	w.open()
	w.commit(w.Transfer("alice", "acme-ltd", 100, 0, ""))
	w.checkBalances()
}

func TestFreeze(t *testing.T) {
	w := newWorld(t)
	w.open()
	frozen := w.at(3)
	w.commit(w.Freeze("alice", "court order", frozen))
	a := must[readmodel.AccountState](t)(readmodel.Account(t.Context(), w.pool, "alice"))
	u := must[readmodel.UserState](t)(readmodel.User(t.Context(), w.pool, "alice"))
	if a.Status != readmodel.StatusFrozen || a.FrozenReason != "court order" || !a.FrozenAt.Equal(frozen) || u.Status != readmodel.StatusFrozen {
		t.Errorf("frozen: %+v, %s", a, u.Status)
	}
	w.commit(w.Unfreeze("alice", w.at(4)), w.Transfer("alice", "bob", 5, 0, ""))
	a = must[readmodel.AccountState](t)(readmodel.Account(t.Context(), w.pool, "alice"))
	u = must[readmodel.UserState](t)(readmodel.User(t.Context(), w.pool, "alice"))
	if a.Status != readmodel.StatusActive || a.FrozenReason != "" || a.FrozenAt != nil || u.Status != readmodel.StatusActive {
		t.Errorf("active again: %+v, %s", a, u.Status)
	}
	w.commit(w.Freeze("treasury_AE", "audit", w.at(5)))
	w.checkBalances()
}

// Applying a transaction again is refused by the event log and changes nothing.
// Events that cannot be true are data errors and leave nothing behind.
func TestImpossibleEvents(t *testing.T) {
	w := newWorld(t)
	w.open()
	before := readmodeltest.Dump(t, w.pool)
	balance := qirat.Amount(1)
	transfer := func(change func(*event.TransferCompleted)) *event.TransferCompleted {
		e := &event.TransferCompleted{FromID: "alice", ToID: "bob", Amount: 10, NetReceived: 10, FromBalanceAfter: &balance, ToBalanceAfter: &balance}
		change(e)
		return e
	}
	for name, e := range map[string]event.Event{
		"net differs":           transfer(func(e *event.TransferCompleted) { e.NetReceived = 9 }),
		"fee without recipient": transfer(func(e *event.TransferCompleted) { e.Fee = 1 }),
		"fee to a person":       transfer(func(e *event.TransferCompleted) { e.Fee, e.FeeRecipient = 1, "bob" }),
		"no sender balance":     transfer(func(e *event.TransferCompleted) { e.FromBalanceAfter = nil }),
		"no receiver balance":   transfer(func(e *event.TransferCompleted) { e.ToBalanceAfter = nil }),
		"overdrawn pool":        transfer(func(e *event.TransferCompleted) { e.FromID, e.Amount, e.NetReceived = account.RedistributionPool, 1, 1 }),
		"unknown treasury":      transfer(func(e *event.TransferCompleted) { e.ToID = "treasury_XX" }),
		"NUL in text":           transfer(func(e *event.TransferCompleted) { e.Remark = "a\x00b" }),
		"second registration":   &event.UserCreated{UserID: "alice", Nationality: "AE"},
		"unknown country":       &event.GenesisDistributed{UserID: "alice", Nationality: "XX", Phase: 1, Amount: 1, PoolSource: account.UserGenesisPool},
		"unknown phase":         &event.GenesisDistributed{UserID: "alice", Nationality: "AE", Phase: 7, Amount: 1, PoolSource: account.UserGenesisPool},
		"unknown pool":          &event.GenesisDistributed{UserID: "alice", Nationality: "AE", Phase: 1, Amount: 1, PoolSource: "USER_GENESIS"},
		"unknown user":          &event.GenesisDistributed{UserID: "carol", Nationality: "AE", Phase: 1, Amount: 1, PoolSource: account.UserGenesisPool},
		"second countries":      &event.CountryDataInitialized{Countries: []event.CountrySlots{{CountryCode: "AE"}}},
		"freeze of nobody":      &event.WalletFrozen{AccountID: "nobody"},

		"status of nobody":              &event.UserStatusChanged{UserID: "nobody", NewStatus: account.Frozen},
		"trust in nobody":               &event.TrustScoreUpdated{UserID: "nobody"},
		"unknown relationship":          &event.RelationshipConfirmed{RelationshipID: "nothing"},
		"unknown recovery":              &event.RecoveryVoteCast{SessionID: "nothing"},
		"endorsement of nothing":        &event.MembershipEndorsed{OrgID: "nothing", EndorserID: "alice"},
		"activation of nothing":         &event.OrganizationActivated{OrgID: "nothing"},
		"approval of nothing":           &event.MultiSigTxApproved{PendingTxID: "nothing"},
		"rule operation without a rule": &event.MultiSigTxInitiated{PendingTxID: "x", Operation: status.OperationRule},
		"payment with a rule":           &event.MultiSigTxInitiated{PendingTxID: "x", Operation: status.OperationTransfer, Rule: &event.Rule{}},
		"unknown loan":                  &event.LoanCancelled{LoanID: "nothing"},
		"loan to nobody":                &event.LoanApproved{LoanID: "nothing", BorrowerID: "nobody", Amount: 1, PoolSource: account.LoanPool},
		"loan from a person":            &event.LoanApproved{LoanID: "nothing", BorrowerID: "alice", Amount: 1, PoolSource: "bob"},
		"paid with a debt":              &event.LoanRepaid{LoanID: "x", PayerID: "alice", PoolID: account.LoanPool, Outstanding: 1, Status: status.LoanPaid},
		"active without a debt":         &event.LoanRepaid{LoanID: "x", PayerID: "alice", PoolID: account.LoanPool, Status: status.LoanActive},
		"vote on nothing":               &event.VoteCast{ProposalID: "nothing", VoterID: "alice"},
		"unknown admin":                 &event.AdminRevoked{AdminID: "nobody"},
		"treasury of nowhere":           &event.TreasuryActivated{TreasuryID: "treasury_XX", CountryCode: "XX"},
		"grant to nobody":               &event.PoolDisbursed{PoolID: account.GXPool, RecipientID: "nobody", Amount: 1, RecipientBalanceAfter: &balance},
		"grant without a balance":       &event.PoolDisbursed{PoolID: account.GXPool, RecipientID: "alice", Amount: 1},
		"grant of a person":             &event.PoolDisbursed{PoolID: "bob", RecipientID: "alice", Amount: 1, RecipientBalanceAfter: &balance},
		"adjustment without a balance":  &event.InternalTransfer{FromID: "alice", ToID: account.GXPool, Amount: 1},
		"tax of a treasury":             &event.VelocityTaxApplied{AccountID: "treasury_AE", TreasuryID: "treasury_AE", RedistributionID: account.RedistributionPool},
		"tax that does not add up":      &event.VelocityTaxApplied{AccountID: "alice", TreasuryID: "treasury_AE", RedistributionID: account.RedistributionPool, TaxAmount: 2, GovtShare: 1, Balance: 2},
		"tax of more than all":          &event.VelocityTaxApplied{AccountID: "alice", TreasuryID: "treasury_AE", RedistributionID: account.RedistributionPool, TaxAmount: 2, GovtShare: 2, Balance: 1},
		"exemption of nobody":           &event.VelocityTaxExemptionChanged{AccountID: "nobody"},
	} {
		err := w.flush(w.Decoded(w.block, 0, readmodeltest.Command{Type: "X", Events: []event.Event{e}}))
		if !errors.Is(err, readmodel.ErrData) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if diff := cmp.Diff(before, readmodeltest.Dump(t, w.pool)); diff != "" {
		t.Error(diff)
	}
}

// Only the projector can write a read model.
func TestKF09Roles(t *testing.T) {
	t.Parallel()
	db := pgtest.New(t)
	for _, role := range []string{"gx_service", "gx_submitter", "gx_verifier"} {
		_, err := db.Pool(t, role).Exec(context.Background(), `UPDATE read.accounts SET balance = 0`)
		if err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s writes balances: %v", role, err)
		}
	}
}
