//! With which embedding model the knowledge is searched, and changing it.

use async_graphql::{ComplexObject, Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use consigne_assistant::knowledge::embeddings::{self, change, model};
use consigne_foundation::{Permission, Scope, id::EmbeddingChangeId};

use super::{
    context::ContextExt,
    error::{UserError, refuse, split},
    scalars::DateTime,
    workspaces::Workspace,
};

/// Where a change of the embedding model stands.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "embeddings::ChangeState")]
pub enum EmbeddingChangeState {
    /// Passages are being embedded anew; searches go on with the earlier model.
    Running,
    /// Searches go by the new model.
    Switched,
    /// Somebody called it off; the earlier model stays.
    Cancelled,
    /// It could not go on; the earlier model stays.
    Failed,
}

/// The model that turns questions and passages into vectors.
#[derive(SimpleObject, Clone)]
pub struct EmbeddingModel {
    /// Its name.
    pub name: String,
    /// The plugin that embeds with it.
    pub plugin_id: String,
    /// Length of a vector.
    pub dimensions: i32,
}

/// A change of the embedding model: the knowledge is embedded anew beside what is searched, then searches switch.
#[derive(SimpleObject, Clone)]
pub struct EmbeddingChange {
    /// Its id.
    pub id: ID,
    /// Where it stands.
    pub state: EmbeddingChangeState,
    /// The earlier model.
    pub from_model: String,
    /// The new model.
    pub to_model: String,
    /// The plugin that embeds with the new model.
    pub plugin_id: String,
    /// Passages that can be found.
    pub passages_total: i32,
    /// Those of them that the new model has embedded.
    pub passages_done: i32,
    /// Why it could not go on, for a person.
    pub failure: Option<String>,
    /// Started at.
    pub started_at: DateTime,
    /// Searches go by the new model since.
    pub switched_at: Option<DateTime>,
    /// What is not searched with is gone since, from the database and from the index.
    pub cleared_at: Option<DateTime>,
}

/// Which model to change to.
#[derive(InputObject)]
pub struct ChangeEmbeddingModelInput {
    /// The plugin that embeds with it; it has to be enabled.
    pub plugin_id: String,
}

/// Which change to call off.
#[derive(InputObject)]
pub struct CancelEmbeddingChangeInput {
    /// The change.
    pub embedding_change_id: ID,
}

/// The change, or why there is none.
#[derive(SimpleObject)]
pub struct EmbeddingChangePayload {
    /// The change; null without an error where the workspace is searched with that model and always was.
    pub embedding_change: Option<EmbeddingChange>,
    /// Why there is none.
    pub user_errors: Vec<UserError>,
}

#[ComplexObject]
impl Workspace {
    /// The model that the knowledge is searched with; null unless the token is for this workspace.
    async fn embedding_model(&self, ctx: &Context<'_>) -> Result<Option<EmbeddingModel>> {
        let Some(scope) = self.own_scope(ctx)? else { return Ok(None) };
        let current = model::current(&scope, &ctx.services().knowledge).await.map_err(refuse)?;
        Ok(Some(current.into()))
    }

    /// The last change of the embedding model, with its progress; null where there was none, and unless the token is for
    /// this workspace.
    async fn embedding_change(&self, ctx: &Context<'_>) -> Result<Option<EmbeddingChange>> {
        let Some(scope) = self.own_scope(ctx)? else { return Ok(None) };
        let latest = change::latest(&scope, &ctx.services().knowledge).await.map_err(refuse)?;
        Ok(latest.map(EmbeddingChange::from))
    }
}

impl Workspace {
    fn own_scope(&self, ctx: &Context<'_>) -> Result<Option<Scope>> {
        let scope = ctx.scope(Permission::KnowledgeRead)?;
        Ok(Some(scope).filter(|scope| scope.workspace().to_string() == *self.id))
    }
}

/// Changing the embedding model.
#[derive(Default)]
pub struct EmbeddingMutation;

#[Object]
impl EmbeddingMutation {
    /// Embeds the knowledge anew with another plugin's model, in the background. Searches go on with the earlier model until
    /// every passage is embedded, then they switch at once. Called again, it answers with the same change, and goes on with
    /// one that failed.
    async fn change_embedding_model(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ChangeEmbeddingModelInput,
    ) -> Result<EmbeddingChangePayload> {
        let scope = ctx.scope(Permission::PluginsWrite)?;
        let started = change::start(&scope, &ctx.services().knowledge, &input.plugin_id).await;
        let (started, user_errors) = split(started)?;
        Ok(EmbeddingChangePayload { embedding_change: started.flatten().map(EmbeddingChange::from), user_errors })
    }

    /// Calls a change of the embedding model off, as long as searches did not switch. What was embedded for it goes.
    async fn cancel_embedding_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: CancelEmbeddingChangeInput,
    ) -> Result<EmbeddingChangePayload> {
        let scope = ctx.scope(Permission::PluginsWrite)?;
        let id = EmbeddingChangeId::parse_or_unknown(&input.embedding_change_id);
        let (cancelled, user_errors) = split(change::cancel(&scope, &ctx.services().knowledge, id).await)?;
        Ok(EmbeddingChangePayload { embedding_change: cancelled.map(EmbeddingChange::from), user_errors })
    }
}

impl From<embeddings::SearchModel> for EmbeddingModel {
    fn from(m: embeddings::SearchModel) -> Self {
        let dimensions = i32::try_from(m.dimensions).unwrap_or(i32::MAX);
        Self { name: m.name, plugin_id: m.plugin, dimensions }
    }
}

impl From<embeddings::EmbeddingChange> for EmbeddingChange {
    fn from(c: embeddings::EmbeddingChange) -> Self {
        let number = |n: i64| i32::try_from(n).unwrap_or(i32::MAX);
        Self {
            id: c.id.to_string().into(),
            state: c.state.into(),
            from_model: c.from,
            to_model: c.to,
            plugin_id: c.plugin,
            passages_total: number(c.total),
            passages_done: number(c.done),
            failure: c.failure,
            started_at: c.started_at.into(),
            switched_at: c.switched_at.map(DateTime::from),
            cleared_at: c.cleared_at.map(DateTime::from),
        }
    }
}
