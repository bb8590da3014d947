// Package bench_test measures the ring on a real Hyperledger Fabric network,
// beside a bare client of the same network.
package bench_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/hyperledger/fabric-gateway/pkg/client"
	"github.com/hyperledger/fabric-gateway/pkg/hash"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/fabric/connection"
	"gxcoin.money/gx/internal/fabric/fabrictest"
	"gxcoin.money/gx/internal/fabric/network"
	"gxcoin.money/gx/internal/submitter"
	"gxcoin.money/gx/protocol/command"
)

func TestMain(m *testing.M) { os.Exit(fabrictest.Main(m, contract.Invoke)) }

const (
	people   = 4000 // who pay each other
	inFlight = 64   // transactions of the bare client, and of the ring with batches of one
)

// samples are the figures of the rounds.
type samples []float64

func (s samples) String() string {
	sorted := slices.Sorted(slices.Values(s))
	return fmt.Sprintf("%.0f\t%.0f to %.0f", sorted[len(sorted)/2], sorted[0], sorted[len(sorted)-1])
}

func (s samples) median() float64 { return slices.Sorted(slices.Values(s))[len(s)/2] }

// TestFabric measures in rounds that interleave all contestants.
func TestFabric(t *testing.T) {
	if os.Getenv("GX_TEST_BENCH") != "1" {
		t.Skip("SKIPPED: GX_TEST_BENCH=1 is not set; make fabric-bench sets it")
	}
	rounds := 3
	if n, err := strconv.Atoi(os.Getenv("GX_TEST_BENCH_ROUNDS")); err == nil {
		rounds = n
	}
	n := fabrictest.Run(t, network.Options{Orderers: 1})
	rest := usage(t, n)
	idle := idleCPU(t, n)
	r := newRing(t, n)
	var out strings.Builder
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\tMEDIAN\tSPREAD")
	r.open(people)

	var bare, batches, single, hot, registered samples
	var naked, batched, alone costs
	for round := range rounds {
		naked.of(r, func() int {
			rate, n := r.bare(5 * time.Second)
			bare = append(bare, rate)
			return n
		})
		var all, to []command.Payload
		for i := range 10_000 {
			all = append(all, r.pay(2*i, 2*i+1))
		}
		for i := range 4000 {
			to = append(to, r.pay(1+i%(people-1), 0))
		}
		batched.of(r, func() int {
			batches = append(batches, r.drain(submitter.Options{}, all))
			return len(all)
		})
		alone.of(r, func() int {
			single = append(single, r.drain(submitter.Options{MaxBatch: 1, Pipeline: inFlight}, all[:1000]))
			return 1000
		})
		hot = append(hot, r.drain(submitter.Options{}, to))
		registered = append(registered, r.register(2000))
		t.Logf("round %d: bare %.0f, batches %.0f, batches of one %.0f, hot account %.0f, registered %.0f",
			round+1, bare[round], batches[round], single[round], hot[round], registered[round])
	}
	fmt.Fprintf(w, "bare client, one command a transaction, %d in flight, commands/s\t%v\n", inFlight, bare)
	fmt.Fprintf(w, "ring, batches of up to 500, 4 in flight, commands/s\t%v\n", batches)
	fmt.Fprintf(w, "  times the bare client\t%.1f\n", batches.median()/bare.median())
	fmt.Fprintf(w, "ring, batches of one, %d in flight, commands/s\t%v\n", inFlight, single)
	fmt.Fprintf(w, "  times the bare client\t%.2f\n", single.median()/bare.median())
	fmt.Fprintf(w, "ring, all to one account, commands/s\t%v\n", hot)
	fmt.Fprintf(w, "ring, people of one country registered/s\t%v\n", registered)
	light(t, w, r, "50ms")
	valid, other := r.transactions()
	fmt.Fprintf(w, "transactions that did not commit\t%.2f %%\t%.0f of %.0f\n", 100*other/(valid+other), other, valid+other)
	for _, c := range []struct {
		name string
		costs
	}{{"of the bare client", naked}, {"in batches", batched}, {"alone", alone}} {
		for _, kind := range []string{"orde", "peer", "gxtv", "ring", "post"} {
			fmt.Fprintf(w, "a command %s, all of kind %s\t%.3f ms of CPU\t%.0f bytes on the disk of each\n",
				c.name, kind, 1000*c.seconds[kind]/c.commands, c.bytes[kind]/c.commands)
		}
		fmt.Fprintf(w, "a command %s, everything\t%.3f ms of CPU\t%.1f times less than the bare client\n", c.name, 1000*c.each(), naked.each()/c.each())
	}
	fmt.Fprintf(w, "network, idle CPU\t%.1f %%\tof one core\n", 100*idle)
	load := usage(t, n)
	for _, kind := range []string{"orde", "peer", "gxtv"} {
		fmt.Fprintf(w, "memory of each %s, MiB\t%.0f\tat rest %.0f\n", kind, load[kind], rest[kind])
	}
	n.Stop()

	slow := newRing(t, fabrictest.Run(t, network.Options{Orderers: 1, BatchTimeout: 200 * time.Millisecond}))
	slow.open(100)
	light(t, w, slow, "200ms")
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	t.Logf("\n%s", &out)
}

