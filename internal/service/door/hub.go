package door

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gxcoin.money/gx/internal/platform/problem"
	"gxcoin.money/gx/internal/readmodel"
)

// The most streams of a service, and of one principal.
const (
	maxStreams     = 20_000
	maxStreamsEach = 10
)

// lookGap is the least time between two looks for all streams.
const lookGap = 20 * time.Millisecond

// Topic is what a stream is about.
type Topic struct {
	kind topicKind
	id   string
}

type topicKind uint8

const (
	commandTopic topicKind = iota
	accountTopic
)

// CommandTopic changes when a command gets further.
func CommandTopic(id uuid.UUID) Topic { return Topic{commandTopic, id.String()} }

// AccountTopic changes when an account has a new line in its statement.
func AccountTopic(id string) Topic { return Topic{accountTopic, id} }

// String returns the topic for logs.
func (t Topic) String() string { return [...]string{"command ", "account "}[t.kind] + t.id }

// subscriber is one stream.
type subscriber struct {
	topic Topic
	who   Principal
	wake  chan struct{} // there may be something new
	over  chan struct{} // closed when the session has ended
}

// hub tells the streams of a service when to look. However many they are, one
// query finds out for all of one kind, and none is made while there is no stream.
type hub struct {
	d *Door

	mu      sync.Mutex
	topics  [2]map[string]map[*subscriber]struct{}
	streams map[string]int // by principal
	open    int
	stop    context.CancelFunc // of run; nil while there is no stream
}

func newHub(d *Door) *hub {
	return &hub{d: d, topics: [2]map[string]map[*subscriber]struct{}{{}, {}}, streams: map[string]int{}}
}

func (h *hub) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.open
}

func (h *hub) subscribe(t Topic, who Principal) (*subscriber, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	name := who.String()
	switch {
	case h.streams[name] >= maxStreamsEach:
		return nil, problem.New(http.StatusTooManyRequests, "too_many_streams", "You have too many event streams open: close one.").WithHeader("Retry-After", "5")
	case h.open >= maxStreams:
		return nil, problem.Unavailable("too_many_streams", "There are too many event streams at the moment; try again.", nil)
	}
	s := &subscriber{topic: t, who: who, wake: make(chan struct{}, 1), over: make(chan struct{})}
	if h.topics[t.kind][t.id] == nil {
		h.topics[t.kind][t.id] = map[*subscriber]struct{}{}
	}
	h.topics[t.kind][t.id][s] = struct{}{}
	h.streams[name]++
	h.open++
	if h.stop == nil {
		var ctx context.Context
		ctx, h.stop = context.WithCancel(context.Background())
		go h.run(ctx)
	}
	return s, nil
}

func (h *hub) unsubscribe(s *subscriber) {
	h.mu.Lock()
	defer h.mu.Unlock()
	streams := h.topics[s.topic.kind][s.topic.id]
	delete(streams, s)
	if len(streams) == 0 {
		delete(h.topics[s.topic.kind], s.topic.id)
	}
	name := s.who.String()
	if h.streams[name]--; h.streams[name] == 0 {
		delete(h.streams, name)
	}
	if h.open--; h.open == 0 {
		h.stop()
		h.stop = nil
	}
}

// run looks again and again until ctx ends.
func (h *hub) run(ctx context.Context) {
	sessions := time.NewTicker(sessionFresh)
	defer sessions.Stop()
	gap := time.NewTicker(lookGap)
	defer gap.Stop()
	seen := map[string]string{} // states of commands
	at, known := readmodel.Position{}, false
	for {
		changed := h.d.Watcher.Changed()
		h.lookAtCommands(ctx, seen)
		h.lookAtAccounts(ctx, &at, &known)
		select {
		case <-changed:
		case <-sessions.C:
			h.lookAtSessions(ctx)
		case <-ctx.Done():
			return
		}
		select {
		case <-gap.C:
		case <-ctx.Done():
			return
		}
	}
}

func (h *hub) ids(kind topicKind) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Keys(h.topics[kind]))
}

