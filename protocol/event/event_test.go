package event

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/go-cmp/cmp"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
	"gxcoin.money/gx/protocol/trust"
)

const (
	userID         = "LK FF3 ABL912 0WLUY 6025"
	otherID        = "CH 6B5 AUM641 0ABCD 0123"
	relationshipID = userID + ":SPOUSE_OF:" + otherID
)

// samples returns an event of every type with every member set.
func samples() []Event {
	at := time.Date(2026, time.February, 3, 0, 0, 0, 0, time.UTC)
	balance := 7 * qirat.PerGX
	return []Event{
		&SystemBootstrapped{qirat.MaxSupply, []PoolOpening{{account.LoanPool, 5}}, []Parameter{{"fee.p2p.local.low", "5"}}},
		&CountryDataInitialized{[]CountrySlots{{"LK", 30, [6]uint64{1, 2, 3, 4, 5, 6}}}},
		&SystemPaused{"upgrade"},
		&SystemResumed{},
		&UserCreated{userID, strings.Repeat("ab", 32), "LK", "ACTIVE", 10, "DISTRIBUTED", at},
		&GenesisDistributed{userID, "LK", 1, 500 * qirat.PerGX, 22, true, "DISTRIBUTED", account.UserGenesisPool, 500 * qirat.PerGX, &at},
		&TreasuryAllocated{account.TreasuryOf("LK"), userID, "LK", 1, 50 * qirat.PerGX, account.GovtGenesisPool},
		&TransferCompleted{
			FromID: userID, ToID: "acme", Amount: 10, Fee: 1, FeeBps: 15, NetReceived: 10, TransferType: "MERCHANT", Scope: "LOCAL",
			FromKind: account.Individual, ToKind: account.Business, SenderCountry: "LK", RecipientCountry: "LK",
			FeeRecipient: account.OperationsFund, Remark: "tea", FromBalanceAfter: &balance, ToBalanceAfter: &balance,
			FromVelocityTimerStart: &at, ToVelocityTimerStart: &at,
		},
		&WalletFrozen{userID, "court order", at},
		&WalletUnfrozen{userID, at},
		&InternalTransfer{userID, "acme", 5, command.SystemAdjustment, "correction", &balance, &balance, &at, &at},
		&UserStatusChanged{userID, account.Active, account.Suspended, "inquiry"},
		&TrustScoreUpdated{userID, 75, 30, 10, 10, 15},
		&RelationshipRequested{relationshipID, userID, otherID, trust.SpouseOf},
		&RelationshipConfirmed{relationshipID, userID, otherID, trust.SpouseOf},
		&RelationshipRejected{relationshipID, userID, otherID, trust.SpouseOf, "a stranger"},
		&RelationshipEnded{relationshipID, userID, otherID, trust.SpouseOf, userID, "divorce"},
		&GuardiansNominated{userID, []string{otherID}},
		&RecoveryInitiated{"RECOVERY_1", userID, otherID, strings.Repeat("ab", 32), 2, at},
		&RecoveryVoteCast{"RECOVERY_1", userID, otherID, 2, 2},
		&RecoveryConfirmed{"RECOVERY_1", userID, at},
		&RecoveryExecuted{"RECOVERY_1", userID, strings.Repeat("ab", 32), 1},
		&RecoveryCancelled{"RECOVERY_1", userID},
		&RecoveryExpired{"RECOVERY_1", userID},
		&OrganizationProposed{"acme", "Acme Ltd", account.Business, "LK", []string{userID}, userID},
		&MembershipEndorsed{"acme", userID, 1},
		&OrganizationActivated{"acme", userID},
		&AuthRuleDefined{"acme", "RULE_1", 5, 1, []string{userID}, userID, true},
		&MultiSigTxInitiated{"PENDING_TX_1", "acme", status.OperationTransfer, userID, "acme", otherID, 5, "rent",
			&Rule{5, 1, []string{userID}}, "RULE_1", 2, []string{userID}, true, at},
		&MultiSigTxApproved{"PENDING_TX_1", "acme", otherID, 2, 2},
		&MultiSigTxExecuted{"PENDING_TX_1", "acme", otherID},
		&MultiSigTxExecutionFailed{"PENDING_TX_1", "acme", "INSUFFICIENT_FUNDS", "insufficient funds"},
		&MultiSigTxRejected{"PENDING_TX_1", "acme", otherID, "too much", status.MultiSigRejected},
		&MultiSigTxCancelled{"PENDING_TX_1", "acme", userID},
		&MultiSigTxExpired{"PENDING_TX_1", "acme"},
		&LoanApplicationReceived{"LOAN_1", userID, 5, "a shop", strings.Repeat("ab", 32), 90, at},
		&LoanApproved{"LOAN_1", userID, 5, "clerk", at, account.LoanPool, 7, &at},
		&LoanRejected{"LOAN_1", userID, "clerk", "no collateral"},
		&LoanCancelled{"LOAN_1", userID},
		&LoanRepaid{"LOAN_1", userID, otherID, 5, 1, 5, status.LoanActive, account.LoanPool, 7, &at},
		&LoanDefaulted{"LOAN_1", userID, "scheduler", 5, 2, true},
		&ProposalSubmitted{"PROP_1", "recoveryEnabled", "false", "true", userID, "Vote longer", "Three weeks.", 100, 60, at},
		&VoteCast{"PROP_1", userID, true},
		&ProposalTallied{"PROP_1", 80, 20, otherID, true},
		&ProposalExecuted{"PROP_1", "recoveryEnabled", "true", 80, 20},
		&ProposalFailed{"PROP_1", 20, 80, status.ProposalFailed, "80 of 100 votes are against it"},
		&ProposalCancelled{"PROP_1", "clerk"},
		&SystemParameterUpdated{"recoveryEnabled", "false", "true", status.SourceProposal, "PROP_1"},
		&AdminAppointed{userID, "clerk"},
		&AdminRevoked{userID},
		&AuditAnchored{7, strings.Repeat("ab", 32)},
		&TreasuryActivated{account.TreasuryOf("LK"), "LK", "ministry"},
		&PoolDisbursed{account.CharitablePool, userID, 5, "flood relief", &balance, &at},
		&VelocityTaxApplied{userID, account.Individual, 5, 250, account.TreasuryOf("LK"), 2, account.RedistributionPool, 3, 12, 7, at, &at},
		&VelocityTaxExemptionChanged{userID, false, "court order", &at},
	}
}

