// Package ringtest runs the whole of GX inside a test: ledger, submitter,
// projector and the seven services, on a database of the test's own and over
// real HTTP.
package ringtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/bootstrap"
	"gxcoin.money/gx/internal/ledger/embedded"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/platform/password"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/projector"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/ringtest/invariant"
	"gxcoin.money/gx/internal/schedule"
	"gxcoin.money/gx/internal/service"
	"gxcoin.money/gx/internal/submitter"
)

// patience bounds the start, which opens the ledger.
const patience = time.Minute

// keep is how long commands are kept: the invariants look at all of them.
const keep = 100 * 365 * 24 * time.Hour

// Ring is a running system.
type Ring struct {
	Database pgtest.Database
	Services map[string]string // URLs by name
	Client   *client.Client    // of nobody
	Username string            // of the first member of staff
	Password string
	Log      func() string // everything that was logged so far
}

// Options of a system. Zero values take the defaults.
type Options struct {
	Pepper        []byte        // what several systems on one database share; default random
	Clock         clock.Clock   // of ledger, submitter and projector; default clock.System
	ScheduleEvery time.Duration // default that of package schedule
}

// Start runs a system with an open ledger until the test ends. Then the
// invariants are checked, unless the test has failed anyhow.
func Start(t testing.TB) *Ring {
	t.Helper()
	db := pgtest.New(t)
	t.Cleanup(func() { invariant.Closed(t, db.DSN) })
	return StartWith(t, db, Options{})
}

// StartOn is Start on a database of the caller's, which outlives it.
func StartOn(t testing.TB, db pgtest.Database) *Ring {
	t.Helper()
	return StartWith(t, db, Options{})
}

// StartWith is StartOn with options.
func StartWith(t testing.TB, db pgtest.Database, o Options) *Ring {
	t.Helper()
	r := &Ring{Database: db, Services: map[string]string{}, Username: "owner"}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait() })
	run := func(name string, f func(context.Context) error) {
		wg.Go(func() {
			if err := f(ctx); err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("ring: %s: %v", name, err)
			}
		})
	}
	pool := func(o postgres.Options) *pgxpool.Pool {
		p, err := postgres.Open(ctx, r.Database.DSN, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Close)
		return p
	}
	// Cleanups run backwards: what is opened here is closed after everything stopped.
	front := pool(postgres.Options{Role: "gx_service", MaxConns: 16, Indexed: true})
	ledgerPool := pool(postgres.Options{Role: "gx_ledger", MaxConns: 6, Indexed: true})
	submitterPool := pool(postgres.Options{Role: "gx_submitter", MaxConns: 6, Indexed: true})
	projectorPool := pool(postgres.Options{Role: "gx_projector", MaxConns: 4, NoSync: true, Indexed: true})
	t.Cleanup(func() { cancel(); wg.Wait() })

	said := new(transcript)
	r.Log = said.String
	log := slog.New(slog.NewJSONHandler(said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	box := outbox.New(outbox.Options{})
	l := embedded.New(ledgerPool, contract.Invoke, embedded.Options{Clock: o.Clock})
	run("ledger", l.Run)
	run("submitter", submitter.New(submitterPool, l, submitter.Options{
		Outbox: box, Holder: t.Name(), Clock: o.Clock, Jobs: schedule.Jobs(schedule.Options{Every: o.ScheduleEvery, Outbox: box}),
		Keep: keep, Log: log,
	}).Run)
	run("projector", projector.New(projectorPool, l, projector.Options{Holder: t.Name(), Clock: o.Clock, Log: log}).Run)

	start, stop := context.WithTimeout(ctx, patience)
	defer stop()
	hasher := password.New(password.Options{MemoryKiB: 64, Passes: 1})
	_, err := bootstrap.Staff(start, front, hasher, r.Username, func(secret string) error { r.Password = secret; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if err := bootstrap.Countries(start, front); err != nil {
		t.Fatal(err)
	}
	if _, err := bootstrap.Ledger(start, front, box); err != nil {
		t.Fatal(err)
	}

	pepper := o.Pepper
	if pepper == nil {
		pepper = []byte(rand.Text() + rand.Text())
	}
	key, err := token.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	signer, err := token.NewSigner(key, clock.System)
	if err != nil {
		t.Fatal(err)
	}
	if err := signer.Publish(start, front); err != nil {
		t.Fatal(err)
	}
	watcher := new(readmodel.Watcher)
	run("watcher", func(ctx context.Context) error { return watcher.Run(ctx, front) })
	for _, d := range service.Doors {
		h, err := service.New(d.Name, service.Deps{
			Pool: front, Outbox: box, Watcher: watcher, Clock: clock.System, Log: log, Keys: token.NewKeySet(front, clock.System),
			Signer: signer, Passwords: hasher, Pepper: pepper, Version: "test",
		})
		if err != nil {
			t.Fatal(err)
		}
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		r.Services[d.Name] = "http://" + listener.Addr().String()
		run(d.Name, func(ctx context.Context) error { return httpkit.Serve(ctx, listener, h, log) })
	}
	r.Client = client.New(client.Options{Services: r.Services})
	t.Cleanup(func() {
		if !t.Failed() && !t.Skipped() {
			invariant.Check(t, invariant.System{DSN: r.Database.DSN, Logs: []string{said.String()}, Secrets: []string{r.Password, string(pepper), string(key)}})
		}
	})
	return r
}

// transcript is what a system has logged.
type transcript struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *transcript) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *transcript) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// Staff returns a client of the first member of staff.
func (r *Ring) Staff(t testing.TB) *client.Client {
	t.Helper()
	c, err := r.Client.LogInStaff(t.Context(), r.Username, r.Password)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
