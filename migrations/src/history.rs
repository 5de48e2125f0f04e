//! The history itself: what was done to the data and to the key store, in order.

use sea_orm_migration::{
    prelude::*,
    sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, DbErr},
};

use crate::{dialect, expiry, isolation, leaving, restriction};

const FIRST_TABLES: &str = include_str!("m0001_first_tables.sql");
const LOST_CLAIMS: &str = include_str!("m0002_lost_claims.sql");
const SEARCH: &str = include_str!("m0003_search.sql");
const SOURCES: &str = include_str!("m0004_sources.sql");
const EMBEDDING_CHANGES: &str = include_str!("m0005_embedding_changes.sql");
const SOURCE_CARE: &str = include_str!("m0006_source_care.sql");
const ESCALATIONS: &str = include_str!("m0007_escalations.sql");
const MODELS: &str = include_str!("m0008_models.sql");
const PEOPLES_RIGHTS: &str = include_str!("m0009_peoples_rights.sql");
const PRIVACY: &str = include_str!("m0010_privacy.sql");
const BACKUPS: &str = include_str!("m0011_backups.sql");
const ACCOUNTS: &str = include_str!("m0012_accounts.sql");
const LEAVING: &str = include_str!("m0013_leaving.sql");
const RIGHTS: &str = include_str!("m0014_rights.sql");
const ALERTS: &str = include_str!("m0015_alerts.sql");
const ACCESS_REVIEW: &str = include_str!("m0016_access_review.sql");
const SINGLE_SIGN_ON: &str = include_str!("m0017_single_sign_on.sql");
const CUSTOM_ROLES: &str = include_str!("m0020_custom_roles.sql");
const AUDIT_FORWARDS: &str = include_str!("m0021_audit_forwards.sql");
const PASSKEYS: &str = include_str!("m0022_passkeys.sql");
const CHAT_READS: &str = include_str!("m0023_chat_reads.sql");
const SIGN_ON_DOMAINS: &str = include_str!("m0024_sign_on_domains.sql");
const FIRST_KEY_STORE: &str = include_str!("m0001_key_store.sql");
const KEY_VERSIONS: &str = include_str!("m0018_key_store.sql");

/// Scripts of the data, oldest first. Append; never change one that was released.
const DATA: &[(&str, &str)] = &[
    ("m0001_first_tables", FIRST_TABLES),
    ("m0002_lost_claims", LOST_CLAIMS),
    ("m0003_search", SEARCH),
    ("m0004_sources", SOURCES),
    ("m0005_embedding_changes", EMBEDDING_CHANGES),
    ("m0006_source_care", SOURCE_CARE),
    ("m0007_escalations", ESCALATIONS),
    ("m0008_models", MODELS),
    ("m0009_peoples_rights", PEOPLES_RIGHTS),
    ("m0010_privacy", PRIVACY),
    ("m0011_backups", BACKUPS),
    ("m0012_accounts", ACCOUNTS),
    ("m0013_leaving", LEAVING),
    ("m0014_rights", RIGHTS),
    ("m0015_alerts", ALERTS),
    ("m0016_access_review", ACCESS_REVIEW),
    ("m0017_single_sign_on", SINGLE_SIGN_ON),
    ("m0020_custom_roles", CUSTOM_ROLES),
    ("m0021_audit_forwards", AUDIT_FORWARDS),
    ("m0022_passkeys", PASSKEYS),
    ("m0023_chat_reads", CHAT_READS),
    ("m0024_sign_on_domains", SIGN_ON_DOMAINS),
];

/// Scripts of the key store, oldest first.
const KEYS: &[(&str, &str)] = &[("m0001_key_store", FIRST_KEY_STORE), ("m0018_key_store", KEY_VERSIONS)];

/// One script as a step of the history.
struct Script {
    name: &'static str,
    sql: &'static str,
}

impl MigrationName for Script {
    fn name(&self) -> &str {
        self.name
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Script {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let backend = db.get_database_backend();
        for statement in dialect::statements(self.sql, backend) {
            db.execute_unprepared(&statement).await?;
        }
        if backend == DbBackend::Postgres {
            for table in dialect::tables(self.sql).into_iter().filter(|t| isolation::is_scoped(self.sql, t)) {
                for statement in isolation::isolate(table) {
                    db.execute_unprepared(&statement).await?;
                }
            }
        }
        Ok(())
    }
}

struct Data;

impl MigratorTrait for Data {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        DATA.iter().map(|&(name, sql)| Box::new(Script { name, sql }) as Box<dyn MigrationTrait>).collect()
    }
}

struct Keys;

impl MigratorTrait for Keys {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        KEYS.iter().map(|&(name, sql)| Box::new(Script { name, sql }) as Box<dyn MigrationTrait>).collect()
    }

    fn migration_table_name() -> DynIden {
        Alias::new("key_store_migrations").into_iden()
    }
}

