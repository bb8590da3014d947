package network

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"gxcoin.money/gx/contract/chaincode"
	"gxcoin.money/gx/internal/fabric/builder"
	"gxcoin.money/gx/internal/platform/supervise"
)

const (
	startLimit = 2 * time.Minute // from the start of the nodes to a network that endorses
	stopLimit  = 10 * time.Second
	watchEvery = 200 * time.Millisecond
	maxLogSize = 64 << 20 // of a node; a larger log is put aside at the next start

	// A node makes much garbage and holds little: it collects at three times what
	// it holds, and more often near a limit.
	gogc        = "200"
	memoryLimit = "1GiB"
)

// Run runs the network until ctx ends, which stops it, or until it can't be
// started. A node that ends is started again. Ready is called once the channel
// endorses. Only one process at a time runs a network.
func (n *Network) Run(ctx context.Context, ready func()) error {
	lock, err := acquire(n.o.Dir, runLock)
	if err != nil {
		return err
	}
	defer lock.Close()
	r := &runner{network: n, running: make(map[string]*running)}
	defer r.stop()
	if err := r.reconcile(); err != nil {
		return fmt.Errorf("network: %w", err)
	}
	started := make(chan error, 1)
	starting, cancel := context.WithTimeoutCause(ctx, startLimit, fmt.Errorf("it was not ready within %s", startLimit))
	defer cancel()
	go func() { started <- n.bootstrap(starting) }()
	began := time.Now()

	n.warn(ctx)
	tick, warn := time.NewTicker(watchEvery), time.NewTicker(warnEvery)
	defer tick.Stop()
	defer warn.Stop()
	for {
		select {
		case <-ctx.Done():
			cancel()
			if started != nil {
				<-started
			}
			return nil
		case err := <-started:
			if err != nil && ctx.Err() == nil {
				return fmt.Errorf("network: start: %w", err)
			}
			started, r.ready = nil, err == nil
			if r.ready {
				n.o.Log.Info("Fabric network is ready", slog.Duration("after", time.Since(began).Round(time.Millisecond)))
				r.publish()
				ready()
			}
		case <-warn.C:
			n.warn(ctx)
		case <-tick.C:
			if started != nil {
				break // one thing after the other
			}
			err := r.reconcile()
			if errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("network: somebody has removed it: %w", err)
			}
			if err != nil {
				n.o.Log.Error("the network's topology can't be read", slog.Any("err", err))
			}
		}
		r.publish()
	}
}

// runner runs the nodes that the topology names.
type runner struct {
	network   *Network
	ready     bool
	read      time.Time // modification time of the topology that is running
	running   map[string]*running
	published runState
}

// running is a node that is kept running.
type running struct {
	process *supervise.Process // nil: served in this process
	cancel  context.CancelFunc
	ended   chan struct{}
}

// reconcile starts and stops nodes after a change of the topology.
func (r *runner) reconcile() error {
	n := r.network
	info, err := os.Stat(filepath.Join(n.o.Dir, "network.json"))
	if err != nil {
		return err
	}
	if info.ModTime().Equal(r.read) {
		return nil
	}
	t, err := load(n.o.Dir)
	if err != nil {
		return err
	}
	if err := n.read(t); err != nil { // who changed it has prepared all
		return err
	}
	wanted := make(map[string]bool)
	for _, node := range n.roster.nodes() {
		wanted[node.id()] = true
		if _, ok := r.running[node.id()]; !ok {
			started, err := n.start(node)
			if err != nil {
				return err
			}
			r.running[node.id()] = started
		}
	}
	for id, node := range r.running {
		if !wanted[id] {
			node.cancel()
			<-node.ended
			delete(r.running, id)
		}
	}
	r.read = info.ModTime()
	return nil
}

