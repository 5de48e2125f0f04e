//! Signed positions of a chain: what makes a cut tail visible even if the high-water mark was put back.
//!
//! A checkpoint is a JWS (Ed25519) whose claims are the workspace, the number and the hash of the newest entry, and the
//! time. Its `mac` is keyed by the workspace key, because the public keys stand in the same database: somebody who adds a
//! key of their own there still cannot make a checkpoint that this instance takes for its own. An auditor outside needs
//! only the public key of before.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, sea_query::OnConflict};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use subtle::ConstantTimeEq;

use super::verify::{self, Break, Verdict};
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::WorkspaceId,
    identity::signing::{self, SigningPurpose},
    store::{Mode, Store, WorkspaceTx, entity::audit_checkpoints},
    vault::{Key, aead},
};

const KIND: &str = "audit_checkpoint";

/// What a checkpoint says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claims {
    /// Always `audit_checkpoint`.
    kind: String,
    /// Whose chain.
    pub workspace: WorkspaceId,
    /// The newest entry then.
    pub seq: i64,
    /// Its hash, hexadecimal.
    pub hash: String,
    /// When, in milliseconds since 1970.
    pub at: Timestamp,
    /// Hexadecimal, for this instance alone.
    mac: String,
}

/// Signs the newest position of a chain, after checking what was added since the checkpoint before. Answers its number;
/// none where nothing was added. Call it outside transactions.
///
/// # Errors
/// `Corrupt` where the chain is broken: a broken chain is not signed. `Unavailable`.
pub async fn checkpoint(store: &Store, workspace: WorkspaceId) -> Result<Option<i64>> {
    let (newest, trusted) = verify::newest_and_trusted(store, workspace).await?;
    let Some(newest) = newest else { return Ok(None) };
    if trusted.as_ref().is_some_and(|trusted| trusted.seq == newest.seq) {
        return Ok(None);
    }
    if let Verdict::Broken { seq, why } = verify::verify_from(store, workspace, trusted).await? {
        return Err(Error::new(
            ErrorKind::Corrupt,
            format!("The audit chain is broken at entry {seq}: {why}. It is not signed."),
        ));
    }
    let key = store.vault().workspace_key(workspace).await?;
    let mut claims = Claims {
        kind: KIND.to_owned(),
        workspace,
        seq: newest.seq,
        hash: hex::encode(newest.hash),
        at: store.now(),
        mac: String::new(),
    };
    claims.mac = hex::encode(mac(&key, &claims));
    let value =
        serde_json::to_value(&claims).map_err(|error| Error::internal("a checkpoint is not JSON").because(error))?;
    let jws = signing::sign(store, SigningPurpose::Checkpoints, &value).await?;
    let row = audit_checkpoints::ActiveModel {
        workspace_id: Set(workspace),
        seq: Set(claims.seq),
        at: Set(claims.at),
        jws: Set(jws),
    };
    let tx = store.begin_in(workspace, Mode::Write).await?;
    let once = OnConflict::columns([audit_checkpoints::Column::WorkspaceId, audit_checkpoints::Column::Seq])
        .do_nothing()
        .to_owned();
    audit_checkpoints::Entity::insert(row).on_conflict(once).exec_without_returning(tx.db()).await?;
    tx.commit().await?;
    Ok(Some(claims.seq))
}

/// Whether the chain still holds what a checkpoint said that was kept outside the instance.
///
/// # Errors
/// `Unavailable`.
pub async fn verify_against(store: &Store, workspace: WorkspaceId, jws: &str) -> Result<Verdict> {
    let jwks = signing::jwks(store).await?;
    let key = store.vault().workspace_key(workspace).await?;
    match read(&key, workspace, jws, &jwks) {
        Some(claims) => verify::verify_with(store, workspace, Some(claims)).await,
        None => Ok(Verdict::Broken { seq: 0, why: Break::BadCheckpoint }),
    }
}

/// The checkpoints of a chain, oldest first.
pub(crate) async fn stored(tx: &WorkspaceTx) -> Result<Vec<audit_checkpoints::Model>> {
    let rows = audit_checkpoints::Entity::find()
        .filter(audit_checkpoints::Column::WorkspaceId.eq(tx.workspace()))
        .order_by_asc(audit_checkpoints::Column::Seq)
        .all(tx.db())
        .await?;
    Ok(rows)
}

/// What a stored checkpoint says, if it is ours, about this chain, and about the row it stands in.
pub(super) fn read_row(key: &Key, row: &audit_checkpoints::Model, jwks: &Value) -> Option<Claims> {
    read(key, row.workspace_id, &row.jws, jwks).filter(|claims| claims.seq == row.seq && claims.at == row.at)
}

/// As [`read_row`], by what only this installation can have written, without the signing keys.
pub(super) fn read_own(key: &Key, row: &audit_checkpoints::Model) -> Option<Claims> {
    let payload = row.jws.split('.').nth(1)?;
    let claims: Claims = serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
    let said = hex::decode(&claims.mac).ok()?;
    let is_ours = bool::from(mac(key, &claims).as_slice().ct_eq(&said));
    let is_here = claims.workspace == row.workspace_id && claims.seq == row.seq && claims.at == row.at;
    (is_ours && is_here).then_some(claims)
}

fn read(key: &Key, workspace: WorkspaceId, jws: &str, jwks: &Value) -> Option<Claims> {
    let claims: Claims = serde_json::from_value(signing::verify_offline(jws, jwks).ok()?).ok()?;
    let said = hex::decode(&claims.mac).ok()?;
    let is_ours = bool::from(mac(key, &claims).as_slice().ct_eq(&said));
    (is_ours && claims.kind == KIND && claims.workspace == workspace).then_some(claims)
}

fn mac(key: &Key, claims: &Claims) -> [u8; 32] {
    let key = key.derive("consigne/audit-checkpoint/1");
    let (seq, at) = (claims.seq.to_be_bytes(), claims.at.0.to_be_bytes());
    aead::keyed_hash(key.as_ref(), &[claims.workspace.0.as_bytes(), &seq, claims.hash.as_bytes(), &at])
}
