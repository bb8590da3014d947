package fabric

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gxcoin.money/gx/internal/fabric/fabrictest"
	"gxcoin.money/gx/internal/fabric/network"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/protocol/role"
)

// load is clients that keep committing, each on a key of its own, the way a
// submitter does: what is unknown is submitted again, never made anew.
type load struct {
	t        *testing.T
	ledger   *Ledger
	cancel   context.CancelFunc
	workers  sync.WaitGroup
	counts   []int // valid transactions of a worker
	prefix   string
	unknown  atomic.Int64  // submits and waits without an answer
	failed   atomic.Int64  // endorsements without an answer
	progress chan struct{} // one for each commit
}

func startLoad(t *testing.T, l *Ledger, prefix string, workers int) *load {
	ctx, cancel := context.WithCancel(context.Background())
	d := &load{t: t, ledger: l, cancel: cancel, counts: make([]int, workers), prefix: prefix, progress: make(chan struct{}, 1)}
	for w := range workers {
		d.workers.Go(func() {
			for ctx.Err() == nil {
				d.one(ctx, w)
			}
		})
	}
	return d
}

func (d *load) key(w int) string { return d.prefix + strconv.Itoa(w) }

// one commits one transaction, however long it takes.
func (d *load) one(stop context.Context, w int) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		tx, err := d.ledger.Endorse(context.Background(), ledger.Proposal{Identity: role.Admin, Function: "add", Args: []string{d.key(w)}})
		if err != nil {
			if !errors.Is(err, ledger.ErrUnavailable) {
				d.t.Errorf("endorse: %v", err)
				return
			}
			if d.failed.Add(1); stop.Err() != nil {
				return
			}
			<-tick.C
			continue
		}
		s := d.settle(tx)
		if s.Code.Conflict() {
			continue
		}
		if s.Code != ledger.Valid {
			d.t.Errorf("a transaction is %s", s.Code)
			return
		}
		d.counts[w]++
		select {
		case d.progress <- struct{}{}:
		default:
		}
		return
	}
}

