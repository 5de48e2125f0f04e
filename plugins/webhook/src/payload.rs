//! What is sent. The schema of it is `docs/webhook.schema.json`; a test compares.

use consigne_sdk::{Delivery, EscalationReason, EscalationState, Line, Notice, Speaker};
use schemars::JsonSchema;
use serde::Serialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A request's body, as Standard Webhooks lays it out.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "A delivery of Consigne")]
pub struct Payload {
    /// What happened, with the data that belongs to it.
    #[serde(flatten)]
    event: Event,
    /// When it happened (RFC 3339). The time of the attempt is in the header `webhook-timestamp`.
    #[schemars(extend("format" = "date-time"))]
    timestamp: String,
}

/// What happened.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", content = "data")]
enum Event {
    /// A visitor needs a person.
    #[serde(rename = "escalation.opened")]
    Opened(Opened),
    /// Something was said in a chat of which an escalation was opened.
    #[serde(rename = "chat.message")]
    Said(Said),
    /// Something that was delivered before was wrong, and is put right: replace it wherever it is kept.
    #[serde(rename = "chat.message_rectified")]
    Rectified(Said),
    /// The state of an escalation changed.
    #[serde(rename = "escalation.changed")]
    Changed(Changed),
    /// Somebody checks whether the webhook works.
    #[serde(rename = "test")]
    Test(Test),
}

/// A visitor needs a person.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Opened {
    /// The escalation's id, as GraphQL shows it.
    escalation_id: String,
    /// The chat's id, as GraphQL shows it.
    chat_id: String,
    /// What an answer has to carry as `token`.
    reply_token: String,
    /// The assistant's name.
    assistant: String,
    /// Why.
    reason: Reason,
    /// Where staff read and answer, if the workspace named its console.
    link: Option<String>,
    /// ISO 639-1 code of the chat's language, where it was detected.
    language: Option<String>,
    /// What was said so far, oldest first; empty where the workspace sends a link only.
    conversation: Vec<Message>,
}

/// Something was said, or is put right: then `at` is when it was said, and `text` what it says now.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Said {
    /// The escalation's id, where it is known.
    escalation_id: Option<String>,
    /// What an answer has to carry as `token`.
    reply_token: String,
    /// What was said.
    message: Message,
}

/// The state changed.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Changed {
    /// The escalation's id, where it is known.
    escalation_id: Option<String>,
    /// What an answer has to carry as `token`.
    reply_token: String,
    /// The new state.
    state: State,
    /// Who changed it, as colleagues know them; nobody where the product did.
    by: Option<String>,
}

/// Nothing happened.
#[derive(Serialize, JsonSchema)]
struct Test {}

/// Something that was said.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Message {
    /// Who said it.
    speaker: Who,
    /// The name that colleagues know a member of staff by; nothing for others.
    name: Option<String>,
    /// What was said; nothing where the workspace sends a link only.
    text: Option<String>,
    /// When (RFC 3339).
    #[schemars(extend("format" = "date-time"))]
    at: String,
}

/// Who speaks.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Who {
    Visitor,
    Assistant,
    Staff,
}

/// Where an escalation stands.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum State {
    Waiting,
    Taken,
    HandedBack,
    Resolved,
}

/// Why a visitor needs a person.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Reason {
    NotInKnowledge,
    LowConfidence,
    VisitorAsked,
    BadRatings,
    Keyword,
    AnswerFailed,
    StaffTook,
}

impl Payload {
    /// What is told of a delivery.
    pub(crate) fn of(delivery: Delivery) -> Self {
        let (reply_token, escalation_id) = (delivery.reply_token, delivery.thread);
        let event = match delivery.notice {
            Notice::Opened(opened) => Event::Opened(Opened {
                escalation_id: opened.escalation,
                chat_id: opened.chat,
                reply_token,
                assistant: opened.assistant,
                reason: reason(opened.reason),
                link: opened.link,
                language: opened.language,
                conversation: opened.conversation.into_iter().map(message).collect(),
            }),
            Notice::Said(line) => Event::Said(Said { escalation_id, reply_token, message: message(line) }),
            Notice::Rectified(line) => Event::Rectified(Said { escalation_id, reply_token, message: message(line) }),
            Notice::Changed { state, by } => {
                Event::Changed(Changed { escalation_id, reply_token, state: self::state(state), by })
            }
            Notice::Test => Event::Test(Test {}),
        };
        Self { event, timestamp: rfc3339(delivery.at) }
    }
}

fn message(line: Line) -> Message {
    let speaker = match line.speaker {
        Speaker::Visitor => Who::Visitor,
        Speaker::Assistant => Who::Assistant,
        Speaker::Staff => Who::Staff,
    };
    Message { speaker, name: line.name, text: line.text, at: rfc3339(line.at) }
}

fn state(state: EscalationState) -> State {
    match state {
        EscalationState::Waiting => State::Waiting,
        EscalationState::Taken => State::Taken,
        EscalationState::HandedBack => State::HandedBack,
        EscalationState::Resolved => State::Resolved,
    }
}

fn reason(reason: EscalationReason) -> Reason {
    match reason {
        EscalationReason::NotInKnowledge => Reason::NotInKnowledge,
        EscalationReason::LowConfidence => Reason::LowConfidence,
        EscalationReason::VisitorAsked => Reason::VisitorAsked,
        EscalationReason::BadRatings => Reason::BadRatings,
        EscalationReason::Keyword => Reason::Keyword,
        EscalationReason::AnswerFailed => Reason::AnswerFailed,
        EscalationReason::StaffTook => Reason::StaffTook,
    }
}

fn rfc3339(milliseconds: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(milliseconds) * 1_000_000);
    time.ok().and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}
