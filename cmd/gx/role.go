package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"gxcoin.money/gx/internal/outbox"
	"gxcoin.money/gx/internal/platform/config"
	"gxcoin.money/gx/internal/service"
)

// roleSettings are those of a process with one role.
type roleSettings struct {
	databaseSettings `embed:""`
	opsSettings      `embed:""`
	logSettings      `embed:""`
}

// runRole runs a process whose parts start starts, and goes on for a time when it is
// to stop. place is that of the role among the ports.
func (r roleSettings) runRole(ctx context.Context, p *program, name string, place int, drain time.Duration, start func(context.Context, *process) error) error {
	log, err := r.open(p.stderr)
	if err != nil {
		return err
	}
	s, err := newProcess(p, name, log)
	if err != nil {
		return err
	}
	address := string(r.OpsListen)
	if address == "" {
		address = net.JoinHostPort(loopback, strconv.Itoa(defaultBase+opsOffset+place))
	}
	l, err := listen(address, "operations", "--ops-listen")
	if err != nil {
		return err
	}
	s.listenOps(l)
	s.dsn, s.connections = r.DatabaseURL.Reveal(), r.DatabaseConnections
	if err := start(ctx, s); err != nil {
		_ = s.stop(0) // the first error says it all
		return err
	}
	s.started()
	s.wait(ctx)
	return s.stop(drain)
}

type serveCmd struct {
	Name          string        `arg:"" enum:"${services}" help:"One of ${enum}."`
	Listen        config.Listen `placeholder:"HOST:PORT" help:"Where the service listens. By default 127.0.0.1 and its own port, 3001 to 3007."`
	TokenKey      config.Secret `placeholder:"PEM" help:"Key that signs access tokens, Ed25519 in PKCS#8 PEM. Needed by identity and admin."`
	Pepper        config.Secret `placeholder:"KEY" help:"Key of the hashes by which people are found and kept unique, 32 bytes or more. Needed by identity and admin."`
	FieldKeys     config.Secret `placeholder:"KEYS" help:"Keys that seal personal data, as gx key field prints them: the first seals, all open. Needed by identity, admin and tokenomics; the others show no names without."`
	DrainDelay    time.Duration `placeholder:"DURATION" default:"1s" help:"How long to go on before a stop begins, with /readyz saying no and each answer that it is the last on its connection, so that nobody is cut off; ${default} by default."`
	StaffMFA      bool          `negatable:"" default:"true" help:"Demand a second factor of staff from ADMIN on, before they can do anything else. On by default."`
	RedisURL      config.Secret `placeholder:"URL" help:"Redis through which processes share their rate limits, redis://[[USER]:PASSWORD@]HOST:PORT[/DATABASE]. Without, each counts for itself."`
	roleSettings  `embed:""`
	frontSettings `embed:""`
}

// Validate says which secrets are missing.
func (c serveCmd) Validate() error {
	signs := c.Name == "identity" || c.Name == "admin"
	switch {
	case signs && c.TokenKey == "":
		return fmt.Errorf("--token-key is needed by %s (or GX_TOKEN_KEY, or GX_TOKEN_KEY_FILE)", c.Name)
	case signs && len(c.Pepper) < 32:
		return fmt.Errorf("--pepper of 32 bytes or more is needed by %s (or GX_PEPPER, or GX_PEPPER_FILE)", c.Name)
	case signs && c.Pepper.Guessable():
		return errors.New("--pepper can be guessed: draw one at random, as with: head -c 32 /dev/urandom | base64")
	case c.FieldKeys == "" && (signs || c.Name == "tokenomics"):
		return fmt.Errorf("--field-keys is needed by %s (or GX_FIELD_KEYS, or GX_FIELD_KEYS_FILE)", c.Name)
	}
	return nil
}

// Run serves until it is stopped.
func (c serveCmd) Run(ctx context.Context, p *program) error {
	place := 0
	for i, d := range service.Doors {
		if d.Name == c.Name {
			place = i + 1
		}
	}
	return c.runRole(ctx, p, "gx serve "+c.Name, place, c.DrainDelay, func(ctx context.Context, s *process) error {
		address := string(c.Listen)
		if address == "" {
			address = net.JoinHostPort(loopback, strconv.Itoa(defaultBase+place))
		}
		l, err := listen(address, c.Name, "--listen")
		if err != nil {
			return err
		}
		f, err := s.front(ctx, 10)
		if err != nil {
			return err
		}
		c.staffMFA, c.redis = c.StaffMFA, c.RedisURL
		return s.doors(ctx, f, c.frontSettings, keys{c.TokenKey, c.Pepper, c.FieldKeys}, map[string]net.Listener{c.Name: l})
	})
}

type submitCmd struct {
	roleSettings     `embed:""`
	ledgerSettings   `embed:""`
	scheduleSettings `embed:""`
}

// Run submits until it is stopped.
func (c submitCmd) Run(ctx context.Context, p *program) error {
	return c.runRole(ctx, p, "gx submit", submitterPlace, 0, func(ctx context.Context, s *process) (err error) {
		if s.fabric, err = c.connection(); err != nil {
			return err
		}
		return s.submitter(ctx, c.scheduleSettings, outbox.New(outbox.Options{}))
	})
}

type projectCmd struct {
	roleSettings   `embed:""`
	ledgerSettings `embed:""`
	guardSettings  `embed:""`
}

// Validate says what is missing and what cannot be.
func (c projectCmd) Validate() error {
	return errors.Join(c.databaseSettings.Validate(), c.guardSettings.Validate())
}

// Run projects until it is stopped.
func (c projectCmd) Run(ctx context.Context, p *program) error {
	return c.runRole(ctx, p, "gx project", projectorPlace, 0, func(ctx context.Context, s *process) (err error) {
		if s.fabric, err = c.connection(); err != nil {
			return err
		}
		return s.projector(ctx, c.guardSettings)
	})
}