// settle submits the same transaction until its fate is known.
func (d *load) settle(tx ledger.Transaction) ledger.Status {
	for {
		if err := d.ledger.Submit(context.Background(), tx); err != nil {
			d.unknown.Add(1)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		s, err := d.ledger.Status(ctx, tx.ID)
		cancel()
		if err == nil {
			return s
		}
		d.unknown.Add(1)
	}
}

// recovers reports how long it takes from now until transactions commit that
// begin from now on.
func (d *load) recovers(t *testing.T, what string) {
	t.Helper()
	began := time.Now()
	for range 2 * len(d.counts) { // those under way, and then some
		select {
		case <-d.progress:
		case <-time.After(time.Minute):
			t.Fatalf("%s: nothing commits", what)
		}
	}
	t.Logf("%s: commits again after %s", what, time.Since(began).Round(time.Millisecond))
}

// suffers waits until every client has waited in vain.
func (d *load) suffers(t *testing.T) {
	t.Helper()
	before := d.unknown.Load() + d.failed.Load()
	fabrictest.Eventually(t, func() bool { return d.unknown.Load()+d.failed.Load() >= before+int64(len(d.counts)) })
}

// stop ends the load and checks that every transaction had its effect once, and
// was streamed once.
func (d *load) stop() {
	d.t.Helper()
	d.cancel()
	d.workers.Wait()
	seen := make(map[string]int)
	height, err := d.ledger.Height(d.t.Context())
	if err != nil {
		d.t.Fatal(err)
	}
	ids := make(map[string]bool)
	for b, err := range d.ledger.Blocks(d.t.Context(), 0) {
		if err != nil {
			d.t.Fatal(err)
		}
		for _, tx := range b.Txs {
			if tx.ID != "" && ids[tx.ID] {
				d.t.Errorf("transaction %s comes twice", tx.ID)
			}
			ids[tx.ID] = true
			if tx.Event != nil {
				seen[string(tx.Event.Payload)]++
			}
		}
		if b.Number+1 >= height {
			break
		}
	}
	total := 0
	for w, n := range d.counts {
		total += n
		value, err := d.ledger.Evaluate(d.t.Context(), ledger.Proposal{Identity: role.Admin, Function: "get", Args: []string{d.key(w)}})
		if err != nil {
			d.t.Fatal(err)
		}
		if string(value) != strconv.Itoa(n) || seen[d.key(w)] != n {
			d.t.Errorf("%d valid transactions of %s, %s on the ledger, %d streamed", n, d.key(w), value, seen[d.key(w)])
		}
	}
	d.t.Logf("%d transactions, none lost, none twice; %d answers were unknown, %d endorsements failed", total, d.unknown.Load(), d.failed.Load())
}

// signal sends a signal to a node's process.
func signal(t *testing.T, n *fabrictest.Network, id string, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(n.PID(t, id), sig); err != nil {
		t.Fatalf("%s: %v", id, err)
	}
}

// Whatever fails under load, what was begun commits once when it is over.
func TestFailuresUnderLoad(t *testing.T) {
	fabrictest.Thorough(t)
	n := fabrictest.Run(t, network.Options{Orderers: 3})
	l, _ := open(t, n.Client(), Options{EndorseTimeout: 5 * time.Second, SubmitTimeout: 5 * time.Second})
	d := startLoad(t, l, t.Name()+"/", 6)
	d.recovers(t, "start")
	for _, id := range []string{
		"orderer0.orderers", "orderer1.orderers", "orderer2.orderers",
		"peer0.org1", "peer0.org2", "gxtv3-1.org1", "gxtv3-1.org2",
	} {
		t.Run(id+" killed", func(t *testing.T) {
			signal(t, n, id, syscall.SIGKILL)
			d.recovers(t, "killed")
		})
	}
	t.Run("two of three orderers down and back", func(t *testing.T) {
		down := []string{"orderer1.orderers", "orderer2.orderers"}
		for _, id := range down {
			signal(t, n, id, syscall.SIGSTOP)
		}
		d.suffers(t)
		for _, id := range down {
			signal(t, n, id, syscall.SIGKILL)
		}
		d.recovers(t, "back")
	})
	for _, id := range []string{"peer0.org1", "peer0.org2", "gxtv3-1.org2"} {
		t.Run(id+" hangs", func(t *testing.T) {
			signal(t, n, id, syscall.SIGSTOP)
			d.suffers(t)
			signal(t, n, id, syscall.SIGCONT)
			d.recovers(t, "goes on")
		})
	}
	t.Run("one organization refuses to endorse", func(t *testing.T) {
		refusal := filepath.Join(n.Options.Dir, "data", "gxtv3-1.org2", refuses)
		if err := os.WriteFile(refusal, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		d.suffers(t)
		if err := os.Remove(refusal); err != nil {
			t.Fatal(err)
		}
		d.recovers(t, "endorses again")
	})
	d.stop()
}

// The only orderer acknowledges transactions and dies before they are in a block.
func TestAcknowledgedTransactionsThatWereLost(t *testing.T) {
	fabrictest.Thorough(t)
	n := fabrictest.Run(t, network.Options{Orderers: 1, BatchTimeout: 2 * time.Second})
	l, _ := open(t, n.Client(), Options{})
	d := &load{t: t, ledger: l, prefix: t.Name() + "/", counts: make([]int, 10)}
	var txs []ledger.Transaction
	for w := range d.counts {
		tx, err := l.Endorse(t.Context(), ledger.Proposal{Identity: role.Admin, Function: "add", Args: []string{d.key(w)}})
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Submit(t.Context(), tx); err != nil {
			t.Fatal(err)
		}
		txs = append(txs, ledger.Transaction{ID: tx.ID, Bytes: tx.Bytes}) // all that an outbox keeps
	}
	signal(t, n, "orderer0.orderers", syscall.SIGKILL)
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
	defer cancel()
	if s, err := l.Status(ctx, txs[0].ID); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a lost transaction has status %v, %v", s, err)
	}
	began := time.Now()
	var all sync.WaitGroup
	for w, tx := range txs {
		all.Go(func() {
			if s := d.settle(tx); s.Code != ledger.Valid {
				t.Errorf("after the orderer's death: %v", s)
			}
			d.counts[w]++
		})
	}
	all.Wait()
	t.Logf("%d of %d committed after %s", len(txs), len(txs), time.Since(began).Round(time.Millisecond))
	d.cancel = func() {}
	d.stop()
}

// A consumer and a client that begin after the fact know as much.
func TestClientRestart(t *testing.T) {
	n := fabrictest.Run(t, network.Options{Orderers: 1})
	l, stop := open(t, n.Client(), Options{})
	tx, err := l.Endorse(t.Context(), ledger.Proposal{Identity: role.Admin, Function: "add", Args: []string{"k"}})
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Submit(t.Context(), tx); err != nil {
		t.Fatal(err)
	}
	first, err := l.Status(t.Context(), tx.ID)
	if err != nil || first.Code != ledger.Valid {
		t.Fatalf("%v, %v", first, err)
	}
	stop()
	n.Stop()
	n.Start()
	l, _ = open(t, n.Client(), Options{})
	stored := ledger.Transaction{ID: tx.ID, Bytes: tx.Bytes}
	if s, err := l.Status(t.Context(), tx.ID); err != nil || s != first {
		t.Errorf("the status is %v, %v, was %v", s, err, first)
	}
	again, _ := open(t, n.Client(), Options{}) // knows nothing
	if err := again.Submit(t.Context(), stored); err != nil {
		t.Error(err)
	}
	if s, err := again.Status(t.Context(), tx.ID); err != nil || s != first {
		t.Errorf("submitted again, the status is %v, %v, was %v", s, err, first)
	}
	if value, err := again.Evaluate(t.Context(), ledger.Proposal{Identity: role.Admin, Function: "get", Args: []string{"k"}}); err != nil || string(value) != "1" {
		t.Errorf("the value is %q, %v", value, err)
	}
}

func TestOrganizationsDisagree(t *testing.T) {
	n := fabrictest.Run(t, network.Options{Orderers: 1})
	l, _ := open(t, n.Client(), Options{})
	servers := make(map[string]string)
	s, err := n.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, node := range s.Nodes {
		servers[node.Name] = node.Address
	}
	for name, p := range map[string]ledger.Proposal{
		"the results differ": {Function: "process"},
		"the first refuses":  {Function: "refuse", Args: []string{servers["gxtv3-1.org1"]}},
		"the second refuses": {Function: "refuse", Args: []string{servers["gxtv3-1.org2"]}},
	} {
		p.Identity = role.Admin
		_, err := l.Endorse(t.Context(), p)
		if !errors.Is(err, ledger.ErrUnavailable) || errors.As(err, new(*ledger.ContractError)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// All refuse: that is the contract's answer.
	_, err = l.Endorse(t.Context(), ledger.Proposal{Identity: role.Admin, Function: "none"})
	if c := (*ledger.ContractError)(nil); !errors.As(err, &c) || c.Message != "NOT_FOUND: none" {
		t.Errorf("all refuse: %v", err)
	}
}
