-- Signing in at a workspace's own identity provider: which one, for which domains, and which sessions came by it.

CREATE TABLE identity_providers (
    workspace_id uuid NOT NULL PRIMARY KEY REFERENCES workspaces (id),
    issuer text NOT NULL,
    client_id text NOT NULL,
    client_secret_sealed bytea,
    accepted_amr text NOT NULL,
    accepted_acr text NOT NULL,
    is_second_factor_required boolean NOT NULL,
    member_role text,
    is_enabled boolean NOT NULL,
    is_required boolean NOT NULL,
    break_glass_account_id uuid,
    version bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL
);

CREATE TABLE sign_on_domains (
    domain text NOT NULL,
    domain_workspace_id uuid NOT NULL REFERENCES workspaces (id),
    proof text NOT NULL,
    created_at bigint NOT NULL,
    verified_at bigint,
    PRIMARY KEY (domain_workspace_id, domain)
);
CREATE UNIQUE INDEX sign_on_domains_of_one ON sign_on_domains (domain) WHERE verified_at IS NOT NULL;

CREATE TABLE logout_tokens (
    token_index bytea NOT NULL PRIMARY KEY,
    expires_at bigint NOT NULL
);

ALTER TABLE memberships ADD COLUMN provider_subject_index bytea;
CREATE UNIQUE INDEX memberships_by_provider ON memberships (member_workspace_id, provider_subject_index) WHERE provider_subject_index IS NOT NULL;

ALTER TABLE sessions ADD COLUMN provider_issuer text;
ALTER TABLE sessions ADD COLUMN provider_subject_index bytea;
ALTER TABLE sessions ADD COLUMN provider_session_index bytea;
ALTER TABLE sessions ADD COLUMN provider_amr text;
ALTER TABLE sessions ADD COLUMN has_second_factor boolean NOT NULL DEFAULT false;
