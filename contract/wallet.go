package contract

import (
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/qirat"
)

func init() {
	handle(freezeWallet, func(p *command.FreezeWallet) []string { return []string{accountKey(p.AccountID)} }, "WalletFrozen")
	handle(unfreezeWallet, func(p *command.UnfreezeWallet) []string { return []string{accountKey(p.AccountID)} }, "WalletUnfrozen")
	handle(transferInternal, transferInternalKeys, "InternalTransfer")
	handle(compactAccount, func(p *command.CompactAccount) []string { return []string{accountKey(p.AccountID)} })
}

func freezeWallet(t *tx, p *command.FreezeWallet) (any, error) {
	a, err := t.account(p.AccountID)
	if err != nil {
		return nil, err
	}
	switch {
	case a.collective():
		return nil, refuse(CodeInvalidArgument, "accountID: %s cannot be frozen", a.AccountID)
	case a.Status == account.Frozen:
		return nil, refuse(CodeInvalidState, "account %s is already frozen", a.AccountID)
	case !a.Status.CanBecome(account.Frozen):
		return nil, refuse(CodeInvalidState, "account %s is %s", a.AccountID, a.Status)
	}
	if err := t.setStatus(a, account.Frozen, p.Reason); err != nil {
		return nil, err
	}
	return nil, t.emit(&event.WalletFrozen{AccountID: a.AccountID, Reason: p.Reason, FrozenAt: t.now})
}

func unfreezeWallet(t *tx, p *command.UnfreezeWallet) (any, error) {
	a, err := t.account(p.AccountID)
	if err != nil {
		return nil, err
	}
	if a.Status != account.Frozen {
		return nil, refuse(CodeInvalidState, "account %s is not frozen", a.AccountID)
	}
	if err := t.setStatus(a, account.Active, ""); err != nil {
		return nil, err
	}
	return nil, t.emit(&event.WalletUnfrozen{AccountID: a.AccountID, UnfrozenAt: t.now})
}

func transferInternalKeys(p *command.TransferInternal) []string {
	return []string{accountKey(p.FromID), accountKey(p.ToID), parameterKey(parameter.PoolDisburseMax)}
}

// transferInternal moves money that is not a payment: a frozen account takes
// part, and nothing is charged. What leaves the system accounts is limited as a
// disbursement is.
func transferInternal(t *tx, p *command.TransferInternal) (any, error) {
	if account.IsSystem(p.FromID) && !account.IsSystem(p.ToID) {
		if err := t.disbursable(p.Amount); err != nil {
			return nil, err
		}
	}
	from, err := t.account(p.FromID)
	if err != nil {
		return nil, err
	}
	to, err := t.account(p.ToID)
	if err != nil {
		return nil, err
	}
	if err := t.move(movement{From: from, To: to, Amount: p.Amount, Type: EntryAdjustment, Remark: p.Remark, Ref: string(p.Type)}); err != nil {
		return nil, err
	}
	return nil, t.emit(&event.InternalTransfer{
		FromID: from.AccountID, ToID: to.AccountID, Amount: p.Amount, Type: p.Type, Remark: p.Remark,
		FromBalanceAfter: balanceAfter(from), ToBalanceAfter: balanceAfter(to),
		FromVelocityTimerStart: from.VelocityTaxTimerStart, ToVelocityTimerStart: to.VelocityTaxTimerStart,
	})
}

// disbursable refuses an amount that may not leave the system accounts at once.
func (t *tx) disbursable(amount qirat.Amount) error {
	limit, err := t.amount(parameter.PoolDisburseMax)
	if err != nil {
		return err
	}
	if amount > limit {
		return refuse(CodeLimitExceeded, "amount: at most %s Qirat leave a pool at once", limit)
	}
	return nil
}

// compaction says how many delta rows became part of an account.
type compaction struct {
	Folded int `json:"folded"`
}

func compactAccount(t *tx, p *command.CompactAccount) (any, error) {
	a, err := t.account(p.AccountID)
	if err != nil {
		return nil, err
	}
	n, err := t.compact(a, p.Max)
	if err != nil {
		return nil, err
	}
	return &compaction{n}, nil
}
