package postman_test

import (
	"encoding/json"
	"errors"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gxcoin.money/gx/api/postman"
)

var update = flag.Bool("update", false, "write the collection and the environment")

// TestCollection compares the committed files with what the document gives now.
func TestCollection(t *testing.T) {
	document, err := os.ReadFile("../openapi/gx.json")
	if err != nil {
		t.Fatal(err)
	}
	collection, err1 := postman.Collection(document)
	environment, err2 := postman.Environment()
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string][]byte{"gx.postman_collection.json": collection, "gx.postman_environment.json": environment} {
		if *update {
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(name)
		if err != nil {
			t.Error(err)
		} else if diff := cmp.Diff(string(got), string(want)); diff != "" {
			t.Errorf("api/postman/%s is stale; rewrite it with: go generate ./api/postman\n%s", name, diff)
		}
	}
}

// TestEveryOperation finds each operation of the document in the collection.
func TestEveryOperation(t *testing.T) {
	raw, err1 := os.ReadFile("../openapi/gx.json")
	made, err2 := os.ReadFile("gx.postman_collection.json")
	var document struct{ Paths map[string]map[string]any }
	type item struct {
		Item    []item
		Request *struct {
			Method string
			URL    struct{ Path []string }
		}
	}
	var collection item
	if err := errors.Join(err1, err2, json.Unmarshal(raw, &document), json.Unmarshal(made, &collection)); err != nil {
		t.Fatal(err)
	}
	there := map[string]bool{}
	var walk func(item)
	walk = func(i item) {
		if i.Request != nil {
			there[i.Request.Method+" /"+strings.Join(i.Request.URL.Path, "/")] = true
		}
		for _, i := range i.Item {
			walk(i)
		}
	}
	walk(collection)
	if len(document.Paths) < 80 {
		t.Errorf("the document has %d paths", len(document.Paths))
	}
	for path, methods := range document.Paths {
		for method := range methods {
			if name := strings.ToUpper(method) + " " + strings.NewReplacer("{", ":", "}", "").Replace(path); !there[name] {
				t.Errorf("%s is not in the collection", name)
			}
		}
	}
}

func TestUnknownStep(t *testing.T) {
	if _, err := postman.Collection([]byte(`{"paths":{}}`)); err == nil || !strings.Contains(err.Error(), "no operation ") {
		t.Errorf("a story of operations that are gone: %v", err)
	}
}
