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
pub mod log;
pub mod people;
pub mod period;
pub mod policy;
pub mod register;
pub mod rows;
pub mod run;

#[cfg(test)]
mod log_tests;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::tz::TimeZone;

pub use self::{
    duty::{RetentionDuty, RetentionMeter},
    log::AuditEntries,
    people::Visitors,
    period::Period,
    policy::Policy,
    rows::{Candidate, Expiring, TableRows},
    run::{Counted, Mode},
};
use crate::{
    error::{Error, ErrorKind, Result},
    identity::closing::BEFORE_AN_ACCOUNT,
    store::Store,
};

/// The classes of this crate but for visitors, who come when all others are through, and for the entries of the audit log, which come
/// last: where a chain is broken, nothing of it goes, and nothing else may wait for that.
pub fn foundation_classes() -> Vec<Arc<dyn Expiring>> {
    vec![
        Arc::new(TableRows::of_installation("sessions")),
        Arc::new(TableRows::of_installation("accounts").after(&BEFORE_AN_ACCOUNT)),
        Arc::new(TableRows::of_installation("signing_keys")),
        Arc::new(TableRows::of_installation("jobs").only("t.state = 'DEAD'")),
        Arc::new(TableRows::of_installation("restore_drills")),
        Arc::new(TableRows::of_installation("backups").only("t.state = 'GONE'")),
        Arc::new(TableRows::of_workspaces("audit_details")),
        Arc::new(TableRows::of_workspaces("api_keys")),
        Arc::new(TableRows::of_workspaces("privacy_request_events")),
        Arc::new(TableRows::of_workspaces("privacy_letters")),
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
    log_period: Option<Period>,
}

/// The audit log: what was done, and the details of it.
const LOG: [&str; 2] = ["audit_entries", "audit_details"];

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
        Ok(Self { store, classes: classes.into(), zone: period::zone(zone)?, log_period: None })
    }

    /// Keeps the audit log for this long, in each workspace that does not say less.
    ///
    /// # Errors
    /// `Misconfigured` where it is longer than the register's period or shorter than its minimum.
    pub fn with_log_period(self, period: &str) -> Result<Self> {
        let refused = |why: &str| {
            Error::new(ErrorKind::Misconfigured, format!("The audit log cannot be kept for {period}: {why}."))
        };
        let wanted = Period::parse(period).map_err(|_| refused("write a period as ISO 8601 does, such as P6M"))?;
        for class in LOG {
            let line = register::line(class)?;
            if !wanted.is_within(&line.period) {
                return Err(refused(&format!("{} are the most", line.period)));
            }
            if line.minimum.as_ref().is_some_and(|minimum| !minimum.is_within(&wanted)) {
                return Err(refused("90 days are the least"));
            }
        }
        Ok(Self { log_period: Some(wanted), ..self })
    }

    /// What the register says of a class, or the operator where they may.
    fn line(&self, class: &str) -> Result<register::Line> {
        let mut line = register::line(class)?.clone();
        if let Some(period) = self.log_period.as_ref().filter(|_| LOG.contains(&class)) {
            line.period = period.clone();
        }
        Ok(line)
    }

    /// The database.
    pub fn store(&self) -> &Store {
        &self.store
    }
}
