package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus"

	"gxcoin.money/gx/internal/platform/log"
	"gxcoin.money/gx/internal/platform/ops"
	"gxcoin.money/gx/internal/platform/supervise"
	"gxcoin.money/gx/internal/service"
)

const (
	// readyTimeout bounds the start of a child.
	readyTimeout = time.Minute
	// patienceWithCrashes is how often a child may end before it is first ready.
	patienceWithCrashes = 3
	// databaseSecret is the file that tells the children where the database is.
	databaseSecret = "database-url"
)

// child is a role that runs as a process of its own.
type child struct {
	*supervise.Process
	ops string // URL
	log string // file
}

// startProcesses starts every role as a child. The listeners only keep the ports
// until the children take them.
func (u *up) startProcesses(ctx context.Context, listeners map[string]net.Listener) error {
	f, err := u.front(ctx, 2)
	if err != nil {
		return err
	}
	u.pool, u.outbox = f.pool, f.outbox
	if err := u.dir.Keep(databaseSecret, []byte(u.dsn)); err != nil {
		return err
	}
	u.running.Workers = map[string]string{}
	u.ops.Handle("GET /statusz", http.HandlerFunc(u.statusz))

	u.console.step("workers")
	if err := errors.Join(
		u.spawn("submitter", stageWorkers, submitterPlace, append(append([]string{"submit"}, u.scheduleSettings.arguments()...), arguments(u.fabric)...)...),
		u.spawn("projector", stageWorkers, projectorPlace, append(append([]string{"project"}, u.guardSettings.arguments()...), arguments(u.fabric)...)...)); err != nil {
		return err
	}
	if err := u.awaitChildren(ctx); err != nil {
		return err
	}
	u.console.finish("2 processes are ready")
	if err := u.openLedger(ctx); err != nil {
		return err
	}
	u.console.step("services")
	for i, d := range service.Doors {
		l := listeners[d.Name]
		if err := l.Close(); err != nil {
			return err
		}
		if err := u.spawn(d.Name, stageDoors, i+1, append([]string{"serve", d.Name, "--listen=" + l.Addr().String()}, u.frontSettings.arguments()...)...); err != nil {
			return err
		}
	}
	if err := u.awaitChildren(ctx); err != nil {
		return err
	}
	u.console.finish(fmt.Sprintf("%d processes are ready", len(listeners)))
	return nil
}

// spawn starts a child with the arguments of its role.
func (u *up) spawn(name string, stage, place int, args ...string) error {
	port := 0
	if u.PortBase != 0 {
		port = int(u.PortBase) + opsOffset + place
	}
	l, err := listen(net.JoinHostPort(loopback, fmt.Sprint(port)), "operations of "+name, "--port-base")
	if err != nil {
		return err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c := &child{ops: "http://" + address, log: u.dir.Sub("log", name+".log")}
	out, err := log.OpenFile(c.log, maxLog)
	if err != nil {
		return err
	}
	args = append(args, "--ops-listen="+address, "--log-level="+u.LogLevel, "--log-format=json")
	environ := u.childEnviron()
	c.Process = &supervise.Process{Name: name, Log: u.process.log, StopTimeout: stopTimeout, Command: func() *exec.Cmd {
		cmd := exec.Command(self, args...)
		cmd.Env = environ
		cmd.Stdout, cmd.Stderr = out, out
		return cmd
	}}
	u.children = append(u.children, c)
	u.running.Workers[name] = c.ops
	u.ops.AddCheck(name, func(ctx context.Context) error { return isReady(ctx, c.ops) })
	u.ops.Registry().MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "gx_process_restarts_total",
		Help: "How often a process ended by itself and was started again.", ConstLabels: prometheus.Labels{"process": name}},
		func() float64 { n, _ := c.Restarts(); return float64(n) }))
	u.group.Go(stage, name, func(ctx context.Context) error { return errors.Join(c.Run(ctx), out.Close()) })
	return nil
}

// childEnviron names the files with the children's secrets: neither a command
// line nor an environment holds one.
func (u *up) childEnviron() []string {
	files := map[string]string{
		"GX_DATABASE_URL": u.dir.Sub("secrets", databaseSecret), "GX_TOKEN_KEY": u.secrets.token, "GX_PEPPER": u.secrets.pepper, "GX_FIELD_KEYS": u.secrets.fields,
	}
	environ := slices.DeleteFunc(slices.Clone(u.program.environ), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return files[strings.TrimSuffix(name, "_FILE")] != ""
	})
	for name, path := range files {
		environ = append(environ, name+"_FILE="+path)
	}
	return environ
}

// awaitChildren waits until every child is ready, or gives up on one that keeps ending.
func (u *up) awaitChildren(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for _, c := range u.children {
		u.console.progress("waiting for " + c.Name)
		for {
			err := isReady(ctx, c.ops)
			if err == nil {
				break
			}
			if n, how := c.Restarts(); n >= patienceWithCrashes {
				return fmt.Errorf("%s does not start: it ended %d times, at last with %s; its log is %s", c.Name, n, how, c.log)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return fmt.Errorf("%s does not become ready: %w; its log is %s", c.Name, err, c.log)
			}
		}
	}
	return nil
}

// childStatus is what /statusz says of a child.
type childStatus struct {
	Name     string `json:"name"`
	PID      int    `json:"pid"` // 0 while it does not run
	Restarts int    `json:"restarts"`
	LastEnd  string `json:"lastEnd,omitzero"`
	Ops      string `json:"ops"`
	Log      string `json:"log"`
}

func (u *up) statusz(w http.ResponseWriter, _ *http.Request) {
	out := struct {
		Processes []childStatus `json:"processes"`
	}{make([]childStatus, len(u.children))}
	for i, c := range u.children {
		n, how := c.Restarts()
		out.Processes[i] = childStatus{c.Name, c.PID(), n, how, c.ops, c.log}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.MarshalWrite(w, out) // who asked has gone
}

// isReady asks a process at the URL of its operational routes.
func isReady(ctx context.Context, url string) error {
	r, err := readiness(ctx, url, "")
	if err != nil {
		return err
	}
	var errs []error
	for _, c := range r.Checks {
		if !c.OK {
			errs = append(errs, fmt.Errorf("%s: %s", c.Name, c.Error))
		}
	}
	return errors.Join(errs...)
}

var probe = &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// readiness asks a process whether it is ready.
func readiness(ctx context.Context, url, query string) (r ops.Readiness, err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz"+query, nil)
	if err != nil {
		return r, err
	}
	response, err := probe.Do(request)
	if err != nil {
		return r, err
	}
	defer response.Body.Close()
	if err := json.UnmarshalRead(io.LimitReader(response.Body, 1<<20), &r); err != nil {
		return r, fmt.Errorf("%s does not answer as GX does: %w", url, err)
	}
	return r, nil
}
