//! Opening a key store: is this the root key that wrapped it, are all versions there that something refers to, and what are the
//! installation's own keys. Then the keys of workspaces, as they are asked for.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
    time::Duration,
};

use sea_orm::{ConnectionTrait, DbBackend, Value};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    CHECK_ROW, CHECK_VALUE, CHECK_VERSION, Key, Kind, Place, Provider, Vault,
    aead::{self, Secret},
    key::LookUp,
    lookup_place,
    provider::{FirstSecrets, RootVersion},
    versions::KeyVersion,
    workspace_place, wrong_root_key,
};
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::WorkspaceId,
};

/// How long versions are not looked up again. No version seals sooner after it was made than twelve times that.
const FRESH: Duration = Duration::from_secs(5 * 60);

/// How long a process goes on with what it knows where it cannot look. No version goes sooner after another took its place.
const LONGEST_WITHOUT_A_LOOK: Duration = Duration::from_secs(12 * 3_600);

/// Makes look-up values of what belongs to no workspace. It never changes.
#[derive(Clone)]
pub struct InstanceIndex(Secret);

impl InstanceIndex {
    /// The look-up value of a normalised text.
    pub(crate) fn of(&self, purpose: &'static str, normalised: &str) -> Vec<u8> {
        aead::keyed_hash(self.0.as_ref(), &[purpose.as_bytes(), normalised.as_bytes()]).to_vec()
    }

    #[cfg(test)]
    pub(crate) fn random() -> Self {
        Self(aead::random_secret())
    }

    /// That of an installation whose copy of it is at hand, before there is a vault; without a copy, of one that had not written
    /// it down yet.
    ///
    /// # Errors
    /// `Misconfigured` with another root key; `Unavailable`.
    pub(crate) async fn unwrap(provider: &Provider, wrapped: Option<&[u8]>) -> Result<Self> {
        let Some(wrapped) = wrapped else {
            return provider.first_secrets().map(|first| Self(first.index)).ok_or_else(wrong_root_key);
        };
        let plain = provider.unwrap(&lookup_place(CHECK_ROW), wrapped).await.map_err(wrong)?;
        Ok(Self(secret(&lookup_place(CHECK_ROW), &plain)?))
    }
}

/// What belongs to no workspace.
#[derive(Clone)]
pub(super) struct Installation {
    pub held: Held,
    pub index: InstanceIndex,
}

/// A key that was read, and when.
#[derive(Clone)]
pub(super) struct Held {
    pub key: Key,
    read_at: Timestamp,
    /// When it was last tried to read it.
    tried_at: Timestamp,
}

impl Held {
    pub fn new(key: Key, now: Timestamp) -> Self {
        Self { key, read_at: now, tried_at: now }
    }

    /// The same, after a look that failed.
    pub fn tried(self, now: Timestamp) -> Self {
        Self { tried_at: now, ..self }
    }

    pub fn is_fresh(&self, now: Timestamp) -> bool {
        now < self.tried_at.plus(FRESH)
    }

    /// Whether it may be gone on with where nobody can be asked.
    pub fn will_do(&self, now: Timestamp, error: &Error) -> bool {
        error.kind() == ErrorKind::Unavailable && now < self.read_at.plus(LONGEST_WITHOUT_A_LOOK)
    }
}

impl Vault {
    /// Opens the key store: refuses where the root key is not the one that wrapped it, or where something refers to a version
    /// that is not there. A fresh key store takes the root key for its own. May be repeated.
    ///
    /// # Errors
    /// `Misconfigured`, with the version that is missing; `Unavailable`.
    pub async fn doctor(&self) -> Result<()> {
        self.refuse_unmigrated().await?;
        let known = self.roots().await?;
        if !known.is_empty() {
            self.refuse_missing_roots(&known).await?;
        }
        let check = self.check_row().await?;
        match &check {
            Some((_, sealed)) => self.open_check(sealed).await?,
            None => self.refuse_foreign_keys().await?,
        }
        if known.is_empty() {
            let mark = self.0.provider.marks().await?.into_iter().next().ok_or_else(wrong_root_key)?;
            // As old as the key store.
            let since = check.as_ref().map_or(self.0.clock.now(), |(at, _)| *at);
            self.insert_root(&self.0.db, &RootVersion { number: 1, mark }, since, since).await?;
        }
        if check.is_none() {
            let text = "INSERT INTO {keys}workspace_keys (wrapped, key_workspace_id, version, created_at) \
                        VALUES ($1, $2, $3, $4) ON CONFLICT (key_workspace_id, version) DO NOTHING";
            let values = vec![CHECK_ROW.into(), CHECK_VERSION.into(), self.0.clock.now().into()];
            self.write_wrapped(&[(check_place(), CHECK_VALUE, text, values)]).await?;
            let (_, sealed) = self.check_row().await?.ok_or_else(|| Error::internal("the check value is not there"))?;
            self.open_check(&sealed).await?;
        }
        self.open_installation().await?;
        self.refuse_missing_versions().await
    }

