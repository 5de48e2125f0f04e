//! Asking: the question is sealed and stored, an answer is opened and enqueued, its id is returned. The answer is made
//! whether or not anyone listens. While people have the chat, or where the words call for one, no answer is opened.

use consigne_foundation::{
    Error, Result, Scope,
    audit::{self, Event},
    error::ErrorKind,
    id::{AnswerId, ChatId, MessageId},
    jobs::{self, NewJob},
    privacy::{Purpose, admission, subjects},
    store::WorkspaceTx,
    vault::Key,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::{
    AnswerOutcome, Author, ChatState, answer, phrases,
    state::{self},
    written::{self, NewMessage},
};
use crate::{
    assistants,
    entity::{answers as answer_table, chats as chat_table},
    escalations::{open, rules, settings, turns},
    knowledge::{Knowledge, language, parse},
    policy::{self, Concern},
    sensitive,
};

/// Longest question.
pub const MOST_CHARACTERS: usize = 4_000;

/// Asks in one's own chat. The same key again answers with what it opened first, and nothing is asked twice. There is no
/// answer where a person has the chat, or is called for.
///
/// # Errors
/// `Forbidden` for anyone but the visitor; `Invalid` text or key; `NotFound` chat; `Conflict` while the last question is
/// still being answered; `Sensitive` for secrets and special categories; `Disabled` while the assistant is paused;
/// `PurposeRefused`; `SubjectErased`.
pub async fn ask(
    scope: &Scope,
    knowledge: &Knowledge,
    chat: ChatId,
    text: &str,
    idempotency_key: &str,
) -> Result<(MessageId, Option<AnswerId>)> {
    let store = &knowledge.store;
    super::require_visitor(scope)?;
    let text = check("text", text, MOST_CHARACTERS, idempotency_key)?;
    // The worker begins while the question is still on its way to the disk.
    let tx = store.write_telling_early(scope).await?;
    if let Some(refusal) = admission::refusal(&tx, Purpose::Answering, scope.subject()).await? {
        drop(tx);
        return Err(admission::write_down(scope, store, refusal).await?);
    }
    let chat = super::hold(scope, &tx, chat).await?;
    if let Some(opened) = find_by_key(&tx, chat.id, idempotency_key).await? {
        return Ok((opened.question_id, Some(opened.id)));
    }
    if let Some(posted) = written::find_by_key(&tx, chat.id, Author::Visitor, idempotency_key).await? {
        return Ok((posted.id, None));
    }
    if let Some(refused) = refuse_sensitive(scope, &tx, &chat, &text).await? {
        tx.commit().await?;
        return Err(refused);
    }
    let generation = subjects::hold_active(&tx, chat.subject_id).await?;
    if !ChatState::of(&chat).is_peoples() {
        knowledge.embed_ahead(scope, &text);
    }
    let key = store.vault().subject_key(scope.workspace(), chat.subject_id).await?;
    let new = NewMessage { idempotency_key: Some(idempotency_key), ..NewMessage::of(Author::Visitor, &text) };
    if ChatState::of(&chat).is_peoples() {
        let message = written::post(&tx, &key, &chat, new).await?;
        turns::said_by_visitor(&tx, &key, &chat, message, &text).await?;
        audit::append(scope, &tx, Event::new("message.posted").target("message", message.0)).await?;
        tx.commit().await?;
        return Ok((message, None));
    }
    let assistant = assistants::require_awake(&tx, chat.assistant_id).await?;
    let rules = settings::for_person(&tx, chat.assistant_id, chat.subject_id).await?;
    let was_offered = assistant.offers_person && last_found_nothing(&tx, chat.id).await?;
    if let Some(reason) = rules::called_by(&text, was_offered, &rules) {
        let message = written::post(&tx, &key, &chat, new).await?;
        open::open(scope, &tx, &key, &chat, &rules, reason).await?;
        audit::append(scope, &tx, Event::new("message.posted").target("message", message.0)).await?;
        tx.commit().await?;
        return Ok((message, None));
    }
    refuse_while_answering(&tx, chat.id).await?;
    if ChatState::of(&chat) == ChatState::Resolved {
        state::set(&tx, chat.id, ChatState::Assistant, None).await?;
    }
    let asked = open_answer(&tx, &key, &chat, new, generation).await?;
    audit::append(scope, &tx, Event::new("question.asked").target("answer", asked.1.0)).await?;
    tx.commit().await?;
    Ok((asked.0, Some(asked.1)))
}

/// The refusal of what nobody may read without a ground on record. That it was refused is audited, what it said is not kept.
async fn refuse_sensitive(
    scope: &Scope,
    tx: &WorkspaceTx,
    chat: &chat_table::Model,
    text: &str,
) -> Result<Option<Error>> {
    let found = sensitive::look("text", text)?;
    if found.spans.is_empty() {
        return Ok(None);
    }
    let concerns = [Concern::SecretsInChats, Concern::SpecialCategoriesInChats];
    let Some(concern) = found.unlawful(concerns, &policy::recorded(tx).await?) else { return Ok(None) };
    let assistant = assistants::find(tx, chat.assistant_id).await?;
    let spoken = answer::spoken(&assistant, language::detect(text));
    let event = Event::new("message.refused").target("chat", chat.id.0).detail("concern", concern.name());
    audit::append(scope, tx, event).await?;
    let is_secret = concern == Concern::SecretsInChats;
    let message = if is_secret { phrases::holds_a_secret(spoken) } else { phrases::holds_a_special_category(spoken) };
    Ok(Some(sensitive::refusal(message)))
}

async fn open_answer(
    tx: &WorkspaceTx,
    key: &Key,
    chat: &chat_table::Model,
    question: NewMessage<'_>,
    generation: i64,
) -> Result<(MessageId, AnswerId)> {
    let idempotency_key = question.idempotency_key.unwrap_or_default().to_owned();
    let message = written::post(tx, key, chat, question).await?;
    let opened = AnswerId::new(tx.store().clock());
    let row = answer_table::ActiveModel {
        workspace_id: Set(tx.workspace()),
        id: Set(opened),
        chat_id: Set(chat.id),
        question_id: Set(message),
        assistant_id: Set(chat.assistant_id),
        subject_id: Set(chat.subject_id),
        subject_generation: Set(generation),
        idempotency_key: Set(idempotency_key),
        status: Set("PENDING".to_owned()),
        outcome: Set(None),
        text_sealed: Set(None),
        failure_code: Set(None),
        disclosure: Set(None),
        attempts: Set(0),
        rating: Set(None),
        created_at: Set(tx.store().now()),
        completed_at: Set(None),
        rectified_at: Set(None),
    };
    answer_table::Entity::insert(row).exec_without_returning(tx.db()).await?;
    jobs::enqueue(tx, NewJob::new(answer::JOB, opened.0).priority(0)).await?;
    Ok((message, opened))
}

/// What was written, cleaned, where it can be taken.
pub(crate) fn check(field: &'static str, text: &str, most: usize, idempotency_key: &str) -> Result<String> {
    if idempotency_key.is_empty() || idempotency_key.len() > 128 {
        return Err(Error::invalid("idempotencyKey", "Give a key of 1 to 128 characters."));
    }
    let text = parse::clean::clean(text);
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::invalid(field, "Write something."));
    }
    if text.chars().count() > most {
        return Err(Error::invalid(field, format!("This may have {most} characters.")));
    }
    Ok(text.to_owned())
}

