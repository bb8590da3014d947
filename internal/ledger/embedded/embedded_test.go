package embedded

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/ledger/ledgertest"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/protocol/role"
)

func TestConformance(t *testing.T) {
	var l *Ledger
	ledgertest.Run(t, func(t *testing.T, cc contract.Chaincode) ledger.Ledger {
		l, _ = start(t, pgtest.New(t), cc, Options{})
		return l
	})
	verify(t, l)
}

// processes endorses and submits in one process and reads in another.
type processes struct {
	writer
	ledger.Ledger
}

type writer interface {
	Endorse(ctx context.Context, p ledger.Proposal) (ledger.Transaction, error)
	Submit(ctx context.Context, tx ledger.Transaction) error
}

func (p processes) Endorse(ctx context.Context, q ledger.Proposal) (ledger.Transaction, error) {
	return p.writer.Endorse(ctx, q)
}

func (p processes) Submit(ctx context.Context, tx ledger.Transaction) error {
	return p.writer.Submit(ctx, tx)
}

func TestConformanceAcrossProcesses(t *testing.T) {
	ledgertest.Run(t, func(t *testing.T, cc contract.Chaincode) ledger.Ledger {
		db := pgtest.New(t)
		a, _ := start(t, db, cc, Options{})
		b, _ := start(t, db, cc, Options{MaxBlockTxs: 1})
		return processes{a, b}
	})
}

func TestProcessesShareOneChain(t *testing.T) {
	db := pgtest.New(t)
	const each = 40
	var wg sync.WaitGroup
	var all []*Ledger
	for range 3 {
		l, _ := start(t, db, operations, Options{})
		all = append(all, l)
	}
	for p, l := range all {
		for range 2 {
			wg.Go(func() {
				for i := range each {
					// Both the own and another process's status.
					tx := endorse(t, l, "put", fmt.Sprintf("%d", i), "v")
					if err := l.Submit(t.Context(), tx); err != nil {
						t.Error(err)
					}
					if s, err := all[p/2].Status(t.Context(), tx.ID); err != nil || s.Code != ledger.Valid {
						t.Errorf("%v, %v", s, err)
					}
				}
			})
		}
	}
	wg.Wait()
	verify(t, all[0])
	n := 0
	for b, err := range all[1].Blocks(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if n += len(b.Txs); n == 6*each {
			break
		}
	}
}

func TestTransactionsOfOneWaitShareABlock(t *testing.T) {
	db := pgtest.New(t)
	l := New(db.Pool(t, "gx_ledger"), operations, Options{MaxBlockTxs: 7})
	var txs []ledger.Transaction
	for i := range 10 {
		tx := endorse(t, l, "put", fmt.Sprint(i), "v")
		if err := l.Submit(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
		txs = append(txs, tx)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); l.Run(ctx) }()
	defer func() { cancel(); <-done }()
	for i, tx := range txs {
		s, err := l.Status(t.Context(), tx.ID)
		if want := (ledger.Status{TxID: tx.ID, Block: uint64(i / 7), Index: i % 7, Code: ledger.Valid}); err != nil || s != want {
			t.Errorf("%v, %v, want %v", s, err, want)
		}
	}
}

