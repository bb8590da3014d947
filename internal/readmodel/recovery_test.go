package readmodel_test

import (
	"testing"
	"time"

	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/status"
)

func TestRecovery(t *testing.T) {
	w := newWorld(t)
	w.open()
	ctx := t.Context()
	w.happen(&event.GuardiansNominated{UserID: "alice", GuardianIDs: []string{"g1", "g2", "g3"}})
	nominated := w.happen(&event.GuardiansNominated{UserID: "alice", GuardianIDs: []string{"g4", "g3"}})
	same(t, "guardians", []readmodel.Guardian{{UserID: "alice", GuardianID: "g3", NominatedAt: nominated}, {UserID: "alice", GuardianID: "g4", NominatedAt: nominated}},
		must[[]readmodel.Guardian](t)(readmodel.Guardians(ctx, w.pool, "alice")))
	same(t, "wards", []readmodel.Guardian{{UserID: "alice", GuardianID: "g4", NominatedAt: nominated}}, must[[]readmodel.Guardian](t)(readmodel.Wards(ctx, w.pool, "g4")))
	same(t, "former wards", nil, must[[]readmodel.Guardian](t)(readmodel.Wards(ctx, w.pool, "g1")))

	expires := w.at(1000)
	initiate := func(id string) time.Time {
		return w.happen(&event.RecoveryInitiated{SessionID: id, LostAccountID: "alice", InitiatorID: "g3", NewControllerKeyHash: "key", Required: 2, ExpiresAt: expires})
	}
	began := initiate("RECOVERY_1")
	want := readmodel.RecoveryState{SessionID: "RECOVERY_1", LostAccountID: "alice", InitiatorID: "g3", NewControllerKeyHash: "key", Status: status.RecoveryPending,
		Required: 2, Confirmations: 1, ExpiresAt: expires, CreatedAt: began}
	same(t, "pending", want, must[readmodel.RecoveryState](t)(readmodel.Recovery(ctx, w.pool, "RECOVERY_1")))
	executable := w.at(2000)
	voted := w.happen(&event.RecoveryVoteCast{SessionID: "RECOVERY_1", LostAccountID: "alice", GuardianID: "g4", Confirmations: 2, Required: 2},
		&event.RecoveryConfirmed{SessionID: "RECOVERY_1", LostAccountID: "alice", ExecutableAt: executable})
	want.Status, want.Confirmations, want.ExecutableAt = status.RecoveryConfirmed, 2, &executable
	same(t, "confirmed", want, must[readmodel.RecoveryState](t)(readmodel.Recovery(ctx, w.pool, "RECOVERY_1")))
	same(t, "votes", []readmodel.RecoveryVote{{SessionID: "RECOVERY_1", GuardianID: "g3", At: began}, {SessionID: "RECOVERY_1", GuardianID: "g4", At: voted}},
		must[[]readmodel.RecoveryVote](t)(readmodel.RecoveryVotes(ctx, w.pool, "RECOVERY_1")))
	executed := w.happen(&event.RecoveryExecuted{SessionID: "RECOVERY_1", LostAccountID: "alice", ControllerKeyHash: "key", RecoveryEpoch: 1})
	want.Status, want.ClosedAt = status.RecoveryExecuted, &executed
	same(t, "executed", want, must[readmodel.RecoveryState](t)(readmodel.Recovery(ctx, w.pool, "RECOVERY_1")))

	initiate("RECOVERY_2")
	w.happen(&event.RecoveryExpired{SessionID: "RECOVERY_2", LostAccountID: "alice"})
	initiate("RECOVERY_3")
	w.happen(&event.RecoveryCancelled{SessionID: "RECOVERY_3", LostAccountID: "alice"})
	var statuses []status.Recovery
	for _, r := range walk(t, "recoveries", func(v readmodel.Window) (readmodel.List[readmodel.RecoveryState], error) {
		return readmodel.Recoveries(ctx, w.pool, "alice", v)
	}) {
		statuses = append(statuses, r.Status)
	}
	same(t, "recoveries", []status.Recovery{status.RecoveryCancelled, status.RecoveryExpired, status.RecoveryExecuted}, statuses)
}
