package pgembed

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// minMajor is the oldest PostgreSQL that GX runs on.
const minMajor = 15

// ErrNoBinaries reports that no usable PostgreSQL is installed.
var ErrNoBinaries = errors.New("PostgreSQL 15 or newer was not found")

// wellKnown are the places where packages and installers put the programs.
var wellKnown = []string{
	"/usr/lib/postgresql/*/bin",          // Debian
	"/usr/pgsql-*/bin",                   // PGDG on Red Hat and SUSE
	"/usr/libexec/postgresql*",           // Alpine
	"/usr/lib/postgresql*/bin",           // SUSE, Gentoo
	"/usr/local/pgsql/bin",               // from source
	"/opt/homebrew/opt/postgresql@*/bin", // Homebrew, Apple silicon
	"/usr/local/opt/postgresql@*/bin",    // Homebrew, Intel
	"/opt/local/lib/postgresql*/bin",     // MacPorts
	"/Library/PostgreSQL/*/bin",          // EDB
	"/Applications/Postgres.app/Contents/Versions/*/bin",
}

// installation is a directory that holds both postgres and initdb.
type installation struct {
	dir   string
	major int
}

// FindBinaries returns the directory that holds postgres and initdb of the
// newest usable PostgreSQL: the one named by GX_POSTGRES_BIN, else the newest
// found on PATH, by pg_config and where packages put it. The error is
// ErrNoBinaries, with what to do, when there is none.
func FindBinaries() (dir string, err error) {
	found, err := installations()
	if err != nil {
		return "", err
	}
	return found[0].dir, nil
}

// installations lists what is usable, newest first; at least one when err is nil.
func installations() ([]installation, error) {
	if dir := os.Getenv("GX_POSTGRES_BIN"); dir != "" {
		in, err := inspect(dir)
		if err != nil {
			return nil, fmt.Errorf("GX_POSTGRES_BIN=%s: %w", dir, err)
		}
		return []installation{in}, nil
	}
	var dirs []string
	if path, err := exec.LookPath("postgres"); err == nil {
		// On PATH there is often a link to the file alone; initdb is beside its target.
		if path, err = filepath.EvalSymlinks(path); err == nil {
			dirs = append(dirs, filepath.Dir(path))
		}
	}
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, strings.TrimSpace(string(out)))
	}
	for _, pattern := range wellKnown {
		matches, _ := filepath.Glob(pattern) // the patterns are constant and valid
		dirs = append(dirs, matches...)
	}
	var found []installation
	seen := make(map[string]bool)
	for _, dir := range dirs {
		if seen[dir] {
			continue
		}
		seen[dir] = true
		if in, err := inspect(dir); err == nil {
			found = append(found, in)
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%w: %s", ErrNoBinaries, advice())
	}
	slices.SortStableFunc(found, func(a, b installation) int { return b.major - a.major })
	return found, nil
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

func inspect(dir string) (installation, error) {
	if _, err := exec.LookPath(filepath.Join(dir, "initdb")); err != nil {
		return installation{}, fmt.Errorf("no initdb in %s", dir)
	}
	out, err := exec.Command(filepath.Join(dir, "postgres"), "--version").Output()
	if err != nil {
		return installation{}, fmt.Errorf("%s does not run: %w", filepath.Join(dir, "postgres"), err)
	}
	m := versionPattern.FindSubmatch(out)
	if m == nil {
		return installation{}, fmt.Errorf("%s is not PostgreSQL: %q", filepath.Join(dir, "postgres"), out)
	}
	major, err := strconv.Atoi(string(m[1]))
	if err != nil || major < minMajor {
		return installation{}, fmt.Errorf("PostgreSQL %s is too old, %d or newer is needed", m[1], minMajor)
	}
	return installation{dir: dir, major: major}, nil
}
