package sim_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/api/client"
	"gxcoin.money/gx/internal/demo"
	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/ringtest"
)

// leaseTTL is that of the real processes.
const leaseTTL = 5 * time.Second

// stage is what all simulations begin with: an open ledger and a few people.
type stage struct {
	database pgtest.Database
	pools    map[string]*pgxpool.Config // by role
	people   []actor
	signer   func(clock.Clock) *token.Signer
	opened   time.Time // no block is younger
}

// actor is a person with a session.
type actor struct {
	account          string
	profile, session uuid.UUID
}

// What a simulation adds to the database. Whoever has this schema first in their
// search path and asks for now() gets simulated time. And whoever writes as a leader
// while another holds the lease, at the end of their transaction, is noted.
const simSchema = `
	CREATE SCHEMA sim;
	CREATE TABLE sim.usurpers (who text, leader text, wrote text);
	CREATE FUNCTION sim.fenced() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
	DECLARE leader text;
	BEGIN
		SELECT holder INTO leader FROM app.leases WHERE name = TG_ARGV[0];
		IF leader <> current_setting('application_name') THEN
			INSERT INTO sim.usurpers VALUES (current_setting('application_name'), leader, TG_TABLE_NAME);
		END IF;
		RETURN NULL;
	END $$;
	CREATE CONSTRAINT TRIGGER fenced AFTER UPDATE OF block, tx_index ON read.checkpoint DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION sim.fenced('projector:gx');
	CREATE CONSTRAINT TRIGGER fenced AFTER INSERT OR UPDATE ON app.batches DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION sim.fenced('submitter:gx');
	CREATE SEQUENCE sim.clock;
	CREATE FUNCTION sim.now() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT to_timestamp(last_value / 1e6) FROM sim.clock $$;
	GRANT USAGE ON SCHEMA sim TO PUBLIC;
	GRANT SELECT ON SEQUENCE sim.clock TO PUBLIC`

func newStage(t *testing.T, people int) *stage {
	t.Helper()
	s := &stage{database: pgtest.New(t), pools: map[string]*pgxpool.Config{}}
	if ok := t.Run("stage", func(t *testing.T) {
		ring := ringtest.StartOn(t, s.database)
		customers, err := demo.Recruit(t.Context(), ring.Client, ring.Staff(t), demo.People(people))
		if err != nil {
			t.Fatal(err)
		}
		key, err := token.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		s.signer = func(now clock.Clock) *token.Signer {
			signer, err := token.NewSigner(key, now)
			if err != nil {
				panic(err)
			}
			return signer
		}
		owner := s.database.Pool(t, "")
		if err := s.signer(clock.System).Publish(t.Context(), owner); err != nil {
			t.Fatal(err)
		}
		if _, err := owner.Exec(t.Context(), simSchema, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
		for _, c := range customers {
			a := actor{c.Account, uuid.MustParse(c.Profile), uuid.New()}
			if _, err := owner.Exec(t.Context(), `INSERT INTO app.sessions (session_id, audience, subject, created_at, last_used_at, expires_at)
				VALUES ($1, $2, $3, now(), now(), now() + interval '10 years')`, a.session, token.Customers, a.profile); err != nil {
				t.Fatal(err)
			}
			s.people = append(s.people, a)
		}
		for _, o := range []postgres.Options{
			{Role: "gx_service", MaxConns: 6, Indexed: true}, {Role: "gx_ledger", MaxConns: 6, Indexed: true},
			{Role: "gx_submitter", MaxConns: 6, Indexed: true}, {Role: "gx_projector", MaxConns: 4, NoSync: true, Indexed: true},
		} {
			pool, err := postgres.Open(t.Context(), s.database.DSN, o)
			if err != nil {
				t.Fatal(err)
			}
			cfg := pool.Config()
			pool.Close()
			configure := cfg.AfterConnect
			cfg.AfterConnect = func(ctx context.Context, c *pgx.Conn) error {
				if err := configure(ctx, c); err != nil {
					return err
				}
				_, err := c.Exec(ctx, "SET search_path = sim, pg_catalog, public", pgx.QueryExecModeSimpleProtocol)
				return err
			}
			s.pools[o.Role] = cfg
		}
	}); !ok {
		t.FailNow()
	}
	s.opened = time.Now()
	return s
}

// climate is how often things go wrong; a number is once in so many times.
type climate struct {
	calm   bool
	slow   int // writes that take up to seconds
	stall  int // writes that take up to several lease terms
	death  int // of the process over a write
	loss   int // of the connection over a write
	lies   int // of the ledger, per call
	outage bool
}

// world is one simulation.
type world struct {
	stage    *stage
	seed     uint64
	database string
	ctx      context.Context // of all processes
	begin    time.Time
	control  *pgx.Conn

	mu        sync.Mutex
	random    *rand.Rand
	climate   climate
	processes map[string]*process // by role and number
	lives     int
	ticked    time.Time
	lines     []string
	trace     uint64
	writes    int

	controlling sync.Mutex
}

func newWorld(s *stage, seed uint64, database string) *world {
	return &world{stage: s, seed: seed, database: database, processes: map[string]*process{}, begin: time.Now(), random: rand.New(rand.NewPCG(seed, 0))}
}

// source returns random numbers that depend on the seed and on what they are for.
func (w *world) source(what string, n, life int) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprint(h, what, " ", n, " ", life)
	return rand.New(rand.NewPCG(w.seed, h.Sum64()))
}

