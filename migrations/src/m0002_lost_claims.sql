-- A worker that died says nothing about the job it held: how often that happened is counted apart from failures.
ALTER TABLE jobs ADD COLUMN claims bigint NOT NULL DEFAULT 0;
