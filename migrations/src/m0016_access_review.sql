-- When somebody last confirmed that a member still needs what they may do, and since when that is asked.

ALTER TABLE memberships ADD COLUMN reviewed_at bigint;
ALTER TABLE memberships ADD COLUMN review_asked_at bigint;
