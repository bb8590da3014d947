package httpkit

import (
	"errors"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"sync"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"gxcoin.money/gx/internal/platform/problem"
)

// Body limits of JSON requests.
const (
	DefaultBody = 64 << 10
	LargeBody   = 1 << 20
)

// huma keeps these settings in package variables.
var setup = sync.OnceFunc(func() {
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false
	huma.NewErrorWithContext = func(_ huma.Context, status int, msg string, errs ...error) huma.StatusError {
		return translate(status, msg, errs)
	}
	huma.NewError = func(status int, msg string, errs ...error) huma.StatusError { return translate(status, msg, errs) }
})

// NewAPI returns an OpenAPI 3.1 framework on mux: strict JSON both ways, every
// error a problem, nothing of a request echoed back. It serves no documents by itself.
func NewAPI(mux *http.ServeMux, title, version string) huma.API {
	setup()
	config := huma.DefaultConfig(title, version)
	config.CreateHooks = nil
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	format := huma.Format{Marshal: encode, Unmarshal: decode}
	config.Formats = map[string]huma.Format{"application/json": format, "json": format}
	config.RejectUnknownQueryParameters = true
	config.Components.Schemas = huma.NewMapRegistry("#/components/schemas/", schemaName)
	config.Transformers = []huma.Transformer{func(ctx huma.Context, _ string, v any) (any, error) {
		if p, ok := v.(*problem.Problem); ok {
			ctx.SetHeader("Cache-Control", "no-store")
			return From(ctx.Context()).Problem(ctx.Context(), p), nil
		}
		return v, nil
	}}
	return humago.New(mux, config)
}

// schemaName calls the body of a request XRequest and that of an answer XResponse.
func schemaName(t reflect.Type, hint string) string {
	name := huma.DefaultSchemaNamer(t, hint)
	if base, ok := strings.CutSuffix(name, "InputBody"); ok {
		return base + "Request"
	}
	if base, ok := strings.CutSuffix(name, "OutputBody"); ok {
		return base + "Response"
	}
	return name
}

func encode(w io.Writer, v any) error { return json.MarshalWrite(w, v, json.Deterministic(true)) }

