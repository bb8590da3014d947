// Package bench measures a running system over its public HTTP API, beside a
// bare database transaction on the same PostgreSQL: what it accepts, commits and
// projects, how long that takes, and what of the machine it uses.
package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/demo"
)

// Options of a measurement.
type Options struct {
	Services map[string]string // URLs by name
	Client   *client.Client    // of nobody
	Username string            // of a member of staff who may approve people
	Password string
	Database string // DSN of the PostgreSQL of the system, as its owner
	PID      int    // of gx up, whose processes are looked at; 0: not known

	Rounds    int           // default 5
	Clients   int           // default 32
	Load      time.Duration // of each timed part of a round; default 3 s
	Light     time.Duration // of the light load in a round; default 5 s
	LightRate int           // payments a second; default 20
	Progress  io.Writer     // nil: says nothing on the way

	StartFirst, StartSecond time.Duration // measured by the caller; 0: not
}

func (o Options) withDefaults() Options {
	number := func(n *int, v int) {
		if *n <= 0 {
			*n = v
		}
	}
	number(&o.Rounds, 5)
	number(&o.Clients, 32)
	number(&o.LightRate, 20)
	if o.Load <= 0 {
		o.Load = 3 * time.Second
	}
	if o.Light <= 0 {
		o.Light = 5 * time.Second
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
	return o
}

// Report is what was measured. Rates are per second, times in the unit of their name.
type Report struct {
	Machine    Machine `json:"machine"`
	RoundCount int     `json:"rounds"`
	Clients    int     `json:"clients"`
	Load       string  `json:"load"`
	LightRate  int     `json:"lightRate"`

	Baseline    Figure `json:"baseline"`
	BaselineCPU Figure `json:"baselineCpuSecondsPer1000"` // of PostgreSQL
	// With the submitter held, where it is a process of its own: what the services can
	// accept, and how fast what has piled up then becomes visible.
	Alone      Figure `json:"acceptedAlone"`
	AloneShare Figure `json:"acceptedAloneShare"`
	Backlog    Figure `json:"backlogProjected"`
	// With everything at work at the same time.
	Accepted  Figure `json:"accepted"`
	Share     Figure `json:"acceptedShare"` // of the baseline of the same round
	Committed Figure `json:"committed"`
	Projected Figure `json:"projected"`
	Drain     Figure `json:"drainSeconds"`
	AcceptP50 Figure `json:"acceptP50Ms"`
	AcceptP99 Figure `json:"acceptP99Ms"`

	LightAcceptP50  Figure `json:"lightAcceptP50Ms"`
	LightAcceptP99  Figure `json:"lightAcceptP99Ms"`
	LightVisibleP50 Figure `json:"lightVisibleP50Ms"`
	LightVisibleP99 Figure `json:"lightVisibleP99Ms"`

	Requests []Request `json:"requests"`

	Payments  int       `json:"payments"` // measured under load, all rounds
	Processes []Process `json:"processes,omitempty"`

	StartFirst  float64 `json:"startFirstSeconds,omitempty"`
	StartSecond float64 `json:"startSecondSeconds,omitempty"`

	Notes []string `json:"notes,omitempty"` // what makes the figures doubtful
}

// Process is a group of processes and what it used.
type Process struct {
	Name      string `json:"name"`
	CPU       Figure `json:"cpuSecondsPer1000"`
	RestBytes int64  `json:"restBytes,omitempty"` // resident, before the first payment
	LoadBytes int64  `json:"loadBytes,omitempty"` // resident, the most that was seen
}

type bench struct {
	o        Options
	db       *pgx.Conn // of the system's database
	baseline *baseline
	people   []*demo.Customer
	report   Report
	samples  samples
}

// samples collects what the rounds give.
type samples struct {
	alone, aloneShare, backlog                                                    []float64
	baseline, baselineCPU, accepted, share, committed, projected, drain, p50, p99 []float64
	lightAccept50, lightAccept99, lightVisible50, lightVisible99                  []float64

	requests   map[string][]sample
	cpu        map[string][]float64
	rest, most map[string]int64
}

// Run measures. It ends by itself, and leaves nothing behind but people who paid each other.
func Run(ctx context.Context, o Options) (_ Report, err error) {
	b := &bench{o: o.withDefaults()}
	b.samples.requests, b.samples.cpu, b.samples.most = map[string][]sample{}, map[string][]float64{}, map[string]int64{}
	b.samples.rest = memory(look(b.o.PID, nil))
	if b.db, err = pgx.Connect(ctx, b.o.Database); err != nil {
		return b.report, fmt.Errorf("connect to the database: %w", err)
	}
	defer func() { err = errors.Join(err, b.db.Close(context.WithoutCancel(ctx))) }()
	if b.baseline, err = newBaseline(ctx, b.o.Database, b.o.Clients); err != nil {
		return b.report, err
	}
	defer func() { err = errors.Join(err, b.baseline.close(context.WithoutCancel(ctx))) }()
	if b.report.Machine, err = machine(ctx, b.db); err != nil {
		return b.report, err
	}

	begin := time.Now()
	b.progress("recruiting %d people", 2*b.o.Clients)
	staff, err := b.o.Client.LogInStaff(ctx, b.o.Username, b.o.Password)
	if err != nil {
		return b.report, fmt.Errorf("log in as %s: %w", b.o.Username, err)
	}
	if b.people, err = demo.Recruit(ctx, b.o.Client, staff, demo.People(2*b.o.Clients)); err != nil {
		return b.report, err
	}
	if err := b.settle(ctx); err != nil {
		return b.report, err
	}
	b.progress("... %.1f s\n", time.Since(begin).Seconds())
	for i := range b.o.Rounds + 1 {
		if err := b.round(ctx, i); err != nil {
			return b.report, err
		}
	}
	b.report.Machine.LoadAfter = loadAverage()
	b.conclude()
	return b.report, nil
}

func (b *bench) progress(format string, args ...any) { fmt.Fprintf(b.o.Progress, format, args...) }

// round measures everything once; the first round only warms up.
func (b *bench) round(ctx context.Context, i int) error {
	load, light := b.o.Load, b.o.Light
	if i == 0 {
		load, light = load/3, light/5
		b.progress("warming up")
	} else {
		b.progress("round %d of %d", i, b.o.Rounds)
	}
	names, err := backends(ctx, b.db)
	if err != nil {
		return err
	}
	before := look(b.o.PID, names)
	transactions, took, err := b.baseline.run(ctx, load)
	if err != nil {
		return err
	}
	rate := float64(transactions) / took.Seconds()
	bareCPU := spent(before, look(b.o.PID, names))
	baselineCPU := bareCPU[postgresGroup+forBaseline]

	proceed, held := hold(b.o.PID, "gx submit")
	var alone burst
	if held {
		alone, err = b.burst(ctx, load, proceed)
		proceed()
		if err != nil {
			return err
		}
	}

	stop := b.watchMemory()
	before = look(b.o.PID, names)
	paid, err := b.burst(ctx, load, func() {})
	cpu := spent(before, look(b.o.PID, names))
	stop()
	if err != nil {
		return err
	}
	committed, err := b.committed(ctx, paid)
	if err != nil {
		return err
	}
	slow, err := b.trickle(ctx, light)
	if err != nil {
		return err
	}
	requests, err := b.requests(ctx, load)
	if err != nil {
		return err
	}

	accepted := float64(paid.accepted) / paid.accepting.Seconds()
	b.progress(": baseline %.0f/s, accepted %.0f/s (%.2f), projected %.0f/s\n", rate, accepted, accepted/rate, float64(paid.accepted)/paid.visible.Seconds())
	if i == 0 {
		return nil
	}
	s := &b.samples
	add := func(to *[]float64, v float64) { *to = append(*to, v) }
	add(&s.baseline, rate)
	add(&s.baselineCPU, baselineCPU*1000/float64(transactions))
	add(&s.accepted, accepted)
	add(&s.share, accepted/rate)
	if held {
		add(&s.alone, float64(alone.accepted)/alone.accepting.Seconds())
		add(&s.aloneShare, float64(alone.accepted)/alone.accepting.Seconds()/rate)
		add(&s.backlog, float64(alone.accepted)/(alone.visible-alone.accepting).Seconds())
	}
	add(&s.committed, float64(paid.accepted)/committed.Seconds())
	add(&s.projected, float64(paid.accepted)/paid.visible.Seconds())
	add(&s.drain, (paid.visible - paid.accepting).Seconds())
	add(&s.p50, milliseconds(paid.took, 0.50))
	add(&s.p99, milliseconds(paid.took, 0.99))
	add(&s.lightAccept50, milliseconds(slow.accept, 0.50))
	add(&s.lightAccept99, milliseconds(slow.accept, 0.99))
	add(&s.lightVisible50, milliseconds(slow.visible, 0.50))
	add(&s.lightVisible99, milliseconds(slow.visible, 0.99))
	requests[payment.name] = sample{
		rate: accepted, p50: milliseconds(paid.took, 0.50), p99: milliseconds(paid.took, 0.99), cpu: 1000 * ours(cpu) / float64(paid.accepted), refused: paid.refused,
		bareRate: rate, bareCPU: 1000 * (bareCPU[self] + baselineCPU) / float64(transactions),
	}
	for name, of := range requests {
		s.requests[name] = append(s.requests[name], of)
	}
	delete(cpu, postgresGroup+forBaseline)
	for name, seconds := range cpu {
		s.cpu[name] = append(s.cpu[name], seconds*1000/float64(paid.accepted))
	}
	b.report.Payments += paid.accepted
	return nil
}

func milliseconds(d []time.Duration, p float64) float64 {
	return float64(demo.Percentile(d, p).Microseconds()) / 1000
}

// settle lets the server finish what it has put off. Both sides of the comparison
// then run between the same two checkpoints.
func (b *bench) settle(ctx context.Context) error {
	for _, c := range []*pgx.Conn{b.db, b.baseline.conns[0]} {
		if _, err := c.Exec(ctx, "VACUUM (ANALYZE)"); err != nil {
			return fmt.Errorf("vacuum: %w", err)
		}
	}
	if _, err := b.db.Exec(ctx, "CHECKPOINT"); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// committed returns how long it took from the begin of a burst until the last of
// its payments was committed, and checks that each has its one end.
func (b *bench) committed(ctx context.Context, paid burst) (time.Duration, error) {
	ids := make([]string, b.o.Clients)
	for i := range ids {
		ids[i] = "customer:" + b.people[i].Profile
	}
	var n, applied int
	var last time.Time
	err := b.db.QueryRow(ctx, `SELECT count(*), count(*) FILTER (WHERE r.outcome = 'APPLIED'), coalesce(max(c.completed_at), 'epoch')
		FROM app.commands c LEFT JOIN read.command_results r ON r.command_id = c.id::text
		WHERE c.principal = ANY($1) AND c.created_at >= $2`, ids, paid.begin).Scan(&n, &applied, &last)
	if err != nil {
		return 0, fmt.Errorf("count the payments of a round: %w", err)
	}
	if n != paid.accepted || applied != n {
		return 0, fmt.Errorf("%d payments were accepted, %d are stored and %d applied", paid.accepted, n, applied)
	}
	return last.Sub(paid.begin), nil
}

// sampling is how often memory is looked at.
const sampling = 100 * time.Millisecond

// watchMemory notes the most memory of each group until stop is called.
func (b *bench) watchMemory() (stop func()) {
	end, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(sampling)
		defer tick.Stop()
		for {
			for name, bytes := range memory(look(b.o.PID, nil)) {
				b.samples.most[name] = max(b.samples.most[name], bytes)
			}
			select {
			case <-tick.C:
			case <-end:
				return
			}
		}
	}()
	return func() { close(end); <-done }
}

// conclude makes the report of the samples.
func (b *bench) conclude() {
	r, s := &b.report, &b.samples
	r.RoundCount, r.Clients, r.Load, r.LightRate = b.o.Rounds, b.o.Clients, b.o.Load.String(), b.o.LightRate
	for to, from := range map[*Figure][]float64{
		&r.Baseline: s.baseline, &r.BaselineCPU: s.baselineCPU,
		&r.Alone: s.alone, &r.AloneShare: s.aloneShare, &r.Backlog: s.backlog, &r.Accepted: s.accepted, &r.Share: s.share, &r.Committed: s.committed, &r.Projected: s.projected, &r.Drain: s.drain,
		&r.AcceptP50: s.p50, &r.AcceptP99: s.p99, &r.LightAcceptP50: s.lightAccept50, &r.LightAcceptP99: s.lightAccept99,
		&r.LightVisibleP50: s.lightVisible50, &r.LightVisibleP99: s.lightVisible99,
	} {
		*to = figure(from)
	}
	for _, name := range sortGroups(slices.Collect(maps.Keys(s.cpu))) {
		r.Processes = append(r.Processes, Process{name, figure(s.cpu[name]), s.rest[name], s.most[name]})
	}
	for _, name := range []string{balance.name, history.name, payment.name, login.name, flooded} {
		r.Requests = append(r.Requests, requestOf(name, s.requests[name]))
	}
	r.StartFirst, r.StartSecond = b.o.StartFirst.Seconds(), b.o.StartSecond.Seconds()
	if spread := r.Baseline.Spread(); spread > noisy && b.o.Rounds > 1 {
		r.Notes = append(r.Notes, fmt.Sprintf("the baseline itself varied by %.0f %%: this machine is busy with other things, so look at the shares of single rounds.", 100*spread))
	}
	if r.Machine.Postgres["fsync"] != "on" || r.Machine.Postgres["synchronous_commit"] != "on" {
		r.Notes = append(r.Notes, "this PostgreSQL does not wait for its disk (as with gx up --ephemeral): the rates are those of a system that may lose what it has accepted.")
	}
}
