-- +goose Up

-- Why reads can't be trusted, as the verifier has found out; empty while nothing
-- is known. The projector does not go on while it says something.
ALTER TABLE read.checkpoint ADD COLUMN violation text NOT NULL DEFAULT '';

-- What an operator decided about a dead letter, and why.
ALTER TABLE read.event_dlq
  ADD COLUMN resolution_reason text NOT NULL DEFAULT '',
  ADD COLUMN resolved_at timestamptz;

-- +goose Down
ALTER TABLE read.event_dlq DROP COLUMN resolution_reason, DROP COLUMN resolved_at;
ALTER TABLE read.checkpoint DROP COLUMN violation;
