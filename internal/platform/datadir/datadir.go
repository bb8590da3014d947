// Package datadir is the directory in which one machine's GX keeps everything:
//
//	gx.json      says that the directory is ours, and in which form
//	lock         held by the process that uses it
//	postgres/    the private database
//	secrets/     keys and passwords, readable by us alone
//	log/         logs
//	run/gx.json  where everything is, while it runs
package datadir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// format is the form of the directory that this binary makes and understands.
const format = 1

// Dir is a directory that is locked for this process.
type Dir struct {
	Path string // absolute
	New  bool   // made by Open
	lock *os.File
}

// marker is the content of gx.json.
type marker struct {
	Format    int    `json:"format"`
	CreatedBy string `json:"createdBy"` // version
}

// Open locks the directory for this process, making it when it is absent or
// empty. An error is one sentence for the operator that names the directory.
func Open(path, version string) (*Dir, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("data directory %s can't be created: %w", path, reason(err))
	}
	fresh, err := inspect(path)
	if err != nil {
		return nil, err
	}
	d := &Dir{Path: path, New: fresh}
	if err := d.acquire(); err != nil {
		return nil, err
	}
	if err := d.prepare(version); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// inspect reports whether the directory is still to be made ours.
func inspect(path string) (fresh bool, err error) {
	content, err := os.ReadFile(filepath.Join(path, "gx.json"))
	if errors.Is(err, fs.ErrNotExist) {
		entries, err := os.ReadDir(path)
		if err != nil {
			return false, fmt.Errorf("data directory %s can't be read: %w", path, reason(err))
		}
		for _, e := range entries {
			if e.Name() != "lock" { // of another process that is making it
				return false, fmt.Errorf("%s is not a data directory of GX (there is no gx.json, but there is %s): choose another with --data-dir", path, e.Name())
			}
		}
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("data directory %s can't be read: %w", path, reason(err))
	}
	var m marker
	switch err := json.Unmarshal(content, &m); {
	case err != nil || m.Format < 1:
		return false, fmt.Errorf("data directory %s is damaged: its gx.json says nothing about its format; restore it from a backup, or choose another with --data-dir", path)
	case m.Format > format:
		return false, fmt.Errorf("data directory %s was made by a newer GX (%s, format %d; this one knows format %d): use that one", path, m.CreatedBy, m.Format, format)
	}
	return false, nil
}

func (d *Dir) acquire() error {
	f, err := os.OpenFile(d.Sub("lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("data directory %s is not writable: %w", d.Path, reason(err))
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 20)) // it is only for the message
		_ = f.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("data directory %s can't be locked: %w", d.Path, err)
		}
		who := "another gx"
		if pid := strings.TrimSpace(string(holder)); pid != "" {
			who += " (process " + pid + ")"
		}
		return fmt.Errorf("%s is running on the data directory %s: stop it, or choose another directory with --data-dir", who, d.Path)
	}
	d.lock = f
	if err := f.Truncate(0); err != nil {
		return errors.Join(fmt.Errorf("data directory %s is not writable: %w", d.Path, reason(err)), d.Close())
	}
	_, err = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

func (d *Dir) prepare(version string) error {
	if d.New {
		// The account that runs PostgreSQL for root has to pass through.
		if os.Geteuid() == 0 {
			if err := os.Chmod(d.Path, 0o711); err != nil {
				return fmt.Errorf("data directory %s is not writable: %w", d.Path, reason(err))
			}
		}
		content, err := json.Marshal(marker{format, version})
		if err != nil {
			return err
		}
		if err := writeFile(d.Sub("gx.json"), append(content, '\n'), 0o644); err != nil {
			return fmt.Errorf("data directory %s is not writable: %w", d.Path, reason(err))
		}
	}
	for _, name := range []string{"secrets", "log", "run"} {
		if err := os.MkdirAll(d.Sub(name), 0o700); err != nil {
			return fmt.Errorf("data directory %s is not writable: %w", d.Path, reason(err))
		}
	}
	return nil
}

// Sub returns the path of something in the directory.
func (d *Dir) Sub(elem ...string) string { return filepath.Join(append([]string{d.Path}, elem...)...) }

// Close gives the directory up.
func (d *Dir) Close() error { return d.lock.Close() }

// RemoveAbandoned removes the data directories that match a pattern and that no
// process uses any more. A PostgreSQL that was left running in one ends when it
// misses its files.
func RemoveAbandoned(pattern string) error {
	paths, err := filepath.Glob(pattern)
	errs := []error{err}
	for _, path := range paths {
		if fresh, err := inspect(path); err != nil || fresh {
			continue // not ours, or just being made
		}
		d := &Dir{Path: path}
		if d.acquire() != nil {
			continue // in use, or somebody else's
		}
		errs = append(errs, os.RemoveAll(path), d.Close())
	}
	return errors.Join(errs...)
}

// Secret returns the path of a secret, which is generated once and kept.
func (d *Dir) Secret(name string, generate func() ([]byte, error)) (string, error) {
	path := d.Sub("secrets", name)
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		value, err := generate()
		if err != nil {
			return "", err
		}
		return path, d.Keep(name, value)
	case err != nil:
		return "", fmt.Errorf("secret %s can't be read: %w", path, reason(err))
	case info.Mode().Perm()&0o077 != 0:
		return "", fmt.Errorf("secret %s can be read by others: run chmod 600 on it, and replace it if somebody may have", path)
	}
	return path, nil
}

// Keep stores a secret, in place of the one before.
func (d *Dir) Keep(name string, value []byte) error {
	path := d.Sub("secrets", name)
	if err := writeFile(path, value, 0o600); err != nil {
		return fmt.Errorf("secret %s can't be written: %w", path, reason(err))
	}
	return nil
}

// writeFile leaves the old file or the new one, whole, whatever happens.
func writeFile(path string, content []byte, mode fs.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error says it all
	}
	return err
}

// reason strips the operation and the path, which our sentence names.
func reason(err error) error {
	if path := (*fs.PathError)(nil); errors.As(err, &path) {
		return path.Err
	}
	return err
}
