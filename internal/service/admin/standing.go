package admin

import (
	"context"
	"fmt"
	"net/http"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
)

type freezeInput struct {
	UserID string `path:"userId" doc:"Profile id or GX id"`
	Body   struct {
		Reason string `json:"reason" enum:"ADMIN_ACTION,SUSPICIOUS_ACTIVITY,COMPLIANCE_REVIEW,COURT_ORDER,USER_REQUEST,INACTIVITY,DEBT_COLLECTION"`
		Notes  string `json:"notes,omitzero" maxLength:"1000" doc:"For the record; not on the ledger"`
	}
}

func (s admin) freeze(ctx context.Context, in *freezeInput) (*door.Accepted, error) {
	p, a, err := s.onLedger(ctx, in.UserID)
	if err != nil {
		return nil, err
	}
	if err := s.becomes(ctx, a, account.Frozen); err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.FreezeWallet{AccountID: a.AccountID, Reason: in.Body.Reason},
		Request: map[string]any{"userId": p.ProfileID, "reason": in.Body.Reason, "notes": in.Body.Notes},
		Receipt: door.Receipt{Message: "The account is being frozen.", AggregateID: a.AccountID},
	})
}

type unfreezeInput struct {
	UserID string `path:"userId" doc:"Profile id or GX id"`
	Body   *struct {
		Notes string `json:"notes,omitzero" maxLength:"1000" doc:"For the record"`
	}
}

func (s admin) unfreeze(ctx context.Context, in *unfreezeInput) (*door.Accepted, error) {
	p, a, err := s.onLedger(ctx, in.UserID)
	if err != nil {
		return nil, err
	}
	if err := s.conflict(ctx, account.Status(a.Status) != account.Frozen, "invalid_state", "The account is "+a.Status+", not frozen."); err != nil {
		return nil, err
	}
	var notes string
	if in.Body != nil {
		notes = in.Body.Notes
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.UnfreezeWallet{AccountID: a.AccountID}, FourEyes: a.FrozenReason == people.CourtOrder,
		Request: map[string]any{"userId": p.ProfileID, "notes": notes, "reason": notes},
		Receipt: door.Receipt{Message: "The freeze is being ended.", AggregateID: a.AccountID},
	})
}

type standingInput struct {
	UserID string `path:"userId" doc:"Profile id or GX id"`
	Body   struct {
		Reason string `json:"reason" minLength:"10" maxLength:"1000" doc:"Why, for the record"`
	}
}

// setStanding returns the handler that asks for a status of a person on the ledger.
func (s admin) setStanding(next account.Status) func(context.Context, *standingInput) (*door.Accepted, error) {
	return func(ctx context.Context, in *standingInput) (*door.Accepted, error) {
		p, a, err := s.onLedger(ctx, in.UserID)
		if err != nil {
			return nil, err
		}
		if err := s.becomes(ctx, a, next); err != nil {
			return nil, err
		}
		if next == account.Closed && a.Balance != 0 {
			return nil, problem.New(http.StatusConflict, "balance_not_zero", "An account is closed when nothing is left in it.")
		}
		return s.Submit(ctx, door.Submission{
			Payload: &command.SetUserStatus{UserID: a.AccountID, Status: string(next), Reason: in.Body.Reason},
			Request: map[string]any{"userId": p.ProfileID, "reason": in.Body.Reason},
			Receipt: door.Receipt{Message: "The status is being changed.", AggregateID: a.AccountID},
		})
	}
}

// onLedger returns a person with their account on the ledger.
func (s admin) onLedger(ctx context.Context, id string) (people.Person, readmodel.AccountState, error) {
	p, err := s.find(ctx, id)
	if err != nil {
		return p, readmodel.AccountState{}, err
	}
	if p.OnchainAt == nil {
		return p, readmodel.AccountState{}, problem.New(http.StatusUnprocessableEntity, "not_on_ledger", "This person is not on the ledger.")
	}
	a, err := readmodel.Account(ctx, s.Pool, *p.GXID)
	return p, a, err
}

// becomes refuses a status that cannot follow, as the ledger would.
func (s admin) becomes(ctx context.Context, a readmodel.AccountState, next account.Status) error {
	return s.conflict(ctx, !account.Status(a.Status).CanBecome(next), "invalid_state", "An account that is "+a.Status+" cannot become "+string(next)+".")
}

