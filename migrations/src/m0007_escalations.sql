-- People in the loop: escalations, what channels are told, what comes back, and the inbox of those who answer.

ALTER TABLE assistants ADD COLUMN escalation text;
ALTER TABLE chats ADD COLUMN escalation_id uuid;
ALTER TABLE messages ADD COLUMN idempotency_key text;
ALTER TABLE messages ADD COLUMN account_id uuid;
ALTER TABLE messages ADD COLUMN plugin_id text;
ALTER TABLE messages ADD COLUMN by_sealed bytea;
CREATE UNIQUE INDEX messages_by_key ON messages (workspace_id, chat_id, idempotency_key);

CREATE TABLE channel_addresses (
    id uuid NOT NULL PRIMARY KEY,
    address_workspace_id uuid NOT NULL REFERENCES workspaces (id),
    plugin_id text NOT NULL,
    created_at bigint NOT NULL,
    UNIQUE (address_workspace_id, plugin_id)
);

CREATE TABLE escalations (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    chat_id uuid NOT NULL,
    assistant_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    reason text NOT NULL,
    state text NOT NULL,
    is_off_hours boolean NOT NULL,
    reply_token text NOT NULL,
    language text,
    assigned_account_id uuid,
    taken_by_plugin text,
    created_at bigint NOT NULL,
    taken_at bigint,
    ended_at bigint,
    active_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, reply_token),
    FOREIGN KEY (workspace_id, chat_id) REFERENCES chats (workspace_id, id)
);
CREATE INDEX escalations_by_state ON escalations (workspace_id, state, id);
CREATE INDEX escalations_by_chat ON escalations (workspace_id, chat_id);
CREATE INDEX escalations_by_subject ON escalations (workspace_id, subject_id);

CREATE TABLE chat_notes (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    chat_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    account_id uuid,
    plugin_id text,
    by_sealed bytea,
    text_sealed bytea NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, id),
    FOREIGN KEY (workspace_id, chat_id) REFERENCES chats (workspace_id, id)
);
CREATE INDEX chat_notes_by_chat ON chat_notes (workspace_id, chat_id, id);
CREATE INDEX chat_notes_by_subject ON chat_notes (workspace_id, subject_id);

CREATE TABLE chat_reads (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    account_id uuid NOT NULL,
    chat_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    message_id uuid NOT NULL,
    PRIMARY KEY (workspace_id, account_id, chat_id),
    FOREIGN KEY (workspace_id, chat_id) REFERENCES chats (workspace_id, id)
);
CREATE INDEX chat_reads_by_subject ON chat_reads (workspace_id, subject_id);

CREATE TABLE deliveries (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    escalation_id uuid,
    subject_id uuid,
    plugin_id text NOT NULL,
    position bigint NOT NULL,
    kind text NOT NULL,
    state text NOT NULL,
    payload_sealed bytea,
    attempts bigint NOT NULL,
    attempt_began_at bigint,
    may_have_been_sent boolean NOT NULL,
    next_attempt_at bigint NOT NULL,
    last_error text,
    message text,
    happened_at bigint NOT NULL,
    finished_at bigint,
    PRIMARY KEY (workspace_id, id),
    FOREIGN KEY (workspace_id, escalation_id) REFERENCES escalations (workspace_id, id)
);
CREATE INDEX deliveries_by_escalation ON deliveries (workspace_id, escalation_id, plugin_id, position);
CREATE INDEX deliveries_by_state ON deliveries (workspace_id, state, next_attempt_at);
CREATE INDEX deliveries_by_subject ON deliveries (workspace_id, subject_id);

CREATE TABLE channel_threads (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    escalation_id uuid NOT NULL,
    plugin_id text NOT NULL,
    subject_id uuid NOT NULL,
    thread text NOT NULL,
    PRIMARY KEY (workspace_id, escalation_id, plugin_id),
    FOREIGN KEY (workspace_id, escalation_id) REFERENCES escalations (workspace_id, id)
);
CREATE INDEX channel_threads_by_thread ON channel_threads (workspace_id, plugin_id, thread);
CREATE INDEX channel_threads_by_subject ON channel_threads (workspace_id, subject_id);

CREATE TABLE channel_states (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    plugin_id text NOT NULL,
    cursor text,
    gone_at bigint,
    PRIMARY KEY (workspace_id, plugin_id)
);

CREATE TABLE channel_events (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    plugin_id text NOT NULL,
    event_id text NOT NULL,
    received_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, plugin_id, event_id)
);
CREATE INDEX channel_events_by_age ON channel_events (workspace_id, received_at);

CREATE TABLE inbox_heads (
    workspace_id uuid NOT NULL PRIMARY KEY REFERENCES workspaces (id),
    seq bigint NOT NULL
);

CREATE TABLE inbox_events (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    seq bigint NOT NULL,
    kind text NOT NULL,
    escalation_id uuid,
    subject_id uuid,
    target_id uuid,
    created_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, seq)
);
CREATE INDEX inbox_events_by_subject ON inbox_events (workspace_id, subject_id);
CREATE INDEX inbox_events_by_age ON inbox_events (workspace_id, created_at);

CREATE TABLE canned_replies (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    title_sealed bytea NOT NULL,
    text_sealed bytea NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, id)
);

CREATE TABLE staff_names (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    account_id uuid NOT NULL,
    name_sealed bytea NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, account_id)
);
