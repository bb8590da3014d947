package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/internal/fabric/connection"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/config"
	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/platform/ops"
	"gxcoin.money/gx/internal/platform/password"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/platform/sealed"
	"gxcoin.money/gx/internal/platform/supervise"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/projector"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/service"
	"gxcoin.money/gx/internal/service/door"
	"gxcoin.money/gx/internal/service/people"
	"gxcoin.money/gx/internal/submitter"
)

// The stages of a process, in the order of their start. They stop the other way
// round: accepting, then working, then the ledger, then the database.
const (
	stageOps = iota
	stagePostgres
	stagePools
	stageLedger
	stageWorkers
	stageDoors
)

// stopTimeout is how long a stage may take to stop: its requests in flight and
// a little more.
const stopTimeout = httpkit.DrainTimeout + 5*time.Second

// leaseTTL is how long a worker that vanished holds up the next.
const leaseTTL = 5 * time.Second

// process is a process of GX with its parts: one role, or all with "gx up".
type process struct {
	build build
	log   *slog.Logger
	ops   *ops.Server
	group *supervise.Group

	dsn         string
	connections int32              // of a pool; 0: as the role says
	checked     bool               // readiness depends on the database
	fabric      *connection.Config // nil: the ledger is embedded
	shared      ledger.Ledger      // of all roles in this process
}

func newProcess(p *program, name string, log *slog.Logger) (*process, error) {
	settings, err := p.env.Settings(p.parsed)
	if err != nil {
		return nil, err
	}
	b := thisBuild()
	log.Info("starting", slog.String("process", name), slog.String("version", b.Version), slog.String("commit", b.Commit))
	return &process{
		build: b, log: log, group: supervise.New(log, stopTimeout),
		ops: ops.New(ops.Options{Process: name, Version: b.Version, Commit: b.Commit, ConfigHash: config.Hash(settings)}),
	}, nil
}

// listenOps serves the operational routes until the very end.
func (s *process) listenOps(l net.Listener) {
	s.group.Go(stageOps, "operations", func(ctx context.Context) error { return s.ops.Serve(ctx, l) })
}

// started tells that everything is up.
func (s *process) started() {
	s.ops.Started()
	s.log.Info("started")
}

// wait returns when ctx ends or a part fails.
func (s *process) wait(ctx context.Context) {
	select {
	case <-ctx.Done():
		s.log.Info("stopping", slog.Any("why", context.Cause(ctx)))
	case <-s.group.Done():
		s.log.Warn("stopping, because a part has failed", slog.Any("err", s.group.Err()))
	}
}

// stop withdraws readiness, goes on for the time that others need to see it,
// and stops everything.
func (s *process) stop(lameDuck time.Duration) error {
	s.ops.Drain()
	if lameDuck > 0 && s.group.Err() == nil {
		select {
		case <-time.After(lameDuck):
		case <-s.group.Done():
		}
	}
	err := errors.Join(s.group.Stop(), s.group.Err())
	if err != nil {
		s.log.Error("stopped", slog.Any("err", err))
	} else {
		s.log.Info("stopped")
	}
	return err
}

// pool opens a pool with the rights of a role. With the first one readiness
// depends on the database and its schema.
func (s *process) pool(ctx context.Context, o postgres.Options) (*pgxpool.Pool, error) {
	if s.connections > 0 {
		o.MaxConns = s.connections
	}
	o.AppName = "gx " + o.Role
	pool, err := postgres.Open(ctx, s.dsn, o)
	if err != nil {
		return nil, err
	}
	s.group.OnStop(stagePools, "connections of "+o.Role, func() error { pool.Close(); return nil })
	if !s.checked {
		s.checked = true
		s.ops.AddCheck("database", pool.Ping)
		s.ops.AddCheck("schema", func(ctx context.Context) error { return postgres.Current(ctx, pool) })
	}
	labels := prometheus.Labels{"role": o.Role}
	for name, read := range map[string]func(*pgxpool.Stat) int32{
		"gx_database_connections":      (*pgxpool.Stat).TotalConns,
		"gx_database_connections_used": (*pgxpool.Stat).AcquiredConns,
		"gx_database_connections_max":  (*pgxpool.Stat).MaxConns,
	} {
		s.ops.Registry().MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: "Connections of the pool of a role.", ConstLabels: labels},
			func() float64 { return float64(read(pool.Stat())) }))
	}
	return pool, nil
}

// submitter starts the submitter, with its schedule. It is woken by the outbox of
// this process, if there is one, and by those of others.
func (s *process) submitter(ctx context.Context, o scheduleSettings, box *outbox.Outbox) error {
	l, err := s.ledger(ctx)
	if err != nil {
		return err
	}
	pool, err := s.pool(ctx, postgres.Options{Role: "gx_submitter", MaxConns: 8, Indexed: true})
	if err != nil {
		return err
	}
	w := submitter.New(pool, l, submitter.Options{
		Log: s.log.With("component", "submitter"), Registerer: s.ops.Registry(), Outbox: box, LeaseTTL: leaseTTL, Jobs: s.jobs(o, box), Keep: o.KeepFinished,
	})
	s.group.Go(stageWorkers, "submitter", w.Run)
	s.ops.AddCheck("submitter", w.Check)
	return nil
}

