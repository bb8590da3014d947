package contract_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/role"
)

var update = flag.Bool("update", false, "write testdata/matrix.txt anew")

// Each function is tried by each wrong caller and while the system is paused,
// and then with each person or organization that it names in each state in which
// they may not take part, by somebody else, and too early or too late. What came
// of it is in testdata/matrix.txt, to be read; a refusal leaves its receipt alone.
func TestMatrix(t *testing.T) {
	var page strings.Builder
	for _, s := range specimens(t) {
		m := &matrix{t: t, specimen: s}
		m.Definition, _ = command.Lookup(s.CommandType())
		t.Run(m.Name(), func(t *testing.T) {
			m.t = t
			m.callers()
			m.paused()
			m.actors()
			m.others()
			m.times()
		})
		fmt.Fprintf(&page, "%s\n%s\n", m.Name(), m.page.String())
	}
	const golden = "testdata/matrix.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got := page.String(); got != string(want) {
		a, b := strings.Split(got, "\n"), strings.Split(string(want), "\n")
		for i := range min(len(a), len(b)) {
			if a[i] != b[i] {
				t.Fatalf("line %d of %s says %q, it is %q; -update writes it anew", i+1, golden, b[i], a[i])
			}
		}
		t.Fatalf("%s has %d lines instead of %d; -update writes it anew", golden, len(b), len(a))
	}
}

// matrix is what becomes of one command.
type matrix struct {
	t *testing.T
	specimen
	command.Definition
	page strings.Builder
}

// run sends a command on a ledger, and returns the code of its refusal or
// APPLIED.
func (m *matrix) run(l *contracttest.Ledger, p command.Payload) string {
	m.t.Helper()
	tx, results, err := l.Batch(contracttest.As(m.Identity(p)), l.Item(m.t, p))
	if err != nil {
		m.t.Fatal(err)
	}
	_, events, err := tx.Envelope()
	if err != nil {
		m.t.Fatal(err)
	}
	if r := results[0]; r.Outcome != event.Applied {
		keys := slices.Collect(maps.Keys(tx.Writes))
		if len(events) > 0 || len(keys) != 1 || !strings.HasPrefix(keys[0], "\x00idem\x00") {
			m.t.Errorf("%s: the refusal %s leaves %q and %d events", m.Name(), r.Code, keys, len(events))
		}
		return r.Code
	}
	for _, e := range events {
		if failed, ok := e.(*event.MultiSigTxExecutionFailed); ok {
			return "APPLIED, the payment fails: " + failed.Code
		}
	}
	return string(event.Applied)
}

// try notes what becomes of a command under a condition.
func (m *matrix) try(condition string, l *contracttest.Ledger, p command.Payload) string {
	m.t.Helper()
	code := m.run(l, p)
	fmt.Fprintf(&m.page, "  %-30s %s\n", condition, code)
	return code
}

// must is try where only one outcome is right.
func (m *matrix) must(want contract.Code, condition string, l *contracttest.Ledger, p command.Payload) {
	m.t.Helper()
	if got := m.try(condition, l, p); got != string(want) {
		m.t.Errorf("%s: %s comes to %s, want %s", m.Name(), condition, got, want)
	}
}

// refused calls the function both ways, which must be refused.
func (m *matrix) refused(l *contracttest.Ledger, who contract.Caller, code contract.Code) {
	m.t.Helper()
	before := l.State()
	_, direct := l.Invoke(who, m.Name(), arguments(m.t, m.Payload)...)
	wantError(m.t, direct, code, "")
	_, _, batch := l.Batch(who, l.Item(m.t, m.Payload))
	wantError(m.t, batch, code, "")
	if !maps.EqualFunc(l.State(), before, bytes.Equal) {
		m.t.Errorf("%s: a call that was refused with %s leaves a trace", m.Name(), code)
	}
}

// callers: those without one of the roles, and a person who is not the actor.
func (m *matrix) callers() {
	for _, r := range append([]role.Role{"", "gx_auditor"}, role.All...) {
		if !slices.Contains(m.Roles, r) {
			m.refused(m.ledger, contracttest.As(r), contract.CodeUnauthorized)
		}
	}
	stranger := contract.Caller{ID: "someone", User: m.ledger.Person(m.t, "DE").UserID}
	m.refused(m.ledger, stranger, contract.CodeUnauthorized)
	if m.Actor() != "" {
		stranger.Role = m.Identity(m.Payload)
		m.refused(m.ledger, stranger, contract.CodeUnauthorized)
	}
}

func (m *matrix) paused() {
	switch m.Type {
	case command.TypeBootstrapSystem, command.TypePauseSystem, command.TypeResumeSystem: // before, or about the pause itself
		return
	}
	l := m.ledger.Clone()
	l.Apply(m.t, &command.PauseSystem{Reason: "x"})
	m.refused(l, contracttest.As(m.Identity(m.Payload)), contract.CodeSystemPaused)
}

