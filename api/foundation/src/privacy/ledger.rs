//! The erasure ledger: one small object per erasure, in the blob store, outside what restoring the database can roll
//! back. Written first, never changed, surrogate ids only.

use serde::{Deserialize, Serialize};

use crate::{
    blobs::Blobs,
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{ErasureId, SubjectId, WorkspaceId},
};

/// Where its objects are.
pub(crate) const PREFIX: &str = "ledger";

/// What the ledger says of an erasure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The erasure.
    pub erasure: ErasureId,
    /// In this workspace.
    pub workspace: WorkspaceId,
    /// Of this person.
    pub subject: SubjectId,
    /// Asked for at.
    pub requested_at: Timestamp,
}

/// Writes an entry; writing it again is fine.
///
/// # Errors
/// `Unavailable`: the erasure must not begin then.
pub async fn write(blobs: &Blobs, entry: &Entry) -> Result<()> {
    let (path, bytes) = object(entry)?;
    blobs.append_once(&path, bytes.into()).await
}

/// An entry as it lies there: its path and its bytes.
pub(crate) fn object(entry: &Entry) -> Result<(String, Vec<u8>)> {
    let bytes = serde_json::to_vec(entry).map_err(|e| Error::internal("a ledger entry").because(e))?;
    Ok((path(entry.erasure), bytes))
}

/// Whether the entry stands.
///
/// # Errors
/// `Unavailable`.
pub async fn stands(blobs: &Blobs, erasure: ErasureId) -> Result<bool> {
    blobs.exists(&path(erasure)).await
}

/// The erasures that have an entry, without reading the entries.
///
/// # Errors
/// `Unavailable`.
pub async fn erasures(blobs: &Blobs) -> Result<Vec<ErasureId>> {
    let paths = blobs.list_prefix(PREFIX).await?;
    Ok(paths.iter().filter_map(|path| path.rsplit('/').next()?.parse().ok()).collect())
}

/// These entries, oldest first.
///
/// # Errors
/// `Unavailable`; `Corrupt` where an entry cannot be read: nothing may be restored over that.
pub async fn read(blobs: &Blobs, erasures: impl IntoIterator<Item = ErasureId>) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for path in erasures.into_iter().map(path) {
        let bytes = blobs.get_small(&path).await?;
        let entry: Entry = serde_json::from_slice(&bytes).map_err(|e| {
            Error::new(ErrorKind::Corrupt, format!("The erasure ledger entry {path} cannot be read.")).because(e)
        })?;
        entries.push(entry);
    }
    entries.sort_by_key(|e| e.requested_at);
    Ok(entries)
}

fn path(erasure: ErasureId) -> String {
    format!("{PREFIX}/{erasure}")
}