    async fn refuse_unmigrated(&self) -> Result<()> {
        let text = match self.0.db.get_database_backend() {
            DbBackend::Postgres => "SELECT to_regclass('keys.root_versions')::text AS name",
            _ => "SELECT name FROM sqlite_master WHERE name = 'root_versions'",
        };
        let row = self.0.db.query_one_raw(self.sql(text, [])).await?;
        let name = row.map(|row| row.try_get::<Option<String>>("", "name")).transpose()?.flatten();
        name.map(drop).ok_or_else(|| {
            Error::new(ErrorKind::Misconfigured, "The key store lacks migrations. Run `consigne migrate` as the owner.")
        })
    }

    async fn check_row(&self) -> Result<Option<(Timestamp, Vec<u8>)>> {
        let text = "SELECT created_at, wrapped FROM {keys}workspace_keys WHERE key_workspace_id = $1 AND version = $2";
        let row = self.0.db.query_one_raw(self.sql(text, [CHECK_ROW.into(), CHECK_VERSION.into()])).await?;
        row.map(|row| Ok((Timestamp(row.try_get("", "created_at")?), row.try_get("", "wrapped")?))).transpose()
    }

    async fn open_check(&self, sealed: &[u8]) -> Result<()> {
        match self.0.provider.unwrap(&check_place(), sealed).await {
            Ok(value) if value.as_slice() == CHECK_VALUE => Ok(()),
            Ok(_) => Err(wrong_root_key()),
            Err(error) => Err(wrong(error)),
        }
    }

    /// A key store with keys but without a check value must not become this root key's own.
    async fn refuse_foreign_keys(&self) -> Result<()> {
        let text = "SELECT key_workspace_id, version, wrapped FROM {keys}workspace_keys \
                    WHERE version > $1 AND wrapped <> $2 LIMIT 1";
        let values = [CHECK_VERSION.into(), Value::from(Vec::<u8>::new())];
        let Some(row) = self.0.db.query_one_raw(self.sql(text, values)).await? else { return Ok(()) };
        let place = workspace_place(row.try_get("", "key_workspace_id")?, row.try_get("", "version")?);
        let wrapped: Vec<u8> = row.try_get("", "wrapped")?;
        self.0.provider.unwrap(&place, &wrapped).await.map(drop).map_err(wrong)
    }

    /// Reads the installation's own keys. At the first start they are written down: what an older installation derived from its
    /// root key each time, so that it goes on reading what it wrote, or, where its provider never gave the root key away, new ones.
    async fn open_installation(&self) -> Result<()> {
        if self.stored_lookup(CHECK_ROW).await?.is_none() {
            if self.roots().await?.len() > 1 {
                return Err(Error::new(ErrorKind::Corrupt, "The key store lost the installation's own keys."));
            }
            let FirstSecrets { instance, index } = self
                .0
                .provider
                .first_secrets()
                .unwrap_or_else(|| FirstSecrets { instance: aead::random_secret(), index: aead::random_secret() });
            self.insert_pair(CHECK_ROW, instance.as_ref(), index.as_ref()).await?;
        }
        let index = self.stored_lookup(CHECK_ROW).await?;
        let index = index.ok_or_else(|| Error::internal("a key that was just written is not there"))?;
        let index = InstanceIndex(secret(&lookup_place(CHECK_ROW), &index)?);
        let before = self.0.installation.read().unwrap_or_else(PoisonError::into_inner).clone();
        let key = self.installation_ring(before.map(|before| before.held.key).as_ref()).await?;
        self.hold_installation(Installation { held: Held::new(key, self.0.clock.now()), index });
        Ok(())
    }

