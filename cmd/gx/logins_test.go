package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gxcoin.money/gx/api/client"
)

func TestLogins(t *testing.T) {
	f := logins{filepath.Join(t.TempDir(), "gx", "logins.json")}
	if list, err := f.list(); err != nil || list != nil {
		t.Fatalf("before the first: %v, %v", list, err)
	}
	here, there := place{URL: "https://here.example"}, place{URL: "https://there.example"}
	kept := func(token string) client.Kept { return client.Kept{Tokens: client.Tokens{AccessToken: token}} }
	for _, l := range []login{
		{Name: "ada@example.org", Place: here, Kept: kept("1")}, {Name: "bob", Staff: true, Place: here, Kept: kept("2")},
		{Name: "ada@example.org", Place: there, Kept: kept("3")}, {Name: "Ada@example.org", Place: here, Kept: kept("4")},
	} {
		if err := f.add(l); err != nil {
			t.Fatal(err)
		}
	}
	var tokens []string
	list, err := f.list()
	for _, l := range list {
		tokens = append(tokens, l.AccessToken)
	}
	if got := strings.Join(tokens, " "); err != nil || got != "4 3 2" {
		t.Errorf("the last first, one of each: %s, %v", got, err)
	}
	for path, want := range map[string]os.FileMode{f.path: 0o600, filepath.Dir(f.path): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if err := f.remove(login{Name: "BOB", Staff: true, Place: here}); err != nil {
		t.Fatal(err)
	}
	if l, err := f.find(func(l login) bool { return l.Staff }); l != nil || err != nil {
		t.Errorf("after logout: %v, %v", l, err)
	}
	if err := f.keeper(login{Name: "bob", Staff: true, Place: here})(nil); !errors.Is(err, client.ErrNotLoggedIn) {
		t.Errorf("renewal after logout: %v", err)
	}

	if err := os.Chmod(f.path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := f.list(); err == nil || !strings.Contains(err.Error(), "others can read") {
		t.Errorf("readable by others: %v", err)
	}
	if err := errors.Join(os.Chmod(f.path, 0o600), os.WriteFile(f.path, []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := f.add(list[0]); err == nil || !strings.Contains(err.Error(), "log in again") {
		t.Errorf("damaged: %v", err)
	}
}

// Renewals of several processes come one after the other, and none is lost; one
// that fails changes nothing.
func TestLoginsRenewal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gx", "logins.json")
	l := login{Name: "ada@example.org", Place: place{URL: "https://here.example"}}
	if err := (logins{path}).add(l); err != nil {
		t.Fatal(err)
	}
	var processes sync.WaitGroup
	for range 8 {
		processes.Go(func() {
			for range 5 {
				if err := (logins{path}).keeper(l)(func(k client.Kept) (client.Kept, error) {
					k.RefreshToken += "x"
					return k, nil
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	processes.Wait()
	refused := errors.New("refused")
	if err := (logins{path}).keeper(l)(func(client.Kept) (client.Kept, error) { return client.Kept{}, refused }); err != refused {
		t.Errorf("refused renewal: %v", err)
	}
	if got, err := (logins{path}).find(l.same); err != nil || len(got.RefreshToken) != 40 {
		t.Errorf("%d renewals of 40, %v", len(got.RefreshToken), err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "logins-*")); err != nil || left != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
}
