package sim_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/ledger/embedded"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/projector"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service"
	"gxcoin.money/gx/internal/submitter"
)

// A fate is what becomes of one write of a process to the database.
type fate struct {
	kind  string
	delay time.Duration
}

const (
	dieBefore  = "dies before" // kill -9: the server never hears of it
	dieAfter   = "dies after"  // kill -9: the server has done it
	loseBefore = "loses before"
	loseAfter  = "loses after"
)

// process is one life of a process. It runs the real code; only its connections
// are ours.
type process struct {
	world  *world
	name   string
	role   string
	ctx    context.Context
	cancel context.CancelFunc
	parts  sync.WaitGroup

	handler http.Handler // of a service

	mu     sync.Mutex
	random *rand.Rand
	conns  []*conn
	dials  map[string]int // by role
	dead   bool
	paused chan struct{} // closed when it goes on; nil: it runs
	stop   time.Duration // how long it stands still at the COMMIT of its next work; 0: it doesn't
	cut    bool          // nothing comes through to the database
	skew   time.Duration // of its clock
}

// spawn starts a process of a role.
func (w *world) spawn(role string, n, life int) *process {
	p := &process{
		world: w, name: fmt.Sprintf("%s%d.%d", role, n, life), role: role,
		random: w.source(role, n, life), dials: map[string]int{},
	}
	p.ctx, p.cancel = context.WithCancel(w.ctx)
	p.parts.Go(func() {
		p.wait(p.moment())
		if err := p.run(); err != nil && p.ctx.Err() == nil {
			w.log("%s ends: %v", p.name, err)
			p.die()
		}
	})
	return p
}

// run starts the parts of the role's process, as gx does.
func (p *process) run() error {
	start := map[string]func() error{"api": p.serve, "submit": p.submit, "project": p.project}[p.role]
	return start()
}

// moment is a short time. Of what happens at the same simulated time the order is
// not that of the seed.
func (p *process) moment() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Duration(p.random.IntN(int(2 * time.Millisecond)))
}

func (p *process) part(run func(context.Context) error) {
	d := p.moment()
	p.parts.Go(func() {
		p.wait(d)
		if err := run(p.ctx); err != nil && p.ctx.Err() == nil {
			p.world.log("%s: a part ends: %v", p.name, err)
			p.die()
		}
	})
}

// pool opens a pool whose connections are those of this process.
func (p *process) pool(role string) (*pgxpool.Pool, error) {
	cfg := p.world.stage.pools[role].Copy()
	cfg.ConnConfig.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return p.dial(ctx, role) }
	cfg.ConnConfig.RuntimeParams["application_name"] = p.name
	pool, err := pgxpool.NewWithConfig(p.ctx, cfg)
	if err != nil {
		return nil, err
	}
	p.part(func(ctx context.Context) error { <-ctx.Done(); pool.Close(); return ctx.Err() })
	return pool, nil
}

func (p *process) clock() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.world.now().Add(p.skew)
}

func (p *process) float() float64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.random.Float64()
}

func (p *process) ledger() (ledger.Ledger, error) {
	pool, err := p.pool("gx_ledger")
	if err != nil {
		return nil, err
	}
	l := embedded.New(pool, contract.Invoke, embedded.Options{Clock: p.clock, Poll: leaseTTL / 2})
	p.part(l.Run)
	return &liar{l, p}, nil
}

func (p *process) submit() error {
	l, err := p.ledger()
	if err != nil {
		return err
	}
	pool, err := p.pool("gx_submitter")
	if err != nil {
		return err
	}
	box := outbox.New(outbox.Options{Clock: p.clock})
	p.part(submitter.New(pool, l, submitter.Options{
		Outbox: box, Holder: p.name, Clock: p.clock, Random: p.float, Log: p.world.logger(p), Policy: outbox.Policy{BackoffMin: leaseTTL / 10, BackoffMax: leaseTTL},
		LeaseTTL: leaseTTL, LeaseRetry: leaseTTL / 4, Poll: leaseTTL/8 + time.Microsecond, // never when something else is due
		EndorseTimeout: 3 * leaseTTL, SubmitTimeout: leaseTTL, StatusTimeout: leaseTTL, BreakerWindow: 2 * leaseTTL, BreakerTimeout: leaseTTL,
	}).Run)
	return nil
}

func (p *process) project() error {
	l, err := p.ledger()
	if err != nil {
		return err
	}
	pool, err := p.pool("gx_projector")
	if err != nil {
		return err
	}
	p.part(projector.New(pool, l, projector.Options{
		Holder: p.name, Clock: p.clock, Log: p.world.logger(p),
		LeaseTTL: leaseTTL, LeaseRetry: leaseTTL / 4, Heartbeat: leaseTTL, HaltRetry: leaseTTL, BackoffMin: leaseTTL / 10, BackoffMax: leaseTTL,
	}).Run)
	return nil
}

func (p *process) serve() error {
	pool, err := p.pool("gx_service")
	if err != nil {
		return err
	}
	box := outbox.New(outbox.Options{Clock: p.clock})
	watcher := new(readmodel.Watcher)
	p.part(func(ctx context.Context) error { return watcher.Run(ctx, pool) })
	p.part(func(ctx context.Context) error { return box.Notify(ctx, pool) })
	keys := token.NewKeySet(pool, p.clock)
	for {
		if _, err = keys.JWKS(p.ctx); err == nil || p.ctx.Err() != nil {
			break
		}
		p.wait(100 * time.Millisecond)
	}
	h, err := service.New("tokenomics", service.Deps{
		Pool: pool, Outbox: box, Watcher: watcher, Clock: p.clock, Log: slog.New(slog.DiscardHandler), Keys: keys,
		Pepper: bytes.Repeat([]byte("p"), 32), Version: "sim",
	})
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.handler = h
	return nil
}

