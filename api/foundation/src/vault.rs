//! Keys. A root key opens the workspace keys, a workspace key opens the keys of its people, and a person's key opens
//! what is stored about them. Destroying that one key (`shred`) makes all of it unreadable, in every copy and backup.
//!
//! The key store is apart from the data: a file of its own on SQLite, the schema `keys` on Postgres. It is backed up as
//! one current file that is overwritten, so that an old backup of the data never brings an erased person's key back.
//!
//! Every key has versions. The root key's are kept by a [`provider`] and turned in [`roots`]; those of workspaces, and of the
//! installation for what belongs to none, are turned in [`versions`]. [`keys`](crate::keys) does it when their time has come.
//!
//! Reading order: [`root`], [`provider`], [`local`], `remote`; [`key`] (with the sealed format), then [`Vault`], [`opening`],
//! [`roots`], [`versions`].
//!
//! Invariants, as absences:
//! - No key is stored unwrapped, printed, logged or serialised.
//! - No person's key stays in memory after the call that asked for it.
//! - No person whose key was shredded ever gets a key again: the row stays as a tombstone.
//! - No value opens in another place than the one it was sealed for.
//! - No nonce is a counter.
//!
//! On Postgres the wrapped bytes of a shredded key stay in a dead row until autovacuum (set to its keenest for that
//! table), and in the write-ahead log and its archive as long as those are kept. They are wrapped by the workspace key.

pub(crate) mod aead;
pub mod key;
pub(crate) mod local;
pub(crate) mod opening;
pub mod provider;
mod remote;
pub mod root;
pub mod roots;
pub mod versions;

#[cfg(test)]
mod remote_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod wycheproof;

/// The migrated store that tests of this crate open.
#[cfg(test)]
#[path = "../tests/support/mod.rs"]
pub(crate) mod support;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, QueryResult, Statement, Value};
use tokio::sync::OnceCell;
use uuid::Uuid;

pub(crate) use self::key::Kind;
use self::{
    aead::Secret,
    opening::{Held, Installation, secret},
};
pub use self::{
    key::{Key, Place},
    opening::InstanceIndex,
    provider::{Provider, Retired, RootVersion},
    root::{Created, RootKey},
    roots::{Root, RootTurn},
    versions::KeyVersion,
};
use crate::{
    clock::Clock,
    error::{Error, ErrorKind, Result},
    id::{SubjectId, WorkspaceId},
};

/// A workspace that exists nowhere carries the value that tells a wrong root key, and the installation's own keys.
const CHECK_ROW: WorkspaceId = WorkspaceId(Uuid::nil());
const CHECK_VERSION: i64 = 0;
const CHECK_VALUE: &[u8] = b"consigne: this is the root key";

/// Turns words of one workspace into numbers that say nothing to anybody without its key.
pub struct TermNumbers(Secret);

impl TermNumbers {
    /// The number of a word: a keyed hash, cut to 32 bits. Two words in some 65,000 share one.
    pub fn of(&self, word: &str) -> u32 {
        let hash = aead::keyed_hash(self.0.as_ref(), &[word.as_bytes()]);
        u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
    }
}

/// The keys of an instance. Cheap to clone.
#[derive(Clone)]
pub struct Vault(Arc<Inner>);

struct Inner {
    db: DatabaseConnection,
    clock: Clock,
    provider: Provider,
    /// The installation's own, from the moment that the key store was opened.
    installation: RwLock<Option<Installation>>,
    /// Workspace keys, once read. There are as many as workspaces, and each is needed all the time.
    workspaces: RwLock<HashMap<WorkspaceId, Held>>,
    /// Whether the root key was found to be the right one, before anything is wrapped by it.
    checked: OnceCell<()>,
}

