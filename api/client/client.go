// Package client speaks the HTTP API of GX. Its operations and types are
// generated from api/openapi/gx.json; what they share is here: where the services
// are, sessions that renew themselves, Idempotency-Keys, repetition and problems.
//
//	gx := client.New(client.Options{URL: "https://api.gxcoin.money"})
//	ada, err := gx.LogIn(ctx, "ada@example.org", password)
//	receipt, err := ada.CreateTransfer(ctx, client.Payment{ToID: bob, Amount: "1500000"}, client.Wait(5))
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

//go:generate ../../.bin/oapi-codegen-v2.8.2 --config generate/config.yaml -o operations.gen.go ../openapi/gx.json

// Services are the names of the services.
var Services = []string{"identity", "admin", "tokenomics", "organization", "loanpool", "governance", "tax"}

// Options says where the API is. Zero values take the defaults.
type Options struct {
	URL       string            // of the host that leads to every service
	Services  map[string]string // URLs of single services, by name; they go before URL
	HTTP      *http.Client      // by default one with keep-alive for many requests at once
	Attempts  int               // how often a request is sent at most; default 3
	Clock     func() time.Time  // default time.Now
	UserAgent string            // default gx-client
}

// Client sends requests as one principal, or as nobody. It may be used concurrently.
type Client struct {
	o       Options
	session *session // nil when nobody is logged in
}

// maxBody bounds what is read of an answer.
const maxBody = 16 << 20

// timeout of a request is above all that a service lets one wait for.
const timeout = 30 * time.Second

// New returns a client without a session.
func New(o Options) *Client {
	if o.HTTP == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, 256
		o.HTTP = &http.Client{Transport: t, Timeout: timeout}
	}
	if o.Attempts <= 0 {
		o.Attempts = 3
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.UserAgent == "" {
		o.UserAgent = "gx-client"
	}
	return &Client{o: o}
}

// request is one operation with everything that its options say.
type request struct {
	service string
	method  string
	path    string
	public  bool // needs no session
	query   url.Values
	body    any
	header  http.Header
	answer  *Answer
}

// Option changes one request.
type Option func(*request)

// IdempotencyKey sends the request under a key: sent again with the same key and
// body it has no second effect. Without this option a key is made for each call,
// which covers the repetitions within it.
func IdempotencyKey(key string) Option {
	return func(r *request) { r.header.Set("Idempotency-Key", key) }
}

// Wait lets the service answer when the command has reached its end, up to a
// number of seconds later.
func Wait(seconds int) Option {
	return func(r *request) { r.header.Set("Prefer", "wait="+strconv.Itoa(seconds)) }
}

// After makes a read show the effect of a command, or fail with not_yet_visible.
func After(commandID string) Option {
	return func(r *request) { r.header.Set("GX-After", commandID) }
}

// IfMatch changes only what still has the ETag that it had when it was read.
func IfMatch(etag string) Option { return func(r *request) { r.header.Set("If-Match", etag) } }

// At sends an operation that every service has to this one.
func At(service string) Option { return func(r *request) { r.service = service } }

// Answer is what is known of an answer besides its body.
type Answer struct {
	Status int
	Header http.Header
}

// Replayed reports whether the answer is that of an earlier request with the same key.
func (a Answer) Replayed() bool { return a.Header.Get("Idempotency-Hit") == "true" }

// Receive stores status and header of the answer, whether it is a problem or not.
func Receive(a *Answer) Option { return func(r *request) { r.answer = a } }

// path fills path parameters into a format.
func path(format string, parameters ...string) string {
	escaped := make([]any, len(parameters))
	for i, p := range parameters {
		escaped[i] = url.PathEscape(p)
	}
	return fmt.Sprintf(format, escaped...)
}

// values collects the query parameters that are given, from pairs of name and value.
func values(pairs ...any) url.Values {
	q := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		text := fmt.Sprint(pairs[i+1])
		if at, ok := pairs[i+1].(time.Time); ok {
			if text = ""; !at.IsZero() {
				text = at.UTC().Format(time.RFC3339Nano)
			}
		}
		if text != "" && text != "0" && text != "false" {
			q.Set(pairs[i].(string), text)
		}
	}
	return q
}

// shared is the service of an operation that every service has.
const shared = "every service"

func (c *Client) url(r request) (string, error) {
	service := r.service
	if service == shared {
		service = Services[0]
	}
	base := c.o.Services[service]
	if base == "" {
		base = c.o.URL
	}
	if base == "" {
		return "", fmt.Errorf("the address of the service %s is not known", service)
	}
	u := strings.TrimRight(base, "/") + r.path
	if len(r.query) > 0 {
		u += "?" + r.query.Encode()
	}
	return u, nil
}

// call sends a request, again when that is safe and useful, and decodes the answer.
func call[T any](ctx context.Context, c *Client, r request, options []Option) (T, error) {
	var out T
	r.header = http.Header{"User-Agent": {c.o.UserAgent}, "Accept": {"application/json"}}
	for _, o := range options {
		o(&r)
	}
	raw, err := c.send(ctx, r)
	if err == nil {
		err = json.Unmarshal(raw, &out)
	}
	if err != nil {
		return out, fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	return out, nil
}

// send returns the body of a successful answer. A request with a session has an
// Idempotency-Key if it changes anything, so it may be repeated.
func (c *Client) send(ctx context.Context, r request) ([]byte, error) {
	u, err := c.url(r)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(r.body)
	if err != nil {
		return nil, err
	}
	if string(body) == "null" {
		body = nil
	} else {
		r.header.Set("Content-Type", "application/json")
	}
	if !r.public && r.method != http.MethodGet && r.header.Get("Idempotency-Key") == "" {
		r.header.Set("Idempotency-Key", uuid.NewString())
	}
	repeatable := !r.public || r.method == http.MethodGet
	for attempt := 1; ; attempt++ {
		raw, err := c.once(ctx, u, r, body)
		pause, again := worthwhile(err)
		if !again || !repeatable || attempt >= c.o.Attempts {
			return raw, err
		}
		if pause == 0 {
			pause = 50 * time.Millisecond << attempt
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, err
		}
	}
}

// once sends a request; when the session's access token turns out to be expired, it
// is renewed and the request sent again.
func (c *Client) once(ctx context.Context, u string, r request, body []byte) ([]byte, error) {
	if r.public {
		return c.exchange(ctx, u, r, body, "")
	}
	token, err := c.session.access(ctx, c, "")
	if err != nil {
		return nil, err
	}
	raw, err := c.exchange(ctx, u, r, body, token)
	if Code(err) != "token_expired" {
		return raw, err
	}
	if token, err = c.session.access(ctx, c, token); err != nil {
		return nil, err
	}
	return c.exchange(ctx, u, r, body, token)
}

func (c *Client) exchange(ctx context.Context, u string, r request, body []byte, token string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, u, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header = r.header.Clone()
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.o.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if r.answer != nil {
		*r.answer = Answer{resp.StatusCode, resp.Header}
	}
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		return nil, problemOf(resp, raw)
	}
	return raw, nil
}

// Await returns a command that has reached its end, as far as reads can show it.
func (c *Client) Await(ctx context.Context, commandID string, options ...Option) (CommandView, error) {
	for {
		v, err := c.GetCommand(ctx, commandID, append(options, Wait(10))...)
		if err != nil || v.Projected || v.Status == CommandStatusFAILED {
			return v, err
		}
	}
}
