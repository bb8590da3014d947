package readmodel

import (
	"context"
	"time"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/status"
)

// ProposalState is a vote on a parameter.
type ProposalState struct {
	ProposalID    string
	TargetParam   string
	CurrentValue  string // when it was submitted
	NewValue      string
	ProposerID    string
	Title         string
	Description   string
	Quorum        uint64 // votes that it needs
	ApprovalPct   uint64 // of the votes
	Status        status.Proposal
	ForVotes      uint64 // cast so far
	AgainstVotes  uint64
	TallyFor      uint64 // as the ledger has counted
	TallyAgainst  uint64
	TallyBookmark string // the last voter counted, empty before the first page
	TallyComplete bool
	CreatedAt     time.Time
	EndTime       time.Time
	ClosedAt      *time.Time
	ClosedBy      string // who cancelled it
	Reason        string // why it failed
	Cursor        Cursor `db:"-"`
}

type proposalRow struct {
	ProposalState
	Cursor
}

func (r proposalRow) state() ProposalState {
	r.ProposalState.Cursor = r.Cursor
	return r.ProposalState
}

const proposalSelect = `
	SELECT proposal_id, target_param, current_value, new_value, proposer_id, title, description, quorum, approval_pct, status,
	       for_votes, against_votes, tally_for, tally_against, tally_bookmark, tally_complete, created_at, end_time, closed_at, closed_by, reason,
	       block, tx_index, seq, 0 AS entry
	FROM read.proposals`

// Proposal returns a proposal, or ErrNotFound.
func Proposal(ctx context.Context, db postgres.DB, proposalID string) (ProposalState, error) {
	r, err := one[proposalRow](ctx, db, "proposal", proposalSelect+` WHERE proposal_id = $1`, proposalID)
	return r.state(), err
}

// Proposals returns the proposals, all or those in some statuses.
func Proposals(ctx context.Context, db postgres.DB, in []status.Proposal, w Window) (List[ProposalState], error) {
	var q query
	oneOf(&q, "status", in)
	return list(ctx, db, "proposals", proposalSelect, q, w, proposalRow.state, func(r proposalRow) Cursor { return r.Cursor })
}

// EndedProposals returns up to limit active proposals whose time was over at a
// moment, the longest over first, after a place in that order.
func EndedProposals(ctx context.Context, db postgres.DB, until time.Time, after Due, limit int) ([]ProposalState, error) {
	var q query
	q.add("status = 'ACTIVE'")
	rows, err := due[proposalRow](ctx, db, "ended proposals", proposalSelect, "proposal_id", "end_time", q, until, after, limit)
	return column(rows, proposalRow.state), err
}

// Vote is a person's vote on a proposal.
type Vote struct {
	ProposalID string
	VoterID    string
	Support    bool
	At         time.Time
}

// VoteOf returns the vote of a person on a proposal, or ErrNotFound.
func VoteOf(ctx context.Context, db postgres.DB, proposalID, voterID string) (Vote, error) {
	return one[Vote](ctx, db, "vote", `
		SELECT proposal_id, voter_id, support, at FROM read.votes WHERE proposal_id = $1 AND voter_id = $2`, proposalID, voterID)
}

// proposalChange is what a run of events did to one proposal.
type proposalChange struct {
	id        string
	submitted *event.ProposalSubmitted
	made      meta
	yes, no   int64 // votes cast in the run
	tally     *event.ProposalTallied
	status    status.Proposal // empty: unchanged
	closedAt  *time.Time
	closedBy  string
	reason    string
}

func (p *Projection) proposalChange(id string) *proposalChange {
	return entry(p.proposals, id, func() *proposalChange { return &proposalChange{id: id} })
}

func proposalSubmitted(p *Projection, m meta, e *event.ProposalSubmitted) error {
	c := p.proposalChange(e.ProposalID)
	if c.submitted != nil {
		return misfit("proposal %s is submitted twice", e.ProposalID)
	}
	c.submitted, c.made = e, m
	return nil
}

func voteCast(p *Projection, m meta, e *event.VoteCast) error {
	c := p.proposalChange(e.ProposalID)
	if e.Support {
		c.yes++
	} else {
		c.no++
	}
	p.votes = append(p.votes, Vote{e.ProposalID, e.VoterID, e.Support, m.at})
	return nil
}

func proposalTallied(p *Projection, _ meta, e *event.ProposalTallied) error {
	p.proposalChange(e.ProposalID).tally = e
	return nil
}

func proposalExecuted(p *Projection, m meta, e *event.ProposalExecuted) error {
	c := p.proposalChange(e.ProposalID)
	c.status, c.closedAt = status.ProposalExecuted, &m.at
	return nil
}

func proposalFailed(p *Projection, m meta, e *event.ProposalFailed) error {
	c := p.proposalChange(e.ProposalID)
	c.status, c.closedAt, c.reason = e.Status, &m.at, e.Reason
	return nil
}

