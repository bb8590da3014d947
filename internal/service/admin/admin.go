// Package admin is the door of staff: their sessions, the state of the system,
// the review of people and their registration on the ledger (api.md 2.7 to 2.9).
//
// What needs a second person is asked for here and decided on by approvals; the
// one exception is the bootstrap, which comes before there can be a second person.
package admin

import (
	"net/http"
	"time"

	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/protocol/account"
)

type admin struct{ *door.Door }

// Register adds the routes of the admin service.
func Register(d *door.Door) {
	s := admin{d}
	staff := func(p door.Permission) door.Policy { return door.Policy{Staff: p} }
	public := door.Policy{Public: true}

	door.Register(d, door.Route{Method: http.MethodPost, Path: "/admin/auth/login", ID: "staffLogin", Summary: "Log in as staff",
		Policy: public, Limit: door.ClassLoginBy}, s.login)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/admin/auth/mfa/verify", ID: "verifyMfa", Summary: "Show your second factor to end a login",
		Policy: public, Limit: door.ClassLoginBy}, s.verifyMFA)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/admin/auth/refresh", ID: "staffRefresh", Summary: "Exchange a refresh token for new tokens",
		Policy: public}, s.refresh)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/admin/auth/invitation", ID: "acceptInvitation", Summary: "Set the password of a new account",
		Policy: public, Limit: door.ClassLoginBy}, s.acceptInvitation)
	s.own()
	s.operations()
	s.approving()
	s.managing()
	s.auditing()
	s.dying()

	door.Register(d, door.Route{Method: http.MethodPost, Path: "/admin/bootstrap", ID: "bootstrap", Summary: "Open the ledger, once: pools, parameters, countries",
		Policy: staff(door.SystemBootstrap), Idempotency: door.KeyRequired, Status: http.StatusAccepted}, s.bootstrap)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/admin/system/status", ID: "getSystemStatus", Summary: "Whether the system is open",
		Policy: staff(door.SystemStatusRead)}, s.status)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/status", ID: "getStatus", Summary: "Whether payments are possible at the moment",
		Policy: public, Cache: door.CachePublic(5 * time.Second)}, s.publicStatus)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/admin/treasury", ID: "listTreasuries", Summary: "The national treasuries that there are",
		Policy: staff(door.TreasuryView)}, s.treasuries)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/admin/parameters", ID: "listParameters", Summary: "The parameters in force",
		Policy: staff(door.ConfigView), Cache: door.CachePrivate}, s.parameters)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/admin/parameters/{paramId}", ID: "getParameter", Summary: "A parameter in force",
		Policy: staff(door.ConfigView), Cache: door.CachePrivate}, s.parameter)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/admin/countries", ID: "listCountryStats", Summary: "The countries on the ledger",
		Policy: staff(door.SystemStatusRead)}, s.countries)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/admin/countries/{countryCode}/stats", ID: "getCountryStats", Summary: "A country on the ledger",
		Policy: staff(door.SystemStatusRead), Cache: "private, max-age=60"}, s.country)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/admin/counters", ID: "getCounters", Summary: "Totals",
		Policy: staff(door.SystemStatusRead)}, s.counters)

	operate := func(path, id, summary string, p door.Permission) door.Route {
		return door.Route{Method: http.MethodPost, Path: "/admin" + path, ID: id, Summary: summary, Policy: staff(p), Idempotency: door.KeyRequired, Status: http.StatusAccepted}
	}
	door.Register(d, operate("/system/pause", "pauseSystem", "Stop everything that changes the ledger", door.SystemPause), s.pause)
	door.Register(d, operate("/system/resume", "resumeSystem", "End a pause", door.SystemResume), s.resume)
	door.Register(d, operate("/parameters", "setParameter", "Set a parameter that is not for voters", door.ConfigUpdate), s.setParameter)
	door.Register(d, operate("/treasury/activate", "activateTreasury", "Hand a national treasury to its government", door.TreasuryActivate), s.activateTreasury)
	initialize := operate("/countries/initialize", "initializeCountries", "Fix the countries and their genesis slots, once", door.CountryInitialize)
	initialize.MaxBody = httpkit.LargeBody
	door.Register(d, initialize, s.initializeCountries)

	door.Register(d, door.Route{Method: http.MethodGet, Path: "/admin/users", ID: "listUsers", Summary: "People, newest first",
		Policy: staff(door.UserList)}, s.list)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/admin/users/pending-onchain", ID: "listPendingOnchain", Summary: "Approved people who wait for the ledger",
		Policy: staff(door.UserList)}, s.pendingOnchain)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/admin/users/frozen", ID: "listFrozen", Summary: "People whose account is frozen",
		Policy: staff(door.UserList)}, s.frozen)
	freeze := operate("/users/{userId}/freeze", "freezeUser", "Freeze a person's account", door.UserFreeze)
	freeze.Limit = door.ClassFreeze
	door.Register(d, freeze, s.freeze)
	door.Register(d, operate("/users/{userId}/unfreeze", "unfreezeUser", "End a freeze", door.UserUnfreeze), s.unfreeze)
	for _, standing := range []struct {
		path, id, summary string
		next              account.Status
	}{
		{"suspend", "suspendUser", "Ask to shut a person out", account.Suspended},
		{"reactivate", "reactivateUser", "Ask to end a suspension or a freeze", account.Active},
		{"close", "closeUser", "Ask to close a person's account for good", account.Closed},
	} {
		r := operate("/users/{userId}/"+standing.path, standing.id, standing.summary, door.UserFreeze)
		r.Policy.FourEyes = true
		door.Register(d, r, s.setStanding(standing.next))
	}
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/admin/users/{userId}", ID: "viewUser", Summary: "A person with their evidence",
		Policy: staff(door.UserView)}, s.view)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/admin/users/{userId}/approve", ID: "approveUser", Summary: "Approve a person: gives them their GX id",
		Policy: staff(door.UserApprove), Idempotency: door.KeyAccepted}, s.approve)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/admin/users/{userId}/deny", ID: "denyUser", Summary: "Deny a person",
		Policy: staff(door.UserDeny), Idempotency: door.KeyAccepted}, s.deny)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/admin/users/batch-register-onchain", ID: "registerOnchain", Summary: "Put approved people on the ledger",
		Policy: staff(door.UserRegisterOnchain), Limit: door.ClassBatch, Idempotency: door.KeyRequired, Status: http.StatusAccepted, MaxBody: httpkit.LargeBody}, s.registerOnchain)
}

