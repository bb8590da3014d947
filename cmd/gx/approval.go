package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"gxcoin.money/gx/api/client"
)

type approvalCmd struct {
	List    listApprovalsCmd `cmd:"" help:"List what waits for a second person, or what was decided."`
	Show    showApprovalCmd  `cmd:"" help:"Show what exactly is to be done."`
	Vote    voteCmd          `cmd:"" help:"Approve or reject a request."`
	Execute executeCmd       `cmd:"" help:"Do what is approved, once more when it failed."`
	Cancel  cancelCmd        `cmd:"" help:"Take back what one has asked for."`
	Ask     askCmd           `cmd:"" help:"Ask for an operation by its name and payload."`
	History historyOfCmd     `cmd:"" help:"Show who did what about a request."`
}

type listApprovalsCmd struct {
	Status         string `placeholder:"STATUS" enum:",PENDING,APPROVED,REJECTED,CANCELLED,EXPIRED" default:"PENDING" help:"Only those in it: ${enum}; ${default} by default, \"\" for all."`
	Page           int64  `default:"1" help:"Which page."`
	Limit          int64  `default:"20" help:"How many at most, 1 to 100; ${default} by default."`
	remoteSettings `embed:""`
}

// Run prints one page of requests.
func (c listApprovalsCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.staff()
	if err != nil {
		return err
	}
	r, err := gx.ListApprovals(ctx, client.ListApprovalsParams{Status: client.ListApprovalsParamsStatus(c.Status), Page: c.Page, Limit: c.Limit})
	if err != nil {
		return err
	}
	return c.show(p, r, func(w io.Writer) {
		row(w, "REQUEST", "ACTION", "STATUS", "VOTES", "BY")
		for _, a := range r.Approvals {
			row(w, a.ID, a.Action, string(a.Status), fmt.Sprintf("%d/%d", a.Approvals, a.Quorum), a.Requester.Username)
		}
		if r.Pagination.Page < r.Pagination.TotalPages {
			more(w, "--page", fmt.Sprint(r.Pagination.Page+1))
		}
	})
}

// approvalSettings say which request it is.
type approvalSettings struct {
	ID             string `arg:"" help:"Id of the request."`
	remoteSettings `embed:""`
}

type showApprovalCmd struct {
	approvalSettings `embed:""`
}

// Run prints a request with its payload.
func (c showApprovalCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.staff()
	if err != nil {
		return err
	}
	a, err := gx.GetApproval(ctx, c.ID)
	if err != nil {
		return err
	}
	return c.show(p, a, func(w io.Writer) { approvalFacts(w, a) })
}

func approvalFacts(w io.Writer, a client.Approval) {
	payload, _ := json.Marshal(a.Payload) // it was JSON
	facts(w, "request", a.ID, "action", a.Action, "about", a.TargetResource, "payload", json.RawMessage(payload), "digest", a.PayloadDigest,
		"reason", a.Reason, "risk", string(a.RiskLevel), "by", a.Requester.Username, "status", string(a.Status),
		"votes", fmt.Sprintf("%d of %d", a.Approvals, a.Quorum), "until", a.ExpiresAt, "rejected because", a.RejectionReason,
		"execution", string(a.ExecutionState), "command", a.ExecutionResult.CommandID, "error", a.ExecutionResult.Error)
}

type voteCmd struct {
	ID             string `arg:"" help:"Id of the request."`
	Decision       string `arg:"" enum:"approve,reject" help:"Either of ${enum}."`
	Reason         string `placeholder:"TEXT" help:"Why; needed to reject."`
	Yes            bool   `short:"y" help:"Approve what was shown before, without being asked."`
	Digest         string `placeholder:"HEX" help:"Digest of what was shown; without it the request is shown first and its digest taken."`
	remoteSettings `embed:""`
}

// Run votes for exactly what it has shown.
func (c voteCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.staff()
	if err != nil {
		return err
	}
	vote := client.AdminVoteRequest{Decision: client.AdminVoteRequestDecisionREJECT, Reason: c.Reason}
	if c.Decision == "approve" {
		vote.Decision, vote.PayloadDigest = client.AdminVoteRequestDecisionAPPROVE, c.Digest
		if c.Digest == "" {
			a, err := gx.GetApproval(ctx, c.ID)
			if err != nil {
				return err
			}
			vote.PayloadDigest = a.PayloadDigest
			if err := (outputSettings{}).show(&program{stdout: p.stderr}, a, func(w io.Writer) { approvalFacts(w, a) }); err != nil {
				return err
			}
			if err := p.confirm("Approve exactly this?", c.Yes); err != nil {
				return err
			}
		}
	}
	r, err := gx.VoteApproval(ctx, c.ID, vote)
	return c.decided(p, r, err)
}

func (s remoteSettings) decided(p *program, r client.DecisionResponse, err error) error {
	if err != nil {
		return err
	}
	return s.show(p, r, func(w io.Writer) {
		fmt.Fprintln(w, r.Message)
		facts(w, "status", string(r.Approval.Status), "votes", fmt.Sprintf("%d of %d", r.Approval.Approvals, r.Approval.Quorum),
			"execution", string(r.Approval.ExecutionState), "command", r.Approval.ExecutionResult.CommandID, "error", r.Approval.ExecutionResult.Error)
	})
}

type askCmd struct {
	Action        string `arg:"" help:"Name of the operation, such as PAUSE_SYSTEM."`
	Payload       string `arg:"" type:"existingfile" help:"File with its payload, a JSON object."`
	Reason        string `required:"" placeholder:"TEXT" help:"Why."`
	orderSettings `embed:""`
}

// Run asks for an operation.
func (c askCmd) Run(ctx context.Context, p *program) error {
	content, err := os.ReadFile(c.Payload)
	if err != nil {
		return err
	}
	var payload map[string]any
	if err := json.Unmarshal(content, &payload); err != nil {
		return fmt.Errorf("%s is no JSON object: %w", c.Payload, err)
	}
	return c.order(ctx, p, true, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.AskApproval(ctx, client.AskRequest{Action: c.Action, Payload: payload, Reason: c.Reason}, o...)
	})
}

type executeCmd struct {
	approvalSettings `embed:""`
}

// Run executes a request that is approved.
func (c executeCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.staff()
	if err != nil {
		return err
	}
	r, err := gx.ExecuteApproval(ctx, c.ID)
	return c.decided(p, r, err)
}

type cancelCmd struct {
	approvalSettings `embed:""`
}

// Run cancels a request of one's own.
func (c cancelCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.staff()
	if err != nil {
		return err
	}
	r, err := gx.CancelApproval(ctx, c.ID)
	return c.decided(p, r, err)
}

type historyOfCmd struct {
	approvalSettings `embed:""`
}

// Run prints the audit records of a request.
func (c historyOfCmd) Run(ctx context.Context, p *program) error {
	gx, err := c.staff()
	if err != nil {
		return err
	}
	r, err := gx.GetApprovalHistory(ctx, c.ID)
	if err != nil {
		return err
	}
	return c.show(p, r.Data, func(w io.Writer) {
		row(w, "AT", "ACTION", "BY", "ROLE")
		for _, e := range r.Data {
			row(w, e.Timestamp, e.Action, e.Actor, e.Role)
		}
	})
}
