package pgembed

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// maxSocketPath is the shortest limit of sun_path among our systems, with its NUL.
const maxSocketPath = 104

// prepareDir returns o.Dir absolute, without symlinks, existing and writable.
func prepareDir(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("data directory %s can't be created: %w", dir, reason(err))
	}
	probe, err := os.CreateTemp(dir, ".writable-*")
	if err != nil {
		return "", fmt.Errorf("data directory %s is not writable: %w", dir, reason(err))
	}
	if err := errors.Join(probe.Close(), os.Remove(probe.Name())); err != nil {
		return "", fmt.Errorf("data directory %s is not writable: %w", dir, reason(err))
	}
	return filepath.EvalSymlinks(dir)
}

// reason strips the operation and the path, which our sentence names.
func reason(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}

// dataMajor returns the major version that data was made by, 0 when there is
// no cluster yet.
func dataMajor(data string) (int, error) {
	version, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(data); errors.Is(err, fs.ErrNotExist) {
			return 0, nil
		}
		return 0, fmt.Errorf("%s is not a PostgreSQL data directory (no PG_VERSION in it): restore it from a backup, or move it away to begin anew", data)
	}
	if err != nil {
		return 0, fmt.Errorf("data directory %s can't be read: %w", data, reason(err))
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(version)))
	if err != nil {
		return 0, fmt.Errorf("%s is damaged (PG_VERSION says %q): restore it from a backup, or move it away to begin anew", data, version)
	}
	return major, nil
}

// choose returns the installation for a data directory of the given major
// version, the newest for a new one.
func choose(found []installation, major int, data string) (installation, error) {
	if major == 0 {
		return found[0], nil
	}
	for _, in := range found {
		if in.major == major {
			return in, nil
		}
	}
	return installation{}, fmt.Errorf("%s was made by PostgreSQL %d, but only PostgreSQL %d (%s) is here: install PostgreSQL %d, or convert the directory with pg_upgrade", data, major, found[0].major, found[0].dir, major)
}

// initialise makes the cluster beside its final place, so that one which
// exists is complete.
func initialise(ctx context.Context, in installation, id identity, data string) error {
	unfinished := data + ".new"
	if err := os.RemoveAll(unfinished); err != nil {
		return fmt.Errorf("remove an unfinished data directory: %w", err)
	}
	if err := os.Mkdir(unfinished, 0o700); err != nil {
		return fmt.Errorf("data directory %s can't be created: %w", unfinished, reason(err))
	}
	if err := id.own(unfinished); err != nil {
		return fmt.Errorf("hand over %s: %w", unfinished, err)
	}
	cmd := id.command(filepath.Join(in.dir, "initdb"),
		"-D", unfinished, "-U", owner, "--auth=trust", "-E", "UTF8", "--locale=C", "-k", "--no-instructions", "--no-sync")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := runGroup(ctx, cmd); err != nil {
		return fmt.Errorf("PostgreSQL could not make a data directory in %s: %s (%w)", filepath.Dir(data), complaint(out.String()), err)
	}
	return os.Rename(unfinished, data)
}

// complaint picks the line of PostgreSQL's output that says what went wrong.
func complaint(out string) string {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		for _, level := range []string{"FATAL:", "PANIC:", "error:", "ERROR:"} {
			if _, message, ok := strings.Cut(lines[i], level); ok {
				return strings.TrimSpace(message)
			}
		}
	}
	return lines[len(lines)-1]
}

// socketDir returns the private directory of the cluster's socket: short
// enough for a socket address, the same at every start.
func socketDir(data string, id identity) (string, error) {
	sum := sha256.Sum256([]byte(data))
	name := "gx-" + hex.EncodeToString(sum[:6])
	base := os.TempDir()
	if len(filepath.Join(base, name, socketName)) >= maxSocketPath {
		base = "/tmp"
	}
	dir := filepath.Join(base, name)
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("socket directory %s can't be created: %w", dir, reason(err))
	}
	info, err := os.Lstat(dir)
	if err != nil {
		return "", fmt.Errorf("socket directory %s: %w", dir, reason(err))
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || !info.IsDir() || info.Mode().Perm() != 0o700 || int(st.Uid) != id.uid && int(st.Uid) != os.Geteuid() {
		return "", fmt.Errorf("socket directory %s is not a private directory of ours: remove it", dir)
	}
	return dir, id.own(dir)
}

// postmaster is what a running server says of itself in postmaster.pid.
type postmaster struct {
	pid    int
	socket string // directory
}

func readPostmaster(data string) (postmaster, error) {
	content, err := os.ReadFile(filepath.Join(data, "postmaster.pid"))
	if err != nil {
		return postmaster{}, err
	}
	lines := strings.Split(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(lines[0]))
	if err != nil {
		return postmaster{}, fmt.Errorf("postmaster.pid: %w", err)
	}
	pm := postmaster{pid: pid}
	if len(lines) > 4 {
		pm.socket = lines[4]
	}
	return pm, nil
}