// own adds what a member of staff does with their own account.
func (s admin) own() {
	// Every role holds this permission.
	policy := door.Policy{Staff: door.SystemStatusRead, Unenrolled: true}
	get := func(path, id, summary string) door.Route {
		return door.Route{Method: http.MethodGet, Path: "/admin/auth" + path, ID: id, Summary: summary, Policy: policy}
	}
	post := func(path, id, summary string) door.Route {
		return door.Route{Method: http.MethodPost, Path: "/admin/auth" + path, ID: id, Summary: summary, Policy: policy, Idempotency: door.KeyAccepted}
	}
	door.Register(s.Door, post("/logout", "staffLogout", "End your session"), s.logout)
	door.Register(s.Door, post("/logout-all", "staffLogoutAll", "End your other sessions"), s.logoutAll)
	everywhere := post("/sessions", "revokeStaffSessions", "End your other sessions: alias of logout-all")
	everywhere.Method = http.MethodDelete
	door.Register(s.Door, everywhere, s.logoutAll)
	door.Register(s.Door, get("/sessions", "listStaffSessions", "Your sessions"), s.sessions)
	revoke := post("/sessions/{sessionId}", "revokeStaffSession", "End another session of yours")
	revoke.Method = http.MethodDelete
	door.Register(s.Door, revoke, s.revokeSession)
	door.Register(s.Door, post("/password/change", "changeStaffPassword", "Change your password"), s.changePassword)
	door.Register(s.Door, post("/change-password", "changeStaffPasswordAlias", "Change your password: alias of password/change"), s.changePassword)
	door.Register(s.Door, get("/profile", "getStaffProfile", "Your account and what you may do"), s.profile)
	door.Register(s.Door, post("/mfa/setup", "setupMfa", "Begin to enrol a second factor"), s.setupMFA)
	door.Register(s.Door, post("/mfa/enable", "enableMfa", "Enable the second factor with its first code"), s.enableMFA)
	door.Register(s.Door, post("/mfa/disable", "disableMfa", "Give up the second factor"), s.disableMFA)
	door.Register(s.Door, post("/mfa/step-up", "stepUpMfa", "Show the second factor again, for what is risky"), s.stepUpMFA)
	door.Register(s.Door, post("/mfa/backup-codes", "renewRecoveryCodes", "Get new recovery codes"), s.renewRecoveryCodes)
}

