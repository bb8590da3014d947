// Package postman is the HTTP API as a Postman collection, made of the same
// document as everything else: a story that plays on a running system, every other
// operation once, and a farewell. Newman runs it.
package postman

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"gxcoin.money/gx/api/openapi"
)

//go:generate go test . -run ^TestCollection$ -update

// Services are the services with the port that each listens on by default.
var Services = []struct {
	Name string
	Port int
}{{"identity", 3001}, {"admin", 3002}, {"tokenomics", 3003}, {"organization", 3004}, {"loanpool", 3005}, {"governance", 3006}, {"tax", 3007}}

// operation is what the document says about a request.
type operation struct {
	OperationID string
	Summary     string
	Tags        []string
	Security    []any
	Parameters  []parameter
	RequestBody *struct {
		Content map[string]struct{ Schema schema }
	}
	Responses map[string]struct{ Content map[string]any }

	method, path string
}

type parameter struct {
	Name, In    string
	Description string
	Required    bool
	Schema      schema
}

// service is where the operation is sent.
func (o operation) service() string {
	if o.Tags[0] == openapi.Shared {
		return Services[0].Name
	}
	return o.Tags[0]
}

// streams reports whether the answer may have no end.
func (o operation) streams() bool { return o.Responses["200"].Content["text/event-stream"] != nil }

type document struct {
	Info       struct{ Title, Version string }
	Paths      map[string]map[string]operation
	Components struct{ Schemas map[string]schema }
}

// operations returns all of them, by id.
func (d document) operations() map[string]operation {
	all := map[string]operation{}
	for path, item := range d.Paths {
		for method, o := range item {
			o.method, o.path = strings.ToUpper(method), path
			all[o.OperationID] = o
		}
	}
	return all
}

// The parts of a collection in version 2.1 of its format.
type (
	collection struct {
		Info  info    `json:"info"`
		Auth  auth    `json:"auth"`
		Event []event `json:"event"`
		Item  []item  `json:"item"`
	}
	info struct {
		Name        string `json:"name"`
		Description string `json:"description"`
		Schema      string `json:"schema"`
	}
	item struct {
		Name    string   `json:"name"`
		Item    []item   `json:"item,omitempty"` // of a folder
		Event   []event  `json:"event,omitempty"`
		Request *request `json:"request,omitempty"`
	}
	request struct {
		Method      string     `json:"method"`
		Description string     `json:"description,omitempty"`
		Auth        *auth      `json:"auth,omitempty"`
		Header      []variable `json:"header"`
		Body        *body      `json:"body,omitempty"`
		URL         address    `json:"url"`
	}
	auth struct {
		Type   string     `json:"type"`
		Bearer []variable `json:"bearer,omitempty"`
	}
	body struct {
		Mode    string         `json:"mode"`
		Raw     string         `json:"raw"`
		Options map[string]any `json:"options"`
	}
	address struct {
		Raw      string     `json:"raw"`
		Host     []string   `json:"host"`
		Path     []string   `json:"path"`
		Query    []variable `json:"query,omitempty"`
		Variable []variable `json:"variable,omitempty"`
	}
	variable struct {
		Key         string `json:"key"`
		Value       string `json:"value"`
		Type        string `json:"type,omitempty"`
		Description string `json:"description,omitempty"`
		Disabled    bool   `json:"disabled,omitempty"`
		Enabled     *bool  `json:"enabled,omitempty"` // of an environment
	}
	event struct {
		Listen string `json:"listen"`
		Script script `json:"script"`
	}
	script struct {
		Type string   `json:"type"`
		Exec []string `json:"exec"`
	}
)

func test(lines ...string) []event {
	return []event{{Listen: "test", Script: script{Type: "text/javascript", Exec: lines}}}
}

// Collection makes the collection of a document. A step of the story that the
// document doesn't know is an error.
func Collection(raw []byte) ([]byte, error) {
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		return nil, err
	}
	g := generator{document: d, operations: d.operations(), told: map[string]bool{}}
	c := collection{
		Info: info{
			Name:        "GX",
			Description: "The HTTP API of GX, " + d.Info.Version + ". Play it from top to bottom on a system of its own: it registers people, pays and asks for everything else once.",
			Schema:      "https://schema.getpostman.com/json/collection/v2.1.0/collection.json",
		},
		Auth:  auth{Type: "noauth"},
		Event: test(always...),
	}
	for _, id := range byStaff {
		if _, ok := g.operations[id]; !ok {
			return nil, fmt.Errorf("for staff: the document has no operation %s", id)
		}
	}
	first, err := g.folder("A story", story)
	if err != nil {
		return nil, err
	}
	last, err := g.folder("A farewell", farewell)
	if err != nil {
		return nil, err
	}
	c.Item = append(c.Item, first)
	for _, s := range Services {
		if f := g.rest(s.Name); len(f.Item) > 0 {
			c.Item = append(c.Item, f)
		}
	}
	c.Item = append(c.Item, last)
	return openapi.Format(c)
}

