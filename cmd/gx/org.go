package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"gxcoin.money/gx/api/client"
)

type orgCmd struct {
	List         listOrgsCmd     `cmd:"" help:"List organizations, the last first."`
	Show         showOrgCmd      `cmd:"" help:"Show an organization."`
	Propose      proposeOrgCmd   `cmd:"" help:"Propose an organization."`
	Endorse      endorseCmd      `cmd:"" help:"Agree to have a stake in an organization."`
	Activate     activateOrgCmd  `cmd:"" help:"Open an organization, once all have agreed."`
	Stakeholders stakeholdersCmd `cmd:"" help:"Show who has a stake in an organization, and who has agreed."`
	Rules        rulesCmd        `cmd:"" help:"Show whose approval the payments of an organization need."`
	Rule         ruleCmd         `cmd:"" help:"Define whose approval payments above an amount need."`
	Balance      orgBalanceCmd   `cmd:"" help:"Show the balance of an organization."`
	History      orgHistoryCmd   `cmd:"" help:"Show the payments of an organization, in and out, the last first."`

	Pay      payCmd      `cmd:"" help:"Ask for a payment by an organization."`
	Payments paymentsCmd `cmd:"" help:"List the payments that an organization was asked for; without an id, what waits for one's answer anywhere."`
	Payment  paymentCmd  `cmd:"" help:"Show a payment, and who has agreed."`
	Approve  agreeCmd    `cmd:"" help:"Agree to a payment."`
	Reject   refuseCmd   `cmd:"" help:"Refuse a payment."`
	Execute  retryCmd    `cmd:"" help:"Try a payment again that has its approvals."`
	Cancel   withdrawCmd `cmd:"" help:"Withdraw a payment that one asked for."`

	Lock   lockOrgCmd   `cmd:"" help:"As staff: freeze the account of an organization."`
	Unlock unlockOrgCmd `cmd:"" help:"As staff: end such a freeze."`
}

type listOrgsCmd struct {
	Status       string `placeholder:"STATUS" help:"Only those in it, such as PROPOSED or ACTIVE."`
	Type         string `placeholder:"TYPE" help:"Only BUSINESS, NGO or GOVERNMENT."`
	Country      string `placeholder:"CC" help:"Only those of a country."`
	pageSettings `embed:""`
	viewSettings `embed:""`
}

// Run prints one page of organizations.
func (c listOrgsCmd) Run(ctx context.Context, p *program) error {
	return view(p, c.viewSettings, func(gx *client.Client) (client.ListOrganization, error) {
		return gx.ListOrganizations(ctx, client.ListOrganizationsParams{
			Status: client.ListOrganizationsParamsStatus(c.Status), Type: client.ListOrganizationsParamsType(c.Type), Country: c.Country, Limit: c.Limit, Cursor: c.Cursor,
		})
	}, func(w io.Writer, r client.ListOrganization) {
		row(w, "ORGANIZATION", "NAME", "TYPE", "COUNTRY", "STATUS")
		for _, o := range r.Data {
			row(w, o.OrgID, line(o.OrgName, 32), string(o.OrgType), o.Country, string(o.Status))
		}
		more(w, "--cursor", r.NextCursor)
	})
}

// orgView says which organization is looked at.
type orgView struct {
	ID           string `arg:"" help:"Id of the organization."`
	viewSettings `embed:""`
}

type showOrgCmd struct {
	orgView `embed:""`
}

// Run prints an organization.
func (c showOrgCmd) Run(ctx context.Context, p *program) error {
	return view(p, c.viewSettings, func(gx *client.Client) (client.OrganizationResponse, error) { return gx.GetOrganization(ctx, c.ID) },
		func(w io.Writer, r client.OrganizationResponse) {
			o := r.Organization
			facts(w, "organization", o.OrgID, "name", o.OrgName, "type", string(o.OrgType), "country", o.Country, "status", string(o.Status), "locked because", o.FrozenReason,
				"proposed by", o.ProposerID, "stakeholders", strings.Join(o.Stakeholders, ", "), "proposed", o.CreatedAt, "active since", o.ActivatedAt)
		})
}

type proposeOrgCmd struct {
	ID            string   `arg:"" help:"Its id for ever: lower case, digits and hyphens."`
	Name          string   `required:"" placeholder:"NAME" help:"What it is called."`
	Type          string   `enum:"BUSINESS,NGO,GOVERNMENT" default:"BUSINESS" help:"What it is: ${enum}; ${default} by default. Staff proposes a government."`
	Country       string   `placeholder:"CC" help:"Of which country; by default one's own."`
	Stakeholder   []string `required:"" placeholder:"ID" help:"Profile id or GX id of somebody with a stake, oneself included. Repeat it for each."`
	Staff         bool     `help:"Propose as a member of staff."`
	orderSettings `embed:""`
}

