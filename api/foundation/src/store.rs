//! The database: SQLite in one file, or Postgres with forced row-level security.
//!
//! A [`Store`] hands out transactions. [`WorkspaceTx`] belongs to one workspace: on Postgres its first statement names
//! the workspace for row-level security, so a statement without a predicate still sees own rows only. [`InstanceTx`]
//! sees the tables that belong to no workspace (accounts, sessions, jobs) and, on Postgres, no scoped row at all.
//!
//! Invariants, as absences:
//! - No connection leaves this module; features get a transaction, and a transaction needs a [`Scope`].
//! - No statement and no value is logged.
//! - No connection returns to the pool inside a transaction or with a workspace set.

pub mod connect;
pub mod entity;
pub mod notices;
pub mod probe;
pub mod replay;

use std::{
    ops::Deref,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, IsolationLevel,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};

use self::notices::To;
pub use self::{
    connect::StoreSettings,
    notices::{Notice, Notices, Topic},
};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{
    alerts::Signals,
    clock::{Clock, Timestamp},
    error::{Error, ErrorKind, Result},
    id::WorkspaceId,
    scope::Scope,
    vault::{Provider, Vault},
};

/// Longest wait for others to finish writing, on SQLite.
const LONGEST_WAIT_TO_WRITE: Duration = Duration::from_secs(30);

/// The database, its keys and its clock. Cheap to clone.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    reader: DatabaseConnection,
    /// Sees restricted data too; the same as the reader on Postgres, where a transaction says so itself.
    rights_reader: DatabaseConnection,
    writer: DatabaseConnection,
    relaxed_writer: DatabaseConnection,
    /// SQLite's write-ahead log.
    log: Option<PathBuf>,
    /// On SQLite one writes at a time, in the order in which they came.
    turn: Arc<Semaphore>,
    vault: Vault,
    clock: Clock,
    notices: Notices,
    signals: Signals,
}

impl Store {
    /// Connects to a migrated database and opens its key store.
    ///
    /// # Errors
    /// `Unavailable` where it cannot be reached; `Misconfigured` where the URL is neither SQLite nor Postgres, where
    /// Postgres would not isolate workspaces (see [`probe`]), or where the root key is another one.
    pub async fn open(settings: &StoreSettings, keys: impl Into<Provider>, clock: Clock) -> Result<Self> {
        let store = Self::open_to_fill(settings, keys, clock).await?;
        store.vault().doctor().await?;
        Ok(store)
    }

