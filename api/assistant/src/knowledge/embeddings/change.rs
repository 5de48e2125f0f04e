//! A change of the embedding model, as an admin starts, sees and cancels it.

use consigne_foundation::{
    Error, Permission, Result, Scope, Timestamp,
    audit::{self, Event},
    error::ErrorKind,
    id::EmbeddingChangeId,
    jobs,
    privacy::{Purpose, admission},
    store::WorkspaceTx,
    workspaces,
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};

use super::{
    super::Knowledge,
    clear,
    model::{self, SearchModel, fingerprint},
    run, vectors,
};
use crate::entity::embedding_changes as table;

/// Where a change stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeState {
    /// Passages are being embedded anew; searches go on with the earlier model.
    Running,
    /// Searches go by the new model.
    Switched,
    /// Somebody called it off; the earlier model stays.
    Cancelled,
    /// It could not go on; the earlier model stays.
    Failed,
}

/// A change of the embedding model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddingChange {
    /// Its id.
    pub id: EmbeddingChangeId,
    /// Where it stands.
    pub state: ChangeState,
    /// The earlier model.
    pub from: String,
    /// The new model.
    pub to: String,
    /// The plugin that embeds with the new model.
    pub plugin: String,
    /// Passages that can be found.
    pub total: i64,
    /// Those of them that the new model has embedded.
    pub done: i64,
    /// Why it could not go on, for a person.
    pub failure: Option<String>,
    /// Started at.
    pub started_at: Timestamp,
    /// Searches go by the new model since.
    pub switched_at: Option<Timestamp>,
    /// What is not searched with is gone since, from the database and from the index.
    pub cleared_at: Option<Timestamp>,
}

/// Starts to embed the knowledge with the model of this plugin, or goes on where it failed. Answers with the change; with
/// none where the workspace is searched with that model and never changed to it. Asked again, it answers the same.
///
/// # Errors
/// `Forbidden`; `PurposeRefused`; `Invalid` where the workspace uses no embedder of that name; `Conflict` while another change is not over;
/// `Misconfigured`, `Unavailable` where the model cannot be opened.
pub async fn start(scope: &Scope, knowledge: &Knowledge, plugin: &str) -> Result<Option<EmbeddingChange>> {
    scope.require(Permission::PluginsWrite)?;
    admission::admit(scope, &knowledge.store, Purpose::KnowledgeIndexing, None).await?;
    let is_chosen = plugin != knowledge.registry.default_embedder();
    let embedder = match knowledge.registry.embedder_named(scope, &knowledge.store, plugin).await {
        Ok(embedder) => embedder,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Disabled) => {
            let message = "This workspace uses no embedder of that name; enable its plugin first.";
            return Err(Error::invalid("pluginId", message));
        }
        Err(error) => return Err(error),
    };
    start_to(scope, knowledge, SearchModel::of(embedder.model(), plugin, is_chosen)).await
}

