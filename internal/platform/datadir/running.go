package datadir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// Running says where everything of a running system is, for other commands and
// for scripts. It holds no secret.
type Running struct {
	PID           int               `json:"pid"`
	Version       string            `json:"version"`
	StartedAt     time.Time         `json:"startedAt"`
	DataDir       string            `json:"dataDir"`
	Log           string            `json:"log"`
	Services      map[string]string `json:"services"`           // URL by name
	Ops           string            `json:"ops"`                // URL of the operational routes
	Workers       map[string]string `json:"workers,omitempty"`  // with --processes: URL of the operational routes of each process
	Database      string            `json:"database,omitempty"` // DSN of the private PostgreSQL
	Fabric        *Fabric           `json:"fabric,omitempty"`   // where the ledger is; absent: it is the embedded one
	StaffUser     string            `json:"staffUser"`          // who may log in at the admin service
	StaffPassword string            `json:"staffPasswordFile"`  // file with the first password of StaffUser
}

// Fabric says how a client reaches the Fabric network of a system. Files and
// directories are absolute.
type Fabric struct {
	Profile   string   `json:"profile"`
	MSP       string   `json:"msp"`
	Wallet    string   `json:"wallet"`
	Channel   string   `json:"channel"`
	Chaincode string   `json:"chaincode"`
	Endorsers []string `json:"endorsers,omitempty"`
}

// Announce writes where everything is, to run/gx.json and also to each of files.
func (d *Dir) Announce(r Running, files ...string) error {
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	for _, path := range append([]string{d.Sub("run", "gx.json")}, files...) {
		if err := writeFile(path, append(content, '\n'), 0o600); err != nil {
			return fmt.Errorf("%s can't be written: %w", path, reason(err))
		}
	}
	return nil
}

// Withdraw removes what Announce wrote.
func (d *Dir) Withdraw(files ...string) error {
	var errs []error
	for _, path := range append([]string{d.Sub("run", "gx.json")}, files...) {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Find returns where the system that runs on a data directory is. An error is
// one sentence for the operator.
func Find(path string) (Running, error) {
	var r Running
	file := filepath.Join(path, "run", "gx.json")
	content, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(content, &r)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && errors.Is(syscall.Kill(r.PID, 0), syscall.ESRCH): // it was killed
		return Running{}, fmt.Errorf("no GX is running on the data directory %s: start it with gx up, or name another directory with --data-dir", path)
	case err != nil:
		return Running{}, fmt.Errorf("%s can't be read: %w", file, reason(err))
	}
	return r, nil
}
