//! The ledger of ends: small objects in the file store, outside what restoring the database can roll back. An entry when the end is
//! asked for, a mark when it is taken back, and a mark before anything is deleted. Ids and times only.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::Choice;
use crate::{
    blobs::Blobs,
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{TerminationId, WorkspaceId},
};

/// Where its objects are.
pub(crate) const PREFIX: &str = "terminations";

/// What the ledger says of an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The end.
    pub termination: TerminationId,
    /// Of this workspace.
    pub workspace: WorkspaceId,
    /// What becomes of the data.
    pub choice: Choice,
    /// Asked for at.
    pub requested_at: Timestamp,
    /// Nothing live is left from.
    pub purge_at: Timestamp,
}

/// What happened to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It was taken back.
    Cancelled,
    /// The purge began: nothing of the workspace is to come back.
    Purged,
}

impl Mark {
    fn ending(self) -> &'static str {
        match self {
            Self::Cancelled => ".cancelled",
            Self::Purged => ".purged",
        }
    }
}

/// An end as the ledger knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// What was written first.
    pub entry: Entry,
    /// What happened then.
    pub mark: Option<Mark>,
}

/// Writes an entry; writing it again is fine.
///
/// # Errors
/// `Unavailable`: the end must not begin then.
pub async fn write(blobs: &Blobs, entry: &Entry) -> Result<()> {
    put(blobs, &path(entry.termination), entry).await
}

/// Marks an entry; marking it again is fine.
///
/// # Errors
/// `Unavailable`: what the mark is about must not happen then.
pub async fn note(blobs: &Blobs, entry: &Entry, mark: Mark) -> Result<()> {
    put(blobs, &format!("{}{}", path(entry.termination), mark.ending()), entry).await
}

/// Whether the mark of a purge stands.
///
/// # Errors
/// `Unavailable`.
pub async fn is_purged(blobs: &Blobs, id: TerminationId) -> Result<bool> {
    blobs.exists(&format!("{}{}", path(id), Mark::Purged.ending())).await
}

/// Every end there was, oldest first.
///
/// # Errors
/// `Unavailable`; `Corrupt` where an entry cannot be read: nothing may be restored over that.
pub async fn all(blobs: &Blobs) -> Result<Vec<Known>> {
    let paths: BTreeSet<String> = blobs.list_prefix(PREFIX).await?.into_iter().collect();
    let mut known = Vec::new();
    for path in paths.iter().filter(|path| !path.contains('.')) {
        let bytes = blobs.get_small(path).await?;
        let entry: Entry = serde_json::from_slice(&bytes).map_err(|error| {
            Error::new(ErrorKind::Corrupt, format!("The entry {path} of the ledger cannot be read.")).because(error)
        })?;
        // A purge that began goes before whatever was said then.
        let mark = [Mark::Purged, Mark::Cancelled]
            .into_iter()
            .find(|mark| paths.contains(&format!("{path}{}", mark.ending())));
        known.push(Known { entry, mark });
    }
    known.sort_by_key(|known| known.entry.requested_at);
    Ok(known)
}

async fn put(blobs: &Blobs, path: &str, entry: &Entry) -> Result<()> {
    let bytes = serde_json::to_vec(entry).map_err(|e| Error::internal("a ledger entry").because(e))?;
    blobs.append_once(path, bytes.into()).await
}

fn path(id: TerminationId) -> String {
    format!("{PREFIX}/{id}")
}
