package contract_test

import (
	"testing"
	"time"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/fee"
	"gxcoin.money/gx/protocol/qirat"
)

const cycle = 355 * day

func assess(t testing.TB, l *contracttest.Ledger, id string) contract.Assessment {
	t.Helper()
	var a contract.Assessment
	if err := l.Query(&a, "TaxAndFeeContract:CheckVelocityTaxEligibility", id); err != nil {
		t.Fatal(err)
	}
	return a
}

func TestVelocityTax(t *testing.T) {
	l := contracttest.Open(t, "DE", "LK")
	p := l.Join(t, "DE", 1)[0] // 500 GX each
	start := l.Now
	l.Now = start.Add(cycle - time.Second)
	if a := assess(t, l, p); a.Eligible || a.DaysHeld != 354 || a.BandBps != 250 || !a.DueAt.Equal(start.Add(cycle)) {
		t.Errorf("a second early: %+v", a)
	}
	l.Refuse(t, contract.CodeNotEligible, "due at", &command.ApplyVelocityTax{AccountID: p, Country: "DE"})
	l.Now = start.Add(cycle)
	l.Refuse(t, contract.CodeInvalidArgument, "country", &command.ApplyVelocityTax{AccountID: p, Country: "LK"})
	before := l.Balance(t, account.TreasuryOf("DE"))
	e := l.Apply(t, &command.ApplyVelocityTax{AccountID: p, Country: "DE"})[0].(*event.VelocityTaxApplied)
	const tax = 12_500_000 // 2.5 % of 500 GX
	if e.TaxAmount != tax || e.TaxRateBps != 250 || e.GovtShare != tax/2 || e.RedistributionShare != tax/2 ||
		e.Balance != 500*gx || e.BalanceAfter != 500*gx-tax || !e.PreviousTimerStart.Equal(start) || !e.VelocityTimerStart.Equal(l.Now) {
		t.Errorf("event: %+v", e)
	}
	if got := l.Balance(t, account.TreasuryOf("DE")) - before; got != tax/2 {
		t.Errorf("treasury got %s", got)
	}
	if got := l.Balance(t, account.RedistributionPool); got != tax/2 {
		t.Errorf("redistribution pool has %s", got)
	}
	l.Refuse(t, contract.CodeNotEligible, "due at", &command.ApplyVelocityTax{AccountID: p}) // once a cycle
	l.Now = l.Now.Add(3 * cycle)                                                             // several cycles missed: one at a time
	l.Apply(t, &command.ApplyVelocityTax{AccountID: p})
	l.Refuse(t, contract.CodeNotEligible, "due at", &command.ApplyVelocityTax{AccountID: p})
	l.CheckSupply(t)
}

// B-024: the rate is that of the band of the balance, whoever calls.
func TestB024_BandsDecideTheRate(t *testing.T) {
	for _, c := range []struct {
		balance qirat.Amount
		bps     uint64
		tax     qirat.Amount
	}{
		{100*gx - 1, 0, 0},
		{100 * gx, 250, 2_500_000},
		{1000*gx - 1, 250, 24_999_999},
		{1000 * gx, 300, 30 * gx},
		{5000 * gx, 350, 175 * gx},
		{10_000 * gx, 400, 400 * gx},
		{25_000 * gx, 450, 1125 * gx},
		{50_000 * gx, 550, 2750 * gx},
		{100_000*gx - 1, 550, 5_499_999_999},
		{100_000 * gx, 600, 6000 * gx},
		{100_000*gx + 1, 600, 6_000_000_000},
	} {
		l := contracttest.Open(t, "DE")
		p := l.Join(t, "DE", 1)[0]
		if c.balance < 500*gx {
			l.Apply(t, &command.TransferInternal{FromID: p, ToID: account.CharitablePool, Amount: 500*gx - c.balance, Type: "SYSTEM_ADJUSTMENT", Remark: "r"})
		} else {
			l.Apply(t, &command.TransferInternal{FromID: account.CharitablePool, ToID: p, Amount: c.balance - 500*gx, Type: "SYSTEM_ADJUSTMENT", Remark: "r"})
		}
		l.Now = l.Now.Add(cycle)
		due := assess(t, l, p)
		if due.BandBps != c.bps || due.Tax != c.tax || due.Government+due.Redistribution != due.Tax || due.Eligible != (c.bps > 0) {
			t.Errorf("%s: %+v", c.balance, due)
		}
		if c.bps == 0 {
			l.Refuse(t, contract.CodeNotEligible, "below", &command.ApplyVelocityTax{AccountID: p})
			continue
		}
		e := l.Apply(t, &command.ApplyVelocityTax{AccountID: p})[0].(*event.VelocityTaxApplied)
		if e.TaxAmount != c.tax || e.GovtShare != c.tax/2 || l.Balance(t, p) != c.balance-c.tax {
			t.Errorf("%s: %+v", c.balance, e)
		}
		if below := c.balance-c.tax < 100*gx; below != (e.VelocityTimerStart == nil) {
			t.Errorf("%s: timer after the tax %v", c.balance, e.VelocityTimerStart)
		}
		l.CheckSupply(t)
	}
}

