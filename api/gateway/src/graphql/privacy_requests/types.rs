//! What requests are made of.

use async_graphql::{Enum, ID, Json, SimpleObject};
use consigne_foundation::privacy::requests::{self, open_dsr};
use serde_json::Value;

use crate::graphql::{connection::connection, scalars::DateTime};

/// Which right somebody uses.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "requests::RequestKind")]
pub enum PrivacyRequestKind {
    /// To know what is held (GDPR art. 15).
    Access,
    /// To have it corrected (art. 16).
    Rectification,
    /// To have it erased (art. 17).
    Erasure,
    /// To have it stored only (art. 18).
    Restriction,
    /// To take it along (art. 20).
    Portability,
    /// To object (art. 21).
    Objection,
    /// To withdraw a consent (art. 7(3)).
    Withdrawal,
    /// Something else, such as a question.
    Other,
}

/// Where a request stands.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "requests::RequestState")]
pub enum PrivacyRequestState {
    /// It came.
    Received,
    /// A code was sent, and has not come back yet.
    IdentityPending,
    /// It is known who asks; nobody of the controller's has it yet.
    Verified,
    /// The controller's data protection officer was told.
    Forwarded,
    /// Somebody of the controller's works on it.
    InProgress,
    /// It was served.
    Fulfilled,
    /// It was refused, with a reason and where to complain.
    Refused,
    /// Whoever asked took it back.
    Withdrawn,
}

/// How a request came.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "requests::RequestSource")]
pub enum PrivacyRequestSource {
    /// By the public form or mutation.
    Form,
    /// From a visitor, with their token.
    Visitor,
    /// By mail, handed in by the mail server or by staff.
    Mail,
    /// By letter, telephone or in person, recorded by staff.
    Staff,
    /// From another system (OpenDSR).
    OpenDsr,
}

/// By what it is known who asks.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "requests::VerifiedBy")]
pub enum IdentityProof {
    /// The visitor's own token.
    VisitorToken,
    /// A one-time code that was sent to the address.
    Code,
    /// Staff, with evidence.
    Staff,
}

/// Why a request was refused.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "requests::RefusalGround")]
pub enum RefusalGround {
    /// It could not be found out who asks (GDPR art. 11, 12(2) and (6)).
    IdentityNotProven,
    /// Manifestly unfounded (art. 12(5)).
    Unfounded,
    /// Excessive, in particular repeated (art. 12(5)).
    Excessive,
    /// The law asks for the data to be kept (art. 17(3)(b)).
    LegalObligation,
    /// Needed for legal claims (art. 17(3)(e), 21(1)).
    LegalClaims,
    /// The rights of others would be hurt (art. 15(4), 20(4)).
    RightsOfOthers,
    /// Compelling legitimate grounds prevail (art. 21(1)).
    CompellingGrounds,
    /// The right does not exist here, for a reason that the words say.
    NotApplicable,
}

/// An alarm about a deadline.
#[derive(SimpleObject, Clone)]
pub struct PrivacyAlarm {
    /// `FORWARD_SOON`, `FORWARD_MISSED`, `AGREEMENT_SOON`, `AGREEMENT_MISSED`, `DUE_SOON` or `DUE_MISSED`.
    pub kind: String,
    /// When it was raised.
    pub raised_at: DateTime,
}

/// A request of a person about their data (GDPR chapter III).
#[derive(SimpleObject, Clone)]
pub struct PrivacyRequest {
    /// Its id.
    pub id: ID,
    /// Which right.
    pub kind: PrivacyRequestKind,
    /// Where it stands.
    pub state: PrivacyRequestState,
    /// How it came.
    pub source: PrivacyRequestSource,
    /// ISO 639-1.
    pub language: String,
    /// The id that another system knows it by.
    pub external_id: Option<String>,
    /// The address to answer to; null once it is blanked, 30 days after closing.
    pub contact: Option<String>,
    /// What the person wrote; null once it is blanked.
    pub message: Option<String>,
    /// The person whose data it is about, where that is known.
    pub subject_id: Option<ID>,
    /// When it was first received, by whomever: all periods count from here.
    pub received_at: DateTime,
    /// Until when the controller has to be told: 48 hours.
    pub forward_due_at: DateTime,
    /// Until when the agreement wants it answered: five business days.
    pub agreement_due_at: DateTime,
    /// Until when the person has to have an answer: one month, and 30 days at the most.
    pub due_at: DateTime,
    /// When the controller was told.
    pub forwarded_at: Option<DateTime>,
    /// When it was found out who asks; no right is served before.
    pub verified_at: Option<DateTime>,
    /// By what.
    pub verified_by: Option<IdentityProof>,
    /// When the period was extended.
    pub extended_at: Option<DateTime>,
    /// When it was closed.
    pub closed_at: Option<DateTime>,
    /// Why it was refused.
    pub refusal: Option<RefusalGround>,
    /// What the person was told; null once it is blanked.
    pub words: Option<String>,
    /// Alarms that were raised.
    pub alarms: Vec<PrivacyAlarm>,
    /// The request in the JSON of OpenDSR 3.0, for other systems.
    pub open_dsr: Json<Value>,
    /// How it stands in the JSON of OpenDSR 3.0, for other systems.
    pub open_dsr_status: Json<Value>,
}

connection! {
    /// Requests, newest first.
    PrivacyRequestConnection, PrivacyRequestEdge, PrivacyRequest, |request| request.id.to_string()
}

impl From<requests::PrivacyRequest> for PrivacyRequest {
    fn from(r: requests::PrivacyRequest) -> Self {
        let (open_dsr, open_dsr_status) = (Json(open_dsr::request(&r)), Json(open_dsr::status(&r)));
        Self {
            id: r.id.to_string().into(),
            kind: r.kind.into(),
            state: r.state.into(),
            source: r.source.into(),
            language: r.language,
            external_id: r.external_id,
            contact: r.contact,
            message: r.message,
            subject_id: r.concerns.map(|id| id.to_string().into()),
            received_at: r.received_at.into(),
            forward_due_at: r.forward_due_at.into(),
            agreement_due_at: r.agreement_due_at.into(),
            due_at: r.due_at.into(),
            forwarded_at: r.forwarded_at.map(DateTime::from),
            verified_at: r.verified_at.map(DateTime::from),
            verified_by: r.verified_by.map(IdentityProof::from),
            extended_at: r.extended_at.map(DateTime::from),
            closed_at: r.closed_at.map(DateTime::from),
            refusal: r.refusal.map(RefusalGround::from),
            words: r.words,
            alarms: r.alarms.into_iter().map(|(kind, at)| PrivacyAlarm { kind, raised_at: at.into() }).collect(),
            open_dsr,
            open_dsr_status,
        }
    }
}
