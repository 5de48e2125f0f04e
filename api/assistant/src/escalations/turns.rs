//! Who has a chat: taking, assigning, handing back, resolving. One of two who take at once gets it.

use consigne_foundation::{
    Error, Permission, Result, Scope,
    audit::{self, Event},
    error::ErrorKind,
    id::{AccountId, ChatId, MessageId},
    identity::accounts,
    privacy::{Purpose, admission, subjects},
    scope::Actor,
    store::{Store, WorkspaceTx},
    vault::Key,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::{
    EscalationReason, EscalationState, inbox, open, outbox,
    settings::{self, Content},
    staff, state_name,
};
use crate::{
    chats::{
        self, ChatState,
        events::{self, Happening},
        state,
    },
    entity::{chats as chat_table, escalations as table},
};

/// Who does something to a chat, as colleagues know them.
#[derive(Clone, Default)]
pub(crate) struct By {
    pub account: Option<AccountId>,
    pub plugin: Option<String>,
    pub name: Option<String>,
}

impl By {
    /// A member, a program, or the product itself.
    pub(crate) async fn of(scope: &Scope, tx: &WorkspaceTx) -> Result<Self> {
        let Actor::Member { account, .. } = scope.actor() else { return Ok(Self::default()) };
        let name = staff::names(tx, &[account]).await?.remove(&account);
        Ok(Self { account: Some(account), plugin: None, name })
    }
}

/// A chat that is held, with the key of its visitor.
pub(crate) struct Held {
    pub chat: chat_table::Model,
    pub key: Key,
}

impl Held {
    /// For staff.
    pub(crate) async fn for_staff(scope: &Scope, tx: &WorkspaceTx, chat: ChatId) -> Result<Self> {
        scope.require(Permission::ChatsAnswer)?;
        scope.require(Permission::ChatsRead)?;
        let chat = chats::hold(scope, tx, chat).await?;
        Self::of(tx, chat).await
    }

    pub(crate) async fn of(tx: &WorkspaceTx, chat: chat_table::Model) -> Result<Self> {
        subjects::hold_active(tx, chat.subject_id).await?;
        let key = tx.store().vault().subject_key(tx.workspace(), chat.subject_id).await?;
        Ok(Self { chat, key })
    }

    fn state(&self) -> ChatState {
        ChatState::of(&self.chat)
    }

    /// The escalation that the chat is in, or was in last.
    pub(crate) async fn escalation(&self, tx: &WorkspaceTx) -> Result<Option<table::Model>> {
        match self.chat.escalation_id {
            Some(id) => super::find(tx, id).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Takes a chat: from the assistant, or from those who wait. Taking one's own again does nothing.
///
/// # Errors
/// `Forbidden` without `CHATS_ANSWER`; `NotFound`; `Conflict` where somebody else has it; `PurposeRefused`; `SubjectErased`.
pub async fn take(scope: &Scope, store: &Store, chat: ChatId) -> Result<()> {
    let tx = store.write(scope).await?;
    let held = Held::for_staff(scope, &tx, chat).await?;
    let by = By::of(scope, &tx).await?;
    if held.state() == ChatState::WithPerson {
        let has = held.escalation(&tx).await?;
        let is_mine = has.is_some_and(|row| by.account.is_some() && row.assigned_account_id == by.account);
        return if is_mine { Ok(()) } else { Err(open::taken()) };
    }
    let tx = admitted(scope, store, tx, &held).await?;
    take_over(scope, &tx, &held, &by).await?;
    tx.commit().await
}

/// Gives a chat to a member who answers visitors, whoever has it.
///
/// # Errors
/// `Forbidden` without `CHATS_ANSWER`; `NotFound`; `Invalid` for an account that is no such member; `PurposeRefused`;
/// `SubjectErased`.
pub async fn assign(scope: &Scope, store: &Store, chat: ChatId, account: AccountId) -> Result<()> {
    let tx = store.write(scope).await?;
    let held = Held::for_staff(scope, &tx, chat).await?;
    let tx = admitted(scope, store, tx, &held).await?;
    if !accounts::may(&tx, account, Permission::ChatsAnswer).await? {
        return Err(Error::invalid("accountId", "This is no member who may answer visitors."));
    }
    let name = staff::names(&tx, &[account]).await?.remove(&account);
    let by = By { account: Some(account), plugin: None, name };
    if held.state() != ChatState::WithPerson {
        take_over(scope, &tx, &held, &by).await?;
    } else if let Some(row) = held.escalation(&tx).await? {
        update(&tx, &row, |q| q.col_expr(table::Column::AssignedAccountId, Expr::value(account))).await?;
        inbox::append(&tx, inbox::Kind::Assigned, Some(&row), None).await?;
    }
    let event = Event::new("chat.assigned").target("chat", held.chat.id.0).detail("account", account.to_string());
    audit::append(scope, &tx, event).await?;
    tx.commit().await
}

/// The transaction again, where people may have the chat.
async fn admitted(scope: &Scope, store: &Store, tx: WorkspaceTx, held: &Held) -> Result<WorkspaceTx> {
    match admission::refusal(&tx, Purpose::Escalation, Some(held.chat.subject_id)).await? {
        None => Ok(tx),
        Some(refusal) => {
            drop(tx);
            Err(admission::write_down(scope, store, refusal).await?)
        }
    }
}

/// Gives a chat back to the assistant.
///
/// # Errors
/// `Forbidden` without `CHATS_ANSWER`; `NotFound`; `Conflict` where no person has it or is waited for; `SubjectErased`.
pub async fn hand_back(scope: &Scope, store: &Store, chat: ChatId) -> Result<()> {
    end(scope, store, chat, EscalationState::HandedBack).await
}

/// Closes a chat. What the visitor writes next is for the assistant again.
///
/// # Errors
/// As [`hand_back`].
pub async fn resolve(scope: &Scope, store: &Store, chat: ChatId) -> Result<()> {
    end(scope, store, chat, EscalationState::Resolved).await
}

async fn end(scope: &Scope, store: &Store, chat: ChatId, to: EscalationState) -> Result<()> {
    let tx = store.write(scope).await?;
    let held = Held::for_staff(scope, &tx, chat).await?;
    let by = By::of(scope, &tx).await?;
    if !close(scope, &tx, &held, to, &by).await? {
        return Err(Error::new(ErrorKind::Conflict, "No person has this chat, and none is waited for."));
    }
    tx.commit().await
}

/// Makes the chat a person's. Where it was nobody's before, that is an escalation too.
pub(crate) async fn take_over(scope: &Scope, tx: &WorkspaceTx, held: &Held, by: &By) -> Result<table::Model> {
    let Held { chat, key } = held;
    state::silence(tx, key, chat).await?;
    let known = held.escalation(tx).await?;
    // A channel's thread is of one escalation, and goes on; a member's new turn is a new one.
    let goes_on = known.filter(|_| held.state() == ChatState::WaitingForPerson || by.plugin.is_some());
    let row = match goes_on {
        Some(row) => row,
        None => open::insert(tx, chat, EscalationReason::StaffTook, EscalationState::Taken, false, None).await?,
    };
    let now = tx.store().now();
    update(tx, &row, |q| {
        q.col_expr(table::Column::State, Expr::value(state_name(EscalationState::Taken)))
            .col_expr(table::Column::AssignedAccountId, Expr::value(by.account))
            .col_expr(table::Column::TakenByPlugin, Expr::value(by.plugin.clone()))
            .col_expr(table::Column::TakenAt, Expr::value(row.taken_at.unwrap_or(now)))
            .col_expr(table::Column::EndedAt, Expr::value(Option::<i64>::None))
    })
    .await?;
    state::set(tx, chat.id, ChatState::WithPerson, Some(row.id)).await?;
    events::append(tx, key, chat.id, chat.subject_id, &Happening::Taken(row.id)).await?;
    let row = super::find(tx, row.id).await?;
    outbox::tell_all(tx, key, &row, None, &changed(EscalationState::Taken, by)).await?;
    inbox::append(tx, inbox::Kind::Taken, Some(&row), None).await?;
    audit::append(scope, tx, audited("chat.taken", chat, by)).await?;
    Ok(row)
}

/// Ends the turn of people. `false` where they had none.
pub(crate) async fn close(scope: &Scope, tx: &WorkspaceTx, held: &Held, to: EscalationState, by: &By) -> Result<bool> {
    let Held { chat, key } = held;
    let Some(row) = held.escalation(tx).await?.filter(|_| held.state().is_peoples()) else { return Ok(false) };
    update(tx, &row, |q| {
        q.col_expr(table::Column::State, Expr::value(state_name(to)))
            .col_expr(table::Column::EndedAt, Expr::value(tx.store().now()))
    })
    .await?;
    let (chat_state, happening, kind, action) = match to {
        EscalationState::HandedBack => {
            (ChatState::Assistant, Happening::HandedBack(row.id), inbox::Kind::HandedBack, "chat.handed_back")
        }
        _ => (ChatState::Resolved, Happening::Resolved(row.id), inbox::Kind::Resolved, "chat.resolved"),
    };
    state::set(tx, chat.id, chat_state, Some(row.id)).await?;
    events::append(tx, key, chat.id, chat.subject_id, &happening).await?;
    outbox::tell_all(tx, key, &row, None, &changed(to, by)).await?;
    inbox::append(tx, kind, Some(&row), None).await?;
    audit::append(scope, tx, audited(action, chat, by)).await?;
    Ok(true)
}

/// The visitor wrote while people have the chat: channels and the inbox hear of it.
pub(crate) async fn said_by_visitor(
    tx: &WorkspaceTx,
    key: &Key,
    chat: &chat_table::Model,
    message: MessageId,
    text: &str,
) -> Result<()> {
    let Some(id) = chat.escalation_id else { return Ok(()) };
    let row = super::find(tx, id).await?;
    touch(tx, &row).await?;
    let line = said(tx, &row, outbox::SpeakerName::Visitor, None, text).await?;
    outbox::tell_all(tx, key, &row, None, &line).await?;
    inbox::append(tx, inbox::Kind::Message, Some(&row), Some(message.0)).await
}

/// Something that was said, as much of it as the workspace lets out.
pub(crate) async fn said(
    tx: &WorkspaceTx,
    row: &table::Model,
    speaker: outbox::SpeakerName,
    name: Option<String>,
    text: &str,
) -> Result<outbox::Telling> {
    let is_told = settings::of(tx, row.assistant_id).await?.content == Content::Conversation;
    let text = is_told.then(|| text.to_owned());
    Ok(outbox::Telling::Said(outbox::Said { speaker, name, text, at: tx.store().now().0 }))
}

/// Something happens in it: it is not silent.
pub(crate) async fn touch(tx: &WorkspaceTx, row: &table::Model) -> Result<()> {
    update(tx, row, |q| q).await
}

async fn update(
    tx: &WorkspaceTx,
    row: &table::Model,
    with: impl FnOnce(sea_orm::UpdateMany<table::Entity>) -> sea_orm::UpdateMany<table::Entity>,
) -> Result<()> {
    with(table::Entity::update_many())
        .col_expr(table::Column::ActiveAt, Expr::value(tx.store().now()))
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::Id.eq(row.id))
        .exec(tx.db())
        .await?;
    Ok(())
}

fn changed(state: EscalationState, by: &By) -> outbox::Telling {
    outbox::Telling::Changed { state: state_name(state).to_owned(), by: by.name.clone() }
}

fn audited(action: &'static str, chat: &chat_table::Model, by: &By) -> Event {
    let event = Event::new(action).target("chat", chat.id.0);
    match &by.plugin {
        Some(plugin) => event.detail("plugin", plugin.clone()),
        None => event,
    }
}
