//! A chat is handed over: the escalation, one delivery a channel, the visitor's event and the audit entry, in the
//! transaction that caused it.

use consigne_foundation::{
    Error, Permission, Result, Scope,
    audit::{self, Event},
    error::ErrorKind,
    id::{ChatId, EscalationId, random_uuid},
    privacy::{Purpose, admission, subjects},
    store::{Store, WorkspaceTx},
    vault::Key,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{
    EscalationReason, EscalationState, channels, inbox, outbox, reason_name,
    settings::{ChannelOrder, Content, EscalationSettings},
    state_name,
};
use crate::{
    assistants,
    chats::{
        self, Author, ChatState, answer_place,
        events::{self, Happening},
        message_place, phrases, state,
        written::{self, NewMessage},
    },
    entity::{answers, chats as chat_table, escalations as table, messages},
    knowledge::language,
};

/// What was said last, of what goes out.
const MOST_LINES: u64 = 40;

/// The visitor asks for a person, by the button. Where people have the chat already nothing more happens.
///
/// # Errors
/// `Forbidden` for anyone but the visitor; `NotFound`; `PurposeRefused`; `SubjectErased`.
pub async fn request_person(scope: &Scope, store: &Store, chat: ChatId) -> Result<()> {
    scope.require(Permission::ChatsAsk)?;
    chats::require_visitor(scope)?;
    admission::admit(scope, store, Purpose::Escalation, scope.subject()).await?;
    let tx = store.write(scope).await?;
    let chat = chats::hold(scope, &tx, chat).await?;
    subjects::hold_active(&tx, chat.subject_id).await?;
    if ChatState::of(&chat).is_peoples() {
        return Ok(());
    }
    let key = store.vault().subject_key(scope.workspace(), chat.subject_id).await?;
    let rules = super::settings::of(&tx, chat.assistant_id).await?;
    open(scope, &tx, &key, &chat, &rules, EscalationReason::VisitorAsked).await?;
    tx.commit().await
}

/// Hands over a chat that is held and that people do not have.
pub(crate) async fn open(
    scope: &Scope,
    tx: &WorkspaceTx,
    key: &Key,
    chat: &chat_table::Model,
    rules: &EscalationSettings,
    reason: EscalationReason,
) -> Result<EscalationId> {
    let is_off_hours = match &rules.hours {
        Some(hours) => !hours.are_open(tx.store().now())?,
        None => false,
    };
    state::silence(tx, key, chat).await?;
    let language = language_of(tx, key, chat).await?;
    let row = insert(tx, chat, reason, EscalationState::Waiting, is_off_hours, language.as_deref()).await?;
    state::set(tx, chat.id, ChatState::WaitingForPerson, Some(row.id)).await?;
    events::append(tx, key, chat.id, chat.subject_id, &Happening::HandedOver(row.id)).await?;
    tell_first(tx, key, chat, rules, &row).await?;
    let language = language.as_deref();
    let said = if is_off_hours {
        rules.off_hours_text.as_deref().unwrap_or_else(|| phrases::off_hours(language))
    } else {
        rules.waiting_text.as_deref().unwrap_or_else(|| phrases::waiting(language))
    };
    written::post(tx, key, chat, NewMessage::of(Author::Assistant, said)).await?;
    inbox::append(tx, inbox::Kind::Opened, Some(&row), None).await?;
    let event = Event::new("escalation.opened").target("escalation", row.id.0);
    audit::append(scope, tx, event.detail("reason", reason_name(reason))).await?;
    Ok(row.id)
}

pub(super) async fn insert(
    tx: &WorkspaceTx,
    chat: &chat_table::Model,
    reason: EscalationReason,
    state: EscalationState,
    is_off_hours: bool,
    language: Option<&str>,
) -> Result<table::Model> {
    let now = tx.store().now();
    let row = table::Model {
        workspace_id: tx.workspace(),
        id: EscalationId::new(tx.store().clock()),
        chat_id: chat.id,
        assistant_id: chat.assistant_id,
        subject_id: chat.subject_id,
        reason: reason_name(reason).to_owned(),
        state: state_name(state).to_owned(),
        is_off_hours,
        reply_token: consigne_foundation::id::encode(random_uuid()),
        language: language.map(str::to_owned),
        assigned_account_id: None,
        taken_by_plugin: None,
        created_at: now,
        taken_at: None,
        ended_at: None,
        active_at: now,
    };
    let made = table::ActiveModel {
        workspace_id: Set(row.workspace_id),
        id: Set(row.id),
        chat_id: Set(row.chat_id),
        assistant_id: Set(row.assistant_id),
        subject_id: Set(row.subject_id),
        reason: Set(row.reason.clone()),
        state: Set(row.state.clone()),
        is_off_hours: Set(row.is_off_hours),
        reply_token: Set(row.reply_token.clone()),
        language: Set(row.language.clone()),
        assigned_account_id: Set(None),
        taken_by_plugin: Set(None),
        created_at: Set(now),
        taken_at: Set(None),
        ended_at: Set(None),
        active_at: Set(now),
    };
    table::Entity::insert(made).exec_without_returning(tx.db()).await?;
    Ok(row)
}

/// One opening delivery for each channel, or for the first that still works.
async fn tell_first(
    tx: &WorkspaceTx,
    key: &Key,
    chat: &chat_table::Model,
    rules: &EscalationSettings,
    row: &table::Model,
) -> Result<()> {
    let gone = channels::gone(tx).await?;
    let working: Vec<&String> = rules.channels.iter().filter(|id| !gone.contains(id.as_str())).collect();
    let told = match rules.order {
        ChannelOrder::AllAtOnce => &working[..],
        ChannelOrder::OneAfterAnother => &working[..working.len().min(1)],
    };
    for plugin in told {
        let telling = opening(tx, key, chat, rules, row).await?;
        outbox::put(tx, key, row, plugin, &telling).await?;
    }
    Ok(())
}

/// Where a channel's opening delivery was given up and the channels go one after another: tells the next one.
pub(super) async fn tell_next(tx: &WorkspaceTx, key: &Key, row: &table::Model, failed: &str) -> Result<()> {
    let rules = super::settings::of(tx, row.assistant_id).await?;
    let still_open = matches!(row.state.as_str(), "WAITING" | "TAKEN");
    if rules.order != ChannelOrder::OneAfterAnother || !still_open {
        return Ok(());
    }
    let gone = channels::gone(tx).await?;
    let told = outbox::told(tx, row.id).await?;
    let place = rules.channels.iter().position(|id| id == failed).map_or(0, |at| at + 1);
    let next = rules.channels.iter().skip(place).find(|id| !gone.contains(id.as_str()) && !told.contains(id));
    let Some(next) = next else { return Ok(()) };
    let chat = state::hold(tx, row.chat_id).await?;
    let telling = opening(tx, key, &chat, &rules, row).await?;
    outbox::put(tx, key, row, next, &telling).await.map(|_| ())
}

async fn opening(
    tx: &WorkspaceTx,
    key: &Key,
    chat: &chat_table::Model,
    rules: &EscalationSettings,
    row: &table::Model,
) -> Result<outbox::Telling> {
    let conversation = match rules.content {
        Content::LinkOnly => Vec::new(),
        Content::Conversation => conversation(tx, key, chat).await?,
    };
    Ok(outbox::Telling::Opened {
        chat: chat.id.to_string(),
        assistant: assistants::find(tx, chat.assistant_id).await?.name,
        reason: row.reason.clone(),
        link: rules.link_to(&chat.id.to_string()),
        language: row.language.clone(),
        conversation,
    })
}

/// What was said so far, oldest first.
async fn conversation(tx: &WorkspaceTx, key: &Key, chat: &chat_table::Model) -> Result<Vec<outbox::Said>> {
    let mut lines = Vec::new();
    for row in last_messages(tx, chat.id, MOST_LINES).await? {
        let speaker = outbox::speaker_of(Author::parse(&row.author));
        let text = key.open_text(&message_place(&row), &row.text_sealed)?;
        lines.push(outbox::Said { speaker, name: None, text: Some(text), at: row.created_at.0 });
    }
    let answered = answers::Entity::find()
        .filter(answers::Column::WorkspaceId.eq(tx.workspace()))
        .filter(answers::Column::ChatId.eq(chat.id))
        .filter(answers::Column::TextSealed.is_not_null())
        .order_by_desc(answers::Column::Id)
        .limit(MOST_LINES)
        .all(tx.db())
        .await?;
    for row in answered {
        let Some(sealed) = &row.text_sealed else { continue };
        let text = key.open_text(&answer_place(&row), sealed)?;
        let at = row.completed_at.unwrap_or(row.created_at).0;
        lines.push(outbox::Said { speaker: outbox::SpeakerName::Assistant, name: None, text: Some(text), at });
    }
    // A question stands before its answer of the same moment.
    lines.sort_by_key(|line| (line.at, line.speaker == outbox::SpeakerName::Assistant));
    let surplus = lines.len().saturating_sub(usize::try_from(MOST_LINES).unwrap_or(usize::MAX));
    Ok(lines.split_off(surplus))
}

/// The language of what the visitor wrote last.
async fn language_of(tx: &WorkspaceTx, key: &Key, chat: &chat_table::Model) -> Result<Option<String>> {
    let spoken = assistants::find(tx, chat.assistant_id).await?.languages;
    let allowed: Vec<&str> = spoken.iter().map(String::as_str).collect();
    let last = last_messages(tx, chat.id, 3).await?;
    for row in last.iter().filter(|row| row.author == Author::Visitor.name()) {
        let text = key.open_text(&message_place(row), &row.text_sealed)?;
        if let Some(found) = language::detect_among(&text, &allowed) {
            return Ok(Some(found.to_owned()));
        }
    }
    Ok(spoken.first().cloned())
}

/// The newest first.
async fn last_messages(tx: &WorkspaceTx, chat: ChatId, most: u64) -> Result<Vec<messages::Model>> {
    Ok(messages::Entity::find()
        .filter(messages::Column::WorkspaceId.eq(tx.workspace()))
        .filter(messages::Column::ChatId.eq(chat))
        .order_by_desc(messages::Column::Id)
        .limit(most)
        .all(tx.db())
        .await?)
}

/// People have the chat already.
pub(super) fn taken() -> Error {
    Error::new(ErrorKind::Conflict, "Somebody else has this chat.")
}