func TestSubmitRefuses(t *testing.T) {
	db := pgtest.New(t)
	l := New(db.Pool(t, "gx_ledger"), operations, Options{}) // nothing leaves its queue
	tx := endorse(t, l, "put", "k", "v")
	for i := range tx.Bytes {
		bent := ledger.Transaction{ID: tx.ID, Bytes: slices.Clone(tx.Bytes)}
		bent.Bytes[i] ^= 1
		if err := l.Submit(t.Context(), bent); err == nil || errors.Is(err, ledger.ErrUnavailable) {
			t.Errorf("byte %d was changed: %v", i, err)
		}
	}
	other := endorse(t, New(l.pool, operations, Options{Channel: "other"}), "put", "k", "v")
	if err := l.Submit(t.Context(), other); err == nil || !strings.Contains(err.Error(), "other") {
		t.Errorf("a transaction of another channel: %v", err)
	}
	for range maxQueued {
		if err := l.Submit(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Submit(t.Context(), tx); !errors.Is(err, ledger.ErrUnavailable) {
		t.Errorf("the queue is full: %v", err)
	}
}

func TestContractFaults(t *testing.T) {
	db := pgtest.New(t)
	l, _ := start(t, db, operations, Options{})
	for _, p := range []ledger.Proposal{
		{Identity: role.Admin, Function: "panic"},
		{Identity: role.Admin, Function: "first", Args: []string{"a", "z", "k"}}, // writes after a limited scan
		{Identity: role.Admin, Function: "scan", Args: []string{"", "z"}},
		{Identity: role.Admin, Function: "scan", Args: []string{"a", ""}},
		{Identity: role.Admin, Function: "put", Args: []string{strings.Repeat("k", maxKeyLength+1), "v"}},
		{Identity: role.Admin, Function: "put", Args: []string{"\xff", "v"}},
		{Identity: role.Admin, Function: "put", Args: []string{"k", strings.Repeat("v", maxTxBytes)}},
	} {
		if tx, err := l.Endorse(t.Context(), p); !errors.As(err, new(*ledger.ContractError)) || tx.Bytes != nil {
			t.Errorf("%s: %v", p.Function, err)
		}
	}
	// What PostgreSQL can just store is stored.
	key := strings.Repeat("k", maxKeyLength)
	if s := invoke(t, l, "put", key, "v"); s.Code != ledger.Valid {
		t.Error(s)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Endorse(ctx, ledger.Proposal{Identity: role.Admin, Function: "replace", Args: []string{"k", "v"}}); !errors.Is(err, ledger.ErrUnavailable) || !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
}

// A failure of the database is not the contract's, whatever the contract says.
func TestDatabaseFaultDuringEndorsement(t *testing.T) {
	db := pgtest.New(t)
	owner := db.Pool(t, "")
	for _, swallow := range []bool{false, true} {
		cc := func(s contract.Stub, _ string, _ []string) ([]byte, error) {
			exec(t, owner, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'")
			_, err := s.Get("k")
			if swallow {
				return nil, s.Put("k", []byte("v"))
			}
			return nil, fmt.Errorf("INTERNAL: %w", err)
		}
		l := New(db.Pool(t, "gx_ledger"), cc, Options{})
		_, err := l.Endorse(t.Context(), ledger.Proposal{Identity: role.Admin})
		if !errors.Is(err, ledger.ErrUnavailable) || errors.As(err, new(*ledger.ContractError)) {
			t.Errorf("%v, want ErrUnavailable", err)
		}
	}
}

func TestScanOfManyPages(t *testing.T) {
	db := pgtest.New(t)
	l, _ := start(t, db, operations, Options{})
	const n = 2*scanPage + 7
	var puts, want []string
	for i := range n {
		key := fmt.Sprintf("k%05d", i)
		puts = append(puts, key, "v")
		want = append(want, key)
	}
	invoke(t, l, "put", puts...)
	for _, end := range []string{"l", "k01999", "k02000", "k02001"} {
		tx := endorse(t, l, "scan", "k", end)
		i := slices.IndexFunc(want, func(k string) bool { return k >= end })
		if i < 0 {
			i = n
		}
		if got := strings.Fields(string(tx.Result)); !slices.Equal(got, want[:i]) {
			t.Errorf("to %s: %d keys, want %d", end, len(got), i)
		}
		if s := settle(t, l, tx); s.Code != ledger.Valid { // the digest covers every page
			t.Errorf("to %s: %v", end, s)
		}
	}
}

func TestRestartContinuesTheChain(t *testing.T) {
	db := pgtest.New(t)
	l, stop := start(t, db, operations, Options{})
	first := invoke(t, l, "put", "k", "v")
	stop()
	l, _ = start(t, db, operations, Options{})
	if s := invoke(t, l, "replace", "k", "w"); s.Block != first.Block+1 || s.Code != ledger.Valid {
		t.Errorf("after the restart: %v", s)
	}
	if s, err := l.Status(t.Context(), first.TxID); err != nil || s != first {
		t.Errorf("%v, %v, want %v", s, err, first)
	}
	if height := verify(t, l); height != 2 {
		t.Errorf("height %d", height)
	}
}

// A commit whose outcome was lost is repeated by the committer itself.
func TestRepeatedBlockHasOneEffect(t *testing.T) {
	db := pgtest.New(t)
	l := New(db.Pool(t, "gx_ledger"), operations, Options{})
	var txs []*transaction
	for range 2 {
		tx, err := decode(endorse(t, l, "append", "k").Bytes)
		if err != nil {
			t.Fatal(err)
		}
		txs = append(txs, tx, tx)
	}
	first, err := l.commit(t.Context(), txs)
	if err != nil {
		t.Fatal(err)
	}
	again, err := l.commit(t.Context(), txs)
	if err != nil || !slices.Equal(first, again) {
		t.Errorf("%v, %v, want %v", again, err, first)
	}
	if first[0] != first[1] || first[0].Code != ledger.Valid || first[2].Code != ledger.ReadConflict {
		t.Errorf("statuses %v", first)
	}
	if height := verify(t, l); height != 1 {
		t.Errorf("height %d", height)
	}
}

func TestConnectionLostWhileCommitting(t *testing.T) {
	db := pgtest.New(t)
	owner := db.Pool(t, "")
	l, _ := start(t, db, operations, Options{})
	invoke(t, l, "put", "k", "v")

	// The committer waits in its transaction, before and after its writes.
	for name, lock := range map[string]string{
		"for its turn":  "SELECT pg_advisory_xact_lock(5135611044716871026)",
		"in its writes": "LOCK ledger.state IN EXCLUSIVE MODE",
	} {
		t.Run(name, func(t *testing.T) {
			tx := endorse(t, l, "append", "k")
			blocker, err := owner.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer blocker.Rollback(context.WithoutCancel(t.Context()))
			if _, err := blocker.Exec(t.Context(), lock); err != nil {
				t.Fatal(err)
			}
			if err := l.Submit(t.Context(), tx); err != nil {
				t.Fatal(err)
			}
			eventually(t, func() bool {
				var killed int
				err := blocker.QueryRow(t.Context(), `SELECT count(*) FILTER (WHERE pg_terminate_backend(pid)) FROM pg_stat_activity
					WHERE datname = current_database() AND wait_event_type = 'Lock'`).Scan(&killed)
				if err != nil {
					t.Fatal(err)
				}
				return killed > 0
			})
			if err := blocker.Rollback(t.Context()); err != nil {
				t.Fatal(err)
			}
			if s, err := l.Status(t.Context(), tx.ID); err != nil || s.Code != ledger.Valid {
				t.Errorf("%v, %v", s, err)
			}
		})
	}
	verify(t, l)
}

// Every connection is cut again and again under load: what was acknowledged is
// committed once, streams and waiters go on.
func TestConnectionsLostUnderLoad(t *testing.T) {
	db := pgtest.New(t)
	owner := db.Pool(t, "")
	l, _ := start(t, db, operations, Options{})
	const workers, each = 4, 10

	ctx, cancel := context.WithCancel(t.Context())
	var cutter, load sync.WaitGroup
	cutter.Go(func() {
		tick := time.NewTicker(30 * time.Millisecond)
		defer tick.Stop()
		for cuts := 0; ; cuts++ {
			select {
			case <-ctx.Done():
				t.Logf("%d times", cuts)
				return
			case <-tick.C:
			}
			owner.Exec(ctx, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid() AND application_name = 'pgtest' AND query NOT LIKE '%pg_stat_activity%'")
		}
	})
	seen := make(map[string]int)
	load.Go(func() {
		n := 0
		for b, err := range l.Blocks(t.Context(), 0) {
			if err != nil {
				t.Errorf("the stream ended: %v", err)
				return
			}
			for _, tx := range b.Txs {
				seen[tx.ID]++
			}
			if n += len(b.Txs); n >= workers*each {
				return
			}
		}
	})
	for w := range workers {
		load.Go(func() {
			for range each {
				var tx ledger.Transaction
				for {
					var err error
					tx, err = l.Endorse(t.Context(), ledger.Proposal{Identity: role.Admin, Function: "append", Args: []string{fmt.Sprint(w)}})
					if err == nil {
						break
					}
					if !errors.Is(err, ledger.ErrUnavailable) {
						t.Errorf("endorse: %v", err)
						return
					}
				}
				if err := l.Submit(t.Context(), tx); err != nil {
					t.Errorf("submit: %v", err)
				}
				for {
					s, err := l.Status(t.Context(), tx.ID)
					if err == nil {
						if s.Code != ledger.Valid {
							t.Errorf("%v", s)
						}
						break
					}
					if !errors.Is(err, ledger.ErrUnavailable) {
						t.Errorf("status: %v", err)
						return
					}
				}
			}
		})
	}
	load.Wait()
	cancel()
	cutter.Wait()
	for id, n := range seen {
		if n != 1 {
			t.Errorf("transaction %s came %d times", id, n)
		}
	}
	if len(seen) != workers*each {
		t.Errorf("%d transactions, want %d", len(seen), workers*each)
	}
	var appended int
	if err := owner.QueryRow(t.Context(), "SELECT sum(length(value)) FROM ledger.state").Scan(&appended); err != nil || appended != workers*each {
		t.Errorf("%d effects, %v, want %d", appended, err, workers*each)
	}
	// The pool may still hold connections that were cut.
	eventually(t, func() bool {
		_, err := l.VerifyChain(t.Context())
		return !errors.Is(err, ledger.ErrUnavailable)
	})
	verify(t, l)
}

func TestVerifyChainFindsTampering(t *testing.T) {
	db := pgtest.New(t)
	owner := db.Pool(t, "")
	l, _ := start(t, db, operations, Options{})
	for range 2*chunk + 1 {
		invoke(t, l, "put", "k", "v")
	}
	stale := endorse(t, l, "replace", "k", "stale")
	invoke(t, l, "replace", "k", "v")
	if s := settle(t, l, stale); s.Code != ledger.ReadConflict {
		t.Fatal(s)
	}
	height := verify(t, l)

	for _, test := range []struct {
		sql   string
		block uint64
		tx    bool // names the transaction
	}{
		{"UPDATE ledger.transactions SET code = 'MVCC_READ_CONFLICT' WHERE block = 5", 5, true},
		{"UPDATE ledger.transactions SET code = 'VALID' WHERE code <> 'VALID'", height - 1, false},
		{"UPDATE ledger.transactions SET event = 'other' WHERE block = 20", 20, true},
		{"UPDATE ledger.transactions SET event_name = 'Other' WHERE block = 20", 20, true},
		{"UPDATE ledger.transactions SET bytes = bytes || event, event = '' WHERE block = 20", 20, true},
		{"UPDATE ledger.transactions SET bytes = set_byte(bytes, 100, get_byte(bytes, 100) # 1) WHERE block = 3", 3, true},
		{"UPDATE ledger.transactions SET at = at + interval '1 microsecond' WHERE block = 3", 3, true},
		{"UPDATE ledger.transactions SET function = 'other' WHERE block = 3", 3, true},
		{"UPDATE ledger.transactions SET creator = 'other' WHERE block = 3", 3, true},
		{"UPDATE ledger.transactions SET tx_index = 1 WHERE block = 3", 3, false},
		{"UPDATE ledger.transactions a SET bytes = b.bytes, event = b.event, at = b.at FROM ledger.transactions b WHERE a.block = 3 AND b.block = 4", 3, true},
		{"DELETE FROM ledger.transactions WHERE block = 4", 4, false},
		{"UPDATE ledger.blocks SET at = at + interval '1 microsecond' WHERE number = 2", 2, false},
		{"UPDATE ledger.blocks SET data_hash = sha256('x') WHERE number = 2", 2, false},
		{"UPDATE ledger.blocks SET hash = sha256('x') WHERE number = 2", 2, false},
		{"UPDATE ledger.blocks SET prev_hash = sha256('x') WHERE number = 2", 2, false},
		{"WITH t AS (DELETE FROM ledger.transactions WHERE block = 0) DELETE FROM ledger.blocks WHERE number = 0", 0, false},
		{"WITH t AS (DELETE FROM ledger.transactions WHERE block BETWEEN 10 AND 30) DELETE FROM ledger.blocks WHERE number BETWEEN 10 AND 30", 10, false},
		{fmt.Sprintf("WITH t AS (DELETE FROM ledger.transactions WHERE block >= %d) DELETE FROM ledger.blocks WHERE number >= %[1]d", height-2), height - 2, false},
	} {
		exec(t, owner, "CREATE SCHEMA backup")
		exec(t, owner, "CREATE TABLE backup.blocks AS TABLE ledger.blocks")
		exec(t, owner, "CREATE TABLE backup.transactions AS TABLE ledger.transactions")
		exec(t, owner, test.sql)
		sound, err := l.VerifyChain(t.Context())
		var broken *BrokenError
		if !errors.As(err, &broken) || broken.Block != test.block || sound != test.block || (broken.TxID != "") != test.tx {
			t.Errorf("%s:\n%d sound, %v", test.sql, sound, err)
		}
		exec(t, owner, "TRUNCATE ledger.blocks, ledger.transactions")
		exec(t, owner, "INSERT INTO ledger.blocks TABLE backup.blocks")
		exec(t, owner, "INSERT INTO ledger.transactions TABLE backup.transactions")
		exec(t, owner, "DROP SCHEMA backup CASCADE")
		if verify(t, l) != height {
			t.Fatal("the backup is not the chain")
		}
	}

	exec(t, owner, "WITH t AS (DELETE FROM ledger.transactions WHERE block = 7) DELETE FROM ledger.blocks WHERE number = 7")
	n := 0
	for _, err := range l.Blocks(t.Context(), 0) {
		if n++; err != nil {
			break
		}
	}
	if n != 8 { // seven blocks and the error
		t.Errorf("the stream went on over a hole: %d", n)
	}
}

func TestMetrics(t *testing.T) {
	db := pgtest.New(t)
	r := prometheus.NewPedanticRegistry()
	l, _ := start(t, db, operations, Options{Registerer: r})
	stale := endorse(t, l, "replace", "k", "v")
	invoke(t, l, "replace", "k", "v")
	settle(t, l, stale)
	got := make(map[string]float64)
	// A status may be known a moment before its block is counted.
	eventually(t, func() bool {
		families, err := r.Gather()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range families {
			for _, m := range f.Metric {
				name := f.GetName()
				for _, label := range m.Label {
					name += " " + label.GetValue()
				}
				got[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue() + float64(m.GetHistogram().GetSampleCount())
			}
		}
		return got["ledger_block_height"] == 2 && got["ledger_transactions_total MVCC_READ_CONFLICT"] == 1
	})
	for name, want := range map[string]float64{
		"ledger_block_height": 2, "ledger_transactions_total VALID": 1, "ledger_transactions_total MVCC_READ_CONFLICT": 1,
		"ledger_commit_seconds": 2, "ledger_block_transactions": 2, "ledger_waiting_transactions": 0,
	} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
}

// eventually polls a condition of the database.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(30 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatal("it did not happen")
		}
	}
}
