package readmodeltest

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/qirat"
)

// Genesis of phase 1.
const (
	UserGenesis = 500 * qirat.PerGX
	GovtGenesis = 50 * qirat.PerGX
)

// Economy emits the events that the contracts would and keeps the balances.
type Economy struct {
	Balances  map[string]qirat.Amount
	Countries []string
	Users     []string
	nations   map[string]string
	commands  int
	txs       int
}

// NewEconomy returns an economy before the bootstrap.
func NewEconomy() *Economy {
	return &Economy{Balances: map[string]qirat.Amount{}, nations: map[string]string{}}
}

// Command is one command with the events that it caused.
type Command struct {
	Type   command.Type
	Actor  string
	Code   string // of a rejection; empty when applied
	Events []event.Event
}

// Bootstrap opens the ledger.
func (e *Economy) Bootstrap() Command {
	b := &event.SystemBootstrapped{MaxSupply: qirat.MaxSupply, Parameters: []event.Parameter{{ParamID: "fee.p2p.local.low", Value: "5"}}}
	for _, p := range account.Pools {
		b.Pools = append(b.Pools, event.PoolOpening{AccountID: p.Account, Opening: qirat.Amount(p.Opening)})
		e.Balances[p.Account] = qirat.Amount(p.Opening)
	}
	return Command{Type: command.TypeBootstrapSystem, Events: []event.Event{b}}
}

// AddCountries fixes the countries.
func (e *Economy) AddCountries(codes ...string) Command {
	c := &event.CountryDataInitialized{}
	for _, code := range codes {
		c.Countries = append(c.Countries, event.CountrySlots{CountryCode: code, WeightE8: 1000, Slots: [6]uint64{100, 200, 300, 400, 500, 600}})
		e.Balances[account.TreasuryOf(code)] = 0
	}
	e.Countries = append(e.Countries, codes...)
	return Command{Type: command.TypeInitializeCountryData, Events: []event.Event{c}}
}

// CreateUser registers a person with genesis.
func (e *Economy) CreateUser(id, country string, at time.Time) Command {
	e.Users = append(e.Users, id)
	e.nations[id] = country
	e.Balances[id] = UserGenesis
	e.Balances[account.TreasuryOf(country)] += GovtGenesis
	e.Balances[account.UserGenesisPool] -= UserGenesis
	e.Balances[account.GovtGenesisPool] -= GovtGenesis
	return Command{Type: command.TypeCreateUser, Events: []event.Event{
		&event.UserCreated{UserID: id, BiometricHash: "00", Nationality: country, Status: "Active", TrustScore: 10, GenesisStatus: "PENDING_AGE", At: at},
		&event.GenesisDistributed{UserID: id, Nationality: country, Phase: 1, Amount: UserGenesis, Age: 30, Eligible: true, Status: "DISTRIBUTED",
			PoolSource: account.UserGenesisPool, BalanceAfter: UserGenesis, VelocityTimerStart: &at},
		&event.TreasuryAllocated{TreasuryID: account.TreasuryOf(country), UserID: id, Nationality: country, Phase: 1, Amount: GovtGenesis, PoolSource: account.GovtGenesisPool},
	}}
}

// Transfer pays from a person to any account; beyond the sender's means it is rejected.
func (e *Economy) Transfer(from, to string, amount, fee qirat.Amount, remark string) Command {
	c := Command{Type: command.TypeTransferTokens, Actor: from}
	if e.Balances[from] < amount+fee {
		c.Code = "INSUFFICIENT_FUNDS"
		return c
	}
	e.Balances[from] -= amount + fee
	e.Balances[to] += amount
	e.Balances[account.OperationsFund] += fee
	t := &event.TransferCompleted{FromID: from, ToID: to, Amount: amount, Fee: fee, NetReceived: amount, TransferType: "P2P", Scope: "LOCAL",
		FromKind: account.Individual, ToKind: account.Individual, SenderCountry: e.nations[from], RecipientCountry: e.nations[to], Remark: remark,
		FromBalanceAfter: e.after(from), ToBalanceAfter: e.after(to)}
	if account.IsCollective(to) {
		t.ToKind = account.System
	}
	if fee > 0 {
		t.FeeRecipient = account.OperationsFund
	}
	c.Events = []event.Event{t}
	return c
}

// Freeze blocks an account.
func (e *Economy) Freeze(id, reason string, at time.Time) Command {
	return Command{Type: command.TypeFreezeWallet, Events: []event.Event{&event.WalletFrozen{AccountID: id, Reason: reason, FrozenAt: at}}}
}

// Unfreeze ends a freeze.
func (e *Economy) Unfreeze(id string, at time.Time) Command {
	return Command{Type: command.TypeUnfreezeWallet, Events: []event.Event{&event.WalletUnfrozen{AccountID: id, UnfrozenAt: at}}}
}

// Pause stops the system.
func (e *Economy) Pause(reason string) Command {
	return Command{Type: command.TypePauseSystem, Events: []event.Event{&event.SystemPaused{Reason: reason}}}
}

// Resume ends the pause.
func (e *Economy) Resume() Command {
	return Command{Type: command.TypeResumeSystem, Events: []event.Event{&event.SystemResumed{}}}
}

// Tx returns a valid transaction that carries commands. Command ids are c1, c2,
// ... and transaction ids tx1, tx2, ... in order of the calls.
func (e *Economy) Tx(commands ...Command) ledger.BlockTx {
	env := e.Envelope(commands...)
	payload, err := json.Marshal(env)
	if err != nil {
		panic(err)
	}
	return ledger.BlockTx{ID: env.TxID, Code: ledger.Valid, Event: &ledger.Event{Name: event.EnvelopeName, Payload: payload}}
}

// Envelope returns the envelope of the next transaction.
func (e *Economy) Envelope(commands ...Command) event.Envelope {
	e.txs++
	env := event.Envelope{Version: 1, TxID: fmt.Sprintf("tx%d", e.txs), At: Epoch, Channel: "gx", Function: "BatchContract:Execute", CallerHash: "00"}
	for i, c := range commands {
		e.commands++
		r := event.CommandResult{ID: fmt.Sprintf("c%d", e.commands), Type: c.Type, ActorID: c.Actor, Outcome: event.Applied, Result: jsontext.Value(`{"ok":true}`)}
		if c.Code != "" {
			r = event.CommandResult{ID: r.ID, Type: c.Type, ActorID: c.Actor, Outcome: event.Rejected, Code: c.Code, Message: "refused"}
		}
		env.Commands = append(env.Commands, r)
		for _, ev := range c.Events {
			rec, err := event.NewRecord(len(env.Events), i, ev)
			if err != nil {
				panic(err)
			}
			env.Events = append(env.Events, rec)
		}
	}
	return env
}

// Decoded returns the next transaction as a projection takes it.
func (e *Economy) Decoded(block uint64, index int, commands ...Command) readmodel.Tx {
	env := e.Envelope(commands...)
	t := readmodel.Tx{ID: env.TxID, Block: block, Index: index, At: Epoch.Add(time.Duration(block) * time.Second), Commands: env.Commands}
	for _, r := range env.Events {
		content, err := event.Decode(r)
		if err != nil {
			panic(err)
		}
		t.Events = append(t.Events, readmodel.Event{Record: r, Content: content})
	}
	return t
}
