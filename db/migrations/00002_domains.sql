-- +goose Up

-- The read models of people's ties, organizations, loans, governance, taxes and
-- administration. Rows that are listed carry the place on the ledger
-- (block, tx_index, seq) of the event that made them: the order of every list.

ALTER TABLE read.users
  ADD COLUMN trust_family      int NOT NULL DEFAULT 0,
  ADD COLUMN trust_business    int NOT NULL DEFAULT 0,
  ADD COLUMN trust_friends     int NOT NULL DEFAULT 0,
  ADD COLUMN trust_loans       int NOT NULL DEFAULT 0,
  ADD COLUMN trust_at          timestamptz,
  ADD COLUMN loan_defaults     int NOT NULL DEFAULT 0,
  ADD COLUMN loan_banned       boolean NOT NULL DEFAULT false,
  ADD COLUMN recovery_epoch    int NOT NULL DEFAULT 0,
  ADD COLUMN controller_key_hash text NOT NULL DEFAULT '';

ALTER TABLE read.accounts
  ADD COLUMN tax_exempt        boolean NOT NULL DEFAULT false,
  ADD COLUMN tax_exempt_reason text NOT NULL DEFAULT '',
  ADD COLUMN last_taxed_at     timestamptz;
CREATE INDEX accounts_taxable ON read.accounts (velocity_timer_start) WHERE velocity_timer_start IS NOT NULL AND NOT tax_exempt;

-- Who changed a parameter last: BOOTSTRAP, PROPOSAL or EMERGENCY, and why.
ALTER TABLE read.parameters
  ADD COLUMN source text NOT NULL DEFAULT 'BOOTSTRAP',
  ADD COLUMN cause  text NOT NULL DEFAULT '';

CREATE TABLE read.relationships (
  relationship_id text PRIMARY KEY,
  subject_id   text NOT NULL,
  object_id    text NOT NULL,
  relation     text NOT NULL,
  status       text NOT NULL,
  requested_at timestamptz NOT NULL,
  confirmed_at timestamptz,
  closed_at    timestamptz,
  closed_by    text NOT NULL DEFAULT '',
  reason       text NOT NULL DEFAULT '',
  block        bigint NOT NULL,
  tx_index     int NOT NULL,
  seq          int NOT NULL
);
CREATE INDEX relationships_subject ON read.relationships (subject_id, block, tx_index, seq);
CREATE INDEX relationships_object ON read.relationships (object_id, block, tx_index, seq);

CREATE TABLE read.guardians (
  user_id     text NOT NULL,
  guardian_id text NOT NULL,
  nominated_at timestamptz NOT NULL,
  PRIMARY KEY (user_id, guardian_id)
);
CREATE INDEX guardians_guardian ON read.guardians (guardian_id);

CREATE TABLE read.recoveries (
  session_id    text PRIMARY KEY,
  lost_account_id text NOT NULL,
  initiator_id  text NOT NULL,
  new_controller_key_hash text NOT NULL,
  status        text NOT NULL,
  required      int NOT NULL,
  confirmations int NOT NULL,
  expires_at    timestamptz NOT NULL,
  executable_at timestamptz,
  created_at    timestamptz NOT NULL,
  closed_at     timestamptz,
  block         bigint NOT NULL,
  tx_index      int NOT NULL,
  seq           int NOT NULL
);
CREATE INDEX recoveries_account ON read.recoveries (lost_account_id, block, tx_index, seq);

CREATE TABLE read.recovery_votes (
  session_id  text NOT NULL,
  guardian_id text NOT NULL,
  at          timestamptz NOT NULL,
  PRIMARY KEY (session_id, guardian_id)
);

-- The status of an organization is that of its account.
CREATE TABLE read.organizations (
  org_id       text PRIMARY KEY,
  name         text NOT NULL,
  type         text NOT NULL,
  country      text NOT NULL,
  proposer_id  text NOT NULL,
  activated_by text NOT NULL DEFAULT '',
  created_at   timestamptz NOT NULL,
  activated_at timestamptz,
  block        bigint NOT NULL,
  tx_index     int NOT NULL,
  seq          int NOT NULL
);
CREATE INDEX organizations_order ON read.organizations (block, tx_index, seq);

CREATE TABLE read.stakeholders (
  org_id      text NOT NULL,
  user_id     text NOT NULL,
  place       int NOT NULL,
  endorsed_at timestamptz,
  PRIMARY KEY (org_id, user_id)
);
CREATE INDEX stakeholders_user ON read.stakeholders (user_id);

CREATE TABLE read.auth_rules (
  org_id             text NOT NULL,
  amount_threshold   bigint NOT NULL,
  rule_id            text NOT NULL,
  required_approvers int NOT NULL,
  approver_group     text[] NOT NULL,
  defined_by         text NOT NULL,
  defined_at         timestamptz NOT NULL,
  PRIMARY KEY (org_id, amount_threshold)
);

CREATE TABLE read.multisig_transactions (
  pending_tx_id  text PRIMARY KEY,
  org_id         text NOT NULL,
  operation      text NOT NULL,
  initiator_id   text NOT NULL,
  from_id        text NOT NULL DEFAULT '',
  to_id          text NOT NULL DEFAULT '',
  amount         bigint NOT NULL CHECK (amount >= 0),
  remark         text NOT NULL DEFAULT '',
  new_rule       jsonb,
  rule_id        text NOT NULL,
  required_approvals int NOT NULL,
  approver_group text[] NOT NULL,
  status         text NOT NULL,
  approvals      int NOT NULL,
  expires_at     timestamptz NOT NULL,
  created_at     timestamptz NOT NULL,
  closed_at      timestamptz,
  closed_by      text NOT NULL DEFAULT '',
  closed_tx      text NOT NULL DEFAULT '',
  failure_code   text NOT NULL DEFAULT '',
  failure        text NOT NULL DEFAULT '',
  failed_at      timestamptz,
  block          bigint NOT NULL,
  tx_index       int NOT NULL,
  seq            int NOT NULL
);
CREATE INDEX multisig_org ON read.multisig_transactions (org_id, block, tx_index, seq);
CREATE INDEX multisig_expiry ON read.multisig_transactions (expires_at) WHERE status = 'PENDING';
CREATE INDEX multisig_approvers ON read.multisig_transactions USING gin (approver_group) WHERE status = 'PENDING';

