package postman

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// who is the variable with the access token of whoever sends a request.
type who string

const (
	customer  who = "customerToken"
	other     who = "otherToken"
	spouse    who = "spouseToken"
	sibling   who = "siblingToken"
	staff     who = "staffToken"
	colleague who = "colleagueToken"
)

// step is one request of the story.
type step struct {
	operation string
	name      string // the summary of the operation when empty
	as        who
	path      map[string]string // path parameters; without, the variables of their names
	header    map[string]string
	body      map[string]any // members beside the required ones
	status    int
	code      string            // of the problem
	save      map[string]string // variable by path into the answer
	equal     map[string]string // path into the answer by JavaScript that it must equal
	again     string            // JavaScript; the request is repeated until it is true
	tests     []string
}

// always are the tests of every answer.
var always = []string{
	"pm.test('is no fault of the service', () => {",
	"  pm.expect(pm.response.code, pm.response.text()).to.satisfy(c => c < 500 || c === 503 && pm.response.headers.has('Retry-After'));",
	"});",
	"pm.test('names the request', () => pm.response.to.have.header('X-Request-Id'));",
	"if (pm.response.code >= 400 && !pm.request.url.getPath().endsWith('/readyz')) pm.test('is a whole problem', () => {",
	"  pm.expect(pm.response.headers.get('Content-Type')).to.equal('application/problem+json');",
	"  const p = pm.response.json();",
	"  pm.expect(p).to.include.all.keys('type', 'title', 'status', 'detail', 'code', 'requestId');",
	"  pm.expect(p.status).to.equal(pm.response.code);",
	"});",
}

// known is the test of a request that may be refused.
const known = "pm.test('is a known operation', () => { pm.expect(pm.response.code).to.not.be.oneOf([405, 415]); " +
	"pm.expect(pm.response.text()).to.not.include('There is nothing at this path'); });"

// byStaff are the operations for staff that are not below /admin.
var byStaff = []string{
	"freezeWallet", "unfreezeWallet", "approveLoan", "rejectLoan", "declareLoanDefaulted", "lockOrganization", "unlockOrganization", "tallyProposal", "executeProposal",
	"applyVelocityTax", "setVelocityTaxExemption", "listVelocityTaxExemptions", "disburseFromPool", "transferInternal", "repairGenesis", "listPoolTransactions",
}

// absent are the reads of what the story does not make.
var absent = []string{"getTreasury", "listTreasuryTransactions"}

// endless leaves a stream out, which would never end.
const endless = "if (!pm.environment.get('streams')) pm.execution.skipRequest(); // set streams to any value to listen"

// patience bounds the repetitions of a request.
const patience = 30

func (s step) script() []string {
	lines := slices.Clone(s.tests)
	if s.status != 0 {
		lines = append(lines, fmt.Sprintf("pm.test('answers %d', () => pm.expect(pm.response.code, pm.response.text()).to.equal(%d));", s.status, s.status))
	}
	if s.code != "" {
		lines = append(lines, fmt.Sprintf("pm.test('says %s', () => pm.expect(pm.response.json().code).to.equal('%s'));", s.code, s.code))
	}
	for _, path := range slices.Sorted(maps.Keys(s.equal)) {
		lines = append(lines, fmt.Sprintf("pm.test('%s', () => pm.expect(pm.response.json().%s).to.equal(%s));", path, path, s.equal[path]))
	}
	for _, name := range slices.Sorted(maps.Keys(s.save)) {
		lines = append(lines, fmt.Sprintf("pm.environment.set('%s', pm.response.json().%s);", name, s.save[name]))
	}
	if s.again == "" {
		return lines
	}
	return slices.Concat([]string{
		"const tries = Number(pm.environment.get('tries') || 0) + 1;",
		fmt.Sprintf("const again = !(%s) && tries < %d;", s.again, patience),
		"pm.environment.set('tries', again ? tries : 0);",
		"if (again) {",
		"  pm.execution.setNextRequest(pm.info.requestId);",
		"} else {",
	}, lines, []string{"}"})
}

// password of everybody in the story; staff's demands more than that of others.
const password = "Correct horse 1!"

