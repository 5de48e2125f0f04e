//! A backup a day, a drill a month, and an alarm where no drill passed for too long.

use std::{path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;

use super::{Backups, Migrate, crypt::Identity, prune::Sweep, record};
use crate::{
    audit::Event,
    clock::Timestamp,
    error::Result,
    jobs::{Duty, DutyContext},
    store::Store,
};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// A look at whether one is due.
const LOOK_EVERY: Duration = Duration::from_secs(900);

/// A passed drill holds so long.
const DRILL_EVERY: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Without a passed drill for so long, somebody is told.
pub const DRILL_OVERDUE: Duration = Duration::from_secs(35 * 24 * 3_600);

/// Counts for the operator.
pub trait BackupMeter: Send + Sync {
    /// The newest backup's recovery point.
    fn backed_up(&self, at: Timestamp);

    /// The newest drill that passed; none where none ever did. `is_overdue` is the alarm.
    fn drilled(&self, at: Option<Timestamp>, is_overdue: bool);
}

/// Makes a backup where the newest is a day old, and removes those that were kept long enough.
pub struct BackupDuty {
    /// The backups.
    pub backups: Backups,
    /// Counts.
    pub meter: Arc<dyn BackupMeter>,
}

#[async_trait]
impl Duty for BackupDuty {
    fn name(&self) -> &'static str {
        "backup"
    }

    fn every(&self) -> Duration {
        LOOK_EVERY
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        let (store, place) = (context.store(), self.backups.target().name());
        let is_due = record::newest(store, place).await?.is_none_or(|at| at.plus(DAY) <= store.now());
        if is_due {
            self.backups.make().await?;
        } else {
            self.backups.prune(self.backups.target(), Sweep::Nothing).await?;
        }
        if let Some(at) = record::newest(store, place).await? {
            self.meter.backed_up(at);
        }
        Ok(())
    }
}

/// Restores the newest backup into scratch where no drill passed for a month, and tells where none did for longer.
pub struct RestoreDrill {
    /// The backups.
    pub backups: Backups,
    /// Brings scratch up to the backup's schema.
    pub migrate: Migrate,
    /// A folder for scratch.
    pub scratch: PathBuf,
    /// Counts.
    pub meter: Arc<dyn BackupMeter>,
}

#[async_trait]
impl Duty for RestoreDrill {
    fn name(&self) -> &'static str {
        "restore-drill"
    }

    fn every(&self) -> Duration {
        DAY
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        let store = context.store();
        let Some(since) = proven_since(store).await? else { return Ok(()) };
        if since.at.plus(DRILL_EVERY) <= store.now() || !since.is_proof {
            self.try_one().await?;
        }
        let since = proven_since(store).await?.unwrap_or(since);
        let is_overdue = since.at.plus(DRILL_OVERDUE) <= store.now();
        self.meter.drilled(since.is_proof.then_some(since.at), is_overdue);
        if is_overdue {
            tracing::error!("no restore drill passed for 35 days");
            record::tell_all(store, || Event::new("backup.drill_overdue")).await?;
        }
        Ok(())
    }
}

impl RestoreDrill {
    async fn try_one(&self) -> Result<()> {
        match Identity::load(self.backups.identity_file()) {
            Ok(identity) => self.backups.drill(&identity, &self.migrate, &self.scratch).await.map(drop),
            // The operator keeps it elsewhere, and runs `consigne drill` where it is.
            Err(_) => Ok(()),
        }
    }
}

/// Since when it is known, or was to be known, that a backup comes back.
struct Proven {
    at: Timestamp,
    /// Whether a drill passed then; else the first backup was made then.
    is_proof: bool,
}

async fn proven_since(store: &Store) -> Result<Option<Proven>> {
    let drills = record::drills(store).await?;
    if let Some(passed) = drills.iter().find(|drill| drill.has_passed) {
        return Ok(Some(Proven { at: passed.finished_at, is_proof: true }));
    }
    let first = record::list(store).await?.into_iter().map(|backup| backup.began_at).min();
    Ok(first.map(|at| Proven { at, is_proof: false }))
}
