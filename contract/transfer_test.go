package contract_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/fee"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/role"
)

const gx = qirat.PerGX

// Worked values of domain.md 3.1. The sender pays, the receiver gets it all.
func TestKF16TransferFees(t *testing.T) {
	l := contracttest.Open(t, "DE", "LK")
	for id, a := range map[string]string{
		"shop":    `{"accountID":"shop","kind":"BUSINESS","country":"LK","status":"ACTIVE","balance":"0"}`,
		"town":    `{"accountID":"town","kind":"GOVERNMENT","country":"DE","status":"ACTIVE","balance":"0"}`,
		"charity": `{"accountID":"charity","kind":"NGO","country":"DE","status":"ACTIVE","balance":"0"}`,
		"future":  `{"accountID":"future","kind":"BUSINESS","country":"DE","status":"PENDING_ENDORSEMENT","balance":"0"}`,
	} {
		put(t, l, "\x00acct\x00"+id+"\x00", a)
	}
	from, near, far := l.Join(t, "DE", 1)[0], l.Join(t, "DE", 1)[0], l.Join(t, "LK", 1)[0]
	l.Apply(t, &command.DisburseFromPool{Pool: "GX", RecipientID: from, Amount: 10_000 * gx, Reason: "funds"})
	for _, c := range []struct {
		to       string
		amount   qirat.Amount
		bps      uint64
		fee      qirat.Amount
		kind     fee.Type
		scope    fee.Scope
		collects bool
	}{
		{near, 50 * gx, 5, 25_000, fee.P2P, fee.LOCAL, true},
		{near, 2 * gx, 0, 0, fee.P2P, fee.LOCAL, false},
		{near, 3*gx - 1, 0, 0, fee.P2P, fee.LOCAL, false},
		{near, 3 * gx, 5, 1_500, fee.P2P, fee.LOCAL, true},
		{near, 100 * gx, 5, 50_000, fee.P2P, fee.LOCAL, true},
		{near, 100*gx + 1, 10, 100_000, fee.P2P, fee.LOCAL, true},
		{far, 10_000, 15, 15, fee.P2P, fee.CROSS_BORDER, true},
		{far, 2*gx + gx/2, 15, 3_750, fee.P2P, fee.CROSS_BORDER, true},
		{far, 100*gx + 1, 25, 250_000, fee.P2P, fee.CROSS_BORDER, true},
		{far, 1, 15, 0, fee.P2P, fee.CROSS_BORDER, false},
		{"shop", 500 * gx, 30, 1_500_000, fee.MERCHANT, fee.CROSS_BORDER, true},
		{"town", 100 * gx, 10, 100_000, fee.GOVERNMENT, fee.LOCAL, true},
		{"charity", 1 * gx, 0, 0, fee.P2P, fee.LOCAL, false},
		{"treasury_DE", 500 * gx, 0, 0, fee.P2P, fee.LOCAL, false},
		{account.OperationsFund, 500 * gx, 0, 0, fee.P2P, fee.CROSS_BORDER, false},
	} {
		sender, receiver, fund := l.Balance(t, from), l.Balance(t, c.to), l.Balance(t, account.OperationsFund)
		e := l.Apply(t, contracttest.Pay(from, c.to, c.amount))[0].(*event.TransferCompleted)
		if e.FeeBps != c.bps || e.Fee != c.fee || e.TransferType != string(c.kind) || e.Scope != string(c.scope) || e.NetReceived != c.amount || e.ReceiverFee != 0 {
			t.Errorf("%s to %s: %+v", c.amount, c.to, e)
		}
		if (e.FeeRecipient == account.OperationsFund) != c.collects {
			t.Errorf("%s to %s: fee recipient %q", c.amount, c.to, e.FeeRecipient)
		}
		if got := l.Balance(t, from); got != sender-c.amount-c.fee || *e.FromBalanceAfter != got {
			t.Errorf("%s to %s: sender has %s, event %s", c.amount, c.to, got, e.FromBalanceAfter)
		}
		if c.to == account.OperationsFund {
			fund, receiver = fund+c.amount, receiver-c.fee
		}
		if got := l.Balance(t, c.to); got != receiver+c.amount {
			t.Errorf("%s to %s: receiver has %s", c.amount, c.to, got)
		}
		if got := l.Balance(t, account.OperationsFund); got != fund+c.fee {
			t.Errorf("%s to %s: the fund has %s", c.amount, c.to, got)
		}
		if after := e.ToBalanceAfter; (after == nil) != account.IsCollective(c.to) || after != nil && *after != receiver+c.amount {
			t.Errorf("%s to %s: balance after %v", c.amount, c.to, after)
		}
	}
	l.CheckSupply(t)
	hint := contracttest.Pay(from, "shop", 1*gx)
	hint.TypeHint = "P2P"
	l.Refuse(t, contract.CodeInvalidArgument, "it is MERCHANT", hint)
	hint.TypeHint = "MERCHANT"
	l.Apply(t, hint)
	l.Refuse(t, contract.CodeInvalidState, "PENDING_ENDORSEMENT", contracttest.Pay(from, "future", 1*gx))
	l.Refuse(t, contract.CodeNotEligible, "multi-signature", contracttest.Pay("shop", from, 1*gx))
}