// person registers somebody and keeps their session under names with a prefix.
func person(first, country, prefix string, token who) []step {
	as := func(name string) string {
		if prefix == "" {
			return name
		}
		return prefix + strings.ToUpper(name[:1]) + name[1:]
	}
	return []step{
		{
			operation: "register", name: first + " registers", status: 201,
			body: map[string]any{
				"fname": first, "lname": "Keller", "email": strings.ToLower(first) + ".{{$randomUUID}}@example.org", "password": password,
				"dateOfBirth": "1990-12-10", "gender": "FEMALE", "country": country,
			},
			save: map[string]string{string(token): "accessToken", as("refreshToken"): "refreshToken", as("profileId"): "user.profileId", as("email"): "user.email"},
		},
		{
			operation: "submitKyc", name: first + " submits evidence of who she is", as: token, status: 201,
			path: map[string]string{"profileId": "{{" + as("profileId") + "}}"},
			body: map[string]any{"documentNumber": "{{$timestamp}}{{$randomInt}}" + country, "evidenceMime": "image/png", "evidenceSize": 120000},
		},
		{
			operation: "approveUser", name: "Staff approves " + first, as: staff, status: 200,
			path: map[string]string{"userId": "{{" + as("profileId") + "}}"},
			body: map[string]any{"notes": "The document was compared with the person."},
			save: map[string]string{as("gxId"): "fabricUserId"},
		},
		{
			operation: "registerOnchain", name: "Staff puts " + first + " on the ledger", as: staff, status: 202,
			body: map[string]any{"userIds": []string{"{{" + as("profileId") + "}}"}},
			save: map[string]string{"commandId": "commands[0].commandId"},
		},
		wait(staff),
	}
}

// wait repeats until the last command can be seen, and saves what it has made.
func wait(as who, save ...string) step {
	made := map[string]string{}
	for i := 0; i+1 < len(save); i += 2 {
		made[save[i]] = "result.value." + save[i+1]
	}
	return step{
		save:      made,
		operation: "getCommand", name: "The ledger has done it", as: as, status: 200, header: map[string]string{"Prefer": "wait=10"},
		again: "pm.response.code === 200 && pm.response.json().projected", equal: map[string]string{"status": "'CONFIRMED'"},
	}
}

