//! Who has a chat: the assistant, nobody yet, a person, or nobody any more.

use consigne_foundation::{
    Error, Result,
    id::{AnswerId, ChatId, EscalationId},
    store::WorkspaceTx,
    vault::Key,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr};

use super::{
    AnswerOutcome,
    events::{self, Happening},
};
use crate::entity::{answers, chats as table};

/// Who has a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChatState {
    /// The assistant answers.
    Assistant,
    /// People were called and nobody took it yet; the assistant is silent.
    WaitingForPerson,
    /// A person has it; the assistant is silent.
    WithPerson,
    /// Done; what the visitor writes next is for the assistant again.
    Resolved,
}

impl ChatState {
    const ALL: [Self; 4] = [Self::Assistant, Self::WaitingForPerson, Self::WithPerson, Self::Resolved];

    /// The name in the table and in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Assistant => "ASSISTANT",
            Self::WaitingForPerson => "WAITING_FOR_PERSON",
            Self::WithPerson => "WITH_PERSON",
            Self::Resolved => "RESOLVED",
        }
    }

    /// Whether the assistant is silent.
    pub(crate) fn is_peoples(self) -> bool {
        matches!(self, Self::WaitingForPerson | Self::WithPerson)
    }

    pub(crate) fn of(row: &table::Model) -> Self {
        Self::ALL.into_iter().find(|state| state.name() == row.state).unwrap_or(Self::Assistant)
    }
}

/// The chat, whoever acts, for changing it: on Postgres whoever else wants to waits.
pub(crate) async fn hold(tx: &WorkspaceTx, chat: ChatId) -> Result<table::Model> {
    let row = table::Entity::find_by_id((tx.workspace(), chat)).lock_exclusive().one(tx.db()).await?;
    row.ok_or_else(|| Error::not_found("chat"))
}

/// Says who has a chat that is held.
pub(crate) async fn set(
    tx: &WorkspaceTx,
    chat: ChatId,
    state: ChatState,
    escalation: Option<EscalationId>,
) -> Result<()> {
    table::Entity::update_many()
        .col_expr(table::Column::State, Expr::value(state.name()))
        .col_expr(table::Column::EscalationId, Expr::value(escalation))
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::Id.eq(chat))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Ends answers of a held chat that are under way: a person has the question now. Whoever writes one finds its row
/// finished before the next delta.
pub(crate) async fn silence(tx: &WorkspaceTx, key: &Key, chat: &table::Model) -> Result<()> {
    let mine = answers::Entity::find()
        .filter(answers::Column::WorkspaceId.eq(tx.workspace()))
        .filter(answers::Column::ChatId.eq(chat.id))
        .filter(answers::Column::Status.is_in(["PENDING", "STREAMING"]));
    let open: Vec<AnswerId> =
        mine.select_only().column(answers::Column::Id).lock_exclusive().into_tuple().all(tx.db()).await?;
    for id in open {
        answers::Entity::update_many()
            .col_expr(answers::Column::Status, Expr::value("COMPLETED"))
            .col_expr(answers::Column::Outcome, Expr::value(AnswerOutcome::Escalated.name()))
            .col_expr(answers::Column::CompletedAt, Expr::value(tx.store().now()))
            .filter(answers::Column::WorkspaceId.eq(tx.workspace()))
            .filter(answers::Column::Id.eq(id))
            .exec(tx.db())
            .await?;
        events::append(tx, key, chat.id, chat.subject_id, &Happening::AnswerCompleted(id)).await?;
    }
    Ok(())
}
