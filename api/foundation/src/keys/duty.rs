//! The duties: keys of workspaces and the installation's, and the root key.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{DAY, ROOT_KEY_DAYS, SealedElsewhere, root, turning};
use crate::{
    alerts::Rule,
    backups::Backups,
    error::Result,
    jobs::{Duty, DutyContext},
    vault::versions::INSTALLATION,
    workspaces,
};

pub(super) const NAME: &str = "key-rotation";

/// Turns the keys of workspaces, and the installation's own, after ninety days.
pub struct KeyRotation {
    /// What is sealed under keys of workspaces outside the tables.
    pub elsewhere: Vec<Arc<dyn SealedElsewhere>>,
}

#[async_trait]
impl Duty for KeyRotation {
    fn name(&self) -> &'static str {
        NAME
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3_600)
    }

    /// One workspace whose rows cannot be opened does not keep the others.
    async fn run(&self, context: &DutyContext) -> Result<()> {
        let store = context.store();
        let mut first = Ok(());
        for workspace in std::iter::once(INSTALLATION).chain(workspaces::all_ids(store).await?) {
            if let Err(error) = turning::turn(store, &self.elsewhere, workspace).await {
                tracing::error!(%workspace, ?error, "a key could not be turned");
                first = first.and(Err(error));
            }
        }
        first
    }
}

/// Turns the root key after 365 days, where its provider can make another one; else it says so. A provider whose keys are copied
/// by people gets its new one in time for that.
pub struct RootRotation(pub Backups);

#[async_trait]
impl Duty for RootRotation {
    fn name(&self) -> &'static str {
        "root-key-rotation"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3_600)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        let store = context.store();
        let known = store.vault().roots().await?;
        let age = ROOT_KEY_DAYS * DAY;
        let newest = known.last().map(|root| root.begins_at);
        let is_due = newest.is_some_and(|since| since.plus(age) <= store.now().plus(store.vault().root_lead()));
        if is_due {
            let report = root::begin(store, false).await?;
            match report.by_hand {
                Some(how) => {
                    tracing::error!(how, "the root key is older than 365 days");
                    store.signals().count(Rule::RootKeyDue, None);
                }
                None => store.signals().count(Rule::RootKeyMade, None),
            }
        }
        if store.vault().roots().await?.iter().filter(|root| root.destroyed_at.is_none()).count() > 1 {
            root::finish(store, &self.0, &mut super::RootReport::default()).await?;
        }
        Ok(())
    }
}