func sampleEnvelope(t testing.TB) Envelope {
	t.Helper()
	env := Envelope{
		Version: 1, TxID: "tx", At: time.Date(2026, time.February, 3, 0, 0, 0, 0, time.UTC),
		Channel: "gx", Function: "BatchContract:Execute", CallerHash: "c0ffee",
		Commands: []CommandResult{
			{ID: "a", Type: "TRANSFER_TOKENS", ActorID: userID, Outcome: Applied, Result: jsontext.Value(`{"fee":"1"}`)},
			{ID: "b", Type: "FREEZE_WALLET", Outcome: Rejected, Code: "NOT_FOUND", Message: "no such account"},
		},
	}
	for i, e := range samples() {
		r, err := NewRecord(i, 0, e)
		if err != nil {
			t.Fatal(err)
		}
		env.Events = append(env.Events, r)
	}
	return env
}

func encode(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func record(t testing.TB, e Event) Record {
	t.Helper()
	r, err := NewRecord(0, 0, e)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestEveryTypeHasASample(t *testing.T) {
	var got, want []Type
	for _, e := range samples() {
		got = append(got, e.EventType())
	}
	for _, d := range All() {
		want = append(want, d.Type)
		if reflected := d.New().EventType(); reflected != d.Type {
			t.Errorf("%s makes a %s", d.Type, reflected)
		}
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestRoundTrip(t *testing.T) {
	for _, e := range samples() {
		r := record(t, e)
		got, err := Decode(r)
		if err != nil {
			t.Errorf("%s: %v", r.Type, err)
			continue
		}
		if diff := cmp.Diff(e, got); diff != "" {
			t.Errorf("%s: %s", r.Type, diff)
		}
	}
	env := sampleEnvelope(t)
	got, err := DecodeEnvelope(encode(t, env))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(env, got); diff != "" {
		t.Error(diff)
	}
}

// The optional members are absent when they do not apply.
func TestOptionalMembers(t *testing.T) {
	for _, d := range All() {
		r := record(t, d.New())
		for name := range optional {
			typ, member, _ := strings.Cut(name, ".")
			if typ == string(d.Type) && strings.Contains(string(r.Data), `"`+member+`"`) {
				t.Errorf("%s is there: %s", name, r.Data)
			}
		}
		if _, err := Decode(r); err != nil && !errors.Is(err, ErrForm) {
			t.Errorf("%s: %v", d.Type, err)
		}
	}
}

func TestB034_Decode(t *testing.T) {
	for name, c := range map[string]struct {
		typ     Type
		version string
		data    string
		want    error // nil: accepted
	}{
		"white space and order": {"WalletFrozen", "1.0", `{ "reason":"x", "accountID":"abc", "frozenAt":"2026-01-01T00:00:00Z" }`, nil},
		"escaped text":          {"SystemPaused", "1.0", `{"reason":"\u0041"}`, nil},
		"other version":         {"SystemPaused", "1.1", `{"reason":"x"}`, ErrUnknown},
		"no version":            {"SystemPaused", "", `{"reason":"x"}`, ErrUnknown},
		"unknown type":          {"CoinsMinted", "1.0", `{}`, ErrUnknown},
		"missing member":        {"SystemPaused", "1.0", `{}`, ErrForm},
		"null":                  {"SystemPaused", "1.0", `null`, ErrForm},
		"null member":           {"SystemPaused", "1.0", `{"reason":null}`, ErrForm},
		"null option":           {"SystemPaused", "1.0", `{"reason":"x","more":null}`, json.ErrUnknownName},
		"duplicate":             {"SystemPaused", "1.0", `{"reason":"x","reason":"y"}`, jsontext.ErrDuplicateName},
		"other case":            {"SystemPaused", "1.0", `{"Reason":"x"}`, json.ErrUnknownName},
		"five slots":            {"CountryDataInitialized", "1.0", `{"countries":[{"countryCode":"LK","weightE8":1,"slots":[1,2,3,4,5]}]}`, errAny},
		"nested member missing": {"CountryDataInitialized", "1.0", `{"countries":[{"countryCode":"LK","slots":[1,2,3,4,5,6]}]}`, ErrForm},
		"trailing data":         {"SystemResumed", "1.0", `{} {}`, errAny},
	} {
		_, err := Decode(Record{Type: c.typ, Version: c.version, Data: jsontext.Value(c.data)})
		if (err == nil) != (c.want == nil) || c.want != nil && c.want != errAny && !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

var errAny = errors.New("any error")

func TestNewRecordRefusesUnregistered(t *testing.T) {
	if _, err := NewRecord(0, 0, unregistered{}); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
}

type unregistered struct{}

func (unregistered) EventType() Type { return "Unregistered" }

func TestDecodeEnvelopeVersion(t *testing.T) {
	env := sampleEnvelope(t)
	env.Version = 2
	if _, err := DecodeEnvelope(encode(t, env)); !errors.Is(err, ErrUnknown) {
		t.Error(err)
	}
}

// What is accepted is what its value writes: no second reading exists.
func FuzzDecode(f *testing.F) {
	for _, e := range samples() {
		r := record(f, e)
		f.Add(string(r.Type), r.Version, []byte(r.Data))
		f.Add(string(r.Type), r.Version, []byte(`{}`))
	}
	f.Add("CoinsMinted", "1.0", []byte(`{}`))
	f.Fuzz(func(t *testing.T, typ, version string, data []byte) {
		e, err := Decode(Record{Type: Type(typ), Version: version, Data: data})
		if err != nil {
			return
		}
		again, err := Decode(record(t, e))
		if err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if diff := cmp.Diff(e, again); diff != "" {
			t.Errorf("%s: %s", data, diff)
		}
	})
}

func FuzzDecodeEnvelope(f *testing.F) {
	f.Add(encode(f, sampleEnvelope(f)))
	f.Add([]byte(`{"v":1,"txId":"","at":"2026-01-01T00:00:00Z","channel":"","fn":"","callerHash":"","commands":[],"events":[]}`))
	f.Add([]byte(`{"v":1}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		env, err := DecodeEnvelope(payload)
		if err != nil {
			return
		}
		for _, r := range env.Events {
			_, _ = Decode(r)
		}
		if _, err := DecodeEnvelope(encode(t, env)); err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
	})
}

func BenchmarkDecode(b *testing.B) {
	r := record(b, samples()[7])
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(r); err != nil {
			b.Fatal(err)
		}
	}
}
