package network

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/hyperledger/fabric-protos-go-apiv2/common"
	fabricpeer "github.com/hyperledger/fabric-protos-go-apiv2/peer"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/proto"

	"gxcoin.money/gx/internal/fabric/pki"
)

// Status is how a network is.
type Status struct {
	Topology     Topology     `json:"topology"`
	PID          int          `json:"pid"` // of the process that runs it, 0: it is down
	Ready        bool         `json:"ready"`
	Nodes        []NodeStatus `json:"nodes"`
	Certificates []pki.Expiry `json:"certificates"` // those that expire first, first
}

// NodeStatus is how a node is.
type NodeStatus struct {
	Name     string `json:"name"`
	Address  string `json:"address"`
	PID      int    `json:"pid"`
	Restarts int    `json:"restarts"`
	Height   uint64 `json:"height"`           // blocks of an orderer or peer
	Problem  string `json:"problem,omitzero"` // empty: it is well
}

// Status asks every node.
func (n *Network) Status(ctx context.Context) (Status, error) {
	s := Status{Topology: n.topology}
	run, err := readState(n.o.Dir)
	if err != nil && !errors.Is(err, errDown) {
		return s, fmt.Errorf("network: %w", err)
	}
	s.PID, s.Ready = run.PID, run.Ready
	c, err := n.connect()
	if err != nil {
		return s, fmt.Errorf("network: %w", err)
	}
	defer c.close()
	for _, node := range n.roster.nodes() {
		is := NodeStatus{Name: node.id(), Address: node.address, PID: run.Nodes[node.id()].PID, Restarts: run.Nodes[node.id()].Restarts}
		if run.PID == 0 {
			is.Problem = "not running"
		} else if is.Height, err = n.examine(ctx, c, node); err != nil {
			is.Problem = err.Error()
		}
		s.Nodes = append(s.Nodes, is)
	}
	if s.Certificates, err = n.certificates(); err != nil {
		return s, fmt.Errorf("network: %w", err)
	}
	return s, nil
}

// examine returns a node's number of blocks, or what is wrong with it.
func (n *Network) examine(ctx context.Context, c *clients, node *node) (height uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	if node.kind == chaincodeServer {
		return 0, n.greet(ctx, node)
	}
	client, err := n.https(node.org)
	if err != nil {
		return 0, err
	}
	status, answer, err := request(ctx, client, http.MethodGet, "https://"+node.ops+"/healthz", "", nil)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("health: status %d: %s", status, answer)
	}
	if err != nil {
		return 0, err
	}
	if node.kind == orderer {
		_, answer, err := request(ctx, client, http.MethodGet, "https://"+node.aux+"/participation/v1/channels/"+n.topology.Channel, "", nil)
		if err != nil {
			return 0, err
		}
		var info struct {
			Height uint64 `json:"height"`
		}
		return info.Height, json.Unmarshal(answer, &info)
	}
	for _, p := range c.peers {
		if p.node == node {
			answer, err := p.call(ctx, n.topology.Channel, "qscc", "GetChainInfo", []byte(n.topology.Channel))
			if err != nil {
				return 0, err
			}
			var info common.BlockchainInfo
			err = proto.Unmarshal(answer, &info)
			return info.GetHeight(), err
		}
	}
	return 0, fmt.Errorf("%s is unknown", node.id())
}

// greet meets a chaincode server as a peer does: the server speaks first and
// names its package.
func (n *Network) greet(ctx context.Context, node *node) error {
	dir := node.org.TLSDir(node.org.of(peer)[0].name)
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(node.address, grpc.WithNoProxy(), grpc.WithTransportCredentials(credentials.NewTLS(
		&tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool(node.org), Certificates: []tls.Certificate{cert}})))
	if err != nil {
		return err
	}
	defer conn.Close()
	stream, err := fabricpeer.NewChaincodeClient(conn).Connect(ctx)
	if err != nil {
		return err
	}
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	var id fabricpeer.ChaincodeID
	if err := proto.Unmarshal(first.GetPayload(), &id); err != nil {
		return err
	}
	if want := n.pkg(node).id(); first.GetType() != fabricpeer.ChaincodeMessage_REGISTER || id.GetName() != want {
		return fmt.Errorf("it serves %q, not %q", id.GetName(), want)
	}
	return nil
}

// Down stops the process that runs the network in a directory and waits until
// it is gone. It reports whether there was one.
func Down(ctx context.Context, dir string) (bool, error) {
	s, err := readState(dir)
	if errors.Is(err, errDown) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("network: %w", err)
	}
	if s.PID == 0 {
		return false, errors.New("network: it is just starting or stopping: try again")
	}
	if err := signal(s.PID, syscall.SIGTERM); err != nil {
		return false, fmt.Errorf("network: %w", err)
	}
	err = poll(ctx, pollEvery, func() error {
		held, err := isHeld(dir)
		if err == nil && held {
			err = fmt.Errorf("process %d still runs it", s.PID)
		}
		return err
	})
	if err != nil {
		return true, fmt.Errorf("network: stop: %w", err)
	}
	return true, nil
}

func signal(pid int, sig os.Signal) error {
	p, err := os.FindProcess(pid)
	if err == nil {
		err = p.Signal(sig)
	}
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	return nil
}

// Reset deletes a network that is down: its chain, keys and all.
func Reset(dir string) error {
	if _, err := load(dir); errors.Is(err, fs.ErrNotExist) {
		return ErrAbsent
	}
	lock, err := acquire(dir, runLock)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := os.RemoveAll(dir); err != nil {
		return fmt.Errorf("network: %w", err)
	}
	return nil
}

// Ready reports whether a process runs the network in a directory and the
// channel endorses.
func Ready(dir string, pid int) bool {
	s, err := readState(dir)
	return err == nil && s.PID == pid && s.Ready
}
