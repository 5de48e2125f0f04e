//! Archives of a workspace: asked for by its owner, fetched through a link that works once.

use std::time::Duration;

use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, UpdateMany, sea_query::Expr,
};

use crate::{
    alerts::Rule,
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{WorkspaceExportId, WorkspaceId},
    identity::{
        Role, members,
        secret::{is_link_secret, link_secret},
    },
    jobs::{self, NewJob},
    privacy::{
        Privacy,
        exports::{Download, Link, read_token, token_of},
    },
    scope::{Permission, Scope},
    store::{Notice, Topic, WorkspaceTx, entity::workspace_exports as table},
};

/// How long an archive can be fetched.
pub const KEPT: Duration = Duration::from_secs(72 * 3_600);

pub(crate) const JOB: &str = "workspace_export";

/// Where an archive stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WorkspaceExportState {
    /// Waits for a worker.
    Pending,
    /// Being made.
    Running,
    /// Can be fetched.
    Ready,
    /// It was never whole; `failure` says why.
    Failed,
    /// Gone.
    Expired,
}

/// An archive of everything of a workspace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkspaceExport {
    /// The archive.
    pub id: WorkspaceExportId,
    /// Where it stands.
    pub state: WorkspaceExportState,
    /// How much of the work is done, of a hundred.
    pub percent: i64,
    /// Rows that are in it, once it is whole.
    pub rows: Option<i64>,
    /// Why it was never whole.
    pub failure: Option<String>,
    /// Asked for at.
    pub requested_at: Timestamp,
    /// Whole at.
    pub ready_at: Option<Timestamp>,
    /// Gone from.
    pub expires_at: Option<Timestamp>,
    /// Fetched at, the last time.
    pub fetched_at: Option<Timestamp>,
    /// Its size.
    pub bytes: Option<i64>,
}

/// Asks for an archive. The same key again answers with the same one.
///
/// # Errors
/// `Forbidden` for anyone but an owner; `ConfirmationRequired`; `Invalid` for the key; `Conflict` while another one is being made.
pub async fn request(scope: &Scope, privacy: &Privacy, idempotency_key: &str) -> Result<WorkspaceExport> {
    let store = privacy.store();
    if idempotency_key.is_empty() || idempotency_key.len() > 128 {
        return Err(Error::invalid("idempotencyKey", "Give a key of 1 to 128 characters."));
    }
    let tx = store.write(scope).await?;
    require_owner(scope, &tx).await?;
    scope.require_confirmed(store.now())?;
    let of_workspace = || table::Entity::find().filter(table::Column::WorkspaceId.eq(scope.workspace()));
    let asked_before = of_workspace().filter(table::Column::IdempotencyKey.eq(idempotency_key)).one(tx.db()).await?;
    if let Some(row) = asked_before {
        return Ok(row.into());
    }
    let under_way = [state::PENDING, state::RUNNING];
    if let Some(row) = of_workspace().filter(table::Column::State.is_in(under_way)).one(tx.db()).await? {
        return Err(Error::new(ErrorKind::Conflict, format!("{} is being made.", row.id)));
    }
    let row = insert(scope, &tx, idempotency_key, None).await?;
    tx.commit().await?;
    store.signals().count(Rule::Exports, Some(scope.workspace()));
    Ok(row.into())
}

/// Writes the row and its job, and what the audit log says of it.
pub(crate) async fn insert(
    scope: &Scope,
    tx: &WorkspaceTx,
    idempotency_key: &str,
    kept_until: Option<Timestamp>,
) -> Result<table::Model> {
    let store = tx.store();
    let row = table::Model {
        workspace_id: scope.workspace(),
        id: WorkspaceExportId::new(store.clock()),
        state: state::PENDING.to_owned(),
        idempotency_key: idempotency_key.to_owned(),
        requested_at: store.now(),
        requested_by: scope.actor().id(),
        began_at: None,
        work_total: 0,
        work_done: 0,
        archived_rows: None,
        failure: None,
        ready_at: None,
        kept_until,
        expires_at: None,
        fetched_at: None,
        bytes: None,
        blob_key: None,
        link_hash: None,
    };
    let made = table::ActiveModel {
        workspace_id: Set(row.workspace_id),
        id: Set(row.id),
        state: Set(row.state.clone()),
        idempotency_key: Set(row.idempotency_key.clone()),
        requested_at: Set(row.requested_at),
        requested_by: Set(row.requested_by),
        began_at: Set(None),
        work_total: Set(0),
        work_done: Set(0),
        archived_rows: Set(None),
        failure: Set(None),
        ready_at: Set(None),
        kept_until: Set(row.kept_until),
        expires_at: Set(None),
        fetched_at: Set(None),
        bytes: Set(None),
        blob_key: Set(None),
        link_hash: Set(None),
    };
    table::Entity::insert(made).exec_without_returning(tx.db()).await?;
    jobs::enqueue(tx, NewJob::new(JOB, row.id.0).priority(3)).await?;
    let event = Event::new("workspace.export_requested").target("workspace_export", row.id.0);
    audit::append(scope, tx, event).await?;
    Ok(row)
}

