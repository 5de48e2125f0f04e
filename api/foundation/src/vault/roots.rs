//! Versions of the root key: which there are, which wraps, and how one takes the place of another.
//!
//! A new version is written down before anything is wrapped by it, everything is wrapped anew in pieces that may be broken off
//! anywhere, and the old one is retired only when nothing refers to it: whoever writes a wrapped key holds the version's row
//! until the commit, and whoever retires it takes that row and counts.

use std::time::Duration;

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, SqliteTransactionMode, TransactionOptions, TransactionTrait, Value,
};

use super::{
    Place, Vault, lookup_place,
    provider::{Retired, RootVersion, Rotated},
    workspace_place,
};
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::WorkspaceId,
};

/// Rows that are wrapped anew between two looks at the key store.
const PIECE: u64 = 100;

/// So long after a version was made, who asks for another one gets that.
const A_MOMENT: Duration = Duration::from_secs(3_600);

/// How often a version may be retired while something is being wrapped by it.
const TRIES: usize = 5;

/// A version of the root key, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// The version.
    pub version: RootVersion,
    /// Since when it is known.
    pub created_at: Timestamp,
    /// From when on it wraps.
    pub begins_at: Timestamp,
    /// Since when nothing refers to it.
    pub retired_at: Option<Timestamp>,
    /// Since when nobody can use it.
    pub destroyed_at: Option<Timestamp>,
}

/// What came of asking for another version of the root key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RootTurn {
    /// There is one, and it wraps from then on.
    New(RootVersion, Timestamp),
    /// A person has to do it: how.
    ByHand(&'static str),
}

/// A row of the key store that holds a wrapped key.
struct Wrapped {
    table: &'static str,
    workspace: WorkspaceId,
    version: i64,
    wrapped: Vec<u8>,
}

impl Wrapped {
    fn place(&self) -> Place {
        match self.table {
            "look_up_keys" => lookup_place(self.workspace),
            _ => workspace_place(self.workspace, self.version),
        }
    }
}

