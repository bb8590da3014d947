// Package problem is the one form in which the API reports errors: RFC 9457
// problem details with a stable code, extended by the members that clients of
// the earlier API read (api.md 1.7).
package problem

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"

	"gxcoin.money/gx/internal/platform/postgres"
)

// MediaType is the content type of every error response.
const MediaType = "application/problem+json"

const typePrefix = "https://docs.gxcoin.money/problems/"

// Problem is an error meant for the caller of the API. It is immutable once it
// was returned; build it with New and the With methods.
type Problem struct {
	Type      string            `json:"type" doc:"URI of the documentation of this code" example:"https://docs.gxcoin.money/problems/insufficient_funds"`
	Title     string            `json:"title" doc:"Text of the HTTP status" example:"Unprocessable Entity"`
	Status    int               `json:"status" doc:"HTTP status" example:"422"`
	Detail    string            `json:"detail" doc:"What went wrong, for people"`
	Instance  string            `json:"instance,omitzero" doc:"Path of the request"`
	Code      string            `json:"code" doc:"Stable identifier of the problem, for programs" example:"insufficient_funds"`
	RequestID string            `json:"requestId,omitzero" doc:"Quote it when asking for help"`
	Errors    []Field           `json:"errors,omitzero" doc:"Every field that is wrong"`
	Facts     map[string]string `json:",embed" hidden:"true"` // figures behind the problem, as members of their own
	_         struct{}          `additionalProperties:"true"`

	// What clients of the earlier API read.
	Success bool   `json:"success" doc:"Always false"`
	Error_  string `json:"error" doc:"Same as title"`
	Message string `json:"message" doc:"Same as detail"`
	Field   string `json:"field,omitzero" doc:"First entry of errors"`

	cause  error
	header http.Header
}

// Field says what is wrong with one member of the request.
type Field struct {
	Field   string `json:"field" doc:"Name of the member or parameter" example:"amount"`
	Code    string `json:"code" doc:"Stable identifier" example:"amount_invalid"`
	Message string `json:"message" doc:"What is wrong, for people"`
}

// New returns a problem. The detail is shown to the caller.
func New(status int, code, detail string) *Problem {
	title := http.StatusText(status)
	return &Problem{
		Type: typePrefix + code, Title: title, Status: status, Detail: detail, Code: code,
		Error_: title, Message: detail,
	}
}

// Invalid returns the problem of a request with bad fields: with one field its
// code is the problem's, with more it is validation_failed.
func Invalid(status int, fields ...Field) *Problem {
	code, detail := "validation_failed", "Several fields are not valid."
	if len(fields) == 1 {
		code, detail = fields[0].Code, fields[0].Field+": "+fields[0].Message
	}
	p := New(status, code, detail)
	p.Errors = fields
	if len(fields) > 0 {
		p.Field = fields[0].Field
	}
	return p
}

// BadField is Invalid with status 400 and one field, whose code is derived from its
// name: "toID" becomes to_id_invalid.
func BadField(field, message string) *Problem {
	return Invalid(http.StatusBadRequest, Field{Field: field, Code: InvalidCode(field), Message: message})
}

// Unprocessable is Invalid with status 422 and one field: it has the right form,
// and is refused for what it means.
func Unprocessable(field, code, message string) *Problem {
	return Invalid(http.StatusUnprocessableEntity, Field{Field: field, Code: code, Message: message})
}

// Internal hides cause behind a generic 500; the cause goes to the log.
func Internal(cause error) *Problem {
	p := New(http.StatusInternalServerError, "internal_error", "Something went wrong on our side.")
	p.cause = cause
	return p
}

// Unavailable is a 503 that may be repeated after a second.
func Unavailable(code, detail string, cause error) *Problem {
	p := New(http.StatusServiceUnavailable, code, detail).WithHeader("Retry-After", "1")
	p.cause = cause
	return p
}

// From returns the problem inside err, or makes one of it: 503 when the time is
// up or the database is away, else 500.
func From(err error) *Problem {
	var p *Problem
	switch {
	case errors.As(err, &p):
		return p
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return Unavailable("timeout", "The request took too long.", err)
	case postgres.IsTransient(err):
		return Unavailable("unavailable", "The service is not available at the moment.", err)
	}
	return Internal(err)
}

// Error implements error with the cause, for logs.
func (p *Problem) Error() string {
	if p.cause != nil {
		return p.Code + ": " + p.cause.Error()
	}
	return p.Code + ": " + p.Detail
}

// Unwrap returns the hidden cause.
func (p *Problem) Unwrap() error { return p.cause }

// GetStatus returns the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders returns the headers of the response.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType names the media type of an encoded problem.
func (p *Problem) ContentType(string) string { return MediaType }

// WithHeader returns p with a response header.
func (p *Problem) WithHeader(name, value string) *Problem {
	out := *p
	out.header = p.header.Clone()
	if out.header == nil {
		out.header = http.Header{}
	}
	out.header.Set(name, value)
	return &out
}

// WithFact returns p with a figure behind the problem.
func (p *Problem) WithFact(name, value string) *Problem {
	out := *p
	out.Facts = maps.Clone(p.Facts)
	if out.Facts == nil {
		out.Facts = map[string]string{}
	}
	out.Facts[name] = value
	return &out
}

// At returns p as the answer to one request.
func (p *Problem) At(path, requestID string) *Problem {
	out := *p
	out.Instance, out.RequestID = path, requestID
	return &out
}

// Write sends p. It is the only place that puts a problem on the wire outside
// the OpenAPI framework.
func (p *Problem) Write(w http.ResponseWriter) {
	h := w.Header()
	for name, values := range p.header {
		h[name] = values
	}
	h.Set("Content-Type", MediaType)
	h.Set("Cache-Control", "no-store")
	h.Del("Content-Length")
	w.WriteHeader(p.Status)
	_ = json.MarshalWrite(w, p, json.Deterministic(true)) // the client is gone
}

// InvalidCode derives the code of a bad field from its name: "toID" becomes
// to_id_invalid, "documents[2].side" becomes side_invalid.
func InvalidCode(field string) string {
	if i := strings.LastIndexByte(field, '.'); i >= 0 {
		field = field[i+1:]
	}
	field, _, _ = strings.Cut(field, "[")
	return snake(field) + "_invalid"
}

func snake(s string) string {
	var b strings.Builder
	lower := false
	for _, r := range strings.ReplaceAll(s, "-", "_") {
		if 'A' <= r && r <= 'Z' {
			if lower {
				b.WriteByte('_')
			}
			lower = false
			b.WriteRune(r + 'a' - 'A')
			continue
		}
		lower = r != '_'
		b.WriteRune(r)
	}
	return b.String()
}