impl Vault {
    /// The vault over a migrated key store. Nothing is read before [`Vault::doctor`].
    pub fn new(keys: DatabaseConnection, provider: impl Into<Provider>, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            db: keys,
            clock,
            provider: provider.into(),
            installation: RwLock::default(),
            workspaces: RwLock::default(),
            checked: OnceCell::new(),
        }))
    }

    /// The key of a workspace, made on first use. Two processes that make it at once agree on one. Which versions there are is
    /// asked again every few minutes; what is known keeps working while the provider of the root key is down.
    ///
    /// # Errors
    /// `Unavailable`; `Misconfigured` with another root key; `Corrupt`.
    pub async fn workspace_key(&self, workspace: WorkspaceId) -> Result<Key> {
        if workspace == CHECK_ROW {
            return Err(Error::not_found("workspace"));
        }
        let held = self.0.workspaces.read().unwrap_or_else(PoisonError::into_inner).get(&workspace).cloned();
        if let Some(held) = &held
            && held.is_fresh(self.0.clock.now())
        {
            return Ok(held.key.clone());
        }
        self.0.checked.get_or_try_init(|| self.doctor()).await?;
        let stored = match (self.stored_key(workspace, held.as_ref()).await, held) {
            (Err(error), Some(held)) if held.will_do(self.0.clock.now(), &error) => {
                let key = held.key.clone();
                self.hold(workspace, held.tried(self.0.clock.now()));
                return Ok(key);
            }
            (stored, _) => stored?,
        };
        let key = match stored {
            Some(key) => key,
            None if self.is_ended(workspace).await? => {
                self.forget(workspace);
                return Err(Error::not_found("workspace"));
            }
            None => {
                self.insert_first_key(workspace).await?;
                let made = self.stored_key(workspace, None).await?;
                made.ok_or_else(|| Error::internal("a workspace key that was just written is not there"))?
            }
        };
        self.hold(workspace, Held::new(key.clone(), self.0.clock.now()));
        Ok(key)
    }

    fn hold(&self, workspace: WorkspaceId, held: Held) {
        self.0.workspaces.write().unwrap_or_else(PoisonError::into_inner).insert(workspace, held);
    }

    fn forget(&self, workspace: WorkspaceId) {
        self.0.workspaces.write().unwrap_or_else(PoisonError::into_inner).remove(&workspace);
    }

    /// A new key for a person.
    ///
    /// # Errors
    /// `Conflict` where there is one, `SubjectErased` after a shred; as [`Vault::workspace_key`].
    pub async fn create_subject_key(&self, workspace: WorkspaceId, subject: SubjectId) -> Result<Key> {
        let wrapping = self.workspace_key(workspace).await?;
        let material = aead::random_secret();
        let wrapped = wrapping.seal(&subject_place(workspace, subject), material.as_ref());
        let written = self
            .0
            .db
            .execute_raw(self.sql(
                "INSERT INTO {keys}subject_keys (key_workspace_id, subject_id, wrapped, created_at) \
                 VALUES ($1, $2, $3, $4) ON CONFLICT (key_workspace_id, subject_id) DO NOTHING",
                [workspace.into(), subject.into(), wrapped.into(), self.0.clock.now().into()],
            ))
            .await?;
        if written.rows_affected() == 1 {
            return Ok(Key::single(Kind::Subject, material));
        }
        if self.is_shredded(workspace, subject).await? {
            return Err(erased());
        }
        Err(Error::new(ErrorKind::Conflict, "This person has a key already."))
    }

    /// A person's key, read anew each time, so that a shred holds at once and everywhere.
    ///
    /// # Errors
    /// `NotFound` where none was made; `SubjectErased` after a shred; as [`Vault::workspace_key`].
    pub async fn subject_key(&self, workspace: WorkspaceId, subject: SubjectId) -> Result<Key> {
        let row = self.subject_row(workspace, subject).await?.ok_or_else(|| Error::not_found("person"))?;
        let Some(wrapped) = row.wrapped.filter(|_| !row.is_shredded) else { return Err(erased()) };
        let wrapping = self.workspace_key(workspace).await?;
        let place = subject_place(workspace, subject);
        Ok(Key::single(Kind::Subject, unwrap(&wrapping, &place, &wrapped)?))
    }

    /// Destroys a person's key for good and leaves a tombstone, even where there was no key. May be repeated.
    ///
    /// # Errors
    /// `Unavailable`; `Internal` where the key is still there afterwards.
    pub async fn shred(&self, workspace: WorkspaceId, subject: SubjectId) -> Result<()> {
        let now = self.0.clock.now();
        self.0
            .db
            .execute_raw(self.sql(
                "INSERT INTO {keys}subject_keys AS k (key_workspace_id, subject_id, wrapped, created_at, shredded_at) \
                 VALUES ($1, $2, NULL, $3, $3) ON CONFLICT (key_workspace_id, subject_id) \
                 DO UPDATE SET wrapped = NULL, shredded_at = COALESCE(k.shredded_at, excluded.shredded_at)",
                [workspace.into(), subject.into(), now.into()],
            ))
            .await?;
        match self.subject_row(workspace, subject).await? {
            Some(SubjectRow { wrapped: None, is_shredded: true }) => Ok(()),
            _ => Err(Error::internal("a key that was just shredded is still there")),
        }
    }

    /// Destroys the keys of a workspace and of its people for good, but for people who are held; while there is one, the
    /// workspace's own stays, since it opens theirs. Says how many went, and how many are left. May be repeated.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn shred_workspace(&self, workspace: WorkspaceId, held: &[SubjectId]) -> Result<(u64, u64)> {
        let numbers: Vec<String> = (3..held.len() + 3).map(|number| format!("${number}")).collect();
        let but =
            if held.is_empty() { String::new() } else { format!(" AND subject_id NOT IN ({})", numbers.join(", ")) };
        let text = format!(
            "UPDATE {{keys}}subject_keys SET wrapped = NULL, shredded_at = COALESCE(shredded_at, $2) \
             WHERE key_workspace_id = $1 AND wrapped IS NOT NULL{but}"
        );
        let mut values: Vec<Value> = vec![workspace.into(), self.0.clock.now().into()];
        values.extend(held.iter().map(|person| Value::from(*person)));
        let mut gone = self.0.db.execute_raw(self.statement(&text, values)).await?.rows_affected();
        if held.is_empty() {
            // An empty key is a tombstone: no other is made for this workspace.
            let text = "UPDATE {keys}workspace_keys SET wrapped = $2 WHERE key_workspace_id = $1 AND wrapped <> $2";
            let values = vec![workspace.into(), Value::from(Vec::<u8>::new())];
            gone += self.0.db.execute_raw(self.statement(text, values)).await?.rows_affected();
            let text = "UPDATE {keys}look_up_keys SET wrapped = $2 WHERE key_workspace_id = $1";
            let values = vec![workspace.into(), Value::from(Vec::<u8>::new())];
            self.0.db.execute_raw(self.statement(text, values)).await?;
            self.forget(workspace);
        }
        let left = "SELECT (SELECT COUNT(*) FROM {keys}subject_keys WHERE key_workspace_id = $1 AND wrapped IS NOT NULL) \
                    + (SELECT COUNT(*) FROM {keys}workspace_keys WHERE key_workspace_id = $1 AND wrapped <> $2) AS found";
        let values = vec![workspace.into(), Value::from(Vec::<u8>::new())];
        let row = self.0.db.query_one_raw(self.statement(left, values)).await?;
        let row = row.ok_or_else(|| Error::internal("COUNT answers one row"))?;
        Ok((gone, row.try_get::<i64>("", "found")?.unsigned_abs()))
    }

    /// Whether the key of a workspace was destroyed.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn is_ended(&self, workspace: WorkspaceId) -> Result<bool> {
        let text = "SELECT 1 AS one FROM {keys}workspace_keys \
                    WHERE key_workspace_id = $1 AND wrapped = $2 AND removed_at IS NULL LIMIT 1";
        let values = vec![workspace.into(), Value::from(Vec::<u8>::new())];
        Ok(self.0.db.query_one_raw(self.statement(text, values)).await?.is_some())
    }

    /// Whether a person's key was destroyed.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn is_shredded(&self, workspace: WorkspaceId, subject: SubjectId) -> Result<bool> {
        Ok(self.subject_row(workspace, subject).await?.is_some_and(|row| row.is_shredded))
    }

    /// Everybody of a workspace whose key was destroyed.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn shredded_subjects(&self, workspace: WorkspaceId) -> Result<Vec<SubjectId>> {
        let rows = self
            .0
            .db
            .query_all_raw(self.sql(
                "SELECT subject_id FROM {keys}subject_keys WHERE key_workspace_id = $1 AND shredded_at IS NOT NULL",
                [workspace.into()],
            ))
            .await?;
        rows.iter().map(|row| Ok(row.try_get("", "subject_id")?)).collect()
    }

    /// The key of what belongs to no workspace: accounts, signing keys.
    pub fn instance_key(&self) -> Key {
        self.installation().held.key
    }

    /// A value to look up something personal that belongs to no workspace, such as an account's address: a keyed
    /// HMAC-SHA-256 of it, 32 bytes. `normalised` must come from the one normaliser of that purpose.
    pub fn instance_index(&self, purpose: &'static str, normalised: &str) -> Vec<u8> {
        self.installation().index.of(purpose, normalised)
    }

    /// What makes look-up values of what belongs to no workspace.
    pub(crate) fn index(&self) -> InstanceIndex {
        self.installation().index
    }

    /// The key store itself, for its backup, which holds keys as they lie there: wrapped.
    pub(crate) fn key_store(&self) -> &DatabaseConnection {
        &self.0.db
    }

    /// A value to look up something personal in one workspace, 32 bytes; elsewhere the same input gives another value.
    ///
    /// # Errors
    /// As [`Vault::workspace_key`].
    pub async fn blind_index(
        &self,
        workspace: WorkspaceId,
        purpose: &'static str,
        normalised: &str,
    ) -> Result<Vec<u8>> {
        let key = self.workspace_key(workspace).await?.derive("consigne/blind-index/1");
        Ok(aead::keyed_hash(key.as_ref(), &[purpose.as_bytes(), normalised.as_bytes()]).to_vec())
    }

    /// Tells equal content of one workspace apart from other content, 32 bytes, and nothing to anybody without the key.
    ///
    /// # Errors
    /// As [`Vault::workspace_key`].
    pub async fn content_hash(&self, workspace: WorkspaceId, bytes: &[u8]) -> Result<Vec<u8>> {
        let key = self.workspace_key(workspace).await?.derive("consigne/content-hash/1");
        Ok(aead::keyed_hash(key.as_ref(), &[bytes]).to_vec())
    }

    /// Turns words of this workspace into numbers.
    ///
    /// # Errors
    /// As [`Vault::workspace_key`].
    pub async fn term_numbers(&self, workspace: WorkspaceId) -> Result<TermNumbers> {
        Ok(TermNumbers(self.workspace_key(workspace).await?.derive("consigne/terms/1")))
    }

    /// Answers if the key store can be reached.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn ping(&self) -> Result<()> {
        Ok(self.0.db.ping().await?)
    }

    /// Closes its connections and forgets the workspace keys.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn close(&self) -> Result<()> {
        self.0.workspaces.write().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(self.0.db.close_by_ref().await?)
    }

    async fn subject_row(&self, workspace: WorkspaceId, subject: SubjectId) -> Result<Option<SubjectRow>> {
        let row = self
            .0
            .db
            .query_one_raw(self.sql(
                "SELECT wrapped, shredded_at FROM {keys}subject_keys WHERE key_workspace_id = $1 AND subject_id = $2",
                [workspace.into(), subject.into()],
            ))
            .await?;
        row.map(SubjectRow::read).transpose()
    }

    fn sql<const N: usize>(&self, text: &str, values: [Value; N]) -> Statement {
        self.statement(text, values.to_vec())
    }

    fn statement(&self, text: &str, values: Vec<Value>) -> Statement {
        let backend = self.0.db.get_database_backend();
        let schema = if backend == DbBackend::Postgres { "keys." } else { "" };
        Statement::from_sql_and_values(backend, text.replace("{keys}", schema), values)
    }
}

