-- +goose Up

-- Least privilege: each process connects with its own rights and takes one of
-- these roles. Nothing but the projector can write a read model.
-- +goose StatementBegin
DO $$
DECLARE r text;
BEGIN
  FOREACH r IN ARRAY ARRAY['gx_service', 'gx_submitter', 'gx_projector', 'gx_ledger', 'gx_verifier'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', r);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
    END;
  END LOOP;
END $$;
-- +goose StatementEnd

CREATE SCHEMA app;
CREATE SCHEMA read;
CREATE SCHEMA ledger;
GRANT USAGE ON SCHEMA app TO gx_service, gx_submitter, gx_projector, gx_verifier;
GRANT USAGE ON SCHEMA read TO gx_service, gx_submitter, gx_projector, gx_verifier;
GRANT USAGE ON SCHEMA ledger TO gx_ledger, gx_verifier;
GRANT SELECT ON public.goose_db_version TO gx_service, gx_submitter, gx_projector, gx_ledger, gx_verifier;

-- Fenced leadership: a term is (name, fence); every write of a leader proves it.
-- The fence is part of a key so that a leader's proof (FOR KEY SHARE) holds up a
-- new term, which changes it, but never a renewal, which does not.
CREATE TABLE app.leases (
  name       text PRIMARY KEY,
  holder     text NOT NULL,
  fence      bigint NOT NULL,
  expires_at timestamptz NOT NULL,
  UNIQUE (name, fence)
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE ON app.leases TO gx_submitter, gx_projector;
GRANT SELECT ON app.leases TO gx_service, gx_verifier;

-- The outbox. A command and its Idempotency-Key are one row.
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
  holds          bigint NOT NULL DEFAULT 0 CHECK (holds >= 0), -- what it will take from the actor's account
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
-- Rows come and go at the head of these two: they hold nothing that is finished.
CREATE INDEX commands_pending ON app.commands (position) WHERE state = 'PENDING';
CREATE INDEX commands_claimed ON app.commands (position) WHERE state IN ('LOCKED', 'RETRY');
CREATE INDEX commands_actor_open ON app.commands (actor) WHERE state IN ('PENDING', 'RETRY', 'LOCKED');
CREATE INDEX commands_principal ON app.commands (principal, created_at DESC);
CREATE INDEX commands_finished ON app.commands (completed_at) WHERE completed_at IS NOT NULL;

-- A batch is one ledger transaction of commands. It is stored when its attempt
-- begins, so that a submitter that dies over it is noticed, and with its
-- endorsed bytes before it is submitted, so that an unknown outcome is settled
-- with the same bytes.
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
CREATE INDEX batches_open ON app.batches (created_at) WHERE state <> 'SETTLED';
CREATE INDEX batches_settled ON app.batches (settled_at) WHERE state = 'SETTLED';

-- Commands that ended without reaching the ledger, kept for an operator: one row
-- each time that one dies, with what was decided about it, by whom and why.
CREATE TABLE app.dead_commands (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  command_id  uuid NOT NULL REFERENCES app.commands (id),
  error_class text NOT NULL,
  error_code  text NOT NULL,
  error       text NOT NULL,
  attempts    int NOT NULL,
  conflicts   int NOT NULL,
  moved_at    timestamptz NOT NULL,
  resolution  text NOT NULL DEFAULT '' CHECK (resolution IN ('', 'REQUEUED', 'DISCARDED')),
  resolved_by text NOT NULL DEFAULT '',
  reason      text NOT NULL DEFAULT '',
  resolved_at timestamptz,
  CHECK ((resolution = '') = (resolved_at IS NULL))
);
CREATE INDEX dead_commands_command ON app.dead_commands (command_id, id);
CREATE UNIQUE INDEX dead_commands_open ON app.dead_commands (command_id) WHERE resolution = '';

GRANT SELECT, INSERT ON app.commands TO gx_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON app.commands, app.batches, app.dead_commands TO gx_submitter;
GRANT SELECT ON app.batches, app.dead_commands TO gx_service, gx_verifier;
GRANT SELECT ON app.commands TO gx_projector, gx_verifier;

-- People and staff.
CREATE TABLE app.people (
  profile_id     uuid PRIMARY KEY,
  email          text NOT NULL,
  phone          text,
  password_hash  text NOT NULL,
  first_name     text NOT NULL,
  last_name      text NOT NULL,
  date_of_birth  date,
  gender         text CHECK (gender IN ('MALE', 'FEMALE')),
  nationality    char(2),
  status         text NOT NULL CHECK (status IN ('REGISTERED', 'PENDING_ADMIN_APPROVAL', 'APPROVED_PENDING_ONCHAIN',
                                                 'DENIED', 'FROZEN', 'SUSPENDED', 'CLOSED')),
  gx_id          text UNIQUE,
  biometric_hash text UNIQUE,
  denial_reason  text NOT NULL DEFAULT '',
  reviewed_by    uuid,
  reviewed_at    timestamptz,
  failed_logins  int NOT NULL DEFAULT 0,
  locked_until   timestamptz,
  version        bigint NOT NULL DEFAULT 1,
  created_at     timestamptz NOT NULL,
  updated_at     timestamptz NOT NULL
);
CREATE UNIQUE INDEX people_email ON app.people (lower(email));
CREATE UNIQUE INDEX people_phone ON app.people (phone) WHERE phone IS NOT NULL;
CREATE INDEX people_status ON app.people (status, reviewed_at);

CREATE TABLE app.kyc_records (
  kyc_id         uuid PRIMARY KEY,
  profile_id     uuid NOT NULL REFERENCES app.people (profile_id),
  status         text NOT NULL CHECK (status IN ('PENDING', 'APPROVED', 'REJECTED')),
  evidence_hash  text NOT NULL,
  evidence_size  bigint NOT NULL,
  evidence_mime  text NOT NULL,
  document_type  text NOT NULL,
  verified_at    timestamptz,
  verified_by    uuid,
  notes          text NOT NULL DEFAULT '',
  created_at     timestamptz NOT NULL,
  updated_at     timestamptz NOT NULL
);
CREATE UNIQUE INDEX kyc_one_pending ON app.kyc_records (profile_id) WHERE status = 'PENDING';
CREATE INDEX kyc_profile ON app.kyc_records (profile_id, created_at DESC);

CREATE TABLE app.staff (
  staff_id       uuid PRIMARY KEY,
  username       text NOT NULL,
  display_name   text NOT NULL,
  password_hash  text NOT NULL,
  role           text NOT NULL CHECK (role IN ('SUPER_OWNER', 'SUPER_ADMIN', 'ADMIN', 'MODERATOR', 'DEVELOPER', 'AUDITOR')),
  active         boolean NOT NULL DEFAULT true,
  failed_logins  int NOT NULL DEFAULT 0,
  locked_until   timestamptz,
  created_at     timestamptz NOT NULL,
  updated_at     timestamptz NOT NULL
);
CREATE UNIQUE INDEX staff_username ON app.staff (lower(username));

-- A session is a family of refresh tokens: one current, the rest consumed.
CREATE TABLE app.sessions (
  session_id  uuid PRIMARY KEY,
  audience    text NOT NULL CHECK (audience IN ('gx-api', 'gx-admin')),
  subject     uuid NOT NULL,
  user_agent  text NOT NULL DEFAULT '',
  created_at  timestamptz NOT NULL,
  last_used_at timestamptz NOT NULL,
  expires_at  timestamptz NOT NULL,
  revoked_at  timestamptz,
  revoked_reason text NOT NULL DEFAULT ''
);
CREATE INDEX sessions_subject ON app.sessions (subject) WHERE revoked_at IS NULL;
CREATE TABLE app.refresh_tokens (
  token_hash  bytea PRIMARY KEY,
  session_id  uuid NOT NULL REFERENCES app.sessions (session_id) ON DELETE CASCADE,
  expires_at  timestamptz NOT NULL,
  consumed_at timestamptz
);
CREATE INDEX refresh_tokens_session ON app.refresh_tokens (session_id);

-- Public halves of the token signing keys, so that every service can verify.
CREATE TABLE app.token_keys (
  kid        text PRIMARY KEY,
  public_key bytea NOT NULL,
  created_at timestamptz NOT NULL,
  retired_at timestamptz
);

-- Names and regions are ours; slots are the ledger's, see read.countries.
CREATE TABLE app.countries (
  country_code char(2) PRIMARY KEY,
  name         text NOT NULL,
  region       text NOT NULL
);

GRANT SELECT, INSERT, UPDATE ON app.people, app.kyc_records, app.staff, app.sessions, app.refresh_tokens, app.token_keys, app.countries TO gx_service;
GRANT SELECT ON app.people TO gx_verifier;

-- Read models. One currency, one channel: one checkpoint.
CREATE TABLE read.checkpoint (
  singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  block      bigint NOT NULL,
  tx_index   int NOT NULL,
  block_hash bytea NOT NULL DEFAULT '',
  state      text NOT NULL DEFAULT 'STARTING',
  reason     text NOT NULL DEFAULT '',
  ledger_height bigint NOT NULL DEFAULT 0,
  lag_seconds   double precision NOT NULL DEFAULT 0,
  heartbeat_at  timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
INSERT INTO read.checkpoint (block, tx_index) VALUES (-1, -1);

CREATE TABLE read.event_log (
  tx_id      text NOT NULL,
  seq        int NOT NULL,
  block      bigint NOT NULL,
  tx_index   int NOT NULL,
  type       text NOT NULL,
  version    text NOT NULL,
  command_id text NOT NULL,
  data       bytea NOT NULL,
  at         timestamptz NOT NULL,
  PRIMARY KEY (tx_id, seq)
);
CREATE INDEX event_log_order ON read.event_log (block, tx_index, seq);

-- What could not be applied: an event of an envelope, or with seq -1 the whole transaction.
CREATE TABLE read.event_dlq (
  tx_id      text NOT NULL,
  seq        int NOT NULL,
  block      bigint NOT NULL,
  tx_index   int NOT NULL,
  event_name text NOT NULL,
  type       text NOT NULL DEFAULT '',
  reason     text NOT NULL,
  payload    bytea NOT NULL,
  recorded_at timestamptz NOT NULL,
  resolution text NOT NULL DEFAULT '',
  resolved_by text NOT NULL DEFAULT '',
  PRIMARY KEY (tx_id, seq)
);

CREATE TABLE read.command_results (
  command_id text PRIMARY KEY,
  type       text NOT NULL,
  actor      text NOT NULL DEFAULT '',
  outcome    text NOT NULL,
  code       text NOT NULL DEFAULT '',
  message    text NOT NULL DEFAULT '',
  result     bytea NOT NULL DEFAULT '',
  tx_id      text NOT NULL,
  block      bigint NOT NULL,
  at         timestamptz NOT NULL,
  projected_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE read.system_status (
  singleton  boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  bootstrapped boolean NOT NULL DEFAULT false,
  paused     boolean NOT NULL DEFAULT false,
  reason     text NOT NULL DEFAULT '',
  max_supply bigint NOT NULL DEFAULT 0,
  changed_at timestamptz
);
INSERT INTO read.system_status DEFAULT VALUES;

CREATE TABLE read.parameters (
  param_id   text PRIMARY KEY,
  value      text NOT NULL,
  updated_at timestamptz NOT NULL
);

-- Every account of every kind. (block, tx_index) is the version of the row.
CREATE TABLE read.accounts (
  account_id  text PRIMARY KEY,
  kind        text NOT NULL,
  country     text NOT NULL DEFAULT '',
  status      text NOT NULL,
  frozen_reason text NOT NULL DEFAULT '',
  frozen_at   timestamptz,
  balance     bigint NOT NULL CHECK (balance >= 0),
  velocity_timer_start timestamptz,
  created_at  timestamptz NOT NULL,
  updated_at  timestamptz NOT NULL,
  block       bigint NOT NULL,
  tx_index    int NOT NULL
) WITH (fillfactor = 70);

CREATE TABLE read.users (
  user_id        text PRIMARY KEY,
  nationality    text NOT NULL,
  status         text NOT NULL,
  trust_score    int NOT NULL,
  genesis_status text NOT NULL,
  genesis_phase  int NOT NULL DEFAULT 0,
  genesis_amount bigint NOT NULL DEFAULT 0,
  genesis_at     timestamptz,
  created_at     timestamptz NOT NULL
);

CREATE TABLE read.pools (
  account_id  text PRIMARY KEY,
  name        text NOT NULL,
  opening     bigint NOT NULL,
  distributed bigint NOT NULL DEFAULT 0,
  received    bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE read.treasuries (
  country_code text PRIMARY KEY,
  account_id   text NOT NULL UNIQUE,
  status       text NOT NULL,
  org_id       text,
  activated_at timestamptz
);

CREATE TABLE read.countries (
  country_code  text PRIMARY KEY,
  weight_e8     bigint NOT NULL,
  slots         bigint[] NOT NULL CHECK (cardinality(slots) = 6),
  used          bigint[] NOT NULL CHECK (cardinality(used) = 6),
  ineligible_users bigint NOT NULL DEFAULT 0,
  exhausted_users  bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 70);

-- The statement of an account, one row for each side of a movement.
CREATE TABLE read.transactions (
  account_id   text NOT NULL,
  block        bigint NOT NULL,
  tx_index     int NOT NULL,
  seq          int NOT NULL,
  entry        int NOT NULL,
  transaction_id uuid NOT NULL,
  tx_id        text NOT NULL,
  type         text NOT NULL,
  counterparty text NOT NULL,
  amount       bigint NOT NULL CHECK (amount >= 0),
  fee          bigint NOT NULL DEFAULT 0 CHECK (fee >= 0),
  remark       text NOT NULL DEFAULT '',
  balance_after bigint,
  command_id   text NOT NULL DEFAULT '',
  at           timestamptz NOT NULL,
  PRIMARY KEY (account_id, block, tx_index, seq, entry)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA read TO gx_projector;
GRANT SELECT ON ALL TABLES IN SCHEMA read TO gx_service, gx_submitter, gx_verifier;

-- The embedded ledger.
CREATE TABLE ledger.blocks (
  number    bigint PRIMARY KEY,
  prev_hash bytea NOT NULL,
  data_hash bytea NOT NULL,
  hash      bytea NOT NULL,
  at        timestamptz NOT NULL
);
CREATE TABLE ledger.transactions (
  tx_id     text PRIMARY KEY,
  block     bigint NOT NULL REFERENCES ledger.blocks (number) DEFERRABLE INITIALLY DEFERRED,
  tx_index  int NOT NULL,
  code      text NOT NULL,
  function  text NOT NULL,
  creator   text NOT NULL,
  at        timestamptz NOT NULL,
  event_name text NOT NULL DEFAULT '',
  event     bytea NOT NULL DEFAULT '',
  bytes     bytea NOT NULL,
  UNIQUE (block, tx_index)
);
-- Composite keys contain NUL, so they are bytea; their byte order is key order.
CREATE TABLE ledger.state (
  key      bytea PRIMARY KEY,
  value    bytea NOT NULL,
  block    bigint NOT NULL,
  tx_index int NOT NULL
) WITH (fillfactor = 80);
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ledger TO gx_ledger;
GRANT SELECT ON ALL TABLES IN SCHEMA ledger TO gx_verifier;

-- +goose Down
DROP SCHEMA ledger CASCADE;
DROP SCHEMA read CASCADE;
DROP SCHEMA app CASCADE;
