//! Messages: what visitor, staff and, outside its answers, the assistant wrote.

use std::collections::HashMap;

use consigne_foundation::{
    Error, Permission, Result, Scope, Timestamp,
    id::{AccountId, AssistantId, ChatId, MessageId},
    store::{Store, WorkspaceTx},
    vault::{Key, Place},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{
    events::{self, Happening},
    find, record_reading, unseen,
};
use crate::{
    entity::{chats as chat_table, messages as table},
    escalations::{settings, staff},
};

/// Who wrote a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Author {
    /// The visitor.
    Visitor,
    /// A person who works for the customer.
    Staff,
    /// The assistant, beside its answers: that people were called.
    Assistant,
}

/// Which person of the staff wrote a message. Of all this a visitor sees the name, where the workspace shows it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Staff {
    /// What they are called.
    pub name: Option<String>,
    /// The member.
    pub account: Option<AccountId>,
    /// The channel through which it came.
    pub plugin: Option<String>,
    /// Who they are there.
    pub by: Option<String>,
}

/// A message of a chat.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The message.
    pub id: MessageId,
    /// Its chat.
    pub chat: ChatId,
    /// Who wrote it.
    pub author: Author,
    /// Which person of the staff, as far as the reader may know.
    pub staff: Option<Staff>,
    /// What was written.
    pub text: String,
    /// Written at.
    pub created_at: Timestamp,
    /// Put right at (GDPR art. 16).
    pub rectified_at: Option<Timestamp>,
}

/// Messages of a chat, oldest first, behind `after`, at most `limit`.
///
/// # Errors
/// `NotFound`; `SubjectErased`.
pub async fn messages(
    scope: &Scope,
    store: &Store,
    chat: ChatId,
    after: Option<MessageId>,
    limit: u64,
) -> Result<Vec<Message>> {
    record_reading(scope, store, chat).await?;
    let tx = store.read(scope).await?;
    let chat = find(scope, &tx, chat).await?;
    let key = store.vault().subject_key(scope.workspace(), chat.subject_id).await?;
    let mut query = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::ChatId.eq(chat.id))
        .order_by_asc(table::Column::Id)
        .limit(limit);
    if let Some(after) = after {
        query = query.filter(table::Column::Id.gt(after));
    }
    open(scope, &tx, &key, chat.assistant_id, query.all(tx.db()).await?).await
}

/// How many messages a chat has.
///
/// # Errors
/// `NotFound`.
pub async fn count_messages(scope: &Scope, store: &Store, chat: ChatId) -> Result<u64> {
    let tx = store.read(scope).await?;
    find(scope, &tx, chat).await?;
    Ok(table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::ChatId.eq(chat))
        .count(tx.db())
        .await?)
}

/// A message of a chat that the scope may see.
///
/// # Errors
/// `NotFound`; `SubjectErased`.
pub async fn message(scope: &Scope, store: &Store, id: MessageId) -> Result<Message> {
    let tx = store.read(scope).await?;
    let row = table::Entity::find_by_id((scope.workspace(), id)).one(tx.db()).await?;
    let row = row.ok_or_else(|| Error::not_found("message"))?;
    let chat = find(scope, &tx, row.chat_id).await.map_err(|error| unseen(error, "message"))?;
    let key = store.vault().subject_key(scope.workspace(), row.subject_id).await?;
    let opened = open(scope, &tx, &key, chat.assistant_id, vec![row]).await?;
    opened.into_iter().next().ok_or_else(|| Error::not_found("message"))
}

/// A message to be posted.
pub(crate) struct NewMessage<'a> {
    pub author: Author,
    pub text: &'a str,
    pub idempotency_key: Option<&'a str>,
    pub account: Option<AccountId>,
    pub plugin: Option<&'a str>,
    pub by: Option<&'a str>,
}

impl<'a> NewMessage<'a> {
    pub(crate) fn of(author: Author, text: &'a str) -> Self {
        Self { author, text, idempotency_key: None, account: None, plugin: None, by: None }
    }
}

