package service_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDefects finds for each defect of the earlier system (api.md 5, and what
// known-failures.md says of access and secrets) the test that bears its name, or
// the reason why it can't be one of ours.
func TestDefects(t *testing.T) {
	list, err := os.ReadFile(filepath.Join("testdata", "defects.txt"))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for line := range strings.Lines(string(list)) {
		id, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		room, what, _ := strings.Cut(rest, " ")
		what = strings.TrimSpace(what)
		seen[id] = true
		if room == "-" {
			if what == "" {
				t.Errorf("%s: there is no reason", id)
			}
			continue
		}
		mark := strings.NewReplacer("D-", "D", "F-", "KF").Replace(id)
		if !strings.Contains(what, mark) || !hasTest(t, room, what) {
			t.Errorf("%s: %s has no test %s named after it", id, room, what)
		}
	}
	for n := 1; n <= 75; n++ {
		if id := fmt.Sprintf("D-%02d", n); !seen[id] {
			t.Errorf("%s is not in the list", id)
		}
	}
}

func hasTest(t *testing.T, room, name string) bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", room, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		content, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(content, []byte("\nfunc "+name+"(t *testing.T) {")) {
			return true
		}
	}
	return false
}
