//! Making what was removed unreadable in the storage of an index that is a server.
//!
//! A purge rewrites what all documents share, so it is not done for each of them: whoever removed something asks for one,
//! and one job soon does it for everything that a workspace removed until then. Documents that only waited for it are gone
//! with it.

use std::time::Duration;

use async_trait::async_trait;
use consigne_foundation::{
    Result,
    jobs::{self, ClaimedJob, JobHandler, NewJob, Outcome},
    store::WorkspaceTx,
};
use consigne_sdk::Residency;

use super::{Knowledge, deletion, search};

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
        let scope = &job.scope;
        // Read first: whatever comes to wait while the purge goes on waits for the next.
        let waiting = deletion::awaiting_purge(scope, &self.0).await?;
        // What a crash or a failed ingest left there goes with it.
        if search::remove_orphans(scope, &self.0).await? == 0 {
            search::purge(scope, &self.0).await?;
        }
        for document in waiting {
            deletion::record_gone(scope, &self.0, document).await?;
        }
        self.0.store.purge_deleted_bytes().await?;
        let is_waited_for = !deletion::awaiting_purge(scope, &self.0).await?.is_empty();
        Ok(if is_waited_for { Outcome::Later(SOON) } else { Outcome::Done })
    }
}
