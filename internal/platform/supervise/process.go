package supervise

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Process keeps a program running as a child that does not outlive us: it is
// started again whenever it ends, after a pause that grows while that goes on.
// Its methods may be called concurrently.
type Process struct {
	Name    string
	Command func() *exec.Cmd // a new one for each start; its SysProcAttr is ours
	Log     *slog.Logger

	StopTimeout time.Duration // from SIGTERM to SIGKILL; default 30 s
	MinPause    time.Duration // before the first restart; default 200 ms
	MaxPause    time.Duration // the longest; a child that ran for longer was well; default 15 s

	mu       sync.Mutex
	pid      int
	restarts int
	last     string
}

// PID is the child's process id, 0 while none runs.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pid
}

// Restarts counts how often the child ended by itself, and says how it did last.
func (p *Process) Restarts() (n int, last string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.restarts, p.last
}

// Run keeps the child running until ctx ends, then stops it and returns when
// it is gone: nil, or an error when it had to be killed.
func (p *Process) Run(ctx context.Context) error {
	def := func(d *time.Duration, v time.Duration) time.Duration {
		if *d > 0 {
			return *d
		}
		return v
	}
	stopTimeout := def(&p.StopTimeout, 30*time.Second)
	b := backoff{least: def(&p.MinPause, 200*time.Millisecond), most: def(&p.MaxPause, 15*time.Second)}
	for {
		began := time.Now()
		child, err := start(p.Command())
		if err == nil {
			p.began(child.cmd.Process.Pid)
			select {
			case <-child.ended:
			case <-ctx.Done():
				return child.stop(stopTimeout)
			}
		}
		wait := b.next(time.Since(began))
		p.endedAs(child, err, wait)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
	}
}

func (p *Process) began(pid int) {
	p.Log.Info("process started", slog.String("process", p.Name), slog.Int("pid", pid))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pid = pid
}

func (p *Process) endedAs(c *child, err error, wait time.Duration) {
	how := ""
	if err != nil {
		how = err.Error()
	} else {
		how = c.cmd.ProcessState.String()
	}
	p.mu.Lock()
	p.pid, p.last = 0, how
	p.restarts++
	p.mu.Unlock()
	p.Log.Error("process ended, starting it again", slog.String("process", p.Name), slog.String("how", how), slog.Duration("in", wait))
}

// backoff is the pauses between starts.
type backoff struct{ least, most, now time.Duration }

// next returns the pause after a run of the given length.
func (b *backoff) next(ran time.Duration) time.Duration {
	if b.now == 0 || ran > b.most {
		b.now = b.least
	} else {
		b.now = min(2*b.now, b.most)
	}
	return b.now
}

// child is one run of a program.
type child struct {
	cmd   *exec.Cmd
	ended chan struct{} // then cmd.ProcessState is set
}

// start starts a child in a process group of its own, so that a terminal's
// interrupt reaches us alone.
func start(cmd *exec.Cmd) (*child, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithParent(cmd.SysProcAttr)
	c := &child{cmd: cmd, ended: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel watches the thread that started the child, not the process.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // the state says all
			close(c.ended)
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return c, nil
}

func (c *child) stop(timeout time.Duration) error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may be gone
	t := time.NewTimer(timeout)
	defer t.Stop()
	select {
	case <-c.ended:
		return nil
	case <-t.C:
	}
	if err := c.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill: %w", err)
	}
	<-c.ended
	return fmt.Errorf("it did not stop within %s and was killed", timeout)
}
