package pgembed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// maxLog is the size at which a start sets the old log aside.
const maxLog = 16 << 20

// start runs the server of the directory that we hold.
func (c *cluster) start(ctx context.Context) (*Server, error) {
	began := time.Now()
	if err := c.clear(ctx); err != nil {
		return nil, err
	}
	if c.Ephemeral {
		if err := os.RemoveAll(c.data); err != nil {
			return nil, fmt.Errorf("remove the last ephemeral data: %w", err)
		}
	}
	major, err := dataMajor(c.data)
	if err != nil {
		return nil, err
	}
	in, err := c.installation(ctx, major)
	if err != nil {
		return nil, err
	}
	id, err := c.identify(filepath.Join(in.dir, "postgres"))
	if err != nil {
		return nil, err
	}
	if err := id.admit(c.Dir); err != nil {
		return nil, err
	}
	if major == 0 {
		c.Progress(fmt.Sprintf("making a PostgreSQL %d data directory in %s", in.major, c.Dir))
		err = initialise(ctx, in, id, c.data)
	} else {
		err = id.own(c.data)
	}
	if err != nil {
		return nil, err
	}
	if c.sock, err = socketDir(c.data, id); err != nil {
		return nil, err
	}
	// A killed server leaves these, and another process may have its number by now.
	for _, name := range [...]string{socketName, socketName + ".lock"} {
		if err := os.Remove(filepath.Join(c.sock, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("remove a stale socket: %w", err)
		}
	}
	p, err := c.launch(filepath.Join(in.dir, "postgres"), id)
	if err != nil {
		return nil, err
	}
	if err := c.ready(ctx, p); err != nil {
		return nil, errors.Join(err, p.stop(ctx))
	}
	c.Log.Info("PostgreSQL is ready", slog.Int("major", in.major), slog.Int("pid", p.pid),
		slog.String("dir", c.Dir), slog.Duration("took", time.Since(began)))

	s := &Server{
		dsn: dsn(c.sock, database), pid: p.pid,
		done: make(chan struct{}), stopping: make(chan struct{}),
	}
	s.shutdown = func(ctx context.Context) error {
		return errors.Join(p.stop(ctx), c.release())
	}
	go func() {
		<-p.exited
		select {
		case <-s.stopping:
		default:
			c.Log.Error("PostgreSQL ended by itself", slog.String("state", p.state.String()), slog.String("log", c.logPath()))
			close(s.done)
		}
	}()
	return s, nil
}

// installation finds the programs for the data directory, or gets them.
func (c *cluster) installation(ctx context.Context, major int) (installation, error) {
	found, err := installations()
	if in := newInstaller(c.Progress); errors.Is(err, ErrNoBinaries) && c.Install && in.packages.Possible() {
		if err := in.run(ctx); err != nil {
			return installation{}, err
		}
		found, err = installations()
	}
	if err != nil {
		return installation{}, err
	}
	return choose(found, major, c.data)
}

// clear ends what an earlier starter left behind: a server that is stopping or
// was orphaned, backends that outlived a killed postmaster and hold its shared
// memory, a stale postmaster.pid.
func (c *cluster) clear(ctx context.Context) error {
	if pids := processes(c.data); len(pids) > 0 {
		c.Progress("stopping the PostgreSQL that was left running in " + c.Dir)
		pm, err := readPostmaster(c.data)
		if err == nil && serves(pm.pid, c.data) {
			pids = []int{pm.pid} // it ends the others in good order
		}
		if err := endAll(ctx, pids, func() bool { return len(processes(c.data)) == 0 }); err != nil {
			return fmt.Errorf("the PostgreSQL that was left running in %s (pid %d) does not stop: %w", c.data, pids[0], err)
		}
	}
	err := os.Remove(filepath.Join(c.data, "postmaster.pid"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("remove a stale postmaster.pid: %w", err)
	}
	return nil
}

// endAll stops server processes: fast, then at once, then by the kernel.
func endAll(ctx context.Context, pids []int, gone func() bool) error {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, fastShutdown}, {syscall.SIGQUIT, quickShutdown}, {syscall.SIGKILL, quickShutdown}} {
		for _, pid := range pids {
			_ = syscall.Kill(pid, step.signal) // it may be gone
		}
		for end := time.Now().Add(step.wait); time.Now().Before(end); {
			if gone() {
				return nil
			}
			if err := pause(ctx, poll); err != nil {
				return err
			}
		}
	}
	return errors.New("it ignores every signal")
}

