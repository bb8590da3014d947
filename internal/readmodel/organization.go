package readmodel

import (
	"context"
	"strings"
	"time"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
)

// OrganizationState is an organization. Its money is the account of the same id.
type OrganizationState struct {
	OrgID       string
	Name        string
	Type        account.Kind
	Country     string
	Status      status.Organization
	ProposerID  string
	ActivatedBy string
	CreatedAt   time.Time
	ActivatedAt *time.Time
	Cursor      Cursor `db:"-"`
}

type organizationRow struct {
	OrganizationState
	Cursor
}

func (r organizationRow) state() OrganizationState {
	r.OrganizationState.Cursor = r.Cursor
	return r.OrganizationState
}

// The status of an organization is that of its account, which is frozen when
// the organization is locked.
const organizationSelect = `
	SELECT org_id, name, type, country, status, proposer_id, activated_by, created_at, activated_at, block, tx_index, seq, 0 AS entry
	FROM (SELECT o.*, CASE a.status WHEN 'FROZEN' THEN 'LOCKED' ELSE a.status END AS status
	      FROM read.organizations o JOIN read.accounts a ON a.account_id = o.org_id) o`

// Organization returns an organization, or ErrNotFound.
func Organization(ctx context.Context, db postgres.DB, orgID string) (OrganizationState, error) {
	r, err := one[organizationRow](ctx, db, "organization", organizationSelect+` WHERE org_id = $1`, orgID)
	return r.state(), err
}

// OrganizationFilter narrows a list of organizations. Zero values do not narrow.
type OrganizationFilter struct {
	Stakeholder string // GX id
	Type        account.Kind
	Country     string
	Statuses    []status.Organization
}

// Organizations returns the organizations that pass a filter.
func Organizations(ctx context.Context, db postgres.DB, f OrganizationFilter, w Window) (List[OrganizationState], error) {
	var q query
	if f.Stakeholder != "" {
		q.add("org_id IN (SELECT s.org_id FROM read.stakeholders s WHERE s.user_id = $%d)", f.Stakeholder)
	}
	if f.Type != "" {
		q.add("type = $%d", string(f.Type))
	}
	if f.Country != "" {
		q.add("country = $%d", f.Country)
	}
	oneOf(&q, "status", f.Statuses)
	return list(ctx, db, "organizations", organizationSelect, q, w, organizationRow.state, func(r organizationRow) Cursor { return r.Cursor })
}

// Stakeholder is a person who has a stake in an organization.
type Stakeholder struct {
	UserID     string
	EndorsedAt *time.Time // nil until they endorse it
}

// Stakeholders returns the stakeholders of an organization as they were named.
func Stakeholders(ctx context.Context, db postgres.DB, orgID string) ([]Stakeholder, error) {
	return many[Stakeholder](ctx, db, "stakeholders", `SELECT user_id, endorsed_at FROM read.stakeholders WHERE org_id = $1 ORDER BY place`, orgID)
}

// AuthRule says whose approval a payment above a threshold needs.
type AuthRule struct {
	RuleID            string
	AmountThreshold   qirat.Amount
	RequiredApprovers int
	ApproverGroup     []string
	DefinedBy         string
	DefinedAt         time.Time
}

// AuthRules returns the rules of an organization by threshold.
func AuthRules(ctx context.Context, db postgres.DB, orgID string) ([]AuthRule, error) {
	return many[AuthRule](ctx, db, "rules", `
		SELECT rule_id, amount_threshold, required_approvers, approver_group, defined_by, defined_at
		FROM read.auth_rules WHERE org_id = $1 ORDER BY amount_threshold`, orgID)
}

// organizationChange is what a run of events did to one organization.
type organizationChange struct {
	id          string
	proposed    *event.OrganizationProposed
	made        meta
	reset       bool                 // endorsements of before the run do not count
	endorsed    map[string]time.Time // since the last reset
	activatedBy string
	activatedAt *time.Time
}

func (p *Projection) organizationChange(id string) *organizationChange {
	return entry(p.organizations, id, func() *organizationChange {
		return &organizationChange{id: id, endorsed: map[string]time.Time{}}
	})
}

func organizationProposed(p *Projection, m meta, e *event.OrganizationProposed) error {
	c := p.organizationChange(e.OrgID)
	if c.proposed != nil {
		return misfit("organization %s is proposed twice", e.OrgID)
	}
	c.proposed, c.made = e, m
	p.setBalance(m, e.OrgID, e.OrgType, e.Country, 0, nil)
	p.setStatus(m, e.OrgID, string(status.OrganizationPending), "", nil)
	return nil
}

func membershipEndorsed(p *Projection, m meta, e *event.MembershipEndorsed) error {
	p.organizationChange(e.OrgID).endorsed[e.EndorserID] = m.at
	return nil
}

func organizationActivated(p *Projection, m meta, e *event.OrganizationActivated) error {
	c := p.organizationChange(e.OrgID)
	c.activatedBy, c.activatedAt = e.ActivatedBy, &m.at
	p.setStatus(m, e.OrgID, StatusActive, "", nil)
	return nil
}

