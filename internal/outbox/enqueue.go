package outbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/internal/platform/coalesce"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/protocol/command"
	"gxcoin.money/gx/protocol/qirat"
)

// Request is a command to be accepted under an Idempotency-Key, which is unique
// for its principal and route.
type Request struct {
	ID        uuid.UUID
	Payload   command.Payload
	Principal string
	Route     string
	Key       string
	Body      []byte       // JSON of what was asked: a repetition must ask the same
	Response  []byte       // what a repetition is answered
	Holds     qirat.Amount // what the command will take from its actor's account

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

// Enqueue stores a command and its Idempotency-Key in one statement of db. That may
// be the caller's transaction; given a pool it is one of its own, shared with
// those who enqueue at the same time. When the key is taken by the same request it
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
	row := row{r, payload}
	var stored bool
	if pool, ok := db.(*pgxpool.Pool); ok {
		stored, err = o.together(pool).Do(ctx, row)
		if pg := (*pgconn.PgError)(nil); errors.As(err, &pg) {
			// For the sake of one the server has refused all: now each for itself.
			stored, err = o.alone(ctx, pool, row)
		}
	} else {
		stored, err = o.alone(ctx, db, row)
	}
	if inUse(err) {
		return Accepted{}, ErrInProgress
	}
	if err != nil {
		return Accepted{}, fmt.Errorf("outbox: enqueue %s: %w", r.Payload.CommandType(), err)
	}
	if stored {
		return Accepted{ID: r.ID, Response: r.Response}, nil
	}
	return replay(ctx, db, r)
}

// row is a request with its payload encoded.
type row struct {
	Request
	payload []byte
}

// Those who enqueue at the same time wait for a key no longer than groupKeyWait
// together, then each for itself.
const (
	groupKeyWait = 50 * time.Millisecond
	maxGroup     = 64
	groupTimeout = 10 * time.Second
)

// together returns the group of a pool.
func (o *Outbox) together(pool *pgxpool.Pool) *coalesce.Group[row, bool] {
	o.mu.Lock()
	defer o.mu.Unlock()
	g := o.groups[pool]
	if g == nil {
		g = coalesce.New(coalesce.Options{Max: maxGroup, Timeout: groupTimeout}, func(ctx context.Context, rows []row) ([]bool, error) {
			return o.insert(ctx, pool, min(groupKeyWait, o.o.KeyWait), rows)
		})
		o.groups[pool] = g
	}
	return g
}

func (o *Outbox) alone(ctx context.Context, db postgres.DB, r row) (bool, error) {
	stored, err := o.insert(ctx, db, o.o.KeyWait, []row{r})
	return err == nil && stored[0], err
}

// insert stores rows and tells of each whether its key was free.
func (o *Outbox) insert(ctx context.Context, db postgres.DB, keyWait time.Duration, list []row) ([]bool, error) {
	text := func(of func(row) string) []string {
		out := make([]string, len(list))
		for i, r := range list {
			out[i] = of(r)
		}
		return out
	}
	octets := func(of func(row) []byte) [][]byte {
		out := make([][]byte, len(list))
		for i, r := range list {
			out[i] = notNull(of(r))
		}
		return out
	}
	ids, holds := make([]uuid.UUID, len(list)), make([]int64, len(list))
	for i, r := range list {
		ids[i], holds[i] = r.ID, int64(r.Holds)
	}
	// lock_timeout holds for this statement only: it is put back by the same one.
	rows, err := db.Query(ctx, `
		WITH before AS MATERIALIZED (
			SELECT current_setting('lock_timeout') AS timeout, set_config('lock_timeout', $14, true) AS set
		), asked AS MATERIALIZED (
			SELECT v.* FROM before, unnest($1::uuid[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::text[], $7::text[],
			                               $8::bytea[], $9::bytea[], $10::bigint[], $11::text[], $12::text[])
				AS v (id, type, payload, actor, principal, route, key, request, response, holds, correlation_id, traceparent)
		), fresh AS (
			INSERT INTO app.keys (principal, route, idempotency_key, command_id, request, response)
			SELECT principal, route, key, id, request, response FROM asked a
			WHERE (SELECT true FROM app.keys_before o WHERE o.principal = a.principal AND o.route = a.route AND o.idempotency_key = a.key) IS NULL
			ON CONFLICT (principal, route, idempotency_key) DO NOTHING
			RETURNING command_id
		), accepted AS (
			INSERT INTO app.commands (id, type, payload, actor, principal, route, idempotency_key, holds, correlation_id, traceparent, next_at, created_at)
			SELECT id, type, payload, actor, principal, route, key, holds, correlation_id, traceparent, $13, $13
			FROM asked WHERE id = ANY (ARRAY (SELECT command_id FROM fresh))
			RETURNING id
		)
		SELECT accepted.id, set_config('lock_timeout', before.timeout, true) FROM accepted, before`,
		ids, text(func(r row) string { return string(r.Payload.CommandType()) }), octets(func(r row) []byte { return r.payload }),
		text(func(r row) string { return r.Payload.Actor() }), text(func(r row) string { return r.Principal }),
		text(func(r row) string { return r.Route }), text(func(r row) string { return r.Key }),
		octets(func(r row) []byte { return r.Body }), octets(func(r row) []byte { return r.Response }), holds,
		text(func(r row) string { return r.CorrelationID }), text(func(r row) string { return r.TraceParent }),
		o.o.Clock(), strconv.FormatInt(keyWait.Milliseconds(), 10))
	if err != nil {
		return nil, err
	}
	stored := make([]bool, len(list))
	var id uuid.UUID
	var timeout string
	_, err = pgx.ForEachRow(rows, []any{&id, &timeout}, func() error {
		stored[slices.Index(ids, id)] = true
		return nil
	})
	return stored, err
}

func notNull(b []byte) []byte { return append([]byte{}, b...) }

// replay returns the command that holds the key of r.
func replay(ctx context.Context, db postgres.DB, r Request) (Accepted, error) {
	a := Accepted{Replayed: true}
	var body []byte
	err := db.QueryRow(ctx, `
		SELECT command_id, request, response FROM app.known_keys WHERE principal = $1 AND route = $2 AND idempotency_key = $3`,
		r.Principal, r.Route, r.Key).Scan(&a.ID, &body, &a.Response)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		// Forgotten between the two statements: the next try finds the key free.
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
