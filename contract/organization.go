package contract

import (
	"slices"
	"time"

	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/gxid"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/role"
	"gxcoin.money/gx/protocol/status"
)

// Organization belongs to several people. Balance, lock and velocity timer are
// in the account of the same id.
type Organization struct {
	OrgID        string       `json:"orgID"`
	OrgName      string       `json:"orgName"`
	OrgType      account.Kind `json:"orgType"`
	Country      string       `json:"country"`
	Stakeholders []string     `json:"stakeholders"`
	Endorsements []string     `json:"endorsements"` // stakeholders who agree, in the order in which they did
	Rules        []Rule       `json:"rules"`        // by threshold; an active organization has one of 0
	CreatedAt    time.Time    `json:"createdAt"`
	ActivatedAt  *time.Time   `json:"activatedAt,omitzero"`

	account *Account
}

func init() {
	handle(proposeOrganization, proposeOrganizationKeys, "OrganizationProposed")
	handle(endorseMembership, func(p *command.EndorseMembership) []string {
		return append(organizationKeys(p.OrgID, p.ActorID), userKey(p.ActorID))
	}, "MembershipEndorsed")
	handle(activateOrganization, func(p *command.ActivateOrganization) []string { return organizationKeys(p.OrgID, p.Actor()) },
		"AuthRuleDefined", "OrganizationActivated")
	query(command.OrganizationContract, "GetOrganization", []string{"orgID"}, getOrganization)
}

func organizationKey(id string) string { return compositeKey("org", id) }

// organizationKeys lists what a command of a person about an organization reads.
func organizationKeys(orgID, actorID string) []string {
	return append(staffKeys(actorID), organizationKey(orgID), accountKey(orgID))
}

// organization returns an organization of any status.
func (t *tx) organization(id string) (*Organization, error) {
	o, err := load[Organization](t, organizationKey(id))
	switch {
	case err != nil:
		return nil, err
	case o == nil:
		return nil, refuse(CodeNotFound, "organization %s does not exist", id)
	}
	o.account, err = t.account(id)
	return o, err
}

func (t *tx) setOrganization(o *Organization) error { return store(t, organizationKey(o.OrgID), o) }

// stake returns an organization of any status in which a person, who may act,
// has a stake.
func (t *tx) stake(orgID, actorID string) (*Organization, error) {
	if _, err := t.actor(actorID); err != nil {
		return nil, err
	}
	o, err := t.organization(orgID)
	if err != nil {
		return nil, err
	}
	return o, o.admit(actorID)
}

// admit refuses who has no stake in the organization.
func (o *Organization) admit(id string) error {
	if slices.Contains(o.Stakeholders, id) {
		return nil
	}
	return refuse(CodeUnauthorized, "%s has no stake in organization %s", id, o.OrgID)
}

// operating refuses what only an active organization may do.
func (o *Organization) operating() error {
	switch s := o.status(); s {
	case status.OrganizationActive:
		return nil
	case status.OrganizationLocked:
		return refuse(CodeAccountFrozen, "organization %s is locked", o.OrgID)
	default:
		return refuse(CodeInvalidState, "organization %s is %s", o.OrgID, s)
	}
}

// status is that of the account, under the name it has for organizations.
func (o *Organization) status() status.Organization {
	if o.account.Status == account.Frozen {
		return status.OrganizationLocked
	}
	return status.Organization(o.account.Status)
}

func proposeOrganizationKeys(p *command.ProposeOrganization) []string {
	keys := []string{
		accountKey(p.OrgID), countryKey(p.Country), parameterKey(parameter.OrgMinStakeholders), parameterKey(parameter.OrgMaxStakeholders),
	}
	for _, id := range p.StakeholderIDs {
		keys = append(keys, accountKey(id))
	}
	return keys
}

func proposeOrganization(t *tx, p *command.ProposeOrganization) (any, error) {
	switch {
	case p.OrgType == account.Government && t.stub.Caller().Role != role.Admin:
		return nil, refuse(CodeUnauthorized, "only an administrator proposes a government")
	case p.OrgType != account.Government && !slices.Contains(p.StakeholderIDs, p.ActorID):
		return nil, refuse(CodeInvalidArgument, "stakeholderIDs: must list %s, who proposes", p.ActorID)
	}
	if err := t.staff(p.Actor()); err != nil {
		return nil, err
	}
	if id, err := gxid.Parse(p.OrgID); err == nil && (kinds[id.Type] != p.OrgType || id.Country != p.Country) {
		return nil, refuse(CodeInvalidArgument, "orgID: is not the id of a %s of %s", p.OrgType, p.Country)
	}
	if _, err := t.country(p.Country); err != nil {
		return nil, err
	}
	if err := t.stakeholders(p.StakeholderIDs); err != nil {
		return nil, err
	}
	if err := t.addAccount(&Account{AccountID: p.OrgID, Kind: p.OrgType, Country: p.Country, Status: pending}); err != nil {
		return nil, err
	}
	if err := t.setOrganization(&Organization{
		OrgID: p.OrgID, OrgName: p.OrgName, OrgType: p.OrgType, Country: p.Country,
		Stakeholders: p.StakeholderIDs, Endorsements: []string{}, Rules: []Rule{}, CreatedAt: t.now,
	}); err != nil {
		return nil, err
	}
	return nil, t.emit(&event.OrganizationProposed{
		OrgID: p.OrgID, OrgName: p.OrgName, OrgType: p.OrgType, Country: p.Country, Stakeholders: p.StakeholderIDs, ProposerID: p.ActorID,
	})
}

