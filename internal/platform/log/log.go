// Package log makes the loggers of a process: slog in JSON for machines or in
// text for people, with the ids of the request that a record belongs to.
package log

import (
	"context"
	"fmt"
	"io"
	"log/slog"
)

// Format is the form of log lines.
type Format string

const (
	JSON Format = "json"
	Text Format = "text"
)

// Options of a logger. The zero value writes JSON from level info on.
type Options struct {
	Level  slog.Level
	Format Format
	// Attrs returns what a context says about the work at hand, such as the ids
	// of a request. What a record says itself is not repeated. May be nil.
	Attrs func(context.Context) []slog.Attr
}

// New returns a logger that writes to w, one Write a line.
func New(w io.Writer, o Options) *slog.Logger {
	ho := &slog.HandlerOptions{Level: o.Level}
	var h slog.Handler = slog.NewJSONHandler(w, ho)
	if o.Format == Text {
		h = slog.NewTextHandler(w, ho)
	}
	if o.Attrs != nil {
		h = handler{h, o.Attrs}
	}
	return slog.New(h)
}

// handler adds attributes of the context.
type handler struct {
	slog.Handler
	attrs func(context.Context) []slog.Attr
}

func (h handler) Handle(ctx context.Context, r slog.Record) error {
	for _, a := range h.attrs(ctx) {
		if !has(r, a.Key) {
			r.AddAttrs(a)
		}
	}
	return h.Handler.Handle(ctx, r)
}

func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs), h.attrs}
}

func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.Handler.WithGroup(name), h.attrs}
}

func has(r slog.Record, key string) (found bool) {
	r.Attrs(func(a slog.Attr) bool {
		found = a.Key == key
		return !found
	})
	return found
}

// Tee returns a logger that writes to a everything, and to b what b accepts.
func Tee(a, b *slog.Logger) *slog.Logger {
	return slog.New(slog.NewMultiHandler(a.Handler(), b.Handler()))
}

// ParseLevel reads debug, info, warn or error.
func ParseLevel(s string) (slog.Level, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(s)); err != nil {
		return 0, fmt.Errorf("log level %q is not debug, info, warn or error", s)
	}
	return l, nil
}
