//! An archive of files as a bulk upload: each file in it becomes a document of its own.
//!
//! The archive is taken apart in the sandbox, within its limits; what comes out goes the way of any upload, so that a call
//! that is cut short may be repeated: files that are known already answer with their documents.

use bytes::Bytes;
use consigne_foundation::{Error, Permission, Result, Scope, error::ErrorKind, id::UploadId};

use super::{
    Knowledge,
    documents::Document,
    parse::ParseFailure,
    uploads::{self, NewUpload},
};

/// Nobody says what the files of an archive are; their bytes do.
const MEDIA_TYPE: &str = "application/octet-stream";

/// What became of the files of an archive.
#[derive(Debug, Default)]
pub struct Bulk {
    /// The documents, in the archive's order.
    pub documents: Vec<Document>,
    /// Files that were not taken.
    pub refused: Vec<Refused>,
}

/// A file that was not taken.
#[derive(Debug)]
pub struct Refused {
    /// Its path in the archive.
    pub file_name: String,
    /// Why, for a person.
    pub reason: String,
}

/// Makes documents of the files of a received archive and enqueues their ingest. The archive itself is not kept. Whoever
/// asked may leave: an archive of many files takes longer than a request may, and is finished all the same.
///
/// # Errors
/// `NotFound`; `Conflict` where the bytes have not come yet; `Invalid` where they are no archive that can be unpacked.
pub async fn complete(scope: &Scope, knowledge: &Knowledge, id: UploadId) -> Result<Bulk> {
    scope.require(Permission::KnowledgeWrite)?;
    let (scope, knowledge) = (scope.clone(), knowledge.clone());
    let made = tokio::spawn(async move { take_apart(&scope, &knowledge, id).await });
    made.await.map_err(|_| Error::internal("an archive was not taken apart to its end"))?
}

async fn take_apart(scope: &Scope, knowledge: &Knowledge, id: UploadId) -> Result<Bulk> {
    let (archive, labels) = uploads::received(scope, knowledge, id).await?;
    let mut files = knowledge.sandbox.unpack(&archive).await.map_err(unreadable)?;
    let mut bulk = Bulk::default();
    while let Some(file) = files.next().await.map_err(unreadable)? {
        let new = NewUpload {
            file_name: file.name.clone(),
            media_type: MEDIA_TYPE.to_owned(),
            bytes: i64::try_from(file.bytes.len()).unwrap_or(i64::MAX),
            replaces: None,
            labels: labels.clone(),
        };
        match uploads::add(scope, knowledge, new, Bytes::from(file.bytes)).await {
            Ok(document) => bulk.documents.push(document),
            Err(error) if matches!(error.kind(), ErrorKind::Invalid | ErrorKind::LimitExceeded) => {
                bulk.refused.push(Refused { file_name: file.name, reason: error.message().to_owned() });
            }
            Err(error) => return Err(error),
        }
    }
    uploads::discard(scope, knowledge, id).await?;
    Ok(bulk)
}

fn unreadable(failure: ParseFailure) -> Error {
    if failure.is_retryable() {
        return Error::new(ErrorKind::Unavailable, "No process could be had to unpack the archive in.");
    }
    Error::invalid("uploadId", failure.message)
}
