package organization

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/gxid"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/status"
)

type proposeInput struct {
	Body struct {
		OrgID          string   `json:"orgId" pattern:"^[a-z0-9][a-z0-9-]{2,63}$" patternDescription:"3 to 64 lower-case letters, digits and hyphens" example:"alpine-bakery" doc:"Id of its account, for ever"`
		OrgName        string   `json:"orgName" minLength:"3" maxLength:"100" example:"Alpine Bakery"`
		OrgType        string   `json:"orgType" enum:"BUSINESS,NGO,GOVERNMENT,business,nonprofit,government" doc:"The words in lower case are aliases"`
		Country        string   `json:"country,omitzero" pattern:"^[A-Z]{2}$" patternDescription:"a two-letter country code in upper case" doc:"Of a person's own nationality when absent"`
		StakeholderIDs []string `json:"stakeholderIds" minItems:"1" maxItems:"100" doc:"Profile ids or GX ids; yours is among them unless you are staff"`
	}
}

// kinds are the types of organizations under all their names.
var kinds = map[string]account.Kind{
	"BUSINESS": account.Business, "NGO": account.NGO, "GOVERNMENT": account.Government,
	"business": account.Business, "nonprofit": account.NGO, "government": account.Government,
}

func (s organization) propose(ctx context.Context, in *proposeInput) (*door.Accepted, error) {
	b, staff := &in.Body, door.Caller(ctx).Kind == token.Staff
	kind := kinds[b.OrgType]
	if staff != (kind == account.Government) {
		return nil, problem.Invalid(http.StatusForbidden, problem.Field{Field: "orgType", Code: "org_type_forbidden",
			Message: "staff proposes governments, customers propose everything else"})
	}
	actor, err := s.actor(ctx)
	if err != nil {
		return nil, err
	}
	home, err := country(b.Country, actor)
	if err != nil {
		return nil, err
	}
	ids, err := s.founders(ctx, b.StakeholderIDs)
	if err != nil {
		return nil, err
	}
	if !staff && !slices.Contains(ids, actor) {
		return nil, problem.New(http.StatusForbidden, "not_a_stakeholder", "Who proposes an organization has a stake in it.")
	}
	_, err = readmodel.Account(ctx, s.Pool, b.OrgID)
	switch {
	case err == nil:
		err = s.Refuse(ctx, problem.Invalid(http.StatusConflict, problem.Field{Field: "orgId", Code: "org_id_taken", Message: "is taken"}))
	case errors.Is(err, readmodel.ErrNotFound):
		err = nil
	}
	if err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.ProposeOrganization{ActorID: actor, OrgID: b.OrgID, OrgName: strings.TrimSpace(b.OrgName), OrgType: kind, Country: home, StakeholderIDs: ids},
		Request: b, Receipt: door.Receipt{Message: "The organization is being proposed.", AggregateID: b.OrgID},
	})
}

// country returns the country of an organization: the one that is named, or the
// nationality of the person who proposes it.
func country(named, proposer string) (string, error) {
	if named == "" {
		id, err := gxid.Parse(proposer)
		if err != nil { // of staff
			return "", problem.Invalid(http.StatusBadRequest, problem.Field{Field: "country", Code: "COUNTRY_REQUIRED", Message: "is required"})
		}
		return id.Country, nil
	}
	var rules people.Rules
	rules.Country("country", named)
	if rules.Bad != nil {
		return "", problem.Invalid(http.StatusBadRequest, rules.Bad...)
	}
	return named, nil
}

// founders returns the GX ids of those who found an organization: enough different
// people who may act. Which of them may not is nobody's business.
func (s organization) founders(ctx context.Context, named []string) ([]string, error) {
	const field = "stakeholderIds"
	profiles := make([]*uuid.UUID, len(named))
	for i, id := range named {
		if profile, err := uuid.Parse(id); err == nil {
			profiles[i] = &profile
		}
	}
	rows, err := s.Pool.Query(ctx, `SELECT coalesce(p.gx_id, v.id), coalesce(a.status = 'ACTIVE', false)
		FROM unnest($1::text[], $2::uuid[]) WITH ORDINALITY AS v (id, profile, n) LEFT JOIN app.people p ON p.profile_id = v.profile
		LEFT JOIN read.accounts a ON a.account_id = coalesce(p.gx_id, v.id) AND a.kind = 'INDIVIDUAL' ORDER BY v.n`, named, profiles)
	if err != nil {
		return nil, fmt.Errorf("read founders: %w", err)
	}
	ids, all := []string{}, true
	var id string
	var active bool
	if _, err := pgx.ForEachRow(rows, []any{&id, &active}, func() error {
		ids, all = append(ids, id), all && active
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read founders: %w", err)
	}
	if !all {
		if err := s.Refuse(ctx, problem.Unprocessable(field, "stakeholder_ids_unknown", "not all of them are people who may act on the ledger")); err != nil {
			return nil, err
		}
	}
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			return nil, problem.BadField(field, "lists somebody twice")
		}
	}
	least, err := readmodel.ParameterValue(ctx, s.Pool, parameter.OrgMinStakeholders)
	if err != nil {
		return nil, err
	}
	most, err := readmodel.ParameterValue(ctx, s.Pool, parameter.OrgMaxStakeholders)
	if err != nil {
		return nil, err
	}
	if n := uint64(len(ids)); n < least || n > most {
		err = s.Refuse(ctx, problem.Unprocessable(field, "stakeholder_ids_invalid", fmt.Sprintf("must list %d to %d people", least, most)))
	}
	return ids, err
}

