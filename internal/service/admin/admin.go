// Package admin is the door of staff: their sessions, the state of the system,
// the review of people and their registration on the ledger (api.md 2.7 to 2.9).
//
// What needs a second person is asked for here and decided on by approvals; the
// one exception is the bootstrap, which comes before there can be a second person.
package admin

import (
	"net/http"

	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/service/door"
)

type admin struct{ *door.Door }

// Register adds the routes of the admin service.
func Register(d *door.Door) {
	s := admin{d}
	staff := func(p door.Permission) door.Policy { return door.Policy{Staff: p} }
	public := door.Policy{Public: true}

	door.Register(d, door.Route{Method: http.MethodPost, Path: "/admin/auth/login", ID: "staffLogin", Summary: "Log in as staff",
		Policy: public}, s.login)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/admin/auth/mfa/verify", ID: "verifyMfa", Summary: "Show your second factor to end a login",
		Policy: public}, s.verifyMFA)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/admin/auth/refresh", ID: "staffRefresh", Summary: "Exchange a refresh token for new tokens",
		Policy: public}, s.refresh)
	s.own()

	door.Register(d, door.Route{Method: http.MethodPost, Path: "/admin/bootstrap", ID: "bootstrap", Summary: "Open the ledger, once: pools, parameters, countries",
		Policy: staff(door.SystemBootstrap), Idempotency: door.KeyRequired, Status: http.StatusAccepted}, s.bootstrap)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/admin/system/status", ID: "getSystemStatus", Summary: "Whether the system is open",
		Policy: staff(door.SystemStatusRead)}, s.status)
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

	door.Register(d, door.Route{Method: http.MethodGet, Path: "/admin/users", ID: "listUsers", Summary: "People, newest first",
		Policy: staff(door.UserList)}, s.list)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/admin/users/{userId}", ID: "viewUser", Summary: "A person with their evidence",
		Policy: staff(door.UserView)}, s.view)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/admin/users/{userId}/approve", ID: "approveUser", Summary: "Approve a person: gives them their GX id",
		Policy: staff(door.UserApprove), Idempotency: door.KeyAccepted}, s.approve)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/admin/users/{userId}/deny", ID: "denyUser", Summary: "Deny a person",
		Policy: staff(door.UserDeny), Idempotency: door.KeyAccepted}, s.deny)
	door.Register(d, door.Route{Method: http.MethodPost, Path: "/admin/users/batch-register-onchain", ID: "registerOnchain", Summary: "Put approved people on the ledger",
		Policy: staff(door.UserRegisterOnchain), Idempotency: door.KeyRequired, Status: http.StatusAccepted, MaxBody: httpkit.LargeBody}, s.registerOnchain)
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
	door.Register(s.Door, get("/sessions", "listStaffSessions", "Your sessions"), s.sessions)
	revoke := post("/sessions/{sessionId}", "revokeStaffSession", "End another session of yours")
	revoke.Method = http.MethodDelete
	door.Register(s.Door, revoke, s.revokeSession)
	door.Register(s.Door, post("/password/change", "changeStaffPassword", "Change your password"), s.changePassword)
	door.Register(s.Door, get("/profile", "getStaffProfile", "Your account and what you may do"), s.profile)
	door.Register(s.Door, post("/mfa/setup", "setupMfa", "Begin to enrol a second factor"), s.setupMFA)
	door.Register(s.Door, post("/mfa/enable", "enableMfa", "Enable the second factor with its first code"), s.enableMFA)
	door.Register(s.Door, post("/mfa/disable", "disableMfa", "Give up the second factor"), s.disableMFA)
	door.Register(s.Door, post("/mfa/step-up", "stepUpMfa", "Show the second factor again, for what is risky"), s.stepUpMFA)
	door.Register(s.Door, post("/mfa/backup-codes", "renewRecoveryCodes", "Get new recovery codes"), s.renewRecoveryCodes)
}
