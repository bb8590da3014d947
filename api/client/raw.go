package client

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// Send sends a request that its caller has put together to a service and returns
// the body of the answer. Target is a path with its query; spaces in it are escaped.
// A client without a session sends it as nobody.
func (c *Client) Send(ctx context.Context, service, method, target string, body json.RawMessage, options ...Option) ([]byte, error) {
	u, err := url.Parse(target)
	if err != nil || u.Host != "" || len(u.Path) == 0 || u.Path[0] != '/' {
		return nil, fmt.Errorf("%q is not a path", target)
	}
	r := request{
		service: service, method: method, path: u.EscapedPath(), query: u.Query(), public: c.session == nil,
		header: http.Header{"User-Agent": {c.o.UserAgent}, "Accept": {"application/json"}},
	}
	if len(body) > 0 {
		r.body = body
	}
	for _, o := range options {
		o(&r)
	}
	raw, err := c.send(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.method, r.path, err)
	}
	return raw, nil
}
