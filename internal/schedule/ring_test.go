package schedule_test

import (
	"crypto/rand"
	"encoding/hex"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/ringtest"
	"gxcoin.money/gx/internal/schedule"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/gxid"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/status"
	"gxcoin.money/gx/protocol/trust"
)

const day = 24 * time.Hour

// ring is the whole system on a clock that leaps.
type ring struct {
	t    *testing.T
	pool *pgxpool.Pool
	box  *outbox.Outbox
	leap atomic.Int64
}

func (r *ring) now() time.Time { return time.Now().Add(time.Duration(r.leap.Load())) }

// apply has commands applied, in order, and returns the result of the last.
func (r *ring) apply(list ...command.Payload) *readmodel.Result {
	r.t.Helper()
	ids := make([]uuid.UUID, len(list))
	for i, p := range list {
		ids[i] = uuid.Must(uuid.NewV7())
		if _, err := r.box.Enqueue(r.t.Context(), r.pool, outbox.Request{ID: ids[i], Payload: p, Principal: "test", Route: "test", Key: ids[i].String()}); err != nil {
			r.t.Fatal(err)
		}
	}
	var last *readmodel.Result
	for i, id := range ids {
		r.eventually(string(list[i].CommandType())+" is projected", func() bool {
			c, err := outbox.Find(r.t.Context(), r.pool, id)
			if err != nil {
				r.t.Fatal(err)
			}
			last = c.Result
			return last != nil
		})
		if last.Outcome != event.Applied {
			r.t.Fatalf("%s: %s %s", list[i].CommandType(), last.Code, last.Message)
		}
	}
	return last
}

