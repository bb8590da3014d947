// Package pgembed runs a private PostgreSQL under a directory: it finds or
// installs the programs, makes the cluster, and starts and stops the server,
// as an ordinary user and as root. The server listens on a unix socket only,
// in a directory that nobody else can enter.
package pgembed

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	owner      = "gx"
	database   = "gx"
	port       = "5432"
	socketName = ".s.PGSQL." + port

	fastShutdown  = 10 * time.Second // before the clients' goodbye is cut short
	quickShutdown = 10 * time.Second // before the kernel does it
	poll          = 25 * time.Millisecond
)

// Options of a server.
type Options struct {
	// Dir holds the cluster and its log. Empty with Ephemeral: a new one
	// under the system's directory for temporary files.
	Dir string
	// Ephemeral makes a new cluster that forgoes durability for speed and
	// removes what it made at Stop. A permanent cluster in the same Dir is
	// not touched.
	Ephemeral bool
	// Install allows to install PostgreSQL with the system's packages.
	Install bool
	// Log is told what happens; nil discards.
	Log *slog.Logger
	// Progress is told, in the calling goroutine, what takes longer than a
	// moment; may be nil.
	Progress func(string)
}

// Server is a running PostgreSQL. Its methods may be called concurrently.
type Server struct {
	dsn  string
	pid  int
	done chan struct{}

	stopping chan struct{} // closed by Stop
	stopOnce sync.Once
	stopErr  error
	shutdown func(context.Context) error
}

// DSN is the URL to connect with, as the owner of the database.
func (s *Server) DSN() string { return s.dsn }

// PID is the process id of the postmaster.
func (s *Server) PID() int { return s.pid }

// Done is closed when the server ends without Stop, which is still due, to
// give up the directory.
func (s *Server) Done() <-chan struct{} { return s.done }

// Stop ends the server and waits until it has: transactions are rolled back
// and clients disconnected. When ctx ends, or after ten seconds, it insists,
// and the next start recovers. A server that another process started is left
// to it. Further calls return what the first did.
func (s *Server) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() {
		close(s.stopping)
		s.stopErr = s.shutdown(ctx)
	})
	return s.stopErr
}

// Start runs the cluster of o.Dir, making it when there is none, and returns
// when it accepts connections. When another process of ours runs it already,
// that server is used. A server that its starter left behind is stopped first.
// An error is one sentence for the operator.
func Start(ctx context.Context, o Options) (*Server, error) {
	return startAs(ctx, o, chooseIdentity)
}

func startAs(ctx context.Context, o Options, identify func(program string) (identity, error)) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	c := cluster{Options: o, identify: identify}
	if o.Dir == "" {
		if !o.Ephemeral {
			return nil, errors.New("pgembed: Dir is empty")
		}
		dir, err := os.MkdirTemp("", "gx-postgres-")
		if err != nil {
			return nil, fmt.Errorf("make a temporary directory: %w", err)
		}
		c.Dir = dir
	}
	var err error
	if c.Dir, err = prepareDir(c.Dir); err != nil {
		return nil, err
	}
	name := "data"
	if o.Ephemeral {
		name = "ephemeral"
	}
	c.data, c.lockPath = filepath.Join(c.Dir, name), filepath.Join(c.Dir, name+".lock")
	if real, err := filepath.EvalSymlinks(c.data); err == nil {
		c.data = real // as the kernel will call the server's directory
	}

	said := false
	for {
		own, err := c.acquire()
		if err != nil {
			return nil, err
		}
		if own {
			break
		}
		if s := c.share(ctx); s != nil {
			return s, nil
		}
		if !said {
			said = true
			o.Progress("waiting for the process that is starting PostgreSQL in " + c.Dir)
		}
		if err := pause(ctx, poll); err != nil {
			return nil, fmt.Errorf("another process holds %s and does not get PostgreSQL ready: %w", c.Dir, err)
		}
	}
	s, err := c.start(ctx)
	if err != nil {
		return nil, errors.Join(err, c.release())
	}
	return s, nil
}

// cluster is the directory of a server and the right to run it.
type cluster struct {
	Options
	identify func(program string) (identity, error)
	data     string
	sock     string
	lockPath string
	lock     *os.File // locked while we run the server
}

// acquire takes the directory's lock, which its holder keeps for as long as it
// runs the server.
func (c *cluster) acquire() (bool, error) {
	f, err := os.OpenFile(c.lockPath, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return false, fmt.Errorf("data directory %s is not writable: %w", c.Dir, reason(err))
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		// An ephemeral cluster's lock file goes with it.
		mine, err1 := f.Stat()
		there, err2 := os.Stat(c.lockPath)
		if err1 == nil && err2 == nil && os.SameFile(mine, there) {
			c.lock = f
			return true, nil
		}
		return false, f.Close()
	}
	if cerr := f.Close(); cerr != nil {
		return false, cerr
	}
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return false, fmt.Errorf("lock %s: %w", c.lockPath, err)
}

// release gives the directory up; of an ephemeral cluster nothing remains.
func (c *cluster) release() error {
	var errs []error
	if c.sock != "" {
		if err := os.RemoveAll(c.sock); err != nil {
			errs = append(errs, err)
		}
	}
	if c.Ephemeral {
		for _, name := range []string{c.data, c.data + ".new", c.logPath(), c.lockPath} {
			if err := os.RemoveAll(name); err != nil {
				errs = append(errs, err)
			}
		}
		_ = os.Remove(c.Dir) // unless there is something else in it
	}
	return errors.Join(append(errs, c.lock.Close())...)
}

func (c *cluster) logPath() string {
	if c.Ephemeral {
		return filepath.Join(c.Dir, "ephemeral.log")
	}
	return filepath.Join(c.Dir, "postgres.log")
}

func dsn(socket, database string) string {
	q := url.Values{"host": {socket}, "port": {port}, "sslmode": {"disable"}}
	return (&url.URL{Scheme: "postgres", User: url.User(owner), Path: "/" + database, RawQuery: q.Encode()}).String()
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
