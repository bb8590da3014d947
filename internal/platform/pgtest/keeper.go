package pgtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"gxcoin.money/gx/internal/platform/pgembed"
)

const (
	keeperEnv = "GX_PGTEST_KEEPER"

	// idle is how long the server outlives its last user: long enough to
	// compile the next package.
	idle = time.Minute
)

// init turns a test binary that was started as the keeper into it.
func init() {
	if dir := os.Getenv(keeperEnv); dir != "" {
		keep(dir, os.Getenv(keeperEnv+"_TEMPLATE"))
		os.Exit(0)
	}
}

// keep runs the server until it has no users, and reports on descriptor 3.
func keep(dir, template string) {
	syscall.CloseOnExec(3) // the server must not hold our parent up
	report := os.NewFile(3, "report")
	ctx := context.Background()
	s, dsn, err := serve(ctx, dir, template)
	if err != nil {
		fmt.Fprint(report, err)
		return
	}
	fmt.Fprint(report, "dsn ", dsn)
	report.Close()

	users := untilUnused(filepath.Join(dir, "users.lock"), s.Done())
	_ = s.Stop(ctx)
	_ = os.Remove(filepath.Join(dir, "dsn"))
	if users != nil {
		_ = users.Close() // whoever waited for it starts a server anew
	}
}

func serve(ctx context.Context, dir, template string) (*pgembed.Server, string, error) {
	s, err := pgembed.Start(ctx, pgembed.Options{Dir: filepath.Join(dir, "server"), Ephemeral: true})
	if err != nil {
		return nil, "", err
	}
	err = makeTemplate(ctx, s.DSN(), template)
	if err == nil {
		// Whoever reads it sees it whole.
		tmp := filepath.Join(dir, "dsn.new")
		err = errors.Join(os.WriteFile(tmp, []byte(s.DSN()), 0o600), os.Rename(tmp, filepath.Join(dir, "dsn")))
	}
	if err != nil {
		return nil, "", errors.Join(err, s.Stop(ctx))
	}
	return s, s.DSN(), nil
}

// untilUnused returns the lock, held alone, once no process has held it for
// a while, or nil when the server ended by itself.
func untilUnused(path string, died <-chan struct{}) *os.File {
	var since time.Time
	for tick := time.Tick(time.Second); ; {
		f, err := tryLock(path)
		switch {
		case err != nil:
			since = time.Time{}
		case since.IsZero():
			since = time.Now()
			f.Close()
		case time.Since(since) >= idle:
			return f
		default:
			f.Close()
		}
		select {
		case <-tick:
		case <-died:
			return nil
		}
	}
}

func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
