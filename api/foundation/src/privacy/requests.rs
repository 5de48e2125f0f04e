//! Requests of people about their data (GDPR chapter III): received, identified, forwarded, served or refused, in time.
//!
//! The clock runs from the first receipt, whoever had it and however: neither the identity check nor forwarding stops it.
//! What a person wrote is sealed under a key of theirs; a visitor's request under the visitor's, another one under a key made
//! for it, which goes with it.
//!
//! Reading order: [`receive`] (how they come), [`identity_check`](mod@identity_check) (who asks), [`serve`] (what staff does), [`deadlines`] (alarms), [`events`] (who listens), [`mailboxes`] (mail),
//! [`open_dsr`] (other systems), [`place`] (where the public finds a workspace).
//!
//! Invariants, as absences:
//! - No right is served on a request that nobody verified: serving takes a [`Verified`] one.
//! - No answer to the public tells a known address from an unknown one.
//! - No code is stored: only a keyed hash of the newest, for fifteen minutes and five tries.
//! - No refusal goes out without its reason and where to complain.

pub mod deadlines;
pub mod events;
pub mod identity_check;
pub mod mailboxes;
pub mod open_dsr;
pub mod place;
pub mod receive;
pub mod serve;

use std::str::FromStr;

use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

pub use self::{deadlines::PrivacyDeadlines, identity_check::Verified, mailboxes::PrivacyMailboxes};
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{PrivacyRequestId, SubjectId},
    scope::{Actor, Permission, Scope},
    store::{
        Store, WorkspaceTx,
        entity::{privacy_alarms as alarms_table, privacy_requests as table},
    },
    vault::{Key, Place},
};

/// A list of values that are written as words in the database.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$value_doc:meta])* $value:ident $word:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$value_doc])* $value,)* }

        impl $name {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$value,)*];

            /// The word in the database.
            pub fn name(self) -> &'static str {
                match self { $(Self::$value => $word,)* }
            }
        }

        impl FromStr for $name {
            type Err = Error;

            fn from_str(word: &str) -> Result<Self> {
                let found = Self::ALL.iter().copied().find(|value| value.name() == word);
                found.ok_or_else(|| Error::new(ErrorKind::Corrupt, format!("There is no {word} among {}.", stringify!($name))))
            }
        }
    };
}

words! {
    /// Which right somebody uses.
    RequestKind {
        /// To know what is held (art. 15).
        Access "ACCESS",
        /// To have it corrected (art. 16).
        Rectification "RECTIFICATION",
        /// To have it erased (art. 17).
        Erasure "ERASURE",
        /// To have it stored only (art. 18).
        Restriction "RESTRICTION",
        /// To take it along (art. 20).
        Portability "PORTABILITY",
        /// To object (art. 21).
        Objection "OBJECTION",
        /// To withdraw a consent (art. 7(3)).
        Withdrawal "WITHDRAWAL",
        /// Something else, such as a question.
        Other "OTHER",
    }
}

words! {
    /// Where a request stands.
    RequestState {
        /// It came.
        Received "RECEIVED",
        /// A code was sent, and has not come back yet.
        IdentityPending "IDENTITY_PENDING",
        /// It is known who asks; nobody of the controller's has it yet.
        Verified "VERIFIED",
        /// The controller's data protection officer was told.
        Forwarded "FORWARDED",
        /// Somebody of the controller's works on it.
        InProgress "IN_PROGRESS",
        /// It was served.
        Fulfilled "FULFILLED",
        /// It was refused, with a reason and where to complain.
        Refused "REFUSED",
        /// Whoever asked took it back.
        Withdrawn "WITHDRAWN",
    }
}

words! {
    /// How a request came.
    RequestSource {
        /// By the public form or mutation.
        Form "FORM",
        /// From a visitor, with their token.
        Visitor "VISITOR",
        /// By mail, handed in by the mail server or by staff.
        Mail "MAIL",
        /// By letter, telephone or in person, recorded by staff.
        Staff "STAFF",
        /// From another system (OpenDSR).
        OpenDsr "OPEN_DSR",
    }
}

words! {
    /// By what it is known who asks.
    VerifiedBy {
        /// The visitor's own token.
        VisitorToken "VISITOR_TOKEN",
        /// A one-time code that was sent to the address.
        Code "CODE",
        /// Staff, with evidence.
        Staff "STAFF",
    }
}

