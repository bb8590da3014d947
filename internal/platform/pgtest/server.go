package pgtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"

	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/db/migrations"
	"gxcoin.money/gx/internal/platform/pgembed"
	"gxcoin.money/gx/internal/platform/postgres"
)

// server returns the DSN of the server and the name of its migrated template.
// The outcome of the first call holds for the whole process.
func server(ctx context.Context) (admin, template string, err error) {
	once.Do(func() {
		shared.template, shared.err = templateName()
		if shared.err != nil {
			return
		}
		shared.admin = os.Getenv("GX_TEST_DATABASE_URL")
		if shared.admin == "" {
			shared.admin, shared.err = join(ctx, shared.template)
		} else {
			shared.err = makeTemplate(ctx, shared.admin, shared.template)
		}
	})
	return shared.admin, shared.template, shared.err
}

var (
	once   sync.Once
	shared struct {
		admin, template string
		err             error
		lock            *os.File // held until the process ends
	}
)

// templateName contains a hash of the migrations.
func templateName() (string, error) {
	sum := sha256.New()
	err := fs.WalkDir(migrations.FS, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(migrations.FS, path)
		fmt.Fprintf(sum, "%s %d\n%s", path, len(content), content)
		return err
	})
	if err != nil {
		return "", err
	}
	return "gx_template_" + hex.EncodeToString(sum.Sum(nil)[:6]), nil
}

// errUnavailable reports a machine without PostgreSQL.
var errUnavailable = errors.New("no PostgreSQL here")

// join registers this process as a user of the shared server and returns its
// DSN, starting it when nobody has.
func join(ctx context.Context, template string) (string, error) {
	if _, err := pgembed.FindBinaries(); err != nil {
		return "", fmt.Errorf("%w: %w", errUnavailable, err)
	}
	dir, err := sharedDir(template)
	if err != nil {
		return "", err
	}
	// One process at a time looks whether there is a server and starts it.
	start, err := lock(filepath.Join(dir, "start.lock"), syscall.LOCK_EX)
	if err != nil {
		return "", err
	}
	defer start.Close()
	// Waits while a keeper is stopping its server.
	users, err := lock(filepath.Join(dir, "users.lock"), syscall.LOCK_SH)
	if err != nil {
		return "", err
	}
	dsn, err := current(ctx, dir)
	if err != nil {
		if dsn, err = startKeeper(ctx, dir, template); err != nil {
			return "", errors.Join(err, users.Close())
		}
	}
	shared.lock = users
	return dsn, nil
}

// current returns the DSN of the running server.
func current(ctx context.Context, dir string) (string, error) {
	dsn, err := os.ReadFile(filepath.Join(dir, "dsn"))
	if err != nil {
		return "", err
	}
	return string(dsn), run(ctx, string(dsn), "SELECT")
}

// startKeeper re-executes this test binary as the keeper of the server and
// waits until it reports the DSN.
func startKeeper(ctx context.Context, dir, template string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer r.Close()
	if deadline, ok := ctx.Deadline(); ok {
		if err := r.SetReadDeadline(deadline); err != nil {
			return "", err
		}
	}
	cmd := exec.Command(self)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), keeperEnv+"="+dir, keeperEnv+"_TEMPLATE="+template)
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := errors.Join(cmd.Start(), w.Close()); err != nil {
		return "", fmt.Errorf("start the keeper of the test server: %w", err)
	}
	report, err := io.ReadAll(r)
	if err != nil {
		return "", fmt.Errorf("the keeper of the test server (pid %d) does not report: %w", cmd.Process.Pid, err)
	}
	if dsn, ok := strings.CutPrefix(string(report), "dsn "); ok {
		return dsn, cmd.Process.Release()
	}
	_ = cmd.Wait() // it has said why
	return "", errors.New(strings.TrimSpace(string(report)))
}

// sharedDir returns the private directory of the server.
func sharedDir(template string) (string, error) {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("gx-pgtest-%d-%s", os.Getuid(), strings.TrimPrefix(template, "gx_template_")))
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || int(st.Uid) != os.Getuid() {
		return "", fmt.Errorf("%s is not a directory of ours: remove it", dir)
	}
	return dir, nil
}

// lock opens path and waits for the lock, which ends with the file or the process.
func lock(path string, how int) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err = syscall.Flock(int(f.Fd()), how)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, syscall.EINTR) {
			return nil, errors.Join(err, f.Close())
		}
	}
}

// makeTemplate migrates a database once; it is a template when it is complete.
func makeTemplate(ctx context.Context, admin, name string) error {
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock(hashtextextended($1, 0))", name); err != nil {
		return err
	}
	var complete bool
	err = conn.QueryRow(ctx, "SELECT datistemplate FROM pg_database WHERE datname = $1", name).Scan(&complete)
	if complete || err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	dsn, err := withDatabase(admin, name)
	if err != nil {
		return err
	}
	for _, sql := range []string{"DROP DATABASE IF EXISTS " + name + " WITH (FORCE)", "CREATE DATABASE " + name} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return err
		}
	}
	if _, err := postgres.Migrate(ctx, dsn); err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "ALTER DATABASE "+name+" WITH IS_TEMPLATE true ALLOW_CONNECTIONS false")
	return err
}
