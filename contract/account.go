package contract

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"time"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/fee"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
	"gxcoin.money/gx/protocol/velocity"
)

// pending is the status of an organization before its activation.
const pending = account.Status(status.OrganizationPending)

// Account holds money. Of a collective account (system pool or treasury)
// Balance is the opening, and Received and Distributed are what its delta rows
// folded so far came to: see tx.balance.
type Account struct {
	AccountID             string         `json:"accountID"`
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

// total is a running total of Qirat; unlike an amount it may exceed the supply.
type total uint64

func (n total) add(m total) (total, error) {
	sum, carry := bits.Add64(uint64(n), uint64(m), 0)
	if carry != 0 {
		return 0, refuse(CodeOverflow, "a running total is too large")
	}
	return total(sum), nil
}

// AppendText implements encoding.TextAppender.
func (n total) AppendText(b []byte) ([]byte, error) { return strconv.AppendUint(b, uint64(n), 10), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (n *total) UnmarshalText(text []byte) error {
	v, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil || strconv.FormatUint(v, 10) != string(text) {
		return fmt.Errorf("%q is not a total of Qirat", text)
	}
	*n = total(v)
	return nil
}

// flow is what went into an account and out of it.
type flow struct {
	In  total `json:"in"`
	Out total `json:"out"`
}

func (f flow) add(g flow) (sum flow, err error) {
	if sum.In, err = f.In.add(g.In); err != nil {
		return flow{}, err
	}
	sum.Out, err = f.Out.add(g.Out)
	return sum, err
}

// apply returns the balance after the flow.
func (f flow) apply(balance qirat.Amount) (qirat.Amount, error) {
	if f.In >= f.Out {
		return balance.Add(qirat.Amount(f.In - f.Out))
	}
	return balance.Sub(qirat.Amount(f.Out - f.In))
}

func accountKey(id string) string     { return compositeKey("acct", id) }
func deltaKey(id, txID string) string { return compositeKey("bd", id, txID) }
func (a *Account) collective() bool   { return account.IsCollective(a.AccountID) }
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
	a.key = key
	return a, nil
}

func (t *tx) setAccount(a *Account) error { return store(t, a.key, a) }

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

// flows sums the movements of a collective account: those folded into it, its
// delta rows and what this transaction adds. It reads all rows, and so
// conflicts with everything that moves money there.
func (t *tx) flows(a *Account) (flow, error) {
	rows, ok := t.rows[a.AccountID]
	if !ok {
		var err error
		if rows, err = t.sumRows(a.AccountID, func(string) bool { return true }); err != nil {
			return flow{}, err
		}
		t.rows[a.AccountID] = rows
	}
	sum, err := flow{a.Received, a.Distributed}.add(rows)
	if err != nil {
		return flow{}, err
	}
	return sum.add(t.deltas[a.AccountID])
}

// sumRows sums the delta rows of an account, until more returns false for one.
func (t *tx) sumRows(id string, more func(key string) bool) (sum flow, err error) {
	var failure error
	err = t.scanPrefix(compositeKey("bd", id), func(key string, data []byte) bool {
		var row *flow
		if row, failure = decode[flow](key, data); failure == nil {
			sum, failure = sum.add(*row)
		}
		return failure == nil && more(key)
	})
	if failure != nil {
		err = failure
	}
	return sum, err
}

// compact folds up to limit delta rows of a collective account into it.
func (t *tx) compact(a *Account, limit int) (folded int, err error) {
	var keys []string
	sum, err := t.sumRows(a.AccountID, func(key string) bool {
		keys = append(keys, key)
		return len(keys) < limit
	})
	if err != nil {
		return 0, err
	}
	if sum, err = sum.add(flow{a.Received, a.Distributed}); err != nil {
		return 0, err
	}
	a.Received, a.Distributed = sum.In, sum.Out
	for _, key := range keys {
		t.delete(key)
	}
	delete(t.rows, a.AccountID)
	return len(keys), t.setAccount(a)
}

// addFlow moves money into or out of a collective account without a read.
func (t *tx) addFlow(id string, f flow) error {
	old := t.deltas[id]
	sum, err := old.add(f)
	if err != nil {
		return err
	}
	if t.depth > 0 {
		t.undo = append(t.undo, change{key: id, delta: true, flow: old})
	}
	t.deltas[id] = sum
	return nil
}

// writeDeltas makes one row of what the transaction did to a collective account.
func (t *tx) writeDeltas() error {
	ids := make([]string, 0, len(t.deltas))
	for id, f := range t.deltas {
		if f != (flow{}) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		f := t.deltas[id]
		if err := store(t, deltaKey(id, t.stub.TxID()), &f); err != nil {
			return err
		}
	}
	return nil
}

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
	r := &TxRecord{
		TxID: t.stub.TxID(), Type: m.Type, FromID: m.From.AccountID, ToID: m.To.AccountID, Amount: m.Amount,
		Fee: m.Quote.Fee, FeeBps: m.Quote.Bps, FeeType: m.Quote.Type, Scope: m.Quote.Scope, Remark: m.Remark, Ref: m.Ref, At: t.now,
	}
	if err := t.addRecord(m.From, r); err != nil {
		return err
	}
	if err := t.addRecord(m.To, r); err != nil {
		return err
	}
	if m.Quote.Fee == 0 {
		return nil
	}
	fund := collectiveAccount(account.OperationsFund)
	if err := t.credit(fund, m.Quote.Fee); err != nil {
		return err
	}
	return t.addRecord(fund, &TxRecord{
		TxID: r.TxID, Type: EntryFee, FromID: r.FromID, ToID: fund.AccountID, Amount: r.Fee, Ref: r.Ref, At: r.At,
	})
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
