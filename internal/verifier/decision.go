package verifier

import (
	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/status"
)

var decisionKinds = []kind{
	{
		object: "prop", table: "read.proposals", walk: over("read.proposals", "proposal_id"),
		rows: `SELECT target_param, current_value, new_value, title, description, proposer_id, status, quorum, approval_pct, created_at, end_time,
			tally_for, tally_against, tally_bookmark, tally_complete, closed_at, reason,
			for_votes - (SELECT count(*) FROM read.votes v WHERE v.proposal_id = p.proposal_id AND v.support) AS for_votes_not_there,
			against_votes - (SELECT count(*) FROM read.votes v WHERE v.proposal_id = p.proposal_id AND NOT v.support) AS against_votes_not_there
			FROM read.proposals p WHERE proposal_id = k.k1`,
		want: object(func(_ []string, x *contract.Proposal) fields {
			return fields{
				"target_param": x.TargetParam, "current_value": x.CurrentValue, "new_value": x.NewValue, "title": x.Title, "description": x.Description,
				"proposer_id": x.ProposerID, "status": x.Status, "quorum": x.Quorum, "approval_pct": x.ApprovalPct, "created_at": x.StartTime,
				"end_time": x.EndTime, "tally_for": x.Tally.ForVotes, "tally_against": x.Tally.AgainstVotes, "tally_bookmark": x.Tally.Bookmark,
				"tally_complete": x.Tally.Complete, "closed_at": x.EndedAt, "reason": x.FailureReason, "for_votes_not_there": 0, "against_votes_not_there": 0,
			}
		}),
	},
	{
		object: "propActive", table: "read.proposals",
		rows: `SELECT proposal_id FROM read.proposals WHERE status = '` + string(status.ProposalActive) + `'
			AND target_param = k.k1 AND encode(sha256(convert_to(new_value, 'UTF8')), 'hex') = k.k2`,
		want: object(func(_ []string, id *string) fields { return fields{"proposal_id": *id} }),
	},
	{
		object: "vote", table: "read.votes", walk: over("read.votes", "proposal_id", "voter_id"),
		rows: `SELECT support, at FROM read.votes WHERE proposal_id = k.k1 AND voter_id = k.k2`,
		want: object(func(_ []string, v *contract.VoteReceipt) fields { return fields{"support": v.Support, "at": v.At} }),
	},
}

var commandKinds = []kind{{
	object: "idem", table: "read.command_results",
	rows: `SELECT type, outcome, code, message, result, tx_id FROM read.command_results WHERE command_id = k.k1`,
	want: func(objects []contract.Exported) (unit, fields, error) {
		attrs := objects[0].Key[1:]
		r, err := decode[contract.Receipt](objects[0])
		if err != nil {
			return unit{}, nil, err
		}
		row := fields{"outcome": r.Outcome, "code": r.Code, "message": r.Message, "result": []byte(r.Result), "tx_id": r.TxID}
		if attrs[0] != contract.BatchFunction { // which keeps what is of no known type
			row["type"] = typeOf[attrs[0]]
		}
		return unit{attrs, attrs[1:]}, row, nil
	},
	walk: &walk{from: "read.command_results", columns: []string{"command_id", "type", "tx_id"}, unit: func(columns []any) (unit, bool) {
		id, function := columns[0].(string), contract.BatchFunction
		if d, ok := command.Lookup(command.Type(columns[1].(string))); ok {
			function = d.Name()
		}
		// A direct call without an id has no receipt, and goes by its transaction.
		return unit{[]string{function, id}, []string{id}}, id != columns[2].(string)
	}},
}}

// typeOf says which command a function runs.
var typeOf = func() map[string]command.Type {
	m := map[string]command.Type{}
	for _, f := range contract.Functions() {
		if f.Kind == contract.KindCommand {
			m[f.Name] = f.Command
		}
	}
	return m
}()
