//! When an erasure is final: the last backup that could hold the person is gone. Both certificates are kept.

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr};

use super::{Privacy, certificate, erasure};
use crate::{
    audit::{self, Event},
    backups::record,
    error::{Error, Result},
    id::ErasureId,
    jobs::{Duty, DutyContext},
    scope::Scope,
    store::entity::erasures,
};

/// Certificates of one workspace in one run.
const MOST: u64 = 500;

/// Signs final certificates.
pub struct FinalCertificates(pub Privacy);

#[async_trait]
impl Duty for FinalCertificates {
    fn name(&self) -> &'static str {
        "final-certificates"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3_600)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        if self.0.backups.is_none() {
            return Ok(());
        }
        for scope in context.scopes().await? {
            for id in self.waiting(&scope).await? {
                self.finalise(&scope, id).await?;
            }
        }
        Ok(())
    }
}

impl FinalCertificates {
    async fn waiting(&self, scope: &Scope) -> Result<Vec<ErasureId>> {
        let tx = self.0.store.read(scope).await?;
        let ids = erasures::Entity::find()
            .filter(erasures::Column::WorkspaceId.eq(scope.workspace()))
            .filter(erasures::Column::CompletedAt.is_not_null())
            .filter(erasures::Column::FinalisedAt.is_null())
            .select_only()
            .column(erasures::Column::Id)
            .limit(MOST)
            .into_tuple()
            .all(tx.db())
            .await?;
        Ok(ids)
    }

    async fn finalise(&self, scope: &Scope, id: ErasureId) -> Result<()> {
        let store = &self.0.store;
        let erasure = erasure::load(scope, &self.0, id).await?.ok_or_else(|| Error::not_found("erasure"))?;
        let Some(completed_at) = erasure.completed_at else { return Ok(()) };
        if record::is_any_left_from_before(store, completed_at).await? {
            return Ok(());
        }
        let now = store.now();
        let jws = certificate::sign_final(store, scope.workspace(), &erasure, now).await?;
        let tx = store.write(scope).await?;
        erasures::Entity::update_many()
            .col_expr(erasures::Column::FinalCertificateJws, Expr::value(jws))
            .col_expr(erasures::Column::FinalisedAt, Expr::value(now))
            .filter(erasures::Column::WorkspaceId.eq(scope.workspace()))
            .filter(erasures::Column::Id.eq(id))
            .exec(tx.db())
            .await?;
        audit::append(scope, &tx, Event::new("subject.erasure_final").target("erasure", id.0)).await?;
        tx.commit().await
    }
}