// process is a postmaster that we started.
type process struct {
	pid    int
	exited chan struct{}
	state  *os.ProcessState // set before exited is closed
	log    int64            // where its part of the log begins
}

func (c *cluster) launch(program string, id identity) (*process, error) {
	if info, err := os.Stat(c.logPath()); err == nil && info.Size() > maxLog {
		if err := os.Rename(c.logPath(), c.logPath()+".1"); err != nil {
			return nil, fmt.Errorf("set the old log aside: %w", err)
		}
	}
	log, err := os.OpenFile(c.logPath(), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data directory %s is not writable: %w", c.Dir, reason(err))
	}
	defer log.Close()
	size, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", c.logPath(), reason(err))
	}
	cmd := id.command(program, c.settings()...)
	cmd.Stdout, cmd.Stderr = log, log
	stopWithParent(cmd.SysProcAttr)

	p := &process{exited: make(chan struct{}), log: size}
	started := make(chan error)
	go func() {
		// The kernel watches the thread, not the process: keep it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // its state says all
			p.state = cmd.ProcessState
			close(p.exited)
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("PostgreSQL can't be run: %w", err)
	}
	p.pid = cmd.Process.Pid
	return p, nil
}

// settings override postgresql.conf, so that an old directory gets new ones.
func (c *cluster) settings() []string {
	args := []string{"-D", c.data}
	for _, s := range []string{
		"listen_addresses=", "port=" + port,
		"unix_socket_directories=" + c.sock, "unix_socket_permissions=0700",
		"logging_collector=off", "log_destination=stderr", "log_line_prefix=%m [%p] %q%u@%d/%a ",
		"timezone=UTC", "log_timezone=UTC",
		"max_connections=200", "shared_buffers=128MB", "jit=off",
		"max_wal_size=2GB", "random_page_cost=1.1",
	} {
		args = append(args, "-c", s)
	}
	durability := []string{"fsync=on", "synchronous_commit=on", "full_page_writes=on"}
	if c.Ephemeral {
		durability = []string{"fsync=off", "synchronous_commit=off", "full_page_writes=off",
			"wal_level=minimal", "max_wal_senders=0"}
	}
	for _, s := range durability {
		args = append(args, "-c", s)
	}
	return args
}

// ready waits until the server lets us in, and makes the database.
func (c *cluster) ready(ctx context.Context, p *process) error {
	said := time.Now()
	for {
		conn, err := pgx.Connect(ctx, dsn(c.sock, "postgres"))
		if err == nil {
			defer conn.Close(ctx)
			_, err = conn.Exec(ctx, "CREATE DATABASE "+database)
			if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) && pg.Code == "42P04" {
				return nil // there already
			}
			if err != nil {
				return fmt.Errorf("make the database in %s: %w", c.data, err)
			}
			return nil
		}
		if time.Since(said) > time.Second {
			said = time.Now().Add(10 * time.Second)
			c.Progress("waiting for PostgreSQL to recover " + c.data)
		}
		select {
		case <-p.exited:
			return c.failure(p)
		case <-ctx.Done():
			return fmt.Errorf("PostgreSQL in %s is not ready (%w); its log is %s", c.data, err, c.logPath())
		case <-time.After(poll):
		}
	}
}

// failure says why the server ended before it was ready.
func (c *cluster) failure(p *process) error {
	why := p.state.String()
	if content, err := os.ReadFile(c.logPath()); err == nil && int64(len(content)) > p.log {
		why = complaint(string(content[p.log:]))
	}
	return fmt.Errorf("PostgreSQL can't run on %s: %s; its log is %s", c.data, why, c.logPath())
}

func (p *process) stop(ctx context.Context) error {
	fast := time.NewTimer(fastShutdown)
	defer fast.Stop()
	_ = syscall.Kill(p.pid, syscall.SIGINT) // it may be gone
	select {
	case <-p.exited:
		return nil
	case <-fast.C:
	case <-ctx.Done():
	}
	quick := time.NewTimer(quickShutdown)
	defer quick.Stop()
	_ = syscall.Kill(p.pid, syscall.SIGQUIT)
	select {
	case <-p.exited:
		return nil
	case <-quick.C:
	}
	_ = syscall.Kill(p.pid, syscall.SIGKILL)
	<-p.exited
	return errors.New("PostgreSQL did not stop and was killed")
}

// runGroup runs cmd and, should ctx end, ends it with all its children.
func runGroup(ctx context.Context, cmd *exec.Cmd) error {
	if err := cmd.Start(); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
	defer stop()
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	return nil
}
