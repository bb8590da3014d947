package crash_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/demo"
	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/ringtest/invariant"
	"gxcoin.money/gx/protocol/qirat"
)

// intent is a payment that somebody wants once, however often they ask.
type intent struct {
	from, to int
	amount   qirat.Amount
	key      string
	command  string // the id that the first answer gave
	refused  bool   // before it was accepted
}

// payers send payments until they are told to stop, each under a key of its own
// that is sent again until there is an answer.
type payers struct {
	system    *system
	customers []*demo.Customer

	mu       sync.Mutex
	intents  []*intent
	answered atomic.Int64
	stop     chan struct{}   // ask for nothing new
	abandon  <-chan struct{} // the test is over
	wg       sync.WaitGroup
}

func (p *payers) run(seed uint64, clients int) {
	for c := range clients {
		random := rand.New(rand.NewPCG(seed, uint64(c)))
		p.wg.Go(func() {
			pace := time.NewTicker(20 * time.Millisecond)
			defer pace.Stop()
			for {
				select {
				case <-pace.C:
				case <-p.stop:
					return
				case <-p.abandon:
					return
				}
				i := &intent{from: random.IntN(len(p.customers)), amount: qirat.Amount(1 + random.IntN(5_000_000))}
				i.to = (i.from + 1 + random.IntN(len(p.customers)-1)) % len(p.customers)
				p.pay(i)
				p.mu.Lock()
				p.intents = append(p.intents, i)
				p.mu.Unlock()
				p.answered.Add(1)
			}
		})
	}
}

