//! Documents of the knowledge.

use consigne_foundation::{
    Error, ErrorKind, Permission, Result, Scope, Timestamp,
    id::DocumentId,
    store::{Notice, Store, Topic, WorkspaceTx},
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, SimpleExpr},
};

use uuid::Uuid;

use crate::entity::documents as table;

/// Where a document stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

/// What is being done with a pending document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
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

/// A document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The document.
    pub id: DocumentId,
    /// Its title, once it was read; the file's name before.
    pub title: String,
    /// The file's name.
    pub file_name: String,
    /// The file's media type.
    pub media_type: String,
    /// The file's size.
    pub bytes: i64,
    /// Main language, ISO 639-1.
    pub language: Option<String>,
    /// Where it stands.
    pub state: DocumentState,
    /// What is being done.
    pub stage: DocumentStage,
    /// Why it failed, as a code and a sentence.
    pub failure: Option<(String, String)>,
    /// Counts replacements, from 1.
    pub version: i64,
    /// Passages it has.
    pub passages: i64,
    /// Passages that are ready.
    pub passages_done: i64,
    /// Passages whose vectors were known already.
    pub passages_reused: i64,
    /// The source that it came from, where it was not uploaded.
    pub source: Option<Uuid>,
    /// Where its page is, where it came from a website.
    pub url: Option<String>,
    /// What it can be found by beside its text.
    pub labels: Labels,
    /// Counts changes of this row; a listener resumes behind it.
    pub progress_seq: i64,
    /// Added at.
    pub created_at: Timestamp,
    /// Changed at.
    pub updated_at: Timestamp,
}

/// A stored file.
pub(crate) struct File {
    pub name: String,
    pub media_type: String,
    pub bytes: i64,
    pub content_hash: Vec<u8>,
    pub blob: String,
    pub labels: Labels,
}

/// What a document can be found by beside its text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// The customer's own words for it.
    pub tags: Vec<String>,
    /// Its date, where it is not the day it was added.
    pub dated_at: Option<Timestamp>,
}

/// Most tags of a document.
const MOST_TAGS: usize = 20;

impl Labels {
    /// Brings the tags to the form in which they are stored and looked for: trimmed, in lower case, each once.
    ///
    /// # Errors
    /// `Invalid` where there are more than 20, or one is empty, longer than 60 characters or of several lines.
    pub fn checked(mut self) -> Result<Self> {
        self.tags = check_tags(&self.tags)?;
        Ok(self)
    }

    pub(crate) fn stored_tags(&self) -> String {
        self.tags.join("\n")
    }
}

/// Tags in the form in which they are stored and looked for.
///
/// # Errors
/// As [`Labels::checked`].
pub fn check_tags(tags: &[String]) -> Result<Vec<String>> {
    let mut checked: Vec<String> = Vec::new();
    for tag in tags {
        let tag = tag.trim().to_lowercase();
        if tag.is_empty() || tag.chars().count() > 60 || tag.chars().any(char::is_control) {
            return Err(Error::invalid("tags", "A tag needs 1 to 60 characters on one line."));
        }
        if !checked.contains(&tag) {
            checked.push(tag);
        }
    }
    if checked.len() > MOST_TAGS {
        return Err(Error::invalid("tags", "A document may have 20 tags."));
    }
    Ok(checked)
}

/// A document of the workspace, also one that is being deleted.
///
/// # Errors
/// `Forbidden`, `NotFound`.
pub async fn get(scope: &Scope, store: &Store, id: DocumentId) -> Result<Document> {
    scope.require(Permission::KnowledgeRead)?;
    let tx = store.read(scope).await?;
    let row = table::Entity::find_by_id((tx.workspace(), id)).one(tx.db()).await?;
    row.map(Document::from).ok_or_else(|| Error::not_found("document"))
}