// states are those in which a person may not act, with what they are told.
var states = []struct {
	name string
	code contract.Code
	set  func(id string) command.Payload
}{
	{"frozen", contract.CodeAccountFrozen, func(id string) command.Payload { return &command.FreezeWallet{AccountID: id, Reason: "x"} }},
	{"suspended", contract.CodeInvalidState, func(id string) command.Payload {
		return &command.SetUserStatus{UserID: id, Status: "SUSPENDED", Reason: "x"}
	}},
	{"deceased", contract.CodeInvalidState, func(id string) command.Payload {
		return &command.SetUserStatus{UserID: id, Status: "DECEASED", Reason: "x"}
	}},
}

// actorFields are the names of the one who acts.
var actorFields = []string{"actorID", "fromID", "approverAdminID", "adminID"}

// actors: the one who acts is unknown, may not act, or is somebody else; and
// staff who are persons must be able to act as well.
func (m *matrix) actors() {
	fields := m.fields()
	i := slices.IndexFunc(actorFields, func(name string) bool { return fields[name] != "" })
	if i < 0 || m.Type == command.TypeTransferInternal || m.Type == command.TypeRevokeAdmin {
		return
	}
	field := actorFields[i]
	as := func(id string) command.Payload { return m.with(field, fields[field], id) }
	unknown := contract.CodeNotFound
	switch m.Type { // what is looked at first
	case command.TypeCancelRecovery:
		unknown = contract.CodeUnauthorized
	case command.TypeProposeOrganization:
		unknown = contract.CodeInvalidArgument
	}
	m.must(unknown, "the actor is unknown", m.ledger.Clone(), as(m.ledger.Person(m.t, "DE").UserID))
	l := m.ledger.Clone()
	stranger := l.Person(m.t, "DE")
	l.Apply(m.t, stranger)
	m.try("the actor is somebody else", l, as(stranger.UserID))
	actor := m.Actor()
	if actor == "" {
		actor = stranger.UserID
	}
	for _, s := range states {
		l := l.Clone()
		l.Apply(m.t, s.set(actor))
		m.must(s.code, "the actor is "+s.name, l, as(actor))
	}
}

// others: a person or organization that is named, other than the actor, is in a
// state in which they may not take part, or unknown.
func (m *matrix) others() {
	fields := m.fields()
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		id := fields[name]
		if id == m.Actor() || account.IsCollective(id) || m.ledger.State()["\x00acct\x00"+id+"\x00"] == nil {
			continue
		}
		for _, s := range states {
			l := m.ledger.Clone()
			results, _ := l.Run(m.t, s.set(id))
			if results[0].Outcome == event.Applied {
				m.try(name+" is "+s.name, l, m.Payload)
			}
		}
		unknown := m.ledger.Person(m.t, "DE").UserID
		if !strings.Contains(id, " ") {
			unknown = "unknown-inc"
		}
		if p := m.with(name, id, unknown); p != nil {
			m.try(name+" is unknown", m.ledger.Clone(), p)
		}
	}
}

// times: a year later, and before what had to pass has passed.
func (m *matrix) times() {
	later := m.ledger.Clone()
	later.Now = later.Now.AddDate(0, 0, 400)
	m.try("400 days later", later, m.Payload)
	earlier := m.ledger.Clone()
	earlier.Now = contracttest.New().Now.Add(2 * time.Minute)
	if earlier.Now.Before(m.ledger.Now.Add(-day)) {
		m.try("at once", earlier, m.Payload)
	}
}

// fields returns the texts of the payload by the names of their fields.
func (m *matrix) fields() map[string]string {
	data, err := command.Encode(m.Payload)
	if err != nil {
		m.t.Fatal(err)
	}
	var members map[string]jsontext.Value
	if err := json.Unmarshal(data, &members); err != nil {
		m.t.Fatal(err)
	}
	texts := map[string]string{}
	for name, v := range members {
		var text string
		if v.Kind() == '"' && json.Unmarshal(v, &text) == nil && text != "" {
			texts[name] = text
		}
	}
	return texts
}

// with returns the payload with another text in a field, nil when that is not valid.
func (m *matrix) with(field, old, text string) command.Payload {
	data, err := command.Encode(m.Payload)
	if err != nil {
		m.t.Fatal(err)
	}
	changed := bytes.Replace(data, fmt.Appendf(nil, "%q:%q", field, old), fmt.Appendf(nil, "%q:%q", field, text), 1)
	p, err := command.Decode(m.Type, changed)
	if err != nil {
		return nil
	}
	return p
}