// The rate in force is the one on the ledger.
func TestTransferFeeParameter(t *testing.T) {
	l := contracttest.Open(t, "DE")
	ids := l.Join(t, "DE", 2)
	put(t, l, "\x00param\x00fee.p2p.local.low\x00", `{"paramID":"fee.p2p.local.low","value":"1000","updatedAt":"2026-01-01T00:00:00Z","updatedBy":"PROP_1"}`)
	if e := l.Apply(t, contracttest.Pay(ids[0], ids[1], 50*gx))[0].(*event.TransferCompleted); e.FeeBps != 1000 || e.Fee != 5*gx {
		t.Errorf("%+v", e)
	}
	put(t, l, "\x00param\x00fee.p2p.local.low\x00", `{"paramID":"fee.p2p.local.low","value":"1001","updatedAt":"2026-01-01T00:00:00Z","updatedBy":"PROP_1"}`)
	if _, _, err := l.Batch(backend, l.Item(t, contracttest.Pay(ids[0], ids[1], 50*gx))); err == nil || !strings.Contains(err.Error(), "corrupt") {
		t.Errorf("a rate out of bounds: %v", err)
	}
}

// B-003: nobody pays themselves, and whoever is touched twice loses nothing.
func TestB003_SelfTransfer(t *testing.T) {
	l := contracttest.Open(t, "DE")
	ids := l.Join(t, "DE", 3)
	l.Refuse(t, contract.CodeInvalidArgument, "must differ", contracttest.Pay(ids[0], ids[0], 1*gx))
	l.Refuse(t, contract.CodeInvalidArgument, "must differ",
		&command.TransferInternal{FromID: account.GXPool, ToID: account.GXPool, Amount: 1, Type: command.SystemAdjustment})
	l.Apply(t, contracttest.Pay(ids[0], ids[1], 100*gx), contracttest.Pay(ids[1], ids[0], 100*gx), contracttest.Pay(ids[0], ids[1], 100*gx),
		contracttest.Pay(ids[2], account.OperationsFund, 100*gx), contracttest.Pay(ids[2], ids[1], 100*gx))
	for i, want := range []qirat.Amount{400*gx - 100_000, 700*gx - 50_000, 300*gx - 50_000} {
		if got := l.Balance(t, ids[i]); got != want {
			t.Errorf("person %d has %s, want %s", i, got, want)
		}
	}
	l.CheckSupply(t)
}

