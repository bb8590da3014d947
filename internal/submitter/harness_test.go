package submitter

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/ledger/embedded"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/event"
	"gxcoin.money/gx/protocol/gxid"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue { // each has a database to fill
		_ = f.Value.Set("20")
	}
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// people are valid account ids, made once.
var people = sync.OnceValue(func() []string {
	ids := make([]string, 10000)
	for i := range ids {
		id, err := gxid.New(rand.Reader, "LK", time.Date(1990, 1, 1+i%28, 0, 0, 0, 0, time.UTC), gxid.Female)
		if err != nil {
			panic(err)
		}
		ids[i] = id.String()
	}
	return ids
})

// rig is an outbox in a database of its own.
type rig struct {
	t      testing.TB
	db     pgtest.Database
	owner  *pgxpool.Pool
	pool   *pgxpool.Pool
	outbox *outbox.Outbox
}

func newRig(t testing.TB) *rig {
	db := pgtest.New(t)
	return &rig{t, db, db.Pool(t, ""), db.Pool(t, "gx_submitter"), outbox.New(outbox.Options{})}
}

// embedded runs the embedded ledger with the chaincode of these tests.
func (r *rig) embedded() *embedded.Ledger {
	r.t.Helper()
	l := embedded.New(r.db.Pool(r.t, "gx_ledger"), chaincode, embedded.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	r.t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			r.t.Errorf("ledger: %v", err)
		}
	})
	return l
}

// pay is the payload of a payment between two people. The remark is an order to
// the chaincode of these tests.
func pay(from, to int, remark string) command.Payload {
	return &command.TransferTokens{FromID: people()[from], ToID: people()[to], Amount: 1, Remark: remark}
}

// accept enqueues commands and returns their ids.
func (r *rig) accept(list ...command.Payload) []uuid.UUID {
	r.t.Helper()
	ids := make([]uuid.UUID, len(list))
	for i, p := range list {
		ids[i] = uuid.Must(uuid.NewV7())
		if _, err := r.outbox.Enqueue(r.t.Context(), r.owner, outbox.Request{ID: ids[i], Payload: p, Principal: "test", Route: "POST /test", Key: ids[i].String()}); err != nil {
			r.t.Fatal(err)
		}
	}
	r.outbox.Wake()
	return ids
}

func (r *rig) count(sql string, args ...any) (n int) {
	r.t.Helper()
	if err := r.owner.QueryRow(r.t.Context(), sql, args...).Scan(&n); err != nil {
		r.t.Fatal(err)
	}
	return n
}

func (r *rig) exec(sql string, args ...any) {
	r.t.Helper()
	if _, err := r.owner.Exec(r.t.Context(), sql, args...); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) find(id uuid.UUID) outbox.Command {
	r.t.Helper()
	c, err := outbox.Find(r.t.Context(), r.owner, id)
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// chaincode is a contract for these tests: it keeps receipts, and on the account
// of each side the ids of its payments in order. A remark is an order: "reject" breaks a rule, "pause" is deferred, "refuse" fails the whole
// batch and "panic" breaks the contract.
func chaincode(s contract.Stub, function string, args []string) ([]byte, error) {
	if function == "log" {
		return s.Get("log " + args[0])
	}
	if function != contract.BatchFunction || len(args) != 1 {
		return nil, fmt.Errorf("NOT_FOUND: %s", function)
	}
	items := decodeItems(args)
	results := make([]contract.BatchResult, len(items))
	pending := map[string]string{} // a batch reads what it has written itself
	for i, item := range items {
		p, err := command.Decode(item.Type, item.Payload)
		if err != nil {
			return nil, fmt.Errorf("BAD_REQUEST: %w", err)
		}
		r, err := run(s, item.ID, p.(*command.TransferTokens), pending)
		if err != nil {
			return nil, err
		}
		r.ID = item.ID
		results[i] = r
	}
	return json.Marshal(results)
}

func run(s contract.Stub, id string, p *command.TransferTokens, pending map[string]string) (contract.BatchResult, error) {
	switch order, _, _ := strings.Cut(p.Remark, " "); order {
	case "reject":
		return contract.BatchResult{Outcome: event.Rejected, Code: "INSUFFICIENT_FUNDS", Message: "no money"}, nil
	case "pause":
		return contract.BatchResult{Outcome: contract.Deferred, Code: "SYSTEM_PAUSED"}, nil
	case "panic":
		panic("as ordered")
	case "refuse":
		return contract.BatchResult{}, errors.New("TOO_BAD: as ordered")
	}
	receipt, err := s.Get("receipt " + id)
	if err != nil {
		return contract.BatchResult{}, err
	}
	if receipt != nil || pending["receipt "+id] != "" {
		return contract.BatchResult{Outcome: event.Applied, Replayed: true}, nil
	}
	pending["receipt "+id] = "x"
	if err := s.Put("receipt "+id, []byte(s.TxID())); err != nil {
		return contract.BatchResult{}, err
	}
	for _, account := range []string{p.FromID, p.ToID} {
		key := "log " + account
		log := pending[key]
		if log == "" {
			stored, err := s.Get(key)
			if err != nil {
				return contract.BatchResult{}, err
			}
			log = string(stored)
		}
		pending[key] = log + id + "\n"
		if err := s.Put(key, []byte(pending[key])); err != nil {
			return contract.BatchResult{}, err
		}
	}
	return contract.BatchResult{Outcome: event.Applied}, nil
}

func decodeItems(args []string) (items []contract.BatchItem) {
	if err := json.Unmarshal([]byte(args[0]), &items); err != nil {
		panic(err)
	}
	return items
}

// start runs a submitter; stop ends it and waits, and the test's end does too.
func (r *rig) start(s *Submitter) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Run(ctx)
	}()
	stop = func() { cancel(); <-done }
	r.t.Cleanup(stop)
	return stop
}

// quick are options with short times.
func (r *rig) quick() Options {
	return Options{
		Holder: uuid.NewString(), Outbox: r.outbox, LeaseTTL: 2 * time.Second, LeaseRetry: 20 * time.Millisecond, Poll: 5 * time.Millisecond,
		Policy:        outbox.Policy{BackoffMin: time.Millisecond, BackoffMax: 20 * time.Millisecond, ConflictMin: time.Millisecond, ConflictMax: 5 * time.Millisecond, DeferFor: 10 * time.Millisecond},
		ProbeTimeout:  50 * time.Millisecond,
		StatusTimeout: time.Second, BreakerTimeout: 20 * time.Millisecond,
		Log: slog.New(slog.NewTextHandler(testWriter{r.t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}

// eventually polls until ok; the deadline is far, a miss is a failure.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.After(time.Minute)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}

// metric adds up the series of a name that have all the labels, given as pairs.
func metric(t testing.TB, g prometheus.Gatherer, name string, labels ...string) (sum float64) {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	series:
		for _, m := range f.GetMetric() {
			for i := 0; i < len(labels); i += 2 {
				has := false
				for _, l := range m.GetLabel() {
					has = has || l.GetName() == labels[i] && l.GetValue() == labels[i+1]
				}
				if !has {
					continue series
				}
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return sum
}
