-- +goose Up

-- Statements grow in the order of blocks: what is new of any account is found
-- at their end, at next to no cost for the projector.
CREATE INDEX transactions_block ON read.transactions USING brin (block) WITH (pages_per_range = 32, autosummarize = on);

-- +goose Down
DROP INDEX read.transactions_block;
