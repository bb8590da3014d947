-- +goose Up

-- A command that is open, or dead and waits for an operator, is in a small table
-- that is always warm. With its end it moves, by its state, to the partition of
-- the day of its id, which leaves as a whole. What no day's partition takes is in
-- the one of the others, so that a missing partition stops nobody.
ALTER TABLE app.commands RENAME TO commands_before;
ALTER TABLE app.dead_commands DROP CONSTRAINT dead_commands_command_id_fkey;
DROP INDEX app.commands_pending, app.commands_claimed, app.commands_actor_open, app.commands_principal, app.commands_finished;
CREATE TABLE app.commands (
  id             uuid NOT NULL,
  position       bigint GENERATED ALWAYS AS IDENTITY,
  type           text NOT NULL,
  payload        bytea NOT NULL,
  actor          text NOT NULL DEFAULT '',
  principal      text NOT NULL,
  route          text NOT NULL,
  idempotency_key text NOT NULL,
  holds          bigint NOT NULL DEFAULT 0 CHECK (holds >= 0), -- what it will take from the actor's account
  correlation_id text NOT NULL DEFAULT '',
  traceparent    text NOT NULL DEFAULT '',
  state          text NOT NULL DEFAULT 'PENDING',
  attempts       int NOT NULL DEFAULT 0,
  conflicts      int NOT NULL DEFAULT 0,
  next_at        timestamptz NOT NULL,
  tx_id          text NOT NULL DEFAULT '',
  error_class    text NOT NULL DEFAULT '',
  error_code     text NOT NULL DEFAULT '',
  error          text NOT NULL DEFAULT '',
  created_at     timestamptz NOT NULL,
  completed_at   timestamptz
) PARTITION BY LIST (state);
CREATE TABLE app.commands_open PARTITION OF app.commands (PRIMARY KEY (id)) FOR VALUES IN ('PENDING', 'LOCKED', 'RETRY', 'DEAD')
  WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
CREATE TABLE app.commands_finished PARTITION OF app.commands (PRIMARY KEY (id)) FOR VALUES IN ('COMMITTED', 'REJECTED', 'CANCELLED')
  PARTITION BY RANGE (id);
CREATE TABLE app.commands_other PARTITION OF app.commands_finished DEFAULT;
-- Rows come and go at the head of these two: they hold nothing that is dead.
CREATE INDEX commands_pending ON app.commands_open (position) WHERE state = 'PENDING';
CREATE INDEX commands_claimed ON app.commands_open (position) WHERE state IN ('LOCKED', 'RETRY');
CREATE INDEX commands_actor_open ON app.commands_open (actor) WHERE state IN ('PENDING', 'RETRY', 'LOCKED');
CREATE INDEX commands_principal ON app.commands (principal, created_at DESC);
CREATE INDEX commands_completed ON app.commands_finished USING brin (completed_at);

ALTER TABLE app.batches RENAME TO batches_before;
DROP INDEX app.batches_open, app.batches_settled;
CREATE TABLE app.batches (
  id           uuid NOT NULL,
  fence        bigint NOT NULL,
  worker       uuid NOT NULL,
  identity     text NOT NULL,
  command_ids  uuid[] NOT NULL,
  state        text NOT NULL DEFAULT 'PREPARED',
  tx_id        text,
  tx_bytes     bytea NOT NULL DEFAULT '',
  tx_result    bytea NOT NULL DEFAULT '',
  code         text NOT NULL DEFAULT '',
  block        bigint,
  created_at   timestamptz NOT NULL,
  settled_at   timestamptz,
  CHECK (state <> 'ENDORSED' OR tx_id IS NOT NULL AND tx_bytes <> '')
) PARTITION BY LIST (state);
ALTER TABLE app.batches ALTER COLUMN tx_bytes SET STORAGE EXTERNAL, ALTER COLUMN tx_result SET STORAGE EXTERNAL;
CREATE TABLE app.batches_open PARTITION OF app.batches (PRIMARY KEY (id), UNIQUE (tx_id)) FOR VALUES IN ('PREPARED', 'ENDORSED');
CREATE TABLE app.batches_settled PARTITION OF app.batches (PRIMARY KEY (id)) FOR VALUES IN ('SETTLED') PARTITION BY RANGE (id);
CREATE TABLE app.batches_other PARTITION OF app.batches_settled DEFAULT;
CREATE INDEX batches_created ON app.batches_open (created_at);
CREATE INDEX batches_settled_at ON app.batches_settled USING brin (settled_at);

