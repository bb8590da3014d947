package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"
)

const (
	serveLimit = 30 * time.Second // from the start of a chaincode server to its first answer
	drain      = 2 * time.Second  // for transactions that began on an old server
)

// Upgrade makes a program's contracts the chaincode of a running network, while
// transactions flow: the new servers start beside the old, every organization
// installs and approves, the definition is committed, and the old servers stop.
// Version and program may be empty: the next number, this program. A version
// whose servers do not answer is taken back; an upgrade that was interrupted later
// is resumed by the next.
func (n *Network) Upgrade(ctx context.Context, version, program string) (Server, error) {
	lock, err := acquire(n.o.Dir, changeLock)
	if err != nil {
		return Server{}, err
	}
	defer lock.Close()
	s, err := n.upgrade(ctx, version, cmp.Or(program, n.o.Program))
	if err != nil {
		return s, fmt.Errorf("network: upgrade: %w", err)
	}
	return s, nil
}

func (n *Network) upgrade(ctx context.Context, version, program string) (Server, error) {
	if _, err := readState(n.o.Dir); err != nil {
		return Server{}, err
	}
	if err := n.nextServer(ctx, version, program); err != nil {
		return Server{}, err
	}
	newest := n.topology.newest()
	c, err := n.connect()
	if err != nil {
		return newest, err
	}
	defer c.close()
	if err := n.awaitServers(ctx, newest); err != nil {
		return newest, errors.Join(err, n.withdraw(newest))
	}
	if err := n.deploy(ctx, c, newest); err != nil {
		return newest, err
	}
	if err := n.awaitEndorsement(ctx, c); err != nil {
		return newest, err
	}
	pause(ctx, drain)
	return newest, n.retain(func(s Server) bool { return s == newest })
}

func (n *Network) awaitServers(ctx context.Context, s Server) error {
	ctx, cancel := context.WithTimeoutCause(ctx, serveLimit, fmt.Errorf("it did not answer within %s", serveLimit))
	defer cancel()
	for _, o := range n.roster.members {
		server := serverOf(o, s)
		if err := poll(ctx, pollEvery, func() error { return n.greet(ctx, server) }); err != nil {
			return fmt.Errorf("%s: %w", server.id(), err)
		}
	}
	return nil
}

// withdraw forgets a version that is not committed.
func (n *Network) withdraw(s Server) error {
	if len(n.topology.Servers) == 1 {
		return nil // there is no other
	}
	return n.retain(func(other Server) bool { return other != s })
}

// retain lets some of the chaincode servers go.
func (n *Network) retain(keep func(Server) bool) error {
	old, t := n.roster, n.topology
	t.Servers = slices.DeleteFunc(slices.Clone(t.Servers), func(s Server) bool { return !keep(s) })
	if err := n.apply(t); err != nil {
		return err
	}
	var errs []error
	for _, node := range old.nodes() {
		if node.kind == chaincodeServer && !keep(node.server) {
			errs = append(errs, node.org.Remove(node.name))
		}
	}
	return errors.Join(errs...)
}

// nextServer makes a new version's server part of the network, unless one is
// there already that an upgrade has not committed.
func (n *Network) nextServer(ctx context.Context, version, program string) error {
	c, err := n.connect()
	if err != nil {
		return err
	}
	defer c.close()
	committed, err := n.committed(ctx, c)
	if err != nil {
		return err
	}
	t := n.topology
	if pending := t.newest(); pending.Sequence > committed {
		if version != "" && version != pending.Version {
			return fmt.Errorf("the upgrade to version %s was interrupted: finish that first", pending.Version)
		}
		return nil
	}
	t.Servers = append(slices.Clone(t.Servers), Server{
		Sequence: committed + 1, Version: cmp.Or(version, strconv.FormatInt(committed+1, 10)), Program: program,
	})
	return n.apply(t)
}

// apply stores a topology, which the process that runs the network follows.
func (n *Network) apply(t Topology) error {
	if err := n.read(t); err != nil {
		return err
	}
	if err := n.prepare(); err != nil { // before anyone starts
		return err
	}
	return n.topology.save(n.o.Dir)
}

// Renew issues every certificate anew for the key it has, which changes nothing
// on the channel. Of a network that runs it restarts the nodes one by one.
func (n *Network) Renew(ctx context.Context) error {
	lock, err := acquire(n.o.Dir, changeLock)
	if err != nil {
		return err
	}
	defer lock.Close()
	n.o.RenewBefore = math.MaxInt64 // all are due
	err = n.read(n.topology)
	if err == nil {
		err = n.prepare()
	}
	if err == nil {
		err = n.restart(ctx)
	}
	if err != nil {
		return fmt.Errorf("network: renew: %w", err)
	}
	return nil
}

func (n *Network) restart(ctx context.Context) error {
	state, err := readState(n.o.Dir)
	if err != nil && !errors.Is(err, errDown) {
		return err
	}
	c, err := n.connect()
	if err != nil {
		return err
	}
	defer c.close()
	for _, node := range n.roster.nodes() {
		if node.kind == peer {
			// What its builder made of the packages holds the old certificate.
			if err := os.RemoveAll(filepath.Join(n.dataDir(node), "externalbuilder", "builds")); err != nil {
				return err
			}
		}
		// A chaincode server reads its certificate for every connection.
		if node.kind == chaincodeServer || state.PID == 0 {
			continue
		}
		if err := n.restartNode(ctx, c, node); err != nil {
			return fmt.Errorf("restart %s: %w", node.id(), err)
		}
	}
	return nil
}

// restartNode ends a node, which its process starts again, and waits until it is
// well and has caught up.
func (n *Network) restartNode(ctx context.Context, c *clients, node *node) error {
	before, err := readState(n.o.Dir)
	if err != nil {
		return err
	}
	old := before.Nodes[node.id()].PID
	if old == 0 {
		return errors.New("it is not running")
	}
	height, err := n.examine(ctx, c, node)
	if err != nil {
		return err
	}
	if err := signal(old, syscall.SIGTERM); err != nil {
		return err
	}
	err = poll(ctx, pollEvery, func() error {
		now, err := readState(n.o.Dir)
		if err != nil {
			return err
		}
		if pid := now.Nodes[node.id()].PID; pid == 0 || pid == old {
			return errors.New("it has not ended yet")
		}
		again, err := n.examine(ctx, c, node)
		if err == nil && again < height {
			err = fmt.Errorf("it has %d blocks of %d", again, height)
		}
		return err
	})
	if err == nil && node.kind == orderer {
		err = n.awaitLeader(ctx) // before the next one goes
	}
	if err == nil {
		n.o.Log.Info("node was restarted", slog.String("node", node.id()))
	}
	return err
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
