//! Chats: a visitor asks, the assistant answers, everyone entitled listens.
//!
//! Reading order: [`ask`], [`answer`] (the pipeline), [`citations`], [`events`] (what happened, in order), [`live`] (who
//! listens), [`sweep`]; [`written`] (messages), [`rectify`] (what was wrong), [`state`] (who has the chat); [`rehearsal`] answers without a chat.
//!
//! All text of a chat is sealed under the visitor's own key, so destroying that key makes every copy unreadable.

pub mod answer;
pub mod ask;
pub mod citations;
pub mod events;
pub mod follow_up;
mod harmless;
pub mod live;
pub mod phrases;
pub mod prompt;
pub mod rectify;
pub mod rehearsal;
pub mod state;
pub mod sweep;
pub mod written;

use consigne_foundation::{
    Error, ErrorKind, Permission, Result, Scope, Timestamp,
    audit::{self, Event},
    id::{AnswerId, AssistantId, ChatId, MessageId, SubjectId},
    privacy::subjects,
    scope::Actor,
    store::{Store, WorkspaceTx},
    vault::{Key, Place},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};

pub(crate) use self::written::message_place;
pub use self::{
    state::ChatState,
    written::{Author, Message, Staff, count_messages, message, messages},
};
use crate::{
    assistants,
    entity::{answers as answer_table, chats as table},
    escalations::after_answer,
};

/// A chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chat {
    /// The chat.
    pub id: ChatId,
    /// With this assistant.
    pub assistant: AssistantId,
    /// The visitor, as a person the workspace holds data about.
    pub subject: SubjectId,
    /// Who has it.
    pub state: ChatState,
    /// The last event's number.
    pub last_seq: i64,
    /// Begun at.
    pub created_at: Timestamp,
    /// Last event at.
    pub updated_at: Timestamp,
}

/// Where an answer stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerStatus {
    /// Waits for its turn.
    Pending,
    /// Being written.
    Streaming,
    /// Finished.
    Completed,
    /// Given up; `failure_code` says why.
    Failed,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AnswerOutcome {
    /// Answered from the knowledge, with citations.
    Answered,
    /// The knowledge has no answer, and the text says so.
    NotInKnowledge,
    /// A person has the question now: the knowledge had no answer, or somebody took the chat over.
    Escalated,
}

/// What a visitor thought of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rating {
    /// It helped.
    Up,
    /// It did not.
    Down,
}

/// An answer.
#[derive(Clone, PartialEq)]
pub struct Answer {
    /// The answer.
    pub id: AnswerId,
    /// Its chat.
    pub chat: ChatId,
    /// The question.
    pub question: MessageId,
    /// Where it stands.
    pub status: AnswerStatus,
    /// How it ended.
    pub outcome: Option<AnswerOutcome>,
    /// The whole text, once completed.
    pub text: Option<String>,
    /// Why it failed.
    pub failure_code: Option<String>,
    /// Who processed it, where, and what they keep.
    pub disclosure: Option<answer::Disclosure>,
    /// Whether a person is offered.
    pub offers_person: bool,
    /// The visitor's rating.
    pub rating: Option<Rating>,
    /// Asked at.
    pub created_at: Timestamp,
    /// Finished at.
    pub completed_at: Option<Timestamp>,
    /// Put right at.
    pub rectified_at: Option<Timestamp>,
}

/// Starts a chat with the assistant that the visitor's token is bound to.
///
/// # Errors
/// `Forbidden` for anyone but a visitor; `Disabled` while the assistant is paused; `SubjectErased`.
pub async fn start(scope: &Scope, store: &Store) -> Result<Chat> {
    scope.require(Permission::ChatsAsk)?;
    let Actor::Visitor { subject, assistant, .. } = scope.actor() else {
        return Err(Error::new(ErrorKind::Forbidden, "Only a visitor starts a chat."));
    };
    let tx = store.write(scope).await?;
    subjects::hold_active(&tx, subject).await?;
    assistants::require_awake(&tx, assistant).await?;
    let now = store.now();
    let id = ChatId::new(store.clock());
    let row = table::ActiveModel {
        workspace_id: Set(scope.workspace()),
        id: Set(id),
        assistant_id: Set(assistant),
        subject_id: Set(subject),
        state: Set(ChatState::Assistant.name().to_owned()),
        last_seq: Set(0),
        created_at: Set(now),
        updated_at: Set(now),
        escalation_id: Set(None),
    };
    table::Entity::insert(row).exec_without_returning(tx.db()).await?;
    audit::append(scope, &tx, Event::new("chat.started").target("chat", id.0)).await?;
    tx.commit().await?;
    Ok(Chat { id, assistant, subject, state: ChatState::Assistant, last_seq: 0, created_at: now, updated_at: now })
}

