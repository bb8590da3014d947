// Package crash_test kills the real processes of a real system under load, all
// of them, PostgreSQL too, and then counts every Qirat.
package crash_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/ledger"
	"gxcoin.money/gx/internal/platform/datadir"
	"gxcoin.money/gx/internal/platform/pgembed"
)

// patience bounds every wait: what takes longer has failed.
const patience = 60 * time.Second

var binary string // gx

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "gx-crash-")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(dir, "gx")
	build := exec.Command("go", "build", "-o", binary, "gxcoin.money/gx/cmd/gx")
	if out, err := build.CombinedOutput(); err != nil {
		panic(fmt.Sprintf("build gx: %v\n%s", err, out))
	}
	status := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(status)
}

// system is "gx up --processes" in a directory of the test's own.
type system struct {
	t        testing.TB
	dir      string
	portBase int
	args     []string // of gx up, besides
	up       *exec.Cmd
	out      *bytes.Buffer
	exited   chan struct{}
	info     datadir.Running
	database string               // that it uses; empty: one of its own
	ledger   func() ledger.Ledger // nil: the embedded one
}

func newSystem(t testing.TB, args ...string) *system {
	t.Helper()
	if testing.Short() {
		t.Skip("SKIPPED: this test takes a minute, and -short is set")
	}
	if _, err := pgembed.FindBinaries(); err != nil && os.Getenv("GX_REQUIRE_POSTGRES") != "1" {
		t.Skipf("SKIPPED: this test needs PostgreSQL: %v", err)
	}
	s := &system{t: t, dir: t.TempDir(), portBase: freePorts(t), args: args}
	if err := os.Chmod(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s.start()
	t.Cleanup(s.stop)
	return s
}

// freePorts returns a base above which the ports that gx up takes are free, below
// those that the kernel gives to clients. Whoever tests at the same time looks elsewhere first.
func freePorts(t testing.TB) int {
	t.Helper()
	const first, span, bases = 17_000, 100, 150
	free := func(port int) bool {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = l.Close()
		}
		return err == nil
	}
bases:
	for n := range bases {
		base := first + (os.Getpid()+n)%bases*span
		for place := range 10 { // the services, and the operational routes 90 above them
			if !free(base+place) || !free(base+90+place) {
				continue bases
			}
		}
		return base
	}
	t.Fatal("the ports that gx up takes are free nowhere")
	return 0
}

// environ is the environment without what is meant for these tests.
func environ() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool {
		return strings.HasPrefix(v, "GX_CRASH") || strings.HasPrefix(v, "GX_CHAOS") || strings.HasPrefix(v, "GX_REQUIRE")
	})
}

// start brings the system up and waits until it is ready.
func (s *system) start() {
	s.t.Helper()
	ready := filepath.Join(s.dir, "ready.json")
	s.out = new(bytes.Buffer)
	s.up = exec.Command(binary, append([]string{"up", "--processes", "--data-dir=" + filepath.Join(s.dir, "data"),
		"--port-base=" + strconv.Itoa(s.portBase), "--ready-file=" + ready}, s.args...)...)
	s.up.Env = environ()
	s.up.Stdout, s.up.Stderr = s.out, s.out
	s.up.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := s.up.Start(); err != nil {
		s.t.Fatal(err)
	}
	up, exited := s.up, make(chan struct{})
	s.exited = exited
	go func() { _ = up.Wait(); close(exited) }()
	s.until("the system is ready", func() error {
		select {
		case <-exited:
			s.t.Fatalf("gx up ended:\n%s", s.out)
		default:
		}
		content, err := os.ReadFile(ready)
		if err != nil {
			return err
		}
		var info datadir.Running // clients still read the maps of the one before
		if err := json.Unmarshal(content, &info); err != nil {
			return err
		}
		s.info = info
		if s.database != "" {
			s.info.Database = s.database
		}
		if s.info.PID != up.Process.Pid {
			return fmt.Errorf("the ready file is that of process %d", s.info.PID)
		}
		return nil
	})
}

