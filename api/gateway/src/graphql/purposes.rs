//! Purposes, what the workspace instructs, and numbers that rest on consent.

use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject};
use consigne_assistant::analytics;
use consigne_foundation::{
    Permission,
    privacy::{instructions, purposes},
};

use super::{
    connection::{Page, connection},
    context::ContextExt,
    error::{UserError, refuse, split},
    scalars::DateTime,
};

/// Why data is processed. The list is closed.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "purposes::Purpose")]
pub enum Purpose {
    /// Answering a visitor's question.
    Answering,
    /// Handing a chat over to people.
    Escalation,
    /// Correcting a text before it is sent.
    Correction,
    /// Making the customer's knowledge searchable.
    KnowledgeIndexing,
    /// Counting what was asked and how it ended, of those who agreed.
    Analytics,
    /// Letting the right people in.
    AccessControl,
    /// Showing that the rules were kept (GDPR art. 5(2)).
    Accountability,
    /// Keeping what the customer configured.
    Configuration,
    /// Sealing what is stored (GDPR art. 32).
    Encryption,
    /// Keeping the installation running.
    Operation,
    /// Serving people's rights (GDPR chapter III).
    Rights,
}

/// What makes processing lawful (GDPR art. 6(1)).
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "purposes::LegalBasis")]
pub enum LegalBasis {
    /// The person agreed (a).
    Consent,
    /// A contract with the person needs it (b).
    Contract,
    /// The law asks for it (c).
    LegalObligation,
    /// The controller's legitimate interests (f).
    LegitimateInterests,
}

/// How a person objects to a purpose (GDPR art. 21).
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "purposes::Objection")]
pub enum ObjectionWay {
    /// By `objectToPurpose`; it holds at once.
    AtOnce,
    /// By a privacy request, which somebody has to weigh.
    ByRequest,
    /// There is nothing to object to: consent is withdrawn instead, and what the law asks for stays.
    None,
}

/// How long what is processed for a purpose is kept, by kind.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "purposes::RetentionClass")]
pub enum RetentionClass {
    /// For the call alone.
    Call,
    /// 12 months after a chat's last message.
    Conversation,
    /// As long as the document that it came from.
    Document,
    /// No longer than what it is counted from; numbers alone leave.
    Count,
    /// As long as the membership, and 3 years restricted after.
    Membership,
    /// 6 months for the audit log; 3 years for what proves that a right was served.
    Record,
    /// As long as the contract, and 90 days at most after.
    Contract,
}

/// What was said about a purpose.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "instructions::Word")]
pub enum InstructionKind {
    /// Do it.
    Instructed,
    /// Do it no more.
    Revoked,
}

/// What the workspace said about a purpose (GDPR art. 28(3)(a)).
#[derive(SimpleObject, Clone)]
pub struct Instruction {
    /// The number of its entry in the audit log.
    pub seq: i32,
    /// About which purpose.
    pub purpose: Purpose,
    /// What was said.
    pub kind: InstructionKind,
    /// Why, in the workspace's own words.
    pub reason: String,
    /// Who, by kind: `member` or `api_key`.
    pub recorded_by_kind: String,
    /// Who, by surrogate id.
    pub recorded_by: Option<String>,
    /// When.
    pub recorded_at: DateTime,
}

connection! {
    /// Instructions, newest first.
    InstructionConnection, InstructionEdge, Instruction, |instruction| instruction.seq.to_string()
}

/// A purpose, and how it stands in the workspace.
#[derive(SimpleObject, Clone)]
pub struct ProcessingPurpose {
    /// The purpose.
    pub purpose: Purpose,
    /// What it is.
    pub summary: String,
    /// What makes it lawful.
    pub legal_basis: LegalBasis,
    /// The place in the regulation.
    pub article: String,
    /// Whether nothing is done for it without the person's consent.
    pub rests_on_consent: bool,
    /// How a person objects to it.
    pub objection: ObjectionWay,
    /// How long what is processed for it is kept.
    pub retention: RetentionClass,
    /// The same, in words.
    pub retention_summary: String,
    /// Whether anything may be done for it now.
    pub is_instructed: bool,
    /// Whether the workspace can revoke it; the others end with the contract.
    pub can_be_revoked: bool,
    /// The newest instruction about it; null where what the agreement says holds.
    pub last_instruction: Option<Instruction>,
    /// The plugins in use that are handed data for it.
    pub recipient_ids: Vec<String>,
}

/// A purpose to be instructed or revoked.
#[derive(InputObject)]
pub struct InstructPurposeInput {
    /// The purpose.
    pub purpose: Purpose,
    /// Why, in 3 to 1,000 characters: it goes into the register of instructions.
    pub reason: String,
}

/// How the purpose stands, or why nothing was recorded.
#[derive(SimpleObject)]
pub struct PurposePayload {
    /// Whether anything may be done for it now.
    pub is_instructed: Option<bool>,
    /// The newest instruction about it.
    pub instruction: Option<Instruction>,
    /// Why nothing was recorded.
    pub user_errors: Vec<UserError>,
}

/// How questions of a period ended, of visitors who agreed to be counted.
#[derive(SimpleObject, Clone)]
pub struct OutcomeCount {
    /// How they ended: `ANSWERED`, `NOT_IN_KNOWLEDGE` or `ESCALATED`.
    pub outcome: String,
    /// How many; null where fewer than ten persons are behind it.
    pub answers: Option<i32>,
}

