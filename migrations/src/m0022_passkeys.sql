-- Passkeys: what members sign in with in place of a password and a second factor.

CREATE TABLE passkeys (
    id uuid NOT NULL PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts (id),
    credential_index bytea NOT NULL,
    credential_sealed bytea NOT NULL,
    name_sealed bytea,
    sign_count bigint NOT NULL,
    is_backed_up boolean NOT NULL,
    created_at bigint NOT NULL,
    last_used_at bigint
);
CREATE UNIQUE INDEX passkeys_by_credential ON passkeys (credential_index);
CREATE INDEX passkeys_by_account ON passkeys (account_id);
