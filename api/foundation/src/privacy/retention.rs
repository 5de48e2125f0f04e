//! What was kept long enough goes by itself (GDPR art. 5(1)(e)): hourly, in batches, by the periods of `personal_data.toml` or
//! the shorter ones of a workspace.
//!
//! Reading order: [`period`], [`register`], [`policy`], [`rows`] (who has rows whose time runs out), [`people`], [`run`], [`duty`].
//!
//! Invariants, as absences:
//! - Nothing is deleted that is held, and nothing at all while holds cannot be read.
//! - Nothing is deleted by another way than it is counted: a dry run takes the same path and stops before the last step.
//! - No workspace keeps anything longer than the register says.

pub mod duty;
pub mod people;
pub mod period;
pub mod policy;
pub mod register;
pub mod rows;
pub mod run;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::tz::TimeZone;

pub use self::{
    duty::{RetentionDuty, RetentionMeter},
    people::Visitors,
    period::Period,
    policy::Policy,
    rows::{Candidate, Expiring, TableRows},
    run::{Counted, Mode},
};
use crate::{error::Result, store::Store};

/// The classes of this crate but for visitors, who come when all others are through.
pub fn foundation_classes() -> Vec<Arc<dyn Expiring>> {
    vec![
        Arc::new(TableRows::of_installation("sessions")),
        Arc::new(TableRows::of_installation("jobs").only("t.state = 'DEAD'")),
        Arc::new(TableRows::of_installation("restore_drills")),
        Arc::new(TableRows::of_installation("backups").only("t.state = 'GONE'")),
        Arc::new(TableRows::of_workspaces("audit_details")),
        Arc::new(TableRows::of_workspaces("api_keys")),
        Arc::new(
            TableRows::of_workspaces("erasures")
                .after(&["DELETE FROM erasure_steps WHERE workspace_id = $1 AND erasure_id = $2"]),
        ),
    ]
}

/// The engine. Cheap to clone.
#[derive(Clone)]
pub struct Retention {
    store: Store,
    classes: Arc<[Arc<dyn Expiring>]>,
    zone: TimeZone,
}

impl Retention {
    /// An engine over these classes, in this order: what refers to something else comes before it. Periods are counted in the
    /// calendar of this time zone.
    ///
    /// # Errors
    /// `Misconfigured` where there is no such time zone; `Internal` where a class has no period in the register.
    pub fn new(store: Store, classes: Vec<Arc<dyn Expiring>>, zone: &str) -> Result<Self> {
        for class in &classes {
            register::line(class.table())?;
        }
        Ok(Self { store, classes: classes.into(), zone: period::zone(zone)? })
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
    }
}