    async fn installation_ring(&self, known: Option<&Key>) -> Result<Key> {
        let key = self.ring(CHECK_ROW, Kind::Instance, known, None).await?;
        key.ok_or_else(|| Error::new(ErrorKind::Corrupt, "The key store lost the installation's key."))
    }

    fn hold_installation(&self, opened: Installation) {
        *self.0.installation.write().unwrap_or_else(PoisonError::into_inner) = Some(opened);
    }

    pub(super) fn installation(&self) -> Installation {
        let opened = self.0.installation.read().unwrap_or_else(PoisonError::into_inner).clone();
        opened.expect("a store opens its key store before it is handed out")
    }

    /// Looks now which versions of a key there are.
    pub(crate) async fn look_again(&self, workspace: WorkspaceId) -> Result<()> {
        self.forget(workspace);
        if workspace == CHECK_ROW { self.open_installation().await } else { Ok(()) }
    }

    /// Looks every few minutes whether the installation's key has another version; what is known will do for a while.
    pub(crate) async fn keep_fresh(&self) -> Result<()> {
        let known = self.0.installation.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (Some(Installation { held, index }), now) = (known, self.0.clock.now()) else { return Ok(()) };
        if held.is_fresh(now) {
            return Ok(());
        }
        let held = match self.installation_ring(Some(&held.key)).await {
            Ok(key) => Held::new(key, now),
            Err(error) if held.will_do(now, &error) => held.tried(now),
            Err(error) => return Err(error),
        };
        self.hold_installation(Installation { held, index });
        Ok(())
    }

    /// The key of a workspace as it is stored; what is held of it need not be unwrapped again. None where there is none, or none
    /// any more.
    pub(super) async fn stored_key(&self, workspace: WorkspaceId, held: Option<&Held>) -> Result<Option<Key>> {
        let known = held.map(|held| &held.key);
        let look_up = match known.and_then(Key::look_up) {
            Some(look_up) => Some(look_up),
            None => self.stored_lookup(workspace).await?.and_then(LookUp::from_bytes),
        };
        let is_kept = look_up.is_some();
        let Some(key) = self.ring(workspace, Kind::Workspace, known, look_up).await? else { return Ok(None) };
        if is_kept { Ok(Some(key)) } else { self.keep_lookup(workspace, &key).await.map(Some) }
    }

    /// All versions that are there. The newest whose time has come seals.
    async fn ring(
        &self,
        workspace: WorkspaceId,
        kind: Kind,
        known: Option<&Key>,
        look_up: Option<LookUp>,
    ) -> Result<Option<Key>> {
        let (now, mut secrets, mut sealing) = (self.0.clock.now(), Vec::new(), None);
        for (version, wrapped) in self.versions_and_keys(workspace).await? {
            if wrapped.is_empty() {
                return Ok(None);
            }
            let material = match known.and_then(|known| known.material(version.number)) {
                Some(material) => material,
                None => {
                    let place = workspace_place(workspace, version.number.into());
                    secret(&place, &self.0.provider.unwrap(&place, &wrapped).await?)?
                }
            };
            secrets.push((version.number, material));
            if version.begins_at <= now || sealing.is_none() {
                sealing = Some(version.number);
            }
        }
        let Some(sealing) = sealing else { return Ok(None) };
        Ok(Key::of(kind, secrets, sealing, look_up))
    }

    /// Versions with their wrapped keys, oldest first; those that were removed are none.
    pub(super) async fn versions_and_keys(&self, workspace: WorkspaceId) -> Result<Vec<(KeyVersion, Vec<u8>)>> {
        let text = "SELECT version, wrapped, created_at, begins_at, unreferenced_at FROM {keys}workspace_keys \
                    WHERE key_workspace_id = $1 AND version > 0 AND removed_at IS NULL ORDER BY version";
        let mut all = Vec::new();
        for row in self.0.db.query_all_raw(self.sql(text, [workspace.into()])).await? {
            all.push((KeyVersion::read(&row)?, row.try_get("", "wrapped")?));
        }
        Ok(all)
    }

    async fn stored_lookup(&self, workspace: WorkspaceId) -> Result<Option<Zeroizing<Vec<u8>>>> {
        let text = "SELECT wrapped FROM {keys}look_up_keys WHERE key_workspace_id = $1 AND wrapped <> $2";
        let values = [workspace.into(), Value::from(Vec::<u8>::new())];
        let Some(row) = self.0.db.query_one_raw(self.sql(text, values)).await? else { return Ok(None) };
        let wrapped: Vec<u8> = row.try_get("", "wrapped")?;
        self.0.provider.unwrap(&lookup_place(workspace), &wrapped).await.map(Some)
    }