impl Vault {
    /// All versions of the root key, oldest first.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn roots(&self) -> Result<Vec<Root>> {
        self.roots_in(&self.0.db).await
    }

    async fn roots_in(&self, db: &impl ConnectionTrait) -> Result<Vec<Root>> {
        let text = "SELECT version, mark, created_at, begins_at, retired_at, destroyed_at FROM {keys}root_versions \
                    ORDER BY version";
        let mut all = Vec::new();
        for row in db.query_all_raw(self.sql(text, [])).await? {
            let number: i64 = row.try_get("", "version")?;
            let number =
                u32::try_from(number).map_err(|_| Error::new(ErrorKind::Corrupt, "A root key has no such version."))?;
            all.push(Root {
                version: RootVersion { number, mark: row.try_get("", "mark")? },
                created_at: Timestamp(row.try_get("", "created_at")?),
                begins_at: Timestamp(row.try_get("", "begins_at")?),
                retired_at: row.try_get::<Option<i64>>("", "retired_at")?.map(Timestamp),
                destroyed_at: row.try_get::<Option<i64>>("", "destroyed_at")?.map(Timestamp),
            });
        }
        Ok(all)
    }

    /// How long a new version is there before it is put to use.
    pub(crate) fn root_lead(&self) -> Duration {
        self.0.provider.lead()
    }

    /// The version that wraps.
    ///
    /// # Errors
    /// `Unavailable`; `Corrupt` where there is none.
    pub async fn root_in_use(&self) -> Result<Root> {
        let now = self.0.clock.now();
        let there: Vec<Root> = self.roots().await?.into_iter().filter(|root| root.retired_at.is_none()).collect();
        // A clock that is behind that of whoever put the newest to use must not stop anything.
        let newest = there.iter().rfind(|root| root.begins_at <= now).or(there.first()).cloned();
        newest.ok_or_else(|| Error::new(ErrorKind::Corrupt, "The key store names no root key that is in use."))
    }

    /// Another version of the root key, which wraps at once, or when people had time to copy it. One that was made and not put
    /// to use is that one.
    ///
    /// # Errors
    /// `Unavailable`; `Misconfigured`.
    pub async fn turn_root(&self, at_once: bool) -> Result<RootTurn> {
        let now = self.0.clock.now();
        // One at a time: the others find what it made.
        let tx = self.begin().await?;
        let how = if tx.get_database_backend() == DbBackend::Postgres { "FOR UPDATE" } else { "" };
        tx.query_one_raw(self.sql(&format!("SELECT mark FROM {{keys}}root_versions WHERE version = 1 {how}"), []))
            .await?;
        let turned = self.turn_root_in(&tx, now, at_once).await?;
        tx.commit().await?;
        Ok(turned)
    }

    async fn turn_root_in(&self, tx: &DatabaseTransaction, now: Timestamp, at_once: bool) -> Result<RootTurn> {
        let known = self.roots_in(tx).await?;
        // Whoever was broken off, or was not alone, goes on with what was made.
        if let Some(made) = known.last().filter(|root| root.version.number > 1 && root.begins_at <= now)
            && made.created_at.plus(A_MOMENT) > now
        {
            return Ok(RootTurn::New(made.version.clone(), made.begins_at));
        }
        if let Some(waiting) = known.iter().find(|root| root.begins_at > now && root.retired_at.is_none()) {
            if at_once {
                let text = "UPDATE {keys}root_versions SET begins_at = $2 WHERE version = $1 AND begins_at > $2";
                tx.execute_raw(self.sql(text, [number(&waiting.version), now.into()])).await?;
            }
            let begins_at = if at_once { now } else { waiting.begins_at };
            return Ok(RootTurn::New(waiting.version.clone(), begins_at));
        }
        let newest = self.0.provider.marks().await?.pop();
        let mark = match newest.filter(|mark| known.iter().all(|root| root.version.mark != *mark)) {
            Some(mark) => mark,
            None => match self.0.provider.rotate().await? {
                Rotated::New(mark) => mark,
                Rotated::ByHand(how) => return Ok(RootTurn::ByHand(how)),
            },
        };
        let next = known.last().map_or(1, |root| root.version.number + 1);
        let version = RootVersion { number: next, mark };
        let begins_at = if at_once { now } else { now.plus(self.0.provider.lead()) };
        self.insert_root(tx, &version, now, begins_at).await?;
        Ok(RootTurn::New(version, begins_at))
    }

    pub(super) async fn insert_root(
        &self,
        db: &impl ConnectionTrait,
        version: &RootVersion,
        created_at: Timestamp,
        begins_at: Timestamp,
    ) -> Result<()> {
        let text = "INSERT INTO {keys}root_versions (version, provider, mark, created_at, begins_at) \
                    VALUES ($1, $2, $3, $4, $5) ON CONFLICT (version) DO NOTHING";
        let provider = self.0.provider.name().into();
        let values = [number(version), provider, version.mark.clone().into(), created_at.into(), begins_at.into()];
        db.execute_raw(self.sql(text, values)).await?;
        Ok(())
    }

    /// Wraps keys by the version in use and writes them, all or none. Each is a place, a secret, and a statement whose `$1` is
    /// the wrapped key.
    pub(super) async fn write_wrapped(&self, keys: &[(Place, &[u8], &str, Vec<Value>)]) -> Result<()> {
        for _ in 0..TRIES {
            let version = self.root_in_use().await?.version;
            let mut statements = Vec::with_capacity(keys.len());
            for (place, secret, text, values) in keys {
                let wrapped = self.0.provider.wrap(&version, place, secret).await?;
                let values = std::iter::once(Value::from(wrapped)).chain(values.iter().cloned()).collect();
                statements.push(self.statement(text, values));
            }
            let tx = self.begin().await?;
            if self.lock_root(&tx, &version, "FOR SHARE").await? {
                for statement in statements {
                    tx.execute_raw(statement).await?;
                }
                return Ok(tx.commit().await?);
            }
            tx.rollback().await?;
        }
        Err(Error::new(ErrorKind::Unavailable, "The root key changed while something was wrapped by it."))
    }

    pub(super) async fn begin(&self) -> Result<DatabaseTransaction> {
        let options = match self.0.db.get_database_backend() {
            DbBackend::Postgres => TransactionOptions::default(),
            _ => TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            },
        };
        Ok(self.0.db.begin_with_options(options).await?)
    }

    /// Takes the row of a version until the commit; says whether the version may still wrap.
    async fn lock_root(&self, tx: &DatabaseTransaction, version: &RootVersion, how: &str) -> Result<bool> {
        let how = if tx.get_database_backend() == DbBackend::Postgres { how } else { "" };
        let text = format!("SELECT retired_at FROM {{keys}}root_versions WHERE version = $1 {how}");
        let row = tx.query_one_raw(self.sql(&text, [number(version)])).await?;
        let retired = row.map(|row| row.try_get::<Option<i64>>("", "retired_at")).transpose()?;
        Ok(retired == Some(None))
    }

    /// Wraps by the version in use what another one wrapped. It may be broken off, repeated, and done by several at once;
    /// answers how many rows were left for it.
    ///
    /// # Errors
    /// `Unavailable`; `Corrupt` where a wrapped key is not what was stored.
    pub async fn rewrap_by_root(&self) -> Result<u64> {
        let version = self.root_in_use().await?.version;
        let mut rewrapped = 0;
        loop {
            let piece = self.wrapped_otherwise(&version).await?;
            if piece.is_empty() {
                return Ok(rewrapped);
            }
            let mut written = 0;
            for row in piece {
                written += self.rewrap_one(&version, row).await?;
            }
            rewrapped += written;
            // Whoever was faster did the rest, or the version is not in use any more: the next look tells.
            if written == 0 && self.root_in_use().await?.version != version {
                return Ok(rewrapped);
            }
        }
    }

    async fn wrapped_otherwise(&self, version: &RootVersion) -> Result<Vec<Wrapped>> {
        let text = format!(
            "SELECT 'workspace_keys' AS of_table, key_workspace_id, version, wrapped FROM {{keys}}workspace_keys \
             WHERE wrapped <> $1 AND substr(wrapped, 3, 4) < $2 \
             UNION ALL SELECT 'look_up_keys' AS of_table, key_workspace_id, 0, wrapped FROM {{keys}}look_up_keys \
             WHERE wrapped <> $1 AND substr(wrapped, 3, 4) < $2 LIMIT {PIECE}"
        );
        let values = [Value::from(Vec::<u8>::new()), be(version)];
        let mut all = Vec::new();
        for row in self.0.db.query_all_raw(self.sql(&text, values)).await? {
            let table: String = row.try_get("", "of_table")?;
            all.push(Wrapped {
                table: if table == "look_up_keys" { "look_up_keys" } else { "workspace_keys" },
                workspace: row.try_get("", "key_workspace_id")?,
                version: row.try_get("", "version")?,
                wrapped: row.try_get("", "wrapped")?,
            });
        }
        Ok(all)
    }

    async fn rewrap_one(&self, version: &RootVersion, row: Wrapped) -> Result<u64> {
        let wrapped = self.0.provider.rewrap(version, &row.place(), &row.wrapped).await?;
        let tx = self.begin().await?;
        if !self.lock_root(&tx, version, "FOR SHARE").await? {
            tx.rollback().await?;
            return Ok(0);
        }
        // Only what was read: a workspace that ended meanwhile stays ended.
        let by_version = if row.table == "workspace_keys" { " AND version = $4" } else { "" };
        let text = format!(
            "UPDATE {{keys}}{} SET wrapped = $1 WHERE key_workspace_id = $2 AND wrapped = $3{by_version}",
            row.table
        );
        let mut values: Vec<Value> = vec![wrapped.into(), row.workspace.into(), row.wrapped.into()];
        if row.table == "workspace_keys" {
            values.push(row.version.into());
        }
        let written = tx.execute_raw(self.statement(&text, values)).await?;
        tx.commit().await?;
        Ok(written.rows_affected())
    }

    /// How many wrapped keys refer to a version.
    pub(super) async fn references_to_root(&self, db: &impl ConnectionTrait, version: &RootVersion) -> Result<i64> {
        let text = "SELECT (SELECT COUNT(*) FROM {keys}workspace_keys WHERE substr(wrapped, 3, 4) = $1) \
                    + (SELECT COUNT(*) FROM {keys}look_up_keys WHERE substr(wrapped, 3, 4) = $1) AS found";
        let row = db.query_one_raw(self.sql(text, [be(version)])).await?;
        Ok(row.ok_or_else(|| Error::internal("COUNT answers one row"))?.try_get("", "found")?)
    }

    /// Retires the versions before the one in use that nothing refers to: nothing is wrapped by them again. Answers them, with
    /// those that were retired before and are not destroyed.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn retire_roots(&self) -> Result<Vec<RootVersion>> {
        let now = self.0.clock.now();
        let in_use = self.root_in_use().await?.version.number;
        let mut retired = Vec::new();
        for root in self.roots().await?.into_iter().filter(|root| root.version.number < in_use) {
            if root.retired_at.is_none() {
                let tx = self.begin().await?;
                let may = self.lock_root(&tx, &root.version, "FOR UPDATE").await?
                    && self.references_to_root(&tx, &root.version).await? == 0;
                if !may {
                    tx.rollback().await?;
                    continue;
                }
                let text = "UPDATE {keys}root_versions SET retired_at = $2 WHERE version = $1";
                tx.execute_raw(self.sql(text, [number(&root.version), now.into()])).await?;
                tx.commit().await?;
            }
            if root.destroyed_at.is_none() {
                retired.push(root.version);
            }
        }
        Ok(retired)
    }

    /// Destroys a version that was retired, as far as its provider lets itself be told.
    ///
    /// # Errors
    /// `Conflict` where it was not retired; `Unavailable`; `Misconfigured`.
    pub async fn destroy_root(&self, version: &RootVersion) -> Result<Retired> {
        let root = self.roots().await?.into_iter().find(|root| root.version == *version);
        if root.is_none_or(|root| root.retired_at.is_none()) || self.references_to_root(&self.0.db, version).await? > 0
        {
            return Err(Error::new(ErrorKind::Conflict, "Something is still wrapped by this version of the root key."));
        }
        let is_gone = !self.0.provider.marks().await?.contains(&version.mark);
        let retired = if is_gone { Retired::Destroyed } else { self.0.provider.retire(&version.mark).await? };
        if retired == Retired::Destroyed {
            let text = "UPDATE {keys}root_versions SET destroyed_at = $2 WHERE version = $1";
            self.0.db.execute_raw(self.sql(text, [number(version), self.0.clock.now().into()])).await?;
        }
        Ok(retired)
    }

    /// Refuses where something is wrapped by a version that the provider does not have; without any of them, it is another key.
    pub(super) async fn refuse_missing_roots(&self, known: &[Root]) -> Result<()> {
        let marks = self.0.provider.marks().await?;
        let live = || known.iter().filter(|root| root.retired_at.is_none());
        if live().next().is_some() && live().all(|root| !marks.contains(&root.version.mark)) {
            return Err(super::wrong_root_key());
        }
        for root in known.iter().filter(|root| !marks.contains(&root.version.mark)) {
            let is_needed = root.retired_at.is_none() && root.begins_at <= self.0.clock.now();
            if is_needed || self.references_to_root(&self.0.db, &root.version).await? > 0 {
                return Err(missing(&root.version, self.0.provider.name()));
            }
        }
        Ok(())
    }
}

fn missing(version: &RootVersion, provider: &'static str) -> Error {
    let how = match provider {
        "file" => "Put its file beside the others (`root.key.2` is that of version 2).",
        "environment" => "Give the old key in CONSIGNE_ROOT_KEY and the new one in CONSIGNE_ROOT_KEY_NEXT.",
        _ => "Lower the key's min_decryption_version, or bring that version back.",
    };
    let number = version.number;
    Error::new(
        ErrorKind::Misconfigured,
        format!("The key store refers to version {number} of the root key, which the {provider} does not have. {how}"),
    )
}

fn number(version: &RootVersion) -> Value {
    i64::from(version.number).into()
}

/// As it stands in what it wrapped.
fn be(version: &RootVersion) -> Value {
    version.number.to_be_bytes().to_vec().into()
}
