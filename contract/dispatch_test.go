package contract_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/role"
)

// wantError checks the code and the text of a refusal. Anything else than a
// refusal fails the test.
func wantError(t *testing.T, err error, code contract.Code, text string) {
	t.Helper()
	refusal, ok := errors.AsType[*contract.Error](err)
	if !ok || refusal.Code != code || !strings.Contains(refusal.Message, text) {
		t.Errorf("error %v, want %s with %q", err, code, text)
	}
}

// tooMany are more arguments than any function takes.
var tooMany = slices.Repeat([]string{"x"}, 20)

// functions returns those of a kind.
func functions(kind contract.Kind) []contract.Function {
	return slices.DeleteFunc(contract.Functions(), func(f contract.Function) bool { return f.Kind != kind })
}

func TestKF23Functions(t *testing.T) {
	commands := map[string]contract.Function{}
	for _, f := range functions(contract.KindCommand) {
		commands[f.Name] = f
	}
	for _, d := range command.All() {
		f, ok := commands[d.Name()]
		if !ok {
			t.Errorf("command %s has no handler", d.Type)
			continue
		}
		if f.Command != d.Type || !slices.Equal(f.Args, d.Args()) || !slices.Equal(f.Roles, d.Roles) {
			t.Errorf("%s: %+v differs from its definition", f.Name, f)
		}
		for _, e := range f.Events {
			if !slices.ContainsFunc(event.All(), func(d event.Definition) bool { return d.Type == e }) {
				t.Errorf("%s: event %s is not registered", f.Name, e)
			}
		}
	}
	for _, f := range functions(contract.KindQuery) {
		if len(f.Roles) > 0 || len(f.Events) > 0 {
			t.Errorf("query %s: %+v", f.Name, f)
		}
	}
}

// B-039: there is no default contract. B-020: what only contracts call has no name.
func TestB020_B039_UnknownFunction(t *testing.T) {
	l := contracttest.New()
	for _, name := range []string{
		"", "BootstrapSystem", "Admin:BootstrapSystem", "AdminContract:", ":BootstrapSystem", "AdminContract:bootstrapSystem", "AdminContract:BootstrapSystem ",
		"TokenomicsContract:TransferFromOrganization", "TokenomicsContract:Mint", "AdminContract:UpdateSystemParameter", strings.Repeat("x", 10_000),
	} {
		_, err := l.Simulate(contracttest.As(role.SuperAdmin), name)
		wantError(t, err, contract.CodeNotFound, "does not exist")
		if len(err.Error()) > 200 {
			t.Errorf("the error repeats a name of %d bytes", len(name))
		}
	}
}

// B-012, B-019, B-022, B-030: every command function checks the role by exact
// equality, before it looks at anything else.
func TestB030_Roles(t *testing.T) {
	l := contracttest.Open(t, "DE")
	callers := []contract.Caller{
		{ID: "nobody"},
		{ID: "x509::OU=admin,CN=gx_super_admin::CN=ca", MSP: "Org1MSP"},
		{ID: "other", Role: "GX_SUPER_ADMIN"},
		{ID: "other", Role: "gx_super_admin "},
	}
	for _, r := range role.All {
		callers = append(callers, contracttest.As(r))
	}
	for _, f := range functions(contract.KindCommand) {
		for _, who := range callers {
			_, direct := l.Simulate(who, f.Name, tooMany...)
			args, err := contract.EncodeBatch([]contract.BatchItem{{ID: "c", Type: f.Command, Payload: []byte(`{"bad":1}`)}})
			if err != nil {
				t.Fatal(err)
			}
			_, batch := l.Simulate(who, contract.BatchFunction, args...)
			if slices.Contains(f.Roles, who.Role) {
				if refusal, ok := errors.AsType[*contract.Error](direct); ok && refusal.Code == contract.CodeUnauthorized {
					t.Errorf("%s refuses %s: %v", f.Name, who.Role, direct)
				}
				if batch != nil {
					t.Errorf("batch of %s refuses %s: %v", f.Name, who.Role, batch)
				}
				continue
			}
			wantError(t, direct, contract.CodeUnauthorized, "does not have the required role")
			wantError(t, batch, contract.CodeUnauthorized, "does not have the required role")
		}
	}
	for _, f := range functions(contract.KindQuery) {
		_, err := l.Simulate(callers[0], f.Name, tooMany...)
		wantError(t, err, contract.CodeInvalidArgument, "takes ")
	}
}