func proposalCancelled(p *Projection, m meta, e *event.ProposalCancelled) error {
	c := p.proposalChange(e.ProposalID)
	c.status, c.closedAt, c.closedBy = status.ProposalCancelled, &m.at, e.CancelledBy
	return nil
}

func (p *Projection) flushProposals(b *batch) {
	all := sorted(p.proposals)
	if len(all) == 0 {
		return
	}
	if r := filter(all, func(c *proposalChange) bool { return c.submitted != nil }); len(r) > 0 {
		b.exec(len(r), "proposals", `
			INSERT INTO read.proposals (proposal_id, target_param, current_value, new_value, proposer_id, title, description, quorum, approval_pct,
			                            status, created_at, end_time, block, tx_index, seq)
			SELECT id, param, current, new, proposer, title, description, quorum, pct, $1, at, end_time, block, tx_index, seq
			FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[], $10::bigint[],
			            $11::timestamptz[], $12::timestamptz[], $13::bigint[], $14::int[], $15::int[])
			  AS v (id, param, current, new, proposer, title, description, quorum, pct, at, end_time, block, tx_index, seq)`,
			string(status.ProposalActive),
			column(r, func(c *proposalChange) string { return c.id }),
			column(r, func(c *proposalChange) string { return c.submitted.TargetParam }),
			column(r, func(c *proposalChange) string { return c.submitted.CurrentValue }),
			column(r, func(c *proposalChange) string { return c.submitted.NewValue }),
			column(r, func(c *proposalChange) string { return c.submitted.ProposerID }),
			column(r, func(c *proposalChange) string { return c.submitted.Title }),
			column(r, func(c *proposalChange) string { return c.submitted.Description }),
			column(r, func(c *proposalChange) uint64 { return c.submitted.Quorum }),
			column(r, func(c *proposalChange) uint64 { return c.submitted.ApprovalPct }),
			column(r, func(c *proposalChange) time.Time { return c.made.at }),
			column(r, func(c *proposalChange) time.Time { return c.submitted.EndTime }),
			column(r, func(c *proposalChange) int64 { return c.made.block }),
			column(r, func(c *proposalChange) int { return c.made.txIndex }),
			column(r, func(c *proposalChange) int { return c.made.seq }))
	}
	tally := func(get func(*event.ProposalTallied) *uint64) []*uint64 {
		return column(all, func(c *proposalChange) *uint64 {
			if c.tally == nil {
				return nil
			}
			return get(c.tally)
		})
	}
	b.exec(len(all), "status of proposals", `
		UPDATE read.proposals p
		SET for_votes = p.for_votes + v.yes, against_votes = p.against_votes + v.no,
		    tally_for = coalesce(v.tally_for, p.tally_for), tally_against = coalesce(v.tally_against, p.tally_against),
		    tally_bookmark = coalesce(nullif(v.bookmark, ''), p.tally_bookmark), tally_complete = p.tally_complete OR v.complete,
		    status = coalesce(nullif(v.status, ''), p.status), closed_at = coalesce(v.closed_at, p.closed_at),
		    closed_by = coalesce(nullif(v.closed_by, ''), p.closed_by), reason = coalesce(nullif(v.reason, ''), p.reason)
		FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::text[], $7::boolean[], $8::text[], $9::timestamptz[], $10::text[], $11::text[])
		  AS v (id, yes, no, tally_for, tally_against, bookmark, complete, status, closed_at, closed_by, reason)
		WHERE p.proposal_id = v.id`,
		column(all, func(c *proposalChange) string { return c.id }),
		column(all, func(c *proposalChange) int64 { return c.yes }),
		column(all, func(c *proposalChange) int64 { return c.no }),
		tally(func(t *event.ProposalTallied) *uint64 { return &t.ForVotes }),
		tally(func(t *event.ProposalTallied) *uint64 { return &t.AgainstVotes }),
		column(all, func(c *proposalChange) string {
			if c.tally == nil {
				return ""
			}
			return c.tally.Bookmark
		}),
		column(all, func(c *proposalChange) bool { return c.tally != nil && c.tally.Complete }),
		column(all, func(c *proposalChange) string { return string(c.status) }),
		column(all, func(c *proposalChange) *time.Time { return c.closedAt }),
		column(all, func(c *proposalChange) string { return c.closedBy }),
		column(all, func(c *proposalChange) string { return c.reason }))
	if v := p.votes; len(v) > 0 {
		b.exec(len(v), "votes", `
			INSERT INTO read.votes (proposal_id, voter_id, support, at) SELECT * FROM unnest($1::text[], $2::text[], $3::boolean[], $4::timestamptz[])`,
			column(v, func(v Vote) string { return v.ProposalID }),
			column(v, func(v Vote) string { return v.VoterID }),
			column(v, func(v Vote) bool { return v.Support }),
			column(v, func(v Vote) time.Time { return v.At }))
	}
}
