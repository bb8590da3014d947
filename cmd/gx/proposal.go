package main

import (
	"context"
	"fmt"
	"io"

	"gxcoin.money/gx/api/client"
)

type proposalCmd struct {
	Parameters parametersCmd     `cmd:"" help:"List what a vote can change, and within which bounds."`
	List       listProposalsCmd  `cmd:"" help:"List proposals, the last first."`
	Show       showProposalCmd   `cmd:"" help:"Show a proposal."`
	Submit     submitProposalCmd `cmd:"" help:"Put a change to the vote."`
	Vote       voteProposalCmd   `cmd:"" help:"Vote, once."`
	Ballot     ballotCmd         `cmd:"" help:"Show how one has voted."`
	Cancel     cancelProposalCmd `cmd:"" help:"Withdraw a proposal on which nobody has voted."`

	Tally   tallyCmd           `cmd:"" help:"As staff: count the next page of votes."`
	Execute executeProposalCmd `cmd:"" help:"As staff: end a vote."`
}

type parametersCmd struct {
	remoteSettings `embed:""`
}

// Run prints the parameters.
func (c parametersCmd) Run(ctx context.Context, p *program) error {
	return public(p, c.remoteSettings, func(gx *client.Client) (client.GovernanceParametersResponse, error) {
		return gx.ListGovernableParameters(ctx)
	},
		func(w io.Writer, r client.GovernanceParametersResponse) {
			row(w, "PARAMETER", "VALUE", "FROM", "TO", "WHAT FOR")
			for _, x := range r.Parameters {
				row(w, x.ParamID, x.Value, x.Min, x.Max, x.Description)
			}
		})
}

type listProposalsCmd struct {
	Status         string `placeholder:"STATUS" help:"Only those in it; without, the ACTIVE ones."`
	pageSettings   `embed:""`
	remoteSettings `embed:""`
}

// Run prints one page of proposals.
func (c listProposalsCmd) Run(ctx context.Context, p *program) error {
	return public(p, c.remoteSettings, func(gx *client.Client) (client.GovernanceListResponse, error) {
		return gx.ListProposals(ctx, client.ListProposalsParams{Status: client.ListProposalsParamsStatus(c.Status), Limit: c.Limit, Cursor: c.Cursor})
	}, func(w io.Writer, r client.GovernanceListResponse) {
		row(w, "PARAMETER", "NOW", "THEN", "STATUS", "FOR", "AGAINST", "UNTIL", "PROPOSAL")
		for _, x := range r.Proposals {
			row(w, x.TargetParam, x.CurrentValue, x.NewValue, string(x.Status), x.ForVotes, x.AgainstVotes, x.EndTime, x.ProposalID)
		}
		more(w, "--cursor", r.NextCursor)
	})
}

type showProposalCmd struct {
	ID             string `arg:"" help:"Id of the proposal."`
	remoteSettings `embed:""`
}

// Run prints a proposal.
func (c showProposalCmd) Run(ctx context.Context, p *program) error {
	return public(p, c.remoteSettings, func(gx *client.Client) (client.ProposalResponse, error) { return gx.GetProposal(ctx, c.ID) },
		func(w io.Writer, r client.ProposalResponse) {
			x := r.Proposal
			facts(w, "proposal", x.ProposalID, "title", x.Title, "why", x.Description, "parameter", x.TargetParam, "value now", x.CurrentValue, "value then", x.NewValue,
				"status", string(x.Status), "because", x.Reason, "for", x.ForVotes, "against", x.AgainstVotes, "votes needed", x.Quorum,
				"share needed", fmt.Sprintf("%d %%", x.ApprovalPct), "by", x.ProposerID, "since", x.CreatedAt, "until", x.EndTime, "closed", x.ClosedAt)
		})
}

type submitProposalCmd struct {
	Parameter     string `arg:"" help:"Which parameter: gx proposal parameters."`
	Value         string `arg:"" help:"Its new value."`
	Title         string `placeholder:"TEXT" help:"What it is called."`
	Why           string `placeholder:"TEXT" help:"Why it is good."`
	orderSettings `embed:""`
}

// Run puts a change to the vote.
func (c submitProposalCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, false, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.SubmitProposal(ctx, client.SubmitRequest{TargetParam: c.Parameter, NewValue: c.Value, Title: c.Title, Description: c.Why}, o...)
	})
}

type voteProposalCmd struct {
	ID            string `arg:"" help:"Id of the proposal."`
	Vote          string `arg:"" enum:"for,against" help:"Either of ${enum}."`
	orderSettings `embed:""`
}

// Run votes.
func (c voteProposalCmd) Run(ctx context.Context, p *program) error {
	return c.order(ctx, p, false, func(gx *client.Client, o ...client.Option) (client.Receipt, error) {
		return gx.CastVote(ctx, c.ID, client.GovernanceVoteRequest{Vote: c.Vote == "for"}, o...)
	})
}

type ballotCmd struct {
	ID             string `arg:"" help:"Id of the proposal."`
	remoteSettings `embed:""`
}

// Run prints the vote of the person who is logged in.
func (c ballotCmd) Run(ctx context.Context, p *program) error {
	return view(p, viewSettings{remoteSettings: c.remoteSettings}, func(gx *client.Client) (client.VoteResponse, error) { return gx.GetVote(ctx, c.ID) },
		func(w io.Writer, r client.VoteResponse) {
			vote := "against"
			if r.Vote.Vote {
				vote = "for"
			}
			facts(w, "vote", vote, "at", r.Vote.At)
		})
}

type cancelProposalCmd struct {
	Staff      bool `help:"Withdraw it as a member of staff."`
	orderAbout `embed:""`
}

// Run withdraws a proposal.
func (c cancelProposalCmd) Run(ctx context.Context, p *program) error {
	return c.about(ctx, p, c.Staff, (*client.Client).CancelProposal)
}

type tallyCmd struct {
	orderAbout `embed:""`
}

// Run counts votes.
func (c tallyCmd) Run(ctx context.Context, p *program) error {
	return c.about(ctx, p, true, (*client.Client).TallyProposal)
}

type executeProposalCmd struct {
	orderAbout `embed:""`
}

// Run ends a vote.
func (c executeProposalCmd) Run(ctx context.Context, p *program) error {
	return c.about(ctx, p, true, (*client.Client).ExecuteProposal)
}
