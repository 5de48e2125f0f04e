//! Begins crawls that are due, and finds those whose job was lost.

use std::time::Duration;

use async_trait::async_trait;
use consigne_foundation::{
    Result, Scope,
    audit::{self, Event},
    jobs::{self, Duty, DutyContext},
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter};

use super::{CrawlStage, SourceState, control, crawl, removal};
use crate::{entity::sources as table, knowledge::Knowledge};

/// A crawl whose row has not changed for this long may have lost its job; enqueueing it again does no harm if not.
const FORGOTTEN: Duration = Duration::from_secs(120);

/// The duty.
pub struct SourceSchedule(pub Knowledge);

#[async_trait]
impl Duty for SourceSchedule {
    fn name(&self) -> &'static str {
        "source-schedule"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        for scope in context.scopes().await? {
            self.begin_due(&scope).await?;
            self.enqueue_forgotten(&scope).await?;
        }
        Ok(())
    }
}

impl SourceSchedule {
    async fn begin_due(&self, scope: &Scope) -> Result<()> {
        let store = &self.0.store;
        let due = {
            let tx = store.read(scope).await?;
            table::Entity::find()
                .filter(table::Column::WorkspaceId.eq(scope.workspace()))
                .filter(table::Column::State.eq(SourceState::Active.name()))
                .filter(table::Column::NextCrawlAt.lte(store.now()))
                .filter(table::Column::CrawlStage.eq(CrawlStage::Done.name()))
                .all(tx.db())
                .await?
        };
        for source in due {
            let tx = store.write(scope).await?;
            if control::begin(&tx, source.id).await? {
                audit::append(scope, &tx, Event::new("source.crawl_started").target("source", source.id.0)).await?;
                tx.commit().await?;
            }
        }
        Ok(())
    }

    async fn enqueue_forgotten(&self, scope: &Scope) -> Result<()> {
        let store = &self.0.store;
        let tx = store.write(scope).await?;
        let crawled = Condition::all()
            .add(table::Column::State.eq(SourceState::Active.name()))
            .add(table::Column::CrawlStage.ne(CrawlStage::Done.name()));
        let going = table::Column::State.eq(SourceState::Deleting.name());
        let forgotten = table::Entity::find()
            .filter(table::Column::WorkspaceId.eq(scope.workspace()))
            .filter(Condition::any().add(crawled).add(going))
            .filter(table::Column::UpdatedAt.lt(store.now().minus(FORGOTTEN)))
            .all(tx.db())
            .await?;
        for source in forgotten {
            let is_going = source.state == SourceState::Deleting.name();
            jobs::enqueue(&tx, if is_going { removal::job(source.id) } else { crawl::job(source.id) }).await?;
        }
        tx.commit().await
    }
}
