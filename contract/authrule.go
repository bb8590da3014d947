package contract

import (
	"cmp"
	"slices"
	"time"

	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
)

// maxRules bounds the rules of an organization, which every payment reads.
const maxRules = 20

const rulePrefix = "RULE_"

// Rule says whose approval payments above a threshold need, up to the threshold
// of the next rule.
type Rule struct {
	RuleID string `json:"ruleID"`
	command.AuthRule
	DefinedBy string    `json:"definedBy"`
	DefinedAt time.Time `json:"definedAt"`
}

func init() {
	handle(defineAuthRule, func(p *command.DefineAuthRule) []string {
		return append(organizationKeys(p.OrgID, p.ActorID), parameterKey(parameter.MultiSigExpiryDays))
	}, "AuthRuleDefined", "MultiSigTxInitiated", "MultiSigTxExecuted", "MultiSigTxExecutionFailed")
}

// findRule returns where the rule of a threshold is, or belongs.
func (o *Organization) findRule(threshold qirat.Amount) (int, bool) {
	return slices.BinarySearchFunc(o.Rules, threshold, func(r Rule, n qirat.Amount) int { return cmp.Compare(r.AmountThreshold, n) })
}

// ruleFor returns the rule of a payment by an active organization: that of the
// greatest threshold strictly below the amount, which is not 0.
func (o *Organization) ruleFor(amount qirat.Amount) *Rule {
	i, _ := o.findRule(amount)
	return &o.Rules[i-1]
}

// highestRule returns the rule that changes of the rules of an active
// organization follow.
func (o *Organization) highestRule() *Rule { return &o.Rules[len(o.Rules)-1] }

// defaultRule is for an organization that does not say who approves its small
// payments: two of all.
func (o *Organization) defaultRule() command.AuthRule {
	return command.AuthRule{RequiredApprovers: min(2, len(o.Stakeholders)), ApproverGroup: o.Stakeholders}
}

func (o *Organization) checkRule(r command.AuthRule) error {
	for _, id := range r.ApproverGroup {
		if !slices.Contains(o.Stakeholders, id) {
			return refuse(CodeInvalidArgument, "rule.approverGroup: %s has no stake in organization %s", id, o.OrgID)
		}
	}
	if _, found := o.findRule(r.AmountThreshold); !found && len(o.Rules) == maxRules {
		return refuse(CodeLimitExceeded, "organization %s has %d rules already", o.OrgID, maxRules)
	}
	return nil
}

// setRule adds a rule or replaces that of the same threshold, and stores the
// organization. Before the activation everybody must endorse anew.
func (t *tx) setRule(o *Organization, rule command.AuthRule, by string) error {
	if err := o.checkRule(rule); err != nil {
		return err
	}
	r := Rule{RuleID: t.newID(rulePrefix), AuthRule: rule, DefinedBy: by, DefinedAt: t.now}
	i, found := o.findRule(rule.AmountThreshold)
	if found {
		o.Rules[i] = r
	} else {
		o.Rules = slices.Insert(o.Rules, i, r)
	}
	reset := o.status() == status.OrganizationPending
	if reset {
		o.Endorsements = []string{}
	}
	if err := t.setOrganization(o); err != nil {
		return err
	}
	return t.emit(&event.AuthRuleDefined{
		OrgID: o.OrgID, RuleID: r.RuleID, AmountThreshold: r.AmountThreshold, RequiredApprovers: r.RequiredApprovers,
		ApproverGroup: r.ApproverGroup, DefinedBy: r.DefinedBy, EndorsementsReset: reset,
	})
}

func defineAuthRule(t *tx, p *command.DefineAuthRule) (any, error) {
	o, err := t.stake(p.OrgID, p.ActorID)
	if err != nil {
		return nil, err
	}
	if o.status() == status.OrganizationPending {
		return nil, t.setRule(o, p.Rule, p.ActorID)
	}
	if err := o.operating(); err != nil {
		return nil, err
	}
	if err := o.checkRule(p.Rule); err != nil {
		return nil, err
	}
	return t.initiate(o, &PendingTransaction{Operation: status.OperationRule, InitiatorID: p.ActorID, Rule: &p.Rule}, o.highestRule())
}