// light measures single commands at a rate that keeps nobody waiting.
func light(t *testing.T, w *tabwriter.Writer, r *ring, blocks string) {
	t.Helper()
	const rate, count = 20, 200
	stop := r.submitter(submitter.Options{})
	defer stop()
	var mu sync.Mutex
	var took []time.Duration
	var all sync.WaitGroup
	tick := time.NewTicker(time.Second / rate)
	defer tick.Stop()
	for i := range count {
		<-tick.C
		all.Go(func() {
			d, err := r.accept(t.Context(), r.pay(2*i, 2*i+1))
			if err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			took = append(took, d)
		})
	}
	all.Wait()
	slices.Sort(took)
	fmt.Fprintf(w, "accepted to projected at %d/s, blocks every %s, p50 and p99\t%v\t%v\n",
		rate, blocks, took[count/2].Round(time.Millisecond), took[count*99/100].Round(time.Millisecond))
}

// bare commits single transfers with nothing but the gateway's client, as fast
// as it goes, and returns how many a second and in all.
func (r *ring) bare(d time.Duration) (rate float64, n int) {
	r.t.Helper()
	config := r.network.Client()
	peers, err := connection.ReadPeers(config.Profile, config.MSP)
	if err != nil {
		r.t.Fatal(err)
	}
	conn, err := connection.Dial(peers[0])
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close()
	cert, key := connection.WalletFiles(config.Wallet, "partner-api")
	id, err := connection.ReadIdentity(config.MSP, cert, key)
	if err != nil {
		r.t.Fatal(err)
	}
	g, err := client.Connect(id, client.WithSign(id.SignDigest), client.WithHash(hash.SHA256), client.WithClientConnection(conn))
	if err != nil {
		r.t.Fatal(err)
	}
	defer g.Close()
	c := g.GetNetwork(config.Channel).GetContract(config.Chaincode)
	definition, ok := command.Lookup(command.TypeTransferTokens)
	if !ok {
		r.t.Fatal("there are no transfers")
	}
	ctx, cancel := context.WithTimeout(r.t.Context(), d)
	defer cancel()
	var done, failed atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for k := range inFlight {
		all.Go(func() {
			// Each client has people of its own: nobody conflicts.
			for i := k; ctx.Err() == nil; i += inFlight {
				p := r.pay(2*i, 2*i+1).(*command.TransferTokens)
				_, err := c.Submit(definition.Name(), client.WithArguments(p.FromID, p.ToID, p.Amount.String(), p.TypeHint, p.Remark))
				if err != nil {
					failed.Add(1)
				} else {
					done.Add(1)
				}
			}
		})
	}
	all.Wait()
	took := time.Since(began)
	if f := failed.Load(); f > done.Load()/20 {
		r.t.Errorf("%d of the bare client's transactions failed, %d committed", f, done.Load())
	}
	return float64(done.Load()) / took.Seconds(), int(done.Load())
}