-- What each approver said: once yes or once no.
CREATE TABLE read.multisig_decisions (
  pending_tx_id text NOT NULL,
  user_id       text NOT NULL,
  approved      boolean NOT NULL,
  reason        text NOT NULL DEFAULT '',
  at            timestamptz NOT NULL,
  PRIMARY KEY (pending_tx_id, user_id)
);

CREATE TABLE read.loans (
  loan_id       text PRIMARY KEY,
  borrower_id   text NOT NULL,
  amount        bigint NOT NULL CHECK (amount > 0),
  purpose       text NOT NULL,
  collateral_hash text NOT NULL,
  collateral_status text NOT NULL DEFAULT '',
  term_days     int NOT NULL,
  status        text NOT NULL,
  outstanding   bigint NOT NULL DEFAULT 0 CHECK (outstanding >= 0),
  repaid_total  bigint NOT NULL DEFAULT 0 CHECK (repaid_total >= 0),
  applied_at    timestamptz NOT NULL,
  decided_by    text NOT NULL DEFAULT '',
  decided_at    timestamptz,
  reason        text NOT NULL DEFAULT '',
  due_at        timestamptz,
  paid_at       timestamptz,
  defaulted_at  timestamptz,
  block         bigint NOT NULL,
  tx_index      int NOT NULL,
  seq           int NOT NULL
);
CREATE INDEX loans_borrower ON read.loans (borrower_id, block, tx_index, seq);
CREATE INDEX loans_status ON read.loans (status, block, tx_index, seq);
CREATE INDEX loans_due ON read.loans (due_at) WHERE status = 'ACTIVE';

CREATE TABLE read.proposals (
  proposal_id   text PRIMARY KEY,
  target_param  text NOT NULL,
  current_value text NOT NULL,
  new_value     text NOT NULL,
  proposer_id   text NOT NULL,
  title         text NOT NULL,
  description   text NOT NULL,
  quorum        bigint NOT NULL,
  approval_pct  bigint NOT NULL,
  status        text NOT NULL,
  for_votes     bigint NOT NULL DEFAULT 0,
  against_votes bigint NOT NULL DEFAULT 0,
  tally_for     bigint NOT NULL DEFAULT 0,
  tally_against bigint NOT NULL DEFAULT 0,
  tally_bookmark text NOT NULL DEFAULT '',
  tally_complete boolean NOT NULL DEFAULT false,
  created_at    timestamptz NOT NULL,
  end_time      timestamptz NOT NULL,
  closed_at     timestamptz,
  closed_by     text NOT NULL DEFAULT '',
  reason        text NOT NULL DEFAULT '',
  block         bigint NOT NULL,
  tx_index      int NOT NULL,
  seq           int NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX proposals_order ON read.proposals (block, tx_index, seq);
CREATE INDEX proposals_end ON read.proposals (end_time) WHERE status = 'ACTIVE';

CREATE TABLE read.votes (
  proposal_id text NOT NULL,
  voter_id    text NOT NULL,
  support     boolean NOT NULL,
  at          timestamptz NOT NULL,
  PRIMARY KEY (proposal_id, voter_id)
);
CREATE INDEX votes_voter ON read.votes (voter_id);

CREATE TABLE read.admins (
  admin_id     text PRIMARY KEY,
  appointed_by text NOT NULL,
  appointed_at timestamptz NOT NULL,
  revoked_at   timestamptz
);

CREATE TABLE read.tax_assessments (
  account_id     text NOT NULL,
  block          bigint NOT NULL,
  tx_index       int NOT NULL,
  seq            int NOT NULL,
  kind           text NOT NULL,
  balance        bigint NOT NULL,
  rate_bps       int NOT NULL,
  tax            bigint NOT NULL,
  treasury_id    text NOT NULL,
  govt_share     bigint NOT NULL,
  redistribution_share bigint NOT NULL,
  timer_start    timestamptz NOT NULL,
  tx_id          text NOT NULL,
  at             timestamptz NOT NULL,
  PRIMARY KEY (account_id, block, tx_index, seq)
);

GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA read TO gx_projector;
GRANT SELECT ON ALL TABLES IN SCHEMA read TO gx_service, gx_submitter, gx_verifier;

-- +goose Down
DROP TABLE read.tax_assessments, read.admins, read.votes, read.proposals, read.loans, read.multisig_decisions, read.multisig_transactions,
           read.auth_rules, read.stakeholders, read.organizations, read.recovery_votes, read.recoveries, read.guardians, read.relationships;
ALTER TABLE read.parameters DROP COLUMN source, DROP COLUMN cause;
DROP INDEX read.accounts_taxable;
ALTER TABLE read.accounts DROP COLUMN tax_exempt, DROP COLUMN tax_exempt_reason, DROP COLUMN last_taxed_at;
ALTER TABLE read.users DROP COLUMN trust_family, DROP COLUMN trust_business, DROP COLUMN trust_friends, DROP COLUMN trust_loans, DROP COLUMN trust_at,
  DROP COLUMN loan_defaults, DROP COLUMN loan_banned, DROP COLUMN recovery_epoch, DROP COLUMN controller_key_hash;