// B-001: who acts is an argument; a certificate of a person may act for that
// person alone, and needs no role for it.
func TestB001_Actor(t *testing.T) {
	l := contracttest.Open(t, "DE")
	ids := l.Join(t, "DE", 2)
	const transfer = "TokenomicsContract:TransferWithFees"
	args := []string{ids[0], ids[1], "1000000", "", "lunch"}

	if _, err := l.Invoke(contracttest.As(role.PartnerAPI), transfer, args...); err != nil {
		t.Errorf("the backend acts for a person: %v", err)
	}
	own := contract.Caller{MSP: "Org1MSP", ID: "x509::CN=someone::CN=ca", User: ids[0]}
	if _, err := l.Invoke(own, transfer, args...); err != nil {
		t.Errorf("a person acts: %v", err)
	}
	other := own
	other.User = ids[1]
	_, err := l.Simulate(other, transfer, args...)
	wantError(t, err, contract.CodeUnauthorized, "cannot act for")
	other.Role = role.PartnerAPI
	_, err = l.Simulate(other, transfer, args...)
	wantError(t, err, contract.CodeUnauthorized, "cannot act for")

	// A person has no say in what is not done in a person's name.
	person := l.Person(t, "DE")
	_, err = l.Simulate(own, "IdentityContract:CreateUser", person.UserID, person.BiometricHash, "DE", "30")
	wantError(t, err, contract.CodeUnauthorized, "does not have the required role")
	_, err = l.Simulate(own, "AdminContract:PauseSystem", "mine")
	wantError(t, err, contract.CodeUnauthorized, "does not have the required role")
	item := l.Item(t, contracttest.Pay(ids[0], ids[1], 1*gx))
	_, _, err = l.Batch(own, item)
	wantError(t, err, contract.CodeUnauthorized, "does not have the required role")
	own.Role = role.SuperAdmin // which payments are not for
	item.Payload = []byte(`{"bad":1}`)
	_, _, err = l.Batch(own, item)
	wantError(t, err, contract.CodeUnauthorized, "does not have the required role")
}

// A person cannot use up the id of a command that the backend is going to send.
func TestIDsOfPeople(t *testing.T) {
	l := contracttest.Open(t, "DE")
	ids := l.Join(t, "DE", 2)
	item := l.Item(t, contracttest.Pay(ids[1], ids[0], 1*gx))
	own := contract.Caller{ID: "someone", User: ids[0]}
	tx, err := l.Invoke(own, "TokenomicsContract:TransferWithFees", ids[0], ids[1], "1000000", "", "", item.ID)
	if err != nil {
		t.Fatal(err)
	}
	env, _, err := tx.Envelope()
	if err != nil || env.Commands[0].ID == item.ID {
		t.Fatalf("the envelope says %+v, %v", env.Commands, err)
	}
	_, results, err := l.Batch(contracttest.As(role.PartnerAPI), item)
	if err != nil || results[0].Outcome != event.Applied || results[0].Replayed {
		t.Errorf("the backend's command: %+v, %v", results, err)
	}
}

