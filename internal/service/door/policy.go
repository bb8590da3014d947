package door

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/protocol/gxid"
)

// Policy says who may use a route. The zero value lets nobody in and stops the
// start of the service.
type Policy struct {
	Public     bool       // anybody, without a token
	Customer   bool       // any customer, acting on what is theirs
	Object     Object     // the customer, or the member of staff, to whom the object in the path belongs
	Staff      Permission // members of staff who hold it
	FourEyes   bool       // even who holds it alone needs a second person
	Unenrolled bool       // also for staff who still have to enrol a second factor
}

func (p Policy) valid() error {
	switch {
	case p == Policy{}:
		return errors.New("has no policy")
	case p.Public && p != Policy{Public: true}:
		return errors.New("is public and something else")
	case p.Customer && p.Object != NoObject:
		return errors.New("is for any customer and for an owner")
	case p.Staff >= permissionCount || p.Object >= objectCount:
		return errors.New("has an unknown policy")
	}
	return nil
}

// Object is a kind of thing that a path names and somebody owns.
type Object uint8

const (
	NoObject     Object = iota
	Profile             // {profileId}: a profile id, the GX id of the same person, or "me"
	Command             // {commandId}: a command, owned by who sent it
	Organization        // {orgId}: an organization, of everybody who has a stake in it
	MultiSig            // {pendingTxId}: a transaction of an organization, of the same people
	Account             // {accountId}: an account or profile id, or "me"; of the person, or of everybody who has a stake in the organization
	Treasury            // {countryCode}: a national treasury, of everybody who has a stake in the organization that controls it
	Loan                // {loanId}: a loan, of its borrower
	Relationship        // {relationshipId}: a relationship, of both its ends
	Recovery            // {recoveryId}: a recovery, of the owner of the account and its guardians
	objectCount
)

// Param returns the name of the path parameter that holds the object's id.
func (o Object) Param() string {
	return [objectCount]string{
		Profile: "profileId", Command: "commandId", Organization: "orgId", MultiSig: "pendingTxId",
		Account: "accountId", Treasury: "countryCode", Loan: "loanId", Relationship: "relationshipId", Recovery: "recoveryId",
	}[o]
}

// Me stands for the caller's own profile in a path.
const Me = "me"

// Principal is who sent a request.
type Principal struct {
	Kind    token.Audience
	ID      uuid.UUID // profile or staff id
	Session uuid.UUID
	Role    Role // of staff
	state   sessionState
	until   time.Time // the end of the access token
}

// prefixes begin the names of principals.
var prefixes = map[token.Audience]string{token.Customers: "customer:", token.Staff: "staff:"}

// String returns the name under which commands and idempotency keys are kept.
func (p Principal) String() string {
	if prefix, ok := prefixes[p.Kind]; ok {
		return prefix + p.ID.String()
	}
	return ""
}

// authorize is the one place that decides whether a principal may use a route.
// Somebody else's object looks like one that does not exist. With held the
// principal may ask for what the route does, but not do it.
func (d *Door) authorize(ctx context.Context, p Policy, who Principal, id string) (held bool, err error) {
	if who.Kind == token.Staff {
		alone, together := who.Role.May(p.Staff), who.Role.MayWithApproval(p.Staff)
		// Before the system is open nobody can be the second person; the handler
		// refuses a system that is.
		if p.Staff == SystemBootstrap && who.Role == SuperOwner {
			alone = true
		}
		if alone || together {
			return !alone || p.FourEyes, d.proved(p, who.state)
		}
		if p.Object == NoObject {
			return false, problem.New(http.StatusForbidden, "forbidden", "Your role may not do this.")
		}
	} else if p.Customer {
		return false, nil
	} else if p.Object == NoObject {
		return false, problem.New(http.StatusForbidden, "forbidden", "This is not for customers.")
	}
	owns, err := d.owns(ctx, who, p.Object, id)
	if err != nil {
		return false, err
	}
	if !owns {
		return false, problem.New(http.StatusNotFound, "not_found", "There is no such object.")
	}
	return false, nil
}

// How long ago the second factor may have been shown for what a permission risks.
var proofFresh = map[string]time.Duration{"HIGH": 15 * time.Minute, "CRITICAL": 5 * time.Minute}

