package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/demo"
)

// request is a kind of request.
type request struct {
	name, service, method, path string
	body                        func(from, to *demo.Customer) any // nil: none
	status                      int

	bare  string                      // statement at the bottom of it
	about func(*demo.Customer) string // its argument
}

var (
	payment = request{
		name: "transfer", service: "tokenomics", method: http.MethodPost, path: "/api/v1/transfers", status: http.StatusAccepted,
		body: func(_, to *demo.Customer) any {
			return client.Payment{ToID: to.Account, Amount: amount, Reason: "bench"}
		},
	}
	balance = request{
		name: "wallet read", service: "tokenomics", method: http.MethodGet, path: "/api/v1/wallets/me/balance", status: http.StatusOK,
		bare: "SELECT * FROM read.accounts WHERE account_id = $1", about: account,
	}
	history = request{
		name: "history, 50 lines", service: "tokenomics", method: http.MethodGet, path: "/api/v1/wallets/me/transactions?limit=50", status: http.StatusOK,
		bare:  "SELECT * FROM read.transactions WHERE account_id = $1 ORDER BY block DESC, tx_index DESC, seq DESC, entry DESC LIMIT 51",
		about: account,
	}
	login = request{
		name: "login", service: "identity", method: http.MethodPost, path: "/api/v1/auth/login", status: http.StatusOK,
		body: func(from, _ *demo.Customer) any {
			return client.IdentityLoginRequest{Email: from.Email, Password: from.Password}
		},
		bare: "SELECT * FROM app.people WHERE profile_id = $1", about: func(c *demo.Customer) string { return c.Profile },
	}
)

func account(c *demo.Customer) string { return c.Account }

// Request is what requests of a kind take, with all clients busy, beside a loop of
// bare statements in the same rounds. Processor time is that of GX and PostgreSQL,
// and that of the loop and PostgreSQL.
type Request struct {
	Name    string `json:"name"`
	Rate    Figure `json:"perSecond"`
	P50     Figure `json:"p50Ms"`
	P99     Figure `json:"p99Ms"`
	CPU     Figure `json:"cpuMs"`
	Refused int    `json:"refused"` // that the service had no time for

	BareRate Figure `json:"barePerSecond"`
	BareCPU  Figure `json:"bareCpuMs"`
	Share    Figure `json:"shareOfBare"` // of its rate
	Times    Figure `json:"timesBare"`   // its processor time
}

// sample is what one round gives for a kind of request.
type sample struct {
	rate, p50, p99, cpu, bareRate, bareCPU float64
	refused                                int
}

// sampleOf makes a sample of what callers had done after a while and of the
// processor time of a look before and after; loop is that of the bare loop.
func sampleOf(all []*caller, took time.Duration, cpu map[string]float64, loop bareLoop) sample {
	s := sample{bareRate: loop.rate, bareCPU: loop.cpu}
	var times []time.Duration
	for _, c := range all {
		times = append(times, c.took...)
		s.refused += c.refused
	}
	if len(times) == 0 {
		return s
	}
	s.rate, s.p50, s.p99 = float64(len(times))/took.Seconds(), milliseconds(times, 0.50), milliseconds(times, 0.99)
	s.cpu = 1000 * ours(cpu) / float64(len(times))
	return s
}

// ours is the processor time of GX and PostgreSQL.
func ours(cpu map[string]float64) (seconds float64) {
	for group, s := range cpu {
		if group != self && group != postgresGroup+forBaseline {
			seconds += s
		}
	}
	return seconds
}

// bareLoop is what a loop of bare statements does a second, and the milliseconds
// of processor time that each takes.
type bareLoop struct{ rate, cpu float64 }

