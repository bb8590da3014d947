package schedule

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/velocity"
)

// clerk is the staff name under which loans are declared defaulted.
const clerk = "schedule"

// duty is a kind of work that falls due. due returns up to limit pieces that are
// due at a moment, the longest due first, after a place in that order.
type duty struct {
	name string
	due  func(ctx context.Context, db postgres.DB, now time.Time, after readmodel.Due, limit int) ([]work, error)
}

var duties = []duty{
	{"velocity-tax", dueTaxes},
	{"proposals", dueProposals},
	{"loan-defaults", dueDefaults},
	{"multisig-expiry", dueExpiries},
	{"audit-anchor", dueAnchor},
}

// days returns a parameter that counts days.
func days(ctx context.Context, db postgres.DB, id string) (time.Duration, error) {
	n, err := readmodel.ParameterValue(ctx, db, id)
	return time.Duration(n) * 24 * time.Hour, err
}

func dueTaxes(ctx context.Context, db postgres.DB, now time.Time, after readmodel.Due, limit int) ([]work, error) {
	cycle, err := days(ctx, db, velocity.PeriodID)
	if err != nil {
		return nil, err
	}
	accounts, err := readmodel.Taxable(ctx, db, now.Add(-cycle), after, limit)
	if err != nil {
		return nil, err
	}
	list := make([]work, len(accounts))
	for i, a := range accounts {
		list[i] = work{
			place: readmodel.Due{At: *a.VelocityTimerStart, ID: a.AccountID}, since: a.VelocityTimerStart.Add(cycle),
			key:     fmt.Sprintf("vtax:%s:%d", a.AccountID, a.VelocityTimerStart.Unix()),
			payload: &command.ApplyVelocityTax{AccountID: a.AccountID, Country: a.Country},
		}
	}
	return list, nil
}

// dueProposals has the votes counted, page by page, and then the proposal
// executed.
func dueProposals(ctx context.Context, db postgres.DB, now time.Time, after readmodel.Due, limit int) ([]work, error) {
	proposals, err := readmodel.EndedProposals(ctx, db, now, after, limit)
	if err != nil {
		return nil, err
	}
	list := make([]work, len(proposals))
	for i, p := range proposals {
		list[i] = work{
			place: readmodel.Due{At: p.EndTime, ID: p.ProposalID}, since: p.EndTime,
			key:     "tally:" + p.ProposalID + ":" + p.TallyBookmark,
			payload: &command.TallyProposal{ProposalID: p.ProposalID, Bookmark: p.TallyBookmark},
		}
		if p.TallyComplete {
			list[i].key, list[i].payload = "execute:"+p.ProposalID, &command.ExecuteProposal{ProposalID: p.ProposalID}
		}
	}
	return list, nil
}

func dueDefaults(ctx context.Context, db postgres.DB, now time.Time, after readmodel.Due, limit int) ([]work, error) {
	grace, err := days(ctx, db, parameter.LoanDefaultGraceDays)
	if err != nil {
		return nil, err
	}
	grace += time.Second // the ledger counts whole seconds, and waits until the grace is over
	loans, err := readmodel.OverdueLoans(ctx, db, now.Add(-grace), after, limit)
	if err != nil {
		return nil, err
	}
	list := make([]work, len(loans))
	for i, l := range loans {
		list[i] = work{
			place: readmodel.Due{At: *l.DueAt, ID: l.LoanID}, since: l.DueAt.Add(grace),
			key:     "default:" + l.LoanID,
			payload: &command.MarkLoanDefaulted{AdminID: clerk, LoanID: l.LoanID, BorrowerID: l.BorrowerID},
		}
	}
	return list, nil
}

func dueExpiries(ctx context.Context, db postgres.DB, now time.Time, after readmodel.Due, limit int) ([]work, error) {
	pending, err := readmodel.ExpiredMultiSigTxs(ctx, db, now, after, limit)
	if err != nil {
		return nil, err
	}
	list := make([]work, len(pending))
	for i, x := range pending {
		list[i] = work{
			place: readmodel.Due{At: x.ExpiresAt, ID: x.PendingTxID}, since: x.ExpiresAt,
			key:     "expire:" + x.PendingTxID,
			payload: &command.ExpireMultiSigTx{PendingTxID: x.PendingTxID, OrgID: x.OrgID},
		}
	}
	return list, nil
}

// anchorEvery is how often the head of the audit trail is put on the ledger while
// there is anything new in it.
const anchorEvery = time.Hour

// dueAnchor returns the head of the audit trail when the first record that no
// anchor covers has waited long enough. That record is the cause, so the trail
// may grow meanwhile.
func dueAnchor(ctx context.Context, db postgres.DB, now time.Time, _ readmodel.Due, _ int) ([]work, error) {
	var first, sequence int64
	var hash []byte
	var since time.Time
	err := db.QueryRow(ctx, `SELECT a.sequence, h.sequence, h.hash, a.at FROM app.audit_head h
		JOIN app.audit a ON a.sequence = (SELECT coalesce(max(sequence), 0) + 1 FROM read.audit_anchors)
		WHERE a.at <= $1 AND a.sequence <= h.sequence`, now.Add(-anchorEvery)).Scan(&first, &sequence, &hash, &since)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the head of the audit trail: %w", err)
	}
	return []work{{
		place: readmodel.Due{At: since, ID: "audit"}, since: since.Add(anchorEvery), key: fmt.Sprintf("anchor:%d", first),
		payload: &command.AnchorAudit{Sequence: sequence, Hash: hex.EncodeToString(hash)},
	}}, nil
}
