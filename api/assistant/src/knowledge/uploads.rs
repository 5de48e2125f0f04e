//! Staged uploads: announced, sent as a stream into sealed blobs, completed into a document.

use std::{
    ops::Deref,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use consigne_foundation::{
    Error, Permission, Result, Scope, Timestamp,
    audit::{self, Event},
    error::ErrorKind,
    id::{DocumentId, UploadId},
    jobs,
    privacy::{Purpose, admission},
    store::WorkspaceTx,
};
use futures::Stream;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr};
use sha2::{Digest, Sha256};

use super::{Knowledge, documents, ingest};
use crate::{
    entity::{documents as document_table, uploads as table},
    knowledge::documents::{Document, Labels},
};

/// How long an upload may wait for its bytes and its completion.
const LIVES: Duration = Duration::from_secs(3_600);

/// A staged upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// The upload.
    pub id: UploadId,
    /// The name of the file.
    pub file_name: String,
    /// Its media type (RFC 6838), as the client says.
    pub media_type: String,
    /// Its size, as the client says; more is refused.
    pub bytes: i64,
    /// Until when it may be sent and completed.
    pub expires_at: Timestamp,
}

/// What a client says of a file before sending it.
#[derive(Debug, Clone)]
pub struct NewUpload {
    /// The name of the file.
    pub file_name: String,
    /// Its media type.
    pub media_type: String,
    /// Its size in bytes.
    pub bytes: i64,
    /// The document that it replaces.
    pub replaces: Option<DocumentId>,
    /// What it can be found by beside its text.
    pub labels: Labels,
}

/// Announces an upload.
///
/// # Errors
/// `Forbidden`; `PurposeRefused`; `Invalid` name or type; `LimitExceeded` size; `NotFound` document to replace.
pub async fn create(scope: &Scope, knowledge: &Knowledge, new: NewUpload) -> Result<Upload> {
    scope.require(Permission::KnowledgeWrite)?;
    check(&new, knowledge.limits.document_bytes)?;
    let store = &knowledge.store;
    admission::admit(scope, store, Purpose::KnowledgeIndexing, None).await?;
    let now = store.now();
    let labels = new.labels.checked()?;
    let upload = Upload {
        id: UploadId::new(store.clock()),
        file_name: new.file_name,
        media_type: new.media_type,
        bytes: new.bytes,
        expires_at: now.plus(LIVES),
    };
    let tx = store.write(scope).await?;
    if let Some(document) = new.replaces {
        documents::find(&tx, document).await?;
    }
    let row = table::ActiveModel {
        workspace_id: Set(scope.workspace()),
        id: Set(upload.id),
        replaces_document_id: Set(new.replaces),
        file_name: Set(upload.file_name.clone()),
        media_type: Set(upload.media_type.clone()),
        declared_bytes: Set(upload.bytes),
        received_bytes: Set(None),
        content_hash: Set(None),
        blob_key: Set(None),
        state: Set("ANNOUNCED".to_owned()),
        created_at: Set(now),
        expires_at: Set(upload.expires_at),
        tags: Set(labels.stored_tags()),
        dated_at: Set(labels.dated_at),
    };
    table::Entity::insert(row).exec_without_returning(tx.db()).await?;
    audit::append(scope, &tx, Event::new("upload.created").target("upload", upload.id.0)).await?;
    tx.commit().await?;
    Ok(upload)
}

/// Takes the bytes of an announced upload. Sending again replaces what was sent.
///
/// # Errors
/// `NotFound` where it is unknown, expired or completed; `LimitExceeded` where more bytes come than were announced.
pub async fn receive<S>(scope: &Scope, knowledge: &Knowledge, id: UploadId, body: S) -> Result<u64>
where
    S: Stream<Item = Result<Bytes>> + Send + Unpin,
{
    scope.require(Permission::KnowledgeWrite)?;
    let store = &knowledge.store;
    let row = {
        let tx = store.read(scope).await?;
        find_open(&tx, id).await?
    };
    let key = store.vault().workspace_key(scope.workspace()).await?;
    let mut body = Hashing { body, digest: Sha256::new() };
    let limit = row.declared_bytes.unsigned_abs();
    let name = consigne_foundation::id::random_uuid();
    let stored = knowledge.blobs.put(&key, scope.workspace(), name, &mut body, limit).await?;
    let digest = body.digest.finalize();
    let content_hash = store.vault().content_hash(scope.workspace(), &digest).await?;
    let tx = store.write(scope).await?;
    // Read again: the same upload may have been sent twice at once.
    let row = table::Entity::find_by_id((scope.workspace(), id)).lock_exclusive().one(tx.db()).await?;
    let earlier = row.and_then(|row| row.blob_key);
    let taken = table::Entity::update_many()
        .col_expr(table::Column::State, Expr::value("RECEIVED"))
        .col_expr(table::Column::ReceivedBytes, Expr::value(i64::try_from(stored.bytes).unwrap_or(i64::MAX)))
        .col_expr(table::Column::ContentHash, Expr::value(content_hash))
        .col_expr(table::Column::BlobKey, Expr::value(stored.path.clone()))
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    tx.commit().await?;
    if taken.rows_affected == 0 {
        knowledge.blobs.delete(&stored.path).await?;
        return Err(Error::not_found("upload"));
    }
    if let Some(earlier) = earlier {
        drop_blob(knowledge, &earlier).await;
    }
    Ok(stored.bytes)
}

