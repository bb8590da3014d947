package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Problem is an answer that says why a request had no success (RFC 9457).
type Problem struct {
	Type      string  `json:"type"`
	Title     string  `json:"title"`
	Status    int     `json:"status"`
	Detail    string  `json:"detail"` // for people
	Instance  string  `json:"instance"`
	Code      string  `json:"code"` // for programs
	RequestID string  `json:"requestId"`
	Errors    []Field `json:"errors"` // every field that is wrong

	Facts      map[string]string `json:"-"` // further members that are texts, such as available and required
	RetryAfter time.Duration     `json:"-"` // 0 when the service says nothing
}

// Field says what is wrong with one member of a request.
type Field struct {
	Field   string `json:"field"`
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Error implements error.
func (p *Problem) Error() string {
	text := p.Detail
	if len(p.Errors) > 1 {
		fields := make([]string, len(p.Errors))
		for i, f := range p.Errors {
			fields[i] = f.Field + " " + f.Message
		}
		text = strings.Join(fields, "; ")
	}
	return fmt.Sprintf("%s (%d %s)", text, p.Status, p.Code)
}

// Code returns the code of the problem in err, "" when there is none.
func Code(err error) string {
	if p := (*Problem)(nil); errors.As(err, &p) {
		return p.Code
	}
	return ""
}

// known are the members of a problem that are no facts.
var known = map[string]bool{"type": true, "title": true, "detail": true, "instance": true, "code": true, "requestId": true,
	"error": true, "message": true, "field": true}

func problemOf(resp *http.Response, raw []byte) *Problem {
	p := &Problem{}
	var members map[string]any
	if json.Unmarshal(raw, p) != nil || json.Unmarshal(raw, &members) != nil || p.Code == "" {
		// Not of a service: something between us and it has answered.
		p = &Problem{Code: "http_" + strconv.Itoa(resp.StatusCode), Detail: "The answer is not from GX: " + resp.Status + "."}
	}
	p.Status, p.Title = resp.StatusCode, http.StatusText(resp.StatusCode)
	for name, v := range members {
		if s, ok := v.(string); ok && !known[name] {
			if p.Facts == nil {
				p.Facts = map[string]string{}
			}
			p.Facts[name] = s
		}
	}
	if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n >= 0 {
		p.RetryAfter = time.Duration(n) * time.Second
	}
	return p
}

// worthwhile reports whether the same request may succeed after a pause.
func worthwhile(err error) (pause time.Duration, again bool) {
	if err == nil {
		return 0, false
	}
	if p := (*Problem)(nil); errors.As(err, &p) {
		switch {
		case p.Status == http.StatusBadGateway, p.Status == http.StatusServiceUnavailable, p.Status == http.StatusGatewayTimeout,
			p.Status == http.StatusTooManyRequests, p.Code == "idempotency_in_progress":
			return p.RetryAfter, true
		}
		return 0, false
	}
	// The connection broke, before or after the request had its effect.
	transport := (*url.Error)(nil)
	return 0, errors.As(err, &transport)
}
