package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/command"
)

// Request is a command to be accepted under an Idempotency-Key, which is unique
// for its principal and route.
type Request struct {
	ID        uuid.UUID
	Payload   command.Payload
	Principal string
	Route     string
	Key       string
	Body      []byte // JSON of what was asked: a repetition must ask the same
	Response  []byte // what a repetition is answered

	CorrelationID string
	TraceParent   string
}

// Accepted is the command that holds an Idempotency-Key.
type Accepted struct {
	ID       uuid.UUID
	Response []byte
	Replayed bool // an earlier request holds the key
}

// KeyReusedError reports that an Idempotency-Key was used for another request.
type KeyReusedError struct {
	Field string // first member that differs, such as "amount" or "items[2].id"; "body" for the whole
}

func (e *KeyReusedError) Error() string {
	return "outbox: the Idempotency-Key was used with another " + e.Field
}

// ErrInProgress reports that a transaction which uses the same Idempotency-Key
// did not end while Enqueue waited. The caller's transaction, if any, is lost.
var ErrInProgress = errors.New("outbox: the first request with this Idempotency-Key is still at work")

// Enqueue stores a command and its Idempotency-Key in one statement of db, which
// may be the caller's transaction. When the key is taken by the same request it
// returns that command, by another a *KeyReusedError; command.FieldErrors tells
// of a payload that is not valid. Call Wake after the commit.
func (o *Outbox) Enqueue(ctx context.Context, db postgres.DB, r Request) (Accepted, error) {
	if err := r.Payload.Validate(); err != nil {
		return Accepted{}, fmt.Errorf("outbox: %s: %w", r.Payload.CommandType(), err)
	}
	payload, err := command.Encode(r.Payload)
	if err != nil {
		return Accepted{}, fmt.Errorf("outbox: %w", err)
	}
	now := o.o.Clock()
	// lock_timeout holds for this statement only: it is put back by the same one.
	tag, err := db.Exec(ctx, `
		WITH before AS MATERIALIZED (
			SELECT current_setting('lock_timeout') AS timeout, set_config('lock_timeout', $13, true) AS set
		), accepted AS (
			INSERT INTO app.commands (id, type, payload, actor, principal, route, idempotency_key, request, response,
			                          correlation_id, traceparent, next_at, created_at)
			SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $12 FROM before
			ON CONFLICT (principal, route, idempotency_key) DO NOTHING
			RETURNING id
		)
		SELECT set_config('lock_timeout', before.timeout, true) FROM accepted, before`,
		r.ID, r.Payload.CommandType(), []byte(payload), r.Payload.Actor(), r.Principal, r.Route, r.Key, notNull(r.Body), notNull(r.Response),
		r.CorrelationID, r.TraceParent, now, strconv.FormatInt(o.o.KeyWait.Milliseconds(), 10))
	if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) && pg.Code == "55P03" {
		return Accepted{}, ErrInProgress
	}
	if err != nil {
		return Accepted{}, fmt.Errorf("outbox: enqueue %s: %w", r.Payload.CommandType(), err)
	}
	if tag.RowsAffected() == 1 {
		return Accepted{ID: r.ID, Response: r.Response}, nil
	}
	return replay(ctx, db, r)
}

func notNull(b []byte) []byte { return append([]byte{}, b...) }

// replay returns the command that holds the key of r.
func replay(ctx context.Context, db postgres.DB, r Request) (Accepted, error) {
	a := Accepted{Replayed: true}
	var body []byte
	err := db.QueryRow(ctx, `
		SELECT id, request, response FROM app.commands WHERE principal = $1 AND route = $2 AND idempotency_key = $3`,
		r.Principal, r.Route, r.Key).Scan(&a.ID, &body, &a.Response)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		// Swept between the two statements: the next try finds the key free.
		return Accepted{}, ErrInProgress
	case err != nil:
		return Accepted{}, fmt.Errorf("outbox: read the command of the key: %w", err)
	}
	field, err := difference("", r.Body, body)
	if err != nil {
		return Accepted{}, fmt.Errorf("outbox: compare with command %s: %w", a.ID, err)
	}
	if field != "" {
		return Accepted{}, &KeyReusedError{field}
	}
	return a, nil
}

// difference names the first member, in the order of names, in which two JSON
// values differ; "" when they don't.
func difference(at string, a, b jsontext.Value) (string, error) {
	switch {
	case bytes.Equal(a, b):
		return "", nil
	case a.Kind() == '{' && b.Kind() == '{':
		var x, y map[string]jsontext.Value
		if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
			return "", err
		}
		names := maps.Clone(x)
		maps.Copy(names, y)
		for _, name := range slices.Sorted(maps.Keys(names)) {
			path := name
			if at != "" {
				path = at + "." + name
			}
			if field, err := difference(path, x[name], y[name]); field != "" || err != nil {
				return field, err
			}
		}
		return "", nil
	case a.Kind() == '[' && b.Kind() == '[':
		var x, y []jsontext.Value
		if err := errors.Join(json.Unmarshal(a, &x), json.Unmarshal(b, &y)); err != nil {
			return "", err
		}
		for i := range min(len(x), len(y)) {
			if field, err := difference(fmt.Sprintf("%s[%d]", at, i), x[i], y[i]); field != "" || err != nil {
				return field, err
			}
		}
		if len(x) == len(y) {
			return "", nil
		}
	}
	if at == "" {
		at = "body"
	}
	return at, nil
}