// founding returns an organization and who has a stake in it.
func (s organization) founding(ctx context.Context, orgID string) (readmodel.OrganizationState, []readmodel.Stakeholder, error) {
	o, err := s.find(ctx, orgID)
	if err != nil {
		return o, nil, err
	}
	stakeholders, err := readmodel.Stakeholders(ctx, s.Pool, o.OrgID)
	return o, stakeholders, err
}

func (s organization) endorse(ctx context.Context, in *orgInput) (*door.Accepted, error) {
	actor, err := s.Actor(ctx)
	if err != nil {
		return nil, err
	}
	o, stakeholders, err := s.founding(ctx, in.OrgID)
	if err != nil {
		return nil, err
	}
	var refusal error
	if o.Status != status.OrganizationPending {
		refusal = wrongState("The organization is " + string(o.Status) + ".")
	} else if slices.ContainsFunc(stakeholders, func(h readmodel.Stakeholder) bool { return h.UserID == actor && h.EndorsedAt != nil }) {
		refusal = problem.New(http.StatusConflict, "already_endorsed", "You have endorsed the organization already.")
	}
	if err := s.Refuse(ctx, refusal); err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.EndorseMembership{ActorID: actor, OrgID: o.OrgID}, Request: named{o.OrgID},
		Receipt: door.Receipt{Message: "The endorsement is being recorded.", AggregateID: o.OrgID},
	})
}

// named is what is asked for of a thing by naming it.
type named struct {
	OrgID string `json:"orgId"`
}

func (s organization) activate(ctx context.Context, in *orgInput) (*door.Accepted, error) {
	actor, err := s.actor(ctx)
	if err != nil {
		return nil, err
	}
	o, stakeholders, err := s.founding(ctx, in.OrgID)
	if err != nil {
		return nil, err
	}
	var refusal error
	if o.Status != status.OrganizationPending {
		refusal = wrongState("The organization is " + string(o.Status) + ".")
	} else if slices.ContainsFunc(stakeholders, func(h readmodel.Stakeholder) bool { return h.EndorsedAt == nil }) {
		refusal = problem.New(http.StatusConflict, "endorsements_missing", "Not all who have a stake in the organization have endorsed it.")
	}
	if err := s.Refuse(ctx, refusal); err != nil {
		return nil, err
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.ActivateOrganization{ActorID: actor, OrgID: o.OrgID}, Request: named{o.OrgID},
		Receipt: door.Receipt{Message: "The organization is being opened.", AggregateID: o.OrgID},
	})
}

type lockInput struct {
	OrgID string `path:"orgId" maxLength:"64"`
	Body  struct {
		Reason string `json:"reason" minLength:"10" maxLength:"500" doc:"Why, for the record"`
	}
}

func (s organization) lock(ctx context.Context, in *lockInput) (*door.Accepted, error) {
	o, err := s.find(ctx, in.OrgID)
	if err != nil {
		return nil, err
	}
	if o.Status != status.OrganizationActive {
		if err := s.Refuse(ctx, wrongState("The organization is "+string(o.Status)+".")); err != nil {
			return nil, err
		}
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.FreezeWallet{AccountID: o.OrgID, Reason: in.Body.Reason},
		Request: struct {
			named
			Reason string `json:"reason"`
		}{named{o.OrgID}, in.Body.Reason},
		Receipt: door.Receipt{Message: "The organization is being locked.", AggregateID: o.OrgID},
	})
}

func (s organization) unlock(ctx context.Context, in *orgInput) (*door.Accepted, error) {
	o, err := s.find(ctx, in.OrgID)
	if err != nil {
		return nil, err
	}
	if o.Status != status.OrganizationLocked {
		if err := s.Refuse(ctx, wrongState("The organization is "+string(o.Status)+".")); err != nil {
			return nil, err
		}
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.UnfreezeWallet{AccountID: o.OrgID}, Request: named{o.OrgID},
		Receipt: door.Receipt{Message: "The lock is being ended.", AggregateID: o.OrgID},
	})
}
