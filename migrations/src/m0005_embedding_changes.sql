-- With which embedding model a workspace is searched, how that changes, and vectors of a model that is to come. A passage's own
-- vector stays in its row; one of another model lies beside it until the change is over and it has taken the place of the first.

CREATE TABLE search_models (
    workspace_id uuid NOT NULL PRIMARY KEY REFERENCES workspaces (id),
    model_fingerprint bytea NOT NULL,
    model_name text NOT NULL,
    dimensions bigint NOT NULL,
    plugin_id text NOT NULL,
    is_chosen boolean NOT NULL,
    since bigint NOT NULL
);

CREATE TABLE embedding_changes (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    state text NOT NULL,
    from_fingerprint bytea NOT NULL,
    from_name text NOT NULL,
    from_dimensions bigint NOT NULL,
    to_fingerprint bytea NOT NULL,
    to_name text NOT NULL,
    to_dimensions bigint NOT NULL,
    to_plugin_id text NOT NULL,
    is_chosen boolean NOT NULL,
    passages_total bigint NOT NULL,
    passages_done bigint NOT NULL,
    failure_message text,
    started_at bigint NOT NULL,
    switched_at bigint,
    ended_at bigint,
    cleared_at bigint,
    PRIMARY KEY (workspace_id, id)
);
CREATE UNIQUE INDEX embedding_changes_open ON embedding_changes (workspace_id) WHERE cleared_at IS NULL;

CREATE TABLE passage_vectors (
    workspace_id uuid NOT NULL,
    passage_id uuid NOT NULL,
    model_fingerprint bytea NOT NULL,
    vector_sealed bytea NOT NULL,
    PRIMARY KEY (workspace_id, passage_id, model_fingerprint),
    FOREIGN KEY (workspace_id, passage_id) REFERENCES passages (workspace_id, id) ON DELETE CASCADE
);
