//! A page becomes a document: sealed like an upload, read by the same job, and replaced where it was known.

use bytes::Bytes;
use consigne_foundation::{
    ErrorKind, Result, Scope,
    audit::{self, Event},
    id::{DocumentId, SourceId, random_uuid},
    jobs,
    store::WorkspaceTx,
};
use futures::stream;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use sha2::{Digest, Sha256};
use url::Url;

use crate::{
    entity::documents as table,
    knowledge::{
        Knowledge,
        documents::{self, Labels},
        ingest,
    },
};

/// Media types that hold text; pages of other kinds are not taken.
const READABLE: [&str; 8] = [
    "text/html",
    "application/xhtml+xml",
    "text/markdown",
    "text/x-markdown",
    "text/plain",
    "text/csv",
    "application/pdf",
    "application/epub+zip",
];

/// Beginnings of more of them.
const READABLE_FAMILIES: [&str; 2] =
    ["application/vnd.openxmlformats-officedocument.", "application/vnd.oasis.opendocument."];

/// What a page is, where its server says nothing: a web page if it begins like one.
pub(super) fn media_type(said: Option<String>, bytes: &[u8]) -> String {
    let begins_as_markup = bytes.trim_ascii_start().first() == Some(&b'<');
    said.unwrap_or_else(|| if begins_as_markup { "text/html" } else { "text/plain" }.to_owned())
}

/// Whether there may be text in it.
pub(super) fn is_readable(media_type: &str) -> bool {
    READABLE.contains(&media_type) || READABLE_FAMILIES.iter().any(|family| media_type.starts_with(family))
}

/// Whether it may have links.
pub(super) fn has_links(media_type: &str) -> bool {
    matches!(media_type, "text/html" | "application/xhtml+xml")
}

/// The keyed hash by which a page is known again.
pub(super) async fn content_hash(scope: &Scope, knowledge: &Knowledge, bytes: &[u8]) -> Result<Vec<u8>> {
    knowledge.store.vault().content_hash(scope.workspace(), &Sha256::digest(bytes)).await
}

/// The document of a page, if it is still there.
pub(super) async fn known(tx: &WorkspaceTx, document: Option<DocumentId>) -> Result<Option<table::Model>> {
    let Some(document) = document else { return Ok(None) };
    match documents::find(tx, document).await {
        Ok(row) => Ok(Some(row)),
        // Somebody deleted it by hand.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Seals a page's bytes into a file.
pub(super) async fn store(
    scope: &Scope,
    knowledge: &Knowledge,
    url: &Url,
    media_type: String,
    bytes: Bytes,
    content_hash: Vec<u8>,
    tags: &[String],
) -> Result<documents::File> {
    let key = knowledge.store.vault().workspace_key(scope.workspace()).await?;
    let length = bytes.len();
    let body = stream::iter([Ok(bytes)]);
    let stored = knowledge.blobs.put(&key, scope.workspace(), random_uuid(), body, length as u64).await?;
    Ok(documents::File {
        name: file_name(url),
        media_type,
        bytes: i64::try_from(length).unwrap_or(i64::MAX),
        content_hash,
        blob: stored.path,
        labels: Labels { tags: tags.to_vec(), dated_at: None },
    })
}

/// Puts a stored page in the place of its document, or makes one, and enqueues its reading. Answers with the document and
/// the file that is not needed any more. The audit log is written last.
pub(super) async fn take(
    scope: &Scope,
    tx: &WorkspaceTx,
    source: SourceId,
    url: &Url,
    file: documents::File,
    known: Option<DocumentId>,
) -> Result<(DocumentId, Option<String>)> {
    let (document, replaced) = match known {
        Some(document) => documents::replace_file(tx, document, file).await?,
        None => (documents::insert(tx, file).await?, None),
    };
    table::Entity::update_many()
        .col_expr(table::Column::SourceId, Expr::value(source.0))
        .col_expr(table::Column::Url, Expr::value(url.as_str()))
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::Id.eq(document.id))
        .exec(tx.db())
        .await?;
    // A worker that still reads the earlier version loses its job, so that this one does not wait for it.
    jobs::cancel(tx, ingest::JOB, [document.id.0]).await?;
    jobs::enqueue(tx, ingest::job(document.id)).await?;
    let action = if known.is_some() { "document.replaced" } else { "document.added" };
    audit::append(scope, tx, Event::new(action).target("document", document.id.0)).await?;
    Ok((document.id, replaced))
}

/// The last part of the path, or the host: what a person would call the file.
fn file_name(url: &Url) -> String {
    let last = url.path().rsplit('/').find(|part| !part.is_empty());
    let name = last.or(url.host_str()).unwrap_or("page");
    name.chars().filter(|c| !c.is_control()).take(255).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_called_by_the_end_of_its_path() {
        let name = |url| file_name(&Url::parse(url).expect("a URL"));
        assert_eq!(name("https://example.com/docs/ch01.html?x=1"), "ch01.html");
        assert_eq!(name("https://example.com/docs/"), "docs");
        assert_eq!(name("https://example.com/"), "example.com");
        assert_eq!(name(&format!("https://example.com/{}", "x".repeat(900))).len(), 255);
    }

    #[test]
    fn text_is_taken_and_pictures_and_programs_are_not() {
        for readable in ["text/html", "application/pdf", "application/vnd.oasis.opendocument.text"] {
            assert!(is_readable(readable), "{readable}");
        }
        for other in ["image/png", "text/css", "text/javascript", "application/zip", "application/octet-stream"] {
            assert!(!is_readable(other), "{other}");
        }
        assert_eq!(media_type(None, b"\n<html>"), "text/html");
        assert_eq!(media_type(None, b"Hello"), "text/plain");
    }
}
