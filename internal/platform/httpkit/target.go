package httpkit

import (
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"gxcoin.money/gx/internal/platform/problem"
)

// MaxURL is the longest request target, in bytes (api.md 1.13).
const MaxURL = 8 << 10

// checkTarget refuses a request target that can't be right. The mux would make
// another path of one with empty or relative segments.
func (h *Handler) checkTarget(r *http.Request) error {
	at := r.URL.EscapedPath()
	switch {
	case len(r.RequestURI) > MaxURL:
		return problem.New(http.StatusRequestURITooLong, "uri_too_long", "The request target is too long.")
	case !readable(r.URL):
		return problem.New(http.StatusBadRequest, "uri_malformed", "The request target must be UTF-8 without NUL.")
	case at == "" || path.Clean(at) == at:
		return nil
	}
	if name := h.missing(r.Method, strings.Split(at, "/")); name != "" {
		return problem.Invalid(http.StatusBadRequest, problem.Field{Field: name, Code: requiredCode(name), Message: "is missing in the path"})
	}
	return errNothing
}

var errNothing = problem.New(http.StatusNotFound, "not_found", "There is nothing at this path.")

// missing returns the name of the path parameter that the first empty segment
// stands for, "" when there is none.
func (h *Handler) missing(method string, segments []string) string {
	at := slices.Index(segments[1:], "") + 1
	if at == 0 {
		return ""
	}
	filled := slices.Clone(segments)
	for i := range filled[1:] {
		if filled[i+1] == "" {
			filled[i+1] = "-"
		}
	}
	u, err := url.ParseRequestURI(strings.Join(filled, "/"))
	if err != nil {
		return ""
	}
	_, pattern := h.mux.Handler(&http.Request{Method: method, URL: u})
	_, template, _ := strings.Cut(pattern, " ")
	parts := strings.Split(template, "/")
	if at < len(parts) && strings.HasPrefix(parts[at], "{") {
		return strings.Trim(parts[at], "{}")
	}
	return ""
}

// readable reports whether what a request target says is text that PostgreSQL holds.
func readable(u *url.URL) bool {
	text := u.Path
	if query, err := url.QueryUnescape(u.RawQuery); err == nil {
		text += query
	}
	return utf8.ValidString(text) && !strings.Contains(text, "\x00")
}
