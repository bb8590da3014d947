package contract_test

import (
	"strings"
	"testing"
	"time"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/status"
)

var newKey = strings.Repeat("cd", 32)

// guarded returns a ledger on which recovery is enabled and a person who has
// five guardians.
func guarded(t testing.TB) (l *contracttest.Ledger, owner string, guardians []string) {
	t.Helper()
	l = contracttest.Open(t, "DE")
	p := l.Join(t, "DE", 7)
	l.Apply(t, &command.EmergencySetParameter{ParamID: "recoveryEnabled", NewValue: "true", Reason: "reviewed"})
	l.Apply(t, &command.NominateGuardians{ActorID: p[0], GuardianIDs: p[1:6]})
	return l, p[0], p[1:]
}

func initiate(t testing.TB, l *contracttest.Ledger, guardian, owner string) string {
	t.Helper()
	for _, e := range l.Apply(t, &command.InitiateRecovery{ActorID: guardian, LostAccountID: owner, NewControllerKeyHash: newKey}) {
		if e, ok := e.(*event.RecoveryInitiated); ok {
			return e.SessionID
		}
	}
	t.Fatal("no session")
	return ""
}

func session(t testing.TB, l *contracttest.Ledger, id string) contract.RecoverySession {
	t.Helper()
	var s contract.RecoverySession
	if err := l.Query(&s, "IdentityContract:GetRecoverySession", id); err != nil {
		t.Fatal(err)
	}
	return s
}

// B-014: recovery is complete, and switched off until it is reviewed.
func TestB014_RecoveryIsSwitchedOff(t *testing.T) {
	l := contracttest.Open(t, "DE")
	p := l.Join(t, "DE", 4)
	id := command.RecoveryPrefix + "x"
	for _, c := range []command.Payload{
		&command.NominateGuardians{ActorID: p[0], GuardianIDs: p[1:]},
		&command.InitiateRecovery{ActorID: p[1], LostAccountID: p[0], NewControllerKeyHash: newKey},
		&command.ConfirmRecovery{ActorID: p[1], SessionID: id},
		&command.ExecuteRecovery{SessionID: id},
	} {
		l.Refuse(t, contract.CodeInvalidState, "not enabled", c)
	}
}

func TestRecovery(t *testing.T) {
	l, owner, g := guarded(t)
	l.Refuse(t, contract.CodeUnauthorized, "no guardian", &command.InitiateRecovery{ActorID: g[5], LostAccountID: owner, NewControllerKeyHash: newKey})
	id := initiate(t, l, g[0], owner)
	l.Refuse(t, contract.CodeInvalidState, "is open", &command.InitiateRecovery{ActorID: g[1], LostAccountID: owner, NewControllerKeyHash: newKey})
	l.Refuse(t, contract.CodeInvalidState, "is open", &command.NominateGuardians{ActorID: owner, GuardianIDs: g[3:6]})
	l.Refuse(t, contract.CodeAlreadyApproved, "already", &command.ConfirmRecovery{ActorID: g[0], SessionID: id, LostAccountID: owner})
	l.Refuse(t, contract.CodeUnauthorized, "no guardian", &command.ConfirmRecovery{ActorID: g[5], SessionID: id})
	l.Apply(t, &command.ConfirmRecovery{ActorID: g[1], SessionID: id, LostAccountID: owner})
	if s := session(t, l, id); s.Status != status.RecoveryPending || s.Required != 3 || len(s.Confirmations) != 2 {
		t.Fatalf("two of five: %+v", s)
	}
	l.Refuse(t, contract.CodeInvalidState, "PENDING", &command.ExecuteRecovery{SessionID: id})
	events := l.Apply(t, &command.ConfirmRecovery{ActorID: g[2], SessionID: id})
	if _, ok := events[len(events)-1].(*event.WalletFrozen); !ok || len(events) != 3 {
		t.Fatalf("three of five: %+v", events)
	}
	l.Refuse(t, contract.CodeAccountFrozen, "frozen", contracttest.Pay(owner, g[0], 1*gx))
	l.Now = l.Now.Add(48*time.Hour - time.Second)
	l.Refuse(t, contract.CodeInvalidState, "can be executed from", &command.ExecuteRecovery{SessionID: id})
	l.Now = l.Now.Add(time.Second)
	events = l.Apply(t, &command.ExecuteRecovery{SessionID: id, LostAccountID: owner})
	if e := events[0].(*event.RecoveryExecuted); e.ControllerKeyHash != newKey || e.RecoveryEpoch != 1 {
		t.Errorf("executed: %+v", e)
	}
	l.Apply(t, contracttest.Pay(owner, g[0], 1*gx)) // nothing but the controller has changed
	l.Refuse(t, contract.CodeInvalidState, "EXECUTED", &command.ExecuteRecovery{SessionID: id})
	initiate(t, l, g[0], owner) // another one may follow
}

func TestRecoveryExpires(t *testing.T) {
	l, owner, g := guarded(t)
	first := initiate(t, l, g[0], owner)
	l.Now = l.Now.Add(7 * day)
	l.Refuse(t, contract.CodeExpired, "expired", &command.ConfirmRecovery{ActorID: g[1], SessionID: first})
	second := initiate(t, l, g[1], owner)
	if s := session(t, l, first); s.Status != status.RecoveryExpired {
		t.Errorf("first session: %+v", s)
	}
	if s := session(t, l, second); s.Status != status.RecoveryPending || len(s.Confirmations) != 1 {
		t.Errorf("second session: %+v", s)
	}
}

func TestRecoveryIsCancelledByTheOwner(t *testing.T) {
	l, owner, g := guarded(t)
	id := initiate(t, l, g[0], owner)
	l.Apply(t, &command.ConfirmRecovery{ActorID: g[1], SessionID: id}, &command.ConfirmRecovery{ActorID: g[2], SessionID: id})
	l.Apply(t, &command.EmergencySetParameter{ParamID: "recoveryEnabled", NewValue: "false", Reason: "abuse"})
	l.Refuse(t, contract.CodeUnauthorized, "only "+owner, &command.CancelRecovery{ActorID: g[0], SessionID: id})
	events := l.Apply(t, &command.CancelRecovery{ActorID: owner, SessionID: id}) // though frozen and switched off
	if _, ok := events[1].(*event.WalletUnfrozen); !ok {
		t.Errorf("cancelled: %+v", events)
	}
	l.Apply(t, contracttest.Pay(owner, g[0], 1*gx))
	l.Refuse(t, contract.CodeInvalidState, "CANCELLED", &command.CancelRecovery{ActorID: owner, SessionID: id})
}

// A freeze by staff is none of the recovery's business.
func TestRecoveryKeepsOtherFreezes(t *testing.T) {
	l, owner, g := guarded(t)
	id := initiate(t, l, g[0], owner)
	l.Apply(t, &command.FreezeWallet{AccountID: owner, Reason: "COURT_ORDER"})
	l.Apply(t, &command.ConfirmRecovery{ActorID: g[1], SessionID: id}, &command.ConfirmRecovery{ActorID: g[2], SessionID: id})
	l.Refuse(t, contract.CodeAccountFrozen, "frozen", &command.CancelRecovery{ActorID: owner, SessionID: id})
	l.Now = l.Now.Add(48 * time.Hour)
	l.Apply(t, &command.ExecuteRecovery{SessionID: id})
	l.Refuse(t, contract.CodeAccountFrozen, "frozen", contracttest.Pay(owner, g[0], 1*gx))
}