// loop repeats the bare statement of a kind for a while, on a connection for each client.
func (b *bench) loop(ctx context.Context, r request, d time.Duration) (out bareLoop, err error) {
	config := b.db.Config().Copy()
	config.RuntimeParams["application_name"] = baselineName
	conns := make([]*pgx.Conn, b.o.Clients)
	defer func() {
		for _, c := range conns {
			if c != nil {
				err = errors.Join(err, c.Close(context.WithoutCancel(ctx)))
			}
		}
	}()
	for i := range conns {
		if conns[i], err = pgx.ConnectConfig(ctx, config); err != nil {
			return out, fmt.Errorf("connect to the database: %w", err)
		}
		if _, err = conns[i].Prepare(ctx, r.bare, r.bare); err != nil {
			return out, fmt.Errorf("prepare the statement of %s: %w", r.name, err)
		}
	}
	names, err := backends(ctx, b.db)
	if err != nil {
		return out, err
	}
	before := look(b.o.PID, names)
	begin := time.Now()
	end := begin.Add(d)
	var done atomic.Int64
	errs := make([]error, len(conns))
	var wg sync.WaitGroup
	for i, c := range conns {
		wg.Go(func() {
			for time.Now().Before(end) && errs[i] == nil {
				var rows pgx.Rows
				if rows, errs[i] = c.Query(ctx, r.bare, r.about(b.people[i])); errs[i] == nil {
					for rows.Next() {
					}
					errs[i] = rows.Err()
				}
				done.Add(1)
			}
		})
	}
	wg.Wait()
	took := time.Since(begin)
	if err := errors.Join(errs...); err != nil {
		return out, fmt.Errorf("statement of %s: %w", r.name, err)
	}
	cpu := spent(before, look(b.o.PID, names))
	n := float64(done.Load())
	return bareLoop{n / took.Seconds(), 1000 * (cpu[self] + cpu[postgresGroup+forBaseline]) / n}, nil
}

// requests measures reads and logins, each after its bare statement, and then
// reads while as many clients log in.
func (b *bench) requests(ctx context.Context, d time.Duration) (map[string]sample, error) {
	out := map[string]sample{}
	loops := map[string]bareLoop{}
	for _, r := range []request{balance, history, login} {
		var err error
		if loops[r.name], err = b.loop(ctx, r, d); err != nil {
			return nil, err
		}
		if out[r.name], err = b.calls(ctx, r, d, loops[r.name]); err != nil {
			return nil, err
		}
	}
	logins, hangUp, err := b.callers(ctx, login)
	if err != nil {
		return nil, err
	}
	defer hangUp()
	flood := make(chan error, 1)
	go func() { flood <- together(logins, time.Now().Add(d)) }()
	s, err := b.calls(ctx, balance, d, loops[balance.name])
	if err := errors.Join(err, <-flood); err != nil {
		return nil, err
	}
	s.cpu = 0 // nobody can tell it from that of the logins
	out[flooded] = s
	return out, nil
}

// flooded names the reads beside logins.
const flooded = "wallet read, while as many log in"

// calls lets each client send requests of a kind for a while.
func (b *bench) calls(ctx context.Context, r request, d time.Duration, loop bareLoop) (sample, error) {
	all, hangUp, err := b.callers(ctx, r)
	if err != nil {
		return sample{}, err
	}
	defer hangUp()
	before := look(b.o.PID, nil)
	begin := time.Now()
	if err := together(all, begin.Add(d)); err != nil {
		return sample{}, err
	}
	took := time.Since(begin)
	return sampleOf(all, took, spent(before, look(b.o.PID, nil)), loop), nil
}

// requestOf makes the figures of the samples; what could not be measured has none.
func requestOf(name string, samples []sample) Request {
	r := Request{Name: name}
	each := func(value func(sample) float64) Figure {
		var rounds []float64
		for _, s := range samples {
			if v := value(s); v > 0 && !math.IsInf(v, 1) {
				rounds = append(rounds, v)
			}
		}
		return figure(rounds)
	}
	r.Rate, r.P50, r.P99 = each(func(s sample) float64 { return s.rate }), each(func(s sample) float64 { return s.p50 }), each(func(s sample) float64 { return s.p99 })
	r.CPU = each(func(s sample) float64 { return s.cpu })
	r.BareRate, r.BareCPU = each(func(s sample) float64 { return s.bareRate }), each(func(s sample) float64 { return s.bareCPU })
	r.Share = each(func(s sample) float64 { return s.rate / s.bareRate })
	r.Times = each(func(s sample) float64 { return s.cpu / s.bareCPU })
	for _, s := range samples {
		r.Refused += s.refused
	}
	return r
}

// printRequests writes a table of requests by rows.
func printRequests(all []Request, row func(cells ...string)) {
	cell := func(f Figure, format string) string {
		if len(f.Rounds) == 0 {
			return "-"
		}
		return fmt.Sprintf(format, f.Median)
	}
	row("request", "a second", "p50", "p99", "CPU of each", "x bare", "bare", "share", "refused")
	for _, r := range all {
		row(r.Name, cell(r.Rate, "%.0f/s"), cell(r.P50, "%.1f ms"), cell(r.P99, "%.1f ms"), cell(r.CPU, "%.2f ms"), cell(r.Times, "%.1f"),
			cell(r.BareRate, "%.0f/s"), cell(r.Share, "%.3f"), fmt.Sprint(r.Refused))
	}
}
