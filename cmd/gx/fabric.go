package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/contract/chaincode"
	"gxcoin.money/gx/internal/fabric/network"
	"gxcoin.money/gx/internal/fabric/tools"
)

type fabricCmd struct {
	Up      fabricUpCmd      `cmd:"" help:"Run a Hyperledger Fabric network on this machine: orderers, two organizations with their peers, the contracts."`
	Down    fabricDownCmd    `cmd:"" help:"Stop the network."`
	Status  fabricStatusCmd  `cmd:"" help:"Show every node of the network, how many blocks it has, and which certificates expire first."`
	Reset   fabricResetCmd   `cmd:"" help:"Delete the network: chain, keys and all. It must be down."`
	Renew   fabricRenewCmd   `cmd:"" help:"Issue every certificate anew and restart the nodes one by one."`
	Upgrade fabricUpgradeCmd `cmd:"" help:"Make the contracts of this binary those of the running network."`
	Env     fabricEnvCmd     `cmd:"" help:"Print the variables with which Fabric's own program peer calls the contracts, for a shell to evaluate."`
}

type fabricDir struct {
	DataDir string `placeholder:"DIR" default:"${data_dir}" help:"Where the network is kept, in its directory fabric. By default ${default}."`
}

func (d fabricDir) path() string { return filepath.Join(d.DataDir, "fabric") }

// options are those of the network in the directory.
func (d fabricDir) options(p *program) network.Options {
	return network.Options{Dir: d.path(), Log: slog.New(slog.NewTextHandler(p.stderr, nil))}
}

// fabricSettings are those of a network that runs here.
type fabricSettings struct {
	FabricTools        string        `placeholder:"DIR" help:"Directory with Fabric's programs peer and orderer. By default where make fabric-tools puts them."`
	FabricOrderers     int           `aliases:"orderers" placeholder:"N" help:"Orderers of a new network, an odd number; 3 by default."`
	FabricPeers        int           `aliases:"peers" placeholder:"N" help:"Peers of each organization of a new network; 1 by default."`
	FabricHost         string        `placeholder:"HOST" help:"Address of this machine that the nodes of a new network listen on, and are reached at; 127.0.0.1 by default."`
	FabricPortBase     int           `placeholder:"PORT" help:"First of the 250 ports of a new network; 17050 by default."`
	FabricBatchTimeout time.Duration `placeholder:"DURATION" help:"How long the orderers of a new network wait for more transactions before they cut a block; 50ms by default."`
	FabricLogSpec      string        `placeholder:"SPEC" default:"warn" help:"Fabric's logging specification for the nodes."`
}

func (s fabricSettings) apply(o *network.Options) error {
	dir, err := tools.Find(s.FabricTools)
	if err != nil {
		return err
	}
	o.Tools, o.Orderers, o.Peers, o.Host, o.BasePort = dir, s.FabricOrderers, s.FabricPeers, s.FabricHost, s.FabricPortBase
	o.BatchTimeout, o.LogSpec = s.FabricBatchTimeout, s.FabricLogSpec
	return nil
}

type fabricUpCmd struct {
	fabricDir      `embed:""`
	fabricSettings `embed:""`
	Channel        string `placeholder:"NAME" help:"Channel of a new network; gxchannel by default."`
	Chaincode      string `placeholder:"NAME" help:"Name of the contracts on a new network; gxtv3 by default."`
	Detach         bool   `short:"d" help:"Return as soon as the network is ready and leave it running."`
}

// Run runs the network until it is stopped.
func (c fabricUpCmd) Run(ctx context.Context, p *program) error {
	if c.Detach {
		return c.detach(ctx, p)
	}
	o := c.options(p)
	o.Channel, o.Chaincode = c.Channel, c.Chaincode
	if err := c.apply(&o); err != nil {
		return err
	}
	n, err := network.Create(o)
	if err != nil {
		return err
	}
	return n.Run(ctx, func() {
		fmt.Fprintf(p.stdout, "The Fabric network in %s is ready. Its connection profile is %s.\n", o.Dir, n.Client().Profile)
	})
}

// detach runs the same command in the background and waits until it is ready.
func (c fabricUpCmd) detach(ctx context.Context, p *program) error {
	if err := os.MkdirAll(filepath.Join(c.path(), "log"), 0o711); err != nil {
		return err
	}
	out, err := os.OpenFile(filepath.Join(c.path(), "log", "network.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, slices.DeleteFunc(slices.Clone(p.parsed.Args), func(a string) bool { return a == "-d" || a == "--detach" })...)
	cmd.Env = slices.DeleteFunc(slices.Clone(p.environ), func(v string) bool { return strings.HasPrefix(v, "GX_DETACH=") })
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			return fmt.Errorf("the network did not start (%w): see %s", err, out.Name())
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), cmd.Process.Signal(syscall.SIGTERM))
		case <-tick.C:
		}
		if network.Ready(c.path(), cmd.Process.Pid) {
			fmt.Fprintf(p.stdout, "The Fabric network in %s is ready, pid %d.\n", c.path(), cmd.Process.Pid)
			return cmd.Process.Release()
		}
	}
}

type fabricDownCmd struct {
	fabricDir `embed:""`
}

// Run stops the network.
func (c fabricDownCmd) Run(ctx context.Context, p *program) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	was, err := network.Down(ctx, c.path())
	if err != nil {
		return err
	}
	if was {
		fmt.Fprintln(p.stdout, "The Fabric network has stopped.")
	} else {
		fmt.Fprintln(p.stdout, "The Fabric network is not running.")
	}
	return nil
}

type fabricStatusCmd struct {
	fabricDir      `embed:""`
	outputSettings `embed:""`
}

