package client

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Event is one event of a stream.
type Event struct {
	ID   string
	Name string
	Data json.RawMessage
}

// LastEvent lets a stream go on behind the event with this id.
func LastEvent(id string) Option {
	return func(r *request) { r.header.Set("Last-Event-ID", id) }
}

// StreamCommand yields a CommandView, named "status", each time that the command
// has got further, and ends with it (GET /api/v1/commands/{commandId}/events).
func (c *Client) StreamCommand(ctx context.Context, commandID string, options ...Option) iter.Seq2[Event, error] {
	return c.stream(ctx, request{service: shared, path: path("/api/v1/commands/%s/events", commandID)}, options)
}

// StreamWallet yields a Transaction, named "transaction", for each new line of a
// statement, after one named "ready" unless it goes on from an earlier event
// (GET /api/v1/wallets/{profileId}/events).
func (c *Client) StreamWallet(ctx context.Context, profileID string, options ...Option) iter.Seq2[Event, error] {
	return c.stream(ctx, request{service: "tokenomics", path: path("/api/v1/wallets/%s/events", profileID)}, options)
}

// stream opens a stream again, behind its last event, whenever it breaks off,
// until there is no more, ctx ends or the service refuses it.
func (c *Client) stream(ctx context.Context, r request, options []Option) iter.Seq2[Event, error] {
	r.method, r.header = http.MethodGet, http.Header{"User-Agent": {c.o.UserAgent}, "Accept": {"text/event-stream"}}
	for _, o := range options {
		o(&r)
	}
	return func(yield func(Event, error) bool) {
		stopped := false
		for {
			retry, err := c.listen(ctx, r, func(e Event) bool {
				r.header.Set("Last-Event-ID", e.ID)
				stopped = !yield(e, nil)
				return !stopped
			})
			var refusal *Problem
			switch {
			case stopped, errors.Is(err, io.EOF):
				return
			case ctx.Err() != nil:
				err = ctx.Err()
			case err == nil || !errors.As(err, &refusal) || refusal.Status >= http.StatusInternalServerError:
				select {
				case <-time.After(retry):
					continue
				case <-ctx.Done():
					err = ctx.Err()
				}
			}
			yield(Event{}, fmt.Errorf("%s %s: %w", r.method, r.path, err))
			return
		}
	}
}

// firstRetry is how long to wait after a stream until the service says otherwise.
const firstRetry = time.Second

// listen reads one answer to its end, and returns io.EOF when there will be no other.
func (c *Client) listen(ctx context.Context, r request, each func(Event) bool) (retry time.Duration, err error) {
	retry = firstRetry
	u, err := c.url(r)
	if err != nil {
		return retry, err
	}
	token, err := c.session.access(ctx, c, "")
	if err != nil {
		return retry, err
	}
	req, err := http.NewRequestWithContext(ctx, r.method, u, nil)
	if err != nil {
		return retry, err
	}
	req.Header = r.header.Clone()
	req.Header.Set("Authorization", "Bearer "+token)
	open := *c.o.HTTP
	open.Timeout = 0 // it goes on
	resp, err := open.Do(req)
	if err != nil {
		return retry, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNoContent:
		return retry, io.EOF
	case resp.StatusCode != http.StatusOK:
		raw, err := io.ReadAll(io.LimitReader(resp.Body, maxBody))
		if err == nil {
			err = problemOf(resp, raw)
		}
		if Code(err) == "token_expired" { // the next time with another
			_, err = c.session.access(ctx, c, token)
		}
		return retry, err
	}
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, maxBody)
	var e Event
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			e.ID = value
		case "event":
			e.Name = value
		case "data":
			e.Data = json.RawMessage(value)
		case "retry":
			if ms, err := strconv.Atoi(value); err == nil {
				retry = time.Duration(ms) * time.Millisecond
			}
		case "":
			if e.Name != "" && !each(e) {
				return retry, nil
			}
			e = Event{}
		}
	}
	return retry, lines.Err()
}
