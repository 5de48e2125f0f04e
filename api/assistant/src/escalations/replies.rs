//! What staff says to a visitor. A reply takes the chat where no person has it.

use consigne_foundation::{
    Result, Scope,
    audit::{self, Event},
    id::{ChatId, MessageId},
    store::{Store, WorkspaceTx},
};

use super::{
    inbox, outbox,
    turns::{self, By, Held},
};
use crate::chats::{
    Author, ChatState, ask,
    written::{self, NewMessage},
};

/// Longest reply.
pub const MOST_CHARACTERS: usize = 10_000;

/// Answers the visitor. The same key again answers with the message it posted first.
///
/// # Errors
/// `Forbidden` without `CHATS_ANSWER`; `NotFound`; `Invalid` text or key; `SubjectErased`.
pub async fn reply(scope: &Scope, store: &Store, chat: ChatId, text: &str, idempotency_key: &str) -> Result<MessageId> {
    let text = ask::check("text", text, MOST_CHARACTERS, idempotency_key)?;
    let tx = store.write(scope).await?;
    let held = Held::for_staff(scope, &tx, chat).await?;
    if let Some(posted) = written::find_by_key(&tx, held.chat.id, Author::Staff, idempotency_key).await? {
        return Ok(posted.id);
    }
    let by = By::of(scope, &tx).await?;
    let message = post(scope, &tx, held, &by, &text, Some(idempotency_key)).await?;
    tx.commit().await?;
    Ok(message)
}

/// Posts a reply in a chat that is held, and tells the other channels.
pub(crate) async fn post(
    scope: &Scope,
    tx: &WorkspaceTx,
    held: Held,
    by: &By,
    text: &str,
    idempotency_key: Option<&str>,
) -> Result<MessageId> {
    let row = match held.escalation(tx).await? {
        Some(row) if ChatState::of(&held.chat) == ChatState::WithPerson => row,
        _ => turns::take_over(scope, tx, &held, by).await?,
    };
    let Held { chat, key } = &held;
    // A member is known by the account; somebody on a channel, by what they are called there.
    let name = by.name.as_deref().filter(|_| by.account.is_none());
    let new = NewMessage {
        idempotency_key,
        account: by.account,
        plugin: by.plugin.as_deref(),
        by: name,
        ..NewMessage::of(Author::Staff, text)
    };
    let message = written::post(tx, key, chat, new).await?;
    turns::touch(tx, &row).await?;
    let line = turns::said(tx, &row, outbox::SpeakerName::Staff, by.name.clone(), text).await?;
    outbox::tell_all(tx, key, &row, by.plugin.as_deref(), &line).await?;
    inbox::append(tx, inbox::Kind::Message, Some(&row), Some(message.0)).await?;
    let event = Event::new("chat.replied").target("message", message.0);
    let event = match &by.plugin {
        Some(plugin) => event.detail("plugin", plugin.clone()),
        None => event,
    };
    audit::append(scope, tx, event).await?;
    Ok(message)
}