/// Several documents at once, in no order; unknown ones are left out.
///
/// # Errors
/// `Forbidden`.
pub async fn get_many(scope: &Scope, store: &Store, ids: &[DocumentId]) -> Result<Vec<Document>> {
    scope.require(Permission::KnowledgeRead)?;
    let tx = store.read(scope).await?;
    let rows = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::Id.is_in(ids.iter().copied()))
        .all(tx.db())
        .await?;
    Ok(rows.into_iter().map(Document::from).collect())
}

/// Documents of the workspace, newest first, behind `after`, at most `limit`; in one state where `state` names it.
///
/// # Errors
/// `Forbidden`.
pub async fn list(
    scope: &Scope,
    store: &Store,
    state: Option<DocumentState>,
    after: Option<DocumentId>,
    limit: u64,
) -> Result<Vec<Document>> {
    scope.require(Permission::KnowledgeRead)?;
    let tx = store.read(scope).await?;
    let mut query = filtered(scope, state).order_by_desc(table::Column::Id).limit(limit);
    if let Some(after) = after {
        query = query.filter(table::Column::Id.lt(after));
    }
    Ok(query.all(tx.db()).await?.into_iter().map(Document::from).collect())
}

/// How many documents [`list`] would go through.
///
/// # Errors
/// `Forbidden`.
pub async fn count(scope: &Scope, store: &Store, state: Option<DocumentState>) -> Result<u64> {
    scope.require(Permission::KnowledgeRead)?;
    let tx = store.read(scope).await?;
    Ok(filtered(scope, state).count(tx.db()).await?)
}

fn filtered(scope: &Scope, state: Option<DocumentState>) -> sea_orm::Select<table::Entity> {
    let query = table::Entity::find().filter(table::Column::WorkspaceId.eq(scope.workspace()));
    match state {
        Some(state) => query.filter(table::Column::State.eq(state.name())),
        None => query,
    }
}

/// A document that something can still be done with.
pub(crate) async fn find(tx: &WorkspaceTx, id: DocumentId) -> Result<table::Model> {
    let row = table::Entity::find_by_id((tx.workspace(), id)).one(tx.db()).await?;
    row.filter(|row| row.state != DocumentState::Deleting.name()).ok_or_else(|| Error::not_found("document"))
}

pub(crate) async fn insert(tx: &WorkspaceTx, file: File) -> Result<Document> {
    let now = tx.store().now();
    let id = DocumentId::new(tx.store().clock());
    let row = table::ActiveModel {
        workspace_id: Set(tx.workspace()),
        id: Set(id),
        title: Set(file.name.clone()),
        file_name: Set(file.name),
        media_type: Set(file.media_type),
        bytes: Set(file.bytes),
        content_hash: Set(file.content_hash),
        blob_key: Set(file.blob),
        language: Set(None),
        state: Set(DocumentState::Pending.name().to_owned()),
        stage: Set(DocumentStage::Queued.name().to_owned()),
        failure_code: Set(None),
        failure_message: Set(None),
        version: Set(1),
        passages_total: Set(0),
        passages_done: Set(0),
        passages_reused: Set(0),
        progress_seq: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        source_id: Set(None),
        tags: Set(file.labels.stored_tags()),
        dated_at: Set(file.labels.dated_at),
        url: Set(None),
    };
    table::Entity::insert(row).exec_without_returning(tx.db()).await?;
    Ok(find(tx, id).await?.into())
}

