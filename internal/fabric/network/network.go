// Package network makes and runs a Hyperledger Fabric network on one machine,
// without containers: raft orderers, two organizations with their peers, one
// channel, and the chaincode as an external service of each organization. It
// writes the nodes' configuration and certificates itself and runs Fabric's own
// programs.
//
// Everything is in one directory:
//
//	network.json               what the network was made with
//	lock, run.json             of the process that runs it
//	orderers/, org1/, org2/    certificates and keys (see package pki)
//	orgN/wallet/               the client identities of an organization
//	connection.json            the connection profile for clients
//	genesis.block
//	config/, data/, log/       of each node
//	builder/                   the peers' chaincode builder: links to our binary
package network

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/fabric/connection"
	"gxcoin.money/gx/internal/fabric/pki"
	"gxcoin.money/gx/internal/fabric/tools"
	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/protocol/role"
)

// Options of a network. Zero values take the defaults, or what the network in
// the directory was made with.
type Options struct {
	Dir     string
	Tools   tools.Dir // Fabric's programs
	Program string    // our binary, which serves chaincode and builds packages; default: this one

	Channel, Chaincode string
	Host               string        // where nodes listen and are reached; default 127.0.0.1
	BasePort           int           // default 17050
	Orderers           int           // default 3
	Peers              int           // of each organization; default 1
	BatchTimeout       time.Duration // default 50 ms

	CertificateLife time.Duration // default a year
	RenewBefore     time.Duration // a certificate that expires sooner is renewed at the start; default 60 days

	// Serve is served in this process in place of Program; for tests.
	Serve contract.Chaincode

	LogSpec string // of Fabric's nodes; default "warn"
	Clock   clock.Clock
	Log     *slog.Logger

	Registerer prometheus.Registerer // of metrics; nil: none
}

func (o *Options) setDefaults() error {
	var err error
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return err
	}
	if o.Program == "" {
		if o.Program, err = os.Executable(); err != nil {
			return err
		}
	}
	o.CertificateLife = cmp.Or(o.CertificateLife, 365*24*time.Hour)
	o.RenewBefore = cmp.Or(o.RenewBefore, min(60*24*time.Hour, o.CertificateLife/2))
	o.LogSpec = cmp.Or(o.LogSpec, "warn")
	if o.Clock == nil {
		o.Clock = clock.System
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return nil
}

// ErrAbsent reports that there is no network in the directory.
var ErrAbsent = errors.New("there is no Fabric network here: run gx fabric up")

// Network is a network on this machine.
type Network struct {
	o        Options
	topology Topology
	roster   *roster
}

// Create opens the network in the directory, making it when there is none.
func Create(o Options) (*Network, error) {
	if err := o.setDefaults(); err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	t, err := load(o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		t, err = o.topology(), nil
		if err = t.check(); err == nil {
			err = t.save(o.Dir)
		}
	} else if err == nil {
		err = errors.Join(o.agree(&t), o.replaceProgram(&t))
	}
	n := &Network{o: o}
	if err == nil {
		err = n.read(t)
	}
	if err == nil {
		err = n.prepare()
	}
	if err == nil && o.Registerer != nil {
		err = o.Registerer.Register(expiries{n})
	}
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	return n, nil
}

// replaceProgram lets this program serve in place of one that is gone.
func (o *Options) replaceProgram(t *Topology) error {
	for i, s := range t.Servers {
		if !exists(s.Program) {
			o.Log.Warn("the program that served the chaincode is gone; this one serves it", slog.String("was", s.Program), slog.String("version", s.Version))
			t.Servers[i].Program = o.Program
		}
	}
	return t.save(o.Dir)
}

// Open opens the network that is in the directory, changing nothing.
func Open(o Options) (*Network, error) {
	if err := o.setDefaults(); err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	t, err := load(o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrAbsent
	}
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	n := &Network{o: o}
	if err := n.read(t); err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	return n, nil
}

// topology of a new network.
func (o *Options) topology() Topology {
	return Topology{
		Channel:      cmp.Or(o.Channel, "gxchannel"),
		Chaincode:    cmp.Or(o.Chaincode, "gxtv3"),
		Host:         cmp.Or(o.Host, "127.0.0.1"),
		BasePort:     cmp.Or(o.BasePort, 17050),
		Orderers:     cmp.Or(o.Orderers, 3),
		Peers:        cmp.Or(o.Peers, 1),
		BatchTimeout: cmp.Or(o.BatchTimeout, 50*time.Millisecond).String(),
		Servers:      []Server{{Sequence: 1, Version: "1", Program: o.Program}},
	}
}

// agree refuses options that a network can't take once it exists.
func (o *Options) agree(t *Topology) error {
	for _, f := range []struct {
		name       string
		want, have any
		given      bool
	}{
		{"channel", o.Channel, t.Channel, o.Channel != ""},
		{"chaincode", o.Chaincode, t.Chaincode, o.Chaincode != ""},
		{"host", o.Host, t.Host, o.Host != ""},
		{"base port", o.BasePort, t.BasePort, o.BasePort != 0},
		{"orderers", o.Orderers, t.Orderers, o.Orderers != 0},
		{"peers", o.Peers, t.Peers, o.Peers != 0},
		{"batch timeout", o.BatchTimeout.String(), t.BatchTimeout, o.BatchTimeout != 0},
	} {
		if f.given && f.want != f.have {
			return fmt.Errorf("%s: the network in %s was made with %v, not %v: gx fabric reset begins anew", f.name, o.Dir, f.have, f.want)
		}
	}
	return nil
}

