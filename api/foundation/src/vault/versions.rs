//! Versions of the keys of workspaces, and of the installation's own: another one is made, begins to seal when every process
//! knows it, and the one before goes when nothing is sealed under it any more.

use std::time::Duration;

use sea_orm::{ConnectionTrait, QueryResult, Value};

use super::{CHECK_ROW, Key, Kind, Vault, aead, opening::secret, subject_place, workspace_place};
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{SubjectId, WorkspaceId},
};

/// From the moment that a version is made until it seals: every process has looked by then.
const LEAD: Duration = Duration::from_secs(3_600);

/// From the moment that a version does not seal any more until it may go: whatever took it along before has ended by then.
const AFTERLIFE: Duration = Duration::from_secs(24 * 3_600);

/// Keys of people that are wrapped anew between two looks.
const PIECE: u64 = 200;

/// A version of the key of a workspace, or of the installation's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyVersion {
    /// Its number, from 1.
    pub number: u32,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it seals.
    pub begins_at: Timestamp,
    /// Since when it is known that nothing is sealed under it.
    pub unreferenced_at: Option<Timestamp>,
}

impl KeyVersion {
    pub(super) fn read(row: &QueryResult) -> Result<Self> {
        let number: i64 = row.try_get("", "version")?;
        let created_at = Timestamp(row.try_get("", "created_at")?);
        Ok(Self {
            number: u32::try_from(number).map_err(|_| Error::new(ErrorKind::Corrupt, "A key has no such version."))?,
            created_at,
            begins_at: row.try_get::<Option<i64>>("", "begins_at")?.map_or(created_at, Timestamp),
            unreferenced_at: row.try_get::<Option<i64>>("", "unreferenced_at")?.map(Timestamp),
        })
    }
}

/// The installation's own keys have versions as those of a workspace have.
pub(crate) const INSTALLATION: WorkspaceId = CHECK_ROW;

pub(crate) fn kind_of(workspace: WorkspaceId) -> Kind {
    if workspace == INSTALLATION { Kind::Instance } else { Kind::Workspace }
}

