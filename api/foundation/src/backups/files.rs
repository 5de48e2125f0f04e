//! The files that rows refer to. Each is copied once, as it lies in the store (sealed) and encrypted once more, and is kept while
//! a backup needs it: a file never changes, so a month of backups takes little more room than one.

use std::collections::{HashMap, HashSet};

use futures::{StreamExt, TryStreamExt};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, path::Path};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{
    crypt::{Identity, Recipients},
    target::{FILES, Part, PartWriter, Target},
};
use crate::{
    blobs::{Blobs, PREFIX, failed, upload::Upload},
    error::{Error, ErrorKind, Result},
};

/// The most bytes of a list of files.
const LONGEST_LIST: usize = 1 << 30;

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct File {
    /// Where it was, and will be: ids only.
    pub path: String,
    /// Its bytes, sealed as they lie there.
    pub bytes: u64,
    /// SHA-256 of them.
    pub sha256: String,
    /// The object of the target that holds it.
    pub object: String,
}

/// How many files a backup has.
pub(super) struct Copied {
    pub list: Part,
    pub files: u64,
    pub bytes: u64,
}

/// Copies what is not there yet, and writes the list of all. `known` are files of an earlier backup at the same place.
pub(super) async fn copy(
    blobs: &Blobs,
    target: &Target,
    recipients: &Recipients,
    known: Vec<File>,
    mut list: PartWriter,
) -> Result<Copied> {
    let known: HashMap<String, File> = known.into_iter().map(|file| (file.object.clone(), file)).collect();
    let there: HashSet<String> =
        target.list(FILES).await?.into_iter().map(|object| object.location.to_string()).collect();
    let (mut files, mut bytes) = (0, 0);
    let mut objects = blobs.objects().list(Some(&Path::from(PREFIX)));
    while let Some(found) = objects.try_next().await.map_err(failed)? {
        let object = name_of(&found);
        let file = match known.get(&object).filter(|_| there.contains(&object)) {
            Some(file) => file.clone(),
            None => match copy_one(blobs, target, recipients, &found, object).await {
                Ok(file) => file,
                // Deleted since it was listed: whatever referred to it goes too.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            },
        };
        (files, bytes) = (files + 1, bytes + file.bytes);
        let line = serde_json::to_string(&file).map_err(|error| Error::internal("a line of files").because(error))?;
        list.write(format!("{line}\n").as_bytes()).await?;
    }
    Ok(Copied { list: list.finish().await?, files, bytes })
}

/// One name for one content: a file that was replaced under its path gets another.
fn name_of(found: &ObjectMeta) -> String {
    let mut hash = Sha256::new();
    for part in [found.location.as_ref(), found.e_tag.as_deref().unwrap_or_default()] {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.update(found.size.to_be_bytes());
    if found.e_tag.is_none() {
        hash.update(found.last_modified.timestamp_micros().to_be_bytes());
    }
    format!("{FILES}/{}.age", hex::encode(&hash.finalize()[..20]))
}

async fn copy_one(
    blobs: &Blobs,
    target: &Target,
    recipients: &Recipients,
    found: &ObjectMeta,
    object: String,
) -> Result<File> {
    let mut source = blobs.objects().get(&found.location).await.map_err(failed)?.into_stream();
    let mut part = target.part(&object, recipients)?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    while let Some(piece) = source.next().await {
        let piece = piece.map_err(failed)?;
        hash.update(&piece);
        bytes += piece.len() as u64;
        part.write(&piece).await?;
    }
    part.finish().await?;
    Ok(File { path: found.location.to_string(), bytes, sha256: hex::encode(hash.finalize()), object })
}

/// The list of a backup; `told` is what its manifest says of it.
pub(super) async fn list(target: &Target, path: &str, told: Option<&Part>) -> Result<Vec<File>> {
    let mut text = Vec::new();
    let mut source = std::pin::pin!(target.stream(path).await?);
    while let Some(piece) = source.try_next().await? {
        text.extend_from_slice(&piece);
        if text.len() > LONGEST_LIST {
            return Err(corrupt(path));
        }
    }
    if told.is_some_and(|told| told.sha256 != hex::encode(Sha256::digest(&text))) {
        return Err(corrupt(path));
    }
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).map_err(|_| corrupt(path)))
        .collect()
}

/// Reads a file of a backup, to its own place in `into`, or only to see that it can be read.
pub(super) async fn restore(file: &File, from: &Target, identity: &Identity, into: Option<&Blobs>) -> Result<()> {
    if !file.path.starts_with(&format!("{PREFIX}/")) {
        return Err(corrupt(&file.path));
    }
    let place = Path::parse(&file.path).map_err(|_| corrupt(&file.path))?;
    let mut upload = into.map(|blobs| Upload::new(blobs.objects().clone(), place));
    let mut source = from.open_part(&file.object, identity).await?;
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    while let Some(piece) = source.try_next().await? {
        hash.update(&piece);
        bytes += piece.len() as u64;
        if let Some(upload) = &mut upload {
            upload.write(&piece).await?;
        }
    }
    if bytes != file.bytes || hex::encode(hash.finalize()) != file.sha256 {
        if let Some(upload) = upload {
            upload.abort().await;
        }
        return Err(corrupt(&file.path));
    }
    match upload {
        Some(upload) => upload.finish().await,
        None => Ok(()),
    }
}

/// Whether this file lies in its own place already, as it was.
pub(super) async fn is_there(file: &File, blobs: &Blobs) -> Result<bool> {
    let place = Path::parse(&file.path).map_err(|_| corrupt(&file.path))?;
    match blobs.objects().head(&place).await {
        Ok(found) => Ok(found.size == file.bytes),
        Err(object_store::Error::NotFound { .. }) => Ok(false),
        Err(error) => Err(failed(error)),
    }
}

fn corrupt(path: &str) -> Error {
    Error::new(ErrorKind::Corrupt, format!("{path} is not what the backup says."))
}