// read derives the nodes from a topology and opens their organizations.
func (n *Network) read(t Topology) error {
	n.topology, n.roster = t, t.layOut()
	for _, o := range n.roster.organizations() {
		msp := "OrdererMSP"
		if o != n.roster.orderers {
			msp = fmt.Sprintf("Org%dMSP", o.index+1)
		}
		var err error
		o.Organization, err = pki.Open(filepath.Join(n.o.Dir, o.name), msp, o.name+"."+domain,
			pki.Policy{Now: n.o.Clock(), Life: n.o.CertificateLife, RenewBefore: n.o.RenewBefore})
		if err != nil {
			return err
		}
	}
	return nil
}

// prepare writes all that the nodes and clients need: certificates that are
// absent or due, configuration, the genesis block.
func (n *Network) prepare() error {
	hosts := []string{n.topology.Host, "localhost", "127.0.0.1"}
	for _, o := range n.roster.organizations() {
		if _, err := o.Ensure(operator, pki.Admin, hosts, nil); err != nil {
			return err
		}
		for _, node := range o.nodes {
			unit := map[kind]string{orderer: pki.Orderer, peer: pki.Peer, chaincodeServer: pki.Client}[node.kind]
			if _, err := o.Ensure(node.name, unit, hosts, nil); err != nil {
				return err
			}
		}
		if o == n.roster.orderers {
			continue
		}
		for _, r := range role.All {
			if err := n.ensureUser(o, r); err != nil {
				return err
			}
		}
	}
	return errors.Join(n.configure(), n.writeProfile(), n.writeGenesis())
}

// ensureUser issues the client identity of a role and puts it in the wallet.
func (n *Network) ensureUser(o *organization, r role.Role) error {
	name := connection.RoleName(r)
	_, err := o.Ensure(name, pki.Client, []string{n.topology.Host}, map[string]string{
		"gxc_role": string(r), "hf.EnrollmentID": o.name + "-" + name, "hf.Type": "client", "hf.Affiliation": "",
	})
	if err != nil {
		return err
	}
	cert, key := connection.WalletFiles(n.wallet(o), name)
	return errors.Join(relink(o.CertFile(name), cert), relink(o.KeyFile(name), key))
}

func (n *Network) wallet(o *organization) string { return filepath.Join(n.o.Dir, o.name, "wallet") }

// relink makes link point to a file of the same tree.
func relink(file, link string) error {
	if err := os.MkdirAll(filepath.Dir(link), 0o700); err != nil {
		return err
	}
	to, err := filepath.Rel(filepath.Dir(link), file)
	if err != nil {
		return err
	}
	if at, err := os.Readlink(link); err == nil && at == to {
		return nil
	}
	return errors.Join(ignoreAbsent(os.Remove(link)), os.Symlink(to, link))
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func (n *Network) genesisFile() string { return filepath.Join(n.o.Dir, "genesis.block") }

// writeGenesis makes the first block once.
func (n *Network) writeGenesis() error {
	if exists(n.genesisFile()) {
		return nil
	}
	block, err := genesis(&n.topology, n.roster)
	if err != nil {
		return err
	}
	return replaceFile(n.genesisFile(), block)
}

// writeProfile writes the connection profile of the network.
func (n *Network) writeProfile() error {
	p := connection.Profile{
		Name: "gx", Version: "1.0.0",
		Organizations: make(map[string]connection.ProfileOrganization), Peers: make(map[string]connection.ProfilePeer),
	}
	for _, o := range n.roster.members {
		var names []string
		for _, node := range o.of(peer) {
			names = append(names, node.id())
			p.Peers[node.id()] = connection.ProfilePeer{
				URL:        "grpcs://" + node.address,
				TLSCACerts: connection.ProfilePEM{Path: filepath.Join(o.name, "tlsca", "cert.pem")},
			}
		}
		p.Organizations[o.name] = connection.ProfileOrganization{MSPID: o.MSP, Peers: names}
	}
	content, err := json.Marshal(p, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(n.o.Dir, "connection.json"), content)
}

// Client is how a client of the first organization reaches the network.
func (n *Network) Client() connection.Config {
	var endorsers []string
	for _, o := range n.roster.members {
		endorsers = append(endorsers, o.MSP)
	}
	return connection.Config{
		Profile: filepath.Join(n.o.Dir, "connection.json"),
		MSP:     n.roster.members[0].MSP, Wallet: n.wallet(n.roster.members[0]),
		Channel: n.topology.Channel, Chaincode: n.topology.Chaincode, Endorsers: endorsers,
	}
}

// Topology tells what the network was made with.
func (n *Network) Topology() Topology { return n.topology }

// poll calls ok until it returns nil or ctx ends, which it then reports with the
// last error.
func poll(ctx context.Context, every time.Duration, ok func() error) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		err := ok()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-tick.C:
		}
	}
}
