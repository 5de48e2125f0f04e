//! The erasure ledger, kept beside the backups too: where the file store is lost with everything else, a restore still knows who
//! was erased.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use super::{
    manifest::LedgerPosition,
    target::{LEDGER, Target},
};
use crate::{
    blobs::Blobs,
    error::{Error, ErrorKind, Result},
    leaving::termination::ledger::PREFIX as TERMINATIONS,
    privacy::ledger::{Entry, PREFIX},
};

/// Copies what the file store's ledger has and the target's lacks; answers where the ledger stands.
pub(super) async fn copy(blobs: &Blobs, target: &Target) -> Result<LedgerPosition> {
    let ours: BTreeSet<String> = blobs.list_prefix(PREFIX).await?.into_iter().collect();
    let theirs = names(target).await?;
    for path in ours.difference(&theirs) {
        target.put(path, blobs.get_small(path).await?.to_vec()).await?;
    }
    let all: BTreeSet<String> = ours.union(&theirs).cloned().collect();
    let mut hash = Sha256::new();
    all.iter().for_each(|path| hash.update(format!("{path}\n")));
    Ok(LedgerPosition { entries: all.len() as u64, sha256: hex::encode(hash.finalize()) })
}

/// Copies the ledger of ends of workspaces, which is beside that of erasures.
pub(super) async fn copy_terminations(blobs: &Blobs, target: &Target) -> Result<()> {
    let theirs: BTreeSet<String> =
        target.list(TERMINATIONS).await?.into_iter().map(|object| object.location.to_string()).collect();
    for path in blobs.list_prefix(TERMINATIONS).await? {
        if !theirs.contains(&path) {
            target.put(&path, blobs.get_small(&path).await?.to_vec()).await?;
        }
    }
    Ok(())
}

/// Copies what the target's ledger has and the file store's lacks, and reads all of it.
pub(super) async fn restore(blobs: &Blobs, target: &Target) -> Result<Vec<Entry>> {
    let of_workspaces = target.list(TERMINATIONS).await?.into_iter().map(|object| object.location.to_string());
    for path in names(target).await?.into_iter().chain(of_workspaces) {
        let bytes = target.read(&path).await?.ok_or_else(|| Error::not_found("ledger entry"))?;
        blobs.append_once(&path, bytes).await?;
    }
    read(blobs).await
}

/// Reads the ledger of the target as a restore would see it, without writing anywhere.
pub(super) async fn peek(target: &Target) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for path in names(target).await? {
        let bytes = target.read(&path).await?.ok_or_else(|| Error::not_found("ledger entry"))?;
        entries.push(
            serde_json::from_slice(&bytes).map_err(|_| {
                Error::new(ErrorKind::Corrupt, format!("The erasure ledger entry {path} cannot be read."))
            })?,
        );
    }
    Ok(entries)
}

async fn read(blobs: &Blobs) -> Result<Vec<Entry>> {
    let all = crate::privacy::ledger::erasures(blobs).await?;
    crate::privacy::ledger::read(blobs, all).await
}

async fn names(target: &Target) -> Result<BTreeSet<String>> {
    Ok(target.list(LEDGER).await?.into_iter().map(|object| object.location.to_string()).collect())
}