// Environment makes the environment of a system that "gx up" runs.
func Environment() ([]byte, error) {
	on := true
	values := []variable{{Key: "staffUser", Value: "owner", Type: "default", Enabled: &on}, {Key: "staffPassword", Type: "secret", Enabled: &on}}
	for _, s := range Services {
		values = append(values, variable{Key: s.Name + "Url", Value: fmt.Sprintf("http://127.0.0.1:%d", s.Port), Type: "default", Enabled: &on})
	}
	return openapi.Format(map[string]any{"name": "GX on this machine", "values": values, "_postman_variable_scope": "environment"})
}

// generator makes requests of operations.
type generator struct {
	document   document
	operations map[string]operation
	told       map[string]bool // operations that are in the collection
}

func (g *generator) folder(name string, steps []step) (item, error) {
	f := item{Name: name}
	for _, s := range steps {
		o, ok := g.operations[s.operation]
		if !ok {
			return f, fmt.Errorf("%s: the document has no operation %s", name, s.operation)
		}
		g.told[s.operation] = true
		f.Item = append(f.Item, g.item(o, s))
	}
	return f, nil
}

// rest returns a folder with the operations of a service that no step has told.
func (g *generator) rest(service string) item {
	f := item{Name: service}
	for _, id := range slices.Sorted(maps.Keys(g.operations)) {
		o := g.operations[id]
		if later := slices.ContainsFunc(farewell, func(s step) bool { return s.operation == id }); o.service() != service || g.told[id] || later {
			continue
		}
		s := step{operation: id, as: customer, tests: []string{known}}
		if strings.HasPrefix(o.path, "/api/v1/admin/") || slices.Contains(byStaff, id) {
			s.as = staff
		}
		if o.method == http.MethodGet && !slices.Contains(absent, id) {
			s.status = http.StatusOK
		}
		i := g.item(o, s)
		if o.streams() {
			i.Event = append(i.Event, event{Listen: "prerequest", Script: script{Type: "text/javascript", Exec: []string{endless}}})
		}
		f.Item = append(f.Item, i)
	}
	return f
}

func (g *generator) item(o operation, s step) item {
	r := &request{Method: o.method, Description: o.Summary, Header: []variable{}}
	if len(o.Security) > 0 {
		r.Auth = &auth{Type: "bearer", Bearer: []variable{{Key: "token", Value: "{{" + string(s.as) + "}}", Type: "string"}}}
	}
	r.URL = address{Raw: "{{" + o.service() + "Url}}" + o.path, Host: []string{"{{" + o.service() + "Url}}"}}
	for _, part := range strings.Split(strings.TrimPrefix(o.path, "/"), "/") {
		if name, ok := strings.CutPrefix(part, "{"); ok {
			part = ":" + strings.TrimSuffix(name, "}")
		}
		r.URL.Path = append(r.URL.Path, part)
	}
	r.URL.Raw = r.URL.Host[0] + "/" + strings.Join(r.URL.Path, "/")
	for _, p := range o.Parameters {
		switch {
		case p.In == "path":
			value := s.path[p.Name]
			if value == "" {
				value = g.parameter(p)
			}
			r.URL.Variable = append(r.URL.Variable, variable{Key: p.Name, Value: value, Description: p.Description})
		case p.In == "query":
			value, _ := g.example(p.Name, p.Schema, 0).(string)
			r.URL.Query = append(r.URL.Query, variable{Key: p.Name, Value: value, Description: p.Description, Disabled: !p.Required})
		case p.In == "header" && s.header[p.Name] == "":
			r.Header = append(r.Header, variable{Key: p.Name, Value: "{{$guid}}", Description: p.Description})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.header)) {
		r.Header = append(r.Header, variable{Key: name, Value: s.header[name]})
	}
	if o.RequestBody != nil {
		r.Header = append(r.Header, variable{Key: "Content-Type", Value: "application/json"})
		content := g.example("", o.RequestBody.Content["application/json"].Schema, 0)
		if members, ok := content.(map[string]any); ok && s.body != nil {
			for name := range members {
				if !g.required(o, name) {
					delete(members, name) // the step says what it sends
				}
			}
			maps.Copy(members, s.body)
		}
		text, _ := json.MarshalIndent(content, "", "  ") // it came from JSON
		r.Body = &body{Mode: "raw", Raw: string(text), Options: map[string]any{"raw": map[string]any{"language": "json"}}}
	}
	name := s.name
	if name == "" {
		name = o.Summary
	}
	if name == "" {
		name = o.OperationID
	}
	return item{Name: name, Request: r, Event: test(s.script()...)}
}

func (g *generator) required(o operation, name string) bool {
	return slices.Contains(g.resolve(o.RequestBody.Content["application/json"].Schema).Required, name)
}