var story = slices.Concat(
	[]step{
		{operation: "health", status: 200, equal: map[string]string{"status": "'ok'"}},
		{operation: "ready", status: 200, equal: map[string]string{"status": "'ready'"}},
		{operation: "listCountries", status: 200},
		{
			operation: "staffLogin", name: "Staff logs in", status: 200, body: map[string]any{"username": "{{staffUser}}", "password": "{{staffPassword}}"},
			save: map[string]string{string(staff): "accessToken", "staffRefreshToken": "refreshToken", "adminId": "admin.id"},
		},
		{
			operation: "getStaffProfile", as: staff, status: 200, equal: map[string]string{"username": "pm.environment.get('staffUser')"},
			tests: []string{"pm.environment.set('colleague', 'grace' + Date.now());"},
		},
	},
	person("Nora", "CH", "", customer),
	person("Ama", "GH", "other", other),
	person("Max", "CH", "spouse", spouse),
	person("Ida", "CH", "sibling", sibling),
	[]step{
		{operation: "getMe", as: customer, status: 200, equal: map[string]string{"user.fabricUserId": "pm.environment.get('gxId')", "user.status": "'ACTIVE'"}},
		{operation: "getBalance", name: "Nora has her genesis coins", as: customer, status: 200, equal: map[string]string{"balance.balance": "'500000000'"}},
		{
			operation: "quoteTransfer", name: "Nora asks what a payment costs", as: customer, status: 200, body: map[string]any{"toID": "{{otherGxId}}", "amount": "10000000"},
			equal: map[string]string{"amount": "'10000000'"}, save: map[string]string{"total": "total"},
		},
		{
			operation: "createTransfer", name: "Nora pays Ama", as: customer, status: 202, header: map[string]string{"Idempotency-Key": "{{profileId}}-1"},
			body: map[string]any{"toID": "{{otherGxId}}", "amount": "10000000", "remark": "lunch"}, save: map[string]string{"commandId": "commandId"},
			equal: map[string]string{"total": "pm.environment.get('total')"},
		},
		{
			operation: "createTransfer", name: "The same again is no second payment", as: customer, status: 202, header: map[string]string{"Idempotency-Key": "{{profileId}}-1"},
			body:  map[string]any{"toID": "{{otherGxId}}", "amount": "10000000", "remark": "lunch"},
			equal: map[string]string{"commandId": "pm.environment.get('commandId')"},
			tests: []string{"pm.test('is marked as a repetition', () => pm.expect(pm.response.headers.get('Idempotency-Hit')).to.equal('true'));"},
		},
		{
			operation: "createTransfer", name: "Another amount under the same key is refused", as: customer, status: 422, code: "idempotency_key_reused",
			header: map[string]string{"Idempotency-Key": "{{profileId}}-1"}, body: map[string]any{"toID": "{{otherGxId}}", "amount": "11000000", "remark": "lunch"},
		},
		{
			operation: "createTransfer", name: "More than there is can't be paid", as: customer, status: 422, code: "insufficient_funds",
			body: map[string]any{"toID": "{{otherGxId}}", "amount": "1000000000000"},
		},
		wait(customer),
		{operation: "getBalance", name: "Ama has got it", as: other, status: 200, path: map[string]string{"profileId": "me"}, equal: map[string]string{"balance.balance": "'510000000'"}},
		{operation: "getBalance", name: "Nora can't look into Ama's wallet", as: customer, status: 404, code: "not_found", path: map[string]string{"profileId": "{{otherProfileId}}"}},
		{operation: "listTransactions", name: "Nora reads her statement", as: customer, status: 200, equal: map[string]string{"transactions.length": "3"}},
		{operation: "getGenesis", as: customer, status: 200, equal: map[string]string{"genesis.status": "'DISTRIBUTED'"}},
		{operation: "getSupply", name: "No Qirat is missing", status: 200, equal: map[string]string{"conserved": "true", "total": "'1250000000000000000'"}},
		{
			operation: "refresh", name: "Nora's session goes on", status: 200, body: map[string]any{"refreshToken": "{{refreshToken}}"},
			save: map[string]string{string(customer): "accessToken", "refreshToken": "refreshToken"},
		},
	},
	together,
	family,
	borrowing,
	governed,
	guarded,
	[]step{
		{
			operation: "login", name: "Nora logs in on her phone, too", status: 200, body: map[string]any{"email": "{{email}}", "password": password},
		},
		{operation: "listSessions", as: customer, status: 200, save: map[string]string{"sessionId": "sessions.find(s => !s.isCurrent).id"}},
		{operation: "revokeSession", name: "She has lost it", as: customer, status: 200},
		{operation: "listTransactions", name: "She looks at what was last", as: customer, status: 200, save: map[string]string{"offTxId": "transactions[0].offTxId"}},
		{
			operation: "getUser", name: "She looks at her profile", as: customer, status: 200,
			tests: []string{"pm.environment.set('profileTag', pm.response.headers.get('ETag'));"},
		},
		{
			operation: "changeUser", name: "She has a telephone now", as: customer, status: 200, header: map[string]string{"If-Match": "{{profileTag}}"},
			body: map[string]any{"phoneNum": "+4179{{$randomInt}}{{$randomInt}}{{$randomInt}}1"}, tests: []string{"pm.test('has another tag', () => pm.expect(pm.response.headers.get('ETag')).to.not.equal(pm.environment.get('profileTag')));"},
		},
		{
			operation: "changeUser", name: "What she has not seen she can't change", as: customer, status: 412, code: "profile_changed", header: map[string]string{"If-Match": "{{profileTag}}"},
			body: map[string]any{"phoneNum": ""},
		},
	},
)

// order is a step that sends a command, which the next one waits for.
func order(operation, name string, as who, body map[string]any, save ...string) step {
	s := step{operation: operation, name: name, as: as, status: 202, body: body, save: map[string]string{"commandId": "commandId"}}
	for _, variable := range save {
		s.save[variable] = "aggregateId"
	}
	return s
}