/// Refuses whoever may not see archives.
///
/// # Errors
/// `Forbidden` for anyone but an owner.
pub async fn allow(scope: &Scope, privacy: &Privacy) -> Result<()> {
    require_owner(scope, &privacy.store().read(scope).await?).await
}

/// An archive.
///
/// # Errors
/// `Forbidden` for anyone but an owner; `NotFound`.
pub async fn get(scope: &Scope, privacy: &Privacy, id: WorkspaceExportId) -> Result<WorkspaceExport> {
    let tx = privacy.store().read(scope).await?;
    require_owner(scope, &tx).await?;
    find(&tx, id).await.map(WorkspaceExport::from)
}

/// The archives of the workspace, newest first.
///
/// # Errors
/// `Forbidden` for anyone but an owner.
pub async fn list(scope: &Scope, privacy: &Privacy) -> Result<Vec<WorkspaceExport>> {
    let tx = privacy.store().read(scope).await?;
    require_owner(scope, &tx).await?;
    let rows = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .order_by_desc(table::Column::Id)
        .limit(100)
        .all(tx.db())
        .await?;
    Ok(rows.into_iter().map(WorkspaceExport::from).collect())
}

/// Makes a link that opens the archive once. An earlier one that was not used is void.
///
/// # Errors
/// `Forbidden` for anyone but an owner; `ConfirmationRequired`; `NotFound`; `Conflict` while it is being made, and once it is gone.
pub async fn link(scope: &Scope, privacy: &Privacy, id: WorkspaceExportId) -> Result<Link> {
    let store = privacy.store();
    let tx = store.write(scope).await?;
    require_owner(scope, &tx).await?;
    let row = find(&tx, id).await?;
    scope.require_confirmed(store.now())?;
    let expires_at = match (WorkspaceExportState::of(&row), row.expires_at) {
        (WorkspaceExportState::Ready, Some(at)) if at > store.now() => at,
        (WorkspaceExportState::Pending | WorkspaceExportState::Running, _) => {
            return Err(Error::new(ErrorKind::Conflict, "The archive is still being made."));
        }
        _ => return Err(Error::new(ErrorKind::Conflict, "The archive is gone. Ask for another.")),
    };
    let (secret, hash) = link_secret();
    set(&tx, id, |q| q.col_expr(table::Column::LinkHash, Expr::value(hash))).await?;
    let event = Event::new("workspace.export_link_made").target("workspace_export", id.0);
    audit::append(scope, &tx, event).await?;
    tx.commit().await?;
    Ok(Link { token: token_of(scope.workspace(), id.0, &secret), expires_at })
}