words! {
    /// Why a request was refused.
    RefusalGround {
        /// It could not be found out who asks (art. 11, 12(2) and (6)).
        IdentityNotProven "IDENTITY_NOT_PROVEN",
        /// Manifestly unfounded (art. 12(5)).
        Unfounded "UNFOUNDED",
        /// Excessive, in particular repeated (art. 12(5)).
        Excessive "EXCESSIVE",
        /// The law asks for the data to be kept (art. 17(3)(b)).
        LegalObligation "LEGAL_OBLIGATION",
        /// Needed for legal claims (art. 17(3)(e), 21(1)).
        LegalClaims "LEGAL_CLAIMS",
        /// The rights of others would be hurt (art. 15(4), 20(4)).
        RightsOfOthers "RIGHTS_OF_OTHERS",
        /// Compelling legitimate grounds prevail (art. 21(1)).
        CompellingGrounds "COMPELLING_GROUNDS",
        /// The right does not exist here, for a reason that the words say.
        NotApplicable "NOT_APPLICABLE",
    }
}

impl RequestState {
    /// Whether nothing more happens to it.
    pub fn is_closed(self) -> bool {
        matches!(self, Self::Fulfilled | Self::Refused | Self::Withdrawn)
    }

    /// Whether a request may go from here to there. Everything else is refused.
    pub fn may_become(self, next: Self) -> bool {
        use RequestState::{Forwarded, Fulfilled, IdentityPending, InProgress, Received, Refused, Verified, Withdrawn};
        match (self, next) {
            (Fulfilled | Refused | Withdrawn, _) => false,
            (_, Refused | Withdrawn) => true,
            (Received, IdentityPending | Verified | Forwarded | InProgress) => true,
            (IdentityPending, Verified | Forwarded | InProgress) => true,
            (Verified, Forwarded | InProgress) => true,
            (Forwarded, InProgress | Fulfilled) => true,
            (InProgress, Fulfilled) => true,
            _ => false,
        }
    }
}

/// A request.
#[derive(Clone, PartialEq, Eq)]
pub struct PrivacyRequest {
    /// The request.
    pub id: PrivacyRequestId,
    /// Which right.
    pub kind: RequestKind,
    /// Where it stands.
    pub state: RequestState,
    /// How it came.
    pub source: RequestSource,
    /// ISO 639-1; answers go out in it where the product speaks it.
    pub language: String,
    /// The id that another system knows it by.
    pub external_id: Option<String>,
    /// The address to answer to, until it is blanked.
    pub contact: Option<String>,
    /// What the person wrote, until it is blanked.
    pub message: Option<String>,
    /// The person whose data it is about, where that is known.
    pub concerns: Option<SubjectId>,
    /// When it was first received, by whomever: all periods count from here.
    pub received_at: Timestamp,
    /// When it was recorded here.
    pub recorded_at: Timestamp,
    /// Until when the controller has to be told.
    pub forward_due_at: Timestamp,
    /// Until when the agreement wants it answered: five business days.
    pub agreement_due_at: Timestamp,
    /// Until when the person has to have an answer.
    pub due_at: Timestamp,
    /// When the controller was told.
    pub forwarded_at: Option<Timestamp>,
    /// When it was found out who asks.
    pub verified_at: Option<Timestamp>,
    /// By what.
    pub verified_by: Option<VerifiedBy>,
    /// When the period was extended.
    pub extended_at: Option<Timestamp>,
    /// When it was closed.
    pub closed_at: Option<Timestamp>,
    /// Why it was refused.
    pub refusal: Option<RefusalGround>,
    /// What the person was told at the end, until it is blanked.
    pub words: Option<String>,
    /// Alarms that were raised, by kind and time.
    pub alarms: Vec<(String, Timestamp)>,
}

/// The requests of the workspace, those that are due first at the top, behind this one; open ones alone where asked.
///
/// # Errors
/// `Forbidden` without `PRIVACY_READ`.
pub async fn list(
    scope: &Scope,
    store: &Store,
    only_open: bool,
    after: Option<PrivacyRequestId>,
    limit: u64,
) -> Result<Vec<PrivacyRequest>> {
    scope.require(Permission::PrivacyRead)?;
    let tx = store.read(scope).await?;
    let mut query = of_workspace(&tx).order_by_desc(table::Column::Id).limit(limit);
    if only_open {
        query = query.filter(table::Column::ClosedAt.is_null());
    }
    if let Some(after) = after {
        query = query.filter(table::Column::Id.lt(after));
    }
    let mut all = Vec::new();
    for row in query.all(tx.db()).await? {
        all.push(read(&tx, row).await?);
    }
    Ok(all)
}

/// How many there are.
///
/// # Errors
/// `Forbidden` without `PRIVACY_READ`.
pub async fn count(scope: &Scope, store: &Store, only_open: bool) -> Result<u64> {
    scope.require(Permission::PrivacyRead)?;
    let tx = store.read(scope).await?;
    let mut query = of_workspace(&tx);
    if only_open {
        query = query.filter(table::Column::ClosedAt.is_null());
    }
    Ok(query.count(tx.db()).await?)
}

/// A request: for staff, and for whoever made it.
///
/// # Errors
/// `NotFound`, also where it is not theirs to see.
pub async fn get(scope: &Scope, store: &Store, id: PrivacyRequestId) -> Result<PrivacyRequest> {
    let tx = store.read(scope).await?;
    let row = find(&tx, id).await?;
    if !is_own(scope, &row) && !scope.permissions().has(Permission::PrivacyRead) {
        return Err(unknown());
    }
    read(&tx, row).await
}

