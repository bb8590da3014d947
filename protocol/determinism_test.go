// Package protocol_test guards what all rooms on the ledger have in common.
package protocol_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every peer runs the rules by itself and must come to the same bytes, so
// nothing in these trees may look at the machine it runs on. The chaincode
// server is outside: it only carries what the rules decided.
var (
	trees    = []string{"../protocol", "../contract"}
	excepted = []string{"../contract/chaincode"}
)

// forbidden lists the packages that may not be imported.
var forbidden = []string{"math/rand", "math/rand/v2", "crypto/rand", "os", "os/exec", "net", "net/http", "runtime", "unsafe", "C", "hash/maphash"}

// forbiddenNames lists what may not be used of packages that may be imported.
var forbiddenNames = map[string][]string{
	"time":    {"Now", "Since", "Until", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker", "Sleep", "Local", "LoadLocation"},
	"strconv": {"ParseFloat", "FormatFloat", "AppendFloat"},
}

// integerLimit matches what is exact in package math.
var integerLimit = regexp.MustCompile(`^M(ax|in)(Int|Uint)[0-9]*$`)

func TestDeterminism(t *testing.T) {
	files := 0
	for _, tree := range trees {
		err := filepath.WalkDir(tree, func(name string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if e.IsDir() {
				if e.Name() == "testdata" || slices.Contains(excepted, filepath.ToSlash(name)) {
					return filepath.SkipDir
				}
				return nil
			}
			if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
				return nil
			}
			files++
			found, err := violations(name, nil)
			for _, v := range found {
				t.Error(v)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 10 {
		t.Errorf("looked at %d files: the trees have moved", files)
	}
}

// violations returns what a source file may not contain. A nil src is read
// from the file.
func violations(name string, src any) ([]string, error) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, src, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	var out []string
	report := func(n ast.Node, format string, args ...any) {
		out = append(out, fmt.Sprintf("%s: %s", fset.Position(n.Pos()), fmt.Sprintf(format, args...)))
	}
	imported := map[string]string{} // path by the name in this file
	for _, spec := range file.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		local := path.Base(p)
		if spec.Name != nil {
			local = spec.Name.Name
		}
		imported[local] = p
		if slices.Contains(forbidden, p) || local == "." {
			report(spec, "import of %s as %q", p, local)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			report(n, "goroutine")
		case *ast.SelectStmt:
			report(n, "select")
		case *ast.BasicLit:
			if n.Kind == token.FLOAT || n.Kind == token.IMAG {
				report(n, "number %s", n.Value)
			}
		case *ast.Ident:
			switch n.Name {
			case "float32", "float64", "complex64", "complex128":
				report(n, "type %s", n.Name)
			}
		case *ast.SelectorExpr:
			x, ok := n.X.(*ast.Ident)
			if !ok {
				break
			}
			p := imported[x.Name]
			if p == "math" && !integerLimit.MatchString(n.Sel.Name) || slices.Contains(forbiddenNames[p], n.Sel.Name) {
				report(n, "%s.%s", p, n.Sel.Name)
			}
		}
		return true
	})
	return out, nil
}

func TestViolations(t *testing.T) {
	for src, want := range map[string]string{
		`import "time"; var t = time.Unix(0, 0).UTC()`:             "",
		`import "math"; var a, b = math.MaxUint64, math.MinInt64`:  "",
		`import "math/bits"; var n = bits.Len(8)`:                  "",
		`var now = 1; type t struct{ floats int }`:                 "",
		`import "time"; var t = time.Now()`:                        "time.Now",
		`import "time"; var now = time.Now`:                        "time.Now",
		`import clock "time"; var t = clock.Since`:                 "time.Since",
		`import . "time"; var t = Now()`:                           "import of time",
		`import "math/rand/v2"; var n = rand.Int()`:                "import of math/rand/v2",
		`import r "math/rand"; var n = r.Int()`:                    "import of math/rand",
		`import "crypto/rand"; var r = rand.Reader`:                "import of crypto/rand",
		`import "os"; var home = os.Getenv("HOME")`:                "import of os",
		`import _ "unsafe"`:                                        "import of unsafe",
		`import "math"; var n = int(math.Floor(x))`:                "math.Floor",
		`import "math"; var n = math.MaxFloat64`:                   "math.MaxFloat64",
		`import "strconv"; var n, _ = strconv.ParseFloat("1", 64)`: "strconv.ParseFloat",
		`var x float64`:                               "type float64",
		`type rate float32`:                           "type float32",
		`func f(x ...float64) {}`:                     "type float64",
		`var n = int(3 * 0.5)`:                        "number 0.5",
		`func f() { go f() }`:                         "goroutine",
		`func f(c chan int) { select { case <-c: } }`: "select",
	} {
		found, err := violations("x.go", "package x; "+src)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(found, "\n"); (got == "") != (want == "") || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", src, got, want)
		}
	}
}
