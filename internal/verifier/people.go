package verifier

import (
	"slices"

	"gxcoin.money/gx/contract"
)

var peopleKinds = []kind{
	{
		object: "user", table: "read.users", walk: over("read.users", "user_id"),
		rows: `SELECT u.nationality, u.trust_score, u.genesis_status, u.genesis_phase, u.genesis_amount, u.genesis_at, u.loan_defaults, u.loan_banned,
			u.recovery_epoch, u.controller_key_hash, u.created_at,
			(SELECT count(*) FROM read.loans l WHERE l.borrower_id = u.user_id AND l.status IN ('PENDING_APPROVAL', 'ACTIVE', 'DEFAULTED')) AS open_loans,
			(SELECT coalesce(sum(CASE l.status WHEN 'PENDING_APPROVAL' THEN l.amount ELSE l.outstanding END), 0)::bigint FROM read.loans l
			 WHERE l.borrower_id = u.user_id AND l.status IN ('PENDING_APPROVAL', 'ACTIVE', 'DEFAULTED')) AS loan_exposure
			FROM read.users u WHERE u.user_id = k.k1`,
		want: object(func(_ []string, u *contract.User) fields {
			return fields{
				"nationality": u.Nationality, "trust_score": u.TrustScore, "genesis_status": u.GenesisStatus, "genesis_phase": u.GenesisPhase,
				"genesis_amount": u.GenesisAmount, "genesis_at": u.GenesisAt, "loan_defaults": u.LoanDefaults, "loan_banned": u.LoanBanned,
				"recovery_epoch": u.RecoveryEpoch, "controller_key_hash": u.ControllerKeyHash, "created_at": u.CreatedAt,
				"open_loans": u.OpenLoans, "loan_exposure": u.LoanExposure,
			}
		}),
	},
	{
		object: "bio", table: "read.users", rows: `SELECT user_id FROM read.users WHERE user_id = k.k1`,
		want: func(objects []contract.Exported) (unit, fields, error) {
			return unit{objects[0].Key[1:], []string{string(objects[0].Value)}}, fields{}, nil
		},
	},
	{
		object: "rel", table: "read.relationships", walk: over("read.relationships", "relationship_id"),
		rows: `SELECT subject_id, object_id, relation, status, requested_at, confirmed_at, closed_at, closed_by, reason
			FROM read.relationships WHERE relationship_id = k.k1`,
		want: object(func(_ []string, r *contract.Relationship) fields {
			return fields{
				"subject_id": r.SubjectID, "object_id": r.ObjectID, "relation": r.Relation, "status": r.Status, "requested_at": r.CreatedAt,
				"confirmed_at": r.ConfirmedAt, "closed_at": r.EndedAt, "closed_by": r.EndedBy, "reason": r.Reason,
			}
		}),
	},
	{
		object: "relBy", table: "read.relationships", want: entry,
		rows: `SELECT relationship_id FROM read.relationships
			WHERE relationship_id = k.k2 AND k.k1 IN (subject_id, object_id) AND status = 'CONFIRMED'`,
	},
	{
		object: "grd", table: "read.guardians", walk: over("read.guardians", "user_id"),
		rows: `SELECT array_agg(guardian_id ORDER BY guardian_id COLLATE "C") AS guardians, max(nominated_at) AS nominated_at
			FROM read.guardians WHERE user_id = k.k1 HAVING count(*) > 0`,
		want: object(func(_ []string, g *contract.Guardians) fields {
			return fields{"guardians": g.GuardianIDs, "nominated_at": g.UpdatedAt}
		}),
	},
	{
		object: "rec", table: "read.recoveries", walk: over("read.recoveries", "session_id"),
		rows: `SELECT lost_account_id, initiator_id, new_controller_key_hash, status, required, confirmations, expires_at, executable_at, created_at, closed_at,
			ARRAY(SELECT v.guardian_id FROM read.recovery_votes v WHERE v.session_id = r.session_id ORDER BY v.guardian_id COLLATE "C") AS votes
			FROM read.recoveries r WHERE session_id = k.k1`,
		want: object(func(_ []string, s *contract.RecoverySession) fields {
			row := fields{
				"lost_account_id": s.LostAccountID, "initiator_id": s.Confirmations[0], "new_controller_key_hash": s.NewControllerKeyHash,
				"status": s.Status, "required": s.Required, "confirmations": len(s.Confirmations), "expires_at": s.ExpiresAt, "created_at": s.CreatedAt,
				"closed_at": s.EndedAt, "executable_at": nil, "votes": slices.Sorted(slices.Values(s.Confirmations)),
			}
			if s.ConfirmedAt != nil {
				row["executable_at"] = s.ConfirmedAt.Add(contract.ObjectionTime)
			}
			return row
		}),
	},
	{
		object: "recOpen", table: "read.recoveries", rows: `SELECT session_id FROM read.recoveries WHERE lost_account_id = k.k1 AND status IN ('PENDING', 'CONFIRMED')`,
		want: func(objects []contract.Exported) (unit, fields, error) {
			attrs := objects[0].Key[1:]
			return unit{attrs, attrs}, fields{"session_id": string(objects[0].Value)}, nil
		},
	},
	{
		object: "loan", table: "read.loans", walk: over("read.loans", "loan_id"),
		rows: `SELECT borrower_id, amount, outstanding, repaid_total, purpose, term_days, status, collateral_hash, collateral_status, applied_at,
			CASE WHEN due_at IS NULL THEN NULL ELSE decided_at END AS approved_at, CASE WHEN due_at IS NULL THEN '' ELSE decided_by END AS approved_by,
			due_at, paid_at, defaulted_at, reason FROM read.loans WHERE loan_id = k.k1`,
		want: object(func(_ []string, l *contract.Loan) fields {
			return fields{
				"borrower_id": l.BorrowerID, "amount": l.Amount, "outstanding": l.Outstanding, "repaid_total": l.RepaidTotal, "purpose": l.Purpose,
				"term_days": l.TermDays, "status": l.Status, "collateral_hash": l.CollateralHash, "collateral_status": l.CollateralStatus,
				"applied_at": l.AppliedAt, "approved_at": l.ApprovedAt, "approved_by": l.ApprovedBy, "due_at": l.DueAt, "paid_at": l.PaidAt,
				"defaulted_at": l.DefaultedAt, "reason": l.RejectedReason,
			}
		}),
	},
	{
		object: "loanBy", table: "read.loans", want: entry, rows: `SELECT loan_id FROM read.loans WHERE loan_id = k.k2 AND borrower_id = k.k1`,
	},
}
