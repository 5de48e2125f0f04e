//! Connecting, with the settings that isolation and erasure rest on.

use std::{path::PathBuf, str::FromStr, time::Duration};

use sea_orm::{
    ConnectionTrait, DatabaseConnection, SqlxPostgresConnector, SqlxSqliteConnector,
    sqlx::{
        self, AssertSqlSafe, ConnectOptions, Executor,
        postgres::{PgConnectOptions, PgListener, PgPool, PgPoolOptions},
        sqlite::{
            SqliteAutoVacuum, SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqlitePoolOptions,
            SqliteSynchronous,
        },
    },
};

use super::notices::{self, Notices};
use crate::error::{Error, ErrorKind, Result};

/// Where the database is.
#[derive(Clone)]
pub struct StoreSettings {
    /// `sqlite:PATH` or `postgres://...` (as the application role).
    pub url: String,
    /// SQLite only: the file of the key store. On Postgres the key store is the schema `keys` of the same database.
    pub key_store: PathBuf,
    /// Connections for reading (and, on Postgres, for writing).
    pub max_connections: u32,
}

/// Statements that each connection keeps prepared: more than the product has for one connection.
const STATEMENTS: usize = 500;

/// Rows that SQLite's thread hands over without waiting for whoever reads them.
const ROWS_AHEAD: usize = 1_000;

/// Connections for the key store on Postgres, one of which listens.
const KEY_CONNECTIONS: u32 = 4;

pub(crate) struct Connected {
    pub reader: DatabaseConnection,
    /// Reads restricted data too; the same as the reader on Postgres, where a transaction says so itself.
    pub rights_reader: DatabaseConnection,
    pub writer: DatabaseConnection,
    /// Writes without waiting for the disk; the same as the writer on Postgres, where a transaction says so itself.
    pub relaxed_writer: DatabaseConnection,
    pub keys: DatabaseConnection,
    /// SQLite's write-ahead log.
    pub log: Option<PathBuf>,
    pub notices: Notices,
}

/// Connects. A SQLite file that is not there yet is made.
pub(crate) async fn connect(settings: &StoreSettings) -> Result<Connected> {
    if settings.url.starts_with("sqlite:") {
        connect_sqlite(settings).await
    } else if settings.url.starts_with("postgres:") || settings.url.starts_with("postgresql:") {
        connect_postgres(settings).await
    } else {
        Err(Error::new(ErrorKind::Misconfigured, "The database URL has to start with sqlite: or postgres:."))
    }
}

/// The connections through which the owner migrates: the data and the key store.
///
/// # Errors
/// `Unavailable`, `Misconfigured`.
pub async fn connect_as_owner(settings: &StoreSettings) -> Result<(DatabaseConnection, DatabaseConnection)> {
    let connected = connect(settings).await?;
    Ok((connected.writer, connected.keys))
}

/// One writer: SQLite has one anyway. The second one commits without waiting for the disk; [`super::Store`] lets one of both
/// write at a time, in turn, which its busy handler would not.
async fn connect_sqlite(settings: &StoreSettings) -> Result<Connected> {
    let data = sqlite_options(&settings.url)?.journal_mode(SqliteJournalMode::Wal);
    // A rollback journal that is truncated leaves no old key behind, as a write-ahead log would until its checkpoint.
    let keys =
        sqlite_options(&format!("sqlite:{}", settings.key_store.display()))?.journal_mode(SqliteJournalMode::Truncate);
    let mut log = data.get_filename().as_os_str().to_owned();
    log.push("-wal");
    // A file does not hang up: no connection is asked for a sign of life before it is used, which is a way to its thread and back.
    let pool = |size: u32| {
        let options = SqlitePoolOptions::new().max_connections(size).acquire_timeout(Duration::from_secs(30));
        options.test_before_acquire(false)
    };
    let writer = pool(1).connect_with(data.clone()).await.map_err(unreachable_database)?;
    let relaxed = data.clone().synchronous(SqliteSynchronous::Normal);
    let relaxed = pool(1).connect_with(relaxed).await.map_err(unreachable_database)?;
    let rights_reader = pool(settings.max_connections).connect_lazy_with(data.clone());
    let reader = pool(settings.max_connections).after_connect(|connection, _| Box::pin(hide_restricted(connection)));
    let reader = reader.connect_with(data).await.map_err(unreachable_database)?;
    let keys = pool(1).connect_with(keys).await.map_err(unreachable_database)?;
    Ok(Connected {
        reader: SqlxSqliteConnector::from_sqlx_sqlite_pool(reader),
        rights_reader: SqlxSqliteConnector::from_sqlx_sqlite_pool(rights_reader),
        writer: SqlxSqliteConnector::from_sqlx_sqlite_pool(writer),
        relaxed_writer: SqlxSqliteConnector::from_sqlx_sqlite_pool(relaxed),
        keys: SqlxSqliteConnector::from_sqlx_sqlite_pool(keys),
        log: Some(log.into()),
        notices: Notices::new(),
    })
}

