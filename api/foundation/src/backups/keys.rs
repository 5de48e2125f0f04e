//! The key store, apart from the data: one current file that is overwritten, so that no backup ever keeps the key of a person
//! who was erased.

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, IsolationLevel, Statement, TransactionOptions, TransactionTrait,
};

use super::{
    catalogue::Schema,
    crypt::{Identity, Recipients},
    digest::TableDigest,
    dump,
    rows::Existing,
    target::{KEYS, Target},
};
use crate::{
    error::{Error, Result},
    store::Store,
    vault::{InstanceIndex, Provider},
};

/// Where the installation's own look-up key stands: no workspace has this id.
const NOBODY: [u8; 16] = [0; 16];

/// How often the file is written again because somebody was erased while it was.
const TRIES: usize = 20;

/// Writes the file anew. When it is there, it holds no key that was shredded before this was called.
///
/// What was read before a shred may be written after it, and by another process too: so whoever wrote looks again, and writes
/// again where somebody was erased meanwhile.
pub(super) async fn back_up(store: &Store, target: &Target, recipients: &Recipients) -> Result<u64> {
    for _ in 0..TRIES {
        let tx = snapshot(store).await?;
        let before = shredded(&tx).await?;
        let mut part = target.part(KEYS, recipients)?;
        let digests = dump::read(&tx, Schema::Keys, &[], Some(&mut part)).await?;
        part.finish().await?;
        tx.rollback().await?;
        if shredded(store.vault().key_store()).await? == before {
            return Ok(digests.iter().map(|table| table.rows).sum());
        }
    }
    Err(Error::internal("the key store changed each time that it was backed up"))
}

async fn snapshot(store: &Store) -> Result<DatabaseTransaction> {
    let keys = store.vault().key_store();
    let is_postgres = keys.get_database_backend() == DbBackend::Postgres;
    let isolation_level = is_postgres.then_some(IsolationLevel::RepeatableRead);
    Ok(keys.begin_with_options(TransactionOptions { isolation_level, ..Default::default() }).await?)
}

async fn shredded(db: &impl ConnectionTrait) -> Result<i64> {
    let backend = db.get_database_backend();
    let place = if backend == DbBackend::Postgres { "keys.subject_keys" } else { "subject_keys" };
    let sql = format!("SELECT COUNT(*) AS shredded FROM {place} WHERE shredded_at IS NOT NULL");
    let row = db.query_one_raw(Statement::from_string(backend, sql)).await?;
    Ok(row.ok_or_else(|| Error::internal("COUNT answers one row"))?.try_get("", "shredded")?)
}

/// Reads out of the file what vouches for the installation's backups.
pub(super) async fn vouching(from: &Target, identity: &Identity, keys: &Provider) -> Result<InstanceIndex> {
    let source = from.open_part(KEYS, identity).await?;
    let wrapped = dump::find(source, "look_up_keys", "key_workspace_id", &NOBODY, "wrapped").await?;
    InstanceIndex::unwrap(keys, wrapped.as_deref()).await
}

/// Fills the key store from the file. A key or a tombstone that is there already stays as it is.
pub(super) async fn restore(store: &Store, from: &Target, identity: &Identity) -> Result<Vec<TableDigest>> {
    let source = from.open_part(KEYS, identity).await?;
    let tx = store.vault().key_store().begin().await?;
    let digests = dump::write(&tx, Schema::Keys, Existing::Keep, source).await?;
    tx.commit().await?;
    store.vault().doctor().await?;
    Ok(digests)
}
