package readmodel_test

import (
	"testing"

	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/readmodel/readmodeltest"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
)

func TestHouse(t *testing.T) {
	w := newWorld(t)
	w.open()
	ctx := t.Context()
	appointed := w.happen(&event.AdminAppointed{AdminID: "alice", AppointedBy: "clerk"})
	w.happen(&event.AdminAppointed{AdminID: "bob", AppointedBy: "clerk"})
	w.happen(&event.AdminRevoked{AdminID: "bob"})
	again := w.happen(&event.AdminAppointed{AdminID: "bob", AppointedBy: "alice"})
	revoked := w.happen(&event.AdminRevoked{AdminID: "alice"})
	same(t, "admins", []readmodel.Admin{{AdminID: "alice", AppointedBy: "clerk", AppointedAt: appointed, RevokedAt: &revoked}, {AdminID: "bob", AppointedBy: "alice", AppointedAt: again}},
		must[[]readmodel.Admin](t)(readmodel.Admins(ctx, w.pool)))

	activated := w.happen(&event.TreasuryActivated{TreasuryID: "treasury_AE", CountryCode: "AE", OrgID: "ministry"})
	ministry := "ministry"
	treasuries := must[[]readmodel.TreasuryState](t)(readmodel.Treasuries(ctx, w.pool))
	if len(treasuries) != 2 || treasuries[1].Status != readmodel.TreasuryLocked {
		t.Errorf("treasuries: %+v", treasuries)
	}
	same(t, "treasury", readmodel.TreasuryState{CountryCode: "AE", AccountID: "treasury_AE", Status: readmodel.TreasuryActive, OrgID: &ministry, ActivatedAt: &activated,
		Balance: readmodeltest.GovtGenesis, UpdatedAt: w.at(2)}, treasuries[0])

	w.commit(w.Disburse(account.CharitablePool, "alice", 100, w.at(w.block)), w.Disburse(account.GXPool, "treasury_US", 7, w.at(w.block)))
	w.commit(w.Adjust("alice", account.OperationsFund, 30, command.SystemAdjustment, w.at(w.block)), w.Adjust(account.RedistributionPool, "bob", 0, command.FeeRedistribution, w.at(w.block)))
	w.commit(w.Adjust(account.OperationsFund, "bob", 5, command.FeeRedistribution, w.at(w.block)), w.Adjust(account.OperationsFund, "treasury_US", 5, command.FeeCollection, w.at(w.block)))
	w.checkBalances()
	w.checkStatements()
	types := func(id string) (out []readmodel.EntryType) {
		for _, e := range must[readmodel.Page](t)(readmodel.Statement(ctx, w.pool, id, readmodel.Filter{})).Entries {
			out = append(out, e.Type)
		}
		return out
	}
	same(t, "entries of alice", []readmodel.EntryType{readmodel.AdjustmentDebit, readmodel.Grant, readmodel.Genesis}, types("alice"))
	same(t, "entries of bob", []readmodel.EntryType{readmodel.Reward, readmodel.Reward, readmodel.Genesis}, types("bob"))
	same(t, "entries of a treasury", []readmodel.EntryType{readmodel.AdjustmentCredit, readmodel.Grant, readmodel.GovtGenesis}, types("treasury_US"))

	frozen := w.happen(&event.UserStatusChanged{UserID: "alice", OldStatus: account.Active, NewStatus: account.Frozen, Reason: "inquiry"})
	a, u := must[readmodel.AccountState](t)(readmodel.Account(ctx, w.pool, "alice")), must[readmodel.UserState](t)(readmodel.User(ctx, w.pool, "alice"))
	if a.Status != "FROZEN" || u.Status != "FROZEN" || a.FrozenReason != "inquiry" || !a.FrozenAt.Equal(frozen) {
		t.Errorf("frozen: %+v, %s", a, u.Status)
	}
	w.happen(&event.UserStatusChanged{UserID: "alice", OldStatus: account.Frozen, NewStatus: account.Active, Reason: "cleared"})
	a = must[readmodel.AccountState](t)(readmodel.Account(ctx, w.pool, "alice"))
	if a.Status != "ACTIVE" || a.FrozenReason != "" || a.FrozenAt != nil {
		t.Errorf("active again: %+v", a)
	}
}
