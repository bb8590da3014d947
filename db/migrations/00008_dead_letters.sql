-- +goose Up

-- What an operator decides about an event is recorded in the transaction of the decision.
GRANT INSERT ON app.audit_pending TO gx_projector;

-- +goose Down
REVOKE INSERT ON app.audit_pending FROM gx_projector;