func (r *ring) eventually(what string, ok func() bool) {
	r.t.Helper()
	deadline := time.After(2 * time.Minute)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			r.t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

func (r *ring) count(sql string, args ...any) (n int) {
	r.t.Helper()
	if err := r.pool.QueryRow(r.t.Context(), sql, args...).Scan(&n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

// people registers n people.
func (r *ring) people(n int) []string {
	r.t.Helper()
	born := r.now().AddDate(-30, 0, -1)
	ids, batch := make([]string, n), &command.CreateUsersBatch{}
	for i := range ids {
		id, err := gxid.New(rand.Reader, "LK", time.Date(born.Year(), born.Month(), born.Day(), 0, 0, 0, 0, time.UTC), gxid.Female)
		if err != nil {
			r.t.Fatal(err)
		}
		hash := make([]byte, 32)
		_, _ = rand.Read(hash)
		ids[i] = id.String()
		batch.Users = append(batch.Users, command.CreateUser{UserID: ids[i], BiometricHash: hex.EncodeToString(hash), Nationality: "LK", Age: 30})
	}
	r.apply(batch)
	return ids
}

// tie returns the commands that make two people related.
func tie(subject string, is trust.Relation, object string) []command.Payload {
	return []command.Payload{
		&command.RequestRelationship{ActorID: subject, ObjectID: object, Relation: is},
		&command.ConfirmRelationship{ActorID: object, RelationshipID: trust.Relationship{Subject: subject, Relation: is, Object: object}.ID()},
	}
}

// What falls due by time alone happens by itself: a vote ends and changes its
// parameter, a payment expires, a loan is in default, a balance is taxed.
func TestRing(t *testing.T) {
	r := &ring{t: t, box: outbox.New(outbox.Options{})}
	db := pgtest.New(t)
	ringtest.StartWith(t, db, ringtest.Options{Clock: r.now, ScheduleEvery: time.Millisecond})
	r.pool = db.Pool(t, "gx_service")
	ctx := t.Context()

	// A hundred people, each the child of the next, have the trust to vote.
	voters := r.people(100)
	var ties []command.Payload
	for i, id := range voters {
		ties = append(ties, tie(id, trust.ChildOf, voters[(i+1)%len(voters)])...)
	}
	r.apply(ties...)
	r.apply(&command.SubmitProposal{ActorID: voters[0], TargetParam: parameter.VotingPeriodDays, NewValue: "20", Title: "Time to think"})
	ended, err := readmodel.EndedProposals(ctx, r.pool, r.now().Add(15*day), readmodel.Due{}, 10)
	if err != nil || len(ended) != 1 {
		t.Fatalf("%v %v", ended, err)
	}
	proposal := ended[0].ProposalID
	votes := make([]command.Payload, len(voters))
	for i, id := range voters {
		votes[i] = &command.CastVote{ActorID: id, ProposalID: proposal, Support: i < 60}
	}
	r.apply(votes...)

	// A borrower with a family.
	family := r.people(4)
	r.apply(tie(family[0], trust.ChildOf, family[1])...)
	r.apply(tie(family[0], trust.SpouseOf, family[2])...)
	r.apply(tie(family[0], trust.SiblingOf, family[3])...)
	r.apply(&command.ApplyForLoan{ActorID: family[0], Amount: 100 * qirat.PerGX, CollateralHash: strings.Repeat("ab", 32), Purpose: "a bakery", TermDays: 30})
	var loan string
	if err := r.pool.QueryRow(ctx, `SELECT loan_id FROM read.loans`).Scan(&loan); err != nil {
		t.Fatal(err)
	}
	r.apply(&command.ApproveLoan{ApproverAdminID: "clerk", LoanID: loan, BorrowerID: family[0]})

	// A payment that nobody else approves.
	r.apply(&command.ProposeOrganization{ActorID: family[1], OrgID: "bakers", OrgName: "Bakers", OrgType: account.Business, Country: "LK", StakeholderIDs: family[1:3]})
	r.apply(&command.EndorseMembership{ActorID: family[1], OrgID: "bakers"}, &command.EndorseMembership{ActorID: family[2], OrgID: "bakers"})
	r.apply(&command.ActivateOrganization{ActorID: family[1], OrgID: "bakers"}, &command.InitiateMultiSigTx{ActorID: family[1], OrgID: "bakers", ToID: family[0], Amount: 1})
	pending := r.count(`SELECT count(*) FROM read.multisig_transactions WHERE status = $1`, status.MultiSigPending)
	if n := r.count(`SELECT count(*) FROM app.commands WHERE principal = $1`, schedule.Principal); pending != 1 || n != 0 {
		t.Fatalf("%d payments are pending, %d commands are enqueued before anything is due", pending, n)
	}

	r.leap.Add(int64(15 * day))
	r.eventually("the vote has ended", func() bool {
		p, err := readmodel.Proposal(ctx, r.pool, proposal)
		if err != nil {
			t.Fatal(err)
		}
		return p.Status == status.ProposalExecuted && p.TallyFor == 60 && p.TallyAgainst == 40
	})
	if n, err := readmodel.ParameterValue(ctx, r.pool, parameter.VotingPeriodDays); err != nil || n != 20 {
		t.Errorf("the parameter is %d, %v", n, err)
	}
	r.eventually("the payment has expired", func() bool {
		return r.count(`SELECT count(*) FROM read.multisig_transactions WHERE status = $1`, status.MultiSigExpired) == 1
	})

	r.leap.Add(int64((30 + 90) * day))
	r.eventually("the loan is in default", func() bool {
		l, err := readmodel.Loan(ctx, r.pool, loan)
		if err != nil {
			t.Fatal(err)
		}
		return l.Status == status.LoanDefaulted
	})

	r.leap.Add(int64(355 * day))
	r.eventually("everybody is taxed", func() bool {
		return r.count(`SELECT count(*) FROM read.tax_assessments`) == len(voters)+len(family)
	})
	s, err := readmodel.Supply(ctx, r.pool)
	if err != nil || !s.Conserved() {
		t.Errorf("supply: %+v, %v", s, err)
	}
	// Each effect has one command, whatever the read model lagged behind.
	if n := r.count(`SELECT count(*) FROM read.command_results r JOIN app.commands c ON c.id::text = r.command_id
		WHERE c.principal = $1 AND c.type = 'APPLY_VELOCITY_TAX' AND r.outcome = 'APPLIED'`, schedule.Principal); n != len(voters)+len(family) {
		t.Errorf("%d commands for %d taxes", n, len(voters)+len(family))
	}
	r.eventually("every command of the schedule is applied", func() bool {
		return r.count(`SELECT count(*) FROM app.commands WHERE principal = $1 AND state <> 'COMMITTED'`, schedule.Principal) == 0
	})
}