// stop drains the system.
func (s *system) stop() {
	_ = s.up.Process.Signal(os.Interrupt)
	select {
	case <-s.exited:
	case <-time.After(patience):
		s.t.Errorf("gx up does not stop:\n%s", s.out)
		_ = s.up.Process.Kill()
		<-s.exited
	}
	if s.t.Failed() {
		s.t.Logf("gx up said:\n%s", s.out)
	}
}

func (s *system) client() *client.Client {
	return client.New(client.Options{Services: s.info.Services, Attempts: 1})
}

// staff logs in as the first member of staff.
func (s *system) staff() *client.Client {
	s.t.Helper()
	password, err := os.ReadFile(s.info.StaffPassword)
	if err != nil {
		s.t.Fatal(err)
	}
	c, err := s.client().LogInStaff(s.t.Context(), s.info.StaffUser, strings.TrimSpace(string(password)))
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// pids returns the processes of a part: "up", "postgres" (the postmaster), the
// name of a role or of a Fabric node, or "all".
func (s *system) pids(part string) []int {
	s.t.Helper()
	switch part {
	case "up":
		return []int{s.up.Process.Pid}
	case "postgres":
		content, err := os.ReadFile(s.postmaster())
		if err != nil {
			s.t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.SplitN(string(content), "\n", 2)[0])
		if err != nil {
			s.t.Fatal(err)
		}
		return []int{pid}
	case "all":
		pids := s.pids("up")
		for _, c := range s.children() {
			pids = append(pids, c.pid)
		}
		return append(pids, s.pids("postgres")...)
	}
	for _, c := range s.children() {
		if c.role == part {
			return []int{c.pid}
		}
	}
	return s.fabricNode(part)
}

func (s *system) postmaster() string {
	found, err := filepath.Glob(filepath.Join(s.info.DataDir, "*", "postmaster.pid"))
	if err == nil && len(found) == 0 {
		found, err = filepath.Glob(filepath.Join(s.info.DataDir, "*", "*", "postmaster.pid"))
	}
	if err != nil || len(found) != 1 {
		s.t.Fatalf("postmaster.pid in %s: %q, %v", s.info.DataDir, found, err)
	}
	return found[0]
}

type process struct {
	pid  int
	role string
}

// children lists the processes of the roles.
func (s *system) children() []process {
	s.t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		s.t.Fatal(err)
	}
	var out []process
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		rest := string(stat[bytes.LastIndexByte(stat, ')')+1:])
		fields := strings.Fields(rest) // state, parent, ...
		if len(fields) < 2 || fields[1] != strconv.Itoa(s.up.Process.Pid) {
			continue
		}
		cmdline, err := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		args := strings.Split(string(cmdline), "\x00")
		if err != nil || len(args) < 2 {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			continue
		}
		role := args[1]
		if role == "serve" && len(args) > 2 {
			role = args[2]
		}
		out = append(out, process{pid, role})
	}
	return out
}

// logs returns what all processes have logged.
func (s *system) logs() []string {
	s.t.Helper()
	files, err := filepath.Glob(filepath.Join(s.info.DataDir, "log", "*"))
	if err != nil || len(files) == 0 {
		s.t.Fatalf("logs in %s: %q, %v", s.info.DataDir, files, err)
	}
	out := make([]string, len(files))
	for i, name := range files {
		content, err := os.ReadFile(name)
		if err != nil {
			s.t.Fatal(err)
		}
		out[i] = string(content)
	}
	return out
}

// kill ends processes without a word.
func (s *system) kill(part string) {
	s.t.Helper()
	pids := s.pids(part)
	if len(pids) == 0 {
		s.t.Fatalf("there is no process %q to kill", part)
	}
	for _, pid := range pids {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			s.t.Fatalf("kill %s, process %d: %v", part, pid, err)
		}
	}
}

// until waits for a condition.
func (s *system) until(what string, condition func() error) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := condition()
		if err == nil {
			return
		}
		select {
		case <-ctx.Done():
			s.t.Fatalf("%s: %v\ngx up said:\n%s", what, err, s.out)
		case <-tick.C:
		}
	}
}

// ready reports whether every process is.
func (s *system) ready() error {
	resp, err := http.Get(s.info.Ops + "/readyz")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", resp.Status)
	}
	return nil
}