    /// As [`Store::open`], but leaves the key store as it is: for a restore, which fills it and opens it then.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub async fn open_to_fill(settings: &StoreSettings, keys: impl Into<Provider>, clock: Clock) -> Result<Self> {
        let connected = connect::connect(settings).await?;
        if connected.writer.get_database_backend() == DbBackend::Postgres {
            probe::refuse_without_isolation(&connected.writer).await?;
        }
        Ok(Self(Arc::new(Inner {
            reader: connected.reader,
            rights_reader: connected.rights_reader,
            writer: connected.writer,
            relaxed_writer: connected.relaxed_writer,
            log: connected.log,
            turn: Arc::new(Semaphore::new(1)),
            vault: Vault::new(connected.keys, keys, clock.clone()),
            clock,
            notices: connected.notices,
            signals: Signals::default(),
        })))
    }

    /// What this process saw that may have to be told to somebody.
    pub fn signals(&self) -> &Signals {
        &self.0.signals
    }

    /// Reads in one workspace: one consistent view, in which the database shows nothing of people whose data is restricted
    /// (GDPR art. 18).
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn read(&self, scope: &Scope) -> Result<WorkspaceTx> {
        self.begin_in(scope.workspace(), Mode::Read).await
    }

    /// As [`Store::read`], and sees restricted data too: for serving a person's rights, and for nothing else.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn read_for_rights(&self, scope: &Scope) -> Result<WorkspaceTx> {
        self.begin_in(scope.workspace(), Mode::ReadForRights).await
    }

    /// Writes in one workspace. It sees restricted data, and the database refuses whatever it would write about such
    /// people. On SQLite writers wait for each other here, never inside.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn write(&self, scope: &Scope) -> Result<WorkspaceTx> {
        self.begin_in(scope.workspace(), Mode::Write).await
    }

    /// As [`Store::write`], but the commit does not wait for the disk: after a power failure it may be missing, together
    /// with all that came after it and nothing that came before. A process that is killed loses nothing. For what is made
    /// again from a row that a full commit wrote.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn write_relaxed(&self, scope: &Scope) -> Result<WorkspaceTx> {
        self.begin_in(scope.workspace(), Mode::WriteRelaxed).await
    }

    /// As [`Store::write`], but on SQLite what the commit tells is told before it is on disk; the commit answers when it is.
    /// For what somebody waits for: whoever is told does at most what is done again after a power failure.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn write_telling_early(&self, scope: &Scope) -> Result<WorkspaceTx> {
        self.begin_in(scope.workspace(), Mode::WriteTellingEarly).await
    }

    /// Reads the tables that belong to no workspace.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn read_instance(&self) -> Result<InstanceTx> {
        self.begin(Mode::ReadForRights).await
    }

    /// Writes the tables that belong to no workspace.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn write_instance(&self) -> Result<InstanceTx> {
        self.begin(Mode::Write).await
    }

    /// As [`Store::write_instance`], relaxed as [`Store::write_relaxed`] is.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn write_instance_relaxed(&self) -> Result<InstanceTx> {
        self.begin(Mode::WriteRelaxed).await
    }

    /// A transaction in a workspace that authentication has just named, before there is a scope.
    pub(crate) async fn begin_in(&self, workspace: WorkspaceId, mode: Mode) -> Result<WorkspaceTx> {
        self.begin(mode).await?.enter(workspace).await
    }

    async fn begin(&self, mode: Mode) -> Result<InstanceTx> {
        self.0.vault.keep_fresh().await?;
        let (db, access, lock) = match mode {
            Mode::Read => (&self.0.reader, AccessMode::ReadOnly, SqliteTransactionMode::Deferred),
            Mode::ReadForRights => (&self.0.rights_reader, AccessMode::ReadOnly, SqliteTransactionMode::Deferred),
            Mode::Write => (&self.0.writer, AccessMode::ReadWrite, SqliteTransactionMode::Immediate),
            Mode::WriteRelaxed | Mode::WriteTellingEarly => {
                (&self.0.relaxed_writer, AccessMode::ReadWrite, SqliteTransactionMode::Immediate)
            }
        };
        let is_postgres = db.get_database_backend() == DbBackend::Postgres;
        let turn = if mode.is_read() || is_postgres { None } else { Some(self.wait_to_write().await?) };
        // A reader sees one moment; a writer sees what others committed while it waited for a row.
        let isolation_level = mode.is_read().then_some(IsolationLevel::RepeatableRead);
        let options = match db.get_database_backend() {
            DbBackend::Postgres => {
                TransactionOptions { access_mode: Some(access), isolation_level, ..Default::default() }
            }
            _ => TransactionOptions { sqlite_transaction_mode: Some(lock), ..Default::default() },
        };
        let tx = db.begin_with_options(options).await?;
        if mode == Mode::WriteRelaxed && is_postgres {
            tx.execute_unprepared("SET LOCAL synchronous_commit TO OFF").await?;
        }
        let log = self.0.log.clone().filter(|_| mode == Mode::WriteTellingEarly);
        let sees_restricted = mode != Mode::Read;
        Ok(InstanceTx { tx, turn, store: self.clone(), then: Mutex::default(), log, sees_restricted })
    }

    async fn wait_to_write(&self) -> Result<OwnedSemaphorePermit> {
        let too_long = || Error::new(ErrorKind::Unavailable, "The database is busy writing.");
        let turn = timeout(LONGEST_WAIT_TO_WRITE, self.0.turn.clone().acquire_owned()).await;
        turn.map_err(|_| too_long())?.map_err(|_| too_long())
    }

    /// The keys.
    pub fn vault(&self) -> &Vault {
        &self.0.vault
    }

    /// The clock.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        self.0.clock.now()
    }

    /// What other parts of the product said after a commit.
    pub fn notices(&self) -> &Notices {
        &self.0.notices
    }

    /// SQLite or Postgres.
    pub fn backend(&self) -> DbBackend {
        self.0.writer.get_database_backend()
    }

    /// Makes the database forget deleted bytes for good, as far as the application may: on SQLite the free pages and
    /// the write-ahead log; on Postgres dead rows are left to autovacuum, sealed under a key that is gone.
    ///
    /// # Errors
    /// `Unavailable` where a reader holds the log back for longer than the busy time-out.
    pub async fn purge_deleted_bytes(&self) -> Result<()> {
        if self.backend() == DbBackend::Sqlite {
            let _turn = self.wait_to_write().await?;
            connect::purge_sqlite(&self.0.writer).await?;
        }
        Ok(())
    }

    /// Answers if the database can be written to.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn ping(&self) -> Result<()> {
        self.0.writer.ping().await?;
        self.0.reader.ping().await?;
        self.0.vault.ping().await
    }

    /// For asking which migrations the database lacks, and for nothing else: it is bound to no workspace.
    pub fn connection_for_migrations(&self) -> &DatabaseConnection {
        &self.0.writer
    }

    /// Closes all connections after the transactions under way.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn close(&self) -> Result<()> {
        self.0.reader.close_by_ref().await?;
        self.0.rights_reader.close_by_ref().await?;
        self.0.writer.close_by_ref().await?;
        self.0.relaxed_writer.close_by_ref().await?;
        self.0.vault.close().await
    }
}

