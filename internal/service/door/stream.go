package door

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/go-json-experiment/json"

	"gxcoin.money/gx/internal/platform/httpkit"
	"gxcoin.money/gx/internal/platform/problem"
)

// heartbeat is how often an idle stream shows that it lives.
const heartbeat = 15 * time.Second

// lookTimeout bounds a look at what has happened.
const lookTimeout = 5 * time.Second

// Event is something that a stream tells.
type Event struct {
	ID   string // of its place in the stream
	Name string
	Data any
}

// Feed is what a stream tells.
type Feed struct {
	Topic Topic // what has to change for there to be something new
	// Since returns what happened after the event with the id, at once and in
	// order, or where the stream stands when the id is empty. It reports done when
	// nothing will follow. A problem is for the client.
	Since func(ctx context.Context, id string) (events []Event, done bool, err error)
}

// RegisterStream adds a route that answers with server-sent events, from the one
// that Last-Event-ID names on. A stream ends, to be opened again, with the access
// token or the session that opened it and when the process stops.
func RegisterStream[I any](d *Door, r Route, open func(context.Context, *I) (Feed, error)) {
	r.Cache = "no-store"
	r.responses = map[string]*huma.Response{
		"200": {Description: "Events as they happen", Content: map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}}},
	}
	r.parameters = []*huma.Param{{
		Name: "Last-Event-ID", In: "header", Description: "The last event that was seen: the stream goes on behind it",
		Schema: &huma.Schema{Type: huma.TypeString, MaxLength: new(100)},
	}}
	Register(d, r, func(ctx context.Context, in *I) (*huma.StreamResponse, error) {
		f, err := open(ctx, in)
		if err != nil {
			return nil, err
		}
		return &huma.StreamResponse{Body: func(hc huma.Context) {
			if err := d.stream(hc, f); err != nil {
				httpkit.Respond(hc, err)
			}
		}}, nil
	})
	r.responses["204"] = &huma.Response{Description: "Nothing will follow: do not come back"}
}

// stream answers with a feed. An error is one from before the first event.
func (d *Door) stream(hc huma.Context, f Feed) error {
	if d.Watcher == nil {
		return problem.Unavailable("unavailable", "There are no event streams here.", nil)
	}
	who, last := Caller(hc.Context()), hc.Header("Last-Event-ID")
	// Before the first look, so that nothing falls in between.
	sub, err := d.hub.subscribe(f.Topic, who)
	if err != nil {
		return err
	}
	defer d.hub.unsubscribe(sub)
	events, done, err := d.since(hc.Context(), f, last)
	if err != nil {
		return err
	}
	if done && len(events) == 0 {
		hc.SetStatus(http.StatusNoContent)
		return nil
	}
	r, w := humago.Unwrap(hc)
	ctx, cancel := httpkit.StreamContext(r)
	defer cancel()
	out, err := httpkit.NewStream(w, r)
	if err != nil {
		return nil // the client is gone
	}
	httpkit.From(ctx).Wait(func() { d.follow(ctx, out, f, sub, events, done, last) })
	return nil
}

// follow tells events, and what happens after the last of them, until the stream is over.
func (d *Door) follow(ctx context.Context, out *httpkit.Stream, f Feed, sub *subscriber, events []Event, done bool, last string) {
	for {
		for _, e := range events {
			if send(out, e) != nil {
				return // the client is gone, or too slow
			}
			last = e.ID
		}
		if done || len(events) == 0 && !d.idle(ctx, out, sub) {
			return
		}
		var err error
		if events, done, err = d.since(ctx, f, last); err != nil {
			if ctx.Err() == nil {
				d.Log.WarnContext(ctx, "event stream ends", "topic", f.Topic, "err", err)
			}
			return
		}
	}
}

func (d *Door) since(ctx context.Context, f Feed, id string) ([]Event, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	return f.Since(ctx, id)
}

func send(out *httpkit.Stream, e Event) error {
	data, err := json.Marshal(e.Data, json.Deterministic(true))
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	return out.Event(e.ID, e.Name, data)
}

// idle returns true when there may be something new, false when the stream is over.
func (d *Door) idle(ctx context.Context, out *httpkit.Stream, sub *subscriber) bool {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-sub.wake:
			return true
		case <-beat.C:
			if !d.Clock().Before(sub.who.until) || out.Beat() != nil {
				return false
			}
		case <-sub.over:
			return false
		case <-ctx.Done():
			return false
		}
	}
}
