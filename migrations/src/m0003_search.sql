-- Words of passages as keyed hashes, what documents can be filtered by, and where they came from.

ALTER TABLE passages ADD COLUMN terms_sealed bytea;

ALTER TABLE documents ADD COLUMN source_id uuid;
ALTER TABLE documents ADD COLUMN tags text NOT NULL DEFAULT '';
ALTER TABLE documents ADD COLUMN dated_at bigint;
CREATE INDEX documents_by_source ON documents (workspace_id, source_id);

ALTER TABLE uploads ADD COLUMN tags text NOT NULL DEFAULT '';
ALTER TABLE uploads ADD COLUMN dated_at bigint;

ALTER TABLE workspaces ADD COLUMN passages bigint NOT NULL DEFAULT 0;
UPDATE workspaces SET passages = (SELECT count(*) FROM passages AS p WHERE p.workspace_id = workspaces.id AND p.knowledge_version > 0);

-- How many findable passages have a term: what tells a telling word from a common one.
CREATE TABLE lexicon (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    term bigint NOT NULL,
    passages bigint NOT NULL,
    PRIMARY KEY (workspace_id, term)
);
