-- Versions of keys: which root key wraps, from when on a key seals, and what looks values up whichever version seals.

CREATE TABLE {keys}root_versions (
    version bigint NOT NULL PRIMARY KEY,
    provider text NOT NULL,
    mark text NOT NULL,
    created_at bigint NOT NULL,
    begins_at bigint NOT NULL,
    retired_at bigint,
    destroyed_at bigint
);

CREATE TABLE {keys}look_up_keys (
    key_workspace_id uuid NOT NULL PRIMARY KEY,
    wrapped bytea NOT NULL,
    created_at bigint NOT NULL
);

ALTER TABLE {keys}workspace_keys ADD COLUMN begins_at bigint;
ALTER TABLE {keys}workspace_keys ADD COLUMN unreferenced_at bigint;
ALTER TABLE {keys}workspace_keys ADD COLUMN removed_at bigint;