// B-037: money goes to accounts that exist. B-028: amounts may be as large as the supply.
func TestB037_TransferRefused(t *testing.T) {
	l := contracttest.Open(t, "DE")
	ids := l.Join(t, "DE", 2)
	nobody := l.Person(t, "DE").UserID
	before := len(l.State())
	l.Refuse(t, contract.CodeNotFound, "does not exist", contracttest.Pay(ids[0], nobody, 1*gx))
	l.Refuse(t, contract.CodeNotFound, "does not exist", contracttest.Pay(nobody, ids[0], 1*gx))
	l.Refuse(t, contract.CodeNotFound, "does not exist", contracttest.Pay(ids[0], "nobody-inc", 1*gx))
	l.Refuse(t, contract.CodeNotFound, "does not exist", contracttest.Pay(ids[0], "treasury_XX", 1*gx))
	l.Refuse(t, contract.CodeOverflow, "maximum supply", contracttest.Pay(ids[0], ids[1], qirat.MaxSupply))
	l.Refuse(t, contract.CodeInsufficientFunds, "insufficient funds", contracttest.Pay(ids[0], ids[1], qirat.MaxSupply/2))
	l.Refuse(t, contract.CodeInsufficientFunds, "insufficient funds", contracttest.Pay(ids[0], ids[1], 500*gx)) // the fee is missing
	if got := len(l.State()); got != before+7 {
		t.Errorf("7 rejections left %d keys", got-before)
	}
	l.CheckSupply(t)
}

// B-004: fifty paying transfers of different people fit into one block, and so
// do registrations in different countries.
func TestB004_HotAccounts(t *testing.T) {
	l := contracttest.Open(t, "DE", "LK", "US")
	ids := l.Join(t, "DE", 100)
	var txs []*contracttest.Tx
	simulate := func(function string, args ...string) {
		tx, err := l.Simulate(backend, function, args...)
		if err != nil {
			t.Fatal(err)
		}
		txs = append(txs, tx)
	}
	for i := range 50 {
		simulate("TokenomicsContract:TransferWithFees", ids[2*i], ids[2*i+1], "50000000", "", "")
	}
	for _, code := range []string{"DE", "LK", "US"} {
		p := l.Person(t, code)
		simulate("IdentityContract:CreateUser", p.UserID, p.BiometricHash, code, "30")
	}
	for _, tx := range txs {
		if err := l.Commit(tx); err != nil {
			t.Errorf("%s: %v", tx.ID, err)
		}
	}
	if got := l.Balance(t, account.OperationsFund); got != 18_750_000_000*gx+50*25_000 {
		t.Errorf("the fund has %s", got)
	}
	l.CheckSupply(t)
}

// B-002: a hundred debits of one account at once: the ledger's conflicts keep
// it right, and each ends applied or without funds.
func TestB002_ConcurrentDebits(t *testing.T) {
	l := contracttest.Open(t, "DE")
	ids := l.Join(t, "DE", 2)
	applied, poor := 0, 0
	for open := 100; open > 0; {
		var txs []*contracttest.Tx
		for range open {
			tx, err := l.Simulate(backend, "TokenomicsContract:TransferWithFees", ids[0], ids[1], "20000000", "", "")
			if err != nil {
				wantError(t, err, contract.CodeInsufficientFunds, "insufficient funds")
				poor++
				open--
				continue
			}
			txs = append(txs, tx)
		}
		committed := 0
		for _, tx := range txs {
			if err := l.Commit(tx); err == nil {
				committed++
			} else if !errors.Is(err, contracttest.ErrConflict) {
				t.Fatal(err)
			}
		}
		if len(txs) > 0 && committed != 1 {
			t.Fatalf("%d of %d transactions on the same state committed", committed, len(txs))
		}
		applied += committed
		open -= committed
	}
	if applied != 24 || poor != 76 { // 500 GX for 24 x 20.01 GX
		t.Errorf("%d applied, %d without funds", applied, poor)
	}
	l.CheckSupply(t)
}

