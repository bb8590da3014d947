package contracttest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/gxid"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/role"
)

// TB is what the helpers need of a test, a benchmark or a property (rapid.T).
type TB interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// Open returns a ledger that is bootstrapped and knows countries, of equal weight.
func Open(t TB, countries ...string) *Ledger {
	t.Helper()
	l := New()
	p := &command.InitializeCountryData{}
	for _, code := range countries {
		p.Countries = append(p.Countries, command.CountryWeight{CountryCode: code, WeightE8: 1000})
	}
	l.Apply(t, &command.BootstrapSystem{})
	if len(countries) > 0 {
		l.Apply(t, p)
	}
	return l
}

// Item returns a command of a batch with an id of its own.
func (l *Ledger) Item(t TB, p command.Payload) contract.BatchItem {
	t.Helper()
	payload, err := command.Encode(p)
	if err != nil {
		t.Fatal(err)
	}
	l.commands++
	return contract.BatchItem{ID: fmt.Sprintf("c%d", l.commands), Type: p.CommandType(), Payload: payload}
}

// Run runs commands in one batch under the identity that the submitter uses for
// the first, and returns what became of each with the events of the batch. The
// test fails when the transaction is not valid, or a function causes an event
// that it does not declare.
func (l *Ledger) Run(t TB, payloads ...command.Payload) ([]contract.BatchResult, []event.Event) {
	t.Helper()
	items := make([]contract.BatchItem, len(payloads))
	for i, p := range payloads {
		items[i] = l.Item(t, p)
	}
	tx, results, err := l.Batch(As(identity(payloads[0])), items...)
	if err != nil {
		t.Fatalf("batch: %v", err)
	}
	env, events, err := tx.Envelope()
	if err != nil {
		t.Fatalf("envelope: %v", err)
	}
	for i, e := range events {
		cause := env.Commands[env.Events[i].Command].Type
		f := functions()[cause]
		if !slices.Contains(f.Events, e.EventType()) {
			t.Fatalf("%s caused %s, which %s does not declare", cause, e.EventType(), f.Name)
		}
	}
	return results, events
}

// functions returns the function of each command.
var functions = sync.OnceValue(func() map[command.Type]contract.Function {
	m := map[command.Type]contract.Function{}
	for _, f := range contract.Functions() {
		m[f.Command] = f
	}
	return m
})

func identity(p command.Payload) role.Role {
	d, _ := command.Lookup(p.CommandType())
	return d.Identity(p)
}

// Apply runs commands in one batch that must all take effect, and returns the
// events.
func (l *Ledger) Apply(t TB, payloads ...command.Payload) []event.Event {
	t.Helper()
	results, events := l.Run(t, payloads...)
	for i, r := range results {
		if r.Outcome != event.Applied {
			t.Fatalf("%s: %s %s: %s", payloads[i].CommandType(), r.Outcome, r.Code, r.Message)
		}
	}
	return events
}

// Refuse runs a command that must be rejected with a code and a message that
// contains text.
func (l *Ledger) Refuse(t TB, code contract.Code, text string, p command.Payload) {
	t.Helper()
	results, events := l.Run(t, p)
	r := results[0]
	if r.Outcome != event.Rejected || r.Code != string(code) || !strings.Contains(r.Message, text) {
		t.Fatalf("%s: %s %s: %s; want %s with %q", p.CommandType(), r.Outcome, r.Code, r.Message, code, text)
	}
	if len(events) > 0 {
		t.Fatalf("%s: a rejected command caused %d events", p.CommandType(), len(events))
	}
}

// Person returns the registration of a new person, 30 years old.
func (l *Ledger) Person(t TB, country string) *command.CreateUser {
	return l.PersonBorn(t, country, l.Now.AddDate(-30, 0, -1))
}

// PersonBorn returns the registration of a new person with a birth date.
func (l *Ledger) PersonBorn(t TB, country string, born time.Time) *command.CreateUser {
	t.Helper()
	l.people++
	y, m, d := born.Date()
	id, err := gxid.New(sequence(l.people), country, time.Date(y, m, d, 0, 0, 0, 0, time.UTC), gxid.Male)
	if err != nil {
		t.Fatal(err)
	}
	age := l.Now.Year() - y
	if l.Now.YearDay() < born.YearDay() {
		age--
	}
	sum := sha256.Sum256([]byte(id.String()))
	return &command.CreateUser{UserID: id.String(), BiometricHash: hex.EncodeToString(sum[:]), Nationality: country, Age: max(0, age)}
}

// sequence is a source of the random part of ids, one number long.
type sequence uint64

func (n sequence) Read(p []byte) (int, error) {
	binary.BigEndian.PutUint64(p, uint64(n))
	return 8, nil
}

// Join registers people of a country, 30 years old, and returns their ids.
func (l *Ledger) Join(t TB, country string, n int) []string {
	t.Helper()
	var ids []string
	for len(ids) < n {
		p := &command.CreateUsersBatch{}
		for len(p.Users) < command.MaxUsersInBatch && len(ids) < n {
			u := l.Person(t, country)
			p.Users, ids = append(p.Users, *u), append(ids, u.UserID)
		}
		l.Apply(t, p)
	}
	return ids
}

// Pay returns a payment from a person.
func Pay(from, to string, amount qirat.Amount) *command.TransferTokens {
	return &command.TransferTokens{FromID: from, ToID: to, Amount: amount}
}

// Balance returns the balance of an account, which must exist.
func (l *Ledger) Balance(t TB, id string) qirat.Amount {
	t.Helper()
	var balance qirat.Amount
	if err := l.Query(&balance, "TokenomicsContract:GetBalance", id); err != nil {
		t.Fatal(err)
	}
	return balance
}

// CheckSupply fails the test unless the balances of all accounts sum to the supply.
func (l *Ledger) CheckSupply(t TB) {
	t.Helper()
	var sum qirat.Amount
	const prefix = "\x00acct\x00"
	for _, key := range l.between(prefix, prefix+"\U0010FFFF") {
		balance := l.Balance(t, strings.TrimSuffix(strings.TrimPrefix(key, prefix), "\x00"))
		var err error
		if sum, err = sum.Add(balance); err != nil {
			t.Fatal(err)
		}
	}
	if sum != qirat.MaxSupply {
		t.Fatalf("all accounts hold %s, not %s", sum, qirat.MaxSupply)
	}
}