// decode reads strictly. The framework keeps nothing but the text of an error,
// so the field travels in it, see bodyError and detail.
func decode(data []byte, v any) error {
	err := json.Unmarshal(data, v, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	var syntax *jsontext.SyntacticError
	var semantic *json.SemanticError
	switch {
	case errors.As(err, &syntax) && errors.Is(err, jsontext.ErrDuplicateName):
		return bodyError{fieldOf(syntax.JSONPointer), "duplicate_field", "is given twice"}
	case errors.As(err, &syntax):
		return bodyError{"body", "body_malformed", "is not valid JSON at byte " + strconv.FormatInt(syntax.ByteOffset, 10)}
	case errors.As(err, &semantic) && errors.Is(err, json.ErrUnknownName):
		return bodyError{fieldOf(semantic.JSONPointer), "unknown_field", "is not a member of this request"}
	case errors.As(err, &semantic):
		field := fieldOf(semantic.JSONPointer)
		return bodyError{field, problem.InvalidCode(field), "does not have the right form"}
	}
	return bodyError{"body", "body_malformed", "is not valid"}
}

type bodyError struct{ field, code, message string }

const mark = "\x00"

func (e bodyError) Error() string { return mark + e.field + mark + e.code + mark + e.message }

// fieldOf writes a JSON pointer as people do: /users/3/userID is users[3].userID.
func fieldOf(p jsontext.Pointer) string {
	var b strings.Builder
	for token := range p.Tokens() {
		if _, err := strconv.Atoi(token); err == nil && b.Len() > 0 {
			b.WriteString("[" + token + "]")
			continue
		}
		if b.Len() > 0 {
			b.WriteByte('.')
		}
		b.WriteString(token)
	}
	if b.Len() == 0 {
		return "body"
	}
	return b.String()
}

// translate makes a problem of an error of the framework.
func translate(status int, msg string, errs []error) *problem.Problem {
	var fields []problem.Field
	seen := map[string]bool{}
	for _, err := range errs {
		var d *huma.ErrorDetail
		if !errors.As(err, &d) {
			continue
		}
		if strings.HasPrefix(d.Message, huma.ErrUnknownContentType.Error()) {
			return problem.New(http.StatusUnsupportedMediaType, "unsupported_media_type", "The body must be application/json.")
		}
		if f := detail(d); !seen[f.Field] {
			seen[f.Field] = true
			fields = append(fields, f)
		}
	}
	switch {
	case len(fields) > 0:
		return problem.Invalid(http.StatusBadRequest, fields...)
	case status == http.StatusRequestEntityTooLarge:
		return problem.New(status, "body_too_large", "The body is larger than this route allows.")
	case status == http.StatusRequestTimeout:
		return problem.New(status, "request_timeout", "The body did not arrive in time.")
	case status == http.StatusNotAcceptable:
		return problem.New(status, "not_acceptable", "This route answers with application/json.")
	case status == http.StatusBadRequest:
		return problem.New(status, "body_required", "This route needs a JSON body.")
	case msg == "cannot read request body":
		return problem.New(http.StatusBadRequest, "body_unreadable", "The body could not be read.")
	case len(errs) > 0:
		return problem.From(errs[0])
	}
	return problem.New(status, "error", msg)
}

// detail names the field and gives a stable code to a finding of the framework.
func detail(d *huma.ErrorDetail) problem.Field {
	if rest, ok := strings.CutPrefix(d.Message, mark); ok {
		parts := strings.SplitN(rest, mark, 3)
		return problem.Field{Field: parts[0], Code: parts[1], Message: parts[2]}
	}
	field := d.Location
	for _, place := range []string{"body.", "path.", "query.", "header."} {
		field = strings.TrimPrefix(field, place)
	}
	if name, ok := strings.CutPrefix(d.Message, "expected required property "); ok {
		name = strings.TrimSuffix(name, " to be present")
		code := requiredCode(name)
		if field != "body" {
			name = field + "." + name
		}
		return problem.Field{Field: name, Code: code, Message: "is required"}
	}
	switch {
	case d.Message == "unexpected property":
		return problem.Field{Field: field, Code: "unknown_field", Message: "is not a member of this request"}
	case d.Message == "unknown query parameter":
		return problem.Field{Field: field, Code: "unknown_parameter", Message: "is not a parameter of this route"}
	case strings.HasPrefix(d.Message, "required "):
		return problem.Field{Field: field, Code: requiredCode(field), Message: "is required"}
	}
	return problem.Field{Field: field, Code: problem.InvalidCode(field), Message: plain(d.Message)}
}

// phrases are what the framework says, and how it reads behind the name of a field.
var phrases = []struct{ from, to, end string }{
	{"expected number >= ", "must be at least ", ""},
	{"expected number <= ", "must be at most ", ""},
	{"expected length >= ", "must have at least ", " characters"},
	{"expected length <= ", "must have at most ", " characters"},
	{"expected array length >= ", "must have at least ", " entries"},
	{"expected array length <= ", "must have at most ", " entries"},
	{"expected value to be one of ", "must be one of ", ""},
	{"expected value to be ", "must be ", ""},
	{"expected string to match pattern ", "must match ", ""},
	{"expected string to be RFC 4122 uuid", "must be a UUID", ""},
	{"expected string to be RFC 3339 ", "must be an RFC 3339 ", ""},
	{"expected string to be ", "must be ", ""},
	{"expected ", "must be of type ", ""},
}

func plain(message string) string {
	for _, p := range phrases {
		if rest, ok := strings.CutPrefix(message, p.from); ok {
			rest, _, _ = strings.Cut(rest, ": invalid UUID") // what the parser adds is for nobody
			return p.to + rest + p.end
		}
	}
	return message
}

// requiredCode is problem.InvalidCode of a field that is missing.
func requiredCode(field string) string {
	return strings.TrimSuffix(problem.InvalidCode(field), "_invalid") + "_required"
}

// Respond answers a huma request with err.
func Respond(ctx huma.Context, err error) {
	_, w := humago.Unwrap(ctx)
	From(ctx.Context()).Problem(ctx.Context(), err).Write(w)
}