// together is what the two of them do with each other.
var together = []step{
	order("requestRelationship", "Nora says that Ama is her friend", customer, map[string]any{"toID": "{{otherGxId}}", "relationType": "FRIEND"}, "relationshipId"),
	wait(customer),
	order("confirmRelationship", "Ama agrees", other, map[string]any{}),
	wait(other),
	order("proposeOrganization", "Nora proposes a bakery of both", customer, map[string]any{
		"orgId": "bakery-{{$timestamp}}", "orgName": "Bakery", "orgType": "BUSINESS", "country": "CH", "stakeholderIds": []string{"{{gxId}}", "{{otherGxId}}"},
	}, "orgId"),
	wait(customer),
	order("defineAuthRule", "Both have to agree to what it pays", customer, map[string]any{
		"rule": map[string]any{"amountThreshold": "0", "requiredApprovers": 2, "approverGroup": []string{"{{gxId}}", "{{otherGxId}}"}},
	}),
	wait(customer),
	order("endorseOrganization", "Nora agrees to the bakery", customer, nil),
	wait(customer),
	order("endorseOrganization", "Ama agrees to the bakery", other, nil),
	wait(other),
	order("activateOrganization", "The bakery opens", customer, nil),
	wait(customer),
	order("createTransfer", "Nora pays for her bread", customer, map[string]any{"toID": "{{orgId}}", "amount": "20000000"}),
	wait(customer),
	{operation: "getOrganizationBalance", name: "The bakery has got it", as: other, status: 200, equal: map[string]string{"balance.balance": "'20000000'"}},
	order("initiateMultiSig", "Nora asks the bakery to pay Ama", customer, map[string]any{"toId": "{{otherGxId}}", "amount": "5000000"}),
	wait(customer, "pendingTxId", "pendingTxID"),
	order("approveMultiSig", "Ama agrees to that", other, nil),
	wait(other),
	{operation: "getMultiSig", name: "The bakery has paid", as: customer, status: 200, equal: map[string]string{"transaction.status": "'EXECUTED'"}},
	order("submitProposal", "Nora puts a parameter to the vote", customer, map[string]any{"targetParam": "votingPeriodDays", "newValue": "21", "title": "Longer votes"}),
	wait(customer, "proposalId", "proposalID"),
	{operation: "getProposal", name: "Everybody can see it", status: 200, equal: map[string]string{"proposal.status": "'ACTIVE'"}},
}

// tie is a relationship that both agree to.
func tie(label, name string, as who, id string) []step {
	return []step{
		order("requestRelationship", "Nora says that "+name, customer, map[string]any{"toID": id, "relationType": label}, "relationshipId"),
		wait(customer),
		order("confirmRelationship", "That is so", as, map[string]any{}),
		wait(as),
	}
}

// family is who vouches for Nora.
var family = slices.Concat(
	tie("MOTHER", "Ama is her mother", other, "{{otherGxId}}"),
	tie("SPOUSE", "Max is her husband", spouse, "{{spouseGxId}}"),
	tie("SIBLING", "Ida is her sister", sibling, "{{siblingGxId}}"),
	[]step{
		{operation: "getTrustScore", name: "They trust her", as: customer, status: 200, tests: []string{"pm.test('lends', () => pm.expect(pm.response.json().totalScore).to.be.at.least(75));"}},
	},
)

// borrowing is a loan, and one that is none.
var borrowing = []step{
	order("applyForLoan", "Nora asks for a loan", customer, map[string]any{"amount": "200000000", "purpose": "a sewing machine", "termDays": 90}),
	wait(customer, "loanId", "loanID"),
	order("approveLoan", "Staff lends it to her", staff, nil),
	wait(staff),
	order("repayLoan", "Nora pays a part back", customer, map[string]any{"amount": "50000000"}),
	wait(customer),
	{operation: "getLoan", name: "She owes the rest", as: customer, status: 200, equal: map[string]string{"loan.outstanding": "'150000000'"}},
	{operation: "listRepayments", as: customer, status: 200},
	order("applyForLoan", "Nora asks for another", customer, map[string]any{"amount": "100000000", "purpose": "more thread", "termDays": 30}),
	wait(customer, "loanId", "loanID"),
	order("rejectLoan", "Staff does not lend it", staff, map[string]any{"reason": "One loan after the other."}),
	wait(staff),
}

