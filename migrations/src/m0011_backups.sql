-- Backups and the drills that prove them, what keeps an item from being erased, and how long a workspace keeps what.

CREATE TABLE backups (
    id uuid NOT NULL PRIMARY KEY,
    place text NOT NULL,
    state text NOT NULL,
    began_at bigint NOT NULL,
    finished_at bigint,
    bytes bigint,
    stored_rows bigint,
    files bigint,
    ledger_entries bigint,
    failure text,
    gone_at bigint
);
CREATE INDEX backups_by_time ON backups (began_at);

CREATE TABLE restore_drills (
    id uuid NOT NULL PRIMARY KEY,
    backup_id uuid,
    began_at bigint NOT NULL,
    finished_at bigint NOT NULL,
    has_passed boolean NOT NULL,
    failure text,
    report_jws text NOT NULL
);
CREATE INDEX restore_drills_by_time ON restore_drills (finished_at);
