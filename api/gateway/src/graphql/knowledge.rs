//! Documents in, passages out.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject, Subscription};
use consigne_assistant::knowledge::{self, bulk, deletion, documents, language, progress, search, uploads};
use consigne_foundation::{
    Permission, Timestamp,
    id::{DocumentId, SourceId, UploadId},
};
use futures::{Stream, StreamExt};

use super::{
    connection::{Page, connection},
    context::ContextExt,
    error::{UserError, look_up, refuse, split},
    scalars::DateTime,
};

/// Where a document stands.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "documents::DocumentState")]
pub enum DocumentState {
    /// Accepted; being read.
    Pending,
    /// Can be found.
    Ready,
    /// Cannot be used; the failure says why and what to do.
    Failed,
    /// Being deleted; cannot be found any more.
    Deleting,
}

/// What is being done with a document.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "documents::DocumentStage")]
pub enum DocumentStage {
    /// Waits for its turn.
    Queued,
    /// Its text is being read.
    Parsing,
    /// Its passages are being embedded.
    Embedding,
    /// Its passages are embedded; the index that is to hold them is down, and is asked again and again.
    WaitingForIndex,
    /// The workspace revoked the purpose of indexing; it goes on when that is instructed again.
    WaitingForInstruction,
    /// Its vectors are out of the index; their bytes are leaving the index's disk.
    Purging,
    /// Nothing any more.
    Done,
}

/// Why a document cannot be used.
#[derive(SimpleObject, Clone)]
pub struct DocumentFailure {
    /// For a program, in capitals, such as `NO_TEXT`.
    pub code: String,
    /// For a person: what is wrong and what to do.
    pub message: String,
}

/// A document of the knowledge.
#[derive(SimpleObject, Clone)]
pub struct Document {
    /// Its id.
    pub id: ID,
    /// Its title, once it was read; the file's name before.
    pub title: String,
    /// The file's name.
    pub file_name: String,
    /// The file's media type (RFC 6838).
    pub media_type: String,
    /// The file's size in bytes.
    pub bytes: i32,
    /// Main language, ISO 639-1.
    pub language: Option<String>,
    /// Where it stands.
    pub state: DocumentState,
    /// What is being done with it.
    pub stage: DocumentStage,
    /// Why it cannot be used.
    pub failure: Option<DocumentFailure>,
    /// Counts replacements, from 1.
    pub version: i32,
    /// Passages it has.
    pub passages: i32,
    /// Passages that are ready.
    pub passages_done: i32,
    /// Passages whose vectors were known already, so that they were not embedded again.
    pub passages_reused: i32,
    /// The customer's own words for it, by which searches can be narrowed.
    pub tags: Vec<String>,
    /// Its date, where it is not the day it was added.
    pub dated_at: Option<DateTime>,
    /// The source that it came from; null where it was uploaded.
    pub source_id: Option<ID>,
    /// Where its page is, where it came from a website.
    pub url: Option<String>,
    /// Counts changes; pass it as `after` to `documentProgress` to resume.
    pub progress: i32,
    /// Added at.
    pub created_at: DateTime,
    /// Changed at.
    pub updated_at: DateTime,
}

connection! {
    /// Documents, newest first.
    DocumentConnection, DocumentEdge, Document, |document| document.id.to_string()
}

/// A passage that was found.
#[derive(SimpleObject, Clone)]
pub struct FoundPassage {
    /// Its id.
    pub id: ID,
    /// Its document.
    pub document_id: ID,
    /// The document's title.
    pub title: String,
    /// Page or headings.
    pub location: Option<String>,
    /// The passage.
    pub text: String,
    /// ISO 639-1 code, where it was detected.
    pub language: Option<String>,
    /// Cosine of question and passage.
    pub score: f64,
}

/// A file that is going to be sent.
#[derive(InputObject)]
pub struct CreateUploadInput {
    /// The file's name.
    #[graphql(secret)]
    pub file_name: String,
    /// Its media type, such as `application/pdf`.
    pub media_type: String,
    /// Its size in bytes; more is refused.
    pub bytes: i32,
    /// The document that it replaces; the old passages serve until the new ones are ready.
    pub replaces_document_id: Option<ID>,
    /// Words by which searches can be narrowed; at most 20, each of 60 characters.
    #[graphql(default, secret)]
    pub tags: Vec<String>,
    /// The document's date, where it is not today.
    pub dated_at: Option<DateTime>,
}

