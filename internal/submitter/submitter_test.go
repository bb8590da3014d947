package submitter

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/outbox"
)

// settled waits until no command is open.
func (r *rig) settled() {
	r.t.Helper()
	eventually(r.t, "every command has its end", func() bool {
		return r.count("SELECT count(*) FROM app.commands WHERE state IN ('PENDING', 'LOCKED', 'RETRY')") == 0
	})
}

// wait waits until a command is in a state.
func (r *rig) wait(id uuid.UUID, s outbox.State) outbox.Command {
	r.t.Helper()
	eventually(r.t, fmt.Sprintf("command %s is %s", id, s), func() bool { return r.find(id).State == s })
	return r.find(id)
}

// insert stores rows that no service would.
func (r *rig) insert(typ, payload string) uuid.UUID {
	r.t.Helper()
	id := uuid.Must(uuid.NewV7())
	r.exec(`INSERT INTO app.commands (id, type, payload, principal, route, idempotency_key, next_at, created_at)
		VALUES ($1, $2, $3, 'p', 'r', $4, now(), now())`, id, typ, []byte(payload), id.String())
	return id
}

func lines(ids []uuid.UUID) string {
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(id.String() + "\n")
	}
	return b.String()
}

// On the embedded ledger every command comes to the end that its contract says,
// and what is wrong with one is no matter to its neighbours.
func TestEmbedded(t *testing.T) {
	r := newRig(t)
	l := r.embedded()
	alice := r.accept(pay(0, 1, "first"), pay(0, 2, "second"), pay(3, 0, "third"))
	rejected := r.accept(pay(4, 5, "reject"))[0]
	deferred := r.accept(pay(6, 7, "pause"))[0]
	behind := r.accept(pay(6, 8, "behind the deferred"))[0]
	refused := r.accept(pay(9, 10, "refuse"))[0]
	panics := r.accept(pay(11, 12, "panic"))[0]
	poison := []uuid.UUID{r.insert("TRANSFER_TOKENS", "{"), r.insert("TRANSFER_TOKENS", `{"fromID":"x"}`), r.insert("MINT", "{}"), r.insert("", "\x00")}
	after := r.accept(pay(10, 11, "after"), pay(12, 13, "last"))
	o := r.quick()
	o.Policy.DeferFor = time.Hour
	r.start(New(r.pool, l, o))
	for i, id := range alice {
		if c := r.wait(id, outbox.Committed); c.Attempts != 1 || c.TxID == "" || c.CompletedAt == nil || c.ErrorClass != "" {
			t.Errorf("payment %d: %+v", i, c)
		}
	}
	if c := r.wait(rejected, outbox.Rejected); c.ErrorCode != "INSUFFICIENT_FUNDS" || c.Error != "no money" || c.ErrorClass != "" || c.TxID == "" {
		t.Errorf("rejected: %+v", c)
	}
	if c := r.wait(deferred, outbox.Retry); c.Attempts != 0 || c.ErrorClass != outbox.Deferred || c.CompletedAt != nil {
		t.Errorf("deferred: %+v", c)
	}
	if c := r.wait(refused, outbox.Dead); c.ErrorClass != outbox.Refused || c.ErrorCode != "TOO_BAD" || c.Error != "as ordered" || c.Attempts != 1 {
		t.Errorf("refused: %+v", c)
	}
	if c := r.wait(panics, outbox.Dead); c.ErrorClass != outbox.Refused || c.ErrorCode != "INTERNAL" {
		t.Errorf("panics: %+v", c)
	}
	for i, id := range poison {
		if c := r.wait(id, outbox.Dead); c.ErrorClass != outbox.Poison || c.Error == "" || c.Attempts != 1 {
			t.Errorf("poison %d: %+v", i, c)
		}
	}
	for _, id := range after {
		r.wait(id, outbox.Committed)
	}
	if c := r.find(behind); c.State != outbox.Locked {
		t.Errorf("overtook a deferred command of its account: %+v", c)
	}
	got, err := l.Endorse(t.Context(), ledger.Proposal{Identity: "gx_admin", Function: "log", Args: []string{people()[0]}})
	if err != nil {
		t.Fatal(err)
	}
	if string(got.Result) != lines(alice) {
		t.Errorf("the ledger has %q, want %q", got.Result, lines(alice))
	}
	if n := r.count("SELECT count(*) FROM app.dead_commands WHERE resolution = ''"); n != 6 {
		t.Errorf("%d dead", n)
	}
	if n := r.count("SELECT count(*) FROM app.batches WHERE state <> 'SETTLED' OR tx_bytes <> ''"); n != 0 {
		t.Errorf("%d batches are left over", n)
	}
}

// A transaction that commits late with an early position is taken all the same.
func TestCommitOrder(t *testing.T) {
	r := newRig(t)
	l := newFake()
	slow, err := r.owner.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Rollback(context.Background())
	id := uuid.Must(uuid.NewV7())
	if _, err := r.outbox.Enqueue(t.Context(), slow, outbox.Request{ID: id, Payload: pay(0, 1, ""), Principal: "p", Route: "r", Key: "k"}); err != nil {
		t.Fatal(err)
	}
	later := r.accept(pay(0, 2, ""), pay(3, 4, ""))
	r.start(New(r.pool, l, r.quick()))
	r.settled()
	if err := slow.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.wait(id, outbox.Committed)
	if got := l.get("log " + people()[0]); got != lines([]uuid.UUID{later[0], id}) {
		t.Errorf("the ledger has %q", got)
	}
}

