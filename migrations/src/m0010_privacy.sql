-- What a workspace has processed, and for whom not: instructions, consents, objections.

CREATE TABLE instructions (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    seq bigint NOT NULL,
    purpose text NOT NULL,
    kind text NOT NULL,
    reason text NOT NULL,
    recorded_by_kind text NOT NULL,
    recorded_by uuid,
    recorded_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, seq)
);
CREATE INDEX instructions_by_purpose ON instructions (workspace_id, purpose, seq);

CREATE TABLE consent_texts (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    purpose text NOT NULL,
    version bigint NOT NULL,
    language text NOT NULL,
    text text NOT NULL,
    text_hash bytea NOT NULL,
    published_by uuid,
    published_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, purpose, version)
);

CREATE TABLE consents (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    subject_id uuid NOT NULL,
    purpose text NOT NULL,
    version bigint NOT NULL,
    text_hash bytea NOT NULL,
    given_at bigint NOT NULL,
    given_by_kind text NOT NULL,
    given_by uuid,
    evidence_sealed bytea,
    withdrawn_at bigint,
    withdrawn_by_kind text,
    withdrawn_by uuid,
    withdrawal_evidence_sealed bytea,
    PRIMARY KEY (workspace_id, id)
);
CREATE INDEX consents_by_subject ON consents (workspace_id, subject_id, purpose);
CREATE UNIQUE INDEX consents_in_force ON consents (workspace_id, subject_id, purpose) WHERE withdrawn_at IS NULL;

CREATE TABLE objections (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    subject_id uuid NOT NULL,
    purpose text NOT NULL,
    stands boolean NOT NULL,
    revision bigint NOT NULL,
    reason_sealed bytea,
    recorded_by_kind text NOT NULL,
    recorded_by uuid,
    recorded_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, subject_id, purpose)
);

CREATE TABLE privacy_settings (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    controller_name text,
    controller_address text,
    controller_email text,
    dpo_name text,
    dpo_email text,
    authority_name text,
    authority_url text,
    notice_url text,
    holidays text NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (workspace_id)
);

CREATE TABLE privacy_addresses (
    id uuid NOT NULL PRIMARY KEY,
    address_workspace_id uuid NOT NULL UNIQUE REFERENCES workspaces (id),
    created_at bigint NOT NULL
);

CREATE TABLE privacy_requests (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    subject_id uuid,
    concerns uuid,
    kind text NOT NULL,
    state text NOT NULL,
    source text NOT NULL,
    language text NOT NULL,
    external_id text,
    contact_index bytea,
    contact_sealed bytea,
    message_sealed bytea,
    received_at bigint NOT NULL,
    recorded_at bigint NOT NULL,
    forward_due_at bigint NOT NULL,
    agreement_due_at bigint NOT NULL,
    due_at bigint NOT NULL,
    forwarded_at bigint,
    code_hash bytea,
    code_expires_at bigint,
    code_tries bigint NOT NULL,
    codes_asked_at bigint,
    codes_asked bigint NOT NULL,
    verified_at bigint,
    verified_by text,
    evidence_sealed bytea,
    taken_by uuid,
    extended_at bigint,
    closed_at bigint,
    refusal text,
    words_sealed bytea,
    blanked_at bigint,
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, external_id)
);
CREATE INDEX privacy_requests_by_contact ON privacy_requests (workspace_id, contact_index, recorded_at);
CREATE INDEX privacy_requests_by_subject ON privacy_requests (workspace_id, subject_id);
CREATE INDEX privacy_requests_by_state ON privacy_requests (workspace_id, closed_at);

CREATE TABLE privacy_alarms (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    request_id uuid NOT NULL,
    kind text NOT NULL,
    raised_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, request_id, kind),
    FOREIGN KEY (workspace_id, request_id) REFERENCES privacy_requests (workspace_id, id)
);

CREATE TABLE privacy_mails (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    request_id uuid,
    kind text NOT NULL,
    state text NOT NULL,
    last_error text,
    created_at bigint NOT NULL,
    finished_at bigint,
    PRIMARY KEY (workspace_id, id)
);
CREATE INDEX privacy_mails_by_state ON privacy_mails (workspace_id, state);
