package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"text/tabwriter"

	"gxcoin.money/gx/internal/platform/datadir"
	"gxcoin.money/gx/internal/service"
)

type statusCmd struct {
	DataDir string `placeholder:"DIR" default:"${data_dir}" help:"Data directory of the system. By default ${default}."`
}

// Run prints the state of everything that "gx up" runs on the data directory;
// it fails when something is not ready.
func (c statusCmd) Run(ctx context.Context, p *program) error {
	running, err := datadir.Find(c.DataDir)
	if err != nil {
		return err
	}
	all, err := readiness(ctx, running.Ops, "?verbose")
	if err != nil {
		return fmt.Errorf("GX (process %d) on the data directory %s does not answer: %w", running.PID, running.DataDir, err)
	}
	fmt.Fprintf(p.stdout, "GX %s, pid %d, since %s, data in %s\n\n", running.Version, running.PID,
		running.StartedAt.Local().Format("2006-01-02 15:04:05"), running.DataDir)
	w := tabwriter.NewWriter(p.stdout, 0, 0, 3, ' ', 0)
	ready := true
	row := func(name, url string, err error) {
		state := "ready"
		if err != nil {
			ready, state = false, err.Error()
		}
		fmt.Fprintf(w, "  %s\t%s\t%s\n", name, url, state)
	}
	for _, d := range service.Doors {
		url := running.Services[d.Name]
		row(d.Name, url, doorReady(ctx, url))
	}
	for _, check := range all.Checks {
		_, door := running.Services[check.Name]
		if door || check.OK && (check.Name == "started" || check.Name == "draining") {
			continue
		}
		var err error
		if !check.OK {
			err = errors.New(check.Error)
		}
		row(check.Name, running.Workers[check.Name], err)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if !ready {
		return errors.New("not everything is ready")
	}
	return nil
}

// doorReady asks a service whether it is ready.
func doorReady(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	if err != nil {
		return err
	}
	response, err := probe.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready (%s)", response.Status)
	}
	return nil
}
