package httpkit

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/google/uuid"

	"gxcoin.money/gx/internal/platform/problem"
)

// Exchange is what is known about one request, for logs, problems and the
// commands it causes. One goroutine serves a request, so it needs no lock.
type Exchange struct {
	RequestID string // from X-Request-Id when it is safe, else a UUID of version 7
	Trace     Trace
	Principal string // who asked, set by authentication; empty when anonymous
	CommandID string // the last command that was accepted in its course; empty without
	Log       *slog.Logger

	path    string
	base    context.Context // of the connection, without the bounds of a request
	streams bool            // the answer goes on for as long as the client likes

	admission *Admission // by which it is at work; nil when it isn't counted
}

type exchangeKey struct{}

// From returns the exchange of a request that passed the Handler, an empty one otherwise.
func From(ctx context.Context) *Exchange {
	if x, ok := ctx.Value(exchangeKey{}).(*Exchange); ok {
		return x
	}
	return &Exchange{Log: slog.New(slog.DiscardHandler)}
}

// Problem turns err into the answer to this request and logs the cause of a
// fault of ours, once.
func (x *Exchange) Problem(ctx context.Context, err error) *problem.Problem {
	p := problem.From(err)
	if cause := p.Unwrap(); cause != nil && ctx.Err() != context.Canceled {
		level := slog.LevelError
		if p.Status == http.StatusServiceUnavailable {
			level = slog.LevelWarn
		}
		x.Log.Log(ctx, level, "request failed", "requestId", x.RequestID, "traceId", x.Trace.ID(), "code", p.Code, "err", cause)
	}
	return p.At(x.path, x.RequestID)
}

// Wait runs f, in which the request waits for others than this process: its client,
// the ledger. Meanwhile it is not at work, see Admission.
func (x *Exchange) Wait(f func()) {
	if x.admission == nil {
		f()
		return
	}
	x.admission.wait(f)
}

// WriteProblem answers a request with err outside the OpenAPI framework.
func WriteProblem(w http.ResponseWriter, r *http.Request, err error) {
	From(r.Context()).Problem(r.Context(), err).Write(w)
}

const maxRequestID = 128

// requestID accepts a caller's id that cannot harm a log or a header.
func requestID(s string) string {
	if s == "" || len(s) > maxRequestID {
		return newRequestID()
	}
	for i := range len(s) {
		switch c := s[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_', c == '.', c == ':':
		default:
			return newRequestID()
		}
	}
	return s
}

func newRequestID() string {
	id, err := uuid.NewV7()
	if err != nil {
		id = uuid.New()
	}
	return id.String()
}