/// Reading purposes.
#[derive(Default)]
pub struct PurposeQuery;

#[Object]
impl PurposeQuery {
    /// Every purpose for which personal data may be processed, with its legal basis, and how it stands here.
    async fn purposes(&self, ctx: &Context<'_>) -> Result<Vec<ProcessingPurpose>> {
        let scope = ctx.scope(Permission::PrivacyRead)?;
        let standings = instructions::standings(&scope, ctx.store()).await.map_err(refuse)?;
        let recipients = ctx.services().registry.recipients(&scope, ctx.store()).await.map_err(refuse)?;
        let handed = |purpose: purposes::Purpose| {
            let serves = |declared: &consigne_sdk::Purpose| purposes::Purpose::from(*declared) == purpose;
            let all = recipients.iter().filter(|recipient| recipient.processing.purposes.iter().any(serves));
            all.map(|recipient| recipient.plugin.to_owned()).collect()
        };
        Ok(standings
            .into_iter()
            .map(|standing| {
                let recipient_ids = handed(standing.purpose);
                ProcessingPurpose::of(standing, recipient_ids)
            })
            .collect())
    }

    /// What the workspace instructed and revoked, newest first.
    async fn instructions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, at most 100; 20 where left out.")] first: Option<i32>,
        #[graphql(desc = "Behind this cursor.")] after: Option<String>,
    ) -> Result<InstructionConnection> {
        let (scope, page) = (ctx.scope(Permission::PrivacyRead)?, Page::of(first)?);
        let after = after.map(|cursor| cursor.parse().unwrap_or(0));
        let rows = instructions::list(&scope, ctx.store(), after, page.limit()).await.map_err(refuse)?;
        let total = instructions::count(&scope, ctx.store()).await.map_err(refuse)?;
        Ok(InstructionConnection::new(&page, rows.into_iter().map(Instruction::from).collect(), total))
    }

    /// How questions ended, of visitors who agreed to be counted. Refused unless the workspace instructed `ANALYTICS`.
    async fn outcome_counts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Questions from this moment on.")] from: DateTime,
        #[graphql(desc = "Questions before this moment.")] to: DateTime,
    ) -> Result<Vec<OutcomeCount>> {
        let scope = ctx.scope(Permission::WorkspaceRead)?;
        let groups = analytics::outcomes(&scope, ctx.store(), from.into(), to.into()).await.map_err(refuse)?;
        Ok(groups.into_iter().map(OutcomeCount::from).collect())
    }
}

/// Instructing and revoking purposes.
#[derive(Default)]
pub struct PurposeMutation;

#[Object]
impl PurposeMutation {
    /// Instructs a purpose: what it is for may be done from now on.
    async fn instruct_purpose(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: InstructPurposeInput,
    ) -> Result<PurposePayload> {
        PurposePayload::record(ctx, input, instructions::Word::Instructed).await
    }

    /// Revokes a purpose: what it is for is refused from the next call on, before anything is sent, and answers under way end.
    async fn revoke_purpose(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: InstructPurposeInput,
    ) -> Result<PurposePayload> {
        PurposePayload::record(ctx, input, instructions::Word::Revoked).await
    }
}

impl PurposePayload {
    async fn record(ctx: &Context<'_>, input: InstructPurposeInput, word: instructions::Word) -> Result<Self> {
        let scope = ctx.scope(Permission::PrivacyWrite)?;
        let recorded = instructions::record(&scope, ctx.store(), input.purpose.into(), word, &input.reason).await;
        let (standing, user_errors) = split(recorded)?;
        Ok(Self {
            is_instructed: standing.as_ref().map(|standing| standing.is_instructed),
            instruction: standing.and_then(|standing| standing.last).map(Instruction::from),
            user_errors,
        })
    }
}

impl ProcessingPurpose {
    fn of(standing: instructions::Standing, recipient_ids: Vec<String>) -> Self {
        let purpose = standing.purpose;
        Self {
            purpose: purpose.into(),
            summary: purpose.summary().to_owned(),
            legal_basis: purpose.legal_basis().into(),
            article: purpose.legal_basis().article().to_owned(),
            rests_on_consent: purpose.rests_on_consent(),
            objection: purpose.objection().into(),
            retention: purpose.retention().into(),
            retention_summary: purpose.retention().summary().to_owned(),
            is_instructed: standing.is_instructed,
            can_be_revoked: purpose.is_instructed(),
            last_instruction: standing.last.map(Instruction::from),
            recipient_ids,
        }
    }
}

impl From<instructions::Instruction> for Instruction {
    fn from(i: instructions::Instruction) -> Self {
        Self {
            seq: i32::try_from(i.seq).unwrap_or(i32::MAX),
            purpose: i.purpose.into(),
            kind: i.word.into(),
            reason: i.reason,
            recorded_by_kind: i.recorded_by_kind,
            recorded_by: i.recorded_by.map(|id| id.to_string()),
            recorded_at: i.recorded_at.into(),
        }
    }
}

impl From<analytics::Group> for OutcomeCount {
    fn from(g: analytics::Group) -> Self {
        Self { outcome: g.outcome, answers: g.answers.map(|n| i32::try_from(n).unwrap_or(i32::MAX)) }
    }
}
