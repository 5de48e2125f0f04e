-- Roles of a workspace's own: a name for some of what one of the roles may do.

CREATE TABLE custom_roles (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    permissions text NOT NULL,
    created_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, id)
);
CREATE UNIQUE INDEX custom_roles_by_name ON custom_roles (workspace_id, name);

ALTER TABLE memberships ADD COLUMN custom_role_id uuid;
ALTER TABLE memberships ADD COLUMN permissions text;
ALTER TABLE invitations ADD COLUMN custom_role_id uuid;
