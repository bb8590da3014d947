package contract

import (
	"errors"
	"fmt"
	"time"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/fee"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/velocity"
)

func init() {
	handle(applyVelocityTax, func(p *command.ApplyVelocityTax) []string {
		return append([]string{accountKey(p.AccountID)}, velocityKeys...)
	}, "VelocityTaxApplied")
	handle(setTaxExempt, func(p *command.SetTaxExempt) []string { return []string{accountKey(p.AccountID)} }, "VelocityTaxExemptionChanged")
	query(command.TaxAndFeeContract, "CheckVelocityTaxEligibility", []string{"accountID"}, checkVelocityTaxEligibility)
	query(command.TaxAndFeeContract, "CalculateVelocityTax", []string{"accountID"}, calculateVelocityTax)
	query(command.TaxAndFeeContract, "CalculateTransactionFee", []string{"fromID", "toID", "amount", "typeHint"}, calculateTransactionFee)
}

var velocityKeys = func() []string {
	keys := []string{parameterKey(velocity.PeriodID)}
	for _, b := range velocity.Default().Bands() {
		keys = append(keys, parameterKey(b.ID))
	}
	return keys
}()

// velocitySchedule returns the rates and the cycle in force.
func (t *tx) velocitySchedule() (velocity.Schedule, error) {
	s := velocity.Default()
	ids := []string{velocity.PeriodID}
	for _, b := range s.Bands() {
		ids = append(ids, b.ID)
	}
	for _, id := range ids {
		n, err := t.parameter(id)
		if err != nil {
			return s, err
		}
		if err := s.Set(id, n); err != nil {
			return s, fmt.Errorf("parameter %s: %w", id, err)
		}
	}
	return s, nil
}

// Assessment is what an account owes by the velocity tax.
type Assessment struct {
	AccountID      string       `json:"accountID"`
	Eligible       bool         `json:"eligible"`
	Reason         string       `json:"reason,omitzero"` // why it is not eligible
	Balance        qirat.Amount `json:"balance"`
	TimerStart     *time.Time   `json:"timerStart,omitzero"`
	DueAt          *time.Time   `json:"dueAt,omitzero"`
	DaysHeld       int          `json:"daysHeld"`
	BandBps        uint64       `json:"bandBps"`
	Tax            qirat.Amount `json:"estimatedTax"` // if it were due now
	Government     qirat.Amount `json:"govtShare"`
	Redistribution qirat.Amount `json:"redistributionShare"`
}

func (t *tx) assess(a *Account) (*Assessment, error) {
	s, err := t.velocitySchedule()
	if err != nil {
		return nil, err
	}
	out := &Assessment{AccountID: a.AccountID, Balance: a.Balance, TimerStart: a.VelocityTaxTimerStart}
	switch {
	case a.collective():
		out.Reason = "system accounts and treasuries are never taxed"
		return out, nil
	case a.Status.Terminal() || a.Status == pending:
		out.Reason = "the account is " + string(a.Status)
		return out, nil
	case a.VelocityTaxExempt:
		out.Reason = "the account is exempt"
		return out, nil
	}
	due, err := s.Assess(a.Balance, a.VelocityTaxTimerStart, t.now)
	if err != nil {
		return nil, err
	}
	out.Eligible, out.DueAt, out.DaysHeld, out.BandBps = due.Due, due.DueAt, due.DaysHeld, due.Bps
	out.Tax, out.Government, out.Redistribution = due.Tax, due.Government, due.Redistribution
	switch {
	case a.Balance < velocity.Threshold:
		out.Reason = "the balance is below " + velocity.Threshold.String()
	case due.DueAt == nil:
		out.Reason = "the timer is not running"
	case !due.Due:
		out.Reason = "the tax is due at " + due.DueAt.Format(time.RFC3339)
	}
	return out, nil
}

