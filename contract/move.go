package contract

import (
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/fee"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/velocity"
)

// movement is money on its way from one account to another.
type movement struct {
	From, To *Account // as payer, payee, account or collectiveAccount return them
	Amount   qirat.Amount
	Type     EntryType
	Quote    fee.Quote // the payer's fee on top; the zero Quote is none
	Remark   string
	Ref      string // what caused the movement, for example a loan
}

// move moves money, keeps the velocity timers and writes the history of every
// account involved. It checks funds; who may pay whom is for the caller. From
// and To are up to date afterwards and stored.
func (t *tx) move(m movement) error {
	if m.From.AccountID == m.To.AccountID {
		return refuse(CodeInvalidArgument, "money must move between two accounts")
	}
	for _, a := range [...]*Account{m.From, m.To} {
		if a.Status.Terminal() {
			return refuse(CodeInvalidState, "account %s is %s", a.AccountID, a.Status)
		}
	}
	debit, err := m.Amount.Add(m.Quote.Fee)
	if err != nil {
		return err
	}
	if err := t.debit(m.From, debit); err != nil {
		return err
	}
	if err := t.credit(m.To, m.Amount); err != nil {
		return err
	}
	l := Line{
		Type: m.Type, FromID: m.From.AccountID, ToID: m.To.AccountID, Amount: m.Amount,
		Fee: m.Quote.Fee, FeeBps: m.Quote.Bps, FeeType: m.Quote.Type, Scope: m.Quote.Scope, Remark: m.Remark, Ref: m.Ref,
	}
	if err := t.addLine(m.From, l); err != nil {
		return err
	}
	if err := t.addLine(m.To, l); err != nil {
		return err
	}
	if m.Quote.Fee == 0 {
		return nil
	}
	fund := collectiveAccount(account.OperationsFund)
	if err := t.credit(fund, m.Quote.Fee); err != nil {
		return err
	}
	return t.addLine(fund, Line{Type: EntryFee, FromID: m.From.AccountID, ToID: fund.AccountID, Amount: m.Quote.Fee, Ref: m.Ref})
}

func (t *tx) debit(a *Account, amount qirat.Amount) error {
	if a.collective() {
		if !a.blind {
			balance, err := t.balance(a)
			if err != nil {
				return err
			}
			if balance < amount {
				return insufficient(a.AccountID)
			}
		}
		return t.addFlow(a.AccountID, flow{Out: total(amount)})
	}
	after, err := a.Balance.Sub(amount)
	if err != nil {
		return insufficient(a.AccountID)
	}
	return t.setBalance(a, after)
}

func (t *tx) credit(a *Account, amount qirat.Amount) error {
	if a.collective() {
		return t.addFlow(a.AccountID, flow{In: total(amount)})
	}
	after, err := a.Balance.Add(amount)
	if err != nil {
		return err
	}
	return t.setBalance(a, after)
}

func insufficient(id string) error {
	return refuse(CodeInsufficientFunds, "insufficient funds in account %s", id)
}

func (t *tx) setBalance(a *Account, balance qirat.Amount) error {
	if !a.VelocityTaxExempt {
		a.VelocityTaxTimerStart = velocity.Timer(a.VelocityTaxTimerStart, a.Balance, balance, t.now)
	}
	a.Balance = balance
	return t.setAccount(a)
}

// balanceAfter returns what events state of an account after a movement: the
// balance, nil for a collective account.
func balanceAfter(a *Account) *qirat.Amount {
	if a.collective() {
		return nil
	}
	b := a.Balance
	return &b
}
