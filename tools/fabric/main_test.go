package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Without the modules everything else must go on: the reason is kept for whoever
// then skips a test.
func TestModulesThatCannotBeHad(t *testing.T) {
	t.Setenv("GOPROXY", "off")
	t.Setenv("GOFLAGS", "-mod=mod -modcacherw")
	t.Setenv("GOMODCACHE", t.TempDir())
	out := t.TempDir()
	if err := run(out); err != nil {
		t.Fatal(err)
	}
	reason, err := os.ReadFile(filepath.Join(out, "skipped"))
	if err != nil || !strings.HasPrefix(string(reason), "peer "+version+": ") || !strings.Contains(string(reason), "disabled by GOPROXY") {
		t.Errorf("the reason is %q, %v", reason, err)
	}
}

// What is built is not built again, and an earlier reason is void.
func TestBuiltAlready(t *testing.T) {
	t.Setenv("PATH", "") // there is nothing to build with
	out := t.TempDir()
	for _, name := range append(programs, "skipped") {
		if err := os.WriteFile(filepath.Join(out, name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(out); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(out, "skipped")); !os.IsNotExist(err) {
		t.Errorf("the earlier reason: %v", err)
	}
}