/// Makes the document of a received upload and enqueues its ingest, in one transaction. A file that is already known,
/// byte for byte under the same name, answers with its document and is not read again.
///
/// # Errors
/// `NotFound`; `PurposeRefused`; `Conflict` where the bytes have not come yet.
pub async fn complete(scope: &Scope, knowledge: &Knowledge, id: UploadId) -> Result<Document> {
    scope.require(Permission::KnowledgeWrite)?;
    let store = &knowledge.store;
    admission::admit(scope, store, Purpose::KnowledgeIndexing, None).await?;
    let tx = store.write(scope).await?;
    let upload = find_open(&tx, id).await?;
    let labels = labels_of(&upload);
    let (Some(blob), Some(content_hash), Some(bytes)) = (upload.blob_key, upload.content_hash, upload.received_bytes)
    else {
        return Err(not_sent());
    };
    let taken = table::Entity::delete_by_id((scope.workspace(), id)).exec(tx.db()).await?;
    if taken.rows_affected == 0 {
        // Another call completed it while this one waited.
        return Err(Error::not_found("upload"));
    }
    let known = same_file(&tx, &upload.file_name, &content_hash, upload.replaces_document_id).await?;
    if let Some(known) = known.as_ref().filter(|known| known.labels == labels) {
        tx.commit().await?;
        drop_blob(knowledge, &blob).await;
        return Ok(known.clone());
    }
    // The same file under other labels is indexed anew under them; nothing of it is embedded again.
    let replaces = upload.replaces_document_id.or(known.map(|known| known.id));
    let (name, media_type) = (upload.file_name, upload.media_type);
    let file = documents::File { name, media_type, bytes, content_hash, blob, labels };
    let (document, replaced_blob) = match replaces {
        Some(document) => documents::replace_file(&tx, document, file).await?,
        None => (documents::insert(&tx, file).await?, None),
    };
    let action = if replaces.is_some() { "document.replaced" } else { "document.added" };
    audit::append(scope, &tx, Event::new(action).target("document", document.id.0)).await?;
    // A worker that still reads the earlier version loses its job, so that this one does not wait for it.
    jobs::cancel(&tx, ingest::JOB, [document.id.0]).await?;
    jobs::enqueue(&tx, ingest::job(document.id)).await?;
    tx.commit().await?;
    if let Some(blob) = replaced_blob {
        drop_blob(knowledge, &blob).await;
    }
    Ok(document)
}

/// A text to be taken as a document.
#[derive(Debug, Clone)]
pub struct NewText {
    /// Its title.
    pub title: String,
    /// Its media type.
    pub media_type: String,
    /// The text.
    pub text: String,
    /// The document that it replaces.
    pub replaces: Option<DocumentId>,
    /// What it can be found by beside its text.
    pub labels: Labels,
}

/// Takes a text as a document: what an upload does, in one call.
///
/// # Errors
/// `Forbidden`, `Invalid`, `LimitExceeded`.
pub async fn add_text(scope: &Scope, knowledge: &Knowledge, new: NewText) -> Result<Document> {
    let title = new.title.trim();
    if title.is_empty() {
        return Err(Error::invalid("title", "Give a title."));
    }
    let announced = NewUpload {
        file_name: title.to_owned(),
        media_type: new.media_type,
        bytes: i64::try_from(new.text.len()).unwrap_or(i64::MAX),
        replaces: new.replaces,
        labels: new.labels,
    };
    add(scope, knowledge, announced, Bytes::from(new.text)).await
}