// kinds says what an organization with a GX id of a type is.
var kinds = map[byte]account.Kind{
	gxid.Business: account.Business, gxid.NonProfit: account.NGO, gxid.Governmental: account.Government,
}

// stakeholders checks the number of the people who found an organization, and
// that all of them may act.
func (t *tx) stakeholders(ids []string) error {
	least, err := t.parameter(parameter.OrgMinStakeholders)
	if err != nil {
		return err
	}
	most, err := t.parameter(parameter.OrgMaxStakeholders)
	if err != nil {
		return err
	}
	if n := uint64(len(ids)); n < least || n > most {
		return refuse(CodeInvalidArgument, "stakeholderIDs: must list %d to %d people", least, most)
	}
	for _, id := range ids {
		if _, err := t.actor(id); err != nil {
			return err
		}
	}
	return nil
}

func endorseMembership(t *tx, p *command.EndorseMembership) (any, error) {
	o, err := t.stake(p.OrgID, p.ActorID)
	switch {
	case err != nil:
		return nil, err
	case o.status() != status.OrganizationPending:
		return nil, refuse(CodeInvalidState, "organization %s is %s", o.OrgID, o.status())
	case slices.Contains(o.Endorsements, p.ActorID):
		return nil, refuse(CodeAlreadyApproved, "%s has endorsed organization %s already", p.ActorID, o.OrgID)
	}
	o.Endorsements = append(o.Endorsements, p.ActorID)
	if err := t.setOrganization(o); err != nil {
		return nil, err
	}
	u, err := t.user(p.ActorID)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(u.OrgIDs, o.OrgID) {
		u.OrgIDs = append(u.OrgIDs, o.OrgID)
		if err := t.setUser(u); err != nil {
			return nil, err
		}
	}
	return nil, t.emit(&event.MembershipEndorsed{
		OrgID: o.OrgID, EndorserID: p.ActorID, Remaining: len(o.Stakeholders) - len(o.Endorsements),
	})
}

func activateOrganization(t *tx, p *command.ActivateOrganization) (any, error) {
	if err := t.staff(p.Actor()); err != nil {
		return nil, err
	}
	o, err := t.organization(p.OrgID)
	if err != nil {
		return nil, err
	}
	if t.stub.Caller().Role != role.Admin {
		if err := o.admit(p.ActorID); err != nil {
			return nil, err
		}
	}
	if o.status() != status.OrganizationPending {
		return nil, refuse(CodeInvalidState, "organization %s is %s", o.OrgID, o.status())
	}
	if n := len(o.Stakeholders) - len(o.Endorsements); n > 0 {
		return nil, refuse(CodeInvalidState, "%d stakeholders have not endorsed organization %s", n, o.OrgID)
	}
	o.account.Status, o.ActivatedAt = account.Active, &t.now
	if err := t.setAccount(o.account); err != nil {
		return nil, err
	}
	if len(o.Rules) == 0 || o.Rules[0].AmountThreshold > 0 {
		if err := t.setRule(o, o.defaultRule(), p.ActorID); err != nil {
			return nil, err
		}
	}
	if err := t.setOrganization(o); err != nil {
		return nil, err
	}
	return nil, t.emit(&event.OrganizationActivated{OrgID: o.OrgID, ActivatedBy: p.ActorID})
}

// organizationView is an organization with what its account says.
type organizationView struct {
	Organization
	Status                status.Organization `json:"status"`
	FrozenReason          string              `json:"frozenReason,omitzero"`
	FrozenAt              *time.Time          `json:"frozenAt,omitzero"`
	VelocityTaxTimerStart *time.Time          `json:"velocityTaxTimerStart,omitzero"`
	VelocityTaxLastCheck  *time.Time          `json:"velocityTaxLastCheck,omitzero"`
	VelocityTaxExempt     bool                `json:"velocityTaxExempt"`
}

func getOrganization(t *tx, args []string) (*organizationView, error) {
	o, err := t.organization(args[0])
	if err != nil {
		return nil, err
	}
	a := o.account
	return &organizationView{*o, o.status(), a.FrozenReason, a.FrozenAt, a.VelocityTaxTimerStart, a.VelocityTaxLastCheck, a.VelocityTaxExempt}, nil
}