/// A header to send with the bytes.
#[derive(SimpleObject, Clone)]
pub struct UploadHeader {
    /// The header's name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// Where to send the bytes, and how.
#[derive(SimpleObject, Clone)]
pub struct Upload {
    /// Its id, for `completeUpload`.
    pub id: ID,
    /// Where to.
    pub url: String,
    /// With which HTTP method.
    pub method: String,
    /// With which headers, beside the `Authorization` of this request.
    pub headers: Vec<UploadHeader>,
    /// Until when it may be sent and completed.
    pub expires_at: DateTime,
}

/// An upload, or why there is none.
#[derive(SimpleObject)]
pub struct CreateUploadPayload {
    /// The upload.
    pub upload: Option<Upload>,
    /// Why there is none.
    pub user_errors: Vec<UserError>,
}

/// An upload whose bytes were sent.
#[derive(InputObject)]
pub struct CompleteUploadInput {
    /// The upload.
    pub upload_id: ID,
}

/// The documents of an archive's files, or why there are none.
#[derive(SimpleObject)]
pub struct CompleteArchiveUploadPayload {
    /// A document for each file that was taken, in the archive's order.
    pub documents: Vec<Document>,
    /// Files that were not taken.
    pub refused: Vec<RefusedFile>,
    /// Why there are none.
    pub user_errors: Vec<UserError>,
}

impl CompleteArchiveUploadPayload {
    fn of(made: Option<bulk::Bulk>, user_errors: Vec<UserError>) -> Self {
        let made = made.unwrap_or_default();
        let refused = |file: bulk::Refused| RefusedFile { file_name: file.file_name, reason: file.reason };
        Self {
            documents: made.documents.into_iter().map(Document::from).collect(),
            refused: made.refused.into_iter().map(refused).collect(),
            user_errors,
        }
    }
}

/// A file of an archive that was not taken.
#[derive(SimpleObject)]
pub struct RefusedFile {
    /// Its path in the archive.
    pub file_name: String,
    /// Why, for a person.
    pub reason: String,
}

/// A text to be taken as a document.
#[derive(InputObject)]
pub struct AddTextDocumentInput {
    /// Its title.
    #[graphql(secret)]
    pub title: String,
    /// The text; within the request's 64 KiB.
    #[graphql(secret)]
    pub text: String,
    /// `text/markdown`, `text/plain` or `text/html`.
    #[graphql(default = "text/markdown")]
    pub media_type: String,
    /// The document that it replaces.
    pub replaces_document_id: Option<ID>,
    /// Words by which searches can be narrowed; at most 20, each of 60 characters.
    #[graphql(default, secret)]
    pub tags: Vec<String>,
    /// The document's date, where it is not today.
    pub dated_at: Option<DateTime>,
}

/// By what passages are ranked.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "search::Ranking")]
pub enum SearchRanking {
    /// By meaning and by words: what an answer rests on.
    Hybrid,
    /// By meaning alone.
    Meaning,
    /// By words alone.
    Words,
}

/// Which passages may be found. Each condition that is given has to hold.
#[derive(InputObject)]
pub struct KnowledgeFilterInput {
    /// In one of these languages, ISO 639-1.
    #[graphql(default)]
    pub languages: Vec<String>,
    /// Of documents with at least one of these tags.
    #[graphql(default, secret)]
    pub tags: Vec<String>,
    /// Of documents from one of these sources.
    #[graphql(default)]
    pub source_ids: Vec<ID>,
    /// Of documents dated at or after this.
    pub dated_from: Option<DateTime>,
    /// Of documents dated before this.
    pub dated_until: Option<DateTime>,
}

/// The document, or why there is none.
#[derive(SimpleObject)]
pub struct DocumentPayload {
    /// The document.
    pub document: Option<Document>,
    /// Why there is none.
    pub user_errors: Vec<UserError>,
}

/// Which document to delete.
#[derive(InputObject)]
pub struct DeleteDocumentInput {
    /// The document.
    pub document_id: ID,
}

/// What was deleted, or why not.
#[derive(SimpleObject)]
pub struct DeleteDocumentPayload {
    /// The document that is gone, with its passages, vectors and file; null while any of them is left.
    pub deleted_document_id: Option<ID>,
    /// The document on its way out, while any of them is left: it cannot be found any more, and is unknown once it is gone.
    pub document: Option<Document>,
    /// Passages that cannot be found any more.
    pub passages_deleted: i32,
    /// Why it is not deleted.
    pub user_errors: Vec<UserError>,
}

/// Reading the knowledge.
#[derive(Default)]
pub struct KnowledgeQuery;

#[Object]
impl KnowledgeQuery {
    /// A document; null where it is unknown.
    async fn document(&self, ctx: &Context<'_>, #[graphql(desc = "The document.")] id: ID) -> Result<Option<Document>> {
        let scope = ctx.scope(Permission::KnowledgeRead)?;
        let found = documents::get(&scope, ctx.store(), DocumentId::parse_or_unknown(&id)).await;
        Ok(look_up(found)?.map(Document::from))
    }

