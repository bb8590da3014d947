// Package tools finds Fabric's programs. The module tools/fabric of this
// repository builds them (make fabric-tools); any later ones do as well.
package tools

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Version of Fabric that tools/fabric builds.
const Version = "v3.1.1"

// ErrMissing reports that the programs are not on this machine.
var ErrMissing = errors.New("Fabric's programs are not here")

// Dir is a directory with the programs peer and orderer.
type Dir string

// Program returns the path of a program.
func (d Dir) Program(name string) string { return filepath.Join(string(d), name) }

// Find returns the directory given, or else where tools/fabric puts what it
// builds. The error says what to do.
func Find(dir string) (Dir, error) {
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("tools: %w", err)
		}
		dir = filepath.Join(cache, "gx", "fabric", Version)
	}
	for _, name := range []string{"peer", "orderer"} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err == nil && info.Mode().Perm()&0o100 == 0 {
			err = fmt.Errorf("%s can't be executed", filepath.Join(dir, name))
		}
		if err != nil {
			why := "run make fabric-tools"
			if reason, err := os.ReadFile(filepath.Join(dir, "skipped")); err == nil {
				why = "make fabric-tools could not build them: " + strings.TrimSpace(string(reason))
			}
			return "", fmt.Errorf("%w: %w: %s", ErrMissing, err, why)
		}
	}
	return Dir(dir), nil
}