func applyVelocityTax(t *tx, p *command.ApplyVelocityTax) (any, error) {
	a, err := t.account(p.AccountID)
	if err != nil {
		return nil, err
	}
	if p.Country != "" && p.Country != a.Country {
		return nil, refuse(CodeInvalidArgument, "country: account %s is of %s", a.AccountID, a.Country)
	}
	due, err := t.assess(a)
	if err != nil {
		return nil, err
	}
	if !due.Eligible {
		return nil, refuse(CodeNotEligible, "account %s owes no velocity tax: %s", a.AccountID, due.Reason)
	}
	treasury, pool := collectiveAccount(account.TreasuryOf(a.Country)), collectiveAccount(account.RedistributionPool)
	for _, share := range [...]movement{
		{To: treasury, Amount: due.Government},
		{To: pool, Amount: due.Redistribution},
	} {
		if share.Amount == 0 {
			continue
		}
		share.From, share.Type = a, EntryVelocityTax
		if err := t.move(share); err != nil {
			return nil, err
		}
	}
	a.VelocityTaxLastCheck, a.VelocityTaxTimerStart = &t.now, nil
	if a.Balance >= velocity.Threshold {
		a.VelocityTaxTimerStart = &t.now
	}
	if err := t.setAccount(a); err != nil {
		return nil, err
	}
	return due, t.emit(&event.VelocityTaxApplied{
		AccountID: a.AccountID, AccountType: a.Kind, TaxAmount: due.Tax, TaxRateBps: due.BandBps,
		TreasuryID: treasury.AccountID, GovtShare: due.Government, RedistributionID: pool.AccountID, RedistributionShare: due.Redistribution,
		Balance: due.Balance, BalanceAfter: a.Balance, PreviousTimerStart: *due.TimerStart, VelocityTimerStart: a.VelocityTaxTimerStart,
	})
}

func setTaxExempt(t *tx, p *command.SetTaxExempt) (any, error) {
	a, err := t.account(p.AccountID)
	switch {
	case err != nil:
		return nil, err
	case a.Status.Terminal():
		return nil, refuse(CodeInvalidState, "account %s is %s", a.AccountID, a.Status)
	case a.VelocityTaxExempt == p.Exempt:
		return nil, refuse(CodeInvalidState, "the exemption of account %s is %t already", a.AccountID, p.Exempt)
	}
	a.VelocityTaxExempt, a.VelocityTaxTimerStart = p.Exempt, nil
	if !p.Exempt && a.Balance >= velocity.Threshold {
		a.VelocityTaxTimerStart = &t.now
	}
	if err := t.setAccount(a); err != nil {
		return nil, err
	}
	return nil, t.emit(&event.VelocityTaxExemptionChanged{
		AccountID: a.AccountID, Exempt: p.Exempt, Reason: p.Reason, VelocityTimerStart: a.VelocityTaxTimerStart,
	})
}

func checkVelocityTaxEligibility(t *tx, args []string) (*Assessment, error) {
	a, err := t.account(args[0])
	if err != nil {
		return nil, err
	}
	return t.assess(a)
}

// taxPreview is what the velocity tax would take now, due or not.
type taxPreview struct {
	AccountID           string       `json:"accountID"`
	Balance             qirat.Amount `json:"balance"`
	BandBps             uint64       `json:"bandBps"`
	Tax                 qirat.Amount `json:"taxAmount"`
	GovtShare           qirat.Amount `json:"govtShare"`
	RedistributionShare qirat.Amount `json:"redistributionShare"`
}

func calculateVelocityTax(t *tx, args []string) (*taxPreview, error) {
	due, err := checkVelocityTaxEligibility(t, args)
	if err != nil {
		return nil, err
	}
	return &taxPreview{due.AccountID, due.Balance, due.BandBps, due.Tax, due.Government, due.Redistribution}, nil
}

// feePreview is what a payment would cost now.
type feePreview struct {
	Fee    qirat.Amount `json:"fee"`
	Bps    uint64       `json:"bps"`
	Type   fee.Type     `json:"type"`
	Scope  fee.Scope    `json:"scope"`
	Exempt bool         `json:"exempt"`
}

func calculateTransactionFee(t *tx, args []string) (*feePreview, error) {
	amount, err := qirat.Parse(args[2])
	switch {
	case err != nil && !errors.Is(err, qirat.ErrRange):
		return nil, refuse(CodeInvalidArgument, "amount: %v", err)
	case err != nil:
		return nil, err
	case amount == 0:
		return nil, refuse(CodeInvalidArgument, "amount: must be greater than 0")
	}
	from, err := t.account(args[0])
	if err != nil {
		return nil, err
	}
	to, err := t.account(args[1])
	if err != nil {
		return nil, err
	}
	q, err := t.quote(from, to, amount, fee.Type(args[3]))
	if err != nil {
		return nil, err
	}
	return &feePreview{q.Fee, q.Bps, q.Type, q.Scope, q.Exempt}, nil
}