// B-013: a pause stops every command but the two that end and begin one, and no query.
func TestB013_Pause(t *testing.T) {
	l := contracttest.Open(t, "DE")
	ids := l.Join(t, "DE", 2)
	l.Apply(t, &command.PauseSystem{Reason: "drill"})
	for _, f := range functions(contract.KindCommand) {
		who := contracttest.As(f.Roles[0])
		_, err := l.Simulate(who, f.Name, tooMany...)
		item := contract.BatchItem{ID: "c", Type: f.Command, Payload: []byte(`{"bad":1}`)}
		args, encodeErr := contract.EncodeBatch([]contract.BatchItem{item})
		if encodeErr != nil {
			t.Fatal(encodeErr)
		}
		_, batchErr := l.Simulate(who, contract.BatchFunction, args...)
		if f.Command == command.TypePauseSystem || f.Command == command.TypeResumeSystem {
			wantError(t, err, contract.CodeInvalidArgument, "takes")
			if batchErr != nil {
				t.Errorf("a batch of %s is stopped by a pause: %v", f.Name, batchErr)
			}
			continue
		}
		wantError(t, err, contract.CodeSystemPaused, "system is paused")
		wantError(t, batchErr, contract.CodeSystemPaused, "system is paused")
	}
	_, _, err := l.Batch(backend, contract.BatchItem{ID: "c", Type: "STEAL", Payload: []byte("{}")})
	wantError(t, err, contract.CodeSystemPaused, "system is paused")
	if got := l.Balance(t, ids[0]); got != 500*gx {
		t.Errorf("balance during a pause: %s", got)
	}
	var status contract.SystemStatus
	if err := l.Query(&status, "AdminContract:GetSystemStatus"); err != nil || !status.Paused || status.Reason != "drill" || !status.ChangedAt.Equal(l.Now) {
		t.Errorf("status %+v, %v", status, err)
	}
	l.Refuse(t, contract.CodeInvalidState, "paused already", &command.PauseSystem{Reason: "again"})

	// A command that met the pause may be tried again under its id.
	item := l.Item(t, contracttest.Pay(ids[0], ids[1], 1*gx))

	_, _, err = l.Batch(backend, item)
	wantError(t, err, contract.CodeSystemPaused, "system is paused")
	l.Apply(t, &command.ResumeSystem{})
	if _, results, err := l.Batch(backend, item); err != nil || results[0].Outcome != event.Applied {
		t.Errorf("after the pause: %+v, %v", results, err)
	}
	l.Refuse(t, contract.CodeInvalidState, "not paused", &command.ResumeSystem{})
}

// A pause in the middle of a batch defers what follows it.
func TestPauseInBatch(t *testing.T) {
	l := contracttest.Open(t, "DE")
	id := l.Join(t, "DE", 1)[0]
	results, events := l.Run(t,
		&command.FreezeWallet{AccountID: id, Reason: "before"}, &command.PauseSystem{Reason: "drill"}, &command.UnfreezeWallet{AccountID: id})
	want := []event.Outcome{event.Applied, event.Applied, contract.Deferred}
	for i, r := range results {
		if r.Outcome != want[i] {
			t.Errorf("command %d: %+v, want %s", i, r, want[i])
		}
	}
	if results[2].Code != string(contract.CodeSystemPaused) || len(events) != 2 {
		t.Errorf("deferred as %+v, with %d events", results[2], len(events))
	}
	results, _ = l.Run(t, &command.ResumeSystem{}, &command.UnfreezeWallet{AccountID: id})
	if results[1].Outcome != event.Applied {
		t.Errorf("after the pause: %+v", results[1])
	}
}

