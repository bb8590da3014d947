package supervise

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

const childEnv = "GX_TEST_SUPERVISE_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case "":
		goleak.VerifyTestMain(m)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fallthrough
	case "obedient":
		fmt.Println(os.Getpid())
		<-time.After(time.Hour) // an empty select would be a deadlock to the runtime
	case "parent":
		// Runs a child of its own until it is killed.
		p := &Process{Name: "grandchild", Log: quiet, Command: func() *exec.Cmd {
			cmd := program("obedient")
			cmd.Stdout = os.Stdout
			return cmd
		}}
		_ = p.Run(context.Background())
	}
}

func program(role string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+role)
	return cmd
}

// announced runs a process whose child prints its pid, and returns those that it prints.
func announced(t *testing.T, p *Process, role string) (next func() int, stop func() error) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.Name, p.Log = role, quiet
	p.Command = func() *exec.Cmd {
		cmd := program(role)
		cmd.Stdout = w
		return cmd
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	t.Cleanup(func() { cancel(); w.Close(); r.Close() })
	return reader(t, r), func() error { cancel(); return <-done }
}

func reader(t *testing.T, r *os.File) func() int {
	lines := bufio.NewReader(r)
	return func() int {
		t.Helper()
		if err := r.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		pid, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			t.Fatal(err)
		}
		return pid
	}
}

// gone waits until a process is no more; zombies of others count as gone.
func gone(t *testing.T, pid int) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); <-tick.C {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
	}
	t.Errorf("process %d is still there", pid)
}

func TestProcessIsRestartedWhenKilled(t *testing.T) {
	p := &Process{MinPause: time.Millisecond}
	next, stop := announced(t, p, "obedient")
	first := next()
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	second := next()
	if n, how := p.Restarts(); second == first || n != 1 || how != "signal: killed" || p.PID() != second {
		t.Errorf("pids %d and %d (now %d), %d restarts: %s", first, second, p.PID(), n, how)
	}
	if err := stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	gone(t, second)
}

func TestProcessThatIgnoresSIGTERMIsKilled(t *testing.T) {
	next, stop := announced(t, &Process{StopTimeout: 50 * time.Millisecond}, "stubborn")
	pid := next()
	if err := stop(); err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("stop: %v", err)
	}
	gone(t, pid)
}

func TestProcessThatCanNotStartIsTriedAgain(t *testing.T) {
	tries := make(chan struct{}, 1)
	p := &Process{Name: "nothing", Log: quiet, MinPause: time.Millisecond, MaxPause: time.Millisecond, Command: func() *exec.Cmd {
		select {
		case tries <- struct{}{}:
		default:
		}
		return exec.Command("/does/not/exist")
	}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- p.Run(ctx) }()
	<-tries
	<-tries
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n, how := p.Restarts(); n == 0 || !strings.Contains(how, "no such file") || p.PID() != 0 {
		t.Errorf("%d restarts: %s", n, how)
	}
}

func TestChildDiesWithItsParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("SKIPPED: only Linux ends the children of a killed process")
	}
	parent := program("parent")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	parent.Stdout = w
	if err := errors.Join(parent.Start(), w.Close()); err != nil {
		t.Fatal(err)
	}
	child := reader(t, r)()
	if err := parent.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = parent.Wait() // killed
	gone(t, child)
	if rest, err := io.ReadAll(r); err != nil || len(rest) != 0 {
		t.Errorf("somebody still writes: %q, %v", rest, err)
	}
}

func TestBackoff(t *testing.T) {
	const ms = time.Millisecond
	b := backoff{least: 200 * ms, most: time.Second}
	var got []time.Duration
	for _, ran := range []time.Duration{0, 0, 0, 0, 0, 900 * ms, 2 * time.Second, 0} {
		got = append(got, b.next(ran))
	}
	want := []time.Duration{200 * ms, 400 * ms, 800 * ms, time.Second, time.Second, time.Second, 200 * ms, 400 * ms}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