// Run proposes an organization.
func (c proposeOrgCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, c.Staff, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.ProposeOrganization(ctx, client.ProposeRequest{
			OrgID: c.ID, OrgName: c.Name, OrgType: client.ProposeRequestOrgType(c.Type), Country: c.Country, StakeholderIds: c.Stakeholder,
		}, o...)
	})
}

type endorseCmd struct {
	orderAbout `embed:""`
}

// Run endorses.
func (c endorseCmd) Run(ctx context.Context, p *program) error {
	return c.about(ctx, p, false, (*client.Client).EndorseOrganization)
}

type activateOrgCmd struct {
	Staff      bool `help:"Open it as a member of staff."`
	orderAbout `embed:""`
}

// Run activates.
func (c activateOrgCmd) Run(ctx context.Context, p *program) error {
	return c.about(ctx, p, c.Staff, (*client.Client).ActivateOrganization)
}

type stakeholdersCmd struct {
	orgView `embed:""`
}

// Run prints the stakeholders.
func (c stakeholdersCmd) Run(ctx context.Context, p *program) error {
	return view(p, c.viewSettings, func(gx *client.Client) (client.ListStakeholder, error) { return gx.ListStakeholders(ctx, c.ID) },
		func(w io.Writer, r client.ListStakeholder) {
			row(w, "GX ID", "NAME", "AGREED")
			for _, s := range r.Data {
				row(w, s.UserID, s.DisplayName, s.EndorsedAt)
			}
		})
}

type rulesCmd struct {
	orgView `embed:""`
}

// Run prints the rules.
func (c rulesCmd) Run(ctx context.Context, p *program) error {
	return view(p, c.viewSettings, func(gx *client.Client) (client.RulesResponse, error) { return gx.ListAuthRules(ctx, c.ID) },
		func(w io.Writer, r client.RulesResponse) {
			row(w, "RULE", "ABOVE", "APPROVALS", "OF")
			for _, x := range r.Rules {
				row(w, x.RuleID, gxOf(x.AmountThreshold), x.RequiredApprovers, strings.Join(x.ApproverGroup, ", "))
			}
		})
}

type ruleCmd struct {
	ID            string   `arg:"" help:"Id of the organization."`
	Above         string   `default:"0q" placeholder:"AMOUNT" help:"For payments above an amount, with its unit: 100GX. By default for all."`
	Approvals     int64    `required:"" placeholder:"N" help:"How many have to agree."`
	Of            []string `required:"" placeholder:"ID" help:"Profile id or GX id of somebody who may. Repeat it for each."`
	orderSettings `embed:""`
}

// Run defines a rule.
func (c ruleCmd) Run(ctx context.Context, p *program) error {
	above, err := parseAmount(c.Above)
	if err != nil {
		return fmt.Errorf("--above: %w", err)
	}
	return c.order(ctx, p, false, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.DefineAuthRule(ctx, c.ID, client.RuleRequest{Rule: client.RuleTerms{AmountThreshold: above.String(), RequiredApprovers: c.Approvals, ApproverGroup: c.Of}}, o...)
	})
}

type orgBalanceCmd struct {
	orgView `embed:""`
}

// Run prints the balance.
func (c orgBalanceCmd) Run(ctx context.Context, p *program) error {
	return view(p, c.viewSettings, func(gx *client.Client) (client.OrganizationBalanceResponse, error) {
		return gx.GetOrganizationBalance(ctx, c.ID)
	},
		func(w io.Writer, r client.OrganizationBalanceResponse) {
			b := r.Balance
			facts(w, "balance", gxOf(b.Balance), "organization", b.OrgID, "status", b.Status, "as of block", b.AsOfBlock)
		})
}

type orgHistoryCmd struct {
	ID           string `arg:"" help:"Id of the organization."`
	pageSettings `embed:""`
	viewSettings `embed:""`
}

// Run prints one page of the statement.
func (c orgHistoryCmd) Run(ctx context.Context, p *program) error {
	return view(p, c.viewSettings, func(gx *client.Client) (client.Statement, error) {
		return gx.ListOrganizationTransactions(ctx, c.ID, client.ListOrganizationTransactionsParams{Limit: c.Limit, Cursor: c.Cursor})
	}, func(w io.Writer, r client.Statement) { statement(w, r.Transactions, r.NextCursor) })
}

type payCmd struct {
	ID            string `arg:"" help:"Id of the organization."`
	To            string `arg:"" help:"GX id, profile id, or id of an organization or treasury."`
	Amount        amount `arg:"" help:"How much, with its unit: 1.5GX."`
	From          string `placeholder:"ID" help:"Treasury that pays, when the organization controls it."`
	Remark        string `placeholder:"TEXT" help:"For the statements of both."`
	orderSettings `embed:""`
}

// Run asks for a payment.
func (c payCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, false, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.InitiateMultiSig(ctx, c.ID, client.InitiateRequest{ToID: c.To, Amount: c.Amount.String(), FromID: c.From, Remark: c.Remark}, o...)
	})
}

