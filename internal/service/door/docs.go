package door

import (
	"bytes"
	"context"
	"embed"
	"html/template"
	"net/http"
	"time"

	"github.com/swaggest/swgui/v5/static"

	"gxcoin.money/gx/api/openapi"
)

//go:embed docs
var docsFiles embed.FS

var docsPage = template.Must(template.ParseFS(docsFiles, "docs/page.html"))

// docsPolicy lets the page load what its host serves, and nothing else.
const docsPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; " +
	"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

type pageInput struct {
	API string `query:"api"` // gx: the document of the whole host
}

type pageOutput struct {
	Type   string `header:"Content-Type"`
	Policy string `header:"Content-Security-Policy"`
	Body   []byte
}

type fileOutput struct {
	Type     string `header:"Content-Type"`
	Encoding string `header:"Content-Encoding"`
	Body     []byte
}

// documentation adds the page on which Swagger UI shows the documents to people:
// that of this service and that of the whole host. It asks no other host for anything.
func (d *Door) documentation() {
	route := func(path, id string, cache time.Duration) Route {
		return Route{Method: http.MethodGet, Path: "//docs" + path, ID: id, Policy: Policy{Public: true}, Cache: CachePublic(cache), Hidden: true}
	}
	Register(d, route("", "docs", 5*time.Minute), func(_ context.Context, in *pageInput) (*pageOutput, error) {
		var page bytes.Buffer
		err := docsPage.Execute(&page, struct {
			Name string
			All  bool
		}{d.Name, in.API == "gx"})
		return &pageOutput{Type: "text/html; charset=utf-8", Policy: docsPolicy, Body: page.Bytes()}, err
	})
	Register(d, route("/gx.json", "openapiAll", 5*time.Minute), func(context.Context, *struct{}) (*documentOutput, error) {
		return &documentOutput{Type: "application/json", Body: openapi.All}, nil
	})
	for _, f := range []struct {
		path, id, kind, encoding string
		from                     embed.FS
		name                     string
	}{
		{"/page.css", "docsStyle", "text/css", "", docsFiles, "docs/page.css"},
		{"/page.js", "docsScript", "text/javascript", "", docsFiles, "docs/page.js"},
		{"/swagger-ui.css", "docsSwaggerStyle", "text/css", "gzip", static.FS, "swagger-ui.css.gz"},
		{"/swagger-ui.js", "docsSwaggerScript", "text/javascript", "gzip", static.FS, "swagger-ui-bundle.js.gz"},
	} {
		Register(d, route(f.path, f.id, time.Hour), func(context.Context, *struct{}) (*fileOutput, error) {
			body, err := f.from.ReadFile(f.name)
			return &fileOutput{Type: f.kind + "; charset=utf-8", Encoding: f.encoding, Body: body}, err
		})
	}
}
