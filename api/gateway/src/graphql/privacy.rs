//! Erasure of a person, and its certificate.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use consigne_foundation::{
    id::{ErasureId, SubjectId},
    privacy::{self, erasure},
};

use super::{
    context::ContextExt,
    error::{UserError, look_up, split},
    scalars::DateTime,
};

/// Where an erasure stands.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "privacy::ErasureState")]
pub enum ErasureState {
    /// Steps are left; they are being tried.
    Pending,
    /// Something is held; the rest is erased. It goes on when the hold is over.
    Incomplete,
    /// Everything was erased and counted; the certificate is signed.
    Completed,
}

/// Where a step stands.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "privacy::StepState", name = "ErasureStepState")]
pub enum StepState {
    /// Not done yet.
    Pending,
    /// Done and counted.
    Done,
}

/// One step of an erasure.
#[derive(SimpleObject, Clone)]
pub struct ErasureStep {
    /// What it does: a holder of data, or `ledger`, `second-reader`, `key`, `purge`, `certificate`.
    pub name: String,
    /// Where it stands.
    pub state: StepState,
    /// Items it erased.
    pub erased: i32,
    /// Items it counted afterwards; null before.
    pub remaining: Option<i32>,
    /// More, without personal data.
    pub detail: Option<String>,
}

/// The erasure of a person (GDPR art. 17).
#[derive(SimpleObject, Clone)]
pub struct Erasure {
    /// Its id.
    pub id: ID,
    /// The person, by surrogate id.
    pub subject_id: ID,
    /// Where it stands.
    pub state: ErasureState,
    /// Its steps, in order.
    pub steps: Vec<ErasureStep>,
    /// The signed certificate, a compact JWS (RFC 7515); the keys are at `/.well-known/jwks.json`. Its `extent` is `LIVE`, or
    /// `INCOMPLETE` while something is held. Null before.
    pub certificate: Option<String>,
    /// The signed certificate whose `extent` is `FINAL`: every backup that could hold the person is gone. Null before.
    pub final_certificate: Option<String>,
    /// Asked for at.
    pub requested_at: DateTime,
    /// Done at.
    pub completed_at: Option<DateTime>,
    /// Gone from the last backup at.
    pub finalised_at: Option<DateTime>,
}

/// Whom to erase.
#[derive(InputObject)]
pub struct EraseSubjectInput {
    /// The person: `subjectId` of a visitor session, of a chat, or of the viewer.
    pub subject_id: ID,
    /// Made by the client; the same key again answers with the same erasure.
    pub idempotency_key: String,
}

/// The erasure, or why it has not begun.
#[derive(SimpleObject)]
pub struct EraseSubjectPayload {
    /// The erasure.
    pub erasure: Option<Erasure>,
    /// Why it has not begun.
    pub user_errors: Vec<UserError>,
}

/// Reading erasures.
#[derive(Default)]
pub struct PrivacyQuery;

#[Object]
impl PrivacyQuery {
    /// An erasure with its steps and, once completed, its certificate; null where it is unknown.
    async fn erasure(&self, ctx: &Context<'_>, #[graphql(desc = "The erasure.")] id: ID) -> Result<Option<Erasure>> {
        let scope = ctx.somebody()?;
        let found = erasure::get(&scope, &ctx.services().privacy, ErasureId::parse_or_unknown(&id)).await;
        Ok(look_up(found)?.map(Erasure::from))
    }
}

/// Serving people's rights.
#[derive(Default)]
pub struct PrivacyMutation;

#[Object]
impl PrivacyMutation {
    /// Erases a person and everything held about them, for good. A visitor may erase themselves; their token ends with it,
    /// and the erasure is then seen by those who may read erasures.
    async fn erase_subject(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: EraseSubjectInput,
    ) -> Result<EraseSubjectPayload> {
        let scope = ctx.somebody()?;
        let subject = SubjectId::parse_or_unknown(&input.subject_id);
        let requested = erasure::request(&scope, &ctx.services().privacy, subject, &input.idempotency_key).await;
        let (erasure, user_errors) = split(requested)?;
        Ok(EraseSubjectPayload { erasure: erasure.map(Erasure::from), user_errors })
    }
}

impl From<privacy::Erasure> for Erasure {
    fn from(e: privacy::Erasure) -> Self {
        Self {
            id: e.id.to_string().into(),
            subject_id: e.subject.to_string().into(),
            state: e.state.into(),
            steps: e.steps.into_iter().map(ErasureStep::from).collect(),
            certificate: e.certificate,
            final_certificate: e.final_certificate,
            requested_at: e.requested_at.into(),
            completed_at: e.completed_at.map(DateTime::from),
            finalised_at: e.finalised_at.map(DateTime::from),
        }
    }
}

impl From<privacy::ErasureStep> for ErasureStep {
    fn from(s: privacy::ErasureStep) -> Self {
        let number = |n: i64| i32::try_from(n).unwrap_or(i32::MAX);
        Self {
            name: s.name,
            state: s.state.into(),
            erased: number(s.erased),
            remaining: s.remaining.map(number),
            detail: s.detail,
        }
    }
}
