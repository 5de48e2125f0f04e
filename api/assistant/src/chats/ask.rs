//! Asking: the question is sealed and stored, an answer is opened and enqueued, its id is returned. The answer is made
//! whether or not anyone listens.

use consigne_foundation::{
    Error, Result, Scope,
    audit::{self, Event},
    error::ErrorKind,
    id::{AnswerId, ChatId, MessageId},
    jobs::{self, NewJob},
    privacy::subjects,
    store::Store,
    vault::Place,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

use super::{
    answer,
    events::{self, Happening},
};
use crate::{
    assistants,
    entity::{answers as answer_table, messages as message_table},
    knowledge::parse,
};

/// Longest question.
pub const MOST_CHARACTERS: usize = 4_000;

/// Asks in one's own chat. The same key again answers with what it opened first, and nothing is asked twice.
///
/// # Errors
/// `Forbidden` for anyone but the visitor; `Invalid` text or key; `NotFound` chat; `Conflict` while the last question is
/// still being answered; `Disabled` while the assistant is paused; `SubjectErased`.
pub async fn ask(
    scope: &Scope,
    store: &Store,
    chat: ChatId,
    text: &str,
    idempotency_key: &str,
) -> Result<(MessageId, AnswerId)> {
    super::require_visitor(scope)?;
    let text = check(text, idempotency_key)?;
    let tx = store.write(scope).await?;
    let chat = super::hold(scope, &tx, chat).await?;
    if let Some(opened) = find_by_key(&tx, chat.id, idempotency_key).await? {
        return Ok((opened.question_id, opened.id));
    }
    let generation = subjects::hold_active(&tx, chat.subject_id).await?;
    assistants::require_awake(&tx, chat.assistant_id).await?;
    refuse_while_answering(&tx, chat.id).await?;
    let key = store.vault().subject_key(scope.workspace(), chat.subject_id).await?;
    let (message, opened) = (MessageId::new(store.clock()), AnswerId::new(store.clock()));
    let place = Place::new(scope.workspace(), "messages", "text_sealed", message.0);
    let row = message_table::ActiveModel {
        workspace_id: Set(scope.workspace()),
        id: Set(message),
        chat_id: Set(chat.id),
        subject_id: Set(chat.subject_id),
        author: Set("VISITOR".to_owned()),
        text_sealed: Set(key.seal_text(&place, &text)),
        created_at: Set(store.now()),
    };
    message_table::Entity::insert(row).exec_without_returning(tx.db()).await?;
    let row = answer_table::ActiveModel {
        workspace_id: Set(scope.workspace()),
        id: Set(opened),
        chat_id: Set(chat.id),
        question_id: Set(message),
        assistant_id: Set(chat.assistant_id),
        subject_id: Set(chat.subject_id),
        subject_generation: Set(generation),
        idempotency_key: Set(idempotency_key.to_owned()),
        status: Set("PENDING".to_owned()),
        outcome: Set(None),
        text_sealed: Set(None),
        failure_code: Set(None),
        disclosure: Set(None),
        attempts: Set(0),
        rating: Set(None),
        created_at: Set(store.now()),
        completed_at: Set(None),
    };
    answer_table::Entity::insert(row).exec_without_returning(tx.db()).await?;
    events::append(&tx, &key, chat.id, chat.subject_id, &Happening::MessagePosted(message)).await?;
    jobs::enqueue(&tx, NewJob::new(answer::JOB, opened.0).priority(0)).await?;
    audit::append(scope, &tx, Event::new("question.asked").target("answer", opened.0)).await?;
    tx.commit().await?;
    Ok((message, opened))
}

fn check(text: &str, idempotency_key: &str) -> Result<String> {
    if idempotency_key.is_empty() || idempotency_key.len() > 128 {
        return Err(Error::invalid("idempotencyKey", "Give a key of 1 to 128 characters."));
    }
    let text = parse::clean::clean(text);
    let text = text.trim();
    if text.is_empty() {
        return Err(Error::invalid("text", "Ask something."));
    }
    if text.chars().count() > MOST_CHARACTERS {
        return Err(Error::invalid("text", format!("A question may have {MOST_CHARACTERS} characters.")));
    }
    Ok(text.to_owned())
}

async fn find_by_key(
    tx: &consigne_foundation::store::WorkspaceTx,
    chat: ChatId,
    key: &str,
) -> Result<Option<answer_table::Model>> {
    Ok(answer_table::Entity::find()
        .filter(answer_table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(answer_table::Column::ChatId.eq(chat))
        .filter(answer_table::Column::IdempotencyKey.eq(key))
        .one(tx.db())
        .await?)
}

async fn refuse_while_answering(tx: &consigne_foundation::store::WorkspaceTx, chat: ChatId) -> Result<()> {
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
