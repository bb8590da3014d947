package organization

import (
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
)

// Terms say whose approval a payment above a threshold needs, up to the threshold
// of the next rule.
type Terms struct {
	AmountThreshold   string   `json:"amountThreshold" doc:"Qirat"`
	AmountThresholdGx string   `json:"amountThresholdGx"`
	RequiredApprovers int      `json:"requiredApprovers"`
	ApproverGroup     []string `json:"approverGroup" doc:"GX ids"`
}

func terms(threshold qirat.Amount, required int, group []string) Terms {
	return Terms{threshold.String(), threshold.GX(), required, group}
}

// Rule is terms in force.
type Rule struct {
	RuleID string `json:"ruleId"`
	Terms
	DefinedBy string    `json:"definedBy"`
	DefinedAt door.Time `json:"definedAt"`
}

func (s organization) ruleList(ctx context.Context, orgID string) ([]Rule, error) {
	all, err := readmodel.AuthRules(ctx, s.Pool, orgID)
	out := make([]Rule, len(all))
	for i, r := range all {
		out[i] = Rule{r.RuleID, terms(r.AmountThreshold, r.RequiredApprovers, r.ApproverGroup), r.DefinedBy, door.Time{Time: r.DefinedAt}}
	}
	return out, err
}

type rulesOutput struct {
	Body struct {
		Rules []Rule `json:"rules" doc:"By threshold"`
	}
}

func (s organization) rules(ctx context.Context, in *orgInput) (*rulesOutput, error) {
	_, err := s.find(ctx, in.OrgID)
	var out rulesOutput
	if err == nil {
		out.Body.Rules, err = s.ruleList(ctx, in.OrgID)
	}
	return &out, err
}

// RuleTerms are terms to come into force.
type RuleTerms struct {
	AmountThreshold   qirat.Amount `json:"amountThreshold" pattern:"^(0|[1-9][0-9]{0,18})$" patternDescription:"decimal digits: a whole number of Qirat" doc:"The rule is for amounts above it; one of the same threshold is replaced" example:"0"`
	RequiredApprovers int          `json:"requiredApprovers" minimum:"1" maximum:"100"`
	ApproverGroup     []string     `json:"approverGroup" minItems:"1" maxItems:"100" doc:"Profile ids or GX ids of stakeholders"`
}

type ruleInput struct {
	OrgID string `path:"orgId" maxLength:"64"`
	Body  struct {
		Rule RuleTerms `json:"rule"`
	}
}

func (s organization) defineRule(ctx context.Context, in *ruleInput) (*door.Accepted, error) {
	actor, err := s.Actor(ctx)
	if err != nil {
		return nil, err
	}
	o, err := s.find(ctx, in.OrgID)
	if err != nil {
		return nil, err
	}
	r := &in.Body.Rule
	group, err := s.approvers(ctx, o.OrgID, r.ApproverGroup)
	if err != nil {
		return nil, err
	}
	if r.RequiredApprovers > len(group) {
		return nil, problem.BadField("rule.requiredApprovers", "must not be more than the group has members")
	}
	message := "The rule is being defined; everybody has to endorse the organization again."
	if o.Status != status.OrganizationPending {
		message = "The rule needs the approvals that the highest rule asks for; the command's result names the transaction."
		if err := s.Refuse(ctx, operating(o)); err != nil {
			return nil, err
		}
	}
	return s.Submit(ctx, door.Submission{
		Payload: &command.DefineAuthRule{ActorID: actor, OrgID: o.OrgID,
			Rule: command.AuthRule{AmountThreshold: r.AmountThreshold, RequiredApprovers: r.RequiredApprovers, ApproverGroup: group}},
		Request: struct {
			named
			Rule any `json:"rule"`
		}{named{o.OrgID}, r},
		Receipt: door.Receipt{Message: message, AggregateID: o.OrgID},
	})
}

// approvers returns the GX ids of stakeholders.
func (s organization) approvers(ctx context.Context, orgID string, ids []string) ([]string, error) {
	const field = "rule.approverGroup"
	rows, err := s.Pool.Query(ctx, `SELECT s.user_id, p.profile_id FROM read.stakeholders s LEFT JOIN app.people p ON p.gx_id = s.user_id WHERE s.org_id = $1`, orgID)
	if err != nil {
		return nil, fmt.Errorf("read stakeholders: %w", err)
	}
	known := map[string]string{} // GX ids by either id
	var gx string
	var profile *uuid.UUID
	if _, err := pgx.ForEachRow(rows, []any{&gx, &profile}, func() error {
		known[gx] = gx
		if profile != nil {
			known[profile.String()] = gx
		}
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read stakeholders: %w", err)
	}
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = known[id]
		if out[i] == "" {
			return nil, problem.Unprocessable(fmt.Sprintf("%s[%d]", field, i), "approver_unknown", "has no stake in the organization")
		}
		if slices.Contains(out[:i], out[i]) {
			return nil, problem.BadField(field, "lists somebody twice")
		}
	}
	return out, nil
}