// The submitter learns of a command at once, from its own process or another,
// and of what nobody told it by looking.
func TestWake(t *testing.T) {
	r := newRig(t)
	o := r.quick()
	o.Poll = time.Hour
	r.start(New(r.pool, newFake(), o))
	r.wait(r.accept(pay(0, 1, ""))[0], outbox.Committed)

	far := outbox.New(outbox.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- far.Notify(ctx, r.owner) }()
	defer func() { cancel(); <-done }()
	near := r.outbox
	r.outbox = far
	r.wait(r.accept(pay(0, 1, ""))[0], outbox.Committed)
	r.outbox = near

	o.Poll, o.Holder, o.Channel = 5*time.Millisecond, "other", "other"
	r.outbox = outbox.New(outbox.Options{}) // whose Wake nobody hears
	o.Outbox = outbox.New(outbox.Options{})
	r.start(New(r.pool, newFake(), o))
	r.wait(r.accept(pay(0, 1, ""))[0], outbox.Committed)
}

// The more is ready, the more goes into a batch; a command on its own waits for none.
func TestAdaptiveBatches(t *testing.T) {
	r := newRig(t)
	l := newFake()
	release := make(chan struct{})
	l.set(func(ctx context.Context, a ask) verb {
		if a.op == "endorse" && a.commands == 1 {
			<-release
		}
		return ""
	})
	o := r.quick()
	o.Pipeline, o.MaxBatch = 1, 40
	first := r.accept(pay(0, 1, ""))[0]
	r.start(New(r.pool, l, o))
	eventually(t, "the first is at work", func() bool { return l.calls("endorse") == 1 })
	for i := range 100 {
		r.accept(pay(2*i+2, 2*i+3, ""))
	}
	close(release)
	r.wait(first, outbox.Committed)
	r.settled()
	if got := l.sizes(); got[1] != 1 || got[40] != 2 || got[20] != 1 || len(got) != 3 {
		t.Errorf("batches: %v", got)
	}
}

// A full outbox is no trouble; a process that can't do its work says so (F-33).
func TestKF33Check(t *testing.T) {
	r := newRig(t)
	l := newFake()
	l.set(always("endorse", hang))
	o := r.quick()
	s := New(r.pool, l, o)
	if err := s.Check(t.Context()); err == nil {
		t.Error("ready before it runs")
	}
	r.accept(pay(0, 1, ""))
	o.Drain = time.Millisecond
	s = New(r.pool, l, o)
	stop := r.start(s)
	eventually(t, "it leads", func() bool { return l.calls("endorse") > 0 })
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	s.set(func() { s.beat = time.Now().Add(-time.Hour) })
	frozen := s.Check(t.Context()) // unless the loop came round meanwhile
	eventually(t, "a beat tells of life", func() bool { return s.Check(t.Context()) == nil })
	if frozen != nil && !strings.Contains(frozen.Error(), "stuck") {
		t.Error(frozen)
	}
	o.Holder = "standby"
	standby := New(r.pool, l, o)
	r.start(standby)
	eventually(t, "the standby is ready", func() bool { return standby.Check(t.Context()) == nil })
	stop()
	if err := s.Check(t.Context()); err == nil {
		t.Error("ready after it has stopped")
	}
}

func TestMetrics(t *testing.T) {
	r := newRig(t)
	reg := prometheus.NewRegistry()
	o := r.quick()
	o.Registerer = reg
	r.accept(pay(0, 1, ""), pay(2, 3, "reject"), pay(4, 5, "refuse"))
	r.insert("HOSTILE", "{}")
	r.start(New(r.pool, newFake(), o))
	r.settled()
	for labels, want := range map[string]float64{
		"command TRANSFER_TOKENS status success":              1,
		"command TRANSFER_TOKENS status failed":               2,
		"command TRANSFER_TOKENS status failed class REFUSED": 1,
		"command unknown status failed class POISON":          1,
	} {
		eventually(t, labels, func() bool {
			return metric(t, reg, "outbox_commands_processed_total", strings.Fields(labels)...) == want
		})
	}
	eventually(t, "the queue is counted", func() bool { return metric(t, reg, "outbox_worker_status") == 1 })
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%v %v", problems, err)
	}
	names := map[string]bool{}
	for _, f := range families {
		names[f.GetName()] = true
	}
	for _, name := range []string{"outbox_commands_processed_total", "outbox_queue_depth", "outbox_processing_duration_seconds", "outbox_worker_status",
		"outbox_oldest_pending_seconds", "outbox_dlq_size", "fabric_breaker_state", "outbox_lease_lost_total"} {
		if !names[name] {
			t.Errorf("there is no %s", name)
		}
	}
}