type ruleKey struct {
	orgID     string
	threshold qirat.Amount
}

// ruleChange is the last definition of a rule.
type ruleChange struct {
	*event.AuthRuleDefined
	at time.Time
}

func authRuleDefined(p *Projection, m meta, e *event.AuthRuleDefined) error {
	p.rules[ruleKey{e.OrgID, e.AmountThreshold}] = &ruleChange{e, m.at}
	if e.EndorsementsReset {
		c := p.organizationChange(e.OrgID)
		c.reset = true
		clear(c.endorsed)
	}
	return nil
}

func (p *Projection) flushOrganizations(b *batch) {
	all := sorted(p.organizations)
	if r := filter(all, func(c *organizationChange) bool { return c.proposed != nil }); len(r) > 0 {
		b.exec(len(r), "organizations", `
			INSERT INTO read.organizations (org_id, name, type, country, proposer_id, created_at, block, tx_index, seq)
			SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::bigint[], $8::int[], $9::int[])`,
			column(r, func(c *organizationChange) string { return c.id }),
			column(r, func(c *organizationChange) string { return c.proposed.OrgName }),
			column(r, func(c *organizationChange) string { return string(c.proposed.OrgType) }),
			column(r, func(c *organizationChange) string { return c.proposed.Country }),
			column(r, func(c *organizationChange) string { return c.proposed.ProposerID }),
			column(r, func(c *organizationChange) time.Time { return c.made.at }),
			column(r, func(c *organizationChange) int64 { return c.made.block }),
			column(r, func(c *organizationChange) int { return c.made.txIndex }),
			column(r, func(c *organizationChange) int { return c.made.seq }))
		var orgs, users []string
		var places []int
		for _, c := range r {
			for i, id := range c.proposed.Stakeholders {
				orgs, users, places = append(orgs, c.id), append(users, id), append(places, i)
			}
		}
		b.exec(len(orgs), "stakeholders", `
			INSERT INTO read.stakeholders (org_id, user_id, place) SELECT * FROM unnest($1::text[], $2::text[], $3::int[])`, orgs, users, places)
	}
	if r := filter(all, func(c *organizationChange) bool { return c.reset }); len(r) > 0 {
		b.Queue(`UPDATE read.stakeholders SET endorsed_at = NULL WHERE org_id = ANY($1)`, column(r, func(c *organizationChange) string { return c.id }))
	}
	var orgs, users []string
	var times []time.Time
	for _, c := range all {
		for id, at := range c.endorsed {
			orgs, users, times = append(orgs, c.id), append(users, id), append(times, at)
		}
	}
	if len(orgs) > 0 {
		b.exec(len(orgs), "endorsements", `
			UPDATE read.stakeholders s SET endorsed_at = v.at
			FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS v (org_id, user_id, at)
			WHERE s.org_id = v.org_id AND s.user_id = v.user_id`, orgs, users, times)
	}
	if r := filter(all, func(c *organizationChange) bool { return c.activatedAt != nil }); len(r) > 0 {
		b.exec(len(r), "activations", `
			UPDATE read.organizations o SET activated_by = v.activated_by, activated_at = v.at
			FROM unnest($1::text[], $2::text[], $3::timestamptz[]) AS v (id, activated_by, at)
			WHERE o.org_id = v.id`,
			column(r, func(c *organizationChange) string { return c.id }),
			column(r, func(c *organizationChange) string { return c.activatedBy }),
			column(r, func(c *organizationChange) *time.Time { return c.activatedAt }))
	}
}

func (p *Projection) flushRules(b *batch) {
	var r []*ruleChange
	for _, c := range p.rules {
		r = append(r, c)
	}
	if len(r) == 0 {
		return
	}
	b.exec(len(r), "rules", `
		INSERT INTO read.auth_rules (org_id, amount_threshold, rule_id, required_approvers, approver_group, defined_by, defined_at)
		SELECT org, threshold, rule, required, string_to_array(people, ','), defined_by, at
		FROM unnest($1::text[], $2::bigint[], $3::text[], $4::int[], $5::text[], $6::text[], $7::timestamptz[])
		  AS v (org, threshold, rule, required, people, defined_by, at)
		ORDER BY org, threshold
		ON CONFLICT (org_id, amount_threshold) DO UPDATE
		SET rule_id = excluded.rule_id, required_approvers = excluded.required_approvers, approver_group = excluded.approver_group,
		    defined_by = excluded.defined_by, defined_at = excluded.defined_at`,
		column(r, func(c *ruleChange) string { return c.OrgID }),
		column(r, func(c *ruleChange) int64 { return int64(c.AmountThreshold) }),
		column(r, func(c *ruleChange) string { return c.RuleID }),
		column(r, func(c *ruleChange) int { return c.RequiredApprovers }),
		column(r, func(c *ruleChange) string { return group(c.ApproverGroup) }),
		column(r, func(c *ruleChange) string { return c.DefinedBy }),
		column(r, func(c *ruleChange) time.Time { return c.at }))
}

// group writes ids, which have no commas, as one text: unnest takes no lists.
func group(ids []string) string { return strings.Join(ids, ",") }
