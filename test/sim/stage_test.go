package sim_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"gxcoin.money/gx/internal/demo"
	"gxcoin.money/gx/internal/platform/clock"
	"gxcoin.money/gx/internal/platform/pgtest"
	"gxcoin.money/gx/internal/platform/postgres"
	"gxcoin.money/gx/internal/platform/token"
	"gxcoin.money/gx/internal/ringtest"
)

// leaseTTL and what else takes its time is a fraction of what it is in real
// processes: more happens in a short story.
const leaseTTL = 2 * time.Second

// stage is what all simulations begin with: an open ledger and a few people, in one
// database that they use one after the other.
type stage struct {
	server   *pgconn.Config
	owner    *pgxpool.Pool
	pools    map[string]*pgxpool.Config // by role
	people   []actor
	signer   func(clock.Clock) *token.Signer
	opened   time.Time // no block is younger
	control  *backend  // the simulation's own
	backends backends
	resets   int
}

// actor is a person with a session.
type actor struct {
	account          string
	profile, session uuid.UUID
}

// What a simulation adds to the database. Whoever has this schema first in their
// search path and asks for now() gets simulated time, and waits for locks in it.
// Whoever writes as a leader while another holds the lease, at the end of their
// transaction, is noted. And a service whose lock is taken accepts its commands
// late, after others that come later.
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
	CREATE FUNCTION sim.linger() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM pg_advisory_xact_lock_shared(hashtext(split_part(current_setting('application_name'), '.', 1)));
		RETURN NULL;
	END $$;
	CREATE CONSTRAINT TRIGGER linger AFTER INSERT ON app.commands DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION sim.linger();
	CREATE SEQUENCE sim.clock;
	CREATE FUNCTION sim.now() RETURNS timestamptz LANGUAGE sql STABLE AS $$ SELECT to_timestamp(last_value / 1e6) FROM sim.clock $$;
	CREATE FUNCTION sim.set_config(name text, value text, local boolean) RETURNS text LANGUAGE sql AS $$
		SELECT CASE name WHEN 'lock_timeout' THEN value ELSE pg_catalog.set_config(name, value, local) END $$;
	GRANT USAGE ON SCHEMA sim TO PUBLIC;
	GRANT SELECT ON SEQUENCE sim.clock TO PUBLIC`

// resetSchema keeps what every table holds and makes a function that puts it back.
// Only rows that were written since the last time are written again.
const resetSchema = `
	CREATE SEQUENCE sim.mark;
	DO $do$
	DECLARE
		t record;
		columns text;
		body text := '';
	BEGIN
		FOR t IN SELECT oid, oid::regclass::text AS name, row_number() OVER () AS n FROM pg_class
			WHERE relkind = 'r' AND relnamespace IN ('app'::regnamespace, 'read'::regnamespace, 'ledger'::regnamespace)
		LOOP
			SELECT string_agg(quote_ident(attname), ', ') INTO columns FROM pg_attribute
				WHERE attrelid = t.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '';
			EXECUTE format('CREATE TABLE sim.kept%s AS SELECT %s FROM %s', t.n, columns, t.name);
			body := body || format($f$
				DELETE FROM %1$s WHERE xmin::text::bigint > mark;
				IF (SELECT count(*) FROM %1$s) < (SELECT count(*) FROM sim.kept%2$s) THEN
					INSERT INTO %1$s (%3$s) OVERRIDING SYSTEM VALUE SELECT %3$s FROM sim.kept%2$s EXCEPT ALL SELECT %3$s FROM %1$s;
				END IF;$f$, t.name, t.n, columns);
		END LOOP;
		FOR t IN SELECT format('%I.%I', schemaname, sequencename) AS name, coalesce(last_value, start_value) AS value, last_value IS NOT NULL AS called
			FROM pg_sequences WHERE schemaname IN ('app', 'read', 'ledger')
		LOOP
			body := body || format('PERFORM setval(%L, %s, %L);', t.name, t.value, t.called);
		END LOOP;
		EXECUTE format($f$
			CREATE FUNCTION sim.reset() RETURNS void LANGUAGE plpgsql SET session_replication_role = replica AS $body$
			DECLARE mark bigint := (SELECT last_value FROM sim.mark);
			BEGIN
				DELETE FROM sim.usurpers;
				%s
				PERFORM setval('sim.mark', pg_current_xact_id()::text::bigint);
			END $body$$f$, body);
		PERFORM setval('sim.mark', pg_current_xact_id()::text::bigint);
	END $do$`

func newStage(t *testing.T, people int) *stage {
	t.Helper()
	database := pgtest.New(t)
	s := &stage{pools: map[string]*pgxpool.Config{}}
	if ok := t.Run("stage", func(t *testing.T) {
		ring := ringtest.StartOn(t, database)
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
		owner := database.Pool(t, "")
		if err := s.signer(clock.System).Publish(t.Context(), owner); err != nil {
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
			pool, err := postgres.Open(t.Context(), database.DSN, o)
			if err != nil {
				t.Fatal(err)
			}
			cfg := pool.Config()
			pool.Close()
			cfg.ConnConfig.TLSConfig, cfg.ConnConfig.Fallbacks = nil, nil
			s.pools[o.Role] = cfg
		}
	}); !ok {
		t.FailNow()
	}
	s.owner = database.Pool(t, "")
	s.server = &s.owner.Config().ConnConfig.Config
	for _, sql := range []string{simSchema, resetSchema} {
		if _, err := s.owner.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if s.control, err = connect(s.server); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	s.opened = time.Now()
	return s
}

// close ends all sessions.
func (s *stage) close() {
	for _, b := range append(s.backends.idle, s.control) {
		_ = b.Close()
	}
}

// vacuumEvery so many simulations the database is tidied up.
const vacuumEvery = 50

// reset makes the database again what it was at first. No process lives.
func (s *stage) reset(t *testing.T) {
	t.Helper()
	held := s.backends.held
	s.backends.held = nil
	for _, b := range held {
		s.collect(b)
	}
	if _, err := s.control.ask("SELECT sim.reset()"); err != nil {
		t.Fatal(err)
	}
	if s.resets++; s.resets%vacuumEvery == 0 {
		if _, err := s.control.ask("VACUUM"); err != nil {
			t.Fatal(err)
		}
	}
}
