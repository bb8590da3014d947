package service_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"gxcoin.money/gx/internal/service/door"
)

// contract checks responses against the OpenAPI document of a door.
type contract struct {
	mu       sync.Mutex
	mux      *http.ServeMux // finds the template of a path
	compiler *jsonschema.Compiler
	schemas  map[string]*jsonschema.Schema
}

func newContract(h *door.Handler) (*contract, error) {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest("GET", "/openapi.json", nil))
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		return nil, err
	}
	c := &contract{mux: http.NewServeMux(), compiler: jsonschema.NewCompiler(), schemas: map[string]*jsonschema.Schema{}}
	c.compiler.DefaultDraft(jsonschema.Draft2020)
	c.compiler.AssertFormat()
	for _, r := range h.Routes {
		if !r.Hidden {
			c.mux.Handle(r.Method+" "+r.URL(), http.NotFoundHandler())
		}
	}
	return c, c.compiler.AddResource("doc.json", doc)
}

// check returns what of an answer is not as documented.
func (c *contract) check(r *http.Request, status int, contentType, body string) error {
	_, pattern := c.mux.Handler(r)
	method, template, ok := strings.Cut(pattern, " ")
	if !ok {
		return nil // no route, or one that is not in the document
	}
	key := strconv.Itoa(status)
	if status >= 400 && !strings.HasSuffix(template, "/readyz") || template == "/readyz" && status != 200 {
		key = "default"
	}
	if template == "/readyz" {
		key = "200" // the same report with another status
	}
	if status == 200 && method == "POST" && strings.Contains(body, `"commandId"`) && strings.Contains(body, `"command":{`) {
		key = "202" // the end of a command that was waited for
	}
	escape := strings.NewReplacer("~", "~0", "/", "~1").Replace
	pointer := "doc.json#/paths/" + strings.NewReplacer("{", "%7B", "}", "%7D").Replace(escape(template)) + "/" + strings.ToLower(method) +
		"/responses/" + key + "/content/" + escape(contentType) + "/schema"
	c.mu.Lock()
	defer c.mu.Unlock()
	schema := c.schemas[pointer]
	if schema == nil {
		var err error
		if schema, err = c.compiler.Compile(pointer); err != nil {
			return err
		}
		c.schemas[pointer] = schema
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(body))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}