/// A chat: a visitor's own, or any of the workspace for those who may read chats.
///
/// # Errors
/// `NotFound`.
pub async fn get(scope: &Scope, store: &Store, id: ChatId) -> Result<Chat> {
    let tx = store.read(scope).await?;
    Ok(find(scope, &tx, id).await?.into())
}

/// Chats, newest first, behind `after`, at most `limit`: a visitor's own, or all of the workspace.
///
/// # Errors
/// `Forbidden`.
pub async fn list(scope: &Scope, store: &Store, after: Option<ChatId>, limit: u64) -> Result<Vec<Chat>> {
    let mut query = visible(scope)?.order_by_desc(table::Column::Id).limit(limit);
    if let Some(after) = after {
        query = query.filter(table::Column::Id.lt(after));
    }
    let tx = store.read(scope).await?;
    Ok(query.all(tx.db()).await?.into_iter().map(Chat::from).collect())
}

/// How many chats [`list`] would go through.
///
/// # Errors
/// `Forbidden`.
pub async fn count(scope: &Scope, store: &Store) -> Result<u64> {
    let tx = store.read(scope).await?;
    Ok(visible(scope)?.count(tx.db()).await?)
}

/// An answer of a chat that the scope may see.
///
/// # Errors
/// `NotFound`; `SubjectErased`.
pub async fn get_answer(scope: &Scope, store: &Store, id: AnswerId) -> Result<Answer> {
    let tx = store.read(scope).await?;
    let row = find_answer(scope, &tx, id).await?;
    let offers = assistants::find(&tx, row.assistant_id).await?.offers_person;
    let key = store.vault().subject_key(scope.workspace(), row.subject_id).await?;
    open_answer(&key, row, offers)
}

