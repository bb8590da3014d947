// Package organization is the door of organizations: who belongs to one, the rules
// by which they decide, and what they do together with its money (api.md 2.4).
package organization

import (
	"context"
	"errors"
	"net/http"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/rates"
	"gxcoin.money/gx/protocol/status"
)

type organization struct {
	*door.Door
	rates *rates.Rates
}

// Register adds the routes of the organization service.
func Register(d *door.Door) {
	s := organization{d, rates.New(d.Pool, d.Clock)}
	stake := door.Policy{Object: door.Organization}
	reader := door.Policy{Object: door.Organization, Staff: door.UserView}
	anybody := door.Policy{Customer: true, Staff: door.UserView}
	get := func(path, id, summary string, p door.Policy) door.Route {
		return door.Route{Method: http.MethodGet, Path: path, ID: id, Summary: summary, Policy: p, Cache: door.CachePrivate}
	}
	post := func(path, id, summary string, p door.Policy) door.Route {
		return door.Route{Method: http.MethodPost, Path: path, ID: id, Summary: summary, Policy: p, Idempotency: door.KeyRequired, Status: http.StatusAccepted}
	}

	door.Register(d, post("/organizations", "proposeOrganization", "Propose an organization; a government is proposed by staff",
		door.Policy{Customer: true, Staff: door.OrgActivate}), s.propose)
	door.Register(d, get("/organizations", "listOrganizations", "Your organizations, newest first; staff sees all", anybody), s.list)
	door.Register(d, get("/organizations/{orgId}", "getOrganization", "An organization, in full for those who have a stake in it", anybody), s.get)
	door.Register(d, get("/organizations/{orgId}/stakeholders", "listStakeholders", "Who has a stake in an organization", reader), s.stakeholders)
	door.Register(d, post("/organizations/{orgId}/endorse", "endorseOrganization", "Agree to have a stake in an organization", stake), s.endorse)
	door.Register(d, post("/organizations/{orgId}/activate", "activateOrganization", "Open an organization that all have endorsed",
		door.Policy{Object: door.Organization, Staff: door.OrgActivate}), s.activate)
	lock := post("/organizations/{orgId}/lock", "lockOrganization", "Freeze the account of an organization", door.Policy{Staff: door.WalletFreeze})
	lock.Limit = door.ClassFreeze
	door.Register(d, lock, s.lock)
	door.Register(d, post("/organizations/{orgId}/unlock", "unlockOrganization", "End the lock of an organization", door.Policy{Staff: door.WalletUnfreeze}), s.unlock)

	door.Register(d, get("/organizations/{orgId}/rules", "listAuthRules", "Whose approval the payments of an organization need", reader), s.rules)
	door.Register(d, post("/organizations/{orgId}/rules", "defineAuthRule", "Define a rule, to be approved once the organization is active", stake), s.defineRule)

	door.Register(d, get("/organizations/{orgId}/wallet/balance", "getOrganizationBalance", "The balance of an organization", reader), s.balance)
	door.Register(d, get("/organizations/{orgId}/wallet/transactions", "listOrganizationTransactions", "The statement of an organization, newest first", reader), s.statement)

	door.Register(d, post("/organizations/{orgId}/transactions", "initiateMultiSig", "Ask for a payment by an organization, or by a treasury in its control", stake), s.initiate)
	door.Register(d, get("/organizations/{orgId}/transactions", "listMultiSig", "What an organization was asked to do, newest first", reader), s.transactions)
	door.Register(d, get("/organizations/{orgId}/transactions/pending", "listPendingMultiSig", "What still needs approvals, newest first", reader), s.pending)
	door.Register(d, get("/organizations/{orgId}/transactions/{pendingTxId}", "getMultiSig", "What an organization was asked to do", reader), s.transaction)
	door.Register(d, get("/transactions/awaiting-approval", "listAwaitingApproval", "What waits for your answer in all organizations, newest first",
		door.Policy{Customer: true}), s.awaiting)
	act := func(path, id, summary string) door.Route {
		return post("/organizations/{orgId}/transactions/{pendingTxId}/"+path, id, summary, stake)
	}
	door.Register(d, act("approve", "approveMultiSig", "Agree; it is executed at once when the approvals suffice"), s.approve)
	door.Register(d, act("reject", "rejectMultiSig", "Refuse"), s.reject)
	door.Register(d, act("cancel", "cancelMultiSig", "Withdraw what you asked for"), s.cancel)
	door.Register(d, act("execute", "executeMultiSig", "Try again what has its approvals"), s.execute)
	door.Register(d, post("/transactions/{pendingTxId}/approve", "approveMultiSigById", "Agree, when the organization is not at hand",
		door.Policy{Object: door.MultiSig}), s.approveByID)
}

type orgInput struct {
	OrgID string `path:"orgId" maxLength:"64"`
}

func (s organization) find(ctx context.Context, orgID string) (readmodel.OrganizationState, error) {
	o, err := readmodel.Organization(ctx, s.Pool, orgID)
	if errors.Is(err, readmodel.ErrNotFound) {
		err = problem.New(http.StatusNotFound, "organization_not_found", "There is no such organization.")
	}
	return o, err
}

// actor returns the name of the caller on the ledger: the GX id of a customer who
// may act, or the id of a member of staff.
func (s organization) actor(ctx context.Context) (string, error) {
	if who := door.Caller(ctx); who.Kind == token.Staff {
		return who.ID.String(), nil
	}
	return s.Actor(ctx)
}

// operating refuses what only an active organization may do.
func operating(o readmodel.OrganizationState) error {
	switch o.Status {
	case status.OrganizationActive:
		return nil
	case status.OrganizationLocked:
		return problem.New(http.StatusLocked, "organization_locked", "The organization is locked.")
	}
	return wrongState("The organization is " + string(o.Status) + ".")
}

func wrongState(detail string) error {
	return problem.New(http.StatusConflict, "invalid_state", detail)
}
