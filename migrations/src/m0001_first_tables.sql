-- One history for all tables, in the words of Postgres; SQLite's types are put in by `dialect.rs`.
-- Times are milliseconds since 1970 (UTC). `..._sealed` holds AES-256-GCM. `..._index` holds a keyed HMAC for look-ups.
-- A table whose first column is workspace_id is scoped: forced row-level security is added by `isolation.rs`.

-- Instance ---------------------------------------------------------------------------------------------------------

CREATE TABLE workspaces (
    id uuid NOT NULL PRIMARY KEY,
    name text NOT NULL,
    languages text NOT NULL,
    knowledge_version bigint NOT NULL,
    created_at bigint NOT NULL
);

CREATE TABLE accounts (
    id uuid NOT NULL PRIMARY KEY,
    email_index bytea NOT NULL UNIQUE,
    email_sealed bytea NOT NULL,
    password_hash text NOT NULL,
    created_at bigint NOT NULL,
    deactivated_at bigint
);

CREATE TABLE memberships (
    account_id uuid NOT NULL REFERENCES accounts (id),
    member_workspace_id uuid NOT NULL REFERENCES workspaces (id),
    role text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (account_id, member_workspace_id)
);

CREATE TABLE sessions (
    id uuid NOT NULL PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES accounts (id),
    member_workspace_id uuid NOT NULL REFERENCES workspaces (id),
    refresh_hash bytea NOT NULL,
    previous_refresh_hash bytea,
    rotated_at bigint NOT NULL,
    generation bigint NOT NULL,
    created_at bigint NOT NULL,
    last_used_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    revoked_at bigint,
    revoked_because text
);
CREATE INDEX sessions_by_account ON sessions (account_id);

CREATE TABLE signing_keys (
    id uuid NOT NULL PRIMARY KEY,
    purpose text NOT NULL,
    public_key bytea NOT NULL,
    private_key_sealed bytea NOT NULL,
    created_at bigint NOT NULL,
    retired_at bigint
);

CREATE TABLE jobs (
    id uuid NOT NULL PRIMARY KEY,
    job_workspace_id uuid,
    kind text NOT NULL,
    target uuid,
    dedupe_key text UNIQUE,
    state text NOT NULL,
    priority bigint NOT NULL,
    run_at bigint NOT NULL,
    attempts bigint NOT NULL,
    lease_token uuid,
    lease_until bigint,
    last_error text,
    created_at bigint NOT NULL,
    finished_at bigint
);
CREATE INDEX jobs_due ON jobs (state, priority, run_at);
CREATE INDEX jobs_by_workspace ON jobs (job_workspace_id, state);

CREATE TABLE recurring_duties (
    name text NOT NULL PRIMARY KEY,
    next_at bigint NOT NULL,
    last_started_at bigint,
    last_finished_at bigint,
    last_error text
);

-- Identity of a workspace ------------------------------------------------------------------------------------------

CREATE TABLE api_keys (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    secret_hash bytea NOT NULL,
    permissions text NOT NULL,
    assistant_id uuid,
    origins text NOT NULL,
    created_by uuid,
    created_at bigint NOT NULL,
    expires_at bigint,
    last_used_day bigint,
    revoked_at bigint,
    PRIMARY KEY (workspace_id, id)
);

CREATE TABLE subjects (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    generation bigint NOT NULL,
    created_at bigint NOT NULL,
    erased_at bigint,
    PRIMARY KEY (workspace_id, id)
);

CREATE TABLE visitors (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    subject_id uuid NOT NULL,
    assistant_id uuid NOT NULL,
    created_at bigint NOT NULL,
    last_seen_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, id),
    FOREIGN KEY (workspace_id, subject_id) REFERENCES subjects (workspace_id, id)
);
CREATE INDEX visitors_by_subject ON visitors (workspace_id, subject_id);

