//! Leaving with everything: archives of a whole workspace.

use std::time::Duration;

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject, Subscription};
use consigne_foundation::{
    ErrorKind, Permission,
    id::WorkspaceExportId,
    leaving::exports,
    store::{Notice, Topic},
};
use futures::Stream;

use super::{
    context::ContextExt,
    error::{UserError, look_up, refuse, split},
    scalars::DateTime,
};

/// A look at the row where no notice came.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Where an archive stands.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "exports::WorkspaceExportState")]
pub enum WorkspaceExportState {
    /// Waits for a worker.
    Pending,
    /// Being made.
    Running,
    /// Can be fetched.
    Ready,
    /// It was never whole; `failure` says why.
    Failed,
    /// Gone: its time is over, or somebody who may have been in it was erased.
    Expired,
}

/// An archive of everything of the workspace: a ZIP with each table as NDJSON and CSV, the files of documents, and a manifest
/// with counts and hashes. It is sealed under the workspace's key.
#[derive(SimpleObject, Clone)]
pub struct WorkspaceExport {
    /// Its id.
    pub id: ID,
    /// Where it stands.
    pub state: WorkspaceExportState,
    /// How much of the work is done, of a hundred.
    pub percent: i32,
    /// Rows that are in it, once it is whole.
    pub rows: Option<i32>,
    /// Why it was never whole.
    pub failure: Option<String>,
    /// Asked for at.
    pub requested_at: DateTime,
    /// Whole at.
    pub ready_at: Option<DateTime>,
    /// Gone from.
    pub expires_at: Option<DateTime>,
    /// Fetched at, the last time.
    pub fetched_at: Option<DateTime>,
    /// Its size in bytes.
    pub bytes: Option<f64>,
}

/// Asking for an archive.
#[derive(InputObject)]
pub struct ExportWorkspaceInput {
    /// Made by the client; the same key again answers with the same archive.
    pub idempotency_key: String,
}

/// The archive, or why none is made.
#[derive(SimpleObject)]
pub struct WorkspaceExportPayload {
    /// The archive.
    pub workspace_export: Option<WorkspaceExport>,
    /// Why none is made.
    pub user_errors: Vec<UserError>,
}

/// Which archive.
#[derive(InputObject)]
pub struct CreateWorkspaceExportLinkInput {
    /// The archive.
    pub workspace_export_id: ID,
}

/// A link, or why there is none.
#[derive(SimpleObject)]
pub struct CreateWorkspaceExportLinkPayload {
    /// Where the archive is fetched, once, by a `GET` without a token. Whoever has the link has everything.
    pub url: Option<String>,
    /// Until when.
    pub expires_at: Option<DateTime>,
    /// Why there is none.
    pub user_errors: Vec<UserError>,
}

/// Looking at archives.
#[derive(Default)]
pub struct LeavingQuery;

#[Object]
impl LeavingQuery {
    /// An archive of this workspace, for its owners; null where it is unknown.
    async fn workspace_export(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The archive.")] id: ID,
    ) -> Result<Option<WorkspaceExport>> {
        let scope = ctx.scope(Permission::WorkspaceRead)?;
        let found = exports::get(&scope, &ctx.services().privacy, WorkspaceExportId::parse_or_unknown(&id)).await;
        Ok(look_up(found)?.map(WorkspaceExport::from))
    }

    /// The archives of this workspace, newest first, at most 100; for its owners.
    async fn workspace_exports(&self, ctx: &Context<'_>) -> Result<Vec<WorkspaceExport>> {
        let scope = ctx.scope(Permission::WorkspaceRead)?;
        let all = exports::list(&scope, &ctx.services().privacy).await.map_err(refuse)?;
        Ok(all.into_iter().map(WorkspaceExport::from).collect())
    }
}

/// Taking everything along.
#[derive(Default)]
pub struct LeavingMutation;

#[Object]
impl LeavingMutation {
    /// Has an archive made of everything of the workspace. Only an owner can, who proved within five minutes who they are. It is
    /// kept for 72 hours, or until somebody who is in it is erased.
    async fn export_workspace(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ExportWorkspaceInput,
    ) -> Result<WorkspaceExportPayload> {
        let scope = ctx.scope(Permission::WorkspaceRead)?;
        let made = exports::request(&scope, &ctx.services().privacy, &input.idempotency_key).await;
        let (made, user_errors) = split(made)?;
        Ok(WorkspaceExportPayload { workspace_export: made.map(WorkspaceExport::from), user_errors })
    }

    /// Makes a link that opens an archive once; an earlier one that was not used is void.
    async fn create_workspace_export_link(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: CreateWorkspaceExportLinkInput,
    ) -> Result<CreateWorkspaceExportLinkPayload> {
        let scope = ctx.scope(Permission::WorkspaceRead)?;
        let services = ctx.services();
        let id = WorkspaceExportId::parse_or_unknown(&input.workspace_export_id);
        let (link, user_errors) = split(exports::link(&scope, &services.privacy, id).await)?;
        let expires_at = link.as_ref().map(|link| link.expires_at.into());
        let url = link.map(|link| format!("{}/workspace-exports/{}", services.public_url, link.token.expose()));
        Ok(CreateWorkspaceExportLinkPayload { url, expires_at, user_errors })
    }
}

/// Watching an archive being made.
#[derive(Default)]
pub struct LeavingSubscription;

#[Subscription]
impl LeavingSubscription {
    /// Listens to an archive until it is whole or given up. Begins with where it stands.
    async fn workspace_export_progress(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The archive.")] workspace_export_id: ID,
    ) -> Result<impl Stream<Item = Result<WorkspaceExport>> + use<>> {
        let scope = ctx.scope(Permission::WorkspaceRead)?;
        let id = WorkspaceExportId::parse_or_unknown(&workspace_export_id);
        let privacy = ctx.services().privacy.clone();
        exports::allow(&scope, &privacy).await.map_err(refuse)?;
        Ok(async_stream::stream! {
            let mut notices = privacy.store().notices().listen([Notice { topic: Topic::Archive, id: id.0 }]);
            let mut seen = None;
            loop {
                let export = match exports::get(&scope, &privacy, id).await {
                    Ok(export) => export,
                    // It went with the workspace while somebody listened.
                    Err(error) if error.kind() == ErrorKind::NotFound && seen.is_some() => return,
                    Err(error) => {
                        yield Err(refuse(error));
                        return;
                    }
                };
                let goes_on = matches!(
                    export.state,
                    exports::WorkspaceExportState::Pending | exports::WorkspaceExportState::Running
                );
                if seen.as_ref() != Some(&export) {
                    seen = Some(export.clone());
                    yield Ok(WorkspaceExport::from(export));
                }
                if !goes_on {
                    return;
                }
                notices.wait(LOOK_EVERY).await;
            }
        })
    }
}

impl From<exports::WorkspaceExport> for WorkspaceExport {
    fn from(e: exports::WorkspaceExport) -> Self {
        Self {
            id: e.id.to_string().into(),
            state: e.state.into(),
            percent: i32::try_from(e.percent).unwrap_or(100),
            rows: e.rows.map(|rows| i32::try_from(rows).unwrap_or(i32::MAX)),
            failure: e.failure,
            requested_at: e.requested_at.into(),
            ready_at: e.ready_at.map(DateTime::from),
            expires_at: e.expires_at.map(DateTime::from),
            fetched_at: e.fetched_at.map(DateTime::from),
            bytes: e.bytes.map(|bytes| bytes as f64),
        }
    }
}
