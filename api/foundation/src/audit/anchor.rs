//! Where a chain begins, once its oldest entries were kept long enough and went.
//!
//! A chain is cut at a checkpoint and nowhere else, so whoever was handed that checkpoint can still tell that the rest follows on it.
//! The anchor says at which, and its `mac` is keyed by the workspace key: somebody who can write to the database, and has no root key,
//! can cut nothing that was not cut by this installation. Before anything goes, the part that goes is read once more: a chain that is
//! broken there stays as it is, for whoever has to find out why.

use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Statement, sea_query::OnConflict,
};
use subtle::ConstantTimeEq;

use super::{chain, checkpoint, verify::Trusted};
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::WorkspaceId,
    store::{
        InstanceTx,
        entity::{audit_anchors as table, audit_checkpoints, audit_entries},
    },
    vault::{Key, aead},
};

/// Entries read at once.
const RUN: u64 = 500;

/// The anchor of a chain, if it was ever cut.
pub(super) async fn stored(tx: &InstanceTx, workspace: WorkspaceId) -> Result<Option<table::Model>> {
    Ok(table::Entity::find_by_id(workspace).one(tx.db()).await?)
}

/// What an anchor says; none where it is not this installation's.
pub(super) fn read(key: &Key, row: &table::Model) -> Option<Trusted> {
    let said = mac(key, row.workspace_id, row.seq, &row.hash, row.at);
    let is_ours = bool::from(said.as_slice().ct_eq(&row.mac));
    is_ours.then(|| Trusted { seq: row.seq, hash: row.hash.clone() })
}

/// The newest checkpoint at or before an entry, behind the anchor: where the chain could be cut.
async fn next(tx: &InstanceTx, workspace: WorkspaceId, up_to: i64) -> Result<Option<audit_checkpoints::Model>> {
    Ok(audit_checkpoints::Entity::find()
        .filter(audit_checkpoints::Column::WorkspaceId.eq(workspace))
        .filter(audit_checkpoints::Column::Seq.lte(up_to))
        .order_by_desc(audit_checkpoints::Column::Seq)
        .one(tx.db())
        .await?)
}

/// Cuts a chain at the newest checkpoint at or before an entry, and answers how many entries went. Those whose details are still
/// there, because something is held, stay until those go.
///
/// # Errors
/// `Corrupt` where what would go is not what was written: nothing goes. `Unavailable`.
pub(crate) async fn cut(tx: &InstanceTx, workspace: WorkspaceId, up_to: i64) -> Result<u64> {
    let key = tx.store().vault().workspace_key(workspace).await?;
    let anchor = match stored(tx, workspace).await? {
        Some(row) => read(&key, &row).ok_or_else(|| broken(row.seq))?,
        None => Trusted { seq: 0, hash: chain::GENESIS.to_vec() },
    };
    if let Some(checkpoint) = next(tx, workspace, up_to).await?.filter(|checkpoint| checkpoint.seq > anchor.seq) {
        let claims = checkpoint::read_own(&key, &checkpoint).ok_or_else(|| broken(checkpoint.seq))?;
        let hash = walk(tx, workspace, anchor, checkpoint.seq).await?;
        if hex::encode(&hash) != claims.hash {
            return Err(broken(checkpoint.seq));
        }
        put(tx, &key, workspace, checkpoint.seq, hash).await?;
    }
    go(tx, workspace).await
}

/// Reads the entries behind the anchor up to this one, and answers its hash.
async fn walk(tx: &InstanceTx, workspace: WorkspaceId, from: Trusted, to: i64) -> Result<Vec<u8>> {
    let (mut seq, mut previous) = (from.seq, from.hash);
    while seq < to {
        let entries = audit_entries::Entity::find()
            .filter(audit_entries::Column::WorkspaceId.eq(workspace))
            .filter(audit_entries::Column::Seq.gt(seq))
            .filter(audit_entries::Column::Seq.lte(to))
            .order_by_asc(audit_entries::Column::Seq)
            .limit(RUN)
            .all(tx.db())
            .await?;
        if entries.is_empty() {
            return Err(broken(seq + 1));
        }
        for entry in entries {
            seq += 1;
            if entry.seq != seq || !chain::follows(&entry, &previous) {
                return Err(broken(seq));
            }
            previous = entry.hash;
        }
    }
    Ok(previous)
}

async fn put(tx: &InstanceTx, key: &Key, workspace: WorkspaceId, seq: i64, hash: Vec<u8>) -> Result<()> {
    let at = tx.store().now();
    let row = table::ActiveModel {
        workspace_id: Set(workspace),
        seq: Set(seq),
        mac: Set(mac(key, workspace, seq, &hash, at).to_vec()),
        hash: Set(hash),
        at: Set(at),
    };
    let moved = OnConflict::column(table::Column::WorkspaceId)
        .update_columns([table::Column::Seq, table::Column::Hash, table::Column::At, table::Column::Mac])
        .to_owned();
    table::Entity::insert(row).on_conflict(moved).exec_without_returning(tx.db()).await?;
    Ok(())
}

/// Lets go what stands before the anchor. On Postgres the application role deletes no entry by itself: a function of the owner does, and
/// only what is older than ninety days.
async fn go(tx: &InstanceTx, workspace: WorkspaceId) -> Result<u64> {
    let backend = tx.store().backend();
    if backend == DbBackend::Postgres {
        let cut = Statement::from_string(backend, "SELECT cut_audit_chain() AS gone");
        let row = tx.query_one_raw(cut).await?.ok_or_else(|| Error::internal("a function answers one row"))?;
        return Ok(row.try_get::<i64>("", "gone")?.unsigned_abs());
    }
    let sql = "DELETE FROM audit_entries WHERE workspace_id = $1 \
               AND seq <= (SELECT a.seq FROM audit_anchors a WHERE a.workspace_id = $1) \
               AND NOT EXISTS (SELECT 1 FROM audit_details d \
               WHERE d.workspace_id = audit_entries.workspace_id AND d.seq = audit_entries.seq)";
    let gone = tx.execute_raw(Statement::from_sql_and_values(backend, sql, [workspace.into()])).await?;
    Ok(gone.rows_affected())
}

fn mac(key: &Key, workspace: WorkspaceId, seq: i64, hash: &[u8], at: Timestamp) -> [u8; 32] {
    let key = key.derive("consigne/audit-anchor/1");
    aead::keyed_hash(key.as_ref(), &[workspace.0.as_bytes(), &seq.to_be_bytes(), hash, &at.0.to_be_bytes()])
}

fn broken(seq: i64) -> Error {
    Error::new(ErrorKind::Corrupt, format!("The audit chain is broken at entry {seq}. Nothing of it is let go."))
}
