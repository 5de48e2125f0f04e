//! The model that a workspace is searched with, and who embeds for it.

use std::sync::Arc;

use consigne_foundation::{
    Result, Scope,
    plugins::RouteFacts,
    store::{Store, WorkspaceTx},
};
use consigne_sdk::{Embedder, EmbeddingModel, Fingerprint, Partition};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, LockType, OnConflict},
};

use super::{
    super::Knowledge,
    change::{self, ChangeState},
    vectors,
};
use crate::entity::{embedding_changes, passages, search_models as table};

/// What a model is called that left nothing but its vectors behind.
const UNNAMED: &str = "an earlier model";

/// The model that a workspace is searched with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchModel {
    /// What its vectors are bound to.
    pub fingerprint: Fingerprint,
    /// The name people know it by.
    pub name: String,
    /// Length of a vector.
    pub dimensions: usize,
    /// The plugin that embeds with it.
    pub plugin: String,
    /// Whether the workspace chose it; else it follows the installation's.
    pub is_chosen: bool,
}

impl SearchModel {
    /// The model of an open embedder.
    pub(crate) fn of(model: &EmbeddingModel, plugin: &str, is_chosen: bool) -> Self {
        Self {
            fingerprint: model.fingerprint,
            name: model.name.clone(),
            dimensions: model.dimensions,
            plugin: plugin.to_owned(),
            is_chosen,
        }
    }

    /// Where its points are.
    pub(crate) fn indexed(&self, scope: &Scope) -> IndexedModel {
        IndexedModel { partition: Partition::new(scope.workspace().0, self.fingerprint), dimensions: self.dimensions }
    }
}

/// A model whose points are in the index, or on their way there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexedModel {
    /// Where.
    pub partition: Partition,
    /// Length of a vector.
    pub dimensions: usize,
}

/// The model that is searched with, and an embedder that can be had now.
#[derive(Clone)]
pub(crate) struct InUse {
    /// The model whose partition is searched.
    pub model: SearchModel,
    /// What embeds questions and passages. Of another model where that one is not available any more: then passages are found
    /// by words alone, and compared by this one.
    pub embedder: Arc<dyn Embedder>,
    /// Who is behind it.
    pub facts: RouteFacts,
}

impl InUse {
    /// Whether the model that is searched with embeds, too.
    pub fn is_whole(&self) -> bool {
        self.embedder.model().fingerprint == self.model.fingerprint
    }
}

/// What the workspace is searched with.
///
/// # Errors
/// `Unavailable`; `Corrupt` where a stored vector cannot be opened.
pub(crate) async fn in_use(scope: &Scope, knowledge: &Knowledge) -> Result<InUse> {
    knowledge.registry.require_index(scope, &knowledge.store).await?;
    let model = current(scope, knowledge).await?;
    if let Some((embedder, facts)) = embedder_of(scope, knowledge, &model.plugin, model.fingerprint).await {
        return Ok(InUse { model, embedder, facts });
    }
    let coming = {
        let tx = knowledge.store.read(scope).await?;
        change::open(&tx).await?.filter(|change| change.state == ChangeState::Running.name())
    };
    let substitute = match coming {
        Some(coming) => {
            let fingerprint = fingerprint(&coming.to_fingerprint);
            embedder_of(scope, knowledge, &coming.to_plugin_id, fingerprint).await
        }
        None => None,
    };
    let (embedder, facts) = match substitute {
        Some(route) => route,
        None => knowledge.registry.own_embedder_route(scope, &knowledge.store).await?,
    };
    Ok(InUse { model, embedder, facts })
}

/// The plugin's embedder, if it can be opened and is of this model.
async fn embedder_of(
    scope: &Scope,
    knowledge: &Knowledge,
    plugin: &str,
    model: Fingerprint,
) -> Option<(Arc<dyn Embedder>, RouteFacts)> {
    match knowledge.registry.embedder_route(scope, &knowledge.store, plugin).await {
        Ok(route) => Some(route).filter(|(embedder, _)| embedder.model().fingerprint == model),
        Err(error) => {
            tracing::warn!(plugin, kind = ?error.kind(), "an embedding model that is searched with cannot be opened");
            None
        }
    }
}

/// The model that the workspace is searched with; the installation's where it has no passage yet.
///
/// # Errors
/// As [`in_use`].
pub async fn current(scope: &Scope, knowledge: &Knowledge) -> Result<SearchModel> {
    let stray = {
        let tx = knowledge.store.read(scope).await?;
        if let Some(row) = find(&tx).await? {
            return Ok(row.into());
        }
        if passages_of(&tx).one(tx.db()).await?.is_none() {
            return default_model(knowledge);
        }
        // Passages from before models were on record: of an earlier one, if not of the installation's.
        let default = default_model(knowledge)?;
        passages_of(&tx)
            .filter(passages::Column::ModelFingerprint.ne(default.fingerprint.0.to_vec()))
            .one(tx.db())
            .await?
    };
    let mut model = default_model(knowledge)?;
    if let Some(stray) = stray {
        let key = knowledge.store.vault().workspace_key(scope.workspace()).await?;
        model.fingerprint = fingerprint(&stray.model_fingerprint);
        model.dimensions = vectors::own(&key, &stray)?.len();
        UNNAMED.clone_into(&mut model.name);
    }
    let tx = knowledge.store.write(scope).await?;
    record_first(&tx, &model).await?;
    let row = find(&tx).await?;
    tx.commit().await?;
    Ok(row.map_or(model, SearchModel::from))
}

