package door

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"time"

	"gxcoin.money/gx/api/openapi"
)

//go:embed docs/scalar.js.gz
var scalar []byte // see docs/LICENSE

//go:embed docs/index.html
var docsPage string

// docsPolicy lets the page load what this host serves, and nothing else. The
// scripts of the page write styles into it.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

type pageInput struct {
	API string `query:"api"` // the document that its script shows, and keeps in the address
}

type pageOutput struct {
	Type   string `header:"Content-Type"`
	Policy string `header:"Content-Security-Policy"`
	Body   []byte
}

type scriptOutput struct {
	Type     string `header:"Content-Type"`
	Encoding string `header:"Content-Encoding"`
	Body     []byte
}

// documentation adds the page that shows the documents to people: that of this
// service and that of the whole host. It asks no other host for anything.
func (d *Door) documentation() {
	route := func(path, id string, cache time.Duration) Route {
		return Route{Method: http.MethodGet, Path: "//docs" + path, ID: id, Policy: Policy{Public: true}, Cache: CachePublic(cache), Hidden: true}
	}
	Register(d, route("", "docs", 5*time.Minute), func(context.Context, *pageInput) (*pageOutput, error) {
		page, err := d.page()
		return &pageOutput{Type: "text/html; charset=utf-8", Policy: docsPolicy, Body: page}, err
	})
	Register(d, route("/gx.json", "openapiAll", 5*time.Minute), func(context.Context, *struct{}) (*documentOutput, error) {
		return &documentOutput{Type: "application/json", Body: openapi.All}, nil
	})
	Register(d, route("/scalar.js", "docsScript", 24*time.Hour), func(context.Context, *struct{}) (*scriptOutput, error) {
		return &scriptOutput{Type: "text/javascript; charset=utf-8", Encoding: "gzip", Body: scalar}, nil
	})
}

func (d *Door) page() ([]byte, error) {
	off := map[string]bool{"disabled": true}
	configuration, err := json.Marshal(map[string]any{
		"sources": []map[string]string{
			{"title": d.Name, "slug": d.Name, "url": "/openapi.json"},
			{"title": "all of GX", "slug": "gx", "url": "/docs/gx.json"},
		},
		"withDefaultFonts": false, "telemetry": false, "showDeveloperTools": "never", "hideClientButton": true, "agent": off, "mcp": off,
	})
	if err != nil {
		return nil, err
	}
	t, err := template.New("docs").Parse(docsPage)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct{ Name, Configuration string }{d.Name, string(configuration)})
	return b.Bytes(), err
}
