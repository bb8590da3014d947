-- +goose Up

-- What is decided about dead commands. Services may call it, for staff who have
-- agreed, and change nothing else of a command.
-- +goose StatementBegin
CREATE FUNCTION app.resolve_dead_commands(ids uuid[], resolution text, by text, reason text, at timestamptz) RETURNS SETOF uuid
LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$
  WITH dead AS MATERIALIZED (
    SELECT id FROM app.commands c
    WHERE id = ANY ($1) AND state = 'DEAD' AND NOT EXISTS (SELECT FROM read.command_results r WHERE r.command_id = c.id::text)
    ORDER BY id FOR UPDATE
  ), decided AS (
    UPDATE app.dead_commands d SET resolution = $2, resolved_by = $3, reason = $4, resolved_at = $5
    FROM dead WHERE d.command_id = dead.id AND d.resolution = ''
  )
  UPDATE app.commands c SET next_at = $5,
    state = CASE $2 WHEN 'REQUEUED' THEN 'PENDING' ELSE 'CANCELLED' END,
    attempts = CASE $2 WHEN 'REQUEUED' THEN 0 ELSE c.attempts END,
    conflicts = CASE $2 WHEN 'REQUEUED' THEN 0 ELSE c.conflicts END,
    completed_at = CASE $2 WHEN 'REQUEUED' THEN NULL ELSE $5 END
  FROM dead WHERE c.id = dead.id AND c.state = 'DEAD' RETURNING c.id
$$;
-- +goose StatementEnd
REVOKE ALL ON FUNCTION app.resolve_dead_commands FROM PUBLIC;
GRANT EXECUTE ON FUNCTION app.resolve_dead_commands TO gx_service, gx_submitter;

-- +goose Down
DROP FUNCTION app.resolve_dead_commands;