func (h *hub) wake(kind topicKind, id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.topics[kind][id] {
		select {
		case s.wake <- struct{}{}:
		default: // it has to look already
		}
	}
}

// lookAtCommands wakes the streams of commands that got further. What a look
// can't find out the next one does.
func (h *hub) lookAtCommands(ctx context.Context, seen map[string]string) {
	ids := h.ids(commandTopic)
	if len(ids) == 0 {
		clear(seen)
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	rows, err := h.d.Pool.Query(ctx, `SELECT c.id::text, c.state || c.attempts::text || (r.command_id IS NOT NULL)::text
		FROM app.commands c LEFT JOIN read.command_results r ON r.command_id = c.id::text WHERE c.id = ANY($1::text[]::uuid[])`, ids)
	if err != nil {
		return
	}
	next := make(map[string]string, len(ids))
	var id, state string
	if _, err := pgx.ForEachRow(rows, []any{&id, &state}, func() error {
		next[id] = state
		if seen[id] != state {
			h.wake(commandTopic, id)
		}
		return nil
	}); err != nil {
		return
	}
	clear(seen)
	maps.Copy(seen, next)
}

// lookAtAccounts wakes the streams of accounts with new lines since at.
func (h *hub) lookAtAccounts(ctx context.Context, at *readmodel.Position, known *bool) {
	if len(h.ids(accountTopic)) == 0 {
		*known = false
		return
	}
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	// First how far reads are, then who is to be told: who comes in between has
	// looked at no less.
	c, err := readmodel.Checkpoint(ctx, h.d.Pool)
	if err != nil || *known && c.Block == at.Block && c.TxIndex == at.TxIndex {
		return
	}
	ids := h.ids(accountTopic)
	if *known && (c.Block > at.Block || c.Block == at.Block && c.TxIndex > at.TxIndex) {
		if ids, err = readmodel.Moved(ctx, h.d.Pool, *at, ids); err != nil {
			return
		}
	}
	for _, id := range ids {
		h.wake(accountTopic, id)
	}
	*at, *known = readmodel.Position{Block: c.Block, TxIndex: c.TxIndex}, true
}

// lookAtSessions ends the streams of sessions that have ended.
func (h *hub) lookAtSessions(ctx context.Context) {
	streams := map[uuid.UUID][]*subscriber{}
	h.mu.Lock()
	for _, topics := range h.topics {
		for _, subscribers := range topics {
			for s := range subscribers {
				streams[s.who.Session] = append(streams[s.who.Session], s)
			}
		}
	}
	h.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	live, err := h.live(ctx, slices.Collect(maps.Keys(streams)))
	if err != nil {
		h.d.Log.WarnContext(ctx, "sessions of event streams can't be read", "err", err)
		return
	}
	for _, id := range live {
		delete(streams, id)
	}
	for _, ended := range streams {
		for _, s := range ended {
			s.end()
		}
	}
}

// end is called by run alone.
func (s *subscriber) end() {
	select {
	case <-s.over:
	default:
		close(s.over)
	}
}

// live returns those of sessions that live.
func (h *hub) live(ctx context.Context, sessions []uuid.UUID) ([]uuid.UUID, error) {
	rows, err := h.d.Pool.Query(ctx, `SELECT s.session_id FROM app.sessions s
		LEFT JOIN app.people p ON s.audience = 'gx-api' AND p.profile_id = s.subject
		LEFT JOIN read.accounts a ON a.account_id = p.gx_id
		LEFT JOIN app.staff m ON s.audience = 'gx-admin' AND m.staff_id = s.subject
		WHERE s.session_id = ANY($1) AND s.revoked_at IS NULL AND s.expires_at > $2
		  AND coalesce(p.status NOT IN ('SUSPENDED', 'CLOSED') AND coalesce(a.status, '') NOT IN ('SUSPENDED', 'CLOSED', 'DECEASED'), m.active, false)`,
		sessions, h.d.Clock())
	if err != nil {
		return nil, fmt.Errorf("read sessions: %w", err)
	}
	return pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
}
