package bench_test

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/internal/bootstrap"
	"gxcoin.money/gx/internal/fabric/fabrictest"
	"gxcoin.money/gx/internal/ledger/fabric"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/projector"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/submitter"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/gxid"
	"gxcoin.money/gx/protocol/qirat"
)

// ring is everything from the outbox to the read model, on a Fabric network:
// what runs behind the services.
type ring struct {
	t        testing.TB
	network  *fabrictest.Network
	ledger   *fabric.Ledger
	registry *prometheus.Registry
	owner    *pgxpool.Pool
	submits  *pgxpool.Pool
	service  *pgxpool.Pool
	box      *outbox.Outbox
	watcher  *readmodel.Watcher
	people   []string        // accounts with money
	backends map[int]float64 // of PostgreSQL: seconds of CPU when last seen
}

func newRing(t testing.TB, n *fabrictest.Network) *ring {
	t.Helper()
	db := pgtest.New(t)
	r := &ring{
		t: t, network: n, registry: prometheus.NewRegistry(),
		owner: db.Pool(t, ""), submits: db.Pool(t, "gx_submitter"), service: db.Pool(t, "gx_service"),
		box: outbox.New(outbox.Options{}), watcher: new(readmodel.Watcher), backends: map[int]float64{},
	}
	var err error
	if r.ledger, err = fabric.New(n.Client(), fabric.Options{Registerer: r.registry}); err != nil {
		t.Fatal(err)
	}
	p := projector.New(db.Pool(t, "gx_projector"), r.ledger, projector.Options{})
	t.Cleanup(func() { _ = r.ledger.Close() })
	r.background("the ledger", r.ledger.Run)
	r.background("the projector", p.Run)
	r.background("the watcher", func(ctx context.Context) error { return r.watcher.Run(ctx, r.service) })
	return r
}

// background runs a part until the test ends.
func (r *ring) background(name string, run func(context.Context) error) {
	stop := r.start(name, run)
	r.t.Cleanup(stop)
}

// start runs a part until the returned function is called.
func (r *ring) start(name string, run func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			r.t.Errorf("%s: %v", name, err)
		}
	})
}

// open opens the ledger and registers the first people.
func (r *ring) open(people int) {
	r.t.Helper()
	stop := r.submitter(submitter.Options{})
	if _, err := bootstrap.Ledger(r.t.Context(), r.service, r.box); err != nil {
		r.t.Fatal(err)
	}
	stop()
	r.register(people)
}

// register registers people of one country; it returns how many a second.
func (r *ring) register(people int) float64 {
	r.t.Helper()
	var all []command.Payload
	for i := range people {
		born := time.Date(1990, 1, 1+i%28, 0, 0, 0, 0, time.UTC)
		id, err := gxid.New(rand.Reader, "LK", born, gxid.Female)
		if err != nil {
			r.t.Fatal(err)
		}
		r.people = append(r.people, id.String())
		hash := sha256.Sum256([]byte(id.String()))
		all = append(all, &command.CreateUser{UserID: id.String(), BiometricHash: hex.EncodeToString(hash[:]), Nationality: "LK", Age: time.Now().Year() - 1990})
	}
	return r.drain(submitter.Options{}, all)
}

func (r *ring) submitter(o submitter.Options) (stop func()) {
	o.Outbox, o.LeaseRetry = r.box, 50*time.Millisecond
	return r.start("the submitter", submitter.New(r.submits, r.ledger, o).Run)
}

// pay is the payment of one person to another.
func (r *ring) pay(from, to int) command.Payload {
	n := len(r.people)
	return &command.TransferTokens{FromID: r.people[from%n], ToID: r.people[to%n], Amount: qirat.PerGX / 100, Remark: "lunch"}
}

// fill puts commands into the outbox, as the services would have, and returns
// their ids.
func (r *ring) fill(all []command.Payload) []string {
	r.t.Helper()
	now := time.Now()
	ids := make([]string, len(all))
	rows := pgx.CopyFromSlice(len(all), func(i int) ([]any, error) {
		payload, err := command.Encode(all[i])
		id := uuid.Must(uuid.NewV7())
		ids[i] = id.String()
		return []any{id, string(all[i].CommandType()), []byte(payload), "bench", "bench", id.String(), now, now}, err
	})
	if _, err := r.owner.CopyFrom(r.t.Context(), pgx.Identifier{"app", "commands"},
		[]string{"id", "type", "payload", "principal", "route", "idempotency_key", "next_at", "created_at"}, rows); err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.owner.Exec(r.t.Context(), "ANALYZE app.commands"); err != nil {
		r.t.Fatal(err)
	}
	return ids
}

// drain takes waiting commands to the read model and returns how many a second
// that were.
func (r *ring) drain(o submitter.Options, all []command.Payload) float64 {
	r.t.Helper()
	ids := r.fill(all)
	const projected = "SELECT count(*) FROM read.command_results WHERE command_id = ANY ($1)"
	last := ids[max(0, len(ids)-100):] // to look at all of them takes time from what is measured
	began := time.Now()
	stop := r.submitter(o)
	fabrictest.Eventually(r.t, func() bool { return r.count(projected, last) == len(last) && r.count(projected, ids) == len(ids) })
	took := time.Since(began)
	stop()
	if n := r.count("SELECT count(*) FROM read.command_results WHERE outcome <> 'APPLIED'"); n != 0 {
		r.t.Fatalf("%d commands were refused", n)
	}
	return float64(len(all)) / took.Seconds()
}

func (r *ring) count(sql string, args ...any) (n int) {
	r.t.Helper()
	if err := r.owner.QueryRow(r.t.Context(), sql, args...).Scan(&n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

// accept takes one command from its acceptance to the read model.
func (r *ring) accept(ctx context.Context, p command.Payload) (time.Duration, error) {
	began := time.Now()
	id := uuid.Must(uuid.NewV7())
	_, err := r.box.Enqueue(ctx, r.service, outbox.Request{
		ID: id, Payload: p, Principal: "bench", Route: "bench", Key: id.String(), Body: []byte("{}"), Response: []byte("{}"),
	})
	if err != nil {
		return 0, err
	}
	r.box.Wake()
	if _, err := r.watcher.Wait(ctx, r.service, id.String()); err != nil {
		return 0, fmt.Errorf("command %s: %w", id, err)
	}
	return time.Since(began), nil
}

// transactions returns how many had a valid and how many another code.
func (r *ring) transactions() (valid, other float64) {
	r.t.Helper()
	families, err := r.registry.Gather()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "ledger_transactions_total" {
			continue
		}
		for _, m := range f.Metric {
			if m.Label[0].GetValue() == "VALID" {
				valid += m.GetCounter().GetValue()
			} else {
				other += m.GetCounter().GetValue()
			}
		}
	}
	return valid, other
}