// The velocity timer runs from 100 GX on.
func TestVelocityTimer(t *testing.T) {
	l := contracttest.Open(t, "DE")
	ids := l.Join(t, "DE", 2)
	start := l.Now
	timer := func(amount qirat.Amount, from, to string) (sender, receiver *time.Time) {
		l.Now = l.Now.Add(time.Hour)
		e := l.Apply(t, contracttest.Pay(from, to, amount))[0].(*event.TransferCompleted)
		return e.FromVelocityTimerStart, e.ToVelocityTimerStart
	}
	if s, r := timer(1*gx, ids[0], ids[1]); !s.Equal(start) || !r.Equal(start) {
		t.Errorf("above the threshold: %v, %v", s, r)
	}
	if s, _ := timer(399*gx, ids[0], ids[1]); s != nil { // 100 GX less the fee of 0.399 GX are left
		t.Errorf("below the threshold: %v", s)
	}
	if _, r := timer(1*gx, ids[1], ids[0]); !r.Equal(l.Now) {
		t.Errorf("risen to the threshold: %v at %v", r, l.Now)
	}
	timer(100*gx, ids[0], ids[1])
	l.Apply(t, &command.SetTaxExempt{AccountID: ids[0], Exempt: true, Reason: "charity"})
	if _, r := timer(100*gx, ids[1], ids[0]); r != nil {
		t.Errorf("risen to the threshold, but exempt: %v", r)
	}
}

// B-021: an internal transfer has a collective account on one side at least.
func TestB021_TransferInternal(t *testing.T) {
	l := contracttest.Open(t, "DE")
	ids := l.Join(t, "DE", 2)
	move := func(from, to string, amount qirat.Amount) *command.TransferInternal {
		return &command.TransferInternal{FromID: from, ToID: to, Amount: amount, Type: command.SystemAdjustment, Remark: "audit 7"}
	}
	l.Refuse(t, contract.CodeInvalidArgument, "unless fromID is one", move(ids[0], ids[1], 1))
	l.Refuse(t, contract.CodeInvalidArgument, "genesis", move(account.UserGenesisPool, ids[1], 1))
	l.Refuse(t, contract.CodeInvalidArgument, "type", &command.TransferInternal{FromID: ids[0], ToID: account.GXPool, Amount: 1, Type: "P2P_TRANSFER"})
	l.Refuse(t, contract.CodeLimitExceeded, "leave a pool at once", move(account.GXPool, ids[0], 100_000_000*gx+1))
	l.Refuse(t, contract.CodeLimitExceeded, "leave a pool at once", move(account.GXPool, "treasury_DE", 100_000_000*gx+1))
	l.Refuse(t, contract.CodeInsufficientFunds, "insufficient funds", move("treasury_DE", account.GXPool, 101*gx))
	l.Refuse(t, contract.CodeNotFound, "does not exist", move(account.GXPool, "treasury_XX", 1))
	l.Apply(t, &command.FreezeWallet{AccountID: ids[0], Reason: "court"})
	e := l.Apply(t, move(ids[0], account.RedistributionPool, 450*gx), move(account.GXPool, account.LoanPool, 200_000_000*gx), move("treasury_DE", ids[1], 100*gx))
	if m := e[0].(*event.InternalTransfer); *m.FromBalanceAfter != 50*gx || m.ToBalanceAfter != nil || m.FromVelocityTimerStart != nil || m.Remark != "audit 7" {
		t.Errorf("%+v", m)
	}
	if got := l.Balance(t, account.LoanPool); got != 312_700_000_000*gx {
		t.Errorf("the loan pool has %s", got)
	}
	l.CheckSupply(t)
}

