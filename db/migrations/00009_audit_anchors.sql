-- +goose Up

-- Heads of the chain of the audit trail that the ledger holds: who rewrites the
-- chain can't rewrite them.
CREATE TABLE read.audit_anchors (
  sequence bigint PRIMARY KEY,
  hash     text NOT NULL,
  at       timestamptz NOT NULL
);
GRANT SELECT, INSERT, UPDATE, DELETE ON read.audit_anchors TO gx_projector;
GRANT SELECT ON read.audit_anchors TO gx_service, gx_submitter, gx_verifier;
GRANT SELECT ON app.audit_head, app.audit TO gx_submitter;

-- +goose Down
REVOKE SELECT ON app.audit_head, app.audit FROM gx_submitter;
DROP TABLE read.audit_anchors;
