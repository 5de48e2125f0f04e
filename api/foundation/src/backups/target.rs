//! Where backups are kept: a folder, or a bucket.
//!
//! ```text
//! keys.age                        the key store as it is now; overwritten each time
//! ledger/<erasure>                who was erased, by surrogate ids; added to, never changed
//! files/<name>.age                sealed files, each once, whichever backups need it
//! backups/<id>/data.age           every row of every table
//! backups/<id>/files.ndjson       the files that belong to it
//! backups/<id>/manifest.json      what it is; written last: without it there is no backup
//! ```

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use futures::{Stream, TryStreamExt, stream::BoxStream};
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt, path::Path, prefix::PrefixStore};
use sha2::{Digest, Sha256};

use super::crypt::{Encrypter, Identity, Recipients, decrypt};
use crate::{
    blobs::{BlobSettings, Blobs, failed, upload::Upload},
    error::{Error, ErrorKind, Result},
    id::BackupId,
};

pub(super) const KEYS: &str = "keys.age";
pub(super) const LEDGER: &str = "ledger";
pub(super) const FILES: &str = "files";
const BACKUPS: &str = "backups";

/// The most bytes of what is read whole: a manifest, a ledger entry.
const SMALL: u64 = 16 << 20;

/// Where backups are kept.
#[derive(Debug, Clone)]
pub struct TargetSettings {
    /// The folder or the bucket.
    pub store: BlobSettings,
    /// A folder inside the bucket; empty for none.
    pub prefix: String,
    /// How it is called in lists and reports: without credentials.
    pub name: String,
}

/// A place of backups. Cheap to clone.
#[derive(Clone)]
pub struct Target {
    objects: Arc<dyn ObjectStore>,
    name: Arc<str>,
}

impl Target {
    /// Opens a place; a folder is made if it is not there, a bucket is not asked yet.
    ///
    /// # Errors
    /// `Misconfigured`.
    pub fn open(settings: &TargetSettings) -> Result<Self> {
        let blobs = Blobs::open(&settings.store)?;
        let objects = blobs.objects().clone();
        let objects: Arc<dyn ObjectStore> = if settings.prefix.is_empty() {
            objects
        } else {
            Arc::new(PrefixStore::new(objects, settings.prefix.as_str()))
        };
        Ok(Self { objects, name: settings.name.as_str().into() })
    }

    /// How it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The backups that are there, oldest first, with or without their manifest.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) async fn backups(&self) -> Result<Vec<BackupId>> {
        // A folder whose objects are gone is no backup, so objects are listed, not folders.
        let objects = self.list(BACKUPS).await?;
        let ids = objects.iter().filter_map(|object| object.location.as_ref().split('/').nth(1)?.parse().ok());
        let ids: BTreeSet<BackupId> = ids.collect();
        Ok(ids.into_iter().collect())
    }

    /// Objects below a folder.
    pub(super) async fn list(&self, folder: &str) -> Result<Vec<ObjectMeta>> {
        self.objects.list(Some(&Path::from(folder))).try_collect().await.map_err(failed)
    }

    pub(super) async fn exists(&self, path: &str) -> Result<bool> {
        match self.objects.head(&Path::from(path)).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    pub(super) async fn put(&self, path: &str, bytes: Vec<u8>) -> Result<()> {
        self.objects.put(&Path::from(path), bytes.into()).await.map(drop).map_err(failed)
    }

    /// A small object; none where it is not there.
    pub(super) async fn read(&self, path: &str) -> Result<Option<Bytes>> {
        let found = match self.objects.get(&Path::from(path)).await {
            Err(object_store::Error::NotFound { .. }) => return Ok(None),
            found => found.map_err(failed)?,
        };
        if found.meta.size > SMALL {
            return Err(Error::new(
                ErrorKind::Corrupt,
                format!("{path} is larger than anything that was written there."),
            ));
        }
        found.bytes().await.map(Some).map_err(failed)
    }

    pub(super) async fn stream(
        &self,
        path: &str,
    ) -> Result<impl Stream<Item = Result<Bytes>> + Send + 'static + use<>> {
        let found = self.objects.get(&Path::from(path)).await.map_err(failed)?;
        Ok(found.into_stream().map_err(failed))
    }

    /// The plain bytes of an encrypted object.
    pub(super) async fn open_part(&self, path: &str, identity: &Identity) -> Result<BoxStream<'static, Result<Bytes>>> {
        Ok(decrypt(identity, self.stream(path).await?))
    }

    /// Writes an encrypted object.
    pub(super) fn part(&self, path: &str, recipients: &Recipients) -> Result<PartWriter> {
        Ok(PartWriter {
            encrypter: Some(Encrypter::new(recipients)?),
            upload: Upload::new(self.objects.clone(), Path::from(path)),
            hash: Sha256::new(),
            bytes: 0,
        })
    }

    /// Writes an object as it is.
    pub(super) fn plain_part(&self, path: &str) -> PartWriter {
        let upload = Upload::new(self.objects.clone(), Path::from(path));
        PartWriter { encrypter: None, upload, hash: Sha256::new(), bytes: 0 }
    }

    /// Removes an object; one that is not there is removed already.
    pub(super) async fn delete(&self, path: &Path) -> Result<()> {
        match self.objects.delete(path).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Removes a backup, its manifest first, so that nobody takes the rest for one.
    pub(super) async fn remove(&self, id: BackupId) -> Result<()> {
        self.delete(&Path::from(manifest_path(id))).await?;
        for object in self.list(&folder(id)).await? {
            self.delete(&object.location).await?;
        }
        Ok(())
    }
}

fn folder(id: BackupId) -> String {
    format!("{BACKUPS}/{id}")
}

pub(super) fn manifest_path(id: BackupId) -> String {
    format!("{BACKUPS}/{id}/manifest.json")
}

pub(super) fn data_path(id: BackupId) -> String {
    format!("{BACKUPS}/{id}/data.age")
}

pub(super) fn files_path(id: BackupId) -> String {
    format!("{BACKUPS}/{id}/files.ndjson")
}

/// What was written, as it lies there.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// Bytes.
    pub bytes: u64,
    /// SHA-256 of them, in hexadecimal.
    pub sha256: String,
}

/// An object that is being written, piece by piece. Dropped before it is finished, nothing stays.
pub(super) struct PartWriter {
    encrypter: Option<Encrypter>,
    upload: Upload,
    hash: Sha256,
    bytes: u64,
}

impl PartWriter {
    pub async fn write(&mut self, plain: &[u8]) -> Result<()> {
        match &mut self.encrypter {
            Some(encrypter) => {
                let ready = encrypter.push(plain)?;
                self.pass(&ready).await
            }
            None => self.pass(plain).await,
        }
    }

    async fn pass(&mut self, bytes: &[u8]) -> Result<()> {
        self.hash.update(bytes);
        self.bytes += bytes.len() as u64;
        if bytes.is_empty() { Ok(()) } else { self.upload.write(bytes).await }
    }

    /// Makes the object visible.
    pub async fn finish(mut self) -> Result<Part> {
        if let Some(encrypter) = self.encrypter.take() {
            let rest = encrypter.finish()?;
            self.pass(&rest).await?;
        }
        self.upload.finish().await?;
        Ok(Part { bytes: self.bytes, sha256: hex::encode(self.hash.finalize()) })
    }
}