// projector starts the projector, with its guard.
func (s *process) projector(ctx context.Context, g guardSettings) error {
	l, err := s.ledger(ctx)
	if err != nil {
		return err
	}
	pool, err := s.pool(ctx, postgres.Options{Role: "gx_projector", MaxConns: 4, NoSync: true, Indexed: true})
	if err != nil {
		return err
	}
	beside, err := s.guard(ctx, g, l)
	if err != nil {
		return err
	}
	p := projector.New(pool, l, projector.Options{
		Log: s.log.With("component", "projector"), Registerer: s.ops.Registry(), LeaseTTL: leaseTTL, LeaseRetry: leaseTTL / 10, Beside: beside,
	})
	s.group.Go(stageWorkers, "projector", p.Run)
	s.ops.AddCheck("projector", p.Check)
	return nil
}

// keys are the secrets of services.
type keys struct {
	token, pepper, fields config.Secret
}

// ring returns the keys of personal data, nil when there are none. What was sealed
// before they were keys of their own was sealed with one made of the pepper.
func (k keys) ring() (*sealed.Ring, error) {
	if k.fields == "" {
		return nil, nil
	}
	ring, err := sealed.NewRing(k.fields.Reveal())
	if err != nil || k.pepper == "" {
		return ring, err
	}
	return ring, ring.Derive([]byte(k.pepper.Reveal()))
}

// front is what the services of a process share.
type front struct {
	pool   *pgxpool.Pool
	outbox *outbox.Outbox
}

// front opens the database for services.
func (s *process) front(ctx context.Context, connections int32) (*front, error) {
	pool, err := s.pool(ctx, postgres.Options{Role: "gx_service", MaxConns: connections, Indexed: true, StatementTimeout: httpkit.HandlerTimeout})
	if err != nil {
		return nil, err
	}
	f := &front{pool: pool, outbox: outbox.New(outbox.Options{})}
	s.group.Go(stageWorkers, "outbox", func(ctx context.Context) error { return f.outbox.Notify(ctx, pool) })
	return f, nil
}

// sealPlain seals the personal data of a database from before it was sealed.
func (s *process) sealPlain(ctx context.Context, pool *pgxpool.Pool, ring *sealed.Ring, pepper []byte) error {
	index, err := sealed.NewIndex(pepper)
	if err != nil {
		return err
	}
	n, err := people.SealPlain(ctx, pool, ring, index)
	if n > 0 {
		s.log.Info("personal data is sealed", slog.Int("people", n))
	}
	return err
}

// doors starts services, each on its listener.
func (s *process) doors(ctx context.Context, f *front, o frontSettings, k keys, listeners map[string]net.Listener) error {
	ring, err := k.ring()
	if err != nil {
		return err
	}
	if ring != nil && k.pepper != "" {
		if err := s.sealPlain(ctx, f.pool, ring, []byte(k.pepper.Reveal())); err != nil {
			return err
		}
	}
	atWork := int(o.MaxRequests)
	if atWork == 0 {
		atWork = door.WorkPerConnection * int(f.pool.Config().MaxConns)
	}
	admission, err := httpkit.NewAdmission(atWork, s.ops.Registry())
	if err != nil {
		return err
	}
	watcher := new(readmodel.Watcher)
	deps := service.Deps{
		Pool: f.pool, Outbox: f.outbox, Watcher: watcher, Clock: clock.System, Log: s.log, Registerer: s.ops.Registry(),
		Keys: token.NewKeySet(f.pool, clock.System), Passwords: password.New(password.Options{}), Pepper: []byte(k.pepper.Reveal()), Fields: ring,
		Admission: admission, MaxBacklog: int(o.MaxBacklog), Version: s.build.Version, Commit: s.build.Commit, Draining: s.ops.Draining,
	}
	if err := s.protect(&deps, o.doorSettings); err != nil {
		return err
	}
	if k.token != "" {
		signer, err := token.NewSigner([]byte(k.token.Reveal()), clock.System)
		if err != nil {
			return err
		}
		if err := signer.Publish(ctx, f.pool); err != nil {
			return err
		}
		deps.Signer = signer
	}
	handlers := make(map[string]http.Handler, len(listeners))
	for name := range listeners {
		h, err := service.New(name, deps)
		if err != nil {
			return err
		}
		handlers[name] = h
	}
	if listeners["admin"] != nil {
		if err := s.upkeep(ctx, f); err != nil {
			return err
		}
	}
	s.group.Go(stageWorkers, "watcher", func(ctx context.Context) error { return watcher.Run(ctx, f.pool) })
	for name, l := range listeners {
		s.group.Go(stageDoors, name, func(ctx context.Context) error {
			return httpkit.Serve(ctx, l, handlers[name], s.log.With("service", name))
		})
	}
	return nil
}
