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
