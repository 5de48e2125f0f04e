-- Answers are put right.
ALTER TABLE answers ADD COLUMN rectified_at bigint;

-- What happens to requests about personal data, in order, for whoever listens.
CREATE TABLE privacy_event_heads (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    seq bigint NOT NULL,
    PRIMARY KEY (workspace_id)
);

CREATE TABLE privacy_request_events (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    seq bigint NOT NULL,
    kind text NOT NULL,
    request_id uuid NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, seq),
    FOREIGN KEY (workspace_id, request_id) REFERENCES privacy_requests (workspace_id, id)
);
CREATE INDEX privacy_request_events_by_age ON privacy_request_events (workspace_id, created_at);
CREATE INDEX privacy_request_events_by_request ON privacy_request_events (workspace_id, request_id);

-- Mailboxes that people write to about their data: how far each was read, and which mails became requests.
CREATE TABLE privacy_mailboxes (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    plugin_id text NOT NULL,
    cursor text,
    fetched_at bigint,
    last_error text,
    PRIMARY KEY (workspace_id, plugin_id)
);

CREATE TABLE privacy_letters (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    letter_hash bytea NOT NULL,
    request_id uuid NOT NULL,
    received_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, letter_hash)
);
CREATE INDEX privacy_letters_by_age ON privacy_letters (workspace_id, received_at);

-- Where a chain begins once its oldest part was kept long enough.
CREATE TABLE audit_anchors (
    workspace_id uuid NOT NULL PRIMARY KEY,
    seq bigint NOT NULL,
    hash bytea NOT NULL,
    at bigint NOT NULL,
    mac bytea NOT NULL
);
CREATE INDEX audit_entries_by_age ON audit_entries (workspace_id, at);

-- Other parties that the operator hands data of all workspaces to: what was declared, and which workspace was told of it when.
CREATE TABLE recipient_changes (
    id uuid NOT NULL PRIMARY KEY,
    plugin_id text NOT NULL,
    declaration text NOT NULL,
    declaration_hash bytea NOT NULL,
    announced_at bigint NOT NULL,
    is_from_the_start boolean NOT NULL
);

CREATE TABLE recipient_notices (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    change_id uuid NOT NULL REFERENCES recipient_changes (id),
    told_at bigint NOT NULL,
    mails bigint NOT NULL,
    objected_at bigint,
    objected_by uuid,
    PRIMARY KEY (workspace_id, change_id)
);
