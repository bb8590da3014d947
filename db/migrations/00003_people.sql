-- +goose Up

-- +goose StatementBegin
DO $$
BEGIN
  CREATE ROLE gx_sealer NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $$;
-- +goose StatementEnd
GRANT USAGE ON SCHEMA app TO gx_sealer;
GRANT SELECT ON public.goose_db_version TO gx_sealer;
GRANT SELECT, INSERT, UPDATE ON app.leases TO gx_sealer;

-- The audit trail. A record is written to audit_pending in the transaction of
-- the act; the sealer moves it to audit, in one chain of hashes.
CREATE TABLE app.audit_pending (
  position      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at            timestamptz NOT NULL,
  actor         text NOT NULL,
  role          text NOT NULL DEFAULT '',
  session_id    uuid,
  action        text NOT NULL,
  resource_type text NOT NULL,
  resource_id   text NOT NULL DEFAULT '',
  approval_id   uuid,
  request_id    text NOT NULL DEFAULT '',
  address       text NOT NULL DEFAULT '',
  user_agent    text NOT NULL DEFAULT '',
  detail        bytea NOT NULL DEFAULT '{}'
);
CREATE TABLE app.audit (
  sequence      bigint PRIMARY KEY CHECK (sequence > 0),
  position      bigint NOT NULL UNIQUE,
  at            timestamptz NOT NULL,
  actor         text NOT NULL,
  role          text NOT NULL,
  session_id    uuid,
  action        text NOT NULL,
  resource_type text NOT NULL,
  resource_id   text NOT NULL,
  approval_id   uuid,
  request_id    text NOT NULL,
  address       text NOT NULL,
  user_agent    text NOT NULL,
  detail        bytea NOT NULL,
  prev_hash     bytea NOT NULL UNIQUE,
  hash          bytea NOT NULL
);
CREATE INDEX audit_actor ON app.audit (actor, sequence);
CREATE INDEX audit_resource ON app.audit (resource_id, sequence);
CREATE INDEX audit_approval ON app.audit (approval_id) WHERE approval_id IS NOT NULL;
-- The end of the chain.
CREATE TABLE app.audit_head (
  singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
  sequence  bigint NOT NULL,
  hash      bytea NOT NULL
) WITH (fillfactor = 50);
INSERT INTO app.audit_head (sequence, hash) VALUES (0, decode(repeat('00', 32), 'hex'));

GRANT INSERT ON app.audit_pending TO gx_service;
GRANT SELECT ON app.audit_pending, app.audit, app.audit_head TO gx_service, gx_verifier;
GRANT SELECT, DELETE ON app.audit_pending TO gx_sealer;
GRANT SELECT, INSERT ON app.audit TO gx_sealer;
GRANT SELECT, UPDATE ON app.audit_head TO gx_sealer;

-- +goose StatementBegin
CREATE FUNCTION app.append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%.% is append-only', TG_TABLE_SCHEMA, TG_TABLE_NAME USING ERRCODE = 'insufficient_privilege';
END $$;
-- +goose StatementEnd
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON app.audit
  FOR EACH STATEMENT EXECUTE FUNCTION app.append_only();
CREATE TRIGGER append_only BEFORE UPDATE OR TRUNCATE ON app.audit_pending
  FOR EACH STATEMENT EXECUTE FUNCTION app.append_only();

-- A pending record goes nowhere but into the chain.
-- +goose StatementBegin
CREATE FUNCTION app.audit_sealed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE lost bigint;
BEGIN
  SELECT g.position INTO lost FROM gone g LEFT JOIN app.audit a ON a.position = g.position
  WHERE (a.at, a.actor, a.role, a.session_id, a.action, a.resource_type, a.resource_id, a.approval_id, a.request_id, a.address, a.user_agent, a.detail)
        IS DISTINCT FROM
        (g.at, g.actor, g.role, g.session_id, g.action, g.resource_type, g.resource_id, g.approval_id, g.request_id, g.address, g.user_agent, g.detail)
  LIMIT 1;
  IF FOUND THEN
    RAISE EXCEPTION 'app.audit_pending is append-only: record % is not sealed', lost USING ERRCODE = 'insufficient_privilege';
  END IF;
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER sealed AFTER DELETE ON app.audit_pending REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION app.audit_sealed();

