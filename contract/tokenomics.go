package contract

import (
	"errors"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/fee"
	"gxcoin.money/gx/protocol/qirat"
)

func init() {
	pay := handle(transferWithFees, transferKeys, "TransferCompleted")
	pay.alias("Transfer", []string{"fromID", "toID", "amount", "remark"}, func(args []string) []string {
		return []string{args[0], args[1], args[2], "", args[3]} // of the type that follows from the parties
	})
	query(command.TokenomicsContract, "GetBalance", []string{"accountID"}, func(t *tx, args []string) (qirat.Amount, error) {
		a, err := t.account(args[0])
		if err != nil {
			return 0, err
		}
		return t.balance(a)
	})
	query(command.TokenomicsContract, "GetTransactionHistory", []string{"accountID", "pageSize", "bookmark"},
		func(t *tx, args []string) (*page[*TxRecord], error) {
			if _, err := t.account(args[0]); err != nil {
				return nil, err
			}
			return list(t, compositeKey("tx", args[0]), args[1], args[2], func(key string, l *Line) (*TxRecord, error) { return recordOf(attributes(key), l) })
		})
}

// transferResult is what a payment came to.
type transferResult struct {
	Amount      qirat.Amount `json:"amount"`
	Fee         qirat.Amount `json:"fee"`
	FeeBps      uint64       `json:"feeBps"`
	NetReceived qirat.Amount `json:"netReceived"`
	Type        fee.Type     `json:"type"`
	Scope       fee.Scope    `json:"scope"`
}

var feeKeys = func() []string {
	var keys []string
	for _, p := range fee.Default().Parameters() {
		keys = append(keys, parameterKey(p.ID))
	}
	return keys
}()

func transferKeys(p *command.TransferTokens) []string {
	return append([]string{accountKey(p.FromID), accountKey(p.ToID)}, feeKeys...)
}

func transferWithFees(t *tx, p *command.TransferTokens) (any, error) {
	from, err := t.payer(p.FromID)
	if err != nil {
		return nil, err
	}
	if from.Kind != account.Individual {
		return nil, refuse(CodeNotEligible, "%s is not a person: organizations pay by multi-signature", p.FromID)
	}
	to, err := t.payee(p.ToID)
	if err != nil {
		return nil, err
	}
	quote, err := t.quote(from, to, p.Amount, fee.Type(p.TypeHint))
	if err != nil {
		return nil, err
	}
	if err := t.pay(movement{From: from, To: to, Amount: p.Amount, Type: EntryTransfer, Quote: quote, Remark: p.Remark}); err != nil {
		return nil, err
	}
	return &transferResult{p.Amount, quote.Fee, quote.Bps, p.Amount, quote.Type, quote.Scope}, nil
}

// pay moves money from one party to another and tells everyone.
func (t *tx) pay(m movement) error {
	if err := t.move(m); err != nil {
		return err
	}
	e := &event.TransferCompleted{
		FromID: m.From.AccountID, ToID: m.To.AccountID, Amount: m.Amount, Fee: m.Quote.Fee, FeeBps: m.Quote.Bps, NetReceived: m.Amount,
		TransferType: string(m.Quote.Type), Scope: string(m.Quote.Scope), FromKind: m.From.Kind, ToKind: m.To.Kind,
		SenderCountry: m.From.Country, RecipientCountry: m.To.Country, Remark: m.Remark,
		FromBalanceAfter: balanceAfter(m.From), ToBalanceAfter: balanceAfter(m.To),
		FromVelocityTimerStart: m.From.VelocityTaxTimerStart, ToVelocityTimerStart: m.To.VelocityTaxTimerStart,
	}
	if m.Quote.Fee > 0 {
		e.FeeRecipient = account.OperationsFund
	}
	return t.emit(e)
}

// quote prices a payment at the rates in force.
func (t *tx) quote(from, to *Account, amount qirat.Amount, hint fee.Type) (fee.Quote, error) {
	c, err := fee.Classify(from.party(), to.party(), amount, hint)
	switch {
	case errors.Is(err, fee.ErrHint):
		return fee.Quote{}, refuse(CodeInvalidArgument, "typeHint %v", err)
	case errors.Is(err, fee.ErrAmount):
		return fee.Quote{}, refuse(CodeInvalidArgument, "amount %v", err)
	case err != nil:
		return fee.Quote{}, err
	}
	q := fee.Quote{Type: c.Type, Scope: c.Scope, Exempt: c.Exempt}
	if c.ParamID == "" {
		return q, nil
	}
	if q.Bps, err = t.parameter(c.ParamID); err != nil {
		return fee.Quote{}, err
	}
	q.Fee, err = fee.Of(amount, q.Bps)
	return q, err
}
