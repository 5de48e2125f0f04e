//! People in the loop: a chat that needs a person reaches one, and what they say comes back.
//!
//! Reading order: [`settings`] (when people are called, and how), [`rules`], [`asking`], [`hours`]; [`open`](mod@open) (a chat is
//! handed over), [`turns`] (who has it), [`replies`] and [`notes`]; [`outbox`] (what channels are told), [`deliver`] (the
//! telling), [`deliveries`] and [`channels`] (what people see and do about it); [`inbound`] and [`poll`] (what comes
//! back); [`inbox`], [`canned`], [`staff`]; [`sweep`].
//!
//! Invariants, as absences:
//! - No hand-over is a word inside an answer: it is an outcome, a state and an event.
//! - No text that is on its way to a channel is stored but under the visitor's key, nor kept once it was delivered.
//! - No visitor sees a note, a reason, or who of the staff has what.
//! - Nothing comes back into a chat but through a channel that verified it, and once.

pub mod after_answer;
pub mod asking;
pub mod canned;
pub mod channels;
pub mod deliver;
pub mod deliveries;
pub mod hours;
pub mod inbound;
pub mod inbox;
pub mod notes;
pub mod open;
pub mod outbox;
pub mod poll;
pub mod replies;
pub mod rules;
pub mod settings;
pub mod staff;
pub mod sweep;
pub mod turns;

use consigne_foundation::{
    Error, Permission, Result, Scope, Timestamp,
    id::{AccountId, AssistantId, ChatId, EscalationId, SubjectId},
    store::{Store, WorkspaceTx},
};
pub use consigne_sdk::{EscalationReason, EscalationState};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::entity::escalations as table;

/// A chat that needed a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Escalation {
    /// The escalation.
    pub id: EscalationId,
    /// The chat.
    pub chat: ChatId,
    /// The assistant that handed over.
    pub assistant: AssistantId,
    /// The visitor, as a person the workspace holds data about.
    pub subject: SubjectId,
    /// Why.
    pub reason: EscalationReason,
    /// Where it stands.
    pub state: EscalationState,
    /// Whether nobody was expected to be there when it was opened.
    pub is_off_hours: bool,
    /// The member who has it.
    pub assigned: Option<AccountId>,
    /// The channel through which it was taken, where no member did.
    pub taken_by_plugin: Option<String>,
    /// Opened at.
    pub created_at: Timestamp,
    /// First taken at.
    pub taken_at: Option<Timestamp>,
    /// Handed back or resolved at.
    pub ended_at: Option<Timestamp>,
    /// The last time anybody said or did anything.
    pub active_at: Timestamp,
}

/// An escalation.
///
/// # Errors
/// `Forbidden` without `CHATS_READ`; `NotFound`.
pub async fn get(scope: &Scope, store: &Store, id: EscalationId) -> Result<Escalation> {
    scope.require(Permission::ChatsRead)?;
    let tx = store.read(scope).await?;
    Ok(find(&tx, id).await?.into())
}

/// Escalations, newest first, behind `after`, at most `limit`; in these states where any are named.
///
/// # Errors
/// `Forbidden` without `CHATS_READ`.
pub async fn list(
    scope: &Scope,
    store: &Store,
    states: &[EscalationState],
    after: Option<EscalationId>,
    limit: u64,
) -> Result<Vec<Escalation>> {
    let mut query = seen(scope, states)?.order_by_desc(table::Column::Id).limit(limit);
    if let Some(after) = after {
        query = query.filter(table::Column::Id.lt(after));
    }
    let tx = store.read(scope).await?;
    Ok(query.all(tx.db()).await?.into_iter().map(Escalation::from).collect())
}

/// How many escalations [`list`] would go through.
///
/// # Errors
/// `Forbidden` without `CHATS_READ`.
pub async fn count(scope: &Scope, store: &Store, states: &[EscalationState]) -> Result<u64> {
    let tx = store.read(scope).await?;
    Ok(seen(scope, states)?.count(tx.db()).await?)
}

fn seen(scope: &Scope, states: &[EscalationState]) -> Result<sea_orm::Select<table::Entity>> {
    scope.require(Permission::ChatsRead)?;
    let query = table::Entity::find().filter(table::Column::WorkspaceId.eq(scope.workspace()));
    if states.is_empty() {
        return Ok(query);
    }
    Ok(query.filter(table::Column::State.is_in(states.iter().map(|state| state_name(*state)))))
}

pub(crate) async fn find(tx: &WorkspaceTx, id: EscalationId) -> Result<table::Model> {
    let row = table::Entity::find_by_id((tx.workspace(), id)).one(tx.db()).await?;
    row.ok_or_else(|| Error::not_found("escalation"))
}

/// The name in the table and in the schema.
pub fn state_name(state: EscalationState) -> &'static str {
    match state {
        EscalationState::Waiting => "WAITING",
        EscalationState::Taken => "TAKEN",
        EscalationState::HandedBack => "HANDED_BACK",
        EscalationState::Resolved => "RESOLVED",
    }
}

pub(crate) fn state_of(name: &str) -> EscalationState {
    use EscalationState::{HandedBack, Resolved, Taken, Waiting};
    [Taken, HandedBack, Resolved].into_iter().find(|state| state_name(*state) == name).unwrap_or(Waiting)
}

const REASONS: [EscalationReason; 7] = [
    EscalationReason::NotInKnowledge,
    EscalationReason::LowConfidence,
    EscalationReason::VisitorAsked,
    EscalationReason::BadRatings,
    EscalationReason::Keyword,
    EscalationReason::AnswerFailed,
    EscalationReason::StaffTook,
];

/// The name in the table and in the schema.
pub fn reason_name(reason: EscalationReason) -> &'static str {
    match reason {
        EscalationReason::NotInKnowledge => "NOT_IN_KNOWLEDGE",
        EscalationReason::LowConfidence => "LOW_CONFIDENCE",
        EscalationReason::VisitorAsked => "VISITOR_ASKED",
        EscalationReason::BadRatings => "BAD_RATINGS",
        EscalationReason::Keyword => "KEYWORD",
        EscalationReason::AnswerFailed => "ANSWER_FAILED",
        EscalationReason::StaffTook => "STAFF_TOOK",
    }
}

pub(crate) fn reason_of(name: &str) -> Option<EscalationReason> {
    REASONS.into_iter().find(|reason| reason_name(*reason) == name)
}

impl From<table::Model> for Escalation {
    fn from(row: table::Model) -> Self {
        Self {
            id: row.id,
            chat: row.chat_id,
            assistant: row.assistant_id,
            subject: row.subject_id,
            reason: reason_of(&row.reason).unwrap_or(EscalationReason::VisitorAsked),
            state: state_of(&row.state),
            is_off_hours: row.is_off_hours,
            assigned: row.assigned_account_id,
            taken_by_plugin: row.taken_by_plugin,
            created_at: row.created_at,
            taken_at: row.taken_at,
            ended_at: row.ended_at,
            active_at: row.active_at,
        }
    }
}
