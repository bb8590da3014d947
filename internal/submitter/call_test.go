package submitter

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"
)

// Whoever asks the ledger does so through call, so with a deadline and through the
// breaker (F-28).
func TestKF28EveryCall(t *testing.T) {
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, e.Name(), nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		var inside []ast.Node
		ast.Inspect(file, func(n ast.Node) bool {
			if n == nil {
				inside = inside[:len(inside)-1]
				return true
			}
			inside = append(inside, n)
			method, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if of, ok := method.X.(*ast.SelectorExpr); !ok || of.Sel.Name != "ledger" {
				return true
			}
			asked++
			for _, around := range inside {
				if c, ok := around.(*ast.CallExpr); ok {
					if f, ok := c.Fun.(*ast.Ident); ok && f.Name == "call" {
						return true
					}
				}
			}
			t.Errorf("%s: %s is asked directly", set.Position(n.Pos()), method.Sel.Name)
			return true
		})
	}
	if asked < 3 {
		t.Errorf("the ledger is asked at %d places: the test looks at the wrong ones", asked)
	}
}