/// The installation's model.
pub(crate) fn default_model(knowledge: &Knowledge) -> Result<SearchModel> {
    let embedder = knowledge.registry.embedder()?;
    Ok(SearchModel::of(embedder.model(), knowledge.registry.default_embedder(), false))
}

/// Puts the workspace's first model on record; one that is there stays.
pub(crate) async fn record_first(tx: &WorkspaceTx, model: &SearchModel) -> Result<()> {
    let stays = OnConflict::column(table::Column::WorkspaceId).do_nothing().to_owned();
    let row = table::ActiveModel {
        workspace_id: Set(tx.workspace()),
        model_fingerprint: Set(model.fingerprint.0.to_vec()),
        model_name: Set(model.name.clone()),
        dimensions: Set(i64::try_from(model.dimensions).unwrap_or(i64::MAX)),
        plugin_id: Set(model.plugin.clone()),
        is_chosen: Set(model.is_chosen),
        since: Set(tx.store().now()),
    };
    table::Entity::insert(row).on_conflict(stays).exec_without_returning(tx.db()).await?;
    Ok(())
}

/// Says with which model the workspace is searched from now on.
pub(crate) async fn record(tx: &WorkspaceTx, model: &SearchModel) -> Result<()> {
    table::Entity::update_many()
        .col_expr(table::Column::ModelFingerprint, Expr::value(model.fingerprint.0.to_vec()))
        .col_expr(table::Column::ModelName, Expr::value(model.name.clone()))
        .col_expr(table::Column::Dimensions, Expr::value(i64::try_from(model.dimensions).unwrap_or(i64::MAX)))
        .col_expr(table::Column::PluginId, Expr::value(model.plugin.clone()))
        .col_expr(table::Column::IsChosen, Expr::value(model.is_chosen))
        .col_expr(table::Column::Since, Expr::value(tx.store().now()))
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// The model on record, which no switch changes before the transaction ends.
pub(crate) async fn hold(tx: &WorkspaceTx) -> Result<Option<SearchModel>> {
    let query = table::Entity::find_by_id(tx.workspace()).lock(LockType::Share);
    Ok(query.one(tx.db()).await?.map(SearchModel::from))
}

/// The models whose points may be in the index: the one searched with first, then those of a change that is not over.
///
/// # Errors
/// As [`in_use`].
pub(crate) async fn indexed(scope: &Scope, knowledge: &Knowledge) -> Result<Vec<IndexedModel>> {
    let current = current(scope, knowledge).await?;
    let mut all = vec![current.indexed(scope)];
    if let Some(change) = open_change(scope, &knowledge.store).await? {
        let sides =
            [(&change.from_fingerprint, change.from_dimensions), (&change.to_fingerprint, change.to_dimensions)];
        for (bytes, dimensions) in sides {
            let partition = Partition::new(scope.workspace().0, fingerprint(bytes));
            if all.iter().all(|known| known.partition != partition) {
                all.push(IndexedModel { partition, dimensions: usize::try_from(dimensions).unwrap_or(0) });
            }
        }
    }
    Ok(all)
}

async fn open_change(scope: &Scope, store: &Store) -> Result<Option<embedding_changes::Model>> {
    let tx = store.read(scope).await?;
    change::open(&tx).await
}

async fn find(tx: &WorkspaceTx) -> Result<Option<table::Model>> {
    Ok(table::Entity::find_by_id(tx.workspace()).one(tx.db()).await?)
}

fn passages_of(tx: &WorkspaceTx) -> sea_orm::Select<passages::Entity> {
    passages::Entity::find().filter(passages::Column::WorkspaceId.eq(tx.workspace())).limit(1)
}

/// A fingerprint as it is stored.
pub(crate) fn fingerprint(bytes: &[u8]) -> Fingerprint {
    let mut fingerprint = [0; 32];
    let length = bytes.len().min(32);
    fingerprint[..length].copy_from_slice(&bytes[..length]);
    Fingerprint(fingerprint)
}

impl From<table::Model> for SearchModel {
    fn from(row: table::Model) -> Self {
        Self {
            fingerprint: fingerprint(&row.model_fingerprint),
            name: row.model_name,
            dimensions: usize::try_from(row.dimensions).unwrap_or(0),
            plugin: row.plugin_id,
            is_chosen: row.is_chosen,
        }
    }
}
