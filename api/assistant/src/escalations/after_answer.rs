//! What an answer, or a rating of one, calls people for.

use consigne_foundation::{Result, Scope, id::ChatId, store::WorkspaceTx, vault::Key};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use super::{
    EscalationReason, open,
    settings::{self, EscalationSettings, Trigger},
};
use crate::{
    chats::{AnswerOutcome, ChatState, Rating, state},
    entity::answers,
};

/// How an answer ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Found {
    /// The knowledge has no answer.
    Nothing,
    /// It has one, whose best passage is so far above the threshold.
    Answer {
        /// A difference of cosines.
        confidence: f64,
    },
    /// It failed.
    Failure,
    /// Nothing was looked for: the visitor asks for a person.
    Request,
}

/// The outcome that an answer has. One that the visitor can read is not called escalated, though people may be called.
pub(crate) fn outcome(found: Found, rules: &EscalationSettings) -> AnswerOutcome {
    match found {
        Found::Answer { .. } => AnswerOutcome::Answered,
        Found::Request => AnswerOutcome::Escalated,
        _ if rules.calls_for(Trigger::NotInKnowledge) => AnswerOutcome::Escalated,
        _ => AnswerOutcome::NotInKnowledge,
    }
}

fn reason(found: Found, rules: &EscalationSettings) -> Option<EscalationReason> {
    let (trigger, reason) = match found {
        Found::Nothing => (Trigger::NotInKnowledge, EscalationReason::NotInKnowledge),
        Found::Request => (Trigger::VisitorAsked, EscalationReason::VisitorAsked),
        Found::Failure => (Trigger::AnswerFailed, EscalationReason::AnswerFailed),
        Found::Answer { confidence } if confidence < rules.confidence_margin => {
            (Trigger::LowConfidence, EscalationReason::LowConfidence)
        }
        Found::Answer { .. } => return None,
    };
    rules.calls_for(trigger).then_some(reason)
}

/// Hands the chat over where the rules say so, in the transaction that ends the answer.
pub(crate) async fn after_answer(scope: &Scope, tx: &WorkspaceTx, key: &Key, chat: ChatId, found: Found) -> Result<()> {
    let chat = state::hold(tx, chat).await?;
    let rules = settings::for_person(tx, chat.assistant_id, chat.subject_id).await?;
    match reason(found, &rules) {
        Some(reason) if !ChatState::of(&chat).is_peoples() => {
            open::open(scope, tx, key, &chat, &rules, reason).await.map(|_| ())
        }
        _ => Ok(()),
    }
}

/// Hands the chat over where its answers were rated bad too often. The chat is held.
pub(crate) async fn after_rating(scope: &Scope, tx: &WorkspaceTx, chat: ChatId) -> Result<()> {
    let chat = state::hold(tx, chat).await?;
    let rules = settings::for_person(tx, chat.assistant_id, chat.subject_id).await?;
    if !rules.calls_for(Trigger::BadRatings) || ChatState::of(&chat) != ChatState::Assistant {
        return Ok(());
    }
    let bad = answers::Entity::find()
        .filter(answers::Column::WorkspaceId.eq(tx.workspace()))
        .filter(answers::Column::ChatId.eq(chat.id))
        .filter(answers::Column::Rating.eq(Rating::Down.name()))
        .count(tx.db())
        .await?;
    if bad < rules.bad_ratings.unsigned_abs() {
        return Ok(());
    }
    let key = tx.store().vault().subject_key(tx.workspace(), chat.subject_id).await?;
    open::open(scope, tx, &key, &chat, &rules, EscalationReason::BadRatings).await.map(|_| ())
}