func TestFreeze(t *testing.T) {
	l := contracttest.Open(t, "DE")
	id := l.Join(t, "DE", 1)[0]
	l.Refuse(t, contract.CodeInvalidState, "is not frozen", &command.UnfreezeWallet{AccountID: id})
	e := l.Apply(t, &command.FreezeWallet{AccountID: id, Reason: "court"})[0].(*event.WalletFrozen)
	if e.AccountID != id || e.Reason != "court" || !e.FrozenAt.Equal(l.Now) {
		t.Errorf("%+v", e)
	}
	var user struct {
		Status, FrozenReason string
		FrozenAt             time.Time
	}
	if err := l.Query(&user, "IdentityContract:GetUser", id); err != nil || user.Status != "FROZEN" || user.FrozenReason != "court" || !user.FrozenAt.Equal(l.Now) {
		t.Errorf("%+v, %v", user, err)
	}
	l.Refuse(t, contract.CodeInvalidState, "is already frozen", &command.FreezeWallet{AccountID: id, Reason: "again"})
	l.Apply(t, &command.UnfreezeWallet{AccountID: id})
	l.Refuse(t, contract.CodeNotFound, "does not exist", &command.FreezeWallet{AccountID: "nobody-inc", Reason: "x"})
	l.Refuse(t, contract.CodeInvalidArgument, "cannot be frozen", &command.FreezeWallet{AccountID: "treasury_DE", Reason: "x"})
	l.Refuse(t, contract.CodeInvalidArgument, "cannot be frozen", &command.FreezeWallet{AccountID: account.GXPool, Reason: "x"})

	put(t, l, "\x00acct\x00shop\x00", `{"accountID":"shop","kind":"BUSINESS","country":"DE","status":"ACTIVE","balance":"0"}`)
	l.Apply(t, &command.FreezeWallet{AccountID: "shop", Reason: "tax"})
	l.Refuse(t, contract.CodeAccountFrozen, "receiver wallet is frozen", contracttest.Pay(id, "shop", 1*gx))
	l.Apply(t, &command.UnfreezeWallet{AccountID: "shop"})
	l.Apply(t, contracttest.Pay(id, "shop", 1*gx))
}

// Delta rows fold in any order and any number; balances and totals stay.
func TestCompactAccount(t *testing.T) {
	l := contracttest.Open(t, "DE")
	ids := l.Join(t, "DE", 2)
	for range 10 { // the treasury is emptied and filled again and again
		l.Apply(t, contracttest.Pay(ids[0], "treasury_DE", 10*gx))
		l.Apply(t, &command.TransferInternal{FromID: "treasury_DE", ToID: ids[1], Amount: 110 * gx, Type: command.SystemAdjustment})
		l.Apply(t, contracttest.Pay(ids[1], "treasury_DE", 100*gx))
	}
	rows := func() (n int) {
		for key := range l.State() {
			if strings.HasPrefix(key, "\x00bd\x00treasury_DE\x00") {
				n++
			}
		}
		return n
	}
	balance := l.Balance(t, "treasury_DE")
	fold := func(limit int) int {
		tx, err := l.Invoke(contracttest.As(role.Admin), "TokenomicsContract:CompactAccount", "treasury_DE", strconv.Itoa(limit))
		if err != nil {
			t.Fatal(err)
		}
		var result struct{ Folded int }
		if err := json.Unmarshal(tx.Result, &result, json.MatchCaseInsensitiveNames(true)); err != nil {
			t.Fatal(err)
		}
		if got := l.Balance(t, "treasury_DE"); got != balance {
			t.Errorf("folding changed the balance from %s to %s", balance, got)
		}
		return result.Folded
	}
	if got := rows(); got != 31 {
		t.Fatalf("%d rows", got)
	}
	for _, c := range []struct{ max, want int }{{7, 7}, {7, 7}, {1000, 17}, {1, 0}} {
		if got := fold(c.max); got != c.want {
			t.Errorf("folded %d of at most %d rows, want %d", got, c.max, c.want)
		}
	}
	if got := rows(); got != 0 {
		t.Errorf("%d rows are left", got)
	}
	// A fold and a debit of the same account in one batch see each other.
	l.Apply(t, contracttest.Pay(ids[0], "treasury_DE", 10*gx))
	debit := func(amount qirat.Amount) *command.TransferInternal {
		return &command.TransferInternal{FromID: "treasury_DE", ToID: ids[1], Amount: amount, Type: command.SystemAdjustment}
	}
	results, _ := l.Run(t, debit(1*gx), &command.CompactAccount{AccountID: "treasury_DE", Max: 10}, debit(balance+9*gx+1), debit(balance+9*gx))
	for i, want := range []event.Outcome{event.Applied, event.Applied, event.Rejected, event.Applied} {
		if results[i].Outcome != want {
			t.Errorf("command %d: %+v, want %s", i, results[i], want)
		}
	}
	if got := l.Balance(t, "treasury_DE"); got != 0 {
		t.Errorf("%s are left", got)
	}
	l.CheckSupply(t)
	l.Refuse(t, contract.CodeInvalidArgument, "must be a system account or a treasury", &command.CompactAccount{AccountID: ids[0], Max: 1})
	l.Refuse(t, contract.CodeNotFound, "does not exist", &command.CompactAccount{AccountID: "treasury_XX", Max: 1})
}

