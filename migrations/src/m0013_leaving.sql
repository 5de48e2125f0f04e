-- Leaving: archives of a whole workspace.

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