/// Whether a transaction writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Read,
    ReadForRights,
    Write,
    WriteRelaxed,
    WriteTellingEarly,
}

impl Mode {
    fn is_read(self) -> bool {
        matches!(self, Self::Read | Self::ReadForRights)
    }
}

/// What follows a commit.
#[derive(Default)]
struct Then {
    said: Vec<(Notice, To)>,
    calls: Vec<Box<dyn FnOnce() + Send>>,
}

/// A transaction over the tables of no workspace. Dropped without a commit it rolls back.
pub struct InstanceTx {
    tx: DatabaseTransaction,
    /// Given back when the transaction is over.
    turn: Option<OwnedSemaphorePermit>,
    store: Store,
    then: Mutex<Then>,
    /// The write-ahead log that has to be on disk before a commit answers, where the commit itself does not see to it.
    log: Option<PathBuf>,
    /// Whether restricted data can be seen.
    sees_restricted: bool,
}

impl InstanceTx {
    /// The store it came from.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The transaction, for entities.
    pub fn db(&self) -> &DatabaseTransaction {
        &self.tx
    }

    /// Tells every part of the product, in every process, once the commit is through.
    pub fn notify(&self, notice: Notice) {
        self.say(notice, To::Everybody);
    }

    /// As [`InstanceTx::notify`], to other processes: in this one, [`InstanceTx::after_commit`] tells whoever waits.
    pub fn notify_elsewhere(&self, notice: Notice) {
        self.say(notice, To::Elsewhere);
    }

    fn say(&self, notice: Notice, to: To) {
        let mut then = self.then.lock().unwrap_or_else(PoisonError::into_inner);
        if !then.said.contains(&(notice, to)) {
            then.said.push((notice, to));
        }
    }

    /// Calls this once the commit is through, before it answers; never without a commit. It must be short.
    pub fn after_commit(&self, call: impl FnOnce() + Send + 'static) {
        self.then.lock().unwrap_or_else(PoisonError::into_inner).calls.push(Box::new(call));
    }

    /// Commits, then tells what was to be told.
    ///
    /// # Errors
    /// `Unavailable`, `Conflict`; nothing is told then.
    pub async fn commit(self) -> Result<()> {
        let Then { said, calls } = self.then.into_inner().unwrap_or_else(PoisonError::into_inner);
        let notices = &self.store.0.notices;
        if self.tx.get_database_backend() == DbBackend::Postgres {
            for (notice, _) in &said {
                notices::tell_other_processes(&self.tx, notices, *notice).await?;
            }
        }
        self.tx.commit().await?;
        calls.into_iter().for_each(|call| call());
        for (notice, _) in said.into_iter().filter(|(_, to)| *to == To::Everybody) {
            notices.tell(notice);
        }
        drop(self.turn);
        if let Some(log) = self.log {
            connect::write_to_disk(log).await?;
        }
        Ok(())
    }
}

impl InstanceTx {
    /// Goes on in a workspace.
    pub(crate) async fn enter(self, workspace: WorkspaceId) -> Result<WorkspaceTx> {
        if self.tx.get_database_backend() == DbBackend::Postgres {
            let name_workspace = Statement::from_sql_and_values(
                DbBackend::Postgres,
                "SELECT set_config('app.workspace_id', $1, true), set_config('app.sees_restricted', $2, true)",
                [workspace.0.to_string().into(), if self.sees_restricted { "yes" } else { "no" }.into()],
            );
            self.tx.query_one_raw(name_workspace).await?;
        }
        Ok(WorkspaceTx { tx: self, workspace })
    }
}

impl Deref for InstanceTx {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        &self.tx
    }
}

/// A transaction in one workspace. Dropped without a commit it rolls back.
pub struct WorkspaceTx {
    tx: InstanceTx,
    workspace: WorkspaceId,
}

impl WorkspaceTx {
    /// The workspace it is bound to. Every statement names it too: SQLite has no row-level security.
    pub fn workspace(&self) -> WorkspaceId {
        self.workspace
    }

    /// The same transaction, out of the workspace: to go on in another.
    pub(crate) fn leave(self) -> InstanceTx {
        self.tx
    }

    /// Commits, then tells what was to be told.
    ///
    /// # Errors
    /// `Unavailable`, `Conflict`.
    pub async fn commit(self) -> Result<()> {
        self.tx.commit().await
    }
}

impl Deref for WorkspaceTx {
    type Target = InstanceTx;

    fn deref(&self) -> &InstanceTx {
        &self.tx
    }
}