/// Starts a change to this model.
///
/// # Errors
/// `Conflict`, `Unavailable`.
pub(super) async fn start_to(scope: &Scope, knowledge: &Knowledge, to: SearchModel) -> Result<Option<EmbeddingChange>> {
    let first = model::current(scope, knowledge).await?;
    let tx = knowledge.store.write(scope).await?;
    model::record_first(&tx, &first).await?;
    let from = model::hold(&tx).await?.unwrap_or(first);
    if let Some(open) = open(&tx).await? {
        let is_same = fingerprint(&open.to_fingerprint) == to.fingerprint;
        match (ChangeState::parse(&open.state), is_same) {
            (ChangeState::Running | ChangeState::Switched, true) => {}
            (ChangeState::Failed, true) => set_running(scope, &tx, open.id).await?,
            (ChangeState::Running | ChangeState::Failed, false) => {
                let message = "Another change of the embedding model is not over. Cancel it first.";
                return Err(Error::new(ErrorKind::Conflict, message));
            }
            (ChangeState::Switched | ChangeState::Cancelled, _) => {
                let message = "What the last change left behind is being cleared away. Try again in a moment.";
                return Err(Error::new(ErrorKind::Conflict, message));
            }
        }
        tx.commit().await?;
        return latest(scope, knowledge).await;
    }
    if from.fingerprint == to.fingerprint {
        if (&from.plugin, from.is_chosen) != (&to.plugin, to.is_chosen) {
            model::record(&tx, &to).await?;
            let event = Event::new("embedding_model.kept").target("workspace", scope.workspace().0);
            audit::append(scope, &tx, event.detail("plugin", to.plugin.clone())).await?;
        }
        tx.commit().await?;
        return Ok(latest(scope, knowledge).await?.filter(|latest| latest.to == to.name));
    }
    let id = EmbeddingChangeId::new(tx.store().clock());
    let total = workspaces::current(&tx).await?.passages;
    let row = table::ActiveModel {
        workspace_id: Set(tx.workspace()),
        id: Set(id),
        state: Set(ChangeState::Running.name().to_owned()),
        from_fingerprint: Set(from.fingerprint.0.to_vec()),
        from_name: Set(from.name),
        from_dimensions: Set(i64::try_from(from.dimensions).unwrap_or(i64::MAX)),
        to_fingerprint: Set(to.fingerprint.0.to_vec()),
        to_name: Set(to.name.clone()),
        to_dimensions: Set(i64::try_from(to.dimensions).unwrap_or(i64::MAX)),
        to_plugin_id: Set(to.plugin.clone()),
        is_chosen: Set(to.is_chosen),
        passages_total: Set(total),
        passages_done: Set(0),
        failure_message: Set(None),
        started_at: Set(tx.store().now()),
        switched_at: Set(None),
        ended_at: Set(None),
        cleared_at: Set(None),
    };
    table::Entity::insert(row).exec_without_returning(tx.db()).await?;
    jobs::enqueue(&tx, run::job(id)).await?;
    let event = Event::new("embedding_change.started").target("embedding_change", id.0);
    audit::append(scope, &tx, event.detail("plugin", to.plugin).detail("model", to.name)).await?;
    tx.commit().await?;
    latest(scope, knowledge).await
}

/// Puts a change that failed back to work.
async fn set_running(scope: &Scope, tx: &WorkspaceTx, id: EmbeddingChangeId) -> Result<()> {
    table::Entity::update_many()
        .col_expr(table::Column::State, Expr::value(ChangeState::Running.name()))
        .col_expr(table::Column::FailureMessage, Expr::value(Option::<String>::None))
        .col_expr(table::Column::EndedAt, Expr::value(Option::<Timestamp>::None))
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    jobs::enqueue(tx, run::job(id)).await?;
    audit::append(scope, tx, Event::new("embedding_change.resumed").target("embedding_change", id.0)).await?;
    Ok(())
}

/// Calls a change off before it switched. What was embedded for it goes. Asked again, it answers the same.
///
/// # Errors
/// `Forbidden`, `NotFound`; `Conflict` where it switched, or where the earlier model is not available any more.
pub async fn cancel(scope: &Scope, knowledge: &Knowledge, id: EmbeddingChangeId) -> Result<EmbeddingChange> {
    scope.require(Permission::PluginsWrite)?;
    let is_whole = model::in_use(scope, knowledge).await?.is_whole();
    let tx = knowledge.store.write(scope).await?;
    let row = table::Entity::find_by_id((scope.workspace(), id)).lock_exclusive().one(tx.db()).await?;
    let row = row.ok_or_else(|| Error::not_found("change of the embedding model"))?;
    let conflict = |message: &str| Err(Error::new(ErrorKind::Conflict, message));
    match ChangeState::parse(&row.state) {
        ChangeState::Cancelled => {}
        ChangeState::Switched => return conflict("Searches go by the new model already. Change back to undo it."),
        ChangeState::Running | ChangeState::Failed if !is_whole => {
            return conflict("The earlier model is not available any more, so there is nothing to go back to.");
        }
        ChangeState::Running | ChangeState::Failed => {
            end(&tx, id, ChangeState::Cancelled, None).await?;
            jobs::cancel(&tx, run::JOB, [id.0]).await?;
            jobs::enqueue(&tx, clear::job(id)).await?;
            let event = Event::new("embedding_change.cancelled").target("embedding_change", id.0);
            audit::append(scope, &tx, event).await?;
        }
    }
    tx.commit().await?;
    latest(scope, knowledge).await?.ok_or_else(|| Error::not_found("change of the embedding model"))
}

