package schedule

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"gxcoin.money/gx/contract/contracttest"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/protocol/account"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/parameter"
	"gxcoin.money/gx/protocol/qirat"
	"gxcoin.money/gx/protocol/trust"
)

const day = 24 * time.Hour

// world is a ledger in memory with its read model and an outbox that nobody
// empties.
type world struct {
	*contracttest.Ledger
	t         *testing.T
	leader    *pgxpool.Pool
	projector *pgxpool.Pool
	outbox    *outbox.Outbox
	block     int64
}

func newWorld(t *testing.T) *world {
	db := pgtest.New(t)
	w := &world{contracttest.New(), t, db.Pool(t, "gx_submitter"), db.Pool(t, "gx_projector"), outbox.New(outbox.Options{}), 0}
	w.do(&command.BootstrapSystem{})
	w.do(&command.InitializeCountryData{Countries: []command.CountryWeight{{CountryCode: "DE", WeightE8: 1}, {CountryCode: "LK", WeightE8: 1}}})
	return w
}

// do applies a command to the ledger and to the read model, and returns the
// first event.
func (w *world) do(p command.Payload) event.Event {
	w.t.Helper()
	d, _ := command.Lookup(p.CommandType())
	tx, results, err := w.Batch(contracttest.As(d.Identity(p)), w.Item(w.t, p))
	if err != nil {
		w.t.Fatal(err)
	}
	if r := results[0]; r.Outcome != event.Applied {
		w.t.Fatalf("%s: %s %s", p.CommandType(), r.Code, r.Message)
	}
	env, events, err := tx.Envelope()
	if err != nil {
		w.t.Fatal(err)
	}
	decoded := readmodel.Tx{ID: env.TxID, Block: uint64(w.block), At: env.At, Commands: env.Commands}
	for i, e := range events {
		decoded.Events = append(decoded.Events, readmodel.Event{Record: env.Events[i], Content: e})
	}
	projection := readmodel.NewProjection()
	if err := projection.Add(decoded); err != nil {
		w.t.Fatal(err)
	}
	if err := pgx.BeginFunc(w.t.Context(), w.projector, func(db pgx.Tx) error {
		return projection.Flush(w.t.Context(), db, readmodel.Position{Block: w.block, Hash: []byte{1}})
	}); err != nil {
		w.t.Fatal(err)
	}
	w.block++
	return events[0]
}

// people registers n people of Germany.
func (w *world) people(n int) []string {
	ids := make([]string, n)
	for i := range ids {
		p := w.Person(w.t, "DE")
		w.do(p)
		ids[i] = p.UserID
	}
	return ids
}

// trusted registers a person with a family, and returns them first.
func (w *world) trusted() []string {
	ids := w.people(4)
	for i, r := range []trust.Relation{trust.ChildOf, trust.SpouseOf, trust.SiblingOf} {
		w.do(&command.RequestRelationship{ActorID: ids[0], ObjectID: ids[i+1], Relation: r})
		w.do(&command.ConfirmRelationship{ActorID: ids[i+1], RelationshipID: trust.Relationship{Subject: ids[0], Relation: r, Object: ids[i+1]}.ID()})
	}
	return ids
}

// jobs are those of one submitter, by name.
type jobs map[string]func(context.Context, pgx.Tx, time.Time) error

func (w *world) jobs(r prometheus.Registerer) jobs {
	out := jobs{}
	for _, j := range Jobs(Options{Outbox: w.outbox, Registerer: r}) {
		out[j.Name] = j.Run
	}
	return out
}

// run runs a job at the time of the ledger and returns what it enqueued.
func (w *world) run(j jobs, name string) []command.Payload {
	w.t.Helper()
	before := w.enqueued()
	if err := pgx.BeginFunc(w.t.Context(), w.leader, func(tx pgx.Tx) error { return j[name](w.t.Context(), tx, w.Now) }); err != nil {
		w.t.Fatal(err)
	}
	return w.enqueued()[len(before):]
}