-- Whatever is to change the ledger leaves a record, whoever enqueues it.
-- +goose StatementBegin
CREATE FUNCTION app.audit_command() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  INSERT INTO app.audit_pending (at, actor, action, resource_type, resource_id, request_id, detail)
  VALUES (NEW.created_at, NEW.principal, 'COMMAND_ACCEPTED', 'command', NEW.id::text, NEW.correlation_id,
          convert_to(json_build_object('type', NEW.type, 'actor', NEW.actor, 'payloadSha256', encode(sha256(NEW.payload), 'hex'))::text, 'UTF8'));
  RETURN NULL;
END $$;
CREATE FUNCTION app.audit_dead_command() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
  INSERT INTO app.audit_pending (at, actor, action, resource_type, resource_id, detail)
  VALUES (NEW.resolved_at, NEW.resolved_by, 'COMMAND_' || NEW.resolution, 'command', NEW.command_id::text,
          convert_to(json_build_object('reason', NEW.reason)::text, 'UTF8'));
  RETURN NULL;
END $$;
-- +goose StatementEnd
CREATE TRIGGER audit AFTER INSERT ON app.commands FOR EACH ROW EXECUTE FUNCTION app.audit_command();
CREATE TRIGGER audit AFTER UPDATE OF resolution ON app.dead_commands FOR EACH ROW
  WHEN (OLD.resolution = '' AND NEW.resolution <> '') EXECUTE FUNCTION app.audit_dead_command();

-- Staff: a second factor, recovery and invitations. Fields that are bytea are
-- sealed, those that end in _hash are keyed hashes.
ALTER TABLE app.staff
  ADD COLUMN email bytea,
  ADD COLUMN email_hash bytea UNIQUE,
  ADD COLUMN totp_secret bytea,
  ADD COLUMN totp_enabled_at timestamptz CHECK (totp_enabled_at IS NULL OR totp_secret IS NOT NULL),
  ADD COLUMN totp_last_step bigint NOT NULL DEFAULT 0,
  ADD COLUMN password_changed_at timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN last_login_at timestamptz;
CREATE TABLE app.staff_recovery_codes (
  staff_id  uuid NOT NULL REFERENCES app.staff (staff_id),
  code_hash bytea NOT NULL,
  used_at   timestamptz,
  PRIMARY KEY (staff_id, code_hash)
);
-- Between the password and the second factor.
CREATE TABLE app.staff_challenges (
  token_hash  bytea PRIMARY KEY,
  staff_id    uuid NOT NULL REFERENCES app.staff (staff_id),
  client_hash bytea NOT NULL,
  attempts    int NOT NULL DEFAULT 0,
  expires_at  timestamptz NOT NULL
);
CREATE INDEX staff_challenges_expiry ON app.staff_challenges (expires_at);
-- An account begins, or begins again, when its invitation is accepted.
CREATE TABLE app.staff_invitations (
  token_hash   bytea PRIMARY KEY,
  staff_id     uuid NOT NULL,
  renewal      boolean NOT NULL, -- of an account that exists
  username     text NOT NULL,
  display_name text NOT NULL,
  email        bytea,
  email_hash   bytea,
  role         text NOT NULL,
  alone        boolean NOT NULL DEFAULT false, -- by the first owner, without a second person
  invited_by   uuid NOT NULL REFERENCES app.staff (staff_id),
  created_at   timestamptz NOT NULL,
  expires_at   timestamptz NOT NULL,
  accepted_at  timestamptz,
  voided_at    timestamptz
);
GRANT SELECT, INSERT, UPDATE ON app.staff_invitations TO gx_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON app.staff_recovery_codes, app.staff_challenges TO gx_service;

ALTER TABLE app.people ADD COLUMN password_changed_at timestamptz NOT NULL DEFAULT now();

ALTER TABLE app.sessions
  ADD COLUMN mfa_at timestamptz,
  ADD COLUMN address bytea;
GRANT DELETE ON app.sessions, app.refresh_tokens TO gx_service;