/// Takes bytes as a document: what an upload does, in one call.
///
/// # Errors
/// `Forbidden`, `Invalid`, `LimitExceeded`.
pub(super) async fn add(scope: &Scope, knowledge: &Knowledge, new: NewUpload, bytes: Bytes) -> Result<Document> {
    let upload = create(scope, knowledge, new).await?;
    receive(scope, knowledge, upload.id, futures::stream::iter([Ok(bytes)])).await?;
    complete(scope, knowledge, upload.id).await
}

/// The bytes of a received upload, and what the documents in it are to be found by.
///
/// # Errors
/// `NotFound`; `Conflict` where they have not come yet.
pub(super) async fn received(
    scope: &Scope,
    knowledge: &Knowledge,
    id: UploadId,
) -> Result<(impl Deref<Target = Vec<u8>>, Labels)> {
    let store = &knowledge.store;
    let row = {
        let tx = store.read(scope).await?;
        find_open(&tx, id).await?
    };
    let labels = labels_of(&row);
    let Some(blob) = row.blob_key else { return Err(not_sent()) };
    let key = store.vault().workspace_key(scope.workspace()).await?;
    let bytes = knowledge.blobs.read(&key, scope.workspace(), &blob, knowledge.limits.document_bytes).await?;
    Ok((bytes, labels))
}

fn labels_of(upload: &table::Model) -> Labels {
    Labels { tags: upload.tags.lines().map(str::to_owned).collect(), dated_at: upload.dated_at }
}

/// Forgets an upload that became no document of its own, and its bytes.
///
/// # Errors
/// `NotFound`.
pub(super) async fn discard(scope: &Scope, knowledge: &Knowledge, id: UploadId) -> Result<()> {
    let tx = knowledge.store.write(scope).await?;
    let upload = find_open(&tx, id).await?;
    table::Entity::delete_by_id((scope.workspace(), id)).exec(tx.db()).await?;
    tx.commit().await?;
    if let Some(blob) = upload.blob_key {
        drop_blob(knowledge, &blob).await;
    }
    Ok(())
}

fn not_sent() -> Error {
    Error::new(ErrorKind::Conflict, "Send the bytes before completing the upload.")
}

/// Drops a file that nothing names any more. Where the store is down the sweep finds it later.
pub(crate) async fn drop_blob(knowledge: &Knowledge, path: &str) {
    if let Err(error) = knowledge.blobs.delete(path).await {
        tracing::warn!(%error, "a file that is not needed any more could not be deleted; the sweep tries again");
    }
}

async fn find_open(tx: &WorkspaceTx, id: UploadId) -> Result<table::Model> {
    let row = table::Entity::find_by_id((tx.workspace(), id)).one(tx.db()).await?;
    row.filter(|row| row.expires_at > tx.store().now()).ok_or_else(|| Error::not_found("upload"))
}

async fn same_file(
    tx: &WorkspaceTx,
    name: &str,
    content_hash: &[u8],
    replaces: Option<DocumentId>,
) -> Result<Option<Document>> {
    let mut query = document_table::Entity::find()
        .filter(document_table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(document_table::Column::ContentHash.eq(content_hash))
        .filter(document_table::Column::FileName.eq(name))
        .filter(document_table::Column::State.is_in(["PENDING", "READY"]))
        // What a source brought goes with the source.
        .filter(document_table::Column::SourceId.is_null());
    if let Some(document) = replaces {
        query = query.filter(document_table::Column::Id.eq(document));
    }
    Ok(query.one(tx.db()).await?.map(Document::from))
}

fn check(new: &NewUpload, most_bytes: u64) -> Result<()> {
    let name = new.file_name.trim();
    if name.is_empty() || name.chars().count() > 255 || name.chars().any(char::is_control) {
        return Err(Error::invalid("fileName", "Give a file name of 1 to 255 characters."));
    }
    if new.media_type.len() > 127 || !new.media_type.contains('/') {
        return Err(Error::invalid("mediaType", "Give a media type such as text/markdown."));
    }
    if new.bytes <= 0 {
        return Err(Error::invalid("bytes", "The file is empty."));
    }
    if new.bytes.unsigned_abs() > most_bytes {
        return Err(Error::new(ErrorKind::LimitExceeded, format!("A document may have {most_bytes} bytes.")));
    }
    Ok(())
}

/// Hashes what passes.
struct Hashing<S> {
    body: S,
    digest: Sha256,
}

impl<S: Stream<Item = Result<Bytes>> + Unpin> Stream for Hashing<S> {
    type Item = Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let polled = Pin::new(&mut self.body).poll_next(context);
        if let Poll::Ready(Some(Ok(piece))) = &polled {
            self.digest.update(piece);
        }
        polled
    }
}
