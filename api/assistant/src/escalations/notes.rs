//! Internal notes: what colleagues tell each other about a chat. No visitor sees one, whatever they ask.

use consigne_foundation::{
    Permission, Result, Scope, Timestamp,
    audit::{self, Event},
    id::{AccountId, ChatId, NoteId},
    store::{Store, WorkspaceTx},
    vault::{Key, Place},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{
    inbox, staff,
    turns::{By, Held},
};
use crate::{
    chats::{self, ask},
    entity::chat_notes as table,
};

/// Longest note.
pub const MOST_CHARACTERS: usize = 10_000;
/// Notes shown with a chat.
const MOST_NOTES: u64 = 200;

/// A note.
#[derive(Clone, PartialEq, Eq)]
pub struct Note {
    /// The note.
    pub id: NoteId,
    /// The chat.
    pub chat: ChatId,
    /// The member who wrote it.
    pub account: Option<AccountId>,
    /// What they are called.
    pub name: Option<String>,
    /// The channel through which it came.
    pub plugin: Option<String>,
    /// Who they are there.
    pub by: Option<String>,
    /// The note itself.
    pub text: String,
    /// Written at.
    pub created_at: Timestamp,
    /// Put right at (GDPR art. 16).
    pub rectified_at: Option<Timestamp>,
}

/// Writes a note.
///
/// # Errors
/// `Forbidden` without `CHATS_ANSWER`; `NotFound`; `Invalid`; `SubjectErased`.
pub async fn add(scope: &Scope, store: &Store, chat: ChatId, text: &str) -> Result<Note> {
    let text = ask::check("text", text, MOST_CHARACTERS, "a note has none")?;
    let tx = store.write(scope).await?;
    let held = Held::for_staff(scope, &tx, chat).await?;
    let by = By::of(scope, &tx).await?;
    let id = post(scope, &tx, &held, &by, &text).await?;
    let created_at = store.now();
    tx.commit().await?;
    let By { account, plugin, name } = by;
    Ok(Note { id, chat: held.chat.id, account, name, plugin, by: None, text, created_at, rectified_at: None })
}

/// The last notes of a chat, oldest first. That somebody read them is on record as reading the chat.
///
/// # Errors
/// `Forbidden` for visitors, and without `CHATS_READ`; `NotFound`; `SubjectErased`.
pub async fn of_chat(scope: &Scope, store: &Store, chat: ChatId) -> Result<Vec<Note>> {
    scope.require(Permission::ChatsRead)?;
    chats::record_reading(scope, store, chat).await?;
    let tx = store.read(scope).await?;
    let chat = chats::find(scope, &tx, chat).await?;
    let key = store.vault().subject_key(scope.workspace(), chat.subject_id).await?;
    let rows = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::ChatId.eq(chat.id))
        .order_by_desc(table::Column::Id)
        .limit(MOST_NOTES)
        .all(tx.db())
        .await?;
    let accounts: Vec<AccountId> = rows.iter().filter_map(|row| row.account_id).collect();
    let names = staff::names(&tx, &accounts).await?;
    let name_of = |row: &table::Model| row.account_id.and_then(|account| names.get(&account).cloned());
    rows.into_iter().rev().map(|row| open(&key, name_of(&row), row)).collect()
}

/// Writes a note about a chat that is held.
pub(crate) async fn post(scope: &Scope, tx: &WorkspaceTx, held: &Held, by: &By, text: &str) -> Result<NoteId> {
    let Held { chat, key } = held;
    let id = NoteId::new(tx.store().clock());
    let place = |column| Place::new(tx.workspace(), "chat_notes", column, id.0);
    let name = by.name.as_deref().filter(|_| by.account.is_none());
    let row = table::ActiveModel {
        workspace_id: Set(tx.workspace()),
        id: Set(id),
        chat_id: Set(chat.id),
        subject_id: Set(chat.subject_id),
        account_id: Set(by.account),
        plugin_id: Set(by.plugin.clone()),
        by_sealed: Set(name.map(|name| key.seal_text(&place("by_sealed"), name))),
        text_sealed: Set(key.seal_text(&place("text_sealed"), text)),
        created_at: Set(tx.store().now()),
        rectified_at: Set(None),
    };
    table::Entity::insert(row).exec_without_returning(tx.db()).await?;
    inbox::append(tx, inbox::Kind::Note, held.escalation(tx).await?.as_ref(), Some(id.0)).await?;
    audit::append(scope, tx, Event::new("chat.noted").target("note", id.0)).await?;
    Ok(id)
}

fn open(key: &Key, name: Option<String>, row: table::Model) -> Result<Note> {
    let place = |column| Place::new(row.workspace_id, "chat_notes", column, row.id.0);
    let by = row.by_sealed.as_ref().map(|sealed| key.open_text(&place("by_sealed"), sealed)).transpose()?;
    let text = key.open_text(&place("text_sealed"), &row.text_sealed)?;
    Ok(Note {
        id: row.id,
        chat: row.chat_id,
        account: row.account_id,
        name,
        plugin: row.plugin_id,
        by,
        text,
        created_at: row.created_at,
        rectified_at: row.rectified_at,
    })
}
