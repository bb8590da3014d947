// Package governance is the door of proposals: what can be changed by a vote, and
// who votes how (api.md 2.5).
package governance

import (
	"context"
	"errors"
	"net/http"
	"time"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service/door"
)

type governance struct{ *door.Door }

// Register adds the routes of the governance service.
func Register(d *door.Door) {
	s := governance{d}
	public, customer, staff := door.Policy{Public: true}, door.Policy{Customer: true}, door.Policy{Staff: door.GovernanceExecute}
	read := func(path, id, summary string) door.Route {
		return door.Route{Method: http.MethodGet, Path: path, ID: id, Summary: summary, Policy: public, Cache: door.CachePublic(15 * time.Second)}
	}
	post := func(path, id, summary string, p door.Policy) door.Route {
		return door.Route{Method: http.MethodPost, Path: "/proposals" + path, ID: id, Summary: summary, Policy: p, Idempotency: door.KeyRequired, Status: http.StatusAccepted}
	}
	door.Register(d, read("/governance/parameters", "listGovernableParameters", "What can be changed by a vote, within which bounds"), s.parameters)
	door.Register(d, read("/proposals", "listProposals", "Proposals, newest first; the active ones unless another status is given"), s.list)
	door.Register(d, read("/proposals/{proposalId}", "getProposal", "A proposal"), s.get)
	door.Register(d, door.Route{Method: http.MethodGet, Path: "/proposals/{proposalId}/vote", ID: "getVote", Summary: "Your vote on a proposal",
		Policy: customer, Cache: door.CachePrivate}, s.myVote)
	door.Register(d, post("", "submitProposal", "Put the change of a parameter to the vote", customer), s.submit)
	door.Register(d, post("/{proposalId}/vote", "castVote", "Vote, once", customer), s.vote)
	door.Register(d, post("/{proposalId}/tally", "tallyProposal", "Count the next page of votes", staff), s.tally)
	door.Register(d, post("/{proposalId}/execute", "executeProposal", "End a vote: the parameter changes, or the proposal has failed", staff), s.execute)
	door.Register(d, post("/{proposalId}/cancel", "cancelProposal", "Withdraw a proposal on which nobody has voted",
		door.Policy{Customer: true, Staff: door.GovernanceExecute}), s.cancel)
}

type proposalInput struct {
	ProposalID string `path:"proposalId" maxLength:"200"`
}

func (s governance) find(ctx context.Context, id string) (readmodel.ProposalState, error) {
	p, err := readmodel.Proposal(ctx, s.Pool, id)
	if errors.Is(err, readmodel.ErrNotFound) {
		err = problem.New(http.StatusNotFound, "proposal_not_found", "There is no such proposal.")
	}
	return p, err
}

func conflict(code, detail string) error { return problem.New(http.StatusConflict, code, detail) }
