//! What was written and is wrong is put right (GDPR art. 16), by the visitor who wrote it, or by who serves rights; what an
//! assistant answered, by who serves rights alone, so that nobody makes it say what it did not.
//!
//! The old words are gone from the row, from deliveries that still wait and from the database's free bytes; whoever listens
//! hears of it, and channels that got the old words get the new ones (art. 19). Nothing of a chat is embedded or indexed, so
//! nothing is derived from it; a model that is shown the chat's last turns is shown the right ones from now on. A restriction does not stand in the way: it is often why one contests the data.

use consigne_foundation::{
    Error, ErrorKind, Permission, Result, Scope,
    audit::{self, Event},
    id::{AnswerId, ChatId, MessageId, NoteId, SubjectId},
    privacy::{restriction, subjects},
    store::{Store, WorkspaceTx},
    vault::{Key, Place},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::{
    Author, answer_place, ask,
    events::{self, Happening},
    message_place, state,
};
use crate::{
    entity::{answers, chat_notes, escalations, messages},
    escalations::{inbox, outbox},
};

/// Longest text, whoever wrote it.
const MOST_CHARACTERS: usize = 10_000;

/// Puts a message right.
///
/// # Errors
/// `NotFound`, also for what somebody else wrote; `Forbidden` without `RIGHTS_SERVE`; `Invalid`; `SubjectErased`.
pub async fn message(scope: &Scope, store: &Store, id: MessageId, text: &str) -> Result<()> {
    let text = ask::check("text", text, MOST_CHARACTERS, "a rectification has none")?;
    let tx = store.write(scope).await?;
    let row = messages::Entity::find_by_id((scope.workspace(), id)).one(tx.db()).await?;
    let is_own = |row: &messages::Model| {
        scope.subject() == Some(row.subject_id) && Author::parse(&row.author) == Author::Visitor
    };
    let row = match row {
        Some(row) if is_own(&row) => row,
        _ if scope.subject().is_some() => return Err(Error::not_found("message")),
        row => {
            scope.require(Permission::RightsServe)?;
            row.ok_or_else(|| Error::not_found("message"))?
        }
    };
    let key = key(&tx, row.subject_id).await?;
    let chat = state::hold(&tx, row.chat_id).await?;
    let before = key.open_text(&message_place(&row), &row.text_sealed)?;
    restriction::for_a_right(&tx, row.subject_id, async || {
        messages::Entity::update_many()
            .col_expr(messages::Column::TextSealed, Expr::value(key.seal_text(&message_place(&row), &text)))
            .col_expr(messages::Column::RectifiedAt, Expr::value(store.now()))
            .filter(messages::Column::WorkspaceId.eq(scope.workspace()))
            .filter(messages::Column::Id.eq(id))
            .exec(tx.db())
            .await?;
        events::append(&tx, &key, chat.id, chat.subject_id, &Happening::MessageRectified(id)).await?;
        let words = outbox::Words {
            speaker: outbox::speaker_of(Author::parse(&row.author)),
            at: row.created_at,
            from: &before,
            to: &text,
        };
        for escalation in escalations_of(&tx, row.chat_id).await? {
            outbox::rectify(&tx, &key, &escalation, words).await?;
            if chat.escalation_id == Some(escalation.id) {
                inbox::append(&tx, inbox::Kind::Message, Some(&escalation), Some(id.0)).await?;
            }
        }
        Ok(())
    })
    .await?;
    audit::append(scope, &tx, Event::new("message.rectified").target("message", id.0).subject(row.subject_id)).await?;
    tx.commit().await?;
    purge(store).await;
    Ok(())
}

/// Puts right what an assistant answered. Its citations stay: they say what the passages say.
///
/// # Errors
/// `Forbidden` without `RIGHTS_SERVE`; `NotFound`; `Conflict` while it has no text; `Invalid`; `SubjectErased`.
pub async fn answer(scope: &Scope, store: &Store, id: AnswerId, text: &str) -> Result<()> {
    scope.require(Permission::RightsServe)?;
    let text = ask::check("text", text, MOST_CHARACTERS, "a rectification has none")?;
    let tx = store.write(scope).await?;
    let find = async || {
        let found = answers::Entity::find_by_id((scope.workspace(), id)).one(tx.db()).await?;
        found.ok_or_else(|| Error::not_found("answer"))
    };
    let chat = state::hold(&tx, find().await?.chat_id).await?;
    // Whoever finishes an answer holds the chat, too.
    let row = find().await?;
    let key = key(&tx, row.subject_id).await?;
    let sealed = row.text_sealed.as_ref();
    let sealed =
        sealed.ok_or_else(|| Error::new(ErrorKind::Conflict, "This answer has no text that could be wrong."))?;
    let before = key.open_text(&answer_place(&row), sealed)?;
    restriction::for_a_right(&tx, row.subject_id, async || {
        answers::Entity::update_many()
            .col_expr(answers::Column::TextSealed, Expr::value(key.seal_text(&answer_place(&row), &text)))
            .col_expr(answers::Column::RectifiedAt, Expr::value(store.now()))
            .filter(answers::Column::WorkspaceId.eq(scope.workspace()))
            .filter(answers::Column::Id.eq(id))
            .exec(tx.db())
            .await?;
        events::rewrite(&tx, &key, chat.id, id, &text).await?;
        events::append(&tx, &key, chat.id, chat.subject_id, &Happening::AnswerRectified(id)).await?;
        let at = row.completed_at.unwrap_or(row.created_at);
        let words = outbox::Words { speaker: outbox::SpeakerName::Assistant, at, from: &before, to: &text };
        for escalation in escalations_of(&tx, chat.id).await? {
            outbox::rectify(&tx, &key, &escalation, words).await?;
        }
        Ok(())
    })
    .await?;
    audit::append(scope, &tx, Event::new("answer.rectified").target("answer", id.0).subject(row.subject_id)).await?;
    tx.commit().await?;
    purge(store).await;
    Ok(())
}

/// Puts right what staff noted about a visitor.
///
/// # Errors
/// `Forbidden` without `RIGHTS_SERVE`; `NotFound`; `Invalid`; `SubjectErased`.
pub async fn note(scope: &Scope, store: &Store, id: NoteId, text: &str) -> Result<()> {
    scope.require(Permission::RightsServe)?;
    let text = ask::check("text", text, MOST_CHARACTERS, "a rectification has none")?;
    let tx = store.write(scope).await?;
    let row = chat_notes::Entity::find_by_id((scope.workspace(), id)).one(tx.db()).await?;
    let row = row.ok_or_else(|| Error::not_found("note"))?;
    let key = key(&tx, row.subject_id).await?;
    state::hold(&tx, row.chat_id).await?;
    let place = Place::new(scope.workspace(), "chat_notes", "text_sealed", id.0);
    restriction::for_a_right(&tx, row.subject_id, async || {
        chat_notes::Entity::update_many()
            .col_expr(chat_notes::Column::TextSealed, Expr::value(key.seal_text(&place, &text)))
            .col_expr(chat_notes::Column::RectifiedAt, Expr::value(store.now()))
            .filter(chat_notes::Column::WorkspaceId.eq(scope.workspace()))
            .filter(chat_notes::Column::Id.eq(id))
            .exec(tx.db())
            .await?;
        Ok(())
    })
    .await?;
    audit::append(scope, &tx, Event::new("note.rectified").target("note", id.0).subject(row.subject_id)).await?;
    tx.commit().await?;
    purge(store).await;
    Ok(())
}

async fn key(tx: &WorkspaceTx, subject: SubjectId) -> Result<Key> {
    subjects::require_not_erased(tx, subject).await?;
    tx.store().vault().subject_key(tx.workspace(), subject).await
}

async fn escalations_of(tx: &WorkspaceTx, chat: ChatId) -> Result<Vec<escalations::Model>> {
    Ok(escalations::Entity::find()
        .filter(escalations::Column::WorkspaceId.eq(tx.workspace()))
        .filter(escalations::Column::ChatId.eq(chat))
        .all(tx.db())
        .await?)
}

/// Where a reader is in the way the next purge does it; the bytes are sealed.
async fn purge(store: &Store) {
    if let Err(error) = store.purge_deleted_bytes().await {
        tracing::warn!(kind = ?error.kind(), "the bytes of old words are purged later");
    }
}
