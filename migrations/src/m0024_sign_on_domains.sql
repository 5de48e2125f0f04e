-- Whether the record by which a domain counts is still there.

ALTER TABLE sign_on_domains ADD COLUMN missing_since bigint;