// NeedsMFA reports whether the house demands a second factor of a role.
func (d *Door) NeedsMFA(r Role) bool { return d.RequireMFA && r.Level() >= Admin.Level() }

// proved refuses staff without a second factor where one is demanded, and those
// who have one but did not show it of late.
func (d *Door) proved(p Policy, s sessionState) error {
	switch {
	case p.Unenrolled:
		return nil
	case !s.enrolled && d.NeedsMFA(s.role):
		return problem.New(http.StatusForbidden, "MFA_REQUIRED", "Your role needs a second factor: enrol one first.")
	case !s.enrolled || p.Staff.Risk() == "LOW":
		return nil
	}
	fresh, limited := proofFresh[p.Staff.Risk()]
	if s.provedAt == nil || limited && d.Clock().Sub(*s.provedAt) > fresh {
		return problem.New(http.StatusForbidden, "MFA_REQUIRED", "Show your second factor again: POST /admin/auth/mfa/step-up.").
			WithFact("maxAgeSeconds", strconv.Itoa(int(fresh.Seconds())))
	}
	return nil
}

// Owns reports whether an object is the caller's, for what is not the same for everybody.
func (d *Door) Owns(ctx context.Context, o Object, id string) (bool, error) {
	return d.owns(ctx, Caller(ctx), o, id)
}

func (d *Door) owns(ctx context.Context, who Principal, o Object, id string) (bool, error) {
	switch o {
	case Profile:
		if who.Kind != token.Customers {
			return false, nil
		}
		if parsed, err := uuid.Parse(id); err == nil || id == Me {
			return id == Me || parsed == who.ID, nil
		}
		return d.exists(ctx, `SELECT FROM app.people WHERE profile_id = $1 AND gx_id = $2`, who.ID, gxid.Canonical(id))
	case Command:
		parsed, err := uuid.Parse(id)
		if err != nil {
			return false, nil
		}
		return d.exists(ctx, `SELECT FROM app.commands WHERE id = $1 AND principal = $2`, parsed, who.String())
	case Organization:
		return d.exists(ctx, `SELECT FROM read.stakeholders s JOIN app.people p ON p.gx_id = s.user_id WHERE s.org_id = $1 AND p.profile_id = $2`, id, who.ID)
	case MultiSig:
		return d.exists(ctx, `SELECT FROM read.multisig_transactions m JOIN read.stakeholders s USING (org_id) JOIN app.people p ON p.gx_id = s.user_id
			WHERE m.pending_tx_id = $1 AND p.profile_id = $2`, id, who.ID)
	case Account:
		return d.exists(ctx, `SELECT FROM app.people p WHERE p.profile_id = $2 AND ($1 IN ('me', p.profile_id::text, p.gx_id)
			OR EXISTS (SELECT FROM read.stakeholders s WHERE s.org_id = $1 AND s.user_id = p.gx_id))`, gxid.Canonical(id), who.ID)
	case Treasury:
		return d.exists(ctx, `SELECT FROM read.treasuries t JOIN read.stakeholders s USING (org_id) JOIN app.people p ON p.gx_id = s.user_id
			WHERE t.country_code = $1 AND p.profile_id = $2`, id, who.ID)
	case Loan:
		return d.exists(ctx, `SELECT FROM read.loans l JOIN app.people p ON p.gx_id = l.borrower_id WHERE l.loan_id = $1 AND p.profile_id = $2`, id, who.ID)
	case Relationship:
		return d.exists(ctx, `SELECT FROM read.relationships r JOIN app.people p ON p.gx_id IN (r.subject_id, r.object_id)
			WHERE r.relationship_id = $1 AND p.profile_id = $2`, id, who.ID)
	case Recovery:
		return d.exists(ctx, `SELECT FROM read.recoveries r CROSS JOIN app.people p WHERE r.session_id = $1 AND p.profile_id = $2
			AND (p.gx_id = r.lost_account_id OR EXISTS (SELECT FROM read.guardians g WHERE g.user_id = r.lost_account_id AND g.guardian_id = p.gx_id))`, id, who.ID)
	}
	return false, nil
}

func (d *Door) exists(ctx context.Context, sql string, args ...any) (bool, error) {
	err := d.Pool.QueryRow(ctx, sql, args...).Scan()
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("check ownership: %w", err)
	}
	return true, nil
}
