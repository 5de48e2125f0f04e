-- Sources that documents are fetched from, and the pages of a website as the last crawl left them.

ALTER TABLE documents ADD COLUMN url text;

CREATE TABLE sources (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    state text NOT NULL,
    start_url text,
    sitemap_url text,
    include_paths text NOT NULL,
    exclude_paths text NOT NULL,
    tags text NOT NULL,
    max_depth bigint NOT NULL,
    max_pages bigint NOT NULL,
    delay_millis bigint NOT NULL,
    every_hours bigint,
    next_crawl_at bigint,
    crawl bigint NOT NULL,
    crawl_stage text NOT NULL,
    crawl_started_at bigint,
    crawl_finished_at bigint,
    fetched bigint NOT NULL,
    not_modified bigint NOT NULL,
    changed bigint NOT NULL,
    added bigint NOT NULL,
    removed bigint NOT NULL,
    refused bigint NOT NULL,
    failed bigint NOT NULL,
    failure_code text,
    failure_message text,
    progress_seq bigint NOT NULL,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    PRIMARY KEY (workspace_id, id)
);
CREATE INDEX sources_by_schedule ON sources (workspace_id, state, next_crawl_at);

CREATE TABLE source_pages (
    workspace_id uuid NOT NULL REFERENCES workspaces (id),
    id uuid NOT NULL,
    source_id uuid NOT NULL,
    url text NOT NULL,
    depth bigint NOT NULL,
    hops bigint NOT NULL,
    status text NOT NULL,
    etag text,
    last_modified text,
    content_hash bytea,
    document_id uuid,
    seen_in bigint NOT NULL,
    visited_in bigint NOT NULL,
    PRIMARY KEY (workspace_id, id),
    FOREIGN KEY (workspace_id, source_id) REFERENCES sources (workspace_id, id)
);
CREATE UNIQUE INDEX source_pages_by_url ON source_pages (workspace_id, source_id, url);
CREATE INDEX source_pages_by_crawl ON source_pages (workspace_id, source_id, seen_in, visited_in, depth, id);
