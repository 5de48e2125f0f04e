//! Restricted data (GDPR art. 18) is guarded by the database itself: whatever a statement forgets, nothing is written about a
//! person whose data is restricted, and a transaction that reads for anything but the person's rights sees none of it.
//!
//! Every table with a `subject_id` is guarded, the one added tomorrow too, but for those by which rights are served and
//! which say what was done. On SQLite readers see the tables through views that the product's own connections make
//! (`store::connect`); on Postgres through a policy. Once an erasure has begun the guard lets go: deleting is what is
//! left to do.

use sea_orm_migration::sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr, Statement};

/// Tables by which rights are served, and which say what was done: a restriction must not stop them.
const SERVE_RIGHTS: &[&str] = &[
    "audit_details",
    "consents",
    "data_exports",
    "erasures",
    "holds",
    "objections",
    "privacy_requests",
    "restrictions",
    "subject_identifiers",
];

/// Who comes in is recognised by these, so they are read, though nothing is written.
const RECOGNISED_BY: &[&str] = &["visitors"];

/// Guards every table that needs it and is not guarded yet.
///
/// # Errors
/// What the database answers.
pub async fn guard(db: &DatabaseConnection) -> Result<(), DbErr> {
    let backend = db.get_database_backend();
    if backend == DbBackend::Postgres {
        db.execute_unprepared(REFUSE).await?;
    }
    let guarded = names(db, guards_of(backend)).await?;
    for table in names(db, tables_about_people(backend)).await? {
        if SERVE_RIGHTS.contains(&table.as_str()) {
            continue;
        }
        for (guard, statement) in guards(backend, &table) {
            if !guarded.contains(&guard) {
                db.execute_unprepared(&statement).await?;
            }
        }
    }
    Ok(())
}

/// The function behind the triggers on Postgres.
const REFUSE: &str = "CREATE OR REPLACE FUNCTION refuse_restricted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
    IF EXISTS (SELECT 1 FROM subjects s WHERE s.workspace_id = NEW.workspace_id AND s.id = NEW.subject_id \
    AND s.restricted_at IS NOT NULL AND s.state = 'ACTIVE') THEN \
    RAISE EXCEPTION USING ERRCODE = 'CN018', MESSAGE = 'restricted'; END IF; RETURN NEW; END $$";

/// What guards a table, by name.
fn guards(backend: DbBackend, table: &str) -> Vec<(String, String)> {
    let trigger = |event: &str| {
        let name = format!("restricted_{}_{table}", event.to_ascii_lowercase());
        let sql = if backend == DbBackend::Postgres {
            format!("CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION refuse_restricted()")
        } else {
            format!(
                "CREATE TRIGGER {name} BEFORE {event} ON {table} WHEN EXISTS (SELECT 1 FROM subjects s \
                 WHERE s.workspace_id = NEW.workspace_id AND s.id = NEW.subject_id \
                 AND s.restricted_at IS NOT NULL AND s.state = 'ACTIVE') BEGIN SELECT RAISE(ABORT, 'restricted'); END"
            )
        };
        (name, sql)
    };
    let mut all = vec![trigger("INSERT"), trigger("UPDATE")];
    if backend == DbBackend::Postgres && !RECOGNISED_BY.contains(&table) {
        let name = format!("restricted_read_{table}");
        let sql = format!(
            "CREATE POLICY {name} ON {table} AS RESTRICTIVE FOR SELECT USING (subject_id IS NULL \
             OR current_setting('app.sees_restricted', true) = 'yes' OR subject_id <> ALL (ARRAY( \
             SELECT s.id FROM subjects s WHERE s.restricted_at IS NOT NULL AND s.state = 'ACTIVE')))"
        );
        all.push((name, sql));
    }
    all
}

fn guards_of(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => {
            "SELECT tgname::text AS name FROM pg_trigger WHERE tgname LIKE 'restricted%' \
             UNION SELECT policyname::text FROM pg_policies WHERE policyname LIKE 'restricted%'"
        }
        _ => "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'restricted%'",
    }
}

fn tables_about_people(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => {
            "SELECT table_name::text AS name FROM information_schema.columns \
             WHERE column_name = 'subject_id' AND table_schema = current_schema() ORDER BY 1"
        }
        _ => {
            "SELECT m.name AS name FROM sqlite_master m JOIN pragma_table_info(m.name) c \
             WHERE m.type = 'table' AND c.name = 'subject_id' ORDER BY 1"
        }
    }
}

async fn names(db: &DatabaseConnection, sql: &str) -> Result<Vec<String>, DbErr> {
    let rows = db.query_all_raw(Statement::from_string(db.get_database_backend(), sql)).await?;
    rows.iter().map(|row| row.try_get("", "name")).collect()
}