// B-036: the history comes in pages, newest first.
func TestHistory(t *testing.T) {
	l := contracttest.Open(t, "DE")
	ids := l.Join(t, "DE", 2)
	for range 3 {
		l.Now = l.Now.Add(time.Minute)
		l.Apply(t, contracttest.Pay(ids[0], ids[1], 5*gx), contracttest.Pay(ids[1], ids[0], 1*gx))
	}
	type page struct {
		Items    []contract.TxRecord
		Bookmark string
	}
	read := func(id string) (all []contract.TxRecord) {
		for bookmark := ""; ; {
			var p page
			if err := l.Query(&p, "TokenomicsContract:GetTransactionHistory", id, "2", bookmark); err != nil {
				t.Fatal(err)
			}
			all = append(all, p.Items...)
			if bookmark = p.Bookmark; bookmark == "" {
				return all
			}
			if len(p.Items) != 2 {
				t.Errorf("a page of %d with more to come", len(p.Items))
			}
		}
	}
	lines := read(ids[0])
	if len(lines) != 7 || lines[6].Type != contract.EntryGenesis || lines[6].FromID != account.UserGenesisPool || *lines[6].BalanceAfter != 500*gx {
		t.Fatalf("%+v", lines)
	}
	balance := l.Balance(t, ids[0])
	for i, r := range lines[:6] {
		sent := i%2 == 1
		if r.Type != contract.EntryTransfer || (r.FromID == ids[0]) != sent || *r.BalanceAfter != balance || sent && (r.Fee != 2_500 || r.FeeBps != 5 || r.Amount != 5*gx) {
			t.Errorf("line %d: %+v, balance %s", i, r, balance)
		}
		if sent {
			balance += r.Amount + r.Fee
		} else {
			balance -= r.Amount
		}
	}
	if fund := read(account.OperationsFund); len(fund) != 3 || fund[0].Type != contract.EntryFee || fund[0].Amount != 2_500 || fund[0].BalanceAfter != nil {
		t.Errorf("fund: %+v", fund)
	}
	wantError(t, l.Query(new(page), "TokenomicsContract:GetTransactionHistory", "nobody-inc", "2", ""), contract.CodeNotFound, "does not exist")
	wantError(t, l.Query(new(any), "TokenomicsContract:GetBalance", "nobody-inc"), contract.CodeNotFound, "does not exist")
	wantError(t, l.Query(new(any), "TokenomicsContract:GetBalance", "a\x00b"), contract.CodeInvalidArgument, "accountID")
	wantError(t, l.Query(new(any), "TokenomicsContract:GetPoolStatus", "MINTER"), contract.CodeNotFound, "does not exist")
	var p pool
	if err := l.Query(&p, "TokenomicsContract:GetPoolStatus", "LOAN"); err != nil || p.AccountID != account.LoanPool || p.Balance != 312_500_000_000*gx {
		t.Errorf("%+v, %v", p, err)
	}
}