/// Says on the row how a change ended.
pub(super) async fn end(
    tx: &WorkspaceTx,
    id: EmbeddingChangeId,
    state: ChangeState,
    failure: Option<&str>,
) -> Result<()> {
    table::Entity::update_many()
        .col_expr(table::Column::State, Expr::value(state.name()))
        .col_expr(table::Column::FailureMessage, Expr::value(failure.map(str::to_owned)))
        .col_expr(table::Column::EndedAt, Expr::value(tx.store().now()))
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// The workspace's last change, with its progress of this moment.
///
/// # Errors
/// `Forbidden`, `Unavailable`.
pub async fn latest(scope: &Scope, knowledge: &Knowledge) -> Result<Option<EmbeddingChange>> {
    scope.require(Permission::KnowledgeRead)?;
    let tx = knowledge.store.read(scope).await?;
    let row = match open(&tx).await? {
        Some(row) => Some(row),
        None => {
            let all = table::Entity::find().filter(table::Column::WorkspaceId.eq(scope.workspace()));
            all.order_by_desc(table::Column::ClearedAt).one(tx.db()).await?
        }
    };
    let Some(row) = row else { return Ok(None) };
    let mut change = EmbeddingChange::from(row.clone());
    if change.switched_at.is_none() && row.cleared_at.is_none() {
        change.total = workspaces::current(&tx).await?.passages;
        let lacking = vectors::findable_lacking(&tx, fingerprint(&row.to_fingerprint)).count(tx.db()).await?;
        change.done = change.total.saturating_sub_unsigned(lacking).max(0);
    }
    Ok(Some(change))
}

/// The change that is not over, of which there is one at the most: it runs, it failed, or something of it is to be cleared
/// away.
pub(crate) async fn open(tx: &WorkspaceTx) -> Result<Option<table::Model>> {
    let query = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::ClearedAt.is_null());
    Ok(query.one(tx.db()).await?)
}

/// A change, where it is in this state; nobody ends it before the transaction does.
pub(super) async fn hold(tx: &WorkspaceTx, id: EmbeddingChangeId, state: ChangeState) -> Result<Option<table::Model>> {
    let row = table::Entity::find_by_id((tx.workspace(), id)).lock_exclusive().one(tx.db()).await?;
    Ok(row.filter(|row| row.state == state.name()))
}

impl ChangeState {
    /// The name in the table and in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Switched => "SWITCHED",
            Self::Cancelled => "CANCELLED",
            Self::Failed => "FAILED",
        }
    }

    pub(super) fn parse(name: &str) -> Self {
        match name {
            "SWITCHED" => Self::Switched,
            "CANCELLED" => Self::Cancelled,
            "FAILED" => Self::Failed,
            _ => Self::Running,
        }
    }
}

impl From<table::Model> for EmbeddingChange {
    fn from(row: table::Model) -> Self {
        Self {
            id: row.id,
            state: ChangeState::parse(&row.state),
            from: row.from_name,
            to: row.to_name,
            plugin: row.to_plugin_id,
            total: row.passages_total,
            done: row.passages_done,
            failure: row.failure_message,
            started_at: row.started_at,
            switched_at: row.switched_at,
            cleared_at: row.cleared_at,
        }
    }
}