    /// Documents of the workspace, newest first.
    async fn documents(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, at most 100; 20 where left out.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
        #[graphql(desc = "Only those in this state.")] state: Option<DocumentState>,
    ) -> Result<DocumentConnection> {
        let scope = ctx.scope(Permission::KnowledgeRead)?;
        let page = Page::of(first)?;
        let state = state.map(documents::DocumentState::from);
        let after = after.as_deref().map(DocumentId::parse_or_unknown);
        let rows = documents::list(&scope, ctx.store(), state, after, page.limit()).await.map_err(refuse)?;
        let total = documents::count(&scope, ctx.store(), state).await.map_err(refuse)?;
        Ok(DocumentConnection::new(&page, rows.into_iter().map(Document::from).collect(), total))
    }

    /// The passages nearest to a question, best first: what an answer would rest on.
    async fn search_knowledge(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The question, in any language.", secret)] question: String,
        #[graphql(desc = "How many, at most 50; 10 where left out.")] first: Option<i32>,
        #[graphql(desc = "Which passages may be found; all where left out.")] filter: Option<KnowledgeFilterInput>,
        #[graphql(desc = "By what they are ranked; `HYBRID` where left out.")] ranking: Option<SearchRanking>,
    ) -> Result<Vec<FoundPassage>> {
        let scope = ctx.scope(Permission::KnowledgeRead)?;
        let limit = first.unwrap_or(10).clamp(1, 50).unsigned_abs() as usize;
        let query = search::Query {
            question: &question,
            whose: None,
            language: language::detect(&question),
            filter: filter.map(KnowledgeFilterInput::checked).transpose().map_err(refuse)?.unwrap_or_default(),
            ranking: ranking.map(search::Ranking::from).unwrap_or_default(),
            words_count: None,
            limit,
        };
        let found = search::search(&scope, &ctx.services().knowledge, query).await.map_err(refuse)?;
        Ok(found.into_iter().map(FoundPassage::from).collect())
    }
}

/// Changing the knowledge.
#[derive(Default)]
pub struct KnowledgeMutation;

#[Object]
impl KnowledgeMutation {
    /// Announces a file. Send its bytes to the URL of the answer, then call `completeUpload`.
    async fn create_upload(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: CreateUploadInput,
    ) -> Result<CreateUploadPayload> {
        let scope = ctx.scope(Permission::KnowledgeWrite)?;
        let new = uploads::NewUpload {
            file_name: input.file_name,
            media_type: input.media_type,
            bytes: i64::from(input.bytes),
            replaces: input.replaces_document_id.as_ref().map(|id| DocumentId::parse_or_unknown(id)),
            labels: labels(input.tags, input.dated_at),
        };
        let (upload, user_errors) = split(uploads::create(&scope, &ctx.services().knowledge, new).await)?;
        let upload = upload.map(|u| Upload::of(u, &ctx.services().public_url));
        Ok(CreateUploadPayload { upload, user_errors })
    }

    /// Makes the document of an upload whose bytes were sent. Its progress arrives through `documentProgress`.
    async fn complete_upload(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: CompleteUploadInput,
    ) -> Result<DocumentPayload> {
        let scope = ctx.scope(Permission::KnowledgeWrite)?;
        let id = UploadId::parse_or_unknown(&input.upload_id);
        DocumentPayload::of(uploads::complete(&scope, &ctx.services().knowledge, id).await)
    }

    /// Makes a document of each file in an uploaded ZIP archive whose bytes were sent. One of many files may take longer
    /// than a request: it is finished all the same, and its documents are among `documents`.
    async fn complete_archive_upload(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: CompleteUploadInput,
    ) -> Result<CompleteArchiveUploadPayload> {
        let scope = ctx.scope(Permission::KnowledgeWrite)?;
        let id = UploadId::parse_or_unknown(&input.upload_id);
        let (made, user_errors) = split(bulk::complete(&scope, &ctx.services().knowledge, id).await)?;
        Ok(CompleteArchiveUploadPayload::of(made, user_errors))
    }

    /// Takes a text as a document.
    async fn add_text_document(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: AddTextDocumentInput,
    ) -> Result<DocumentPayload> {
        let scope = ctx.scope(Permission::KnowledgeWrite)?;
        let new = uploads::NewText {
            title: input.title,
            media_type: input.media_type,
            text: input.text,
            replaces: input.replaces_document_id.as_ref().map(|id| DocumentId::parse_or_unknown(id)),
            labels: labels(input.tags, input.dated_at),
        };
        DocumentPayload::of(uploads::add_text(&scope, &ctx.services().knowledge, new).await)
    }