CREATE TABLE plugin_settings (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    plugin_id text NOT NULL,
    is_enabled boolean NOT NULL,
    settings_sealed bytea NOT NULL,
    version bigint NOT NULL,
    enabled_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, plugin_id)
);

-- Audit ------------------------------------------------------------------------------------------------------------

CREATE TABLE audit_entries (
    workspace_id uuid NOT NULL,
    seq bigint NOT NULL,
    at bigint NOT NULL,
    actor_kind text NOT NULL,
    actor_id uuid,
    action text NOT NULL,
    target_kind text NOT NULL,
    target_id uuid,
    details_hash bytea NOT NULL,
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (workspace_id, seq)
);

CREATE TABLE audit_details (
    workspace_id uuid NOT NULL,
    seq bigint NOT NULL,
    subject_id uuid,
    details_sealed bytea NOT NULL,
    PRIMARY KEY (workspace_id, seq)
);
CREATE INDEX audit_details_by_subject ON audit_details (workspace_id, subject_id);

CREATE TABLE audit_heads (
    workspace_id uuid NOT NULL PRIMARY KEY,
    seq bigint NOT NULL,
    hash bytea NOT NULL,
    at bigint NOT NULL
);

CREATE TABLE audit_checkpoints (
    workspace_id uuid NOT NULL,
    seq bigint NOT NULL,
    at bigint NOT NULL,
    jws text NOT NULL,
    PRIMARY KEY (workspace_id, seq)
);

-- Privacy ----------------------------------------------------------------------------------------------------------

CREATE TABLE erasures (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    subject_id uuid NOT NULL,
    idempotency_key text NOT NULL,
    state text NOT NULL,
    requested_at bigint NOT NULL,
    requested_by uuid,
    completed_at bigint,
    certificate_jws text,
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, subject_id),
    FOREIGN KEY (workspace_id, subject_id) REFERENCES subjects (workspace_id, id)
);

CREATE TABLE erasure_steps (
    workspace_id uuid NOT NULL,
    erasure_id uuid NOT NULL,
    position bigint NOT NULL,
    name text NOT NULL,
    state text NOT NULL,
    erased bigint NOT NULL,
    remaining bigint,
    detail text,
    finished_at bigint,
    PRIMARY KEY (workspace_id, erasure_id, position),
    FOREIGN KEY (workspace_id, erasure_id) REFERENCES erasures (workspace_id, id)
);

-- Assistants and knowledge -----------------------------------------------------------------------------------------

CREATE TABLE assistants (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    name text NOT NULL,
    languages text NOT NULL,
    instructions text NOT NULL,
    chat_model text NOT NULL,
    passages bigint NOT NULL,
    answer_threshold double precision,
    no_answer_text text,
    offers_person boolean NOT NULL,
    is_paused boolean NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, id)
);

CREATE TABLE uploads (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    replaces_document_id uuid,
    file_name text NOT NULL,
    media_type text NOT NULL,
    declared_bytes bigint NOT NULL,
    received_bytes bigint,
    content_hash bytea,
    blob_key text,
    state text NOT NULL,
    created_at bigint NOT NULL,
    expires_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, id)
);
CREATE INDEX uploads_by_state ON uploads (state, expires_at);

CREATE TABLE documents (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    title text NOT NULL,
    file_name text NOT NULL,
    media_type text NOT NULL,
    bytes bigint NOT NULL,
    content_hash bytea NOT NULL,
    blob_key text NOT NULL,
    language text,
    state text NOT NULL,
    stage text NOT NULL,
    failure_code text,
    failure_message text,
    version bigint NOT NULL,
    passages_total bigint NOT NULL,
    passages_done bigint NOT NULL,
    passages_reused bigint NOT NULL,
    progress_seq bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, id)
);
CREATE INDEX documents_by_state ON documents (state, updated_at);
CREATE INDEX documents_by_content ON documents (workspace_id, content_hash);