-- Idempotency-Keys, of which none may be taken twice: neither by two at once, nor
-- by one after the other. New ones go into keys; now and then keys_before is
-- emptied and both change their names, so that a key is known for at least the
-- time between two turns.
CREATE TABLE app.keys (
  principal       text NOT NULL,
  route           text NOT NULL,
  idempotency_key text NOT NULL,
  command_id      uuid NOT NULL,
  request         bytea NOT NULL,
  response        bytea NOT NULL,
  PRIMARY KEY (principal, route, idempotency_key)
);
CREATE TABLE app.keys_before (LIKE app.keys INCLUDING ALL);
CREATE VIEW app.known_keys AS SELECT * FROM app.keys UNION ALL SELECT * FROM app.keys_before;
CREATE TABLE app.keys_turn (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  at        timestamptz -- by the clock of the leader
);
INSERT INTO app.keys_turn DEFAULT VALUES;

-- First id of a day.
CREATE FUNCTION app.first_id(day date) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT AS
  $$ SELECT (lpad(to_hex(extract(epoch FROM day)::bigint * 1000), 12, '0') || repeat('0', 20))::uuid $$;

-- Makes one partition that is missing for a day of a span and returns its name,
-- NULL when there is none to make. It waits for nobody for long.
-- +goose StatementBegin
CREATE FUNCTION app.add_partition(first date, last date) RETURNS text LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $$
DECLARE
  day date;
  parent text;
  name text;
BEGIN
  IF last - first > 31 THEN
    RAISE EXCEPTION 'partitions for % days are too many', last - first + 1;
  END IF;
  FOR i IN 0 .. last - first LOOP
    day := first + i;
    FOREACH parent IN ARRAY ARRAY['commands_finished', 'batches_settled'] LOOP
      name := split_part(parent, '_', 1) || to_char(day, '_YYYYMMDD');
      CONTINUE WHEN to_regclass('app.' || name) IS NOT NULL;
      BEGIN
        EXECUTE format('CREATE TABLE app.%I PARTITION OF app.%I FOR VALUES FROM (%L) TO (%L)', name, parent, app.first_id(day), app.first_id(day + 1));
        RETURN name;
      EXCEPTION WHEN check_violation THEN -- some of that day went to the others: so do the rest
      END;
    END LOOP;
  END LOOP;
  RETURN NULL;
END $$;

-- Drops one partition whose rows all ended before a time and returns its name,
-- NULL when there is none to drop. It waits for nobody for long.
CREATE FUNCTION app.drop_partition(before timestamptz) RETURNS text LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $$
DECLARE
  p record;
  needed boolean;
BEGIN
  FOR p IN
    SELECT i.inhrelid::regclass::text AS name, CASE i.inhparent WHEN 'app.commands_finished'::regclass THEN 'completed_at' ELSE 'settled_at' END AS ended
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent IN ('app.commands_finished'::regclass, 'app.batches_settled'::regclass)
      AND c.relname ~ '_[0-9]{8}$' AND to_date(right(c.relname, 8), 'YYYYMMDD') + 1 <= before AT TIME ZONE 'UTC'
    ORDER BY right(c.relname, 8), c.relname
  LOOP
    EXECUTE format('LOCK TABLE %s IN SHARE MODE', p.name); -- nothing may end in there meanwhile
    EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE %I >= $1 OR %2$I IS NULL)', p.name, p.ended) INTO needed USING before;
    CONTINUE WHEN needed;
    EXECUTE format('DROP TABLE %s', p.name);
    RETURN p.name;
  END LOOP;
  RETURN NULL;
END $$;

-- Forgets the older half of the keys when the last turn was longer ago than they
-- are kept, and tells whether it did. Keys of commands without an end stay. It
-- waits for nobody for long.
CREATE FUNCTION app.turn_keys(now timestamptz, keep interval) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER
  SET search_path = pg_catalog, pg_temp SET lock_timeout = '100ms' AS $$
