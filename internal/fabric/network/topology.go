package network

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gxcoin.money/gx/internal/fabric/pki"
)

// Topology is what a network was made with, kept in its network.json.
type Topology struct {
	Channel      string `json:"channel"`
	Chaincode    string `json:"chaincode"`
	Host         string `json:"host"`     // every node listens, and is reached, there
	BasePort     int    `json:"basePort"` // the first of portSpan
	Orderers     int    `json:"orderers"`
	Peers        int    `json:"peers"`        // of each organization
	BatchTimeout string `json:"batchTimeout"` // until an orderer cuts a block

	// Servers are the chaincode servers to run for each organization, the newest
	// last: during an upgrade the old one serves until the new one is committed.
	Servers []Server `json:"servers"`
}

// Server is one version of the chaincode as a service.
type Server struct {
	Sequence int64  `json:"sequence"` // of the definition on the channel
	Version  string `json:"version"`
	Program  string `json:"program"` // the gx binary that serves it
}

// Ports from the base: ten for each orderer and peer, one for each chaincode server.
const (
	portSpan      = 250
	maxOrderers   = 9
	maxPeers      = 5
	peerPorts     = 100
	serverPorts   = 200
	serverSlots   = 10 // of an organization
	nodePorts     = 10
	organizations = 2
)

const domain = "gx"

func (t *Topology) check() error {
	timeout, err := time.ParseDuration(t.BatchTimeout)
	ip := net.ParseIP(t.Host)
	switch {
	case ip != nil && ip.IsUnspecified():
		return fmt.Errorf("host %s: nodes listen there and are reached there, so it must be one address of this machine", t.Host)
	case err != nil || timeout <= 0:
		return fmt.Errorf("batch timeout %q is not a positive duration", t.BatchTimeout)
	case t.Orderers < 1 || t.Orderers > maxOrderers || t.Orderers%2 == 0:
		return fmt.Errorf("%d orderers: an odd number up to %d keeps a majority", t.Orderers, maxOrderers)
	case t.Peers < 1 || t.Peers > maxPeers:
		return fmt.Errorf("%d peers for each organization: from 1 to %d", t.Peers, maxPeers)
	case t.BasePort < 1024 || t.BasePort+portSpan > 65536:
		return fmt.Errorf("base port %d: from 1024 to %d", t.BasePort, 65536-portSpan)
	case len(t.Servers) == 0:
		return errors.New("there is no version of the chaincode")
	case t.Host == "" || t.Channel == "" || t.Chaincode == "":
		return errors.New("host, channel and chaincode need names")
	}
	return nil
}

// newest is the version of the chaincode that is, or is to be, the channel's.
func (t *Topology) newest() Server { return t.Servers[len(t.Servers)-1] }

// load reads the topology of a network that exists.
func load(dir string) (Topology, error) {
	var t Topology
	content, err := os.ReadFile(filepath.Join(dir, "network.json"))
	if err != nil {
		return t, err
	}
	if err := json.Unmarshal(content, &t); err != nil {
		return t, fmt.Errorf("%s: %w", filepath.Join(dir, "network.json"), err)
	}
	return t, t.check()
}

func (t *Topology) save(dir string) error {
	content, err := json.Marshal(t, jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, "network.json"), content)
}

// replaceFile writes a file as a whole.
func replaceFile(file string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(file+".new", content, 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

func exists(file string) bool {
	_, err := os.Stat(file)
	return !errors.Is(err, fs.ErrNotExist)
}

// organization is a member of the network with its nodes.
type organization struct {
	*pki.Organization
	name  string // also the directory
	index int
	nodes []*node
}

// kind says what a node does.
type kind string

const (
	orderer         kind = "orderer"
	peer            kind = "peer"
	chaincodeServer kind = "chaincode"
)

// node is one process of the network.
type node struct {
	org  *organization
	kind kind
	name string // within the organization

	address string // of its service
	aux     string // an orderer's admin API, a peer's door for chaincode
	ops     string // of health and metrics
	server  Server // of a chaincode server
}

// id names the node within the network.
func (n *node) id() string { return n.name + "." + n.org.name }

const ordererOrg = "orderers"

// roster is the topology with its addresses and certificates.
type roster struct {
	orderers *organization
	members  []*organization // the endorsing organizations
}

// organizations of the network, the orderers' first.
func (r *roster) organizations() []*organization {
	return append([]*organization{r.orderers}, r.members...)
}

func (r *roster) nodes() (all []*node) {
	for _, o := range r.organizations() {
		all = append(all, o.nodes...)
	}
	return all
}

func (o *organization) of(k kind) (nodes []*node) {
	for _, n := range o.nodes {
		if n.kind == k {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// layOut derives the nodes, without their certificates.
func (t *Topology) layOut() *roster {
	at := func(offset int) string { return net.JoinHostPort(t.Host, strconv.Itoa(t.BasePort+offset)) }
	r := &roster{orderers: &organization{name: ordererOrg}}
	for i := range t.Orderers {
		p := i * nodePorts
		r.orderers.nodes = append(r.orderers.nodes, &node{
			org: r.orderers, kind: orderer, name: "orderer" + strconv.Itoa(i), address: at(p), aux: at(p + 1), ops: at(p + 2),
		})
	}
	for i := range organizations {
		o := &organization{name: "org" + strconv.Itoa(i+1), index: i}
		for j := range t.Peers {
			p := peerPorts + (i*maxPeers+j)*nodePorts
			o.nodes = append(o.nodes, &node{
				org: o, kind: peer, name: "peer" + strconv.Itoa(j), address: at(p), aux: at(p + 1), ops: at(p + 2),
			})
		}
		for _, s := range t.Servers {
			o.nodes = append(o.nodes, &node{
				org: o, kind: chaincodeServer, name: t.Chaincode + "-" + strconv.FormatInt(s.Sequence, 10),
				address: at(serverPorts + i*serverSlots + int(s.Sequence%serverSlots)), server: s,
			})
		}
		r.members = append(r.members, o)
	}
	return r
}

// Users of an endorsing organization: its operator, who changes the network, and
// one client for each ledger role.
const operator = "operator"
