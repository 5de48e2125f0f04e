//! Writing an object so that it appears whole or not at all.

use std::{io, path::Path as FolderPath, sync::Arc, time::UNIX_EPOCH};

use bytes::{Bytes, BytesMut};
use object_store::{MultipartUpload, ObjectStore, ObjectStoreExt, path::Path};

use super::{failed, sealed::SEALED_CHUNK};
use crate::{clock::Timestamp, error::Result};

/// Bytes of a part. S3 takes parts from 5 MiB and up to 10,000 of them, so objects up to 50 GB; some of its kin only take
/// parts of one size.
const PART: usize = 5 * 1024 * 1024;

/// An object being written. A small one is put at once, a larger one in parts of one size. Dropped before it is finished,
/// it takes back what it wrote.
pub(crate) struct Upload {
    store: Arc<dyn ObjectStore>,
    path: Path,
    waiting: BytesMut,
    parts: Option<Box<dyn MultipartUpload>>,
}

impl Upload {
    pub fn new(store: Arc<dyn ObjectStore>, path: Path) -> Self {
        Self { store, path, waiting: BytesMut::new(), parts: None }
    }

    /// Takes bytes, and writes a part when there are enough: one after the other, and one in memory.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.waiting.extend_from_slice(bytes);
        while self.waiting.len() >= PART {
            let rest = self.waiting.split_off(PART).to_vec();
            let part = std::mem::take(&mut self.waiting).freeze();
            self.write_part(part).await?;
            self.waiting = BytesMut::with_capacity(PART + rest.len() + SEALED_CHUNK);
            self.waiting.extend_from_slice(&rest);
        }
        Ok(())
    }

    async fn write_part(&mut self, part: Bytes) -> Result<()> {
        let parts = match &mut self.parts {
            Some(parts) => parts,
            none => none.insert(self.store.put_multipart(&self.path).await.map_err(failed)?),
        };
        parts.put_part(part.into()).await.map_err(failed)
    }

    /// Makes the object visible.
    pub async fn finish(mut self) -> Result<()> {
        let rest = std::mem::take(&mut self.waiting).freeze();
        let written = match &mut self.parts {
            None => self.store.put(&self.path, rest.into()).await.map(drop).map_err(failed),
            Some(_) => self.finish_parts(rest).await,
        };
        match written {
            Ok(()) => self.parts = None,
            Err(_) => self.take_back().await,
        }
        written
    }

    async fn finish_parts(&mut self, rest: Bytes) -> Result<()> {
        if !rest.is_empty() {
            self.write_part(rest).await?;
        }
        match &mut self.parts {
            Some(parts) => parts.complete().await.map(drop).map_err(failed),
            None => Ok(()),
        }
    }

    /// Takes back what was written.
    pub async fn abort(mut self) {
        self.take_back().await;
    }

    async fn take_back(&mut self) {
        if let Some(mut parts) = self.parts.take()
            && parts.abort().await.is_err()
        {
            tracing::warn!(path = %self.path, "parts of an unfinished upload could not be removed");
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        let Some(mut parts) = self.parts.take() else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if parts.abort().await.is_err() {
                    tracing::warn!("parts of a dropped upload could not be removed");
                }
            });
        }
    }
}

/// Removes staged files (`name#1`) that were last touched before `before`. Answers how many.
pub(super) fn remove_staged(folder: &FolderPath, before: Timestamp) -> io::Result<u64> {
    let mut removed = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            removed += remove_staged(&entry.path(), before)?;
        } else if is_staged(&entry.file_name().to_string_lossy()) && touched_at(&entry)? < before {
            std::fs::remove_file(entry.path())?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// As `object_store` names them, and refuses to list them.
fn is_staged(file_name: &str) -> bool {
    file_name
        .rsplit_once('#')
        .is_some_and(|(_, suffix)| !suffix.is_empty() && suffix.bytes().all(|b| b.is_ascii_digit()))
}

fn touched_at(entry: &std::fs::DirEntry) -> io::Result<Timestamp> {
    let since = entry.metadata()?.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Ok(Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}