    /// What look-up values are made with is kept apart from the version that it was made of, so that this one may go.
    async fn keep_lookup(&self, workspace: WorkspaceId, key: &Key) -> Result<Key> {
        let first = key.material(1).ok_or_else(|| {
            Error::new(ErrorKind::Corrupt, format!("The key store lost what looks up values of {workspace}."))
        })?;
        let look_up = LookUp::from_first(&first);
        let values = vec![workspace.into(), self.0.clock.now().into()];
        self.write_wrapped(&[(lookup_place(workspace), look_up.as_bytes(), INSERT_LOOK_UP, values)]).await?;
        Ok(key.looking_up_by(look_up))
    }

    pub(super) async fn insert_first_key(&self, workspace: WorkspaceId) -> Result<()> {
        let first = aead::random_secret();
        self.insert_pair(workspace, first.as_ref(), LookUp::from_first(&first).as_bytes()).await
    }

    /// A first version and what looks values up, both or none.
    async fn insert_pair(&self, workspace: WorkspaceId, first: &[u8], look_up: &[u8]) -> Result<()> {
        let text = "INSERT INTO {keys}workspace_keys (wrapped, key_workspace_id, version, created_at) \
                    VALUES ($1, $2, 1, $3) ON CONFLICT (key_workspace_id, version) DO NOTHING";
        let values: Vec<Value> = vec![workspace.into(), self.0.clock.now().into()];
        self.write_wrapped(&[
            (workspace_place(workspace, 1), first, text, values.clone()),
            (lookup_place(workspace), look_up, INSERT_LOOK_UP, values),
        ])
        .await
    }

    /// Every version that a person's key was wrapped by is there.
    async fn refuse_missing_versions(&self) -> Result<()> {
        let mut there = BTreeMap::<WorkspaceId, BTreeSet<u32>>::new();
        let text = "SELECT key_workspace_id, version, wrapped, created_at, begins_at, unreferenced_at \
                    FROM {keys}workspace_keys WHERE removed_at IS NULL";
        for row in self.0.db.query_all_raw(self.sql(text, [])).await? {
            there.entry(row.try_get("", "key_workspace_id")?).or_default().insert(KeyVersion::read(&row)?.number);
        }
        let text = "SELECT DISTINCT key_workspace_id, substr(wrapped, 3, 4) AS version FROM {keys}subject_keys \
                    WHERE wrapped IS NOT NULL";
        for row in self.0.db.query_all_raw(self.sql(text, [])).await? {
            let workspace: WorkspaceId = row.try_get("", "key_workspace_id")?;
            let version: Vec<u8> = row.try_get("", "version")?;
            let version = version.try_into().map_or(0, u32::from_be_bytes);
            if !there.get(&workspace).is_some_and(|known| known.contains(&version)) {
                return Err(missing(workspace, version, "the keys of its people"));
            }
        }
        Ok(())
    }
}

const INSERT_LOOK_UP: &str = "INSERT INTO {keys}look_up_keys (wrapped, key_workspace_id, created_at) \
                              VALUES ($1, $2, $3) ON CONFLICT (key_workspace_id) DO NOTHING";

/// Something refers to a version that is not there.
pub(crate) fn missing(workspace: WorkspaceId, version: u32, what: &str) -> Error {
    let whose = if workspace.0 == Uuid::nil() { "the installation".to_owned() } else { format!("{workspace}") };
    let message = format!(
        "The key store lacks version {version} of the key of {whose}, and {what} need it. Bring back a key store that is as new \
         as the data."
    );
    Error::new(ErrorKind::Misconfigured, message)
}

/// What cannot be unwrapped was wrapped by another root key.
fn wrong(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Corrupt => wrong_root_key(),
        _ => error,
    }
}

pub(super) fn secret(place: &Place, bytes: &[u8]) -> Result<Secret> {
    let mut secret = Secret::default();
    if bytes.len() != secret.len() {
        return Err(Error::new(ErrorKind::Corrupt, format!("The key at {place} has another length than a key.")));
    }
    secret.copy_from_slice(bytes);
    Ok(secret)
}

fn check_place() -> Place {
    workspace_place(CHECK_ROW, CHECK_VERSION)
}
