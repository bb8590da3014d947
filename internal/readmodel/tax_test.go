package readmodel_test

import (
	"testing"

	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/qirat"
)

func TestTax(t *testing.T) {
	w := newWorld(t)
	w.open()
	ctx := t.Context()
	started := w.at(2)
	taxable := func(since uint64) []string {
		return drain(t, func(after readmodel.Due, limit int) ([]readmodel.TaxState, error) {
			return readmodel.Taxable(ctx, w.pool, w.at(since), after, limit)
		}, func(a readmodel.TaxState) readmodel.Due {
			return readmodel.Due{At: *a.VelocityTimerStart, ID: a.AccountID}
		})
	}
	same(t, "taxable", []string{"alice", "bob"}, taxable(2))
	same(t, "taxable before", nil, taxable(1))

	at := w.at(w.block)
	w.commit(w.Tax("alice", account.Individual, started, at))
	w.checkBalances()
	w.checkStatements()
	const balance, tax = 500 * qirat.PerGX, 12_500_000
	got := walk(t, "assessments", func(v readmodel.Window) (readmodel.List[readmodel.Assessment], error) {
		return readmodel.Assessments(ctx, w.pool, "alice", v)
	})
	same(t, "assessments", []readmodel.Assessment{{AccountID: "alice", Kind: account.Individual, Balance: balance, RateBps: 250, Tax: tax, TreasuryID: "treasury_AE",
		GovtShare: tax / 2, RedistributionShare: tax / 2, TimerStart: started, TxID: got[0].TxID, At: at}}, got)
	want := readmodel.TaxState{AccountID: "alice", Kind: account.Individual, Country: "AE", Status: "ACTIVE", Balance: balance - tax, VelocityTimerStart: &at, LastTaxedAt: &at}
	same(t, "taxed", want, must[readmodel.TaxState](t)(readmodel.Tax(ctx, w.pool, "alice")))
	same(t, "taxable after the tax", []string{"bob"}, taxable(2))

	w.happen(&event.VelocityTaxExemptionChanged{AccountID: "bob", Exempt: true, Reason: "court order"})
	state := must[readmodel.TaxState](t)(readmodel.Tax(ctx, w.pool, "bob"))
	if !state.TaxExempt || state.TaxExemptReason != "court order" || state.VelocityTimerStart != nil || state.Balance != balance {
		t.Errorf("exempt: %+v", state)
	}
	same(t, "taxable but the exempt", []string{"alice"}, taxable(1000))
	same(t, "exempt", []readmodel.TaxState{state}, must[[]readmodel.TaxState](t)(readmodel.Exempt(ctx, w.pool, "", 2)))
	same(t, "exempt after bob", 0, len(must[[]readmodel.TaxState](t)(readmodel.Exempt(ctx, w.pool, "bob", 2))))
	again := w.at(w.block)
	w.happen(&event.VelocityTaxExemptionChanged{AccountID: "bob", Reason: "over", VelocityTimerStart: &again})
	same(t, "taxable again", []string{"alice", "bob"}, taxable(1000))
	w.happen(&event.UserStatusChanged{UserID: "bob", OldStatus: account.Active, NewStatus: account.Deceased, Reason: "certificate"})
	same(t, "taxable alive", []string{"alice"}, taxable(1000))
}
