//! The recurring duty that signs how far each chain has come.

use std::time::Duration;

use async_trait::async_trait;

use super::{audited_workspaces, checkpoint};
use crate::{
    error::Result,
    jobs::{Duty, DutyContext},
};

/// Signs a checkpoint of every workspace's chain, hourly, where entries were added.
pub struct CheckpointDuty;

#[async_trait]
impl Duty for CheckpointDuty {
    fn name(&self) -> &'static str {
        "audit-checkpoint"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3_600)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        let mut failed = None;
        for workspace in audited_workspaces(context.store()).await? {
            // One broken chain must not keep the others from being signed.
            if let Err(error) = checkpoint(context.store(), workspace).await {
                tracing::error!(%workspace, %error, "the audit chain could not be signed");
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }
}
