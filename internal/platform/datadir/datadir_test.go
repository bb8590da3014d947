package datadir_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"gxcoin.money/gx/internal/platform/datadir"
)

func open(t *testing.T, path string) *datadir.Dir {
	t.Helper()
	d, err := datadir.Open(path, "v1")
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestOpenAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "deep", "data")
	d := open(t, path)
	if !d.New || d.Path != path {
		t.Errorf("%+v", d)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = open(t, path)
	defer d.Close()
	if d.New {
		t.Error("the second time it is new again")
	}
	for _, name := range []string{"secrets", "log", "run"} {
		if info, err := os.Stat(d.Sub(name)); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

func TestEmptyDirectoryIsTaken(t *testing.T) {
	d := open(t, t.TempDir())
	defer d.Close()
	if !d.New {
		t.Error("not new")
	}
}

func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		files map[string]string
		want  string
	}{
		"foreign":         {map[string]string{"thesis.tex": "x"}, "is not a data directory of GX (there is no gx.json, but there is thesis.tex)"},
		"damaged":         {map[string]string{"gx.json": "{"}, "is damaged"},
		"without format":  {map[string]string{"gx.json": "{}"}, "is damaged"},
		"of a newer GX":   {map[string]string{"gx.json": `{"format":2,"createdBy":"v9"}`}, "was made by a newer GX (v9, format 2; this one knows format 1)"},
		"gx.json is odd":  {map[string]string{"gx.json/x": ""}, "can't be read: is a directory"},
		"lock is no file": {map[string]string{"lock/x": ""}, "is not writable: is a directory"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			for file, content := range tc.files {
				path := filepath.Join(dir, file)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			_, err := datadir.Open(dir, "v1")
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), dir) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want one line with %q", err, tc.want)
			}
		})
	}
}

func TestOneProcessAtATime(t *testing.T) {
	d := open(t, t.TempDir())
	_, err := datadir.Open(d.Path, "v1")
	if want := fmt.Sprintf("another gx (process %d) is running on the data directory %s", os.Getpid(), d.Path); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, d.Path).Close()
}

func TestKF36SecretIsMadeOnceAndKept(t *testing.T) {
	d := open(t, t.TempDir())
	defer d.Close()
	made := 0
	generate := func() ([]byte, error) { made++; return []byte("first"), nil }
	path, err := d.Secret("pepper", generate)
	if err != nil {
		t.Fatal(err)
	}
	again, err := d.Secret("pepper", generate)
	if err != nil || again != path || made != 1 {
		t.Errorf("%s and %s, made %d times: %v", path, again, made, err)
	}
	content, err := os.ReadFile(path)
	info, err2 := os.Stat(path)
	if err := errors.Join(err, err2); err != nil || string(content) != "first" || info.Mode().Perm() != 0o600 {
		t.Errorf("%q, %v, %v", content, info.Mode(), err)
	}
	if err := d.Keep("pepper", []byte("second")); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "second" {
		t.Errorf("%q, %v", content, err)
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Secret("pepper", generate); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a secret that others can read is accepted: %v", err)
	}
	failing := errors.New("no entropy")
	if _, err := d.Secret("key", func() ([]byte, error) { return nil, failing }); !errors.Is(err, failing) {
		t.Errorf("got %v", err)
	}
}

// Of temporary directories those are removed whose process is gone, and nothing else.
func TestRemoveAbandoned(t *testing.T) {
	base := t.TempDir()
	at := func(name string) string { return filepath.Join(base, name) }
	used := open(t, at("gx-used"))
	defer used.Close()
	for _, name := range []string{"gx-abandoned", "other-abandoned"} {
		if err := open(t, at(name)).Close(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"gx-empty", "gx-foreign"} {
		if err := os.Mkdir(at(name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(at("gx-foreign"), "diary"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := datadir.RemoveAbandoned(at("gx-*")); err != nil {
		t.Error(err)
	}
	entries, err := os.ReadDir(base)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if diff := cmp.Diff([]string{"gx-empty", "gx-foreign", "gx-used", "other-abandoned"}, left); diff != "" {
		t.Error(diff)
	}
}

func TestRunning(t *testing.T) {
	d := open(t, t.TempDir())
	defer d.Close()
	if _, err := datadir.Find(d.Path); err == nil || !strings.Contains(err.Error(), "no GX is running on the data directory "+d.Path) {
		t.Errorf("before: %v", err)
	}
	want := datadir.Running{PID: os.Getpid(), StartedAt: time.Unix(1, 0).UTC(), Services: map[string]string{"identity": "http://127.0.0.1:3001"}, Ops: "http://127.0.0.1:3090"}
	extra := filepath.Join(t.TempDir(), "ready.json")
	if err := d.Announce(want, extra); err != nil {
		t.Fatal(err)
	}
	got, err := datadir.Find(d.Path)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v %s", err, diff)
	}
	if _, err := os.Stat(extra); err != nil {
		t.Error(err)
	}
	for range 2 { // also when it is gone already
		if err := d.Withdraw(extra); err != nil {
			t.Error(err)
		}
	}
	if _, err := datadir.Find(d.Path); err == nil {
		t.Error("it is still found")
	}
	if err := d.Announce(datadir.Running{PID: 1 << 30}); err != nil {
		t.Fatal(err)
	}
	if _, err := datadir.Find(d.Path); err == nil || !strings.Contains(err.Error(), "no GX is running") {
		t.Errorf("a killed one is found: %v", err)
	}
	if err := d.Announce(want, "/does/not/exist"); err == nil || !strings.Contains(err.Error(), "/does/not/exist") {
		t.Errorf("unwritable: %v", err)
	}
}