// now is the world's time: what was before the simulation is past.
func (w *world) now() time.Time {
	return w.stage.opened.Add(time.Minute).Add(time.Since(w.begin)).UTC().Truncate(time.Microsecond)
}

// tick sets the database's clock, when it is late.
func (w *world) tick() {
	w.controlling.Lock()
	defer w.controlling.Unlock()
	now := w.now()
	if now.Sub(w.ticked) < 10*time.Millisecond {
		return
	}
	w.ticked = now
	if _, err := w.control.Exec(context.Background(), "SELECT setval('sim.clock', $1)", now.UnixMicro()); err != nil {
		panic(err)
	}
}

func (w *world) weather() climate {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.climate
}

func (w *world) change(f func(*climate)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f(&w.climate)
}

func (w *world) draw(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.random.IntN(n)
}

// maxLines of a log are kept.
const maxLines = 400

func (w *world) log(format string, args ...any) {
	line := fmt.Sprintf("%12s  %s", time.Since(w.begin), fmt.Sprintf(format, args...))
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, line)
	if len(w.lines) > maxLines {
		w.lines = w.lines[1:]
	}
}

// saw notes what a process does.
func (w *world) saw(p *process, statements []string, f fate) {
	if f.kind != "" {
		w.log("%s %s: %q", p.name, f.kind, brief(statements))
	}
	h := fnv.New64a()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writes++
	fmt.Fprint(h, w.trace, time.Since(w.begin), p.name, len(statements), f.kind)
	w.trace = h.Sum64()
}

func brief(statements []string) string {
	s := strings.Join(strings.Fields(strings.Join(statements, "; ")), " ")
	return s[:min(len(s), 90)]
}

type lines struct {
	w *world
	p *process
}

func (l lines) Write(b []byte) (int, error) {
	l.w.log("%s says: %s", l.p.name, strings.TrimSpace(string(b)))
	return len(b), nil
}

func (w *world) logger(p *process) *slog.Logger {
	return slog.New(slog.NewTextHandler(lines{w, p}, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// keep keeps a process of a role alive until ctx ends, one life after the other.
func (w *world) keep(ctx context.Context, role string, n int) {
	random := w.source("keeper of "+role, n, 0)
	name := fmt.Sprint(role, n)
	var ghosts sync.WaitGroup // what is dead has goroutines that don't know it yet
	defer ghosts.Wait()
	for life := 1; ctx.Err() == nil; life++ {
		p := w.spawn(role, n, life)
		w.mu.Lock()
		w.processes[name] = p
		w.lives++
		w.mu.Unlock()
		<-p.ctx.Done()
		p.die()
		ghosts.Go(p.parts.Wait)
		w.mu.Lock()
		delete(w.processes, name)
		w.mu.Unlock()
		pause(ctx, time.Duration(random.Int64N(int64(3*time.Second))))
	}
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// living returns the processes of a role, all with "".
func (w *world) living(role string) []*process {
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []*process
	for _, p := range w.processes {
		if (role == "" || p.role == role) && !p.isDead() {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *process) int { return strings.Compare(a.name, b.name) })
	return out
}

// answer serves a request. When the process dies meanwhile, the answer is lost.
func (p *process) answer(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.RemoteAddr, r.RequestURI = "127.0.0.1:1", r.URL.RequestURI()
	done := make(chan *http.Response, 1)
	p.parts.Go(func() {
		w := httptest.NewRecorder()
		p.handler.ServeHTTP(w, r)
		done <- w.Result()
	})
	select {
	case <-p.ctx.Done():
		return nil, errNobody
	case <-r.Context().Done():
		return nil, r.Context().Err()
	case response := <-done:
		if p.isDead() {
			return nil, errNobody
		}
		return response, nil
	}
}

// as returns a client that acts for a person.
func (w *world) as(a actor) *client.Client {
	access, err := w.stage.signer(w.now).Sign(a.profile, a.session, token.Customers)
	if err != nil {
		panic(err)
	}
	c := client.New(client.Options{URL: "http://gx", HTTP: &http.Client{Transport: w, Timeout: 30 * time.Second}, Attempts: 1, Clock: w.now})
	return c.As(client.Tokens{AccessToken: access, ExpiresIn: 1 << 30})
}