    /// Deletes a document. It cannot be found any more when this answers. Its vectors and file may take longer where they are
    /// in a server's keeping; `documentProgress` tells when they are gone.
    async fn delete_document(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: DeleteDocumentInput,
    ) -> Result<DeleteDocumentPayload> {
        let scope = ctx.scope(Permission::KnowledgeWrite)?;
        let id = DocumentId::parse_or_unknown(&input.document_id);
        let (withdrawn, user_errors) = split(deletion::delete(&scope, &ctx.services().knowledge, id).await)?;
        let passages = withdrawn.as_ref().map_or(0, |withdrawn| withdrawn.passages);
        let is_gone = withdrawn.as_ref().is_some_and(|withdrawn| withdrawn.document.is_none());
        Ok(DeleteDocumentPayload {
            deleted_document_id: is_gone.then(|| id.to_string().into()),
            document: withdrawn.and_then(|withdrawn| withdrawn.document).map(Document::from),
            passages_deleted: i32::try_from(passages).unwrap_or(i32::MAX),
            user_errors,
        })
    }
}

/// Listening to the knowledge.
#[derive(Default)]
pub struct KnowledgeSubscription;

#[Subscription]
impl KnowledgeSubscription {
    /// Listens to a document until it is ready, failed or gone. Begins with its present state; `after` skips changes seen.
    async fn document_progress(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The document.")] document_id: ID,
        #[graphql(desc = "The last `progress` seen.")] after: Option<i32>,
    ) -> Result<impl Stream<Item = Result<Document>> + use<>> {
        let scope = ctx.scope(Permission::KnowledgeRead)?;
        let id = DocumentId::parse_or_unknown(&document_id);
        let knowledge: knowledge::Knowledge = ctx.services().knowledge.clone();
        let progress = progress::listen(scope, knowledge, id, after.map(i64::from));
        Ok(progress.map(|item| item.map(Document::from).map_err(refuse)))
    }
}

fn labels(tags: Vec<String>, dated_at: Option<DateTime>) -> documents::Labels {
    documents::Labels { tags, dated_at: dated_at.map(Timestamp::from) }
}

impl KnowledgeFilterInput {
    fn checked(self) -> consigne_foundation::Result<search::KnowledgeFilter> {
        Ok(search::KnowledgeFilter {
            sources: self.source_ids.iter().map(|id| SourceId::parse_or_unknown(id).0).collect(),
            languages: self.languages.iter().map(|code| code.trim().to_lowercase()).collect(),
            tags: documents::check_tags(&self.tags)?,
            from: self.dated_from.map(Timestamp::from),
            until: self.dated_until.map(Timestamp::from),
        })
    }
}

impl Upload {
    fn of(upload: uploads::Upload, public_url: &str) -> Self {
        Self {
            id: upload.id.to_string().into(),
            url: format!("{public_url}/uploads/{}", upload.id),
            method: "PUT".to_owned(),
            headers: vec![UploadHeader { name: "Content-Type".to_owned(), value: upload.media_type }],
            expires_at: upload.expires_at.into(),
        }
    }
}

impl DocumentPayload {
    fn of(result: consigne_foundation::Result<documents::Document>) -> Result<Self> {
        let (document, user_errors) = split(result)?;
        Ok(Self { document: document.map(Document::from), user_errors })
    }
}

impl From<documents::Document> for Document {
    fn from(d: documents::Document) -> Self {
        let number = |n: i64| i32::try_from(n).unwrap_or(i32::MAX);
        Self {
            id: d.id.to_string().into(),
            title: d.title,
            file_name: d.file_name,
            media_type: d.media_type,
            bytes: number(d.bytes),
            language: d.language,
            state: d.state.into(),
            stage: d.stage.into(),
            failure: d.failure.map(|(code, message)| DocumentFailure { code, message }),
            version: number(d.version),
            passages: number(d.passages),
            passages_done: number(d.passages_done),
            passages_reused: number(d.passages_reused),
            tags: d.labels.tags,
            dated_at: d.labels.dated_at.map(DateTime::from),
            source_id: d.source.map(|source| SourceId(source).to_string().into()),
            url: d.url,
            progress: number(d.progress_seq),
            created_at: d.created_at.into(),
            updated_at: d.updated_at.into(),
        }
    }
}

impl From<knowledge::Found> for FoundPassage {
    fn from(f: knowledge::Found) -> Self {
        let location = f.location();
        Self {
            id: f.passage.to_string().into(),
            document_id: f.document.to_string().into(),
            title: f.title,
            location,
            text: f.text,
            language: f.language,
            score: f64::from(f.score),
        }
    }
}