/// Opens an archive by its link, which is void from then on.
///
/// # Errors
/// `NotFound` for whatever is not a link that holds.
pub async fn redeem(privacy: &Privacy, token: &str) -> Result<Download> {
    let store = privacy.store();
    let unknown = || Error::not_found("file");
    let (workspace, id, secret) = read_token(token).ok_or_else(unknown)?;
    let (id, scope) = (WorkspaceExportId(id), Scope::duty(workspace, "download"));
    let opens = |row: &table::Model| {
        let is_right = is_link_secret(&secret, row.link_hash.as_ref());
        let is_there = WorkspaceExportState::of(row) == WorkspaceExportState::Ready;
        is_right && is_there && row.expires_at.is_some_and(|at| at > store.now())
    };
    let found = {
        let tx = store.read(&scope).await?;
        table::Entity::find_by_id((workspace, id)).one(tx.db()).await?.filter(opens)
    };
    // Nobody who guesses makes the database write.
    found.ok_or_else(unknown)?;
    let tx = store.write(&scope).await?;
    let row = table::Entity::find_by_id((workspace, id)).lock_exclusive().one(tx.db()).await?.filter(opens);
    let path = row.and_then(|row| row.blob_key).ok_or_else(unknown)?;
    set(&tx, id, |q| {
        q.col_expr(table::Column::LinkHash, Expr::value(Option::<Vec<u8>>::None))
            .col_expr(table::Column::FetchedAt, Expr::value(store.now()))
    })
    .await?;
    audit::append(&scope, &tx, Event::new("workspace.export_fetched").target("workspace_export", id.0)).await?;
    tx.commit().await?;
    let key = store.vault().workspace_key(workspace).await?;
    let body = privacy.blobs().get(&key, workspace, &path).await?;
    Ok(Download { file_name: format!("{id}.zip"), media_type: "application/zip", body: Box::new(body) })
}

/// The files of a workspace's archives, for whoever looks for files that nothing names.
///
/// # Errors
/// `Unavailable`.
pub async fn files(tx: &WorkspaceTx) -> Result<Vec<String>> {
    let paths: Vec<Option<String>> = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::BlobKey.is_not_null())
        .select_only()
        .column(table::Column::BlobKey)
        .into_tuple()
        .all(tx.db())
        .await?;
    Ok(paths.into_iter().flatten().collect())
}

/// Refuses anybody but a member who owns the workspace: no program takes everything away.
pub(crate) async fn require_owner(scope: &Scope, tx: &WorkspaceTx) -> Result<()> {
    scope.require(Permission::WorkspaceRead)?;
    let (account, _) = scope.member()?;
    let membership = members::find(tx, account).await?;
    if membership.is_some_and(|row| row.role == Role::Owner.name() && row.suspended_at.is_none()) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Forbidden, "Only an owner can do this."))
}

pub(crate) async fn find(tx: &WorkspaceTx, id: WorkspaceExportId) -> Result<table::Model> {
    let row = table::Entity::find_by_id((tx.workspace(), id)).one(tx.db()).await?;
    row.ok_or_else(|| Error::not_found("workspace export"))
}

/// Changes an archive's row; says whether there was one.
pub(crate) async fn set(
    tx: &WorkspaceTx,
    id: WorkspaceExportId,
    with: impl FnOnce(UpdateMany<table::Entity>) -> UpdateMany<table::Entity>,
) -> Result<bool> {
    let changed = with(table::Entity::update_many())
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    tx.notify(Notice { topic: Topic::Archive, id: id.0 });
    Ok(changed.rows_affected == 1)
}

pub(crate) mod state {
    pub const PENDING: &str = "PENDING";
    pub const RUNNING: &str = "RUNNING";
    pub const READY: &str = "READY";
    pub const FAILED: &str = "FAILED";
    pub const EXPIRED: &str = "EXPIRED";
}

impl WorkspaceExportState {
    fn of(row: &table::Model) -> Self {
        match row.state.as_str() {
            state::RUNNING => Self::Running,
            state::READY => Self::Ready,
            state::FAILED => Self::Failed,
            state::EXPIRED => Self::Expired,
            _ => Self::Pending,
        }
    }
}

impl From<table::Model> for WorkspaceExport {
    fn from(row: table::Model) -> Self {
        let state = WorkspaceExportState::of(&row);
        let percent = match state {
            WorkspaceExportState::Ready | WorkspaceExportState::Expired => 100,
            // The last step is to seal it.
            _ => (row.work_done * 100 / row.work_total.max(1)).min(99),
        };
        Self {
            id: row.id,
            state,
            percent,
            rows: row.archived_rows,
            failure: row.failure,
            requested_at: row.requested_at,
            ready_at: row.ready_at,
            expires_at: row.expires_at,
            fetched_at: row.fetched_at,
            bytes: row.bytes,
        }
    }
}

/// Where the archive of this id is, or would be.
pub(crate) fn path(workspace: WorkspaceId, id: WorkspaceExportId) -> String {
    crate::blobs::Blobs::path(workspace, id.0)
}