// enqueued returns every command of the schedule, in order.
func (w *world) enqueued() []command.Payload {
	w.t.Helper()
	rows, err := w.leader.Query(w.t.Context(), `SELECT type, payload FROM app.commands WHERE principal = $1 ORDER BY position`, Principal)
	if err != nil {
		w.t.Fatal(err)
	}
	list, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (command.Payload, error) {
		var typ command.Type
		var payload []byte
		if err := r.Scan(&typ, &payload); err != nil {
			return nil, err
		}
		return command.Decode(typ, payload)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return list
}

// Each job sends its command when the contract takes it, and not a second
// before; once, however often and by whomever it is run; and never again when
// it has taken effect.
func TestDue(t *testing.T) {
	for _, c := range []struct {
		job  string
		make func(w *world) (due time.Time) // something that falls due
		want []command.Type                 // one after the other
	}{
		{"velocity-tax", func(w *world) time.Time {
			w.people(1)
			return w.Now.Add(355 * day)
		}, []command.Type{command.TypeApplyVelocityTax}},
		{"proposals", func(w *world) time.Time {
			by := w.people(1)[0]
			w.do(&command.SubmitProposal{ActorID: by, TargetParam: parameter.VotingPeriodDays, NewValue: "20", Title: "Time"})
			return w.Now.Add(14 * day)
		}, []command.Type{command.TypeTallyProposal, command.TypeExecuteProposal}},
		{"loan-defaults", func(w *world) time.Time {
			p := w.trusted()
			loan := w.do(&command.ApplyForLoan{
				ActorID: p[0], Amount: 100 * qirat.PerGX, CollateralHash: strings.Repeat("ab", 32), Purpose: "a bakery", TermDays: 30,
			}).(*event.LoanApplicationReceived).LoanID
			w.do(&command.ApproveLoan{ApproverAdminID: "clerk", LoanID: loan, BorrowerID: p[0]})
			return w.Now.Add((30+90)*day + time.Second)
		}, []command.Type{command.TypeMarkLoanDefaulted}},
		{"multisig-expiry", func(w *world) time.Time {
			p := w.people(3)
			w.do(&command.ProposeOrganization{ActorID: p[0], OrgID: "bakers", OrgName: "Bakers", OrgType: account.Business, Country: "DE", StakeholderIDs: p[:2]})
			for _, id := range p[:2] {
				w.do(&command.EndorseMembership{ActorID: id, OrgID: "bakers"})
			}
			w.do(&command.ActivateOrganization{ActorID: p[0], OrgID: "bakers"})
			w.do(&command.InitiateMultiSigTx{ActorID: p[0], OrgID: "bakers", ToID: p[2], Amount: 1})
			return w.Now.Add(7 * day)
		}, []command.Type{command.TypeExpireMultiSigTx}},
	} {
		t.Run(c.job, func(t *testing.T) {
			w := newWorld(t)
			one, other := w.jobs(nil), w.jobs(nil)
			due := c.make(w)
			w.Now = due.Add(-time.Second)
			if list := w.run(one, c.job); len(list) != 0 {
				t.Fatalf("a second early: %d commands", len(list))
			}
			w.Now = due
			for _, want := range c.want {
				list := w.run(one, c.job)
				if len(list) != 1 || list[0].CommandType() != want {
					t.Fatalf("%v, want one %s", list, want)
				}
				if n := len(w.run(one, c.job)) + len(w.run(other, c.job)); n != 0 {
					t.Fatalf("%d more commands of the same cause", n)
				}
				w.do(list[0])
			}
			w.Now = due.Add(2 * day)
			if list := w.run(other, c.job); len(list) != 0 {
				t.Fatalf("%v for what is done", list)
			}
		})
	}
}

// While the system is paused nothing is enqueued. What was refused, or is
// stuck, is sent again a day later.
func TestPauseAndRepetition(t *testing.T) {
	w := newWorld(t)
	w.people(1)
	j := w.jobs(nil)
	w.Now = w.Now.Add(355 * day)
	w.do(&command.PauseSystem{Reason: "maintenance"})
	if list := w.run(j, "velocity-tax"); len(list) != 0 {
		t.Fatalf("%d commands while the system is paused", len(list))
	}
	w.do(&command.ResumeSystem{})
	for _, c := range []struct {
		later time.Duration
		want  int
	}{{0, 1}, {day - time.Second, 0}, {time.Second, 1}, {time.Hour, 0}, {day, 1}} {
		w.Now = w.Now.Add(c.later)
		if list := w.run(j, "velocity-tax"); len(list) != c.want {
			t.Errorf("%d commands after %s more, want %d", len(list), c.later, c.want)
		}
	}
}

// A run that finds more than it may look at leaves the rest to the next, which
// begins behind it.
func TestRunsAreBounded(t *testing.T) {
	w := newWorld(t)
	w.people(5)
	found, enqueued := prometheus.NewGauge(prometheus.GaugeOpts{Name: "found"}), prometheus.NewCounter(prometheus.CounterOpts{Name: "enqueued"})
	r := prometheus.NewRegistry()
	r.MustRegister(found, enqueued)
	tax := &job{duty: duties[0], outbox: w.outbox, log: slog.New(slog.DiscardHandler), limit: 2, found: found, enqueued: enqueued}
	w.Now = w.Now.Add(400 * day)
	seen := map[string]bool{}
	for i, want := range []int{2, 2, 1, 0} {
		list := w.run(jobs{"tax": tax.run}, "tax")
		if len(list) != want {
			t.Fatalf("run %d enqueued %d commands, want %d", i, len(list), want)
		}
		for _, p := range list {
			seen[p.(*command.ApplyVelocityTax).AccountID] = true
		}
	}
	if got := values(t, r); len(seen) != 5 || got["enqueued"] != 5 || got["found"] != 2 {
		t.Errorf("%d accounts, and %v", len(seen), got)
	}
}

// Two who believe to lead enqueue a command once: one of them may have to wait
// for its next run.
func TestTwoLeaders(t *testing.T) {
	w := newWorld(t)
	w.people(20)
	w.Now = w.Now.Add(355 * day)
	var g errgroup.Group
	for range 4 {
		j := w.jobs(nil)["velocity-tax"]
		g.Go(func() error {
			err := pgx.BeginFunc(t.Context(), w.leader, func(tx pgx.Tx) error { return j(t.Context(), tx, w.Now) })
			if errors.Is(err, outbox.ErrInProgress) {
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	if n := len(w.enqueued()); n != 20 {
		t.Errorf("%d commands for 20 accounts", n)
	}
}

// values returns every metric by its name and the value of its label, if any.
func values(t *testing.T, g prometheus.Gatherer) map[string]float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			out[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return out
}

// The metrics of all jobs are there from the start, and the jobs run as often
// as they are told.
func TestJobs(t *testing.T) {
	r := prometheus.NewRegistry()
	list := Jobs(Options{Every: time.Hour, Outbox: outbox.New(outbox.Options{}), Registerer: r})
	names := map[string]bool{}
	for _, j := range list {
		names[j.Name] = j.Every == time.Hour
	}
	if len(names) != 5 || !names["audit-anchor"] || !names["velocity-tax"] || !names["proposals"] || !names["loan-defaults"] || !names["multisig-expiry"] {
		t.Errorf("%v", names)
	}
	got := values(t, r)
	for name := range names {
		for _, metric := range []string{"schedule_due", "schedule_commands_total"} {
			if v, ok := got[metric+" "+name]; !ok || v != 0 {
				t.Errorf("%s of %s is %v, %t", metric, name, v, ok)
			}
		}
	}
	if every := Jobs(Options{})[0].Every; every != time.Minute {
		t.Errorf("by default every %s", every)
	}
}