// PendingOnchain is somebody who waits for the ledger.
type PendingOnchain struct {
	ProfileID              string     `json:"profileId" format:"uuid"`
	FirstName              string     `json:"firstName"`
	LastName               string     `json:"lastName"`
	Email                  string     `json:"email" doc:"Masked"`
	FabricUserID           string     `json:"fabricUserId" doc:"GX id"`
	NationalityCountryCode string     `json:"nationalityCountryCode"`
	ReviewedAt             *door.Time `json:"reviewedAt,omitzero"`
}

type pendingOnchainOutput struct {
	Body struct {
		Success bool             `json:"success"`
		Users   []PendingOnchain `json:"users"`
		Total   int              `json:"total"`
	}
}

// pendingOnchain lists those who are approved and not on their way, the first
// reviewed first.
func (s admin) pendingOnchain(ctx context.Context, _ *struct{}) (*pendingOnchainOutput, error) {
	list, err := s.people(ctx, ` WHERE p.status = 'APPROVED_PENDING_ONCHAIN' AND u.user_id IS NULL AND NOT EXISTS (
			SELECT FROM app.known_keys k JOIN app.commands c ON c.id = k.command_id WHERE k.principal = 'system' AND k.route = 'CREATE_USER'
			AND k.idempotency_key LIKE 'create-user:' || p.gx_id || '%' AND c.state NOT IN ('REJECTED', 'DEAD', 'CANCELLED'))
		ORDER BY p.reviewed_at, p.profile_id LIMIT 100`)
	if err != nil {
		return nil, err
	}
	var out pendingOnchainOutput
	out.Body.Success, out.Body.Users, out.Body.Total = true, make([]PendingOnchain, len(list)), len(list)
	for i, p := range list {
		u, err := s.user(p, nil)
		if err != nil {
			return nil, err
		}
		out.Body.Users[i] = PendingOnchain{u.ProfileID, u.FirstName, u.LastName, u.Email, u.FabricUserID, u.NationalityCountryCode, u.ReviewedAt}
	}
	return &out, nil
}

// FrozenUser is somebody whose account is frozen.
type FrozenUser struct {
	ProfileID    string     `json:"profileId" format:"uuid"`
	FirstName    string     `json:"firstName"`
	LastName     string     `json:"lastName"`
	Email        string     `json:"email" doc:"Masked"`
	FabricUserID string     `json:"fabricUserId" doc:"GX id"`
	LockReason   string     `json:"lockReason,omitzero"`
	LockedAt     *door.Time `json:"lockedAt,omitzero"`
}

type frozenInput struct {
	Page  int `query:"page" minimum:"1" maximum:"10000" default:"1"`
	Limit int `query:"limit" minimum:"1" maximum:"100" default:"20"`
}

type frozenOutput struct {
	Body struct {
		Success     bool         `json:"success"`
		FrozenUsers []FrozenUser `json:"frozenUsers"`
		Total       int          `json:"total"`
	}
}

func (s admin) frozen(ctx context.Context, in *frozenInput) (*frozenOutput, error) {
	const where = ` WHERE a.status = 'FROZEN'`
	var out frozenOutput
	b := &out.Body
	if err := s.Pool.QueryRow(ctx, `SELECT count(*)`+people.From+where).Scan(&b.Total); err != nil {
		return nil, fmt.Errorf("count frozen people: %w", err)
	}
	list, err := s.people(ctx, where+` ORDER BY a.frozen_at DESC, p.profile_id LIMIT $1 OFFSET $2`, in.Limit, (in.Page-1)*in.Limit)
	if err != nil {
		return nil, err
	}
	b.Success, b.FrozenUsers = true, make([]FrozenUser, len(list))
	for i, p := range list {
		u, err := s.user(p, nil)
		if err != nil {
			return nil, err
		}
		b.FrozenUsers[i] = FrozenUser{u.ProfileID, u.FirstName, u.LastName, u.Email, u.FabricUserID, p.FrozenReason, door.TimeOf(p.FrozenAt)}
	}
	return &out, nil
}

// people reads persons; where begins with WHERE.
func (s admin) people(ctx context.Context, where string, args ...any) ([]people.Person, error) {
	rows, err := s.Pool.Query(ctx, `SELECT `+people.Columns+people.From+where, args...)
	if err != nil {
		return nil, fmt.Errorf("list people: %w", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByName[people.Person])
	if err != nil {
		return nil, fmt.Errorf("list people: %w", err)
	}
	return list, nil
}