// pay asks until somebody answers.
func (p *payers) pay(i *intent) {
	i.key = uuid.NewString()
	body := client.Payment{ToID: p.customers[i.to].Account, Amount: i.amount.String()}
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		var answer client.Answer
		r, err := p.customers[i.from].Client.CreateTransfer(ctx, body, client.IdempotencyKey(i.key), client.Receive(&answer))
		cancel()
		switch {
		case err == nil:
			i.command = r.CommandID
			return
		case answer.Status == http.StatusUnprocessableEntity:
			i.refused = true // for want of money
			return
		}
		select {
		case <-p.abandon:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// more waits until n more payments than now have been answered.
func (p *payers) more(n int64) {
	goal := p.answered.Load() + n
	p.system.until(fmt.Sprintf("%d more payments", n), func() error {
		if have := p.answered.Load(); have < goal {
			return fmt.Errorf("%d are missing", goal-have)
		}
		return nil
	})
}

// TestKill kills every part of the system in turn under load, at moments that
// nobody chose. Every accepted payment reaches exactly one end; no Qirat is
// missing and none is there twice.
func TestKill(t *testing.T) {
	s := newSystem(t)
	kill(t, s, []string{"submit", "project", "tokenomics", "postgres", "up", "all", "submit", "project", "all"})
}

// kill kills the parts of a system in an order that nobody chose, and audits it.
func kill(t *testing.T, s *system, parts []string) {
	t.Helper()
	rounds := 1
	if n, err := strconv.Atoi(os.Getenv("GX_CRASH_ROUNDS")); err == nil {
		rounds = n
	}
	seed := uint64(time.Now().UnixNano())
	if n, err := strconv.ParseUint(os.Getenv("GX_CRASH_SEED"), 10, 64); err == nil {
		seed = n
	}
	t.Logf("GX_CRASH_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 1<<32))

	customers, err := demo.Recruit(t.Context(), s.client(), s.staff(), demo.People(12))
	if err != nil {
		t.Fatal(err)
	}
	p := &payers{system: s, customers: customers, stop: make(chan struct{}), abandon: t.Context().Done()}
	p.run(seed, 8)
	t.Cleanup(p.wg.Wait)

	var table strings.Builder
	w := tabwriter.NewWriter(&table, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KILLED\tAFTER\tRECOVERED IN")
	for range rounds {
		random.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		for _, part := range parts {
			p.more(20 + random.Int64N(200))
			before := p.answered.Load()
			killed := time.Now()
			s.kill(part)
			if part == "up" || part == "postgres" || part == "all" { // the others are restarted by up
				<-s.exited
				s.start()
			}
			s.until("the system is ready again after the death of "+part, s.ready)
			i := &intent{from: 0, to: 1, amount: 1}
			p.pay(i)
			p.record(i)
			if !i.refused {
				s.finish(t, customers[0], i)
			}
			fmt.Fprintf(w, "%s\t%d payments\t%.1f s\n", part, before, time.Since(killed).Seconds())
		}
	}
	p.more(50)
	close(p.stop)
	p.wg.Wait()
	_ = w.Flush()
	t.Logf("\n%s", &table)
	p.audit(t)
}

func (p *payers) record(i *intent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.intents = append(p.intents, i)
}

// finish waits for the end of a payment.
func (s *system) finish(t *testing.T, payer *demo.Customer, i *intent) client.CommandView {
	t.Helper()
	if i.command == "" {
		t.Fatalf("a payment of %s was refused", i.amount)
	}
	var v client.CommandView
	s.until("command "+i.command+" reaches its end", func() (err error) {
		v, err = payer.Client.GetCommand(t.Context(), i.command, client.Wait(5), client.At("tokenomics"))
		if err == nil && !v.Projected && v.Status != client.CommandStatusFAILED {
			err = fmt.Errorf("it is %s", v.Status)
		}
		return err
	})
	return v
}

// told is how many payments people are asked about again when all is over.
const told = 500

// audit compares what was asked for, what the ledger holds, what reads show and,
// of some payments, what people are told.
func (p *payers) audit(t *testing.T) {
	t.Helper()
	secret, err := os.ReadFile(p.system.info.StaffPassword)
	if err != nil {
		t.Fatal(err)
	}
	whole := invariant.System{DSN: p.system.info.Database, Logs: p.system.logs(), Secrets: []string{strings.TrimSpace(string(secret))}}
	if p.system.ledger != nil {
		whole.Ledger = p.system.ledger()
	}
	invariant.Check(t, whole)
	wanted := make([]invariant.Payment, len(p.intents))
	for n, i := range p.intents {
		wanted[n] = invariant.Payment{Key: i.key, From: p.customers[i.from].Account, To: p.customers[i.to].Account, Amount: i.amount, Command: i.command, Refused: i.refused}
	}
	moved := invariant.CheckPayments(t, p.system.info.Database, wanted)

	b := openBooks(t, p.system.info.Database)
	states := b.states()
	balance := make([]int64, len(p.customers))
	for i := range balance {
		balance[i] = int64(500 * qirat.PerGX)
	}
	applied, rejected, refused := 0, 0, 0
	for n, i := range p.intents {
		switch {
		case i.refused:
			refused++
			continue
		case states[i.command] == outbox.Committed:
			applied++
			balance[i.from] -= int64(i.amount)
			balance[i.to] += int64(i.amount)
		default:
			rejected++
		}
		if n%(len(p.intents)/told+1) > 0 {
			continue
		}
		if v := p.system.finish(t, p.customers[i.from], i); (v.Status == client.CommandStatusFAILED) != (states[i.command] == outbox.Rejected) {
			t.Errorf("command %s is %s, people are told %s", i.command, states[i.command], v.Status)
		}
	}
	if moved != applied {
		t.Errorf("%d payments moved money, %d commands are committed", moved, applied)
	}
	t.Logf("%d payments: %d applied, %d rejected by the ledger, %d refused at the door", len(p.intents), applied, rejected, refused)
	for i, c := range p.customers {
		b.number("what "+c.Name()+" has, with their fees", `SELECT a.balance + coalesce((SELECT sum(fee)::bigint FROM read.transactions t WHERE t.account_id = a.account_id), 0)
			FROM read.accounts a WHERE account_id = $1`, balance[i], c.Account)
	}
}

// books are the tables of a system.
type books struct {
	t  *testing.T
	db *pgx.Conn
}

func openBooks(t *testing.T, dsn string) *books {
	t.Helper()
	db, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close(context.WithoutCancel(t.Context())) })
	return &books{t, db}
}

// states returns how far every command has come.
func (b *books) states() map[string]outbox.State {
	b.t.Helper()
	rows, err := b.db.Query(b.t.Context(), `SELECT id::text, state FROM app.commands`)
	if err != nil {
		b.t.Fatal(err)
	}
	out := map[string]outbox.State{}
	var id string
	var state outbox.State
	if _, err := pgx.ForEachRow(rows, []any{&id, &state}, func() error { out[id] = state; return nil }); err != nil {
		b.t.Fatal(err)
	}
	return out
}

// number compares a number that a query counts.
func (b *books) number(what, sql string, want int64, args ...any) {
	b.t.Helper()
	var got int64
	if err := b.db.QueryRow(b.t.Context(), sql, args...).Scan(&got); err != nil {
		b.t.Errorf("%s: %v", what, err)
	} else if got != want {
		b.t.Errorf("%s: %d, want %d", what, got, want)
	}
}
