// Package fabric is the ledger engine on Hyperledger Fabric, through the gateway
// that every peer runs. It works the same against the network of package
// internal/fabric/network and against peers that others run.
package fabric

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/hyperledger/fabric-gateway/pkg/client"
	"github.com/hyperledger/fabric-gateway/pkg/hash"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"
	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"

	"gxcoin.money/gx/internal/fabric/connection"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/platform/clock"
)

// Options of a ledger. Zero values take the defaults.
type Options struct {
	Log        *slog.Logger
	Registerer prometheus.Registerer // nil: metrics are kept but not registered
	Clock      clock.Clock

	// How many calls of a kind are under way at once; more wait. Default 64.
	MaxEndorse, MaxSubmit, MaxEvaluate int

	EndorseTimeout  time.Duration // default 30 s
	SubmitTimeout   time.Duration // default 15 s
	EvaluateTimeout time.Duration // default 15 s

	// CatchUp is how long Status waits for peers that are behind the first with
	// the transaction's block. Default 2 s.
	CatchUp time.Duration
}

func (o *Options) setDefaults() {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = clock.System
	}
	for _, n := range []*int{&o.MaxEndorse, &o.MaxSubmit, &o.MaxEvaluate} {
		*n = cmp.Or(*n, 64)
	}
	o.EndorseTimeout = cmp.Or(o.EndorseTimeout, 30*time.Second)
	o.SubmitTimeout = cmp.Or(o.SubmitTimeout, 15*time.Second)
	o.EvaluateTimeout = cmp.Or(o.EvaluateTimeout, 15*time.Second)
	o.CatchUp = cmp.Or(o.CatchUp, 2*time.Second)
}

// Ledger is a client of one channel. It implements ledger.Ledger; Run must be
// running.
type Ledger struct {
	config     connection.Config
	o          Options
	peers      []*peer // our organization's first
	own        int     // how many of them are ours
	identities *identities
	fates      *fates
	heights    *heights
	metrics    *metrics
	quiet      quiet

	endorsing, submitting, evaluating *semaphore.Weighted
}

var _ ledger.Ledger = (*Ledger)(nil)

// peer is a connection to a peer.
type peer struct {
	connection.Peer
	conn *grpc.ClientConn
}

// New returns a ledger. Peers are reached when they are first needed.
func New(config connection.Config, o Options) (*Ledger, error) {
	o.setDefaults()
	described, err := connection.ReadPeers(config.Profile, config.MSP)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	if config.Channel == "" || config.Chaincode == "" {
		return nil, errors.New("ledger: the channel and the chaincode need names")
	}
	if len(config.Endorsers) == 0 {
		for _, p := range described {
			config.Endorsers = append(config.Endorsers, p.MSP)
		}
		slices.Sort(config.Endorsers)
		config.Endorsers = slices.Compact(config.Endorsers)
	}
	l := &Ledger{
		config: config, o: o, fates: newFates(), quiet: quiet{clock: o.Clock},
		endorsing: semaphore.NewWeighted(int64(o.MaxEndorse)), submitting: semaphore.NewWeighted(int64(o.MaxSubmit)), evaluating: semaphore.NewWeighted(int64(o.MaxEvaluate)),
	}
	if l.identities, err = readIdentities(config.MSP, config.Wallet, o.Log); err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	for _, p := range described {
		if !slices.Contains(config.Endorsers, p.MSP) && p.MSP != config.MSP {
			continue
		}
		conn, err := connection.Dial(p)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("ledger: peer %s: %w", p.Name, err), l.Close())
		}
		l.peers = append(l.peers, &peer{p, conn})
		if p.MSP == config.MSP {
			l.own++
		}
	}
	l.metrics = newMetrics(o.Registerer, l)
	l.heights = newHeights(l.peers, l.metrics)
	return l, nil
}

// Run follows every peer and the wallet until ctx ends, which it returns.
func (l *Ledger) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, p := range l.peers {
		g.Go(func() error { return l.follow(ctx, p) })
	}
	g.Go(func() error { return l.identities.watch(ctx) })
	return g.Wait()
}

// Close closes the connections.
func (l *Ledger) Close() error {
	var errs []error
	for _, p := range l.peers {
		errs = append(errs, p.conn.Close())
	}
	return errors.Join(errs...)
}

// nearest returns the first of our peers that is not known to be away.
func (l *Ledger) nearest() *peer {
	for _, p := range l.peers[:l.own] {
		if p.conn.GetState() != connectivity.TransientFailure {
			return p
		}
	}
	return l.peers[0]
}

// contract calls a chaincode through the gateway of a peer.
func (l *Ledger) contract(p *peer, by *connection.Identity, name string) (*client.Contract, error) {
	g, err := client.Connect(by, client.WithSign(by.SignDigest), client.WithHash(hash.SHA256), client.WithClientConnection(p.conn))
	if err != nil {
		return nil, err
	}
	return g.GetNetwork(l.config.Channel).GetContract(name), nil
}

// pause waits for d or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