// governed is what two members of staff do together, and what one may do alone.
var governed = []step{
	{
		operation: "createStaff", name: "The owner invites a colleague", as: staff, status: 202,
		body: map[string]any{"username": "{{colleague}}", "displayName": "Grace Hopper", "role": "SUPER_OWNER"}, save: map[string]string{"invitation": "invitation"},
	},
	{operation: "acceptInvitation", name: "She accepts", status: 200, body: map[string]any{"invitation": "{{invitation}}", "password": password}},
	{
		operation: "staffLogin", name: "She logs in", status: 200, body: map[string]any{"username": "{{colleague}}", "password": password},
		save: map[string]string{string(colleague): "accessToken", "colleagueId": "admin.id"},
	},
	{
		operation: "setParameter", name: "The owner wants accounts to be recoverable", as: staff, status: 202, equal: map[string]string{"status": "'PENDING_APPROVAL'"},
		body: map[string]any{"paramId": "recoveryEnabled", "newValue": "true"}, save: map[string]string{"approvalId": "approvalId"},
	},
	{operation: "voteApproval", name: "Who asks does not decide", as: staff, status: 403, code: "SELF_APPROVAL_NOT_ALLOWED", body: map[string]any{"decision": "APPROVE"}},
	{operation: "getApproval", name: "His colleague looks at it", as: colleague, status: 200, save: map[string]string{"digest": "payloadDigest"}},
	{
		operation: "voteApproval", name: "She agrees", as: colleague, status: 200, body: map[string]any{"decision": "APPROVE", "payloadDigest": "{{digest}}"},
		save: map[string]string{"commandId": "approval.executionResult.commandId"},
	},
	wait(staff),
	{operation: "getParameter", name: "They are", as: staff, path: map[string]string{"paramId": "recoveryEnabled"}, status: 200, equal: map[string]string{"parameter.value": "'true'"}},
	{operation: "pauseSystem", name: "The owner wants to pause everything", as: staff, status: 202, save: map[string]string{"approvalId": "approvalId"}},
	{operation: "cancelApproval", name: "He thinks better of it", as: staff, status: 200},
	{operation: "getApprovalHistory", as: staff, status: 200, equal: map[string]string{"data.length": "2"}},
	order("freezeUser", "Staff freezes Ama's account", staff, map[string]any{"reason": "SUSPICIOUS_ACTIVITY"}),
	wait(staff),
	{operation: "listFrozen", as: staff, status: 200, tests: []string{"pm.test('Ama is there', () => pm.expect(pm.response.text()).to.include(pm.environment.get('otherProfileId')));"}},
	{operation: "createTransfer", name: "Ama can pay nobody", as: other, status: 423, code: "account_frozen", body: map[string]any{"toID": "{{gxId}}", "amount": "1"}},
	order("unfreezeUser", "Staff ends that", staff, nil),
	wait(staff),
	order("lockOrganization", "Staff locks the bakery", staff, nil),
	wait(staff),
	order("unlockOrganization", "Staff opens it again", staff, nil),
	wait(staff),
	{
		operation: "listAuditLog", name: "All of it is on record", as: staff, status: 200, save: map[string]string{"auditId": "data[0].id"},
		again: "pm.response.code === 200 && pm.response.json().data.length > 10",
	},
	{operation: "getAuditEntry", as: staff, status: 200},
	{operation: "verifyAuditLog", as: staff, status: 200, equal: map[string]string{"valid": "true"}},
}

// guarded is an account that somebody else claims.
var guarded = []step{
	order("nominateGuardians", "Nora names who can recover her account", customer, map[string]any{"guardianIDs": []string{"{{otherGxId}}", "{{spouseGxId}}", "{{siblingGxId}}"}}),
	wait(customer),
	{operation: "listGuardians", as: customer, status: 200, equal: map[string]string{"guardians.length": "3"}},
	order("initiateRecovery", "Max says that she has lost it", spouse, map[string]any{"accountId": "{{gxId}}"}),
	wait(spouse, "recoveryId", "sessionID"),
	order("confirmRecovery", "Ida believes him", sibling, nil),
	wait(sibling),
	order("cancelRecovery", "Nora has not", customer, nil),
	wait(customer),
	{operation: "getRecovery", name: "So it is hers", as: customer, status: 200, equal: map[string]string{"recovery.status": "'CANCELLED'"}},
	order("castVote", "Nora votes for longer votes", customer, map[string]any{"vote": true}),
	wait(customer),
}

// farewell ends what the story began.
var farewell = []step{
	{operation: "logout", name: "Nora logs out", status: 200, body: map[string]any{"refreshToken": "{{refreshToken}}"}},
	{operation: "getMe", name: "Nobody is Nora any more", as: customer, status: 401, code: "token_revoked"},
	{operation: "logoutAll", name: "Ama logs out everywhere", as: other, status: 200},
	{operation: "staffLogout", name: "Staff logs out", as: staff, status: 200},
	{operation: "staffLogoutAll", name: "Who has logged out can't do that again", as: staff, status: 401},
}
