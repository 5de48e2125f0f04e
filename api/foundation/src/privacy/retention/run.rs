//! One run: class by class, batch by batch, each batch in a transaction of its own with its entry in the audit log.

use std::{collections::HashSet, time::Duration};

use super::{
    Period, Policy, Retention, register,
    rows::{Candidate, Expiring},
};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::Result,
    id::{SubjectId, WorkspaceId},
    privacy::{holds, restriction},
    scope::{Permission, Scope},
};

/// Rows of a batch.
const BATCH: u64 = 200;

/// Batches of one class in one run; the rest waits for the next.
const MOST_BATCHES: usize = 500;

/// What is over for longer than this and still there is a backlog (P71).
const BACKLOG: Duration = Duration::from_secs(24 * 3_600);

/// Whether anything is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is counted only.
    DryRun,
    /// It is deleted.
    Delete,
}

/// What a run found of one class.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// The class.
    pub class: String,
    /// The register's sentence.
    pub sentence: String,
    /// How long it is kept here.
    pub period: Period,
    /// Rows whose time was over and that were not held.
    pub expired: u64,
    /// Rows that were deleted: those, and what hung on them. None in a dry run.
    pub deleted: u64,
    /// Rows whose time was over and that are held.
    pub held: u64,
    /// Of the rows that are still there, since when the oldest is over.
    pub over_since: Option<Timestamp>,
}

impl Counted {
    /// Whether something should have been gone for more than a day.
    pub fn is_backlog(&self, now: Timestamp) -> bool {
        self.over_since.is_some_and(|since| since.plus(BACKLOG) <= now)
    }
}

impl Retention {
    /// What would be deleted now, by the path that deletes.
    ///
    /// # Errors
    /// `Forbidden` without [`Permission::PrivacyRead`]; `Unavailable`.
    pub async fn report(&self, scope: &Scope) -> Result<Vec<Counted>> {
        scope.require(Permission::PrivacyRead)?;
        self.run(scope, Mode::DryRun).await
    }

    /// Goes through the classes of a workspace.
    ///
    /// # Errors
    /// `Unavailable`, also where holds cannot be read: nothing more is deleted then.
    pub(super) async fn run(&self, scope: &Scope, mode: Mode) -> Result<Vec<Counted>> {
        let policies = {
            let tx = self.store.read(scope).await?;
            self.read_policies(&tx).await?
        };
        let mut counted = Vec::new();
        for class in self.classes.iter().filter(|class| class.is_of_workspace()) {
            let Some(policy) = policies.iter().find(|policy| policy.class == class.table()) else { continue };
            counted.push(self.of_workspace(scope, class.as_ref(), policy, mode).await?);
        }
        Ok(counted)
    }

    async fn of_workspace(&self, scope: &Scope, class: &dyn Expiring, policy: &Policy, mode: Mode) -> Result<Counted> {
        let now = self.store.now();
        let mut found = nothing(&policy.class, &policy.sentence, policy.period.clone());
        let mut after = None;
        for batch in 0.. {
            let is_dry = mode == Mode::DryRun || batch >= MOST_BATCHES;
            let tx = if is_dry { self.store.read(scope).await? } else { self.store.write(scope).await? };
            // In the transaction of the deed: a hold that is placed now is seen, or waits until this batch is through.
            let mut held = holds::people(&tx).await?;
            // Restricted data is stored, whoever wants it gone (GDPR art. 18(2)).
            held.extend(restriction::people(&tx).await?);
            let page = self.page(class, &tx, Some(scope.workspace()), &policy.period, after.as_ref()).await?;
            let is_last = (page.len() as u64) < BATCH;
            after = page.last().cloned();
            let over = self.over(page, &policy.period, &held, now, &mut found);
            if is_dry {
                found.leave(&over, &policy.period, self);
            } else if !over.is_empty() {
                let deleted = class.delete(&tx, Some(scope.workspace()), &over).await?;
                let event = Event::new("retention.deleted").detail("class", policy.class.as_str());
                audit::append(scope, &tx, event.detail("rows", deleted).detail("period", policy.period.as_str()))
                    .await?;
                tx.commit().await?;
                found.deleted += deleted;
            }
            if is_last {
                break;
            }
        }
        Ok(found)
    }

    /// Goes through the classes of the installation, which no workspace owns and nobody holds.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) async fn run_installation(&self, mode: Mode) -> Result<Vec<Counted>> {
        let (now, mut counted) = (self.store.now(), Vec::new());
        for class in self.classes.iter().filter(|class| !class.is_of_workspace()) {
            let line = register::line(class.table())?;
            let mut found = nothing(&line.table, &line.sentence, line.period.clone());
            let mut after = None;
            for batch in 0.. {
                let is_dry = mode == Mode::DryRun || batch >= MOST_BATCHES;
                let tx = if is_dry { self.store.read_instance().await? } else { self.store.write_instance().await? };
                let page = self.page(class.as_ref(), &tx, None, &line.period, after.as_ref()).await?;
                let is_last = (page.len() as u64) < BATCH;
                after = page.last().cloned();
                let over = self.over(page, &line.period, &HashSet::new(), now, &mut found);
                if is_dry {
                    found.leave(&over, &line.period, self);
                } else if !over.is_empty() {
                    found.deleted += class.delete(&tx, None, &over).await?;
                    tx.commit().await?;
                }
                if is_last {
                    break;
                }
            }
            counted.push(found);
        }
        Ok(counted)
    }

    /// The operator's own dry run: every workspace, and the installation.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn dry_run(&self, scopes: &[Scope]) -> Result<Vec<(Option<WorkspaceId>, Counted)>> {
        let mut all = Vec::new();
        for scope in scopes {
            let counted = self.run(scope, Mode::DryRun).await?;
            all.extend(counted.into_iter().map(|counted| (Some(scope.workspace()), counted)));
        }
        all.extend(self.run_installation(Mode::DryRun).await?.into_iter().map(|counted| (None, counted)));
        Ok(all)
    }

    async fn page(
        &self,
        class: &dyn Expiring,
        tx: &crate::store::InstanceTx,
        workspace: Option<WorkspaceId>,
        period: &Period,
        after: Option<&Candidate>,
    ) -> Result<Vec<Candidate>> {
        let newest = period.newest_that_may_be_over(self.store.now(), &self.zone);
        class.candidates(tx, workspace, newest, after, BATCH).await
    }

    /// Those whose time is over and that nobody holds; both are counted.
    fn over(
        &self,
        page: Vec<Candidate>,
        period: &Period,
        held: &HashSet<SubjectId>,
        now: Timestamp,
        found: &mut Counted,
    ) -> Vec<Candidate> {
        let is_over = |candidate: &Candidate| period.end(candidate.began, &self.zone) <= now;
        let is_held = |candidate: &Candidate| candidate.subject.is_some_and(|subject| held.contains(&subject));
        let (of_held, over): (Vec<_>, Vec<_>) = page.into_iter().filter(is_over).partition(is_held);
        found.held += of_held.len() as u64;
        found.expired += over.len() as u64;
        over
    }
}

fn nothing(class: &str, sentence: &str, period: Period) -> Counted {
    let (class, sentence) = (class.to_owned(), sentence.to_owned());
    Counted { class, sentence, period, expired: 0, deleted: 0, held: 0, over_since: None }
}

impl Counted {
    /// These stay, for now.
    fn leave(&mut self, over: &[Candidate], period: &Period, engine: &Retention) {
        let ends = over.iter().map(|candidate| period.end(candidate.began, &engine.zone));
        self.over_since = ends.chain(self.over_since).min();
    }
}