async fn find_by_key(tx: &WorkspaceTx, chat: ChatId, key: &str) -> Result<Option<answer_table::Model>> {
    Ok(answer_table::Entity::find()
        .filter(answer_table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(answer_table::Column::ChatId.eq(chat))
        .filter(answer_table::Column::IdempotencyKey.eq(key))
        .one(tx.db())
        .await?)
}

/// Whether the last answer of the chat found nothing in the knowledge.
async fn last_found_nothing(tx: &WorkspaceTx, chat: ChatId) -> Result<bool> {
    let last = answer_table::Entity::find()
        .filter(answer_table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(answer_table::Column::ChatId.eq(chat))
        .order_by_desc(answer_table::Column::Id)
        .one(tx.db())
        .await?;
    Ok(last.is_some_and(|row| row.outcome.as_deref() == Some(AnswerOutcome::NotInKnowledge.name())))
}

async fn refuse_while_answering(tx: &WorkspaceTx, chat: ChatId) -> Result<()> {
    let open = answer_table::Entity::find()
        .filter(answer_table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(answer_table::Column::ChatId.eq(chat))
        .filter(answer_table::Column::Status.is_in(["PENDING", "STREAMING"]))
        .one(tx.db())
        .await?;
    match open {
        None => Ok(()),
        Some(_) => Err(Error::new(ErrorKind::Conflict, "The last question is still being answered.")),
    }
}