// Run prints the state of every node; it fails when something is not well.
func (c fabricStatusCmd) Run(ctx context.Context, p *program) error {
	n, err := network.Open(c.options(p))
	if err != nil {
		return err
	}
	s, err := n.Status(ctx)
	if err != nil {
		return err
	}
	var problems error
	for _, node := range s.Nodes {
		if node.Problem != "" {
			problems = errors.New("the Fabric network is not well")
		}
	}
	if err := c.json(p, s); err != nil {
		return err
	}
	if out := c.text(p); out != nil {
		if err := printFabric(out, s); err != nil {
			return err
		}
	}
	return problems
}

func printFabric(out io.Writer, s network.Status) error {
	newest := s.Topology.Servers[len(s.Topology.Servers)-1]
	fmt.Fprintf(out, "channel %s, contracts %s version %s (sequence %d), blocks every %s\n\n",
		s.Topology.Channel, s.Topology.Chaincode, newest.Version, newest.Sequence, s.Topology.BatchTimeout)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "NODE\tADDRESS\tPID\tRESTARTS\tBLOCKS\tSTATE")
	for _, node := range s.Nodes {
		state := "well"
		if node.Problem != "" {
			state = node.Problem
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%s\n", node.Name, node.Address, node.PID, node.Restarts, node.Height, state)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	first := s.Certificates[0]
	fmt.Fprintf(out, "\nThe first certificate to expire is %s, on %s.\n", first.Name, first.NotAfter.Format(time.DateOnly))
	if time.Until(first.NotAfter) < network.ExpiresSoon {
		fmt.Fprintln(out, "Renew it: gx fabric renew.")
	}
	return nil
}

type fabricResetCmd struct {
	fabricDir `embed:""`
	Yes       bool `short:"y" required:"" help:"Yes, delete the chain and the keys."`
}

// Run deletes the network.
func (c fabricResetCmd) Run(p *program) error {
	if err := network.Reset(c.path()); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, "The Fabric network is deleted.")
	return nil
}

type fabricRenewCmd struct {
	fabricDir `embed:""`
	Life      time.Duration `placeholder:"DURATION" default:"8760h" help:"How long the new certificates are valid; ${default} by default."`
}

// Run renews every certificate.
func (c fabricRenewCmd) Run(ctx context.Context, p *program) error {
	o := c.options(p)
	o.CertificateLife = c.Life
	n, err := network.Open(o)
	if err != nil {
		return err
	}
	if err := n.Renew(ctx); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "Every certificate is renewed, until %s.\n", time.Now().Add(c.Life).Format(time.DateOnly))
	return nil
}

type fabricUpgradeCmd struct {
	fabricDir `embed:""`
	As        string `placeholder:"VERSION" help:"Name of the version; the next number by default."`
}

// Run upgrades the contracts.
func (c fabricUpgradeCmd) Run(ctx context.Context, p *program) error {
	n, err := network.Open(c.options(p))
	if err != nil {
		return err
	}
	s, err := n.Upgrade(ctx, c.As, "")
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "The contracts are version %s (sequence %d).\n", s.Version, s.Sequence)
	return nil
}

type fabricEnvCmd struct {
	fabricDir   `embed:""`
	As          string `enum:"super-admin,admin,partner-api,operator" default:"partner-api" placeholder:"USER" help:"Who calls: ${enum}; ${default} by default."`
	FabricTools string `placeholder:"DIR" help:"Directory with Fabric's programs. By default where make fabric-tools puts them."`
}

// Run prints what a shell can evaluate.
func (c fabricEnvCmd) Run(p *program) error {
	n, err := network.Open(c.options(p))
	if err != nil {
		return err
	}
	dir, err := tools.Find(c.FabricTools)
	if err != nil {
		return err
	}
	variables, err := n.Shell(c.As)
	if err != nil {
		return err
	}
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
	for _, v := range variables {
		fmt.Fprintf(p.stdout, "export %s=%s\n", v.Name, quote(v.Value))
	}
	fmt.Fprintf(p.stdout, "export PATH=%s:\"$PATH\"\n", quote(string(dir)))
	fmt.Fprintf(p.stdout, "# eval \"$(%s fabric env)\"; peer chaincode query $FABRIC_QUERY -c '{\"Args\":[\"AdminContract:GetSystemStatus\"]}'\n", p.name)
	return nil
}

type chaincodeCmd struct {
	ChaincodeID      string `placeholder:"ID" help:"Id of the installed package, LABEL:HASH. Also CHAINCODE_ID."`
	ChaincodeListen  string `placeholder:"HOST:PORT" help:"Where the peers of the organization find the contracts. Also CHAINCODE_SERVER_ADDRESS."`
	ChaincodeCert    string `placeholder:"FILE" help:"TLS certificate. Also CHAINCODE_TLS_CERT."`
	ChaincodeKey     string `placeholder:"FILE" help:"Its key. Also CHAINCODE_TLS_KEY."`
	ChaincodeClients string `placeholder:"FILE" help:"Authorities whose peers may connect. Also CHAINCODE_CLIENT_CA_CERT."`
	logSettings      `embed:""`
}

// Run serves the contracts to the peers of one organization until it is stopped.
func (c chaincodeCmd) Run(ctx context.Context, p *program) error {
	log, err := c.open(p.stderr)
	if err != nil {
		return err
	}
	metadata, err := chaincode.Metadata(contract.Functions(), thisBuild().Version)
	if err != nil {
		return err
	}
	o := chaincode.Options{
		ID: c.ChaincodeID, Address: c.ChaincodeListen, Cert: c.ChaincodeCert, Key: c.ChaincodeKey, Clients: c.ChaincodeClients,
		Chaincode: contract.Invoke, Metadata: metadata, Log: log,
	}
	o.Environment(os.Getenv)
	return chaincode.Serve(ctx, o)
}