func (r *runner) stop() {
	for _, node := range r.running {
		node.cancel()
	}
	for _, node := range r.running {
		<-node.ended
	}
	if err := ignoreAbsent(os.Remove(runFile(r.network.o.Dir))); err != nil {
		r.network.o.Log.Error("the network's state can't be removed", slog.Any("err", err))
	}
}

// publish writes who runs, for other processes, when it has changed.
func (r *runner) publish() {
	now := runState{PID: os.Getpid(), Ready: r.ready, Nodes: make(map[string]nodeState)}
	for id, node := range r.running {
		var s nodeState
		if node.process != nil {
			s.PID = node.process.PID()
			s.Restarts, s.Last = node.process.Restarts()
		}
		now.Nodes[id] = s
	}
	if now.equal(r.published) {
		return
	}
	if err := now.write(r.network.o.Dir); err != nil {
		r.network.o.Log.Error("the network's state can't be written", slog.Any("err", err))
		return
	}
	r.published = now
}

// start keeps a node running.
func (n *Network) start(node *node) (*running, error) {
	for _, dir := range []string{n.dataDir(node), filepath.Dir(n.logFile(node))} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &running{cancel: cancel, ended: make(chan struct{})}
	run := func() error { return n.serveHere(ctx, node) }
	if node.kind != chaincodeServer || n.o.Serve == nil {
		r.process = &supervise.Process{
			Name: node.id(), Command: func() *exec.Cmd { return n.command(node) }, Log: n.o.Log,
			StopTimeout: stopLimit, MinPause: 100 * time.Millisecond, MaxPause: 5 * time.Second,
		}
		run = func() error { return r.process.Run(ctx) }
	}
	go func() {
		defer close(r.ended)
		if err := run(); err != nil {
			n.o.Log.Warn("node", slog.String("node", node.id()), slog.Any("err", err))
		}
	}()
	return r, nil
}

// command is what runs a node. Nothing of our environment reaches it: Fabric
// takes settings from there.
func (n *Network) command(node *node) *exec.Cmd {
	var cmd *exec.Cmd
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + n.o.Dir, "TMPDIR=" + os.TempDir(), "GOGC=" + gogc, "GOMEMLIMIT=" + memoryLimit}
	switch node.kind {
	case orderer:
		cmd = exec.Command(n.o.Tools.Program("orderer"))
	case peer:
		cmd = exec.Command(n.o.Tools.Program("peer"), "node", "start")
		env = append(env, builder.TLSDir+"="+node.org.TLSDir(node.name))
	case chaincodeServer:
		cmd = exec.Command(node.server.Program, "chaincode")
		o := n.serverOptions(node)
		env = append(env, "CHAINCODE_ID="+o.ID, "CHAINCODE_SERVER_ADDRESS="+o.Address,
			"CHAINCODE_TLS_CERT="+o.Cert, "CHAINCODE_TLS_KEY="+o.Key, "CHAINCODE_CLIENT_CA_CERT="+o.Clients)
	}
	cmd.Env = append(env, "FABRIC_CFG_PATH="+n.configDir(node), "FABRIC_LOGGING_SPEC="+n.o.LogSpec)
	cmd.Dir = n.dataDir(node)
	log, err := openLog(n.logFile(node))
	if err != nil {
		cmd.Err = err
		return cmd
	}
	cmd.Stdout, cmd.Stderr = log, log
	return cmd
}

// serveHere serves a chaincode in this process.
func (n *Network) serveHere(ctx context.Context, node *node) error {
	return chaincode.Serve(ctx, n.serverOptions(node))
}

func (n *Network) serverOptions(node *node) chaincode.Options {
	tls := node.org.TLSDir(node.name)
	return chaincode.Options{
		ID: n.pkg(node).id(), Address: node.address, Chaincode: n.o.Serve, Log: n.o.Log,
		Cert: filepath.Join(tls, "cert.pem"), Key: filepath.Join(tls, "key.pem"), Clients: filepath.Join(tls, "ca.pem"),
	}
}
