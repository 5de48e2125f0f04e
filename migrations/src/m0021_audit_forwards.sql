-- Plugins that a workspace's audit log is sent to, and how far it was.

CREATE TABLE audit_forwards (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    plugin_id text NOT NULL,
    seq bigint NOT NULL,
    failures bigint NOT NULL,
    next_at bigint NOT NULL,
    sent_at bigint,
    last_error text,
    PRIMARY KEY (workspace_id, plugin_id)
);