BEGIN
  UPDATE app.keys_turn t SET at = turn_keys.now WHERE t.at IS NULL;
  IF NOT EXISTS (SELECT FROM app.keys_turn t WHERE t.at <= turn_keys.now - keep) THEN
    RETURN false;
  END IF;
  INSERT INTO app.keys
    SELECT k.* FROM app.commands_open c JOIN app.keys_before k USING (principal, route, idempotency_key)
    ON CONFLICT DO NOTHING;
  LOCK TABLE app.keys, app.keys_before IN ACCESS EXCLUSIVE MODE;
  TRUNCATE app.keys_before;
  ALTER TABLE app.keys_before RENAME TO keys_empty;
  ALTER TABLE app.keys RENAME TO keys_before;
  ALTER TABLE app.keys_empty RENAME TO keys;
  UPDATE app.keys_turn SET at = turn_keys.now;
  RETURN true;
END $$;
REVOKE EXECUTE ON FUNCTION app.add_partition, app.drop_partition, app.turn_keys FROM PUBLIC;

-- What there is moves to where it belongs.
DO $$
DECLARE d date;
BEGIN
  FOR d IN
    SELECT DISTINCT (to_timestamp(('x' || left(replace(id::text, '-', ''), 12))::bit(48)::bigint / 1000) AT TIME ZONE 'UTC')::date
    FROM (SELECT id FROM app.commands_before WHERE state IN ('COMMITTED', 'REJECTED', 'CANCELLED') UNION ALL
          SELECT id FROM app.batches_before WHERE state = 'SETTLED') AS finished
    WHERE substr(id::text, 15, 1) = '7'
  LOOP
    WHILE app.add_partition(d, d) IS NOT NULL LOOP END LOOP;
  END LOOP;
END $$;
-- +goose StatementEnd
INSERT INTO app.commands (id, position, type, payload, actor, principal, route, idempotency_key, holds, correlation_id, traceparent,
                          state, attempts, conflicts, next_at, tx_id, error_class, error_code, error, created_at, completed_at)
  OVERRIDING SYSTEM VALUE
  SELECT id, position, type, payload, actor, principal, route, idempotency_key, holds, correlation_id, traceparent,
         state, attempts, conflicts, next_at, tx_id, error_class, error_code, error, created_at, completed_at
  FROM app.commands_before ORDER BY position;
SELECT setval(pg_get_serial_sequence('app.commands', 'position'), (SELECT nextval(pg_get_serial_sequence('app.commands_before', 'position'))), false);
INSERT INTO app.keys SELECT principal, route, idempotency_key, id, request, response FROM app.commands_before;
INSERT INTO app.batches SELECT * FROM app.batches_before;
DROP TABLE app.commands_before, app.batches_before;
CREATE TRIGGER audit AFTER INSERT ON app.commands_open FOR EACH ROW EXECUTE FUNCTION app.audit_command();

GRANT SELECT, INSERT ON app.commands, app.keys, app.keys_before TO gx_service, gx_submitter;
GRANT UPDATE ON app.commands TO gx_submitter;
GRANT SELECT, UPDATE ON app.commands_open TO gx_submitter;
GRANT SELECT, INSERT, UPDATE, DELETE ON app.batches TO gx_submitter;
GRANT SELECT, DELETE ON app.commands_other, app.batches_other TO gx_submitter;
GRANT SELECT ON app.known_keys TO gx_service, gx_submitter;
GRANT SELECT ON app.batches TO gx_service, gx_verifier;
GRANT SELECT ON app.commands TO gx_projector, gx_verifier;
GRANT EXECUTE ON FUNCTION app.add_partition, app.drop_partition, app.turn_keys TO gx_submitter;

