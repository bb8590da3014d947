package outbox

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/qirat"
)

func TestEnqueue(t *testing.T) {
	r := newRig(t)
	first := request()
	first.CorrelationID, first.TraceParent = "c", "00-t"
	a := r.enqueue(r.service, first)
	if a.ID != first.ID || a.Replayed || string(a.Response) != string(first.Response) {
		t.Errorf("first: %+v", a)
	}
	again := first
	again.ID, again.Response = uuid.New(), []byte("{}")
	a = r.enqueue(r.service, again)
	if a.ID != first.ID || !a.Replayed || string(a.Response) != string(first.Response) {
		t.Errorf("again: %+v", a)
	}
	other := again
	other.Body = []byte(`{"amount":"8"}`)
	_, err := r.Enqueue(t.Context(), r.service, other)
	if reused := (*KeyReusedError)(nil); !errors.As(err, &reused) || reused.Field != "amount" {
		t.Errorf("other body: %v", err)
	}
	if n := r.count("SELECT count(*) FROM app.commands"); n != 1 {
		t.Errorf("%d commands", n)
	}
	// A key is its principal's on its route.
	for _, change := range []func(*Request){
		func(q *Request) { q.Principal = "customer:2" },
		func(q *Request) { q.Route = "POST /loans" },
		func(q *Request) { q.Key = "another" },
	} {
		q := other
		q.ID = uuid.New()
		change(&q)
		if a := r.enqueue(r.service, q); a.Replayed || a.ID != q.ID {
			t.Errorf("%+v is a repetition", q)
		}
	}
	c := r.find(first.ID)
	if c.State != Pending || c.Type != command.TypeTransferTokens || !c.CreatedAt.Equal(epoch) || c.CompletedAt != nil || c.Result != nil {
		t.Errorf("found %+v", c)
	}
	bad := request()
	bad.Payload = &command.TransferTokens{FromID: alice, ToID: alice}
	if _, err := r.Enqueue(t.Context(), r.service, bad); command.Fields(err) == nil {
		t.Errorf("a bad payload: %v", err)
	}
	if _, err := Find(t.Context(), r.service, uuid.New()); !errors.Is(err, ErrNotFound) {
		t.Errorf("found nothing: %v", err)
	}
}

func TestEnqueueInTransaction(t *testing.T) {
	r := newRig(t)
	a, b := request(), request()
	tx := r.begin(r.service)
	r.enqueue(tx, a)
	r.enqueue(tx, b)
	var timeout string
	r.ok(tx.QueryRow(t.Context(), "SHOW lock_timeout").Scan(&timeout))
	if timeout != "0" {
		t.Errorf("the rest of the transaction has a lock_timeout of %s", timeout)
	}
	r.ok(tx.Rollback(t.Context()))
	if n := r.count("SELECT count(*) FROM app.commands"); n != 0 {
		t.Errorf("%d commands of a transaction that was rolled back", n)
	}
	r.ok(pgx.BeginFunc(t.Context(), r.service, func(tx pgx.Tx) error {
		r.enqueue(tx, a)
		r.enqueue(tx, b)
		return nil
	}))
	if n := r.count("SELECT count(*) FROM app.commands"); n != 2 {
		t.Errorf("%d commands", n)
	}
}

// One of many that use a key at once is accepted, and all get its answer.
func TestEnqueueTogether(t *testing.T) {
	r := newRig(t)
	r.o.KeyWait = time.Minute
	q := request()
	var wg sync.WaitGroup
	answers := make([]Accepted, 50)
	for i := range answers {
		wg.Go(func() {
			mine := q
			mine.ID = uuid.New()
			mine.Response = []byte(`"` + mine.ID.String() + `"`)
			a, err := r.Enqueue(t.Context(), r.service, mine)
			if err != nil {
				t.Error(err)
			}
			answers[i] = a
		})
	}
	wg.Wait()
	fresh := 0
	for _, a := range answers {
		if a.ID != answers[0].ID || string(a.Response) != `"`+a.ID.String()+`"` {
			t.Errorf("%+v and %+v", a, answers[0])
		}
		if !a.Replayed {
			fresh++
		}
	}
	if n := r.count("SELECT count(*) FROM app.commands"); n != 1 || fresh != 1 {
		t.Errorf("%d commands, %d first answers", n, fresh)
	}
}