/// Brings the data up to date and, on Postgres, gives the application role what it needs. May be repeated.
///
/// # Errors
/// What the database answers.
pub async fn migrate_data(db: &DatabaseConnection, application_role: Option<&str>) -> Result<(), DbErr> {
    Data::up(db, None).await?;
    restriction::guard(db).await?;
    expiry::make(db, application_role).await?;
    leaving::install(db, application_role).await?;
    if let Some(role) = application_role {
        let scripts = DATA.iter().flat_map(|(_, sql)| dialect::tables(sql));
        for statement in scripts.flat_map(|table| isolation::grant(table, role)) {
            db.execute_unprepared(&statement).await?;
        }
        let role = isolation::quote_identifier(role);
        db.execute_unprepared(&format!("GRANT SELECT ON seaql_migrations TO {role}")).await?;
    }
    Ok(())
}

/// As [`migrate_data`], up to this step and no further: for what was written when the history ended there.
///
/// # Errors
/// What the database answers; `Custom` where the history has no such step, or the database is past it.
pub async fn migrate_data_to(db: &DatabaseConnection, application_role: Option<&str>, last: &str) -> Result<(), DbErr> {
    let missing = pending(db).await?;
    let Some(at) = missing.iter().position(|name| name == last) else {
        return Err(DbErr::Custom(format!("{last} is not among the steps that are left")));
    };
    Data::up(db, Some(at as u32 + 1)).await?;
    let Some(role) = application_role else { return Ok(()) };
    let done = applied(db).await?;
    let scripts = DATA.iter().filter(|(name, _)| done.iter().any(|step| step == name));
    for statement in scripts.flat_map(|(_, sql)| dialect::tables(sql)).flat_map(|table| isolation::grant(table, role)) {
        db.execute_unprepared(&statement).await?;
    }
    let role = isolation::quote_identifier(role);
    db.execute_unprepared(&format!("GRANT SELECT ON seaql_migrations TO {role}")).await.map(drop)
}

/// The steps of the data's history, oldest first.
pub fn data_steps() -> Vec<&'static str> {
    DATA.iter().map(|(name, _)| *name).collect()
}

/// Lets a role read every table of the data, and nothing else: the second reader of erasures. Postgres only.
///
/// # Errors
/// What the database answers.
pub async fn grant_reading(db: &DatabaseConnection, role: &str) -> Result<(), DbErr> {
    let role = isolation::quote_identifier(role);
    for table in DATA.iter().flat_map(|(_, sql)| dialect::tables(sql)) {
        db.execute_unprepared(&format!("GRANT SELECT ON {table} TO {role}")).await?;
    }
    Ok(())
}

/// Brings the key store up to date. On Postgres it is the schema `keys`, whose dead rows are vacuumed at once, so that a
/// shredded key does not outlive its row by long.
///
/// # Errors
/// What the database answers.
pub async fn migrate_keys(db: &DatabaseConnection, application_role: Option<&str>) -> Result<(), DbErr> {
    let backend = db.get_database_backend();
    if backend == DbBackend::Postgres {
        db.execute_unprepared("CREATE SCHEMA IF NOT EXISTS keys").await?;
    }
    Keys::up(db, None).await?;
    if backend == DbBackend::Postgres {
        for table in key_tables() {
            let keenest = "autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0";
            db.execute_unprepared(&format!("ALTER TABLE keys.{table} SET ({keenest})")).await?;
        }
    }
    if let Some(role) = application_role {
        let quoted = isolation::quote_identifier(role);
        db.execute_unprepared(&format!("GRANT USAGE ON SCHEMA keys TO {quoted}")).await?;
        for table in KEYS.iter().flat_map(|(_, sql)| dialect::tables(sql)) {
            db.execute_unprepared(&format!("GRANT SELECT, INSERT, UPDATE ON keys.{table} TO {quoted}")).await?;
        }
    }
    Ok(())
}

/// Names of the steps that the data still lacks.
///
/// # Errors
/// What the database answers; a database without any table of ours lacks them all.
pub async fn pending(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let done = applied(db).await?;
    Ok(DATA.iter().map(|(name, _)| (*name).to_owned()).filter(|name| !done.contains(name)).collect())
}

/// Names of the steps that were applied to the data, read without writing anything.
///
/// # Errors
/// What the database answers.
pub async fn applied(db: &DatabaseConnection) -> Result<Vec<String>, DbErr> {
    let exists = match db.get_database_backend() {
        DbBackend::Postgres => "SELECT 1 AS found FROM pg_tables WHERE tablename = 'seaql_migrations'",
        _ => "SELECT 1 AS found FROM sqlite_master WHERE name = 'seaql_migrations'",
    };
    if db.query_one_raw(statement(db, exists)).await?.is_none() {
        return Ok(Vec::new());
    }
    let rows = db.query_all_raw(statement(db, "SELECT version FROM seaql_migrations ORDER BY version")).await?;
    rows.iter().map(|row| row.try_get("", "version")).collect()
}

fn statement(db: &DatabaseConnection, sql: &str) -> sea_orm_migration::sea_orm::Statement {
    sea_orm_migration::sea_orm::Statement::from_string(db.get_database_backend(), sql)
}

/// The tables of the data, and for each whether it is scoped by workspace.
pub fn data_tables() -> Vec<(&'static str, bool)> {
    DATA.iter()
        .flat_map(|(_, sql)| dialect::tables(sql).into_iter().map(|table| (table, isolation::is_scoped(sql, table))))
        .collect()
}

/// The tables of the key store.
pub fn key_tables() -> Vec<&'static str> {
    KEYS.iter().flat_map(|(_, sql)| dialect::tables(sql)).collect()
}
