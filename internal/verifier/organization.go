package verifier

import (
	"fmt"
	"slices"
	"strings"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/protocol/status"
)

var organizationKinds = []kind{
	{
		object: "org", table: "read.organizations", walk: over("read.organizations", "org_id"),
		rows: `SELECT name, type, country, created_at, activated_at,
			ARRAY(SELECT s.user_id FROM read.stakeholders s WHERE s.org_id = o.org_id ORDER BY s.place) AS stakeholders,
			ARRAY(SELECT s.user_id FROM read.stakeholders s WHERE s.org_id = o.org_id AND s.endorsed_at IS NOT NULL ORDER BY s.user_id COLLATE "C") AS endorsements,
			ARRAY(SELECT concat_ws('|', a.rule_id, a.amount_threshold, a.required_approvers, array_to_string(a.approver_group, ','), a.defined_by,
			      floor(extract(epoch FROM a.defined_at))::bigint) FROM read.auth_rules a WHERE a.org_id = o.org_id ORDER BY a.amount_threshold) AS rules
			FROM read.organizations o WHERE o.org_id = k.k1`,
		want: object(func(_ []string, o *contract.Organization) fields {
			rules := make([]string, len(o.Rules))
			for i, r := range o.Rules {
				rules[i] = fmt.Sprintf("%s|%s|%d|%s|%s|%d", r.RuleID, r.AmountThreshold, r.RequiredApprovers, strings.Join(r.ApproverGroup, ","), r.DefinedBy, r.DefinedAt.Unix())
			}
			return fields{
				"name": o.OrgName, "type": o.OrgType, "country": o.Country, "created_at": o.CreatedAt, "activated_at": o.ActivatedAt,
				"stakeholders": o.Stakeholders, "endorsements": slices.Sorted(slices.Values(o.Endorsements)), "rules": rules,
			}
		}),
	},
	{
		object: "ptx", table: "read.multisig_transactions", walk: over("read.multisig_transactions", "pending_tx_id"),
		rows: `SELECT org_id, operation, status, initiator_id, from_id, to_id, amount, remark, rule_id, required_approvals, approver_group, approvals,
			new_rule ->> 'amountThreshold' AS rule_threshold, new_rule ->> 'requiredApprovers' AS rule_approvers,
			ARRAY(SELECT jsonb_array_elements_text(new_rule -> 'approverGroup')) AS rule_group,
			failure_code, failure, failed_at, created_at, expires_at, closed_at, closed_tx,
			ARRAY(SELECT d.user_id FROM read.multisig_decisions d WHERE d.pending_tx_id = m.pending_tx_id AND d.approved ORDER BY d.user_id COLLATE "C") AS approved,
			ARRAY(SELECT d.user_id FROM read.multisig_decisions d WHERE d.pending_tx_id = m.pending_tx_id AND NOT d.approved ORDER BY d.user_id COLLATE "C") AS rejected
			FROM read.multisig_transactions m WHERE pending_tx_id = k.k1`,
		want: object(showPending),
	},
	{
		object: "ptxOrg", table: "read.multisig_transactions", want: entry,
		rows: `SELECT pending_tx_id FROM read.multisig_transactions WHERE pending_tx_id = k.k2 AND org_id = k.k1 AND status = '` + string(status.MultiSigPending) + `'`,
	},
}

func showPending(_ []string, x *contract.PendingTransaction) fields {
	row := fields{
		"org_id": x.OrgID, "operation": x.Operation, "status": x.Status, "initiator_id": x.InitiatorID, "from_id": x.FromID, "to_id": x.ToID,
		"amount": x.Amount, "remark": x.Remark, "rule_id": x.RuleID, "required_approvals": x.RequiredApprovals, "approver_group": x.ApproverGroup,
		"approvals": len(x.Approvals), "rule_threshold": nil, "rule_approvers": nil, "rule_group": []string{},
		"failure_code": "", "failure": "", "failed_at": nil, "created_at": x.CreatedAt, "expires_at": x.ExpiresAt, "closed_at": x.EndedAt, "closed_tx": x.EndedTx,
		"approved": slices.Sorted(slices.Values(x.Approvals)), "rejected": slices.Sorted(slices.Values(x.Rejections)),
	}
	if r := x.Rule; r != nil {
		row["rule_threshold"], row["rule_approvers"], row["rule_group"] = r.AmountThreshold, r.RequiredApprovers, r.ApproverGroup
	}
	if f := x.LastFailure; f != nil {
		row["failure_code"], row["failure"], row["failed_at"] = f.Code, f.Message, f.At
	}
	return row
}
