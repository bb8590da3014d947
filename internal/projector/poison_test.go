package projector

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/readmodel"
	"gxcoin.money/gx/internal/readmodel/readmodeltest"
	"gxcoin.money/gx/protocol/event"
)

// bend returns tx with its envelope changed.
func bend(tx ledger.BlockTx, change func(*event.Envelope)) ledger.BlockTx {
	env := must(event.DecodeEnvelope(tx.Event.Payload))
	change(&env)
	tx.Event = &ledger.Event{Name: tx.Event.Name, Payload: must(json.Marshal(env))}
	return tx
}

func raw(tx ledger.BlockTx, payload []byte) ledger.BlockTx {
	tx.Event = &ledger.Event{Name: tx.Event.Name, Payload: payload}
	return tx
}

// Poison in a money event or an envelope halts; what precedes it in the block
// is applied, what follows is not, until an operator decides to skip it.
func TestKF10MoneyPoison(t *testing.T) {
	for name, c := range map[string]struct {
		poison func(r *rig) ledger.BlockTx
		seq    int
		reason string
	}{
		"not JSON": {func(r *rig) ledger.BlockTx { return raw(r.pay(9), []byte("{")) }, readmodel.WholeTx, "envelope"},
		"empty":    {func(r *rig) ledger.BlockTx { return raw(r.pay(9), nil) }, readmodel.WholeTx, "envelope"},
		"NUL byte": {func(r *rig) ledger.BlockTx { return raw(r.pay(9), []byte("\x00\xff")) }, readmodel.WholeTx, "envelope"},
		"1 MB":     {func(r *rig) ledger.BlockTx { return raw(r.pay(9), bytes.Repeat([]byte("x"), 1<<20)) }, readmodel.WholeTx, "envelope"},
		"1 MB name": {func(r *rig) ledger.BlockTx {
			return raw(r.pay(9), []byte(`{"`+strings.Repeat("x", 1<<20)+`":1}`))
		}, readmodel.WholeTx, "envelope"},
		"other event name": {func(r *rig) ledger.BlockTx {
			tx := r.pay(9)
			tx.Event = &ledger.Event{Name: "gx.events.v2\x00", Payload: tx.Event.Payload}
			return tx
		}, readmodel.WholeTx, "gx.events.v2"},
		"envelope version": {func(r *rig) ledger.BlockTx {
			return bend(r.pay(9), func(e *event.Envelope) { e.Version = 2 })
		}, readmodel.WholeTx, "version 2"},
		"other transaction": {func(r *rig) ledger.BlockTx {
			return bend(r.pay(9), func(e *event.Envelope) { e.TxID = "tx1" })
		}, readmodel.WholeTx, "tx1"},
		"wrong seq": {func(r *rig) ledger.BlockTx {
			return bend(r.pay(9), func(e *event.Envelope) { e.Events[0].Seq = 1 })
		}, readmodel.WholeTx, "seq"},
		"no such command": {func(r *rig) ledger.BlockTx {
			return bend(r.pay(9), func(e *event.Envelope) { e.Events[0].Command = 1 })
		}, readmodel.WholeTx, "command"},
		"unknown outcome": {func(r *rig) ledger.BlockTx {
			return bend(r.pay(9), func(e *event.Envelope) { e.Commands[0].Outcome = "PERHAPS" })
		}, readmodel.WholeTx, "PERHAPS"},
		"unknown type": {func(r *rig) ledger.BlockTx {
			return bend(r.pay(9), func(e *event.Envelope) { e.Events[0].Type = "Mint\x00ed" })
		}, 0, "unknown"},
		"unknown version": {func(r *rig) ledger.BlockTx {
			return bend(r.pay(9), func(e *event.Envelope) { e.Events[0].Version = "9.0" })
		}, 0, "9.0"},
		"amount is a number": {func(r *rig) ledger.BlockTx {
			return bend(r.pay(9), func(e *event.Envelope) {
				e.Events[0].Data = bytes.Replace(e.Events[0].Data, []byte(`"amount":"9"`), []byte(`"amount":9`), 1)
			})
		}, 0, "amount"},
		"does not balance": {func(r *rig) ledger.BlockTx {
			return bend(r.pay(9), func(e *event.Envelope) {
				e.Events[0].Data = bytes.Replace(e.Events[0].Data, []byte(`"netReceived":"9"`), []byte(`"netReceived":"8"`), 1)
			})
		}, readmodel.WholeTx, "do not balance"},
		"NUL in a remark": {func(r *rig) ledger.BlockTx {
			return r.Tx(r.Transfer("alice", "bob", 9, 1, "a\x00b"))
		}, readmodel.WholeTx, "22021"},
		"repeated command": {func(r *rig) ledger.BlockTx {
			return bend(r.pay(9), func(e *event.Envelope) { e.Commands[0].ID = "c1" })
		}, readmodel.WholeTx, "command_results"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.open()
			before := r.pay(1)
			poison := c.poison(r)
			b := r.chain.Append(before, poison, r.pay(2))
			p, stop := r.start()
			eventually(t, "halted", func() bool { return r.checkpoint().State == string(Halted) })
			if at := r.checkpoint(); at.Block != 3 || at.TxIndex != 0 || at.Reason == "" {
				t.Fatalf("checkpoint: %+v", at)
			}
			if p.Check(t.Context()) == nil {
				t.Error("ready")
			}
			letters := must(readmodel.DeadLetters(t.Context(), r.owner, false, 10))
			if len(letters) != 1 {
				t.Fatalf("%d dead letters", len(letters))
			}
			l := must(readmodel.Letter(t.Context(), r.owner, letters[0].TxID, letters[0].Seq))
			if l.TxID != poison.ID || l.Seq != c.seq || l.Block != 3 || l.TxIndex != 1 || !strings.Contains(l.Reason, c.reason) || len(l.Reason) > 1000 {
				t.Errorf("dead letter: (%s, %d) at (%d, %d): %.300s", l.TxID, l.Seq, l.Block, l.TxIndex, l.Reason)
			}
			if c.seq == readmodel.WholeTx && !bytes.Equal(l.Payload, poison.Event.Payload) {
				t.Error("the payload is not the ledger's")
			}

			// A restart tries again and halts again.
			stop()
			p, _ = r.start()
			eventually(t, "halted again", func() bool { s, _ := p.State(); return s == Halted })

			if _, err := r.owner.Exec(t.Context(), `UPDATE read.event_dlq SET resolution = 'SKIP', resolved_by = 'operator'`); err != nil {
				t.Fatal(err)
			}
			r.applied(b)
			eventually(t, "ready", func() bool { return p.Check(t.Context()) == nil })
			// What cold accounts have is stated by the next event; only the fee of the skipped payment is missing.
			if a := must(readmodel.Account(t.Context(), r.owner, "bob")); a.Balance != r.Balances["bob"] {
				t.Errorf("bob has %s, want %s", a.Balance, r.Balances["bob"])
			}
		})
	}
}

