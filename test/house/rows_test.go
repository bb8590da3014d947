package house_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

// rows are the known failures of the ring and its store.
var rows = []string{"05", "06", "07", "08", "09", "10", "11", "12", "13", "14", "16", "17", "18", "19", "22", "23", "28", "29", "33", "37", "42"}

// Every row has a test that is named after it, where the behaviour lives, and would
// be red if we had the failure.
func TestRows(t *testing.T) {
	declared := regexp.MustCompile(`(?m)^func Test\w*KF(\d\d)\w*\(t \*testing\.T\)`)
	found := map[string]bool{}
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if match, _ := filepath.Match("*_test.go", e.Name()); !match {
			return nil
		}
		content, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(content, -1) {
			found[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if !found[row] {
			t.Errorf("F-%s has no test", row)
		}
	}
}
