package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"gxcoin.money/gx/internal/bench"
	"gxcoin.money/gx/internal/platform/config"
	"gxcoin.money/gx/internal/platform/datadir"
)

type benchCmd struct {
	Start          bool          `help:"Measure a system of its own, which is started in a temporary directory, twice, and removed at the end."`
	Processes      bool          `help:"With --start: each role in a process of its own, so that the figures tell them apart."`
	Short          bool          `help:"One short round: to see that it works, not to measure."`
	Rounds         int           `placeholder:"N" default:"5" help:"How often everything is measured; ${default} by default."`
	Clients        int           `placeholder:"N" default:"32" help:"How many clients pay at once; ${default} by default."`
	Load           time.Duration `placeholder:"DURATION" default:"3s" help:"How long each timed part of a round takes; ${default} by default."`
	DatabaseURL    config.Secret `placeholder:"URL" help:"PostgreSQL of the system, whose owner the user must be. By default the private one of the data directory."`
	systemSettings `embed:""`
	outputSettings `embed:""`
}

// Validate says what cannot be measured.
func (c benchCmd) Validate() error {
	switch {
	case c.Rounds < 1 || c.Clients < 1 || c.Clients > 256 || c.Load <= 0 || c.Load > time.Minute:
		return errors.New("there must be 1 round or more, 1 to 256 clients, and a load of at most 1m")
	case c.Processes && !c.Start:
		return errors.New("--processes goes with --start")
	}
	return nil
}

// Run measures and prints what was measured.
func (c benchCmd) Run(ctx context.Context, p *program) (err error) {
	o := bench.Options{Rounds: c.Rounds, Clients: c.Clients, Load: c.Load, Progress: c.text(p)}
	if c.Short {
		o.Rounds, o.Load, o.Light = 1, 500*time.Millisecond, 500*time.Millisecond
	}
	if c.Start {
		var s *system
		if s, err = startSystem(ctx, p, c.Processes); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.remove()) }()
		c.DataDir, o.StartFirst, o.StartSecond = s.dir, s.first, s.second
	}
	nobody, running, err := c.find()
	if err != nil {
		return err
	}
	if running.PID == 0 {
		if running, err = datadir.Find(c.DataDir); err != nil {
			return fmt.Errorf("the processes and the database are looked up on this machine: %w", err)
		}
	}
	if o.Database = running.Database; c.DatabaseURL != "" {
		o.Database = c.DatabaseURL.Reveal()
	}
	if o.Database == "" {
		return errors.New("the system has no private PostgreSQL: give --database-url")
	}
	o.Client, o.Services, o.PID = nobody, running.Services, running.PID
	o.Username, o.Password = c.StaffUser, c.StaffPassword.Reveal()
	report, err := bench.Run(ctx, o)
	if err != nil {
		return err
	}
	if c.Output == "json" {
		return c.json(p, report)
	}
	return report.Print(p.stdout)
}

// system is one of our own, to be measured.
type system struct {
	dir           string
	command       *exec.Cmd
	first, second time.Duration // from its start until it was ready
}

// startSystem starts gx up on a new data directory, stops it and starts it again.
// It is not ephemeral: that would not wait for the disk.
func startSystem(ctx context.Context, p *program, processes bool) (*system, error) {
	dir, err := os.MkdirTemp("", "gx-bench-")
	if err != nil {
		return nil, fmt.Errorf("make a temporary directory: %w", err)
	}
	s := &system{dir: filepath.Join(dir, "data")}
	if s.first, err = s.start(ctx, processes); err == nil {
		if err = s.stop(); err == nil {
			s.second, err = s.start(ctx, processes)
		}
	}
	if err != nil {
		return nil, errors.Join(err, s.remove())
	}
	return s, nil
}

// startWithin bounds a start.
const startWithin = 2 * time.Minute

func (s *system) start(ctx context.Context, processes bool) (time.Duration, error) {
	binary, err := os.Executable()
	if err != nil {
		return 0, err
	}
	ready := filepath.Join(filepath.Dir(s.dir), "ready.json")
	args := []string{"up", "--data-dir=" + s.dir, "--port-base=0", "--ready-file=" + ready}
	if processes {
		args = append(args, "--processes")
	}
	s.command = exec.Command(binary, args...)
	s.command.Stderr = os.Stderr
	s.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is ours to pass on
	begin := time.Now()
	if err := s.command.Start(); err != nil {
		return 0, err
	}
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	for {
		if _, err := os.Stat(ready); err == nil {
			return time.Since(begin), nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, fmt.Errorf("gx up is not ready: %w", context.Cause(ctx))
		}
	}
}

func (s *system) stop() error {
	if s.command == nil || s.command.Process == nil {
		return nil
	}
	if err := s.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	err := s.command.Wait()
	s.command = nil
	return err
}

func (s *system) remove() error {
	return errors.Join(s.stop(), os.RemoveAll(filepath.Dir(s.dir)))
}
