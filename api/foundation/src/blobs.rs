//! Sealed objects, streamed: files of the customer's, exports, backups. A folder by default, S3 by configuration.
//!
//! An object is sealed while it streams in and opened while it streams out ([`sealed`] has the format); neither way is it
//! whole in memory. It becomes visible at once or not at all ([`upload`]).
//!
//! Invariants, as absences:
//! - No object but the small ones of [`Blobs::append_once`] is stored in the clear; what those hold is their writer's care.
//! - No object opens in another workspace, under another name, cut, reordered, or with a chunk of another one.
//! - No name of a customer's stands in a path: ids only.
//!
//! A process that is killed while it writes leaves a staged file in the folder, which no call lists or reads and
//! [`Blobs::remove_abandoned`] removes. On S3 it leaves parts of an upload: give the bucket a lifecycle rule that ends
//! incomplete uploads after a day. Where a bucket keeps versions, a delete keeps the old one: switch versions off.

pub mod sealed;
pub mod upload;

#[cfg(test)]
mod tests;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use object_store::{
    ClientOptions, ObjectStore, ObjectStoreExt, PutMode, aws::AmazonS3Builder, local::LocalFileSystem, path::Path,
};
use uuid::Uuid;
use zeroize::Zeroizing;

use self::{
    sealed::{Opener, Sealer},
    upload::Upload,
};
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::WorkspaceId,
    vault::Key,
};

/// Where sealed objects are.
pub(crate) const PREFIX: &str = "blobs";

/// The most bytes of a small object.
const SMALL: u64 = 1 << 20;

/// Where objects are kept.
#[derive(Clone)]
pub enum BlobSettings {
    /// In a folder, made if it is not there.
    Folder(PathBuf),
    /// In an S3 bucket.
    S3 {
        /// Its name.
        bucket: String,
        /// Its region.
        region: String,
        /// Another endpoint than Amazon's, with its scheme.
        endpoint: Option<String>,
        /// The access key's id.
        access_key: String,
        /// The access key's secret.
        secret_key: String,
        /// Whether an endpoint without TLS is accepted: on loopback alone.
        allow_http: bool,
    },
}

impl fmt::Debug for BlobSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(path) => write!(f, "Folder({})", path.display()),
            Self::S3 { bucket, region, .. } => write!(f, "S3({bucket} in {region}, Sealed(..))"),
        }
    }
}

/// What was stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// How many bytes came in.
    pub bytes: u64,
    /// Where it is, for the row that refers to it: ids only.
    pub path: String,
}

/// The objects. Cheap to clone.
#[derive(Clone)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    folder: Option<Arc<PathBuf>>,
}

impl Blobs {
    /// Opens the folder or the bucket; the bucket is not asked yet.
    ///
    /// # Errors
    /// `Misconfigured`.
    pub fn open(settings: &BlobSettings) -> Result<Self> {
        match settings {
            BlobSettings::Folder(folder) => open_folder(folder),
            BlobSettings::S3 { bucket, region, endpoint, access_key, secret_key, allow_http } => {
                let is_http = endpoint.as_ref().is_some_and(|url| !url.starts_with("https://"));
                if is_http && !allow_http {
                    return Err(misconfigured("The S3 endpoint has to start with https://."));
                }
                let options = ClientOptions::new()
                    .with_allow_http(*allow_http)
                    .with_connect_timeout(Duration::from_secs(5))
                    .with_timeout(Duration::from_secs(300));
                let mut builder = AmazonS3Builder::new()
                    .with_bucket_name(bucket)
                    .with_region(region)
                    .with_access_key_id(access_key)
                    .with_secret_access_key(secret_key)
                    .with_client_options(options);
                if let Some(endpoint) = endpoint {
                    builder = builder.with_endpoint(endpoint);
                }
                let store = builder.build().map_err(|_| misconfigured("The S3 settings cannot be used."))?;
                Ok(Self { store: Arc::new(store), folder: None })
            }
        }
    }

    /// Stores a stream, sealed under a key of its own that `key`, the workspace's, wraps. The same name again replaces it.
    ///
    /// # Errors
    /// `LimitExceeded` after `limit` bytes; the stream's own; `Unavailable`. Then, and where the call is dropped, nothing
    /// stays.
    pub async fn put(
        &self,
        key: &Key,
        workspace: WorkspaceId,
        name: Uuid,
        body: impl Stream<Item = Result<Bytes>> + Send,
        limit: u64,
    ) -> Result<Stored> {
        let path = place(workspace, name);
        let mut upload = Upload::new(self.store.clone(), path.clone());
        match pour(key, workspace, name, body, limit, &mut upload).await {
            Ok(bytes) => {
                upload.finish().await?;
                Ok(Stored { bytes, path: path.to_string() })
            }
            Err(error) => {
                upload.abort().await;
                Err(error)
            }
        }
    }

