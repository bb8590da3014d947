package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"text/tabwriter"

	"gxcoin.money/gx/internal/platform/debian"
	"gxcoin.money/gx/internal/platform/pgembed"
)

type doctorCmd struct {
	For     string `enum:"run,test" default:"run" help:"What this machine is for: ${enum}."`
	Install bool   `help:"Install what is missing with the system's packages, where we may."`
}

// remedy is one thing that a machine needs, and how it gets it.
type remedy struct {
	name    string
	purpose string
	tests   bool // needed by the tests only, which do without
	find    func() (where string, err error)
	install func(ctx context.Context, progress func(string)) error
}

var remedies = []remedy{
	{
		name: "PostgreSQL", purpose: "keeps everything",
		find: pgembed.FindBinaries,
		install: func(ctx context.Context, progress func(string)) error {
			_, err := pgembed.EnsureBinaries(ctx, progress)
			return err
		},
	},
	{
		name: "C compiler", purpose: "the race detector", tests: true,
		find: onPath("cc", "gcc", "libc6-dev"), install: packages("gcc", "libc6-dev"),
	},
	{
		name: "ip", purpose: "network partitions in the tests", tests: true,
		find: onPath("ip", "iproute2"), install: packages("iproute2"),
	},
}

// onPath finds a program that packages bring.
func onPath(name string, packages ...string) func() (string, error) {
	return func() (string, error) {
		path, err := exec.LookPath(name)
		if err != nil {
			err = fmt.Errorf("run %q", strings.Join(debian.Command(packages...), " "))
		}
		return path, err
	}
}

func packages(names ...string) func(context.Context, func(string)) error {
	return func(ctx context.Context, progress func(string)) error {
		p := debian.Packages{Progress: progress}
		if !p.Possible() {
			return errors.New("only root may install packages, with apt-get")
		}
		return p.Install(ctx, names...)
	}
}

// Run tells what this machine has and lacks. It fails when GX can't run; what
// only tests need is missing with a warning, because they do without.
func (c doctorCmd) Run(ctx context.Context, p *program) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	var missing []string
	for _, r := range remedies {
		if r.tests && c.For != "test" {
			continue
		}
		where, err := r.find()
		if err != nil && c.Install {
			progress := func(s string) { fmt.Fprintln(p.stderr, s) }
			if failed := r.install(ctx, progress); failed != nil {
				err = fmt.Errorf("%w; %w", failed, err)
			} else {
				where, err = r.find()
			}
		}
		state := "ok"
		switch {
		case err != nil && r.tests:
			state, where = "SKIPPED", err.Error()
		case err != nil:
			state, where = "missing", err.Error()
			missing = append(missing, r.name)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", state, r.name, r.purpose, where)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if missing != nil {
		return fmt.Errorf("this machine lacks %s", strings.Join(missing, ", "))
	}
	return nil
}
