package contract

import (
	"time"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/fee"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
)

// pending is the status of an organization before its activation.
const pending = account.Status(status.OrganizationPending)

// Account holds money. Of a collective account (system pool or treasury)
// Balance is the opening, and Received and Distributed are what its delta rows
// folded so far came to: see tx.balance.
type Account struct {
	AccountID             string         `json:"accountID,omitzero"` // absent in the state: the key tells
	Kind                  account.Kind   `json:"kind"`
	Owner                 string         `json:"owner,omitzero"` // organization that controls a treasury; nobody can spend from one without
	Country               string         `json:"country,omitzero"`
	Status                account.Status `json:"status"`
	Balance               qirat.Amount   `json:"balance"`
	Received              total          `json:"received,omitzero"`
	Distributed           total          `json:"distributed,omitzero"`
	FrozenReason          string         `json:"frozenReason,omitzero"`
	FrozenAt              *time.Time     `json:"frozenAt,omitzero"`
	VelocityTaxTimerStart *time.Time     `json:"velocityTaxTimerStart,omitzero"`
	VelocityTaxLastCheck  *time.Time     `json:"velocityTaxLastCheck,omitzero"`
	VelocityTaxExempt     bool           `json:"velocityTaxExempt,omitzero"`

	key   string // in the state
	blind bool   // a debit does not look at the balance
}

func accountKey(id string) string   { return compositeKey("acct", id) }
func (a *Account) collective() bool { return account.IsCollective(a.AccountID) }
func (a *Account) party() fee.Party {
	return fee.Party{ID: a.AccountID, Kind: a.Kind, Country: a.Country}
}

// account returns an account of any status.
func (t *tx) account(id string) (*Account, error) {
	key := accountKey(id)
	a, err := load[Account](t, key)
	switch {
	case err != nil:
		return nil, err
	case a == nil:
		return nil, refuse(CodeNotFound, "account %s does not exist", id)
	}
	a.AccountID, a.key = id, key
	return a, nil
}

func (t *tx) setAccount(a *Account) error {
	stored := *a
	stored.AccountID = ""
	return store(t, a.key, &stored)
}

// addAccount opens an account, which must be new.
func (t *tx) addAccount(a *Account) error {
	a.key = accountKey(a.AccountID)
	old, err := t.get(a.key)
	if err != nil {
		return err
	}
	if old != nil {
		return refuse(CodeAlreadyExists, "account %s already exists", a.AccountID)
	}
	return t.setAccount(a)
}

// collectiveAccount stands for a system pool or treasury that is known to exist.
// Nothing is read, so that moves to it and from it conflict with nothing; a
// debit must be covered by other means.
func collectiveAccount(id string) *Account {
	a := &Account{AccountID: id, Kind: account.System, Status: account.Active, blind: true}
	if code, ok := account.TreasuryCountry(id); ok {
		a.Kind, a.Country = account.Treasury, code
	}
	return a
}

// payer returns an account whose owner may spend from it.
func (t *tx) payer(id string) (*Account, error) {
	a, err := t.account(id)
	switch {
	case err != nil:
		return nil, err
	case a.Status == account.Frozen:
		return nil, refuse(CodeAccountFrozen, "sender wallet is frozen: %s", id)
	case a.Status != account.Active:
		return nil, refuse(CodeInvalidState, "sender account %s is %s", id, a.Status)
	case a.Kind == account.Treasury && a.Owner == "":
		return nil, refuse(CodeInvalidState, "treasury %s is not activated", id)
	}
	return a, nil
}

// payee returns an account that anybody may pay to.
func (t *tx) payee(id string) (*Account, error) {
	a, err := t.account(id)
	switch {
	case err != nil:
		return nil, err
	case a.Status == account.Frozen:
		return nil, refuse(CodeAccountFrozen, "receiver wallet is frozen: %s", id)
	case a.Status != account.Active && a.Status != account.Suspended:
		return nil, refuse(CodeInvalidState, "receiver account %s is %s", id, a.Status)
	}
	return a, nil
}

// actor returns the account of a person who may act.
func (t *tx) actor(id string) (*Account, error) {
	a, err := t.account(id)
	switch {
	case err != nil:
		return nil, err
	case a.Kind != account.Individual:
		return nil, refuse(CodeInvalidArgument, "%s is not a person", id)
	case a.Status == account.Frozen:
		return nil, refuse(CodeAccountFrozen, "the account of %s is frozen", id)
	case a.Status != account.Active:
		return nil, refuse(CodeInvalidState, "the account of %s is %s", id, a.Status)
	}
	return a, nil
}

// staff checks the actor of a command that the house gives: when it is a person
// they must be able to act.
func (t *tx) staff(actor string) error {
	if actor == "" {
		return nil
	}
	_, err := t.actor(actor)
	return err
}

// staffKeys lists what staff reads.
func staffKeys(actor string) []string {
	if actor == "" {
		return nil
	}
	return []string{accountKey(actor)}
}

// setStatus changes what an account may do; the reason is kept for a freeze.
func (t *tx) setStatus(a *Account, next account.Status, reason string) error {
	a.Status, a.FrozenReason, a.FrozenAt = next, "", nil
	if next == account.Frozen {
		a.FrozenReason, a.FrozenAt = reason, &t.now
	}
	return t.setAccount(a)
}

// balance returns an account's balance.
func (t *tx) balance(a *Account) (qirat.Amount, error) {
	if !a.collective() {
		return a.Balance, nil
	}
	f, err := t.flows(a)
	if err != nil {
		return 0, err
	}
	return f.apply(a.Balance)
}
