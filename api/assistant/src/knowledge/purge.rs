//! Making what was removed unreadable in the storage of an index that is a server.
//!
//! A purge rewrites what all documents share, so it is not done for each of them: whoever removed something asks for one,
//! and one job soon does it for everything that a workspace removed until then.

use std::time::Duration;

use async_trait::async_trait;
use consigne_foundation::{
    Error, Result,
    jobs::{self, ClaimedJob, JobHandler, NewJob, Outcome},
    store::WorkspaceTx,
};
use consigne_sdk::Residency;

use super::{Knowledge, search};

const JOB: &str = "purge-index";

/// How long a purge waits for more to purge.
const SOON: Duration = Duration::from_secs(10);

/// Asks for a purge, in the transaction after which something is removed; nothing to do for an index in this process,
/// which overwrites what it removes.
///
/// # Errors
/// `Unavailable`.
pub(crate) async fn soon(tx: &WorkspaceTx, knowledge: &Knowledge) -> Result<()> {
    if knowledge.registry.vector_index()?.residency() == Residency::Memory {
        return Ok(());
    }
    let at = tx.store().now().plus(SOON);
    jobs::enqueue(tx, NewJob::new(JOB, tx.workspace().0).run_at(at)).await
}

/// Purges.
pub struct PurgeHandler(pub Knowledge);

#[async_trait]
impl JobHandler for PurgeHandler {
    fn kind(&self) -> &'static str {
        JOB
    }

    fn parallel(&self) -> usize {
        1
    }

    fn never_gives_up(&self) -> bool {
        true
    }

    async fn run(&self, job: &ClaimedJob) -> Result<Outcome> {
        // What a crash or a failed ingest left there goes with it.
        if search::remove_orphans(&job.scope, &self.0).await? == 0 {
            search::purge(&job.scope, &self.0).await?;
        }
        Ok(Outcome::Done)
    }

    async fn give_up(&self, _: &ClaimedJob, _: &Error) -> Result<()> {
        Ok(())
    }
}