type paymentsCmd struct {
	ID           string `arg:"" optional:"" help:"Id of an organization."`
	Status       string `placeholder:"STATUS" help:"Only those in it, such as PENDING or EXECUTED."`
	pageSettings `embed:""`
	viewSettings `embed:""`
}

// Run prints one page of payments.
func (c paymentsCmd) Run(ctx context.Context, p *program) error {
	return view(p, c.viewSettings, func(gx *client.Client) (client.ListMultiSig, error) {
		if c.ID == "" {
			return gx.ListAwaitingApproval(ctx, client.ListAwaitingApprovalParams{Limit: c.Limit, Cursor: c.Cursor})
		}
		return gx.ListMultiSig(ctx, c.ID, client.ListMultiSigParams{Status: client.ListMultiSigParamsStatus(c.Status), Limit: c.Limit, Cursor: c.Cursor})
	}, func(w io.Writer, r client.ListMultiSig) {
		row(w, "OF", "AMOUNT", "TO", "STATUS", "AGREED", "PAYMENT")
		for _, m := range r.Data {
			row(w, m.OrgID, gxOf(m.Amount), m.ToID, string(m.Status), fmt.Sprintf("%d/%d", m.ApprovalCount, m.RequiredApprovals), m.PendingTxID)
		}
		more(w, "--cursor", r.NextCursor)
	})
}

type paymentCmd struct {
	ID           string `arg:"" help:"Id of the organization."`
	Payment      string `arg:"" help:"Id of the payment."`
	viewSettings `embed:""`
}

// Run prints a payment.
func (c paymentCmd) Run(ctx context.Context, p *program) error {
	return view(p, c.viewSettings, func(gx *client.Client) (client.TransactionResponse, error) {
		return gx.GetMultiSig(ctx, c.ID, c.Payment)
	},
		func(w io.Writer, r client.TransactionResponse) {
			m := r.Transaction
			facts(w, "payment", m.PendingTxID, "amount", gxOf(m.Amount), "from", m.FromID, "to", m.ToID, "remark", m.Remark, "status", string(m.Status),
				"agreed", fmt.Sprintf("%d of %d", m.ApprovalCount, m.RequiredApprovals), "may agree", strings.Join(m.ApproverGroup, ", "), "by", m.InitiatorID,
				"since", m.CreatedAt, "until", m.ExpiresAt, "closed", m.ClosedAt, "failed because", m.LastFailure.Message, "transaction", m.OnChainTxID)
			for _, d := range m.Decisions {
				facts(w, map[bool]string{true: "yes of", false: "no of"}[d.Approved], strings.TrimSpace(d.UserID+" "+d.Reason))
			}
		})
}

// paymentOrder is an order about a payment of an organization.
type paymentOrder struct {
	ID            string `arg:"" help:"Id of the organization."`
	Payment       string `arg:"" help:"Id of the payment."`
	orderSettings `embed:""`
}

func (c paymentOrder) about(ctx context.Context, p *program, call func(*client.Client, context.Context, string, string, ...client.Option) (client.Receipt, error)) error {
	return c.order(ctx, p, false, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return call(gx, ctx, c.ID, c.Payment, o...)
	})
}

type agreeCmd struct {
	paymentOrder `embed:""`
}

// Run agrees.
func (c agreeCmd) Run(ctx context.Context, p *program) error {
	return c.about(ctx, p, (*client.Client).ApproveMultiSig)
}

type refuseCmd struct {
	Reason       string `required:"" placeholder:"TEXT" help:"Why, 10 characters or more, for the others."`
	paymentOrder `embed:""`
}

// Run refuses.
func (c refuseCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, false, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.RejectMultiSig(ctx, c.ID, c.Payment, client.OrganizationRejectRequest{Reason: c.Reason}, o...)
	})
}

type retryCmd struct {
	paymentOrder `embed:""`
}

// Run executes again.
func (c retryCmd) Run(ctx context.Context, p *program) error {
	return c.about(ctx, p, (*client.Client).ExecuteMultiSig)
}

type withdrawCmd struct {
	paymentOrder `embed:""`
}

// Run withdraws.
func (c withdrawCmd) Run(ctx context.Context, p *program) error {
	return c.about(ctx, p, (*client.Client).CancelMultiSig)
}

type lockOrgCmd struct {
	ID            string `arg:"" help:"Id of the organization."`
	Reason        string `required:"" placeholder:"TEXT" help:"Why, 10 characters or more."`
	orderSettings `embed:""`
}

// Run locks, or asks a second person to.
func (c lockOrgCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.LockOrganization(ctx, c.ID, client.LockRequest{Reason: c.Reason}, o...)
	})
}

type unlockOrgCmd struct {
	orderAbout `embed:""`
}

// Run unlocks, or asks a second person to.
func (c unlockOrgCmd) Run(ctx context.Context, p *program) error {
	return c.about(ctx, p, true, (*client.Client).UnlockOrganization)
}