impl Vault {
    /// The versions of a key that are there, oldest first; none of a workspace that ended.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn key_versions(&self, workspace: WorkspaceId) -> Result<Vec<KeyVersion>> {
        let all = self.versions_and_keys(workspace).await?;
        if all.iter().any(|(_, wrapped)| wrapped.is_empty()) {
            return Ok(Vec::new());
        }
        Ok(all.into_iter().map(|(version, _)| version).collect())
    }

    /// Versions of a key that seal no more.
    pub(crate) async fn old_versions(&self, workspace: WorkspaceId) -> Result<Vec<KeyVersion>> {
        let now = self.0.clock.now();
        let mut all = self.key_versions(workspace).await?;
        let sealing = all.iter().rfind(|version| version.begins_at <= now).map_or(0, |version| version.number);
        all.retain(|version| version.number < sealing);
        Ok(all)
    }

    /// The key of a workspace, or the installation's.
    pub(crate) async fn key_of(&self, workspace: WorkspaceId) -> Result<Key> {
        if workspace == INSTALLATION { Ok(self.instance_key()) } else { self.workspace_key(workspace).await }
    }

    /// Makes another version of a key whose newest is this old; says which. It seals an hour later.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn turn_key(&self, workspace: WorkspaceId, age: Duration) -> Result<Option<u32>> {
        let now = self.0.clock.now();
        let Some(newest) = self.key_versions(workspace).await?.pop() else { return Ok(None) };
        if newest.created_at.plus(age) > now {
            return Ok(None);
        }
        // What looks values up is kept apart from here on, where it was not before.
        self.key_of(workspace).await?;
        let number = newest.number + 1;
        // Of two that do it at once, one does. A workspace that ended meanwhile gets no new key.
        let text = "INSERT INTO {keys}workspace_keys (wrapped, key_workspace_id, version, created_at, begins_at) \
                    SELECT $1, $2, $3, $4, $5 WHERE NOT EXISTS (SELECT 1 FROM {keys}workspace_keys e \
                    WHERE e.key_workspace_id = $2 AND e.wrapped = $6 AND e.removed_at IS NULL) \
                    ON CONFLICT (key_workspace_id, version) DO NOTHING";
        let values: Vec<Value> = vec![
            workspace.into(),
            i64::from(number).into(),
            now.into(),
            now.plus(LEAD).into(),
            Value::from(Vec::<u8>::new()),
        ];
        let place = workspace_place(workspace, number.into());
        let material = aead::random_secret();
        self.write_wrapped(&[(place.clone(), material.as_ref(), text, values)]).await?;
        self.forget(workspace);
        let text = "SELECT wrapped FROM {keys}workspace_keys WHERE key_workspace_id = $1 AND version = $2";
        let row = self.0.db.query_one_raw(self.sql(text, [workspace.into(), i64::from(number).into()])).await?;
        let Some(row) = row else { return Ok(None) };
        let there = secret(&place, &self.0.provider.unwrap(&place, &row.try_get::<Vec<u8>>("", "wrapped")?).await?)?;
        Ok((there == material).then_some(number))
    }

    /// Wraps by the version that seals what an old one wrapped of people's keys. It may be broken off, repeated, and done by
    /// several at once.
    ///
    /// # Errors
    /// `Unavailable`; `Corrupt`.
    pub(crate) async fn rewrap_people(&self, workspace: WorkspaceId, old: u32) -> Result<u64> {
        let key = self.workspace_key(workspace).await?;
        let header = Key::header_of(Kind::Workspace, old);
        let (mut after, mut rewrapped) = (uuid::Uuid::nil(), 0);
        loop {
            let text = format!(
                "SELECT subject_id, wrapped FROM {{keys}}subject_keys WHERE key_workspace_id = $1 AND subject_id > $2 \
                 AND wrapped IS NOT NULL AND substr(wrapped, 1, 6) = $3 ORDER BY subject_id LIMIT {PIECE}"
            );
            let values = [workspace.into(), after.into(), header.clone().into()];
            let rows = self.0.db.query_all_raw(self.sql(&text, values)).await?;
            let Some(last) = rows.last() else { return Ok(rewrapped) };
            after = last.try_get("", "subject_id")?;
            for row in rows {
                let person: SubjectId = row.try_get("", "subject_id")?;
                let wrapped: Vec<u8> = row.try_get("", "wrapped")?;
                let place = subject_place(workspace, person);
                let again = key.seal(&place, &key.open(&place, &wrapped)?);
                // Only what was read: who was erased meanwhile stays erased.
                let text = "UPDATE {keys}subject_keys SET wrapped = $1 \
                            WHERE key_workspace_id = $2 AND subject_id = $3 AND wrapped = $4";
                let values = [again.into(), workspace.into(), person.into(), wrapped.into()];
                rewrapped += self.0.db.execute_raw(self.sql(text, values)).await?.rows_affected();
            }
        }
    }

    /// Whether a person's key is wrapped by this version.
    pub(crate) async fn wraps_people(&self, workspace: WorkspaceId, version: u32) -> Result<bool> {
        let text = "SELECT 1 AS one FROM {keys}subject_keys WHERE key_workspace_id = $1 AND wrapped IS NOT NULL \
                    AND substr(wrapped, 1, 6) = $2 LIMIT 1";
        let values = [workspace.into(), Key::header_of(Kind::Workspace, version).into()];
        Ok(self.0.db.query_one_raw(self.sql(text, values)).await?.is_some())
    }

    /// Notes since when nothing is sealed under a version, or that something is again.
    pub(crate) async fn note_unreferenced(&self, workspace: WorkspaceId, version: u32, is: bool) -> Result<()> {
        let text = "UPDATE {keys}workspace_keys SET unreferenced_at = COALESCE(unreferenced_at, $3) \
                    WHERE key_workspace_id = $1 AND version = $2";
        let again =
            "UPDATE {keys}workspace_keys SET unreferenced_at = NULL WHERE key_workspace_id = $1 AND version = $2";
        let mut values: Vec<Value> = vec![workspace.into(), i64::from(version).into()];
        if is {
            values.push(self.0.clock.now().into());
        }
        self.0.db.execute_raw(self.statement(if is { text } else { again }, values)).await?;
        Ok(())
    }

    /// Removes a version for good, where nothing was sealed under it for a while and no person's key is wrapped by it; says
    /// whether it did.
    pub(crate) async fn remove_version(&self, workspace: WorkspaceId, version: &KeyVersion) -> Result<bool> {
        let now = self.0.clock.now();
        let all = self.key_versions(workspace).await?;
        let next = all.iter().find(|other| other.number > version.number && other.begins_at <= now);
        let is_over = next.is_some_and(|next| next.begins_at.plus(AFTERLIFE) <= now);
        if !is_over || version.unreferenced_at.is_none() {
            return Ok(false);
        }
        let text = "UPDATE {keys}workspace_keys SET wrapped = $3, removed_at = $4 WHERE key_workspace_id = $1 AND version = $2 \
                    AND removed_at IS NULL AND wrapped <> $3 AND unreferenced_at IS NOT NULL \
                    AND NOT EXISTS (SELECT 1 FROM {keys}subject_keys WHERE key_workspace_id = $1 \
                    AND wrapped IS NOT NULL AND substr(wrapped, 1, 6) = $5)";
        let values = [
            workspace.into(),
            i64::from(version.number).into(),
            Value::from(Vec::<u8>::new()),
            now.into(),
            Key::header_of(Kind::Workspace, version.number).into(),
        ];
        let removed = self.0.db.execute_raw(self.sql(text, values)).await?.rows_affected() == 1;
        self.forget(workspace);
        Ok(removed)
    }
}
