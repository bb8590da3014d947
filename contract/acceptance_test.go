package contract_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every row of domain.md 9.1 has a test that is named after it.
func TestAcceptance(t *testing.T) {
	proved := map[string]bool{}
	test, row := regexp.MustCompile(`(?m)^func Test((?:B\d{3}_)+)\w+\(`), regexp.MustCompile(`B\d{3}`)
	for _, pattern := range []string{"*_test.go", "../protocol/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			source, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range test.FindAllStringSubmatch(string(source), -1) {
				for _, id := range row.FindAllString(m[1], -1) {
					proved[id] = true
				}
			}
		}
	}
	var missing []string
	for n := 1; n <= 39; n++ {
		if id := fmt.Sprintf("B%03d", n); !proved[id] {
			missing = append(missing, id)
		}
	}
	if len(missing) > 0 {
		t.Errorf("no test is named after %s", strings.Join(missing, ", "))
	}
}