/// The last answers of a chat, oldest first, at most `limit`.
///
/// # Errors
/// `NotFound`; `SubjectErased`.
pub async fn answers(scope: &Scope, store: &Store, chat: ChatId, limit: u64) -> Result<Vec<Answer>> {
    record_reading(scope, store, chat).await?;
    let tx = store.read(scope).await?;
    let chat = find(scope, &tx, chat).await?;
    let offers = assistants::find(&tx, chat.assistant_id).await?.offers_person;
    let key = store.vault().subject_key(scope.workspace(), chat.subject_id).await?;
    let newest_first = answer_table::Entity::find()
        .filter(answer_table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(answer_table::Column::ChatId.eq(chat.id))
        .order_by_desc(answer_table::Column::Id)
        .limit(limit)
        .all(tx.db())
        .await?;
    newest_first.into_iter().rev().map(|row| open_answer(&key, row, offers)).collect()
}

/// Rates an answer; rating again changes the rating.
///
/// # Errors
/// `Forbidden`, `NotFound`.
pub async fn rate(scope: &Scope, store: &Store, id: AnswerId, rating: Rating) -> Result<()> {
    require_visitor(scope)?;
    let tx = store.write(scope).await?;
    let chat = find_answer(scope, &tx, id).await?.chat_id;
    hold(scope, &tx, chat).await?;
    answer_table::Entity::update_many()
        .col_expr(answer_table::Column::Rating, Expr::value(rating.name()))
        .filter(answer_table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(answer_table::Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    after_answer::after_rating(scope, &tx, chat).await?;
    audit::append(scope, &tx, Event::new("answer.rated").target("answer", id.0)).await?;
    tx.commit().await
}

fn visible(scope: &Scope) -> Result<sea_orm::Select<table::Entity>> {
    let query = table::Entity::find().filter(table::Column::WorkspaceId.eq(scope.workspace()));
    match scope.subject() {
        Some(subject) => Ok(query.filter(table::Column::SubjectId.eq(subject))),
        None => scope.require(Permission::ChatsRead).map(|()| query),
    }
}

/// Answers that the scope may see.
pub(crate) fn visible_answers(scope: &Scope) -> Result<sea_orm::Select<answer_table::Entity>> {
    let query = answer_table::Entity::find().filter(answer_table::Column::WorkspaceId.eq(scope.workspace()));
    match scope.subject() {
        Some(subject) => Ok(query.filter(answer_table::Column::SubjectId.eq(subject))),
        None => scope.require(Permission::ChatsRead).map(|()| query),
    }
}

/// The chat, if the scope may see it: otherwise it is unknown.
pub(crate) async fn find(scope: &Scope, tx: &WorkspaceTx, id: ChatId) -> Result<table::Model> {
    let row = visible(scope)?.filter(table::Column::Id.eq(id)).one(tx.db()).await?;
    row.ok_or_else(|| Error::not_found("chat"))
}

pub(crate) async fn find_answer(scope: &Scope, tx: &WorkspaceTx, id: AnswerId) -> Result<answer_table::Model> {
    let row = answer_table::Entity::find_by_id((scope.workspace(), id)).one(tx.db()).await?;
    let row = row.ok_or_else(|| Error::not_found("answer"))?;
    find(scope, tx, row.chat_id).await.map_err(|error| unseen(error, "answer"))?;
    Ok(row)
}

/// As [`find`], for changing the chat: on Postgres whoever else wants to waits.
pub(crate) async fn hold(scope: &Scope, tx: &WorkspaceTx, id: ChatId) -> Result<table::Model> {
    let row = visible(scope)?.filter(table::Column::Id.eq(id)).lock_exclusive().one(tx.db()).await?;
    row.ok_or_else(|| Error::not_found("chat"))
}

/// What is in a chat that may not be seen is unknown; other failures stay what they are.
fn unseen(error: Error, what: &str) -> Error {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::Forbidden => Error::not_found(what),
        _ => error,
    }
}

/// Only the visitor asks and rates in a chat, whoever else may read it.
pub(crate) fn require_visitor(scope: &Scope) -> Result<SubjectId> {
    scope.require(Permission::ChatsAsk)?;
    scope.subject().ok_or_else(|| Error::new(ErrorKind::Forbidden, "Only a visitor does this."))
}

/// Records that somebody other than the visitor reads a chat that they may see.
pub(crate) async fn record_reading(scope: &Scope, store: &Store, chat: ChatId) -> Result<()> {
    if scope.subject().is_some() {
        return Ok(());
    }
    let tx = store.write(scope).await?;
    find(scope, &tx, chat).await?;
    audit::append(scope, &tx, Event::new("chat.read").target("chat", chat.0)).await?;
    tx.commit().await
}

pub(crate) fn answer_place(row: &answer_table::Model) -> Place {
    Place::new(row.workspace_id, "answers", "text_sealed", row.id.0)
}

fn open_answer(key: &Key, row: answer_table::Model, assistant_offers_person: bool) -> Result<Answer> {
    let text = row.text_sealed.as_ref().map(|sealed| key.open_text(&answer_place(&row), sealed)).transpose()?;
    let outcome = row.outcome.as_deref().and_then(AnswerOutcome::parse);
    Ok(Answer {
        id: row.id,
        chat: row.chat_id,
        question: row.question_id,
        status: AnswerStatus::parse(&row.status),
        outcome,
        text,
        failure_code: row.failure_code,
        disclosure: row.disclosure.as_deref().and_then(|json| serde_json::from_str(json).ok()),
        offers_person: assistant_offers_person && outcome == Some(AnswerOutcome::NotInKnowledge),
        rating: row.rating.as_deref().and_then(Rating::parse),
        created_at: row.created_at,
        completed_at: row.completed_at,
        rectified_at: row.rectified_at,
    })
}

impl AnswerStatus {
    /// The name in the table and in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Streaming => "STREAMING",
            Self::Completed => "COMPLETED",
            Self::Failed => "FAILED",
        }
    }

    fn parse(name: &str) -> Self {
        match name {
            "STREAMING" => Self::Streaming,
            "COMPLETED" => Self::Completed,
            "FAILED" => Self::Failed,
            _ => Self::Pending,
        }
    }
}

impl AnswerOutcome {
    /// The name in the table and in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answered => "ANSWERED",
            Self::NotInKnowledge => "NOT_IN_KNOWLEDGE",
            Self::Escalated => "ESCALATED",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Answered, Self::NotInKnowledge, Self::Escalated].into_iter().find(|o| o.name() == name)
    }
}

impl Rating {
    /// The name in the table and in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Up => "UP",
            Self::Down => "DOWN",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::Up, Self::Down].into_iter().find(|r| r.name() == name)
    }
}

impl From<table::Model> for Chat {
    fn from(row: table::Model) -> Self {
        Self {
            id: row.id,
            assistant: row.assistant_id,
            subject: row.subject_id,
            state: ChatState::of(&row),
            last_seq: row.last_seq,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
