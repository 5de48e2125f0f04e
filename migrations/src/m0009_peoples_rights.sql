-- People's rights: what a person is known by, who is the same person, copies made for them, restrictions, and who got their data.

ALTER TABLE subjects ADD COLUMN restricted_at bigint;
CREATE INDEX subjects_restricted ON subjects (workspace_id, id) WHERE restricted_at IS NOT NULL;

CREATE TABLE subject_identifiers (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    subject_id uuid NOT NULL,
    kind text NOT NULL,
    value_index bytea NOT NULL,
    value_sealed bytea NOT NULL,
    source text NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, subject_id, kind, value_index),
    FOREIGN KEY (workspace_id, subject_id) REFERENCES subjects (workspace_id, id)
);
CREATE INDEX subject_identifiers_by_value ON subject_identifiers (workspace_id, kind, value_index);
-- These name one person; an address or a number may be claimed by several.
CREATE UNIQUE INDEX subject_identifiers_of_one ON subject_identifiers (workspace_id, kind, value_index) WHERE kind = 'MEMBER' OR kind = 'EXTERNAL_ID';

CREATE TABLE subject_merges (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    absorbed_id uuid NOT NULL,
    into_id uuid NOT NULL,
    merged_at bigint NOT NULL,
    merged_by uuid,
    split_at bigint,
    split_by uuid,
    PRIMARY KEY (workspace_id, id),
    FOREIGN KEY (workspace_id, absorbed_id) REFERENCES subjects (workspace_id, id),
    FOREIGN KEY (workspace_id, into_id) REFERENCES subjects (workspace_id, id)
);
CREATE UNIQUE INDEX subject_merges_of_absorbed ON subject_merges (workspace_id, absorbed_id) WHERE split_at IS NULL;
CREATE INDEX subject_merges_by_into ON subject_merges (workspace_id, into_id);

CREATE TABLE data_exports (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    subject_id uuid NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    idempotency_key text NOT NULL,
    requested_at bigint NOT NULL,
    requested_by uuid,
    ready_at bigint,
    expires_at bigint,
    fetched_at bigint,
    bytes bigint,
    blob_key text,
    link_hash bytea,
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, subject_id, idempotency_key),
    FOREIGN KEY (workspace_id, subject_id) REFERENCES subjects (workspace_id, id)
);
CREATE INDEX data_exports_by_state ON data_exports (workspace_id, state, expires_at);

CREATE TABLE restrictions (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    subject_id uuid NOT NULL,
    ground text NOT NULL,
    restricted_at bigint NOT NULL,
    restricted_by uuid,
    noticed_at bigint,
    noticed_by uuid,
    notice_means text,
    lifted_at bigint,
    lifted_by uuid,
    PRIMARY KEY (workspace_id, id),
    FOREIGN KEY (workspace_id, subject_id) REFERENCES subjects (workspace_id, id)
);
CREATE UNIQUE INDEX restrictions_of_subject ON restrictions (workspace_id, subject_id) WHERE lifted_at IS NULL;

CREATE TABLE subject_recipients (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    subject_id uuid NOT NULL,
    plugin_id text NOT NULL,
    purpose text NOT NULL,
    operator text NOT NULL,
    region text NOT NULL,
    safeguard text NOT NULL,
    retention text NOT NULL,
    first_at bigint NOT NULL,
    last_at bigint NOT NULL,
    times bigint NOT NULL,
    PRIMARY KEY (workspace_id, subject_id, plugin_id, purpose),
    FOREIGN KEY (workspace_id, subject_id) REFERENCES subjects (workspace_id, id)
);

ALTER TABLE messages ADD COLUMN rectified_at bigint;
ALTER TABLE chat_notes ADD COLUMN rectified_at bigint;
ALTER TABLE deliveries ADD COLUMN has_text boolean NOT NULL DEFAULT TRUE;