/// Puts a new file under a document; its old passages stay until the new ones are ready. Answers with the blob that is
/// not needed any more.
pub(crate) async fn replace_file(tx: &WorkspaceTx, id: DocumentId, file: File) -> Result<(Document, Option<String>)> {
    let before = find(tx, id).await?;
    let set = [
        (table::Column::FileName, Expr::value(file.name)),
        (table::Column::MediaType, Expr::value(file.media_type)),
        (table::Column::Bytes, Expr::value(file.bytes)),
        (table::Column::ContentHash, Expr::value(file.content_hash)),
        (table::Column::BlobKey, Expr::value(file.blob)),
        (table::Column::State, Expr::value(DocumentState::Pending.name())),
        (table::Column::Stage, Expr::value(DocumentStage::Queued.name())),
        (table::Column::FailureCode, Expr::value(Option::<String>::None)),
        (table::Column::FailureMessage, Expr::value(Option::<String>::None)),
        (table::Column::Version, Expr::value(before.version + 1)),
        (table::Column::PassagesDone, Expr::value(0)),
        (table::Column::PassagesReused, Expr::value(0)),
        (table::Column::Tags, Expr::value(file.labels.stored_tags())),
        (table::Column::DatedAt, Expr::value(file.labels.dated_at)),
    ];
    if !change(tx, id, before.version, set).await? {
        return Err(Error::new(ErrorKind::Conflict, "Somebody else replaces this document right now."));
    }
    Ok((find(tx, id).await?.into(), Some(before.blob_key)))
}

/// Changes a document's row if it still has this version, and tells the listeners. Says whether it had.
pub(crate) async fn change(
    tx: &WorkspaceTx,
    id: DocumentId,
    version: i64,
    set: impl IntoIterator<Item = (table::Column, SimpleExpr)>,
) -> Result<bool> {
    let mut update = table::Entity::update_many()
        .col_expr(table::Column::ProgressSeq, Expr::col(table::Column::ProgressSeq).add(1))
        .col_expr(table::Column::UpdatedAt, Expr::value(tx.store().now()))
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::Id.eq(id))
        .filter(table::Column::Version.eq(version))
        .filter(table::Column::State.ne(DocumentState::Deleting.name()));
    for (column, value) in set {
        update = update.col_expr(column, value);
    }
    let changed = update.exec(tx.db()).await?;
    tx.notify(Notice { topic: Topic::Document, id: id.0 });
    Ok(changed.rows_affected == 1)
}

impl DocumentState {
    /// The name in the table and in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Ready => "READY",
            Self::Failed => "FAILED",
            Self::Deleting => "DELETING",
        }
    }

    fn parse(name: &str) -> Self {
        match name {
            "READY" => Self::Ready,
            "FAILED" => Self::Failed,
            "DELETING" => Self::Deleting,
            _ => Self::Pending,
        }
    }
}

impl DocumentStage {
    /// The name in the table and in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "QUEUED",
            Self::Parsing => "PARSING",
            Self::Embedding => "EMBEDDING",
            Self::WaitingForIndex => "WAITING_FOR_INDEX",
            Self::WaitingForInstruction => "WAITING_FOR_INSTRUCTION",
            Self::Purging => "PURGING",
            Self::Done => "DONE",
        }
    }

    fn parse(name: &str) -> Self {
        match name {
            "PARSING" => Self::Parsing,
            "EMBEDDING" => Self::Embedding,
            "WAITING_FOR_INDEX" => Self::WaitingForIndex,
            "WAITING_FOR_INSTRUCTION" => Self::WaitingForInstruction,
            "PURGING" => Self::Purging,
            "DONE" => Self::Done,
            _ => Self::Queued,
        }
    }
}

impl From<table::Model> for Document {
    fn from(row: table::Model) -> Self {
        Self {
            id: row.id,
            title: row.title,
            file_name: row.file_name,
            media_type: row.media_type,
            bytes: row.bytes,
            language: row.language,
            state: DocumentState::parse(&row.state),
            stage: DocumentStage::parse(&row.stage),
            failure: row.failure_code.zip(row.failure_message),
            version: row.version,
            passages: row.passages_total,
            passages_done: row.passages_done,
            passages_reused: row.passages_reused,
            source: row.source_id,
            url: row.url,
            labels: Labels { tags: row.tags.lines().map(str::to_owned).collect(), dated_at: row.dated_at },
            progress_seq: row.progress_seq,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