// approving adds what four eyes do.
func (s admin) approving() {
	view := door.Policy{Staff: door.ApprovalView}
	get := func(path, id, summary string) door.Route {
		return door.Route{Method: http.MethodGet, Path: "/admin/approvals" + path, ID: id, Summary: summary, Policy: view}
	}
	post := func(path, id, summary string, p door.Permission) door.Route {
		return door.Route{Method: http.MethodPost, Path: "/admin/approvals" + path, ID: id, Summary: summary, Policy: door.Policy{Staff: p}, Idempotency: door.KeyAccepted}
	}
	ask := post("", "askApproval", "Ask for an operation that needs a second person", door.ApprovalCreate)
	ask.Idempotency, ask.Status = door.KeyRequired, http.StatusAccepted
	door.Register(s.Door, ask, s.ask)
	door.Register(s.Door, get("", "listApprovals", "Your requests and what you may decide on, newest first"), s.approvals)
	door.Register(s.Door, get("/pending-count", "countPendingApprovals", "How many of them wait"), s.pendingApprovals)
	door.Register(s.Door, get("/{approvalId}", "getApproval", "A request"), s.approval)
	door.Register(s.Door, get("/{approvalId}/history", "getApprovalHistory", "Everything that happened to a request"), s.approvalHistory)
	door.Register(s.Door, post("/{approvalId}/vote", "voteApproval", "Approve or reject a request of somebody else", door.ApprovalApprove), s.vote)
	door.Register(s.Door, post("/{approvalId}/cancel", "cancelApproval", "Withdraw your request", door.ApprovalView), s.cancelApproval)
	door.Register(s.Door, post("/{approvalId}/execute", "executeApproval", "Try again what was approved and could not be done", door.ApprovalApprove), s.executeApproval)
}

// managing adds the accounts of staff.
func (s admin) managing() {
	route := func(method, path, id, summary string, p door.Permission) door.Route {
		r := door.Route{Method: method, Path: "/admin/admins" + path, ID: id, Summary: summary, Policy: door.Policy{Staff: p}}
		if method != http.MethodGet {
			r.Idempotency, r.Status = door.KeyRequired, http.StatusAccepted
		}
		return r
	}
	door.Register(s.Door, route(http.MethodGet, "", "listStaff", "Members of staff", door.AdminList), s.listStaff)
	door.Register(s.Door, route(http.MethodGet, "/{adminId}", "viewStaff", "A member of staff", door.AdminList), s.viewStaff)
	door.Register(s.Door, route(http.MethodPost, "", "createStaff", "Invite a member of staff, or appoint an administrator on the ledger", door.AdminCreate), s.createStaff)
	door.Register(s.Door, route(http.MethodPatch, "/{adminId}", "changeStaff", "Change an account, or invite its member of staff again", door.AdminUpdate), s.changeStaff)
	door.Register(s.Door, route(http.MethodDelete, "/{adminId}", "removeStaff", "Disable an account for good", door.AdminDelete), s.removeStaff)
	door.Register(s.Door, route(http.MethodPost, "/{adminId}/role", "changeStaffRole", "Give another role", door.AdminRoleChange), s.changeRole)
}

// auditing adds the audit trail.
func (s admin) auditing() {
	get := func(path, id, summary string, p door.Permission) door.Route {
		return door.Route{Method: http.MethodGet, Path: "/admin/audit-logs" + path, ID: id, Summary: summary, Policy: door.Policy{Staff: p}}
	}
	door.Register(s.Door, get("", "listAuditLog", "What was done, newest first", door.AuditView), s.auditLog)
	door.Register(s.Door, get("/verify", "verifyAuditLog", "Whether the chain of records is whole", door.AuditView), s.verifyAudit)
	export := get("/export", "exportAuditLog", "Records as lines of JSON, newest first", door.AuditExport)
	export.Hidden = true // its body has no schema
	door.Register(s.Door, export, s.exportAudit)
	door.Register(s.Door, get("/{id}", "getAuditEntry", "A record", door.AuditView), s.auditEntry)
}