// wait waits in simulated time, until the process ends at the latest.
func (p *process) wait(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-p.ctx.Done():
	}
}

// source returns the random numbers of the next connection of a role: those of each
// are its own, so that it does not matter which of several the server answers first.
func (p *process) source(role string) *rand.Rand {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dials[role]++
	return p.world.source("connection of "+p.name+" as "+role, p.dials[role], 0)
}

// fate draws what becomes of a write. A COMMIT is the most interesting of all.
func (c *conn) fate(commit bool) fate {
	w := c.p.world.weather()
	f := fate{delay: time.Duration(1 + c.random.IntN(int(2*time.Millisecond)))}
	if w.calm {
		return f
	}
	if commit {
		w.stall, w.death, w.loss = w.stall/20, w.death/4, w.loss/4
	}
	if hit(c.random, w.slow) {
		f.delay = time.Duration(c.random.Int64N(int64(2 * time.Second)))
	}
	if hit(c.random, w.stall) {
		f.delay = time.Duration(c.random.Int64N(int64(4 * leaseTTL)))
	}
	switch {
	case hit(c.random, w.death):
		f.kind = []string{dieBefore, dieAfter}[c.random.IntN(2)]
	case hit(c.random, w.loss):
		f.kind = []string{loseBefore, loseAfter}[c.random.IntN(2)]
	}
	return f
}

// hit is true once in n times; never when n is 0.
func hit(r *rand.Rand, n int) bool { return n > 0 && r.IntN(n) == 0 }

// pass lets something through after a delay and, when the process stands still,
// not before it goes on.
func (p *process) pass(delay time.Duration, c *conn) error {
	if delay > 0 {
		p.wait(delay)
	}
	for {
		p.mu.Lock()
		paused, dead := p.paused, p.dead
		p.mu.Unlock()
		if dead {
			return net.ErrClosed
		}
		if paused == nil {
			return nil
		}
		select {
		case <-paused:
		case <-p.ctx.Done():
			return net.ErrClosed
		}
	}
}

// gate is the way to a new connection.
func (p *process) gate(ctx context.Context, delay time.Duration) error {
	for ; ; delay = 0 {
		if err := p.pass(delay, nil); err != nil {
			return err
		}
		p.mu.Lock()
		cut := p.cut
		p.mu.Unlock()
		if !cut {
			return nil
		}
		t := time.NewTimer(idleLook)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

func (p *process) adopt(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dead {
		return false
	}
	p.conns = append(p.conns, c)
	return true
}

func (p *process) disown(c *conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns = slices.DeleteFunc(p.conns, func(other *conn) bool { return other == c })
}

// die is kill -9: nothing of the process reaches the world any more.
func (p *process) die() {
	p.mu.Lock()
	first := !p.dead
	p.dead = true
	p.mu.Unlock()
	if first {
		p.world.log("%s is dead", p.name)
	}
	p.hangUp()
	p.cancel()
}

func (p *process) hangUp() {
	for _, c := range p.connections() {
		_ = c.Close()
	}
}

func (p *process) connections() []*conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.conns)
}

// cancelQuery cancels what a session of the process does.
func (p *process) cancelQuery(pid uint32) {
	for _, c := range p.connections() {
		c.mu.Lock()
		if c.backend != nil && c.backend.pid == pid {
			c.backend.spoiled = true // the server may notice too late
			_, _ = p.world.stage.control.ask("SELECT pg_cancel_backend(%d)", pid)
		}
		c.mu.Unlock()
	}
}

func (p *process) isDead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dead
}

// pause is SIGSTOP for a time.
func (p *process) pause(d time.Duration) {
	if on := p.halt(); on != nil {
		p.rest(on, d)
	}
}

// stopAtCommit lets the process stand still at the COMMIT of its next work.
func (p *process) stopAtCommit(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stop = 1 + d
}

// atCommit pauses a process that was told to stop at the COMMIT of its next work.
func (p *process) atCommit() {
	p.mu.Lock()
	d := p.stop
	p.stop = 0
	p.mu.Unlock()
	if d == 0 {
		return
	}
	if on := p.halt(); on != nil {
		p.parts.Go(func() { p.rest(on, d) })
	}
}

// halt lets nothing through until the channel is closed; nil when it did so already.
func (p *process) halt() chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused != nil || p.dead {
		return nil
	}
	p.paused = make(chan struct{})
	return p.paused
}

func (p *process) rest(on chan struct{}, d time.Duration) {
	p.world.log("%s stands still for %s", p.name, d)
	p.wait(d)
	p.mu.Lock()
	p.paused = nil
	p.mu.Unlock()
	close(on)
	p.world.log("%s goes on", p.name)
}

// partition keeps everything of the process from the database for a time.
func (p *process) partition(d time.Duration) {
	set := func(cut bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.cut = cut
	}
	p.world.log("%s is cut off for %s", p.name, d)
	set(true)
	p.wait(d)
	p.hangUp()
	set(false)
	p.world.log("%s is reachable again", p.name)
}

func (p *process) isCut() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cut
}

var errNobody = errors.New("connection refused")

// RoundTrip sends a request to a service that lives. When that dies meanwhile,
// the answer is lost.
func (w *world) RoundTrip(r *http.Request) (*http.Response, error) {
	var alive []*process
	for _, p := range w.living("api") {
		p.mu.Lock()
		if p.handler != nil {
			alive = append(alive, p)
		}
		p.mu.Unlock()
	}
	if len(alive) == 0 {
		return nil, errNobody
	}
	p := alive[w.draw(len(alive))]
	return p.answer(r)
}
