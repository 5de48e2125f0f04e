//! The hourly run, and the alarm where it does not keep up.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{Counted, Mode, Retention};
use crate::{
    audit::{self, Event},
    error::Result,
    jobs::{Duty, DutyContext},
    scope::Scope,
};

/// Counts for the operator.
pub trait RetentionMeter: Send + Sync {
    /// A run is through: rows that were deleted, and classes that have a backlog.
    fn ran(&self, deleted: u64, backlogs: u64);
}

/// Deletes what was kept long enough.
pub struct RetentionDuty {
    /// The engine.
    pub retention: Retention,
    /// Counts.
    pub meter: Arc<dyn RetentionMeter>,
}

#[async_trait]
impl Duty for RetentionDuty {
    fn name(&self) -> &'static str {
        "retention"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3_600)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        let (mut deleted, mut backlogs, mut failed) = (0, 0, None);
        for scope in context.scopes().await? {
            // One workspace that fails must not keep the others from being cleaned; nothing of it is deleted then.
            match self.retention.run(&scope, Mode::Delete).await {
                Ok(counted) => {
                    deleted += counted.iter().map(|class| class.deleted).sum::<u64>();
                    backlogs += self.tell_backlog(&scope, &counted).await?;
                }
                Err(error) => {
                    tracing::error!(workspace = %scope.workspace(), %error, "what was kept long enough stays");
                    failed = Some(error);
                }
            }
        }
        let of_installation = self.retention.run_installation(Mode::Delete).await?;
        deleted += of_installation.iter().map(|class| class.deleted).sum::<u64>();
        if deleted > 0 {
            self.retention.store().purge_deleted_bytes().await?;
        }
        self.meter.ran(deleted, backlogs + u64::from(failed.is_some()));
        failed.map_or(Ok(()), Err)
    }
}

impl RetentionDuty {
    async fn tell_backlog(&self, scope: &Scope, counted: &[Counted]) -> Result<u64> {
        let store = self.retention.store();
        let late: Vec<&str> =
            counted.iter().filter(|class| class.is_backlog(store.now())).map(|class| class.class.as_str()).collect();
        if !late.is_empty() {
            tracing::error!(workspace = %scope.workspace(), ?late, "rows should have been deleted a day ago");
            let tx = store.write(scope).await?;
            audit::append(scope, &tx, Event::new("retention.backlog").detail("classes", late.join(", "))).await?;
            tx.commit().await?;
        }
        Ok(late.len() as u64)
    }
}