-- What staff may only do with a second person waits here, exactly as it will be
-- done, until that person decides.
CREATE TABLE app.approvals (
  approval_id    uuid PRIMARY KEY,
  mode           text NOT NULL CHECK (mode IN ('REGULAR', 'ALONE', 'BREAK_GLASS')),
  operation      text NOT NULL,
  permission     text NOT NULL,
  risk           text NOT NULL,
  resource       text NOT NULL DEFAULT '',
  payload        bytea NOT NULL,
  digest         bytea NOT NULL,
  reason         text NOT NULL DEFAULT '',
  quorum         int NOT NULL CHECK (quorum > 0),
  requester      uuid NOT NULL REFERENCES app.staff (staff_id),
  session_id     uuid NOT NULL,
  route          text NOT NULL,
  idempotency_key text NOT NULL,
  request        bytea NOT NULL,
  response       bytea NOT NULL,
  created_at     timestamptz NOT NULL,
  expires_at     timestamptz NOT NULL,
  status         text NOT NULL DEFAULT 'PENDING' CHECK (status IN ('PENDING', 'APPROVED', 'REJECTED', 'CANCELLED', 'EXPIRED')),
  decided_at     timestamptz,
  executed_at    timestamptz,
  command_id     uuid,
  execution_error text NOT NULL DEFAULT '',
  UNIQUE (requester, route, idempotency_key),
  CHECK ((status = 'PENDING') = (decided_at IS NULL))
);
CREATE INDEX approvals_open ON app.approvals (expires_at) WHERE status = 'PENDING';
CREATE INDEX approvals_order ON app.approvals (created_at DESC, approval_id DESC);
CREATE TABLE app.approval_votes (
  approval_id uuid NOT NULL REFERENCES app.approvals (approval_id),
  voter       uuid NOT NULL REFERENCES app.staff (staff_id),
  session_id  uuid NOT NULL,
  decision    text NOT NULL CHECK (decision IN ('APPROVE', 'REJECT')),
  reason      text NOT NULL DEFAULT '',
  at          timestamptz NOT NULL,
  PRIMARY KEY (approval_id, voter)
);
GRANT SELECT, INSERT ON app.approvals, app.approval_votes TO gx_service;
GRANT UPDATE (status, decided_at, executed_at, command_id, execution_error) ON app.approvals TO gx_service;
-- A decision and an execution are final, and nobody decides on their own request.
-- +goose StatementBegin
CREATE FUNCTION app.approval_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF (OLD.status <> 'PENDING' AND (NEW.status, NEW.decided_at) IS DISTINCT FROM (OLD.status, OLD.decided_at))
     OR (OLD.executed_at IS NOT NULL AND (NEW.executed_at, NEW.command_id) IS DISTINCT FROM (OLD.executed_at, OLD.command_id)) THEN
    RAISE EXCEPTION 'approval % is decided', OLD.approval_id USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
CREATE FUNCTION app.approval_four_eyes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM FROM app.approvals WHERE approval_id = NEW.approval_id AND (requester = NEW.voter OR session_id = NEW.session_id);
  IF FOUND THEN
    RAISE EXCEPTION 'approval % is voted on by its requester', NEW.approval_id USING ERRCODE = 'integrity_constraint_violation';
  END IF;
  RETURN NEW;
END $$;
-- +goose StatementEnd
CREATE TRIGGER final BEFORE UPDATE ON app.approvals FOR EACH ROW EXECUTE FUNCTION app.approval_final();
CREATE TRIGGER four_eyes BEFORE INSERT ON app.approval_votes FOR EACH ROW EXECUTE FUNCTION app.approval_four_eyes();

-- +goose Down
DROP TABLE app.approval_votes, app.approvals;
DROP FUNCTION app.approval_four_eyes, app.approval_final;
ALTER TABLE app.people DROP COLUMN password_changed_at;
ALTER TABLE app.sessions DROP COLUMN mfa_at, DROP COLUMN address;
REVOKE DELETE ON app.sessions, app.refresh_tokens FROM gx_service;
DROP TABLE app.staff_invitations, app.staff_challenges, app.staff_recovery_codes;
ALTER TABLE app.staff DROP COLUMN email, DROP COLUMN email_hash, DROP COLUMN totp_enabled_at, DROP COLUMN totp_secret,
  DROP COLUMN totp_last_step, DROP COLUMN password_changed_at, DROP COLUMN last_login_at;
DROP TRIGGER audit ON app.dead_commands;
DROP TRIGGER audit ON app.commands;
DROP FUNCTION app.audit_dead_command, app.audit_command;
DROP TABLE app.audit_head, app.audit, app.audit_pending;
DROP FUNCTION app.audit_sealed, app.append_only;
REVOKE ALL ON app.leases, public.goose_db_version FROM gx_sealer;
REVOKE ALL ON SCHEMA app FROM gx_sealer;
