-- +goose Up

-- What is personal about people is sealed, field by field: columns of bytea are
-- sealed, those that end in _hash or _hashes are keyed hashes by which people are
-- found. The database has no keys, so what was readable waits in plain until a
-- service that has them seals it, before it serves.
ALTER TABLE app.people ADD COLUMN plain jsonb;
UPDATE app.people SET plain = jsonb_strip_nulls(jsonb_build_object(
  'email', email, 'phone', phone, 'firstName', first_name, 'lastName', last_name,
  'dateOfBirth', date_of_birth, 'gender', gender, 'denialReason', nullif(denial_reason, '')));
ALTER TABLE app.people
  DROP COLUMN email, DROP COLUMN phone, DROP COLUMN first_name, DROP COLUMN last_name,
  DROP COLUMN date_of_birth, DROP COLUMN gender, DROP COLUMN denial_reason;
ALTER TABLE app.people
  ADD COLUMN email bytea,
  ADD COLUMN phone bytea,
  ADD COLUMN first_name bytea,
  ADD COLUMN last_name bytea,
  ADD COLUMN date_of_birth bytea,
  ADD COLUMN gender bytea,
  ADD COLUMN denial_reason bytea,
  ADD COLUMN email_hash bytea,
  ADD COLUMN phone_hash bytea,
  ADD COLUMN name_hashes bytea[] NOT NULL DEFAULT '{}', -- of each word
  ADD COLUMN erasure_asked_at timestamptz,
  ADD COLUMN erased_at timestamptz;
CREATE INDEX people_erasures ON app.people (gx_id) WHERE erasure_asked_at IS NOT NULL AND erased_at IS NULL;
CREATE UNIQUE INDEX people_email ON app.people (email_hash);
CREATE UNIQUE INDEX people_phone ON app.people (phone_hash);
CREATE INDEX people_names ON app.people USING gin (name_hashes);
CREATE INDEX people_plain ON app.people (profile_id) WHERE plain IS NOT NULL;

ALTER TABLE app.kyc_records RENAME COLUMN notes TO plain_notes;
ALTER TABLE app.kyc_records ADD COLUMN notes bytea;
CREATE INDEX kyc_plain ON app.kyc_records (kyc_id) WHERE plain_notes <> '';

-- +goose Down
-- +goose StatementBegin
DO $$
BEGIN
  IF EXISTS (SELECT FROM app.people WHERE plain IS NULL) THEN
    RAISE EXCEPTION 'personal data is sealed: it can''t be made readable without the keys';
  END IF;
END $$;
-- +goose StatementEnd
ALTER TABLE app.kyc_records DROP COLUMN notes;
ALTER TABLE app.kyc_records RENAME COLUMN plain_notes TO notes;
DROP INDEX app.kyc_plain;
ALTER TABLE app.people
  DROP COLUMN email, DROP COLUMN phone, DROP COLUMN first_name, DROP COLUMN last_name, DROP COLUMN date_of_birth, DROP COLUMN gender,
  DROP COLUMN denial_reason, DROP COLUMN email_hash, DROP COLUMN phone_hash, DROP COLUMN name_hashes,
  DROP COLUMN erasure_asked_at, DROP COLUMN erased_at;
ALTER TABLE app.people
  ADD COLUMN email text, ADD COLUMN phone text, ADD COLUMN first_name text, ADD COLUMN last_name text,
  ADD COLUMN date_of_birth date, ADD COLUMN gender text CHECK (gender IN ('MALE', 'FEMALE')), ADD COLUMN denial_reason text NOT NULL DEFAULT '';
UPDATE app.people SET email = plain->>'email', phone = plain->>'phone', first_name = plain->>'firstName', last_name = plain->>'lastName',
  date_of_birth = (plain->>'dateOfBirth')::date, gender = plain->>'gender', denial_reason = coalesce(plain->>'denialReason', '');
ALTER TABLE app.people DROP COLUMN plain, ALTER COLUMN email SET NOT NULL, ALTER COLUMN first_name SET NOT NULL, ALTER COLUMN last_name SET NOT NULL;
CREATE UNIQUE INDEX people_email ON app.people (lower(email));
CREATE UNIQUE INDEX people_phone ON app.people (phone) WHERE phone IS NOT NULL;