-- +goose Down
DROP FUNCTION app.add_partition, app.drop_partition, app.turn_keys;
ALTER TABLE app.commands RENAME TO commands_after;
DROP INDEX app.commands_pending, app.commands_claimed, app.commands_actor_open, app.commands_principal;
CREATE TABLE app.commands (
  id             uuid PRIMARY KEY,
  position       bigint GENERATED ALWAYS AS IDENTITY,
  type           text NOT NULL,
  payload        bytea NOT NULL,
  actor          text NOT NULL DEFAULT '',
  principal      text NOT NULL,
  route          text NOT NULL,
  idempotency_key text NOT NULL,
  request        bytea NOT NULL DEFAULT '',
  response       bytea NOT NULL DEFAULT '',
  holds          bigint NOT NULL DEFAULT 0 CHECK (holds >= 0),
  correlation_id text NOT NULL DEFAULT '',
  traceparent    text NOT NULL DEFAULT '',
  state          text NOT NULL DEFAULT 'PENDING'
                 CHECK (state IN ('PENDING', 'LOCKED', 'RETRY', 'COMMITTED', 'REJECTED', 'DEAD', 'CANCELLED')),
  attempts       int NOT NULL DEFAULT 0,
  conflicts      int NOT NULL DEFAULT 0,
  next_at        timestamptz NOT NULL,
  tx_id          text NOT NULL DEFAULT '',
  error_class    text NOT NULL DEFAULT '',
  error_code     text NOT NULL DEFAULT '',
  error          text NOT NULL DEFAULT '',
  created_at     timestamptz NOT NULL,
  completed_at   timestamptz,
  UNIQUE (principal, route, idempotency_key)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.05);
INSERT INTO app.commands
  OVERRIDING SYSTEM VALUE
  SELECT DISTINCT ON (c.principal, c.route, c.idempotency_key)
         c.id, c.position, c.type, c.payload, c.actor, c.principal, c.route, c.idempotency_key, coalesce(k.request, ''), coalesce(k.response, ''),
         c.holds, c.correlation_id, c.traceparent, c.state, c.attempts, c.conflicts, c.next_at, c.tx_id, c.error_class, c.error_code, c.error,
         c.created_at, c.completed_at
  FROM app.commands_after c LEFT JOIN app.known_keys k USING (principal, route, idempotency_key)
  ORDER BY c.principal, c.route, c.idempotency_key, c.position DESC;
SELECT setval(pg_get_serial_sequence('app.commands', 'position'), (SELECT nextval(pg_get_serial_sequence('app.commands_after', 'position'))), false);
DROP TABLE app.commands_after;
CREATE INDEX commands_pending ON app.commands (position) WHERE state = 'PENDING';
CREATE INDEX commands_claimed ON app.commands (position) WHERE state IN ('LOCKED', 'RETRY');
CREATE INDEX commands_actor_open ON app.commands (actor) WHERE state IN ('PENDING', 'RETRY', 'LOCKED');
CREATE INDEX commands_principal ON app.commands (principal, created_at DESC);
CREATE INDEX commands_finished ON app.commands (completed_at) WHERE completed_at IS NOT NULL;
CREATE TRIGGER audit AFTER INSERT ON app.commands FOR EACH ROW EXECUTE FUNCTION app.audit_command();
DELETE FROM app.dead_commands WHERE command_id NOT IN (SELECT id FROM app.commands);
ALTER TABLE app.dead_commands ADD CONSTRAINT dead_commands_command_id_fkey FOREIGN KEY (command_id) REFERENCES app.commands (id);

ALTER TABLE app.batches RENAME TO batches_after;
CREATE TABLE app.batches (
  id           uuid PRIMARY KEY,
  fence        bigint NOT NULL,
  worker       uuid NOT NULL,
  identity     text NOT NULL,
  command_ids  uuid[] NOT NULL,
  state        text NOT NULL DEFAULT 'PREPARED' CHECK (state IN ('PREPARED', 'ENDORSED', 'SETTLED')),
  tx_id        text UNIQUE,
  tx_bytes     bytea NOT NULL DEFAULT '',
  tx_result    bytea NOT NULL DEFAULT '',
  code         text NOT NULL DEFAULT '',
  block        bigint,
  created_at   timestamptz NOT NULL,
  settled_at   timestamptz,
  CHECK (state <> 'ENDORSED' OR tx_id IS NOT NULL AND tx_bytes <> '')
);
INSERT INTO app.batches SELECT * FROM app.batches_after;
DROP TABLE app.batches_after;
CREATE INDEX batches_open ON app.batches (created_at) WHERE state <> 'SETTLED';
CREATE INDEX batches_settled ON app.batches (settled_at) WHERE state = 'SETTLED';

DROP VIEW app.known_keys;
DROP TABLE app.keys, app.keys_before, app.keys_turn;
DROP FUNCTION app.first_id;
GRANT SELECT, INSERT ON app.commands TO gx_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON app.commands, app.batches TO gx_submitter;
GRANT SELECT ON app.batches TO gx_service, gx_verifier;
GRANT SELECT ON app.commands TO gx_projector, gx_verifier;