struct SubjectRow {
    wrapped: Option<Vec<u8>>,
    is_shredded: bool,
}

impl SubjectRow {
    /// A row without a key counts as shredded, whatever its other column says.
    fn read(row: QueryResult) -> Result<Self> {
        let wrapped: Option<Vec<u8>> = row.try_get("", "wrapped")?;
        let shredded_at: Option<i64> = row.try_get("", "shredded_at")?;
        Ok(Self { is_shredded: shredded_at.is_some() || wrapped.is_none(), wrapped })
    }
}

fn unwrap(wrapping: &Key, place: &Place, wrapped: &[u8]) -> Result<Secret> {
    secret(place, &wrapping.open(place, wrapped)?)
}

fn workspace_place(workspace: WorkspaceId, version: i64) -> Place {
    Place::new(workspace, "workspace_keys", "wrapped", workspace.0).part(version)
}

fn subject_place(workspace: WorkspaceId, subject: SubjectId) -> Place {
    Place::new(workspace, "subject_keys", "wrapped", subject.0)
}

fn erased() -> Error {
    Error::new(ErrorKind::SubjectErased, "This person's data was erased.")
}

/// What looks values up stands beside the versions.
fn lookup_place(workspace: WorkspaceId) -> Place {
    Place::new(workspace, "look_up_keys", "wrapped", workspace.0)
}

fn wrong_root_key() -> Error {
    Error::new(
        ErrorKind::Misconfigured,
        "This root key is not the one that the key store was made with. Put the right one back; nothing was changed.",
    )
}
