-- Who may come in, and for how long: sessions that end when nobody uses them, second factors, how often is tried.

ALTER TABLE workspaces ADD COLUMN second_factor_grace_days bigint;
ALTER TABLE memberships ADD COLUMN suspended_at bigint;
ALTER TABLE memberships ADD COLUMN must_enrol_from bigint;
ALTER TABLE sessions ADD COLUMN stays_signed_in boolean NOT NULL DEFAULT false;
ALTER TABLE sessions ADD COLUMN agent text;
ALTER TABLE sessions ADD COLUMN name_sealed bytea;
ALTER TABLE sessions ADD COLUMN confirmed_at bigint;

CREATE TABLE second_factors (
    account_id uuid NOT NULL PRIMARY KEY REFERENCES accounts (id),
    secret_sealed bytea NOT NULL,
    last_step bigint NOT NULL,
    created_at bigint NOT NULL,
    active_since bigint
);

CREATE TABLE recovery_codes (
    account_id uuid NOT NULL REFERENCES accounts (id),
    code_hash bytea NOT NULL,
    used_at bigint,
    PRIMARY KEY (account_id, code_hash)
);

CREATE TABLE account_tickets (
    id uuid NOT NULL PRIMARY KEY,
    purpose text NOT NULL,
    account_id uuid REFERENCES accounts (id),
    token_hash bytea,
    about_sealed bytea NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    used_at bigint
);
CREATE INDEX account_tickets_by_account ON account_tickets (account_id, purpose);
CREATE INDEX account_tickets_by_age ON account_tickets (expires_at);

CREATE TABLE tries (
    tag bytea NOT NULL PRIMARY KEY,
    all_back_at bigint NOT NULL
);
CREATE INDEX tries_by_age ON tries (all_back_at);

CREATE TABLE ip_tag_keys (
    day bigint NOT NULL PRIMARY KEY,
    key_sealed bytea NOT NULL
);

ALTER TABLE accounts ADD COLUMN email_verified_at bigint;

CREATE TABLE invitations (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    address_index bytea NOT NULL,
    address_sealed bytea NOT NULL,
    role text NOT NULL,
    token_hash bytea,
    is_mailed boolean NOT NULL,
    invited_by uuid,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    accepted_at bigint,
    accepted_by uuid,
    revoked_at bigint,
    PRIMARY KEY (workspace_id, id)
);

ALTER TABLE api_keys ADD COLUMN replaced_by uuid;

CREATE TABLE visitor_signing_keys (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    name text NOT NULL,
    algorithm text NOT NULL,
    key_sealed bytea NOT NULL,
    created_by uuid,
    created_at bigint NOT NULL,
    expires_at bigint,
    last_used_day bigint,
    revoked_at bigint,
    PRIMARY KEY (workspace_id, id)
);

CREATE TABLE visitor_identities (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    subject_id uuid NOT NULL,
    external_index bytea NOT NULL,
    external_sealed bytea NOT NULL,
    email_sealed bytea,
    name_sealed bytea,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, subject_id),
    UNIQUE (workspace_id, external_index),
    FOREIGN KEY (workspace_id, subject_id) REFERENCES subjects (workspace_id, id)
);