/// Whether whoever asks made this request.
fn is_own(scope: &Scope, row: &table::Model) -> bool {
    match scope.actor() {
        Actor::Person { request, .. } => request == row.id,
        Actor::Visitor { subject, .. } => row.subject_id == Some(subject),
        _ => false,
    }
}

fn of_workspace(tx: &WorkspaceTx) -> sea_orm::Select<table::Entity> {
    table::Entity::find().filter(table::Column::WorkspaceId.eq(tx.workspace()))
}

async fn find(tx: &WorkspaceTx, id: PrivacyRequestId) -> Result<table::Model> {
    table::Entity::find_by_id((tx.workspace(), id)).one(tx.db()).await?.ok_or_else(unknown)
}

/// The row, held until the transaction ends.
async fn hold(tx: &WorkspaceTx, id: PrivacyRequestId) -> Result<table::Model> {
    table::Entity::find_by_id((tx.workspace(), id)).lock_exclusive().one(tx.db()).await?.ok_or_else(unknown)
}

/// Writes a row whole.
async fn save(tx: &WorkspaceTx, row: table::Model) -> Result<()> {
    table::ActiveModel::from(row).reset_all().update(tx.db()).await?;
    Ok(())
}

/// Moves a request on, where it may go there.
fn advance(row: &mut table::Model, next: RequestState) -> Result<()> {
    let now: RequestState = row.state.parse()?;
    if !now.may_become(next) {
        let message = format!("A request that is {} does not become {}.", now.name(), next.name());
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    row.state = next.name().to_owned();
    Ok(())
}

async fn read(tx: &WorkspaceTx, row: table::Model) -> Result<PrivacyRequest> {
    let key = key_of(tx, &row).await?;
    let open = |column: &'static str, sealed: &Option<Vec<u8>>| match (&key, sealed) {
        (Some(key), Some(sealed)) => key.open_text(&place_of(&row, column), sealed).map(Some),
        _ => Ok(None),
    };
    let alarms = alarms_table::Entity::find()
        .filter(alarms_table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(alarms_table::Column::RequestId.eq(row.id))
        .order_by_asc(alarms_table::Column::RaisedAt)
        .order_by_asc(alarms_table::Column::Kind)
        .all(tx.db())
        .await?;
    Ok(PrivacyRequest {
        id: row.id,
        kind: row.kind.parse()?,
        state: row.state.parse()?,
        source: row.source.parse()?,
        contact: open("contact_sealed", &row.contact_sealed)?,
        message: open("message_sealed", &row.message_sealed)?,
        words: open("words_sealed", &row.words_sealed)?,
        language: row.language,
        external_id: row.external_id,
        concerns: row.concerns,
        received_at: row.received_at,
        recorded_at: row.recorded_at,
        forward_due_at: row.forward_due_at,
        agreement_due_at: row.agreement_due_at,
        due_at: row.due_at,
        forwarded_at: row.forwarded_at,
        verified_at: row.verified_at,
        verified_by: row.verified_by.as_deref().map(str::parse).transpose()?,
        extended_at: row.extended_at,
        closed_at: row.closed_at,
        refusal: row.refusal.as_deref().map(str::parse).transpose()?,
        alarms: alarms.into_iter().map(|alarm| (alarm.kind, alarm.raised_at)).collect(),
    })
}

/// The key of whoever made the request; none once they are erased or the request is blanked.
pub(super) async fn key_of(tx: &WorkspaceTx, row: &table::Model) -> Result<Option<Key>> {
    let Some(subject) = row.subject_id else { return Ok(None) };
    match tx.store().vault().subject_key(tx.workspace(), subject).await {
        Ok(key) => Ok(Some(key)),
        Err(error) if error.kind() == ErrorKind::SubjectErased => Ok(None),
        Err(error) => Err(error),
    }
}

pub(super) fn place_of(row: &table::Model, column: &'static str) -> Place {
    Place::new(row.workspace_id, "privacy_requests", column, row.id.0)
}

fn unknown() -> Error {
    Error::not_found("privacy request")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_happens_to_what_is_closed_and_nothing_is_fulfilled_from_the_start() {
        for state in RequestState::ALL {
            for next in RequestState::ALL {
                assert!(!(state.is_closed() && state.may_become(*next)), "{state:?} to {next:?}");
            }
            assert!(!state.may_become(*state), "{state:?} to itself");
            let is_worked_on = matches!(state, RequestState::Forwarded | RequestState::InProgress);
            assert_eq!(state.may_become(RequestState::Fulfilled), is_worked_on, "{state:?}");
            assert_eq!(state.name().parse::<RequestState>().unwrap(), *state);
        }
    }
}
