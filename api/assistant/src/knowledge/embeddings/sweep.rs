//! A change that starts by itself: after an upgrade brought another model, or where the workspace's plugin has another now.

use std::time::Duration;

use async_trait::async_trait;
use consigne_foundation::{
    ErrorKind, Result, Scope,
    jobs::{self, Duty, DutyContext},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::{
    super::Knowledge,
    change::{self, ChangeState},
    clear,
    model::{self, SearchModel},
    run,
};
use crate::entity::embedding_changes;

/// A change that failed is tried again after this long.
const AGAIN: Duration = Duration::from_secs(3_600);

/// The duty. It also finds changes whose job was lost.
pub struct EmbeddingSweep(pub Knowledge);

#[async_trait]
impl Duty for EmbeddingSweep {
    fn name(&self) -> &'static str {
        "embedding-sweep"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        for scope in context.scopes().await? {
            if let Err(error) = self.look_at(&scope).await {
                // The others are looked at all the same.
                let workspace = scope.workspace();
                tracing::warn!(%workspace, %error, "the embedding model of a workspace could not be looked at");
            }
        }
        Ok(())
    }
}

impl EmbeddingSweep {
    async fn look_at(&self, scope: &Scope) -> Result<()> {
        let searched = model::current(scope, &self.0).await?;
        if let Some(open) = self.enqueue_open(scope).await? {
            let waited = open.ended_at.is_none_or(|at| at.plus(AGAIN) <= self.0.store.now());
            if open.state != ChangeState::Failed.name() || !waited {
                return Ok(());
            }
        }
        let wanted = self.wanted(scope, &searched).await?;
        if wanted.fingerprint == searched.fingerprint {
            return Ok(());
        }
        // Another party that the operator chose waits for its thirty days; until then the earlier model goes on.
        match self.0.registry.require_installation(scope, &self.0.store, &wanted.plugin).await {
            Err(error) if error.kind() == ErrorKind::PurposeRefused => return Ok(()),
            other => other?,
        }
        let is_whole = model::in_use(scope, &self.0).await?.is_whole();
        if is_whole && self.was_called_off(scope, &wanted).await? {
            return Ok(());
        }
        match change::start_to(scope, &self.0, wanted).await {
            Ok(_) => {
                let workspace = scope.workspace();
                tracing::warn!(%workspace, "the embedding model is another now: the knowledge is embedded anew");
                Ok(())
            }
            // Somebody else's change goes first.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The change that is not over, whose job is there again if it was lost.
    async fn enqueue_open(&self, scope: &Scope) -> Result<Option<embedding_changes::Model>> {
        let tx = self.0.store.write(scope).await?;
        let Some(open) = change::open(&tx).await? else { return Ok(None) };
        match ChangeState::parse(&open.state) {
            ChangeState::Running => jobs::enqueue(&tx, run::job(open.id)).await?,
            ChangeState::Switched | ChangeState::Cancelled => jobs::enqueue(&tx, clear::job(open.id)).await?,
            ChangeState::Failed => {}
        }
        tx.commit().await?;
        Ok(Some(open))
    }

    /// What the workspace's plugin embeds with now; the installation's where it chose none, or none that can be opened.
    async fn wanted(&self, scope: &Scope, searched: &SearchModel) -> Result<SearchModel> {
        if searched.is_chosen {
            match self.0.registry.embedder_named(scope, &self.0.store, &searched.plugin).await {
                Ok(embedder) => return Ok(SearchModel::of(embedder.model(), &searched.plugin, true)),
                // It may be back in a minute.
                Err(error) if error.is_retryable() => return Ok(searched.clone()),
                Err(_) => {}
            }
        }
        model::default_model(&self.0)
    }

    /// Whether the last change to this model was cancelled by somebody, who then does not want it by itself.
    async fn was_called_off(&self, scope: &Scope, wanted: &SearchModel) -> Result<bool> {
        let tx = self.0.store.read(scope).await?;
        let last = embedding_changes::Entity::find()
            .filter(embedding_changes::Column::WorkspaceId.eq(scope.workspace()))
            .filter(embedding_changes::Column::ToFingerprint.eq(wanted.fingerprint.0.to_vec()))
            .order_by_desc(embedding_changes::Column::ClearedAt)
            .one(tx.db())
            .await?;
        Ok(last.is_some_and(|last| last.state == ChangeState::Cancelled.name()))
    }
}