// B-035: a timer that does not run makes nobody taxable.
func TestB035_NoTimerNoTax(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := l.Join(t, "DE", 2)
	l.Apply(t, contracttest.Pay(p[0], p[1], 450*gx)) // falls below 100 GX
	l.Now = l.Now.Add(10 * cycle)
	l.Refuse(t, contract.CodeNotEligible, "below", &command.ApplyVelocityTax{AccountID: p[0]})
	l.Apply(t, contracttest.Pay(p[1], p[0], 100*gx)) // rises again: the timer starts now
	l.Refuse(t, contract.CodeNotEligible, "due at", &command.ApplyVelocityTax{AccountID: p[0]})
	for _, id := range []string{account.LoanPool, account.TreasuryOf("DE")} {
		l.Refuse(t, contract.CodeNotEligible, "never taxed", &command.ApplyVelocityTax{AccountID: id})
	}
}

func TestVelocityTaxAndStatus(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := l.Join(t, "DE", 2)
	l.Apply(t, &command.FreezeWallet{AccountID: p[0], Reason: "COURT_ORDER"}, &command.SetUserStatus{UserID: p[1], Status: "DECEASED", Reason: "died"})
	l.Now = l.Now.Add(cycle)
	l.Apply(t, &command.ApplyVelocityTax{AccountID: p[0]}) // frozen accounts are taxed
	l.Refuse(t, contract.CodeNotEligible, "DECEASED", &command.ApplyVelocityTax{AccountID: p[1]})
}

func TestVelocityTaxExemption(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := l.Join(t, "DE", 2)
	exempt := &command.SetTaxExempt{AccountID: p[0], Exempt: true, Reason: "charity"}
	if e := l.Apply(t, exempt)[0].(*event.VelocityTaxExemptionChanged); !e.Exempt || e.VelocityTimerStart != nil {
		t.Errorf("exempt: %+v", e)
	}
	l.Refuse(t, contract.CodeInvalidState, "already", exempt)
	if e := l.Apply(t, contracttest.Pay(p[1], p[0], 1*gx))[0].(*event.TransferCompleted); e.ToVelocityTimerStart != nil {
		t.Errorf("a credit started the timer of an exempt account: %+v", e)
	}
	l.Now = l.Now.Add(2 * cycle)
	l.Refuse(t, contract.CodeNotEligible, "exempt", &command.ApplyVelocityTax{AccountID: p[0]})
	exempt = &command.SetTaxExempt{AccountID: p[0], Reason: "no charity after all"}
	if e := l.Apply(t, exempt)[0].(*event.VelocityTaxExemptionChanged); e.Exempt || !e.VelocityTimerStart.Equal(l.Now) {
		t.Errorf("not exempt: %+v", e)
	}
	l.Now = l.Now.Add(cycle)
	l.Apply(t, &command.ApplyVelocityTax{AccountID: p[0]})
}

// B-329: a preview is the charge.
func TestB329_PreviewIsTheCharge(t *testing.T) {
	l := contracttest.Open(t, "DE", "LK")
	from, to := l.Join(t, "DE", 1)[0], l.Join(t, "LK", 1)[0]
	var preview struct {
		Fee   qirat.Amount `json:"fee"`
		Bps   uint64       `json:"bps"`
		Type  fee.Type     `json:"type"`
		Scope fee.Scope    `json:"scope"`

		Exempt bool `json:"exempt"`
	}
	if err := l.Query(&preview, "TaxAndFeeContract:CalculateTransactionFee", from, to, "2500000", ""); err != nil {
		t.Fatal(err)
	}
	e := l.Apply(t, contracttest.Pay(from, to, 2_500_000))[0].(*event.TransferCompleted)
	if preview.Fee != 3750 || e.Fee != preview.Fee || e.FeeBps != preview.Bps || e.TransferType != string(preview.Type) || e.Scope != string(preview.Scope) {
		t.Errorf("preview %+v, charge %+v", preview, e)
	}
	for _, amount := range []string{"0", "1.5", "-1", "01", "1e9", ""} {
		if err := l.Query(&preview, "TaxAndFeeContract:CalculateTransactionFee", from, to, amount, ""); err == nil {
			t.Errorf("amount %q was accepted", amount)
		}
	}
}
