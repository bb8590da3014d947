package main

import (
	"context"
	"errors"
	"path/filepath"

	"gxcoin.money/gx/contract"
	"gxcoin.money/gx/internal/fabric/connection"
	"gxcoin.money/gx/internal/fabric/network"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/ledger/embedded"
	"gxcoin.money/gx/internal/ledger/fabric"
	"gxcoin.money/gx/internal/platform/datadir"
	"gxcoin.money/gx/internal/platform/postgres"
)

// ledgerSettings choose the engine of the ledger.
type ledgerSettings struct {
	Ledger          string   `enum:"embedded,fabric" default:"embedded" placeholder:"ENGINE" help:"Engine of the ledger: embedded, in PostgreSQL, by default, or fabric, Hyperledger Fabric. What looks at a running system finds it by itself."`
	FabricProfile   string   `placeholder:"FILE" help:"Connection profile of the Fabric network, JSON or YAML."`
	FabricWallet    string   `placeholder:"DIR" help:"Directory with our identities, NAME-cert.pem and NAME-key.pem for super-admin, admin and partner-api."`
	FabricMSP       string   `name:"fabric-msp" placeholder:"ID" default:"Org1MSP" help:"Our organization; ${default} by default."`
	FabricChannel   string   `placeholder:"NAME" default:"gxchannel" help:"Channel; ${default} by default."`
	FabricChaincode string   `placeholder:"NAME" default:"gxtv3" help:"Name of the contracts; ${default} by default."`
	FabricEndorsers []string `placeholder:"ID" help:"Organizations that endorse every transaction. By default all of the profile."`
}

// connection returns where the Fabric network is, nil for the embedded engine.
func (s ledgerSettings) connection() (*connection.Config, error) {
	if s.Ledger != "fabric" {
		return nil, nil
	}
	if s.FabricProfile == "" || s.FabricWallet == "" {
		return nil, errors.New("--ledger=fabric needs --fabric-profile and --fabric-wallet")
	}
	return &connection.Config{
		Profile: s.FabricProfile, MSP: s.FabricMSP, Wallet: s.FabricWallet,
		Channel: s.FabricChannel, Chaincode: s.FabricChaincode, Endorsers: s.FabricEndorsers,
	}, nil
}

// connectionOf is connection for a command that looks at a system: without
// --ledger=fabric it is as the running system says, and without a profile the
// network in the data directory.
func (s ledgerSettings) connectionOf(o operatedSettings) (*connection.Config, error) {
	if s.Ledger != "fabric" {
		return o.fabric()
	}
	if s.FabricProfile != "" {
		return s.connection()
	}
	n, err := network.Open(network.Options{Dir: filepath.Join(o.DataDir, "fabric")})
	if errors.Is(err, network.ErrAbsent) {
		return s.connection() // which says what is missing
	}
	if err != nil {
		return nil, err
	}
	c := n.Client()
	return &c, nil
}

// arguments give the same settings to a child.
func arguments(c *connection.Config) []string {
	if c == nil {
		return nil
	}
	args := []string{
		"--ledger=fabric", "--fabric-profile=" + c.Profile, "--fabric-wallet=" + c.Wallet, "--fabric-msp=" + c.MSP,
		"--fabric-channel=" + c.Channel, "--fabric-chaincode=" + c.Chaincode,
	}
	for _, e := range c.Endorsers {
		args = append(args, "--fabric-endorsers="+e)
	}
	return args
}

// ledger runs this process's side of the ledger, once.
func (s *process) ledger(ctx context.Context) (ledger.Ledger, error) {
	if s.shared != nil {
		return s.shared, nil
	}
	log := s.log.With("component", "ledger")
	if s.fabric != nil {
		l, err := fabric.New(*s.fabric, fabric.Options{Log: log, Registerer: s.ops.Registry()})
		if err != nil {
			return nil, err
		}
		s.group.OnStop(stagePools, "connections to peers", l.Close)
		s.group.Go(stageLedger, "ledger", l.Run)
		s.shared = l
		return l, nil
	}
	pool, err := s.pool(ctx, postgres.Options{Role: "gx_ledger", MaxConns: 8, Indexed: true})
	if err != nil {
		return nil, err
	}
	l := embedded.New(pool, contract.Invoke, embedded.Options{Log: log, Registerer: s.ops.Registry()})
	s.group.Go(stageLedger, "ledger", l.Run)
	s.shared = l
	return l, nil
}

// connect finds the Fabric network, or runs one in the data directory.
func (u *up) connect(ctx context.Context) error {
	if u.Ledger != "fabric" {
		return nil
	}
	u.console.step("Fabric")
	if u.FabricProfile != "" {
		c, err := u.connection()
		if err == nil {
			err = u.uses(*c)
		}
		u.console.finish("as --fabric-profile says")
		return err
	}
	o := network.Options{Dir: u.dir.Sub("fabric"), Log: u.log.With("component", "fabric"), Registerer: u.ops.Registry()}
	if err := u.fabricSettings.apply(&o); err != nil {
		return err
	}
	n, err := network.Create(o)
	if err != nil {
		return err
	}
	ready := make(chan struct{})
	u.group.Go(stagePostgres, "Fabric network", func(ctx context.Context) error { return n.Run(ctx, func() { close(ready) }) })
	u.console.progress("starting orderers and peers")
	select {
	case <-ready:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	u.console.finish("is running, " + count(int64(n.Topology().Orderers), "orderer"))
	return u.uses(n.Client())
}

// uses makes the network that of this system, and tells those who look at it.
func (u *up) uses(c connection.Config) (err error) {
	u.fabric = &c
	told := datadir.Fabric(c)
	if told.Profile, err = filepath.Abs(c.Profile); err == nil {
		told.Wallet, err = filepath.Abs(c.Wallet)
	}
	u.running.Fabric = &told
	return err
}