    /// Where the object of this name is, or would be.
    pub fn path(workspace: WorkspaceId, name: Uuid) -> String {
        place(workspace, name).to_string()
    }

    /// Reads an object as a stream. Its bytes are those that were put as far as the stream goes; only a stream that ends
    /// without an error was the whole object.
    ///
    /// # Errors
    /// `NotFound`, also for another workspace's; `Corrupt` for anything that is not what was put, possibly only at the
    /// end of the stream; `Unavailable`.
    pub async fn get(
        &self,
        key: &Key,
        workspace: WorkspaceId,
        path: &str,
    ) -> Result<impl Stream<Item = Result<Bytes>> + Send + Unpin + 'static + use<>> {
        let name = name_at(workspace, path)?;
        let found = self.store.get(&place(workspace, name)).await.map_err(failed)?;
        let opener = Opener::new(key.clone(), workspace, name);
        let state = Some((found.into_stream().map_err(failed), opener));
        let opened = futures::stream::try_unfold(state, |state| async move {
            let Some((mut source, mut opener)) = state else { return Ok(None) };
            loop {
                if let Some(chunk) = opener.next()? {
                    return Ok(Some((chunk, Some((source, opener)))));
                }
                match source.next().await {
                    Some(piece) => opener.push(&piece?),
                    None => return Ok(Some((opener.finish()?, None))),
                }
            }
        });
        Ok(Box::pin(opened))
    }

    /// Reads an object whole.
    ///
    /// # Errors
    /// `LimitExceeded` where it is larger; as [`Blobs::get`].
    pub async fn read(&self, key: &Key, workspace: WorkspaceId, path: &str, limit: u64) -> Result<Zeroizing<Vec<u8>>> {
        let mut chunks = self.get(key, workspace, path).await?;
        let mut whole = Zeroizing::new(Vec::new());
        while let Some(chunk) = chunks.try_next().await? {
            if (whole.len() + chunk.len()) as u64 > limit {
                return Err(too_large(limit));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole)
    }

    /// Removes an object; one that is not there is removed already.
    ///
    /// # Errors
    /// `Unavailable`; `Invalid` where `path` is none.
    pub async fn delete(&self, path: &str) -> Result<()> {
        match self.store.delete(&parse(path)?).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    /// Whether an object is there, whole.
    ///
    /// # Errors
    /// `Unavailable`; `Invalid` where `path` is none.
    pub async fn exists(&self, path: &str) -> Result<bool> {
        match self.store.head(&parse(path)?).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(failed(error)),
        }
    }

    /// The paths of all sealed objects of a workspace.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn list(&self, workspace: WorkspaceId) -> Result<Vec<String>> {
        self.list_prefix(&format!("{PREFIX}/{}", workspace.0.as_simple())).await
    }

    /// By which version of the workspace's key an object is sealed; none where a person's key did it, or it is gone.
    ///
    /// # Errors
    /// `Unavailable`; `Invalid` where `path` is none.
    pub async fn sealed_by(&self, path: &str) -> Result<Option<u32>> {
        match self.store.get_range(&parse(path)?, 0..sealed::SAYS_VERSION).await {
            Ok(head) => Ok(sealed::version_of(&head)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Writes a small object that is never replaced, as it is: it is not sealed. The same bytes again are fine, so that a
    /// step may be repeated.
    ///
    /// # Errors
    /// `Conflict` where other bytes are there; `LimitExceeded` above 1 MiB; `Unavailable`.
    pub async fn append_once(&self, path: &str, bytes: Bytes) -> Result<()> {
        if bytes.len() as u64 > SMALL {
            return Err(too_large(SMALL));
        }
        match self.store.put_opts(&parse(path)?, bytes.clone().into(), PutMode::Create.into()).await {
            Ok(_) => Ok(()),
            Err(object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }) => {
                if self.get_small(path).await? == bytes {
                    return Ok(());
                }
                Err(Error::new(ErrorKind::Conflict, "Something else was written there before."))
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// The paths under a folder, in order.
    ///
    /// # Errors
    /// `Unavailable`; `Invalid` where `prefix` is no path.
    pub async fn list_prefix(&self, prefix: &str) -> Result<Vec<String>> {
        let found = self.store.list(Some(&parse(prefix)?)).map_ok(|object| object.location.to_string());
        let mut paths: Vec<_> = found.try_collect().await.map_err(failed)?;
        paths.sort_unstable();
        Ok(paths)
    }

    /// A small object, as [`Blobs::append_once`] wrote it.
    ///
    /// # Errors
    /// `NotFound`; `LimitExceeded` above 1 MiB; `Unavailable`.
    pub async fn get_small(&self, path: &str) -> Result<Bytes> {
        let found = self.store.get(&parse(path)?).await.map_err(failed)?;
        if found.meta.size > SMALL {
            return Err(too_large(SMALL));
        }
        found.bytes().await.map_err(failed)
    }

    /// Removes what killed processes left half written in the folder, if it was last touched before `before`; take a time
    /// that no upload lasts. Answers how many files. On S3 a lifecycle rule does it.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn remove_abandoned(&self, before: Timestamp) -> Result<u64> {
        let Some(folder) = self.folder.clone() else { return Ok(0) };
        let removed = tokio::task::spawn_blocking(move || upload::remove_staged(&folder, before)).await;
        removed
            .map_err(|error| Error::internal("the search for abandoned files stopped").because(error))?
            .map_err(|error| Error::new(ErrorKind::Unavailable, "The folder of files cannot be read.").because(error))
    }

    /// The store behind them, for backups, which copy objects as they are: sealed.
    pub(crate) fn objects(&self) -> &Arc<dyn ObjectStore> {
        &self.store
    }

    /// Answers if the folder is there, or the bucket can be asked.
    ///
    /// # Errors
    /// `Unavailable`, `Misconfigured`.
    pub async fn ping(&self) -> Result<()> {
        if self.folder.as_ref().is_some_and(|folder| !folder.is_dir()) {
            return Err(Error::new(ErrorKind::Unavailable, "The folder of files is not there."));
        }
        self.exists("ping").await.map(drop)
    }
}

fn open_folder(folder: &PathBuf) -> Result<Blobs> {
    let unusable = |error: &dyn fmt::Display| {
        misconfigured(format!("The folder of files {} cannot be used: {error}.", folder.display()))
    };
    std::fs::create_dir_all(folder).map_err(|error| unusable(&error.kind()))?;
    let store = LocalFileSystem::new_with_prefix(folder).map_err(|_| unusable(&"it has no full path"))?;
    Ok(Blobs { store: Arc::new(store.with_fsync(true)), folder: Some(Arc::new(folder.clone())) })
}

async fn pour(
    key: &Key,
    workspace: WorkspaceId,
    name: Uuid,
    body: impl Stream<Item = Result<Bytes>> + Send,
    limit: u64,
    upload: &mut Upload,
) -> Result<u64> {
    let (mut sealer, header) = Sealer::new(key, workspace, name);
    upload.write(&header).await?;
    let mut bytes = 0;
    let mut body = std::pin::pin!(body);
    while let Some(piece) = body.next().await {
        let piece = piece?;
        bytes += piece.len() as u64;
        if bytes > limit {
            return Err(too_large(limit));
        }
        // A piece may be large: it is cut first, so that no more than a chunk of it is held twice.
        for part in piece.chunks(sealed::CHUNK) {
            if let Some(chunk) = sealer.push(part) {
                upload.write(&chunk).await?;
            }
        }
    }
    upload.write(&sealer.finish()).await?;
    Ok(bytes)
}

fn place(workspace: WorkspaceId, name: Uuid) -> Path {
    Path::from(format!("{PREFIX}/{}/{}", workspace.0.as_simple(), name.as_simple()))
}

/// The name in a path of this workspace; another workspace's path answers like one that is not there.
fn name_at(workspace: WorkspaceId, path: &str) -> Result<Uuid> {
    let name = path.rsplit('/').next().and_then(|name| Uuid::try_parse(name).ok());
    name.filter(|name| place(workspace, *name).as_ref() == path).ok_or_else(|| Error::not_found("file"))
}

fn parse(path: &str) -> Result<Path> {
    Path::parse(path).map_err(|_| Error::invalid("path", "This is no path of an object."))
}

fn too_large(limit: u64) -> Error {
    Error::new(ErrorKind::LimitExceeded, format!("This is larger than {limit} bytes."))
}

fn misconfigured(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Misconfigured, message)
}

/// Paths hold ids only, so the store's own words may stand in the log.
pub(crate) fn failed(error: object_store::Error) -> Error {
    use object_store::Error as Store;
    match error {
        Store::NotFound { .. } => Error::not_found("file"),
        Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => {
            misconfigured("The store of files refuses our credentials.").because(error)
        }
        _ => Error::new(ErrorKind::Unavailable, "The store of files cannot be reached.").because(error),
    }
}
