//! The end of the contract: asking for it, taking it back, and what shows that it was done.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use consigne_foundation::{Permission, id::WorkspaceId, leaving::termination};

use super::{
    context::ContextExt,
    error::{UserError, refuse, split},
    scalars::DateTime,
};

/// What becomes of the data at the end of the contract (GDPR art. 28(3)(g)).
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "termination::Choice")]
pub enum TerminationChoice {
    /// It is given back as an archive, which is there for 30 days, and then everything is deleted.
    Return,
    /// It is deleted after 7 days.
    Delete,
}

/// Where the end of a workspace stands.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "termination::TerminationState")]
pub enum TerminationState {
    /// Closed for visitors and read-only; everything is there, and it can be taken back.
    Closing,
    /// Being deleted.
    Purging,
    /// A store refused, or something is held; the rest is deleted. It is tried again.
    Incomplete,
    /// Nothing live is left.
    Purged,
    /// Nothing is left in backups either.
    Final,
    /// It was taken back.
    Cancelled,
}

/// A store that has to say that it is empty.
#[derive(SimpleObject, Clone)]
pub struct TerminationStep {
    /// Which one.
    pub name: String,
    /// Whether it said so.
    pub is_done: bool,
    /// What was deleted there.
    pub erased: i32,
    /// What was counted there afterwards; null while it cannot be asked.
    pub remaining: Option<i32>,
    /// Why it is not done, or more about it; never personal data.
    pub detail: Option<String>,
}

/// What is kept because a law says so.
#[derive(SimpleObject, Clone)]
pub struct KeptByLaw {
    /// The class: a table of the register of personal data.
    pub class: String,
    /// How many rows.
    pub rows: i32,
    /// Why.
    pub basis: String,
    /// Until when.
    pub until: DateTime,
}

/// The end of a workspace.
#[derive(SimpleObject, Clone)]
pub struct Termination {
    /// Its id.
    pub id: ID,
    /// What becomes of the data.
    pub choice: TerminationChoice,
    /// Where it stands.
    pub state: TerminationState,
    /// Asked for at.
    pub requested_at: DateTime,
    /// From then on nothing live is left.
    pub purge_at: DateTime,
    /// Taken back at.
    pub cancelled_at: Option<DateTime>,
    /// The archive that is there until then; null where none was chosen.
    pub workspace_export_id: Option<ID>,
    /// The stores that have to say that they are empty, once it began.
    pub steps: Vec<TerminationStep>,
    /// What is kept because a law says so.
    pub kept: Vec<KeptByLaw>,
    /// The signed certificate of what is live, or of what is missing: a compact JWS (RFC 7515), verified by `consigne verify`.
    pub certificate: Option<String>,
    /// The signed certificate that nothing is left in backups either.
    pub final_certificate: Option<String>,
}

/// Ending a workspace.
#[derive(InputObject)]
pub struct TerminateWorkspaceInput {
    /// The workspace, so that none is ended by mistake.
    pub workspace_id: ID,
    /// What becomes of the data.
    pub choice: TerminationChoice,
}

/// The end, or why there is none.
#[derive(SimpleObject)]
pub struct TerminateWorkspacePayload {
    /// The end.
    pub termination: Option<Termination>,
    /// Where the certificates are shown to whoever has this link, when nobody can sign in any more. Told once: keep it.
    pub receipt_url: Option<String>,
    /// Why there is none.
    pub user_errors: Vec<UserError>,
}

/// Taking the end of a workspace back.
#[derive(InputObject)]
pub struct CancelTerminationInput {
    /// The workspace.
    pub workspace_id: ID,
}

/// The end that was taken back, or why not.
#[derive(SimpleObject)]
pub struct CancelTerminationPayload {
    /// The end.
    pub termination: Option<Termination>,
    /// Why it was not taken back.
    pub user_errors: Vec<UserError>,
}

/// Looking at the end of a workspace.
#[derive(Default)]
pub struct TerminationQuery;

#[Object]
impl TerminationQuery {
    /// The end of this workspace: under way, or the last that was taken back; null where it never was to end.
    async fn termination(&self, ctx: &Context<'_>) -> Result<Option<Termination>> {
        let scope = ctx.scope(Permission::PrivacyRead)?;
        let found = termination::current(&scope, &ctx.services().privacy).await.map_err(refuse)?;
        Ok(found.map(Termination::from))
    }
}

/// Ending a workspace, and taking it back.
#[derive(Default)]
pub struct TerminationMutation;

#[Object]
impl TerminationMutation {
    /// Ends the workspace. Only an owner can, who proved within five minutes who they are. It is closed for visitors and read-only
    /// at once; after the time of the choice everything is deleted, with a certificate, and backups follow within 60 days.
    async fn terminate_workspace(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: TerminateWorkspaceInput,
    ) -> Result<TerminateWorkspacePayload> {
        let scope = ctx.scope(Permission::WorkspaceRead)?;
        let services = ctx.services();
        let workspace = WorkspaceId::parse_or_unknown(&input.workspace_id);
        let asked = termination::request(&scope, &services.privacy, workspace, input.choice.into()).await;
        let (asked, user_errors) = split(asked)?;
        let (ended, receipt) = asked.map_or((None, None), |asked| (Some(asked.termination), asked.receipt));
        let receipt_url = receipt.map(|token| format!("{}/terminations/{}", services.public_url, token.expose()));
        Ok(TerminateWorkspacePayload { termination: ended.map(Termination::from), receipt_url, user_errors })
    }

    /// Takes the end of the workspace back, as long as nothing was deleted. Everything works again.
    async fn cancel_termination(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: CancelTerminationInput,
    ) -> Result<CancelTerminationPayload> {
        let scope = ctx.scope(Permission::WorkspaceRead)?;
        let workspace = WorkspaceId::parse_or_unknown(&input.workspace_id);
        let cancelled = termination::cancel(&scope, &ctx.services().privacy, workspace).await;
        let (cancelled, user_errors) = split(cancelled)?;
        Ok(CancelTerminationPayload { termination: cancelled.map(Termination::from), user_errors })
    }
}

impl From<termination::Termination> for Termination {
    fn from(t: termination::Termination) -> Self {
        let number = |n: u64| i32::try_from(n).unwrap_or(i32::MAX);
        let steps = t.steps.into_iter().map(|step| TerminationStep {
            name: step.name,
            is_done: step.is_done,
            erased: number(step.erased),
            remaining: step.remaining.map(number),
            detail: step.detail,
        });
        let kept = t.kept.into_iter().map(|kept| KeptByLaw {
            class: kept.class,
            rows: number(kept.rows),
            basis: kept.basis,
            until: kept.until.into(),
        });
        Self {
            id: t.id.to_string().into(),
            choice: t.choice.into(),
            state: t.state.into(),
            requested_at: t.requested_at.into(),
            purge_at: t.purge_at.into(),
            cancelled_at: t.cancelled_at.map(DateTime::from),
            workspace_export_id: t.export.map(|id| id.to_string().into()),
            steps: steps.collect(),
            kept: kept.collect(),
            certificate: t.certificate,
            final_certificate: t.final_certificate,
        }
    }
}