/// Posts a message in a chat that is held, and its event.
pub(crate) async fn post(
    tx: &WorkspaceTx,
    key: &Key,
    chat: &chat_table::Model,
    new: NewMessage<'_>,
) -> Result<MessageId> {
    let id = MessageId::new(tx.store().clock());
    let place = |column| Place::new(tx.workspace(), "messages", column, id.0);
    let row = table::ActiveModel {
        workspace_id: Set(tx.workspace()),
        id: Set(id),
        chat_id: Set(chat.id),
        subject_id: Set(chat.subject_id),
        author: Set(new.author.name().to_owned()),
        text_sealed: Set(key.seal_text(&place("text_sealed"), new.text)),
        created_at: Set(tx.store().now()),
        idempotency_key: Set(new.idempotency_key.map(|sent| keyed(new.author, sent))),
        account_id: Set(new.account),
        plugin_id: Set(new.plugin.map(str::to_owned)),
        by_sealed: Set(new.by.map(|by| key.seal_text(&place("by_sealed"), by))),
        rectified_at: Set(None),
    };
    table::Entity::insert(row).exec_without_returning(tx.db()).await?;
    events::append(tx, key, chat.id, chat.subject_id, &Happening::MessagePosted(id)).await?;
    Ok(id)
}

/// What was posted under this key before.
pub(crate) async fn find_by_key(
    tx: &WorkspaceTx,
    chat: ChatId,
    author: Author,
    key: &str,
) -> Result<Option<table::Model>> {
    Ok(table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::ChatId.eq(chat))
        .filter(table::Column::IdempotencyKey.eq(keyed(author, key)))
        .one(tx.db())
        .await?)
}

/// No side uses up the other's keys.
fn keyed(author: Author, key: &str) -> String {
    format!("{}:{key}", author.name())
}

pub(crate) fn message_place(row: &table::Model) -> Place {
    Place::new(row.workspace_id, "messages", "text_sealed", row.id.0)
}

/// What the scope may see of these messages of one assistant's chat.
async fn open(
    scope: &Scope,
    tx: &WorkspaceTx,
    key: &Key,
    assistant: AssistantId,
    rows: Vec<table::Model>,
) -> Result<Vec<Message>> {
    let accounts: Vec<AccountId> = rows.iter().filter_map(|row| row.account_id).collect();
    let is_visitor = scope.subject().is_some() || !scope.permissions().has(Permission::ChatsRead);
    let names = if accounts.is_empty() || (is_visitor && !settings::of(tx, assistant).await?.shows_staff_names) {
        HashMap::new()
    } else {
        staff::names(tx, &accounts).await?
    };
    let seen = |row: &table::Model| -> Result<Staff> {
        let name = row.account_id.and_then(|account| names.get(&account).cloned());
        if is_visitor {
            return Ok(Staff { name, ..Staff::default() });
        }
        let place = Place::new(row.workspace_id, "messages", "by_sealed", row.id.0);
        let by = row.by_sealed.as_ref().map(|sealed| key.open_text(&place, sealed)).transpose()?;
        Ok(Staff { name, account: row.account_id, plugin: row.plugin_id.clone(), by })
    };
    rows.into_iter()
        .map(|row| {
            let author = Author::parse(&row.author);
            let staff = if author == Author::Staff { Some(seen(&row)?) } else { None };
            let text = key.open_text(&message_place(&row), &row.text_sealed)?;
            let (created_at, rectified_at) = (row.created_at, row.rectified_at);
            Ok(Message { id: row.id, chat: row.chat_id, author, staff, text, created_at, rectified_at })
        })
        .collect()
}

impl Author {
    /// The name in the table and in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Visitor => "VISITOR",
            Self::Staff => "STAFF",
            Self::Assistant => "ASSISTANT",
        }
    }

    pub(crate) fn parse(name: &str) -> Self {
        match name {
            "STAFF" => Self::Staff,
            "ASSISTANT" => Self::Assistant,
            _ => Self::Visitor,
        }
    }
}