// The cause can also go away: the same block is then applied whole.
func TestPoisonRepaired(t *testing.T) {
	r := newRig(t)
	r.open()
	before, good := r.pay(1), r.pay(9)
	b := r.chain.Append(before, raw(good, []byte("garbage")))
	p, _ := r.start()
	eventually(t, "halted", func() bool { s, _ := p.State(); return s == Halted })
	repaired := b
	repaired.Txs = []ledger.BlockTx{b.Txs[0], b.Txs[1]}
	repaired.Txs[1].Event = good.Event
	r.chain.Forge(b.Number, repaired)
	r.applied(b)
	r.checkBalances()
	if l := must(readmodel.Letter(t.Context(), r.owner, good.ID, readmodel.WholeTx)); l.Resolution != readmodel.Applied || l.ResolvedAt == nil {
		t.Errorf("the letter of what was applied: %+v", l)
	}
	if open := must(readmodel.DeadLetters(t.Context(), r.owner, false, 10)); len(open) != 0 {
		t.Errorf("%d letters wait", len(open))
	}
}

// Poison without money is recorded and skipped: its neighbours are applied.
func TestOtherPoison(t *testing.T) {
	r := newRig(t)
	r.open()
	odd := bend(r.Tx(r.Transfer("alice", "bob", 3, 1, ""), r.Pause("x")), func(e *event.Envelope) { e.Events[1].Version = "9.0" })
	nul := r.Tx(r.Pause("a\x00b"))
	reg := prometheus.NewRegistry()
	p, _ := r.start(func(o *Options) { o.Registerer = reg })
	b := r.chain.Append(odd, nul, r.pay(1))
	r.applied(b)
	eventually(t, "two letters counted", func() bool { return sample(reg, "projector_dlq_size") == 2 })
	r.checkBalances()
	if s := must(readmodel.SystemStatus(t.Context(), r.owner)); s.Paused {
		t.Error("paused by an event that cannot be read")
	}
	var got []string
	for _, l := range must(readmodel.DeadLetters(t.Context(), r.owner, false, 10)) {
		got = append(got, l.TxID+" "+l.Type)
	}
	if diff := cmp.Diff([]string{odd.ID + " SystemPaused", nul.ID + " "}, got); diff != "" {
		t.Error(diff)
	}
	if err := p.Check(t.Context()); err != nil {
		t.Error(err)
	}
	if n := readmodeltest.Dump(t, r.owner)["event_log"]; len(n) != 10 {
		t.Errorf("%d events in the log", len(n))
	}
}

