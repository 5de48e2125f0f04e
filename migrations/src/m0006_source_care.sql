-- A source can be kept out of every search, is made once for one key, and forgets pages although others of it keep failing.

ALTER TABLE sources ADD COLUMN quarantined_at bigint;
ALTER TABLE sources ADD COLUMN idempotency_key text;
CREATE UNIQUE INDEX sources_by_key ON sources (workspace_id, idempotency_key);

ALTER TABLE source_pages ADD COLUMN failures bigint NOT NULL DEFAULT 0;
ALTER TABLE source_pages ADD COLUMN found_on uuid;

-- Passages from before words were counted.
CREATE INDEX passages_without_terms ON passages (workspace_id, document_id) WHERE terms_sealed IS NULL;