// While the first request has not committed, the next waits and then says so.
func TestEnqueueInProgress(t *testing.T) {
	r := newRig(t)
	q := request()
	first := r.begin(r.service)
	r.enqueue(first, q)
	if _, err := r.Enqueue(t.Context(), r.service, q); !errors.Is(err, ErrInProgress) {
		t.Fatalf("in flight: %v", err)
	}

	r.o.KeyWait = time.Minute
	answer := make(chan Accepted)
	go func() {
		a, err := r.Enqueue(t.Context(), r.service, q)
		if err != nil {
			t.Error(err)
		}
		answer <- a
	}()
	for r.count("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == 0 {
	}
	r.ok(first.Commit(t.Context()))
	if a := <-answer; !a.Replayed || a.ID != q.ID {
		t.Errorf("after the commit: %+v", a)
	}
}

// Commands that are enqueued at the same time share a transaction.
func TestEnqueueShared(t *testing.T) {
	r := newRig(t)
	// Without a connection they have to wait.
	var held []*pgxpool.Conn
	for range r.service.Config().MaxConns {
		c, err := r.service.Acquire(t.Context())
		r.ok(err)
		held = append(held, c)
	}
	const n = 40
	var begun, wg sync.WaitGroup
	begun.Add(n)
	for i := range n {
		wg.Go(func() {
			q := request()
			q.Holds = qirat.Amount(i + 1)
			begun.Done()
			if a, err := r.Enqueue(t.Context(), r.service, q); err != nil || a.ID != q.ID || a.Replayed {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
	begun.Wait()
	for _, c := range held {
		c.Release()
	}
	wg.Wait()
	if sum := r.count("SELECT sum(holds) FROM app.commands"); sum != n*(n+1)/2 {
		t.Errorf("they hold %d together", sum)
	}
	if txs := r.count("SELECT count(DISTINCT xmin::text) FROM app.commands"); txs > n/2 {
		t.Errorf("%d commands in %d transactions", n, txs)
	}
}

// Who waits for a key keeps nobody else waiting, and who is refused by the server
// takes nobody along.
func TestEnqueueSharedIsolation(t *testing.T) {
	r := newRig(t)
	r.o.KeyWait = time.Minute
	blocked := request()
	first := r.begin(r.owner)
	r.enqueue(first, blocked)
	bad := request()
	bad.TraceParent = "\x00" // PostgreSQL keeps no NUL in a text
	ctx, cancel := context.WithCancel(t.Context())
	var waiting, others sync.WaitGroup
	waiting.Go(func() {
		if _, err := r.Enqueue(ctx, r.service, blocked); !errors.Is(err, context.Canceled) {
			t.Errorf("the key that is in use: %v", err)
		}
	})
	for i := range 30 {
		others.Go(func() {
			q := request()
			if i == 7 {
				q = bad
			}
			a, err := r.Enqueue(ctx, r.service, q)
			if i == 7 && err == nil || i != 7 && (err != nil || a.ID != q.ID) {
				t.Errorf("%d: %+v, %v", i, a, err)
			}
		})
	}
	others.Wait()
	cancel()
	waiting.Wait()
	if n := r.count("SELECT count(*) FROM app.commands"); n != 29 {
		t.Errorf("%d commands", n)
	}
}

func TestDifference(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{`{"a":1}`, `{"a":1}`, ""},
		{`{"a":1,"b":2}`, `{"b":2, "a":1}`, ""},
		{`{"a":1,"b":2}`, `{"a":1,"b":3}`, "b"},
		{`{"z":1,"b":2}`, `{"z":2,"b":3}`, "b"},
		{`{"a":1}`, `{}`, "a"},
		{`{}`, `{"a":1}`, "a"},
		{`{"a":{"x":1,"y":[1,{"z":2}]}}`, `{"a":{"x":1,"y":[1,{"z":3}]}}`, "a.y[1].z"},
		{`{"a":[1,2]}`, `{"a":[1]}`, "a"},
		{`{"a":[1,2]}`, `{"a":[3]}`, "a[0]"},
		{`{"a":null}`, `{"a":0}`, "a"},
		{`{"a":90071992547409931}`, `{"a":90071992547409930}`, "a"},
		{`[1]`, `{}`, "body"},
		{``, ``, ""},
		{``, `{}`, "body"},
	} {
		got, err := difference("", []byte(c.a), []byte(c.b))
		if err != nil || got != c.want {
			t.Errorf("%s and %s: %q %v, want %q", c.a, c.b, got, err, c.want)
		}
	}
	if _, err := difference("", []byte(`{"a":1}`), []byte(`{"a":1,"a":2}`)); err == nil {
		t.Error("a member twice is compared")
	}
}

// The states that a reader may see are those that the table takes.
func TestStates(t *testing.T) {
	r := newRig(t)
	id := r.accept(1)[0]
	for _, s := range []State{Pending, Locked, Retry, Committed, Rejected, Dead, Cancelled} {
		r.exec("UPDATE app.commands SET state = $2 WHERE id = $1", id, string(s))
		if got := r.state(id); got != s {
			t.Errorf("%s reads as %s", s, got)
		}
	}
	if _, err := r.owner.Exec(t.Context(), "UPDATE app.commands SET state = 'FAILED'"); err == nil {
		t.Error("any state is taken")
	}
}

func TestFindResult(t *testing.T) {
	r := newRig(t)
	id := r.accept(1)[0]
	r.exec(`INSERT INTO read.command_results (command_id, type, outcome, code, message, result, tx_id, block, at)
		VALUES ($1, 'TRANSFER_TOKENS', 'REJECTED', 'NO', 'no', '{"a":1}', 'tx', 7, $2)`, id.String(), epoch)
	c := r.find(id)
	if c.Result == nil || c.Result.Outcome != "REJECTED" || c.Result.Code != "NO" || c.Result.Message != "no" || string(c.Result.Result) != `{"a":1}` ||
		c.Result.TxID != "tx" || c.Result.Block != 7 || !c.Result.At.Equal(epoch) {
		t.Errorf("%+v", c.Result)
	}
}

// Wake is heard in the process at once and in others by notification, once for
// any number of calls, and a process does not wake itself twice.
func TestWake(t *testing.T) {
	r := newRig(t)
	here, there := r.Outbox, New(Options{})
	var wg sync.WaitGroup
	ctx := t.Context()
	ctx, cancel := context.WithCancel(ctx)
	wg.Go(func() { _ = here.Notify(ctx, r.service) })
	wg.Go(func() { _ = here.Listen(ctx, r.leaders) })
	wg.Go(func() { _ = there.Listen(ctx, r.leaders) })
	defer wg.Wait()
	defer cancel()
	<-here.Woken() // it listens
	<-there.Woken()
	for range 5 {
		here.Wake()
	}
	<-there.Woken()
	<-here.Woken()
	// Its own notification has been sent, so it has passed by when another comes.
	r.exec("SELECT pg_notify('" + channel + "', 'x')")
	<-here.Woken()
	select {
	case <-here.Woken():
		t.Error("woken twice")
	default:
	}
}

func BenchmarkEnqueue(b *testing.B) {
	r := newRig(b)
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := r.Enqueue(b.Context(), r.service, request()); err != nil {
				b.Error(err)
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commands/s")
}