// A condemned read model halts the projector, at work and at rest, over a restart
// and for whoever leads next, until it is acquitted.
func TestCondemned(t *testing.T) {
	for name, busy := range map[string]bool{"at rest": false, "at work": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.open()
			p, stop := r.start(func(o *Options) {
				if busy {
					o.Heartbeat = time.Hour // only what it writes can tell
				}
			})
			r.applied(r.chain.Append(r.pay(1)))
			eventually(t, "live", func() bool { s, _ := p.State(); return s == Live })
			if err := readmodel.Condemn(t.Context(), r.pool, "alice has too much"); err != nil {
				t.Fatal(err)
			}
			if err := readmodel.Condemn(t.Context(), r.pool, "a later one"); err != nil {
				t.Fatal(err)
			}
			var b ledger.Block
			if busy {
				b = r.chain.Append(r.pay(2))
			}
			halted := func() bool {
				s, reason := p.State()
				return s == Halted && strings.HasSuffix(reason, "alice has too much")
			}
			eventually(t, "halted", halted)
			if err := p.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "halted") {
				t.Errorf("ready: %v", err)
			}
			stop()
			p, _ = r.start()
			eventually(t, "halted again", halted)
			if !busy {
				b = r.chain.Append(r.pay(2))
			}
			if c := r.checkpoint(); c.Block != int64(b.Number)-1 || c.Violation != "alice has too much" {
				t.Errorf("checkpoint: %+v", c)
			}
			if found, err := readmodel.Acquit(t.Context(), r.pool); err != nil || !found {
				t.Errorf("acquitted: %t, %v", found, err)
			}
			r.applied(b)
			eventually(t, "ready", func() bool { return p.Check(t.Context()) == nil })
			r.checkBalances()
		})
	}
}

// Whatever the ledger holds, every event is either read or a dead letter.
func FuzzDecode(f *testing.F) {
	e := readmodeltest.NewEconomy()
	for _, tx := range []ledger.BlockTx{e.Tx(e.Bootstrap(), e.AddCountries("AE")), e.Tx(e.CreateUser("alice", "AE", readmodeltest.Epoch)), e.Tx(e.Pause("x"))} {
		f.Add(tx.Event.Payload)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		tx := decodeTx(1, raw(ledger.BlockTx{ID: "tx1", Code: ledger.Valid, Event: &ledger.Event{Name: event.EnvelopeName}}, payload), readmodeltest.Epoch)
		env, err := event.DecodeEnvelope(payload)
		if whole := len(tx.letters) == 1 && tx.letters[0].Seq == readmodel.WholeTx; whole {
			if len(tx.Events)+len(tx.Commands) > 0 {
				t.Error("a refused envelope has content")
			}
		} else if err != nil || len(tx.Events)+len(tx.letters) != len(env.Events) {
			t.Errorf("%d events and %d letters of %d; %v", len(tx.Events), len(tx.letters), len(env.Events), err)
		}
		_ = readmodel.NewProjection().Add(tx.Tx)
	})
}
