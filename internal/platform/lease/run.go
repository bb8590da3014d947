package lease

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/internal/platform/clock"
)

// Options of a candidate. Name and Holder are required.
type Options struct {
	Name   string        // what is led
	Holder string        // who we are; unique among living processes
	TTL    time.Duration // how long a silent leader holds up the next; default 5 s
	Retry  time.Duration // between attempts of a candidate; default TTL/10
	Log    *slog.Logger  // default: discard
	// Clock is the wall clock, by which a machine that was suspended, and with
	// it the monotonic clock, notices. Default clock.System.
	Clock clock.Clock
}

var (
	errUnproved = errors.New("lease: the term could not be renewed in time")
	errStopped  = errors.New("lease: stopped leading")
)

// Run stands for election until ctx ends, and calls lead each time it wins.
// The context of lead ends with ctx or when leadership is in doubt, with the
// reason as its cause; lead must then return soon. When lead returns, for
// whatever reason, the term is resigned and, after a pause, sought again; its
// error is logged. Run returns ctx's error, after lead has returned.
//
// The lease has a connection of its own, made as pool's are but not taken from
// it: a busy pool can't cost the leadership.
func Run(ctx context.Context, pool *pgxpool.Pool, o Options, lead func(ctx context.Context, t Term) error) error {
	if o.Name == "" || o.Holder == "" {
		return errors.New("lease: Name and Holder are required")
	}
	if o.TTL <= 0 {
		o.TTL = 5 * time.Second
	}
	if o.Retry <= 0 {
		o.Retry = o.TTL / 10
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	o.Log = o.Log.With(slog.String("lease", o.Name), slog.String("holder", o.Holder))
	c := &candidate{Options: o, pool: pool}
	defer c.disconnect()
	for ctx.Err() == nil {
		term, trusted, err := c.campaign(ctx)
		if err != nil {
			break
		}
		c.term(ctx, term, trusted, lead)
		// Others first, and no notification cuts this short: it is our own.
		select {
		case <-ctx.Done():
		case <-time.After(o.Retry):
		}
	}
	return ctx.Err()
}

// candidate is used by one goroutine.
type candidate struct {
	Options
	pool *pgxpool.Pool
	conn *pgx.Conn // nil when there is none
}

// campaign returns once a term is won, or ctx's error.
func (c *candidate) campaign(ctx context.Context) (Term, trust, error) {
	failing := false
	for {
		sent := c.trust()
		term, ok, err := c.begin(ctx)
		switch {
		case ctx.Err() != nil:
			// A win that was not heard of is left to expire.
			return Term{}, trust{}, ctx.Err()
		case ok:
			return term, sent, nil
		case err != nil && !failing:
			failing = true
			c.Log.Warn("candidate can't reach the lease", slog.Any("error", err))
		case err == nil && failing:
			failing = false
			c.Log.Info("candidate reaches the lease again")
		}
		c.pause(ctx)
	}
}

func (c *candidate) begin(ctx context.Context) (Term, bool, error) {
	// A term that takes its whole time to win is worth nothing.
	ctx, cancel := context.WithTimeout(ctx, c.TTL)
	defer cancel()
	if err := c.connect(ctx); err != nil {
		return Term{}, false, err
	}
	return begin(ctx, c.conn, c.Name, c.Holder, c.TTL)
}

// pause waits before the next attempt, or until some leader resigns.
func (c *candidate) pause(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, c.Retry)
	defer cancel()
	if c.conn != nil && !c.conn.IsClosed() {
		if _, err := c.conn.WaitForNotification(ctx); err == nil {
			return
		}
	}
	<-ctx.Done()
}

// term leads until lead returns.
func (c *candidate) term(ctx context.Context, t Term, trusted trust, lead func(context.Context, Term) error) {
	log := c.Log.With(slog.Int64("fence", t.Fence))
	log.Info("term begins")
	leading, stop := context.WithCancelCause(ctx)
	defer stop(errStopped)
	ended := make(chan error, 1)
	go func() { ended <- lead(leading, t) }()

	err, returned := c.hold(ctx, t, trusted, ended, log)
	if !returned {
		stop(err)
		if cause := context.Cause(leading); ctx.Err() == nil {
			log.Warn("stepping down", slog.Any("error", cause))
		}
		err = <-ended
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, context.Canceled) {
		log.Error("leader failed", slog.Any("error", err))
	}

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.TTL/3)
	defer cancel()
	err = c.connect(ctx)
	if err == nil {
		err = t.resign(ctx, c.conn)
	}
	if err != nil {
		log.Warn("term is left to expire", slog.Any("error", err))
	}
	log.Info("term ends")
}

// hold renews the term. It returns lead's error when lead has returned, else
// the reason to step down.
func (c *candidate) hold(ctx context.Context, t Term, trusted trust, ended <-chan error, log *slog.Logger) (err error, returned bool) {
	next := time.NewTimer(time.Until(trusted.renewal))
	defer next.Stop()
	for {
		select {
		case err := <-ended:
			return err, true
		case <-ctx.Done():
			return ctx.Err(), false
		case <-next.C:
		}
		if !c.trusts(trusted) {
			return errUnproved, false
		}
		sent := c.trust()
		err := c.renew(ctx, t, trusted.end)
		switch {
		case err == nil:
			trusted = sent
			next.Reset(time.Until(trusted.renewal))
		case errors.Is(err, ErrLost):
			return err, false
		default:
			if ctx.Err() == nil {
				log.Warn("renewal failed", slog.Any("error", err))
			}
			next.Reset(min(c.Retry, c.TTL/10, time.Until(trusted.end)))
		}
	}
}

// renew tries to, until the deadline at the latest.
func (c *candidate) renew(ctx context.Context, t Term, deadline time.Time) error {
	ctx, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	if err := c.connect(ctx); err != nil {
		return err
	}
	return t.renew(ctx, c.conn, c.TTL)
}

// trust is how long a term that was granted to a request may be believed in.
type trust struct {
	renewal, end time.Time // monotonic
	wall         time.Time // end, by the wall clock
}

// trust is called before the request is sent.
func (c *candidate) trust() trust {
	now := time.Now()
	belief := c.TTL - c.TTL/10
	return trust{renewal: now.Add(c.TTL / 3), end: now.Add(belief), wall: c.Clock().Add(belief)}
}

func (c *candidate) trusts(t trust) bool {
	return time.Now().Before(t.end) && c.Clock().Before(t.wall)
}

// connect makes sure that there is a connection, which listens.
func (c *candidate) connect(ctx context.Context) error {
	if c.conn != nil && !c.conn.IsClosed() {
		return nil
	}
	cfg := c.pool.Config()
	conn, err := pgx.ConnectConfig(ctx, cfg.ConnConfig)
	if err != nil {
		return err
	}
	if cfg.AfterConnect != nil {
		err = cfg.AfterConnect(ctx, conn)
	}
	if err == nil {
		_, err = conn.Exec(ctx, "LISTEN "+channel)
	}
	if err != nil {
		return errors.Join(err, conn.Close(ctx))
	}
	c.conn = conn
	return nil
}

func (c *candidate) disconnect() {
	if c.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.TTL/3)
	defer cancel()
	_ = c.conn.Close(ctx) // the server notices either way
}
