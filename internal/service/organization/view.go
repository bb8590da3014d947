package organization

import (
	"context"
	"errors"

	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/status"
)

// Organization is an organization. What is from proposerId on is for those who
// have a stake in it, and for staff.
type Organization struct {
	OrgID       string              `json:"orgId"`
	OrgName     string              `json:"orgName"`
	OrgType     account.Kind        `json:"orgType" enum:"BUSINESS,NGO,GOVERNMENT"`
	AccountType account.Kind        `json:"accountType" doc:"Same as orgType"`
	Country     string              `json:"country"`
	Status      status.Organization `json:"status" enum:"PENDING_ENDORSEMENT,ACTIVE,LOCKED"`
	CreatedAt   door.Time           `json:"createdAt"`
	ActivatedAt *door.Time          `json:"activatedAt,omitzero"`

	ProposerID            string          `json:"proposerId,omitzero" doc:"GX id, or id of a member of staff"`
	Stakeholders          []string        `json:"stakeholders,omitzero" doc:"GX ids"`
	Endorsements          map[string]bool `json:"endorsements,omitzero" doc:"Who of them has endorsed it"`
	Rules                 []Rule          `json:"rules,omitzero" doc:"By threshold"`
	VelocityTaxTimerStart *door.Time      `json:"velocityTaxTimerStart,omitzero" doc:"Since when its money rests"`
	FrozenReason          string          `json:"frozenReason,omitzero" doc:"Why it is locked"`
}

func public(o readmodel.OrganizationState) Organization {
	return Organization{
		OrgID: o.OrgID, OrgName: o.Name, OrgType: o.Type, AccountType: o.Type, Country: o.Country, Status: o.Status,
		CreatedAt: door.Time{Time: o.CreatedAt}, ActivatedAt: door.TimeOf(o.ActivatedAt),
	}
}

type organizationOutput struct {
	Body struct {
		Organization Organization `json:"organization"`
	}
}

func (s organization) get(ctx context.Context, in *orgInput) (*organizationOutput, error) {
	o, err := s.find(ctx, in.OrgID)
	if err != nil {
		return nil, err
	}
	var out organizationOutput
	out.Body.Organization = public(o)
	full := door.Caller(ctx).Kind == token.Staff
	if !full {
		full, err = s.Owns(ctx, door.Organization, o.OrgID)
	}
	if err == nil && full {
		err = s.complete(ctx, &out.Body.Organization, o)
	}
	return &out, err
}

// complete adds what is not for everybody.
func (s organization) complete(ctx context.Context, v *Organization, o readmodel.OrganizationState) error {
	stakeholders, err := readmodel.Stakeholders(ctx, s.Pool, o.OrgID)
	if err != nil {
		return err
	}
	v.ProposerID, v.Stakeholders, v.Endorsements = o.ProposerID, make([]string, len(stakeholders)), map[string]bool{}
	for i, h := range stakeholders {
		v.Stakeholders[i] = h.UserID
		v.Endorsements[h.UserID] = h.EndorsedAt != nil
	}
	if v.Rules, err = s.ruleList(ctx, o.OrgID); err != nil {
		return err
	}
	a, err := readmodel.Account(ctx, s.Pool, o.OrgID)
	v.VelocityTaxTimerStart, v.FrozenReason = door.TimeOf(a.VelocityTimerStart), a.FrozenReason
	return err
}

type listInput struct {
	door.Paging
	Status  status.Organization `query:"status" enum:"PENDING_ENDORSEMENT,ACTIVE,LOCKED"`
	Type    account.Kind        `query:"type" enum:"BUSINESS,NGO,GOVERNMENT"`
	Country string              `query:"country" pattern:"^[A-Z]{2}$" patternDescription:"a two-letter country code in upper case"`
}

type listOutput struct{ Body door.List[Organization] }

func (s organization) list(ctx context.Context, in *listInput) (*listOutput, error) {
	w, err := in.Window()
	if err != nil {
		return nil, err
	}
	f := readmodel.OrganizationFilter{Type: in.Type, Country: in.Country}
	if in.Status != "" {
		f.Statuses = []status.Organization{in.Status}
	}
	if door.Caller(ctx).Kind != token.Staff {
		f.Stakeholder, err = people.AccountID(ctx, s.Pool, door.Caller(ctx).ID.String())
		if errors.Is(err, people.ErrNotFound) {
			return &listOutput{door.List[Organization]{Data: []Organization{}}}, nil
		}
		if err != nil {
			return nil, err
		}
	}
	l, err := readmodel.Organizations(ctx, s.Pool, f, w)
	return &listOutput{door.ListOf(l, public)}, err
}

// Stakeholder is a person who has a stake in an organization.
type Stakeholder struct {
	UserID      string     `json:"userId" doc:"GX id"`
	DisplayName string     `json:"displayName,omitzero" doc:"First name and initial" example:"Ada L."`
	EndorsedAt  *door.Time `json:"endorsedAt,omitzero" doc:"Absent until they endorse the organization"`
}

type stakeholdersOutput struct{ Body door.List[Stakeholder] }

func (s organization) stakeholders(ctx context.Context, in *orgInput) (*stakeholdersOutput, error) {
	if _, err := s.find(ctx, in.OrgID); err != nil {
		return nil, err
	}
	all, err := readmodel.Stakeholders(ctx, s.Pool, in.OrgID)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(all))
	for i, h := range all {
		ids[i] = h.UserID
	}
	names, err := people.DisplayNames(ctx, s.Pool, s.Fields, ids)
	return &stakeholdersOutput{door.ListOf(readmodel.List[readmodel.Stakeholder]{Items: all}, func(h readmodel.Stakeholder) Stakeholder {
		return Stakeholder{h.UserID, names[h.UserID], door.TimeOf(h.EndorsedAt)}
	})}, err
}