/// Puts a view of this connection's own before each table about people: it shows what the table holds, but for people whose
/// data is restricted. Writers have no views, and the product reads through them only where it serves a person's rights.
/// Those who come in are recognised by `visitors`, and what serves rights is not hidden.
async fn hide_restricted(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    const NOT_HIDDEN: &str = "'visitors', 'audit_details', 'consents', 'data_exports', 'erasures', 'holds', 'objections', 'privacy_requests', \
         'restrictions', 'subject_identifiers'";
    connection.execute("PRAGMA temp_store = MEMORY").await?;
    let about_people = format!(
        "SELECT m.name FROM main.sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' \
         AND c.name = 'subject_id' AND m.name NOT IN ({NOT_HIDDEN}) \
         AND EXISTS (SELECT 1 FROM pragma_table_info('subjects') WHERE name = 'restricted_at')"
    );
    let tables: Vec<String> = sqlx::query_scalar(AssertSqlSafe(about_people)).fetch_all(&mut *connection).await?;
    for table in tables {
        let view = format!(
            "CREATE TEMP VIEW \"{table}\" AS SELECT * FROM main.\"{table}\" WHERE subject_id IS NULL OR subject_id NOT IN \
             (SELECT id FROM main.subjects WHERE restricted_at IS NOT NULL AND state = 'ACTIVE')"
        );
        connection.execute(AssertSqlSafe(view)).await?;
    }
    Ok(())
}

fn sqlite_options(url: &str) -> Result<SqliteConnectOptions> {
    Ok(SqliteConnectOptions::from_str(url)
        .map_err(|_| Error::new(ErrorKind::Misconfigured, "The SQLite URL cannot be read; write sqlite:PATH."))?
        .create_if_missing(true)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(10))
        .synchronous(SqliteSynchronous::Full)
        .auto_vacuum(SqliteAutoVacuum::Incremental)
        .pragma("secure_delete", "ON")
        .statement_cache_capacity(STATEMENTS)
        .row_buffer_size(ROWS_AHEAD)
        .disable_statement_logging())
}

/// Waits until all that was committed is on disk. A log that was emptied meanwhile is in the database file, on disk.
pub(crate) async fn write_to_disk(log: PathBuf) -> Result<()> {
    let written = tokio::task::spawn_blocking(move || std::fs::File::open(log)?.sync_data()).await;
    match written {
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Ok(written) => written
            .map_err(|e| Error::new(ErrorKind::Unavailable, "The database cannot be written to disk.").because(e)),
        Err(_) => Err(Error::internal("writing to disk panicked")),
    }
}

/// Rows that were deleted are overwritten already (`secure_delete`); the log is emptied and free pages given back.
pub(crate) async fn purge_sqlite(writer: &DatabaseConnection) -> Result<()> {
    writer.execute_unprepared("PRAGMA incremental_vacuum").await?;
    let row = writer
        .query_one_raw(sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, "PRAGMA wal_checkpoint(TRUNCATE)"))
        .await?
        .ok_or_else(|| Error::internal("SQLite did not answer a checkpoint."))?;
    let busy: i32 = row.try_get_by_index(0)?;
    if busy != 0 {
        return Err(Error::new(ErrorKind::Unavailable, "A reader keeps the write-ahead log from being emptied."));
    }
    Ok(())
}

async fn connect_postgres(settings: &StoreSettings) -> Result<Connected> {
    let options = PgConnectOptions::from_str(&settings.url)
        .map_err(|_| Error::new(ErrorKind::Misconfigured, "The Postgres URL cannot be read."))?
        .application_name("consigne")
        .statement_cache_capacity(STATEMENTS)
        .disable_statement_logging();
    let pool = postgres_pool(&options, settings.max_connections).await?;
    // A transaction that waits for a key must not wait for a connection that other transactions hold.
    let keys = postgres_pool(&options, KEY_CONNECTIONS).await?;
    let listener = PgListener::connect_with(&keys).await.map_err(unreachable_database)?;
    let notices = Notices::new();
    notices::listen_to_postgres(listener, notices.clone()).await?;
    let db = SqlxPostgresConnector::from_sqlx_postgres_pool(pool);
    let keys = SqlxPostgresConnector::from_sqlx_postgres_pool(keys);
    let (reader, rights_reader, writer) = (db.clone(), db.clone(), db.clone());
    Ok(Connected { reader, rights_reader, writer, relaxed_writer: db, keys, log: None, notices })
}

/// A connection of another role, on Postgres, for looking.
pub(crate) async fn connect_reader(url: &str) -> Result<DatabaseConnection> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| Error::new(ErrorKind::Misconfigured, "The Postgres URL of the second reader cannot be read."))?
        .application_name("consigne second reader")
        .disable_statement_logging();
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(postgres_pool(&options, 1).await?))
}

/// sqlx 0.9 can give a connection back inside an open transaction when a future is dropped in `begin()`
/// (transact-rs/sqlx#4393), so each connection is rolled back and reset on its way into the pool. The product's own connections
/// see restricted data until a reading transaction says that it must not; whoever else uses the role sees none.
async fn postgres_pool(options: &PgConnectOptions, connections: u32) -> Result<PgPool> {
    PgPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute("SET app.sees_restricted = 'yes'").await.map(drop) })
        })
        .after_release(|connection, _| {
            Box::pin(async move {
                connection.execute("ROLLBACK; RESET ALL; SET app.sees_restricted = 'yes'").await?;
                Ok(true)
            })
        })
        .connect_with(options.clone())
        .await
        .map_err(unreachable_database)
}

/// sqlx's own words may quote the URL with its password.
pub(crate) fn unreachable_database(error: sea_orm::sqlx::Error) -> Error {
    use sea_orm::sqlx::Error as Sqlx;
    let why = match &error {
        Sqlx::Io(io) => format!("{}", io.kind()),
        Sqlx::Tls(_) => "TLS failed".to_owned(),
        Sqlx::PoolTimedOut => "no connection was free in time".to_owned(),
        Sqlx::Database(inner) => format!("it answered with code {}", inner.code().unwrap_or_default()),
        _ => "it cannot be opened".to_owned(),
    };
    Error::new(ErrorKind::Unavailable, format!("The database cannot be reached: {why}."))
}
