package door

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/token"
)

// Policy says who may use a route. The zero value lets nobody in and stops the
// start of the service.
type Policy struct {
	Public   bool       // anybody, without a token
	Customer bool       // any customer, acting on what is theirs
	Object   Object     // the customer, or the member of staff, to whom the object in the path belongs
	Staff    Permission // members of staff who hold it
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
	NoObject Object = iota
	Profile         // {profileId}: a profile id, the GX id of the same person, or "me"
	Command         // {commandId}: a command, owned by who sent it
	objectCount
)

// Param returns the name of the path parameter that holds the object's id.
func (o Object) Param() string {
	return [objectCount]string{Profile: "profileId", Command: "commandId"}[o]
}

// Me stands for the caller's own profile in a path.
const Me = "me"

// Principal is who sent a request.
type Principal struct {
	Kind    token.Audience
	ID      uuid.UUID // profile or staff id
	Session uuid.UUID
	Role    Role // of staff
}

// String returns the name under which commands and idempotency keys are kept.
func (p Principal) String() string {
	switch p.Kind {
	case token.Customers:
		return "customer:" + p.ID.String()
	case token.Staff:
		return "staff:" + p.ID.String()
	}
	return ""
}

// authorize is the one place that decides whether a principal may use a route.
// Somebody else's object looks like one that does not exist.
func (d *Door) authorize(ctx context.Context, p Policy, who Principal, id string) error {
	if who.Kind == token.Staff {
		if who.Role.May(p.Staff) {
			return nil
		}
		// Before the system is open nobody can be the second person; the handler
		// refuses a system that is.
		if p.Staff == SystemBootstrap && who.Role == SuperOwner {
			return nil
		}
		if who.Role.MayWithApproval(p.Staff) {
			return problem.New(http.StatusForbidden, "approval_required", "This needs the approval of a second person.")
		}
		if p.Object == NoObject {
			return problem.New(http.StatusForbidden, "forbidden", "Your role may not do this.")
		}
	} else if p.Customer {
		return nil
	} else if p.Object == NoObject {
		return problem.New(http.StatusForbidden, "forbidden", "This is not for customers.")
	}
	owns, err := d.owns(ctx, who, p.Object, id)
	if err != nil {
		return err
	}
	if !owns {
		return problem.New(http.StatusNotFound, "not_found", "There is no such object.")
	}
	return nil
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
		return d.exists(ctx, `SELECT FROM app.people WHERE profile_id = $1 AND gx_id = $2`, who.ID, id)
	case Command:
		parsed, err := uuid.Parse(id)
		if err != nil {
			return false, nil
		}
		return d.exists(ctx, `SELECT FROM app.commands WHERE id = $1 AND principal = $2`, parsed, who.String())
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
