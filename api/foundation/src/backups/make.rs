//! Making a backup.

use std::time::Duration;

use sea_orm::{ConnectionTrait, EntityTrait, QueryOrder, QuerySelect, Statement};

use super::{
    Backups,
    catalogue::Schema,
    dump, files, keys, ledger,
    manifest::Manifest,
    prune::Sweep,
    record,
    target::{Target, data_path, files_path},
};
use crate::{
    audit::Event,
    error::{Error, Result},
    id::{BackupId, WorkspaceId},
    privacy::ledger as erasure_ledger,
    store::{InstanceTx, entity::workspaces},
};

impl Backups {
    /// Makes a backup at the place of the settings, with the key store and the ledger beside it, and removes those that were
    /// kept long enough.
    ///
    /// # Errors
    /// `Conflict` where one is being made; `Unavailable`. What failed leaves nothing that could be taken for a backup.
    pub async fn make(&self) -> Result<Manifest> {
        self.make_at(self.target(), true).await
    }

    /// Makes a backup somewhere else. The key store does not go there: it is one current file, in one place.
    ///
    /// # Errors
    /// As [`Backups::make`].
    pub async fn make_elsewhere(&self, target: &Target) -> Result<Manifest> {
        self.make_at(target, false).await
    }

    async fn make_at(&self, target: &Target, is_own: bool) -> Result<Manifest> {
        let store = self.store();
        let id = BackupId::new(store.clock());
        record::begin(store, id, target.name()).await?;
        let made = match self.write(target, id).await {
            Ok(manifest) if is_own => self.back_up_keys().await.map(|_| manifest),
            made => made,
        };
        let manifest = match made {
            Ok(manifest) => manifest,
            Err(error) => {
                if let Err(error) = target.remove(id).await {
                    tracing::warn!(backup = %id, %error, "what is left of a failed backup could not be removed");
                }
                record::failed(store, id, &error).await?;
                return Err(error);
            }
        };
        // With its keys beside it, it is one.
        manifest.write(target, &store.vault().index()).await?;
        if is_own && let Err(error) = self.prune(target, Sweep::Files).await {
            tracing::warn!(%error, "old backups could not be removed; they will be by the next run");
        }
        record::done(store, target.name(), &manifest).await?;
        record::tell_all(store, || Event::new("backup.made").target("backup", id.0)).await?;
        tracing::info!(backup = %id, rows = manifest.rows(), files = manifest.files, "a backup was made");
        Ok(manifest)
    }

    /// Everything but the manifest.
    async fn write(&self, target: &Target, id: BackupId) -> Result<Manifest> {
        let (store, recipients) = (self.store(), &self.options().recipients);
        let began_at = store.now();
        let tx = store.read_instance().await?;
        let schema = schema(&tx).await?;
        let workspaces = workspaces_of(&tx).await?;
        let mut part = target.part(&data_path(id), recipients)?;
        let tables = dump::read(tx.db(), Schema::Data, &workspaces, Some(&mut part)).await?;
        let data = part.finish().await?;
        drop(tx);
        let known = self.known_files(target).await?;
        let list = target.plain_part(&files_path(id));
        let copied = files::copy(self.blobs(), target, recipients, known, list).await?;
        let ledger = ledger::copy(self.blobs(), target).await?;
        ledger::copy_terminations(self.blobs(), target).await?;
        Ok(Manifest::new(
            id,
            (began_at, store.now()),
            schema,
            tables,
            data,
            (copied.list, copied.files, copied.bytes),
            ledger,
            recipients.names(),
        ))
    }

    /// Files of the newest backup of this place.
    async fn known_files(&self, target: &Target) -> Result<Vec<files::File>> {
        for id in target.backups().await?.into_iter().rev() {
            if let Some(manifest) = Manifest::peek(target, id).await? {
                return files::list(target, &files_path(id), Some(&manifest.file_list)).await;
            }
        }
        Ok(Vec::new())
    }

    /// Overwrites the backup of the key store: afterwards no key that was destroyed before is in any backup.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn back_up_keys(&self) -> Result<u64> {
        keys::back_up(self.store(), self.target(), &self.options().recipients).await
    }

    /// Writes an entry of the erasure ledger beside the backups too.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn copy_ledger_entry(&self, entry: &erasure_ledger::Entry) -> Result<()> {
        let (path, bytes) = erasure_ledger::object(entry)?;
        if self.target().exists(&path).await? { Ok(()) } else { self.target().put(&path, bytes).await }
    }

    /// Writes the ledger of ends of workspaces beside the backups too.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(crate) async fn copy_terminations(&self) -> Result<()> {
        ledger::copy_terminations(self.blobs(), self.target()).await
    }

    /// How long a backup is kept.
    pub fn keep(&self) -> Duration {
        self.options().keep
    }
}

/// The steps of the history that were applied.
pub(crate) async fn schema(tx: &InstanceTx) -> Result<Vec<String>> {
    let sql = "SELECT version FROM seaql_migrations ORDER BY version";
    let rows = tx.query_all_raw(Statement::from_string(tx.get_database_backend(), sql)).await?;
    let steps: Vec<String> = rows.iter().map(|row| Ok(row.try_get("", "version")?)).collect::<Result<_>>()?;
    if steps.is_empty() { Err(Error::internal("the database has no history")) } else { Ok(steps) }
}

pub(super) async fn workspaces_of(tx: &InstanceTx) -> Result<Vec<WorkspaceId>> {
    let all = workspaces::Entity::find()
        .select_only()
        .column(workspaces::Column::Id)
        .order_by_asc(workspaces::Column::Id)
        .into_tuple()
        .all(tx.db())
        .await?;
    Ok(all)
}
