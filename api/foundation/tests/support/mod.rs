//! A migrated, empty store for tests: SQLite in a temporary folder, or, where `CONSIGNE_TEST_POSTGRES` names a Postgres
//! as a superuser, a database of its own there, opened as a role that owns nothing.
//!
//! Unit tests of this crate use it as `crate::vault::support`. A test in `api/foundation/tests` says `mod support;` and
//! `use consigne_foundation::*;` at its root, so that `crate::store` is found there too.

use std::str::FromStr;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, SqlxPostgresConnector,
    sqlx::{
        ConnectOptions,
        postgres::{PgConnectOptions, PgPoolOptions},
    },
};
use tempfile::TempDir;

use crate::{
    clock::{Clock, Timestamp},
    id::random_uuid,
    store::{Store, StoreSettings, connect::connect_as_owner},
    vault::RootKey,
};

/// The root key of every test store.
pub const ROOT: [u8; 32] = *b"a root key for tests, 32 bytes..";

/// The role that tests on Postgres connect as.
const APPLICATION_ROLE: &str = "consigne_test_application";

/// A store and what it stands on. Dropped, a SQLite folder goes; a Postgres database stays until the server does.
pub struct TestStore {
    /// The store.
    pub store: Store,
    /// Its clock, standing until a test turns it.
    pub clock: Clock,
    /// How it was opened, to open it again.
    pub settings: StoreSettings,
    /// The owner of the tables: for looking at bytes and for tampering.
    pub owner: DatabaseConnection,
    /// `data.db` and `keys.db`; empty on Postgres, and a place for other files.
    pub folder: TempDir,
}

impl TestStore {
    /// Opens the same database anew, as after a restart.
    pub async fn reopened(&self) -> Store {
        let opened = Store::open(&self.settings, RootKey::from_bytes(ROOT), self.clock.clone()).await;
        opened.expect("the store opens again")
    }
}

/// A migrated, empty store.
pub async fn open() -> TestStore {
    let test = open_to_fill().await;
    test.store.vault().doctor().await.expect("the key store opens");
    test
}

/// The same, with a key store that nothing was written into: for a restore.
#[expect(clippy::disallowed_methods, reason = "tests have no configuration but this variable")]
pub async fn open_to_fill() -> TestStore {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    match std::env::var("CONSIGNE_TEST_POSTGRES") {
        Ok(url) => open_postgres(&url, folder).await,
        Err(_) => open_sqlite(folder).await,
    }
}

async fn open_sqlite(folder: TempDir) -> TestStore {
    let settings = StoreSettings {
        url: format!("sqlite:{}", folder.path().join("data.db").display()),
        key_store: folder.path().join("keys.db"),
        max_connections: 4,
    };
    let (owner, keys) = connect_as_owner(&settings).await.expect("SQLite opens");
    consigne_migrations::migrate_data(&owner, None).await.expect("the data migrates");
    consigne_migrations::migrate_keys(&keys, None).await.expect("the key store migrates");
    keys.close().await.expect("the key store closes");
    finish(settings, owner, folder).await
}

async fn open_postgres(superuser: &str, folder: TempDir) -> TestStore {
    let server = PgConnectOptions::from_str(superuser).expect("CONSIGNE_TEST_POSTGRES is a Postgres URL");
    let database = format!("consigne_test_{}", random_uuid().as_simple());
    let admin = pool(server.clone()).await;
    // Tests run at once, and a role belongs to the whole server: one makes it, the others find it.
    let role = format!(
        "DO $$ BEGIN CREATE ROLE {APPLICATION_ROLE} LOGIN PASSWORD '{APPLICATION_ROLE}' NOSUPERUSER NOBYPASSRLS; \
         EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    );
    admin.execute_unprepared(&role).await.expect("the application role can be made");
    admin.execute_unprepared(&format!("CREATE DATABASE {database}")).await.expect("a database can be made");
    admin.close().await.expect("the connection closes");

    let owner = pool(server.clone().database(&database)).await;
    consigne_migrations::migrate_data(&owner, Some(APPLICATION_ROLE)).await.expect("the data migrates");
    consigne_migrations::migrate_keys(&owner, Some(APPLICATION_ROLE)).await.expect("the key store migrates");
    let application = server.database(&database).username(APPLICATION_ROLE).password(APPLICATION_ROLE);
    let settings = StoreSettings {
        url: application.to_url_lossy().to_string(),
        key_store: folder.path().join("keys.db"),
        max_connections: 8,
    };
    finish(settings, owner, folder).await
}

async fn pool(options: PgConnectOptions) -> DatabaseConnection {
    let pool = PgPoolOptions::new().max_connections(2).connect_with(options.disable_statement_logging()).await;
    SqlxPostgresConnector::from_sqlx_postgres_pool(pool.expect("Postgres answers"))
}

async fn finish(settings: StoreSettings, owner: DatabaseConnection, folder: TempDir) -> TestStore {
    let clock = Clock::fixed(Timestamp(1_790_000_000_000));
    let store = Store::open_to_fill(&settings, RootKey::from_bytes(ROOT), clock.clone()).await;
    let store = store.expect("the store opens");
    TestStore { store, clock, settings, owner, folder }
}

#[tokio::test]
async fn a_fresh_store_opens_twice_and_answers() {
    let test = open().await;
    test.store.ping().await.expect("it answers");
    test.reopened().await.ping().await.expect("it answers again");
    test.owner.ping().await.expect("the owner is connected");
    assert!(test.folder.path().is_dir() && test.clock.now() == test.store.now());
}