CREATE TABLE passages (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    document_id uuid NOT NULL,
    document_version bigint NOT NULL,
    ordinal bigint NOT NULL,
    content_hash bytea NOT NULL,
    model_fingerprint bytea NOT NULL,
    tokens bigint NOT NULL,
    language text,
    page bigint,
    text_sealed bytea NOT NULL,
    headings_sealed bytea NOT NULL,
    vector_sealed bytea NOT NULL,
    knowledge_version bigint NOT NULL,
    PRIMARY KEY (workspace_id, id),
    FOREIGN KEY (workspace_id, document_id) REFERENCES documents (workspace_id, id)
);
CREATE UNIQUE INDEX passages_by_document ON passages (workspace_id, document_id, document_version, ordinal);
CREATE INDEX passages_by_content ON passages (workspace_id, content_hash, model_fingerprint);
CREATE INDEX passages_by_knowledge_version ON passages (workspace_id, knowledge_version);

-- Chats ------------------------------------------------------------------------------------------------------------

CREATE TABLE chats (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    assistant_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    state text NOT NULL,
    last_seq bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, id),
    FOREIGN KEY (workspace_id, assistant_id) REFERENCES assistants (workspace_id, id),
    FOREIGN KEY (workspace_id, subject_id) REFERENCES subjects (workspace_id, id)
);
CREATE INDEX chats_by_subject ON chats (workspace_id, subject_id);

CREATE TABLE messages (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    chat_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    author text NOT NULL,
    text_sealed bytea NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, id),
    FOREIGN KEY (workspace_id, chat_id) REFERENCES chats (workspace_id, id)
);
CREATE INDEX messages_by_chat ON messages (workspace_id, chat_id, id);
CREATE INDEX messages_by_subject ON messages (workspace_id, subject_id);

CREATE TABLE answers (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    chat_id uuid NOT NULL,
    question_id uuid NOT NULL,
    assistant_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    subject_generation bigint NOT NULL,
    idempotency_key text NOT NULL,
    status text NOT NULL,
    outcome text,
    text_sealed bytea,
    failure_code text,
    disclosure text,
    attempts bigint NOT NULL,
    rating text,
    created_at bigint NOT NULL,
    completed_at bigint,
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, chat_id, idempotency_key),
    FOREIGN KEY (workspace_id, chat_id) REFERENCES chats (workspace_id, id),
    FOREIGN KEY (workspace_id, question_id) REFERENCES messages (workspace_id, id)
);
CREATE INDEX answers_by_chat ON answers (workspace_id, chat_id, id);
CREATE INDEX answers_by_subject ON answers (workspace_id, subject_id);
CREATE INDEX answers_by_question ON answers (workspace_id, question_id);
CREATE INDEX answers_by_status ON answers (status, created_at);

CREATE TABLE citations (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    answer_id uuid NOT NULL,
    position bigint NOT NULL,
    subject_id uuid NOT NULL,
    document_id uuid NOT NULL,
    passage_id uuid NOT NULL,
    title_sealed bytea NOT NULL,
    quote_sealed bytea NOT NULL,
    location_sealed bytea,
    score double precision NOT NULL,
    PRIMARY KEY (workspace_id, answer_id, position),
    FOREIGN KEY (workspace_id, answer_id) REFERENCES answers (workspace_id, id)
);
CREATE INDEX citations_by_subject ON citations (workspace_id, subject_id);
CREATE INDEX citations_by_document ON citations (workspace_id, document_id);

CREATE TABLE chat_events (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    chat_id uuid NOT NULL,
    seq bigint NOT NULL,
    subject_id uuid NOT NULL,
    kind text NOT NULL,
    target_id uuid,
    payload_sealed bytea,
    created_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, chat_id, seq),
    FOREIGN KEY (workspace_id, chat_id) REFERENCES chats (workspace_id, id)
);
CREATE INDEX chat_events_by_age ON chat_events (workspace_id, kind, created_at);
CREATE INDEX chat_events_by_subject ON chat_events (workspace_id, subject_id);
