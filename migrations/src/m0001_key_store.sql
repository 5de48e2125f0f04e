-- The key store is apart from the data, so that an old backup of the data can never bring an erased person's key back:
-- a file of its own on SQLite, the schema `keys` on Postgres. All keys here are wrapped by the root key.

CREATE TABLE {keys}workspace_keys (
    key_workspace_id uuid NOT NULL,
    version bigint NOT NULL,
    wrapped bytea NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (key_workspace_id, version)
);

CREATE TABLE {keys}subject_keys (
    key_workspace_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    wrapped bytea,
    created_at bigint NOT NULL,
    shredded_at bigint,
    PRIMARY KEY (key_workspace_id, subject_id)
);
