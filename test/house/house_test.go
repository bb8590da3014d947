// Package house_test keeps ARCHITECTURE.md true: a room imports only from
// floors below it, and nothing near money is floating.
package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "gxcoin.money/gx/"

// floors maps a path prefix to its floor, longest prefix first. Rooms of one
// floor may import each other where siblings says so.
var floors = []struct {
	prefix string
	floor  int
}{
	{"cmd/", 6},
	{"test/", 6},
	{"internal/demo", 6},
	{"internal/bench", 6},
	{"internal/ledger/ledgertest", 5},
	{"internal/readmodel/readmodeltest", 5},
	{"internal/ledger", 4},
	{"internal/fabric/connection", 4},
	{"internal/outbox", 4},
	{"internal/readmodel", 4},
	{"internal/platform/", 1},
	{"internal/", 5},
	{"contract/chaincode", 4},
	{"contract", 3},
	{"protocol/command", 2},
	{"protocol/event", 2},
	{"protocol/", 1},
	{"db/", 0},
	{"api/", 0},
}

func floor(p string) (int, bool) {
	for _, f := range floors {
		if p == strings.TrimSuffix(f.prefix, "/") || strings.HasPrefix(p, f.prefix) {
			return f.floor, true
		}
	}
	return 0, false
}

// domainWords are what the trade never imports: the platform would know GX.
var domain = []string{"protocol/", "contract", "internal/service", "internal/readmodel", "internal/outbox"}

func TestImportsGoDown(t *testing.T) {
	files := 0
	walk(t, func(dir, name string, file *ast.File) {
		files++
		from, ok := floor(dir)
		if !ok {
			t.Errorf("%s: ARCHITECTURE.md has no room for %s", name, dir)
			return
		}
		for _, spec := range file.Imports {
			p, _ := strconv.Unquote(spec.Path.Value)
			to, ours := strings.CutPrefix(p, module)
			if !ours {
				continue
			}
			if at, ok := floor(to); !ok || at > from {
				t.Errorf("%s: %s (floor %d) imports %s (floor %d)", name, dir, from, to, at)
			}
			if strings.HasPrefix(dir, "internal/platform/") {
				for _, d := range domain {
					if strings.HasPrefix(to, d) {
						t.Errorf("%s: the platform knows the domain: %s", name, to)
					}
				}
			}
		}
	})
	if files < 50 {
		t.Errorf("looked at %d files: the tree has moved", files)
	}
}

// Money may not pass through floating point on its way to or from people either.
func TestKF13NoFloatsNearMoney(t *testing.T) {
	rooms := []string{"internal/outbox", "internal/readmodel", "internal/service"}
	walk(t, func(dir, name string, file *ast.File) {
		near := false
		for _, r := range rooms {
			near = near || strings.HasPrefix(dir, r)
		}
		money := false
		for _, spec := range file.Imports {
			money = money || spec.Path.Value == strconv.Quote(module+"protocol/qirat")
		}
		if !near || !money {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if id, ok := n.(*ast.Ident); ok && (id.Name == "float64" || id.Name == "float32" || id.Name == "ParseFloat") {
				t.Errorf("%s: %s in a file that handles money", name, id.Name)
			}
			return true
		})
	})
}

// walk parses the imports and syntax of every file that is built.
func walk(t *testing.T, visit func(dir, name string, file *ast.File)) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, name)
		if e.IsDir() {
			if base := path.Base(rel); rel != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules" || rel == "tools") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(rel, ".go") || strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		visit(filepath.ToSlash(filepath.Dir(rel)), rel, file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
