package openapi_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"gxcoin.money/gx/api/openapi"
	"gxcoin.money/gx/internal/service"
)

var update = flag.Bool("update", false, "write the documents")

// TestDocuments compares the committed documents with those of the doors.
func TestDocuments(t *testing.T) {
	documents := map[string][]byte{}
	for _, d := range service.Doors {
		raw, err := service.Document(d.Name, "v1")
		if err != nil {
			t.Fatal(err)
		}
		var document any
		if err := json.Unmarshal(raw, &document); err != nil {
			t.Fatal(err)
		}
		if documents[d.Name], err = openapi.Format(document); err != nil {
			t.Fatal(err)
		}
	}
	merged, err := openapi.Merge(documents)
	if err != nil {
		t.Fatal(err)
	}
	again, err := openapi.Merge(documents)
	if err != nil || !bytes.Equal(merged, again) {
		t.Fatalf("merging twice gives two documents: %v", err)
	}
	documents["gx"] = merged
	files, err := filepath.Glob("*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if documents[strings.TrimSuffix(name, ".json")] == nil {
			t.Errorf("%s is the document of no service", name)
		}
	}
	for name, want := range documents {
		if *update {
			if err := os.WriteFile(name+".json", want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(name + ".json")
		if err != nil {
			t.Error(err)
		} else if diff := cmp.Diff(string(got), string(want)); diff != "" {
			t.Errorf("api/openapi/%s.json is stale; rewrite it with: go generate ./api/...\n%s", name, diff)
		}
	}
}

func TestMerge(t *testing.T) {
	document := func(paths, schemas string) []byte {
		return []byte(`{"openapi":"3.1.0","info":{"title":"x","version":"v1"},"paths":` + paths + `,"components":{"schemas":` + schemas + `}}`)
	}
	health := `"/health":{"get":{"operationId":"health","tags":["SERVICE"],"responses":{"200":{"$ref":"#/components/schemas/Same"}}}}`
	one := document(`{`+strings.Replace(health, "SERVICE", "one", 1)+`,"/a":{"post":{"operationId":"a","tags":["one"],"x":[{"$ref":"#/components/schemas/Login"}]}}}`,
		`{"Same":{"type":"string"},"Login":{"type":"object","properties":{"same":{"$ref":"#/components/schemas/Same"}}}}`)
	two := document(`{`+strings.Replace(health, "SERVICE", "two", 1)+`,"/a":{"get":{"operationId":"b","tags":["two"],"x":{"$ref":"#/components/schemas/Login"}}}}`,
		`{"Same":{"type":"string"},"Login":{"type":"integer"}}`)
	raw, err := openapi.Merge(map[string][]byte{"one": one, "two": two})
	if err != nil {
		t.Fatal(err)
	}
	var got, want any
	if err := json.Unmarshal(raw, &got); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(document(
		`{"/health":{"get":{"operationId":"health","tags":["every service"],"responses":{"200":{"$ref":"#/components/schemas/Same"}}}},
		  "/a":{"post":{"operationId":"a","tags":["one"],"x":[{"$ref":"#/components/schemas/OneLogin"}]},
		        "get":{"operationId":"b","tags":["two"],"x":{"$ref":"#/components/schemas/TwoLogin"}}}}`,
		`{"Same":{"type":"string"},"TwoLogin":{"type":"integer"},
		  "OneLogin":{"type":"object","properties":{"same":{"$ref":"#/components/schemas/Same"}}}}`), &want); err != nil {
		t.Fatal(err)
	}
	want.(map[string]any)["info"].(map[string]any)["title"] = "GX"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}

	other := document(strings.Replace(`{`+health+`}`, `"200"`, `"204"`, 1), `{}`)
	if _, err := openapi.Merge(map[string][]byte{"one": one, "other": other}); err == nil || !strings.Contains(err.Error(), "GET /health differs") {
		t.Errorf("two operations on one path: %v", err)
	}
}
