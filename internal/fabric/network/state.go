package network

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"syscall"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// runState is what the process that runs a network tells others: run.json. It
// holds while that process holds the lock; the nodes are its children, so that
// no other process has their ids.
type runState struct {
	PID   int                  `json:"pid"`
	Ready bool                 `json:"ready"`
	Nodes map[string]nodeState `json:"nodes"`
}

type nodeState struct {
	PID      int    `json:"pid"` // 0: not running, or in the network's own process
	Restarts int    `json:"restarts"`
	Last     string `json:"last,omitzero"` // how it ended
}

func (s runState) equal(t runState) bool {
	return s.PID == t.PID && s.Ready == t.Ready && maps.Equal(s.Nodes, t.Nodes)
}

func runFile(dir string) string { return filepath.Join(dir, "run.json") }

func (s runState) write(dir string) error {
	content, err := json.Marshal(s, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	return replaceFile(runFile(dir), content)
}

// errDown reports that no process runs the network.
var errDown = errors.New("the Fabric network is not running")

// readState returns what the process that runs the network tells.
func readState(dir string) (runState, error) {
	var s runState
	held, err := isHeld(dir)
	if err != nil {
		return s, err
	}
	if !held {
		return s, errDown
	}
	content, err := os.ReadFile(runFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil // it has just begun, or is about to end
	}
	if err == nil {
		err = json.Unmarshal(content, &s)
	}
	return s, err
}

// Locks of a network's directory.
const (
	runLock    = "lock"        // of the process that runs it
	changeLock = "change.lock" // of a process that changes it meanwhile
)

// acquire takes a lock for this process. Closing the file gives it up, and so
// does any end of the process.
func acquire(dir, lock string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lock), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("network: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := io.ReadAll(io.LimitReader(f, 20)) // for the message only
		return nil, errors.Join(fmt.Errorf("network: process %s runs or changes the network in %s already", holder, dir), f.Close())
	}
	if err := f.Truncate(0); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := fmt.Fprint(f, os.Getpid()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// isHeld reports whether a process runs the network.
func isHeld(dir string) (bool, error) {
	f, err := os.Open(filepath.Join(dir, runLock))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// openLog opens a node's log for appending, after putting a large one aside.
func openLog(file string) (*os.File, error) {
	if info, err := os.Stat(file); err == nil && info.Size() > maxLogSize {
		if err := os.Rename(file, file+".1"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
}