func TestDirectCall(t *testing.T) {
	l := contracttest.Open(t, "DE")
	ids := l.Join(t, "DE", 2)
	who := contracttest.As(role.Admin)
	const transfer = "TokenomicsContract:TransferWithFees"
	call := func(args ...string) (*contracttest.Tx, error) { return l.Invoke(who, transfer, args...) }

	for _, args := range [][]string{
		{}, {ids[0], ids[1], "1"}, {ids[0], ids[1], "1", "", "", "key", "more"}, {ids[0], ids[1], "01", "", ""}, {ids[0], ids[1], "1e3", "", ""},
		{ids[0], ids[1], "-1", "", ""}, {ids[0], ids[1], "0", "", ""}, {ids[0], ids[1], "1", "CHEAP", ""}, {ids[0], "SYSTEM_MINTER", "1", "", ""},
		{ids[0], ids[1], "1", "", "a\x00b"}, {ids[0], ids[1], "1", "", "", ""}, {ids[0], ids[1], "1", "", "", strings.Repeat("k", 129)},
		{ids[0], ids[1], "1", "", "", "a\x00b"}, {ids[0], ids[1], "1", "", "", "\xff"}, {ids[0], ids[1], "1", "", "", "\U0010FFFF"},
	} {
		_, err := call(args...)
		wantError(t, err, contract.CodeInvalidArgument, "")
	}

	// Without an id the transaction is the command.
	tx, err := call(ids[0], ids[1], "50000000", "", "")
	if err != nil {
		t.Fatal(err)
	}
	env, events, err := tx.Envelope()
	if err != nil {
		t.Fatal(err)
	}
	if env.Function != transfer || env.TxID != tx.ID || env.Channel != contracttest.Channel || len(env.CallerHash) != 64 || !env.At.Equal(l.Now) ||
		len(env.Commands) != 1 || env.Commands[0].ID != tx.ID || env.Commands[0].ActorID != ids[0] || len(events) != 1 {
		t.Errorf("envelope %+v", env)
	}
	for key := range tx.Writes {
		if strings.HasPrefix(key, "\x00idem") {
			t.Errorf("a call without an id wrote %q", key)
		}
	}

	// With one it happens once.
	first, err := call(ids[0], ids[1], "50000000", "", "", "key")
	if err != nil {
		t.Fatal(err)
	}
	again, err := call(ids[0], ids[1], "50000000", "", "", "key")
	if err != nil || string(again.Result) != string(first.Result) || len(again.Writes) > 0 || again.Event != nil {
		t.Errorf("a repetition: %+v, %v; the first was %s", again, err, first.Result)
	}
	_, err = call(ids[0], ids[1], "50000001", "", "", "key")
	wantError(t, err, contract.CodeIdempotencyConflict, "other arguments")

	// A refusal aborts: nothing is kept.
	_, err = call(ids[0], ids[1], "999999000000", "", "", "poor")
	wantError(t, err, contract.CodeInsufficientFunds, "insufficient funds")
	if _, err = call(ids[0], ids[1], "1000000", "", "", "poor"); err != nil {
		t.Errorf("an aborted call keeps its id: %v", err)
	}
	l.CheckSupply(t)
}

// Transfer is TransferWithFees without a hint: one command by two names.
func TestTransferAlias(t *testing.T) {
	l := contracttest.Open(t, "DE")
	ids := l.Join(t, "DE", 2)
	own := contract.Caller{MSP: "Org1MSP", ID: "x509::CN=someone::CN=ca", User: ids[0]}
	tx, err := l.Invoke(own, "TokenomicsContract:Transfer", ids[0], ids[1], "50000000", "lunch", "key")
	if err != nil {
		t.Fatal(err)
	}
	env, events, err := tx.Envelope()
	if err != nil || env.Function != "TokenomicsContract:TransferWithFees" || env.Commands[0].Type != command.TypeTransferTokens {
		t.Fatalf("envelope %+v, %v", env, err)
	}
	if e := events[0].(*event.TransferCompleted); e.Amount != 50*gx || e.Fee != 25_000 || e.TransferType != "P2P" || e.Remark != "lunch" {
		t.Errorf("%+v", e)
	}
	again, err := l.Invoke(own, "TokenomicsContract:TransferWithFees", ids[0], ids[1], "50000000", "", "lunch", "key")
	if err != nil || len(again.Writes) > 0 || string(again.Result) != string(tx.Result) {
		t.Errorf("the same by its other name: %+v, %v", again, err)
	}
	for _, args := range [][]string{{}, {ids[0], ids[1], "1"}, {ids[0], ids[1], "1", "", "", ""}} {
		_, err := l.Invoke(own, "TokenomicsContract:Transfer", args...)
		wantError(t, err, contract.CodeInvalidArgument, "takes 4 arguments (fromID, toID, amount, remark)")
	}
	_, err = l.Invoke(own, "TokenomicsContract:Transfer", ids[1], ids[0], "1", "")
	wantError(t, err, contract.CodeUnauthorized, "cannot act for")
}
