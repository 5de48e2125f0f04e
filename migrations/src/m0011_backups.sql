-- Backups and the drills that prove them, what keeps an item from being erased, and how long a workspace keeps what.

CREATE TABLE backups (
    id uuid NOT NULL PRIMARY KEY,
    place text NOT NULL,
    state text NOT NULL,
    began_at bigint NOT NULL,
    finished_at bigint,
    bytes bigint,
    stored_rows bigint,
    files bigint,
    ledger_entries bigint,
    failure text,
    gone_at bigint
);
CREATE INDEX backups_by_time ON backups (began_at);

CREATE TABLE restore_drills (
    id uuid NOT NULL PRIMARY KEY,
    backup_id uuid,
    began_at bigint NOT NULL,
    finished_at bigint NOT NULL,
    has_passed boolean NOT NULL,
    failure text,
    report_jws text NOT NULL
);
CREATE INDEX restore_drills_by_time ON restore_drills (finished_at);

CREATE TABLE holds (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    subject_id uuid NOT NULL,
    item_kind text NOT NULL,
    item_id uuid,
    ground text NOT NULL,
    placed_by uuid,
    placed_at bigint NOT NULL,
    ends_at bigint NOT NULL,
    released_by uuid,
    released_at bigint,
    PRIMARY KEY (workspace_id, id),
    FOREIGN KEY (workspace_id, subject_id) REFERENCES subjects (workspace_id, id)
);
CREATE INDEX holds_by_subject ON holds (workspace_id, subject_id);

CREATE TABLE retention_policies (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    class text NOT NULL,
    period text NOT NULL,
    updated_by uuid,
    updated_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, class)
);

ALTER TABLE erasures ADD COLUMN final_certificate_jws text;
ALTER TABLE erasures ADD COLUMN finalised_at bigint;

-- Details of the audit log go after a while; the chain stays.
ALTER TABLE audit_details ADD COLUMN at bigint;
CREATE INDEX audit_details_by_age ON audit_details (workspace_id, at);

-- What is over is found without reading what is not.
CREATE INDEX chats_by_age ON chats (workspace_id, updated_at);
CREATE INDEX visitors_by_age ON visitors (workspace_id, last_seen_at);
CREATE INDEX deliveries_by_age ON deliveries (workspace_id, finished_at);
CREATE INDEX sessions_by_age ON sessions (created_at);
