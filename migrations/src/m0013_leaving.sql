-- Leaving: archives of a whole workspace, and its end, which outlives it.

CREATE TABLE workspace_exports (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    state text NOT NULL,
    idempotency_key text NOT NULL,
    requested_at bigint NOT NULL,
    requested_by uuid,
    began_at bigint,
    work_total bigint NOT NULL,
    work_done bigint NOT NULL,
    archived_rows bigint,
    failure text,
    ready_at bigint,
    kept_until bigint,
    expires_at bigint,
    fetched_at bigint,
    bytes bigint,
    blob_key text,
    link_hash bytea,
    PRIMARY KEY (workspace_id, id),
    UNIQUE (workspace_id, idempotency_key)
);

CREATE TABLE terminations (
    id uuid NOT NULL PRIMARY KEY,
    ended_workspace_id uuid NOT NULL,
    choice text NOT NULL,
    state text NOT NULL,
    requested_at bigint NOT NULL,
    requested_by uuid,
    purge_at bigint NOT NULL,
    cancelled_at bigint,
    export_id uuid,
    receipt_hash bytea,
    reminders bigint NOT NULL,
    steps text NOT NULL,
    kept text NOT NULL,
    kept_sealed bytea,
    purged_at bigint,
    certificate_jws text,
    finalised_at bigint,
    final_certificate_jws text,
    alerted_at bigint
);
CREATE UNIQUE INDEX terminations_under_way ON terminations (ended_workspace_id) WHERE cancelled_at IS NULL;

ALTER TABLE workspaces ADD COLUMN closing_at bigint;
