-- +goose Up

-- The repayments of a loan, and the accounts that the velocity tax spares.
CREATE INDEX transactions_repayment ON read.transactions (remark, block, tx_index, seq) WHERE type = 'LOAN_COLLECTION';
CREATE INDEX accounts_exempt ON read.accounts (account_id) WHERE tax_exempt;

-- +goose Down
DROP INDEX read.accounts_exempt;
DROP INDEX read.transactions_repayment;
