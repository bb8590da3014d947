-- +goose Up

-- The transaction of a batch is there for a second, and large: to compress it
-- costs more than to write it.
ALTER TABLE app.batches ALTER COLUMN tx_bytes SET STORAGE EXTERNAL, ALTER COLUMN tx_result SET STORAGE EXTERNAL;

-- +goose Down
ALTER TABLE app.batches ALTER COLUMN tx_bytes SET STORAGE EXTENDED, ALTER COLUMN tx_result SET STORAGE EXTENDED;
