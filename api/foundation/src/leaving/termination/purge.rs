//! The purge: every store that holds anything of the workspace is emptied, counted again, and says so. Forward only and repeatable;
//! a store that refuses leaves the rest deleted, the certificate INCOMPLETE, and the job to be tried again.

use std::{collections::BTreeSet, sync::Arc};

use async_trait::async_trait;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::{Step, Termination, TerminationState, certificate, entry_of, find, kept, ledger, rows, state};
use crate::{
    error::{Error, ErrorKind, Result},
    id::{SubjectId, TerminationId},
    jobs::{ClaimedJob, JobHandler, Outcome},
    privacy::{Privacy, holds, holds::Hold},
    scope::Scope,
    store::entity::terminations as table,
};

pub(crate) const JOB: &str = "terminate";

const LEDGER: &str = "ledger";
const KEYS: &str = "keys";
const FILES: &str = "files";
const ROWS: &str = "rows";
const ACCOUNTS: &str = "accounts";
const BACKUPS: &str = "backups";
const PURGE: &str = "purge";

/// A store beside the database and the files that holds something of workspaces: an index.
#[async_trait]
pub trait Estate: Send + Sync {
    /// Its name in certificates.
    fn name(&self) -> &'static str;

    /// How much it has of the workspace.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn count(&self, scope: &Scope) -> Result<u64>;

    /// Empties it of the workspace, down to the bytes, and says of how much. May be repeated.
    ///
    /// # Errors
    /// `Unavailable`.
    async fn erase(&self, scope: &Scope) -> Result<u64>;
}

/// Ends workspaces.
#[derive(Clone)]
pub struct TerminationHandler {
    /// Rows, files and keys.
    pub privacy: Privacy,
    /// What else holds something.
    pub estates: Arc<[Arc<dyn Estate>]>,
}

#[async_trait]
impl JobHandler for TerminationHandler {
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
        let id = TerminationId(job.target);
        if !self.begin(id).await? {
            return Ok(Outcome::Done);
        }
        self.purge(&job.scope, id).await.map(|()| Outcome::Done)
    }
}

impl TerminationHandler {
    /// From here on nothing is taken back. Says whether there is something to do.
    async fn begin(&self, id: TerminationId) -> Result<bool> {
        let store = self.privacy.store();
        let row = {
            let tx = store.read_instance().await?;
            find(&tx, id).await?
        };
        let Some(row) = row.filter(|row| row.cancelled_at.is_none()) else { return Ok(false) };
        // What began before a restore goes on, whatever the day.
        if row.purge_at > store.now() && !ledger::is_purged(self.privacy.blobs(), id).await? {
            return Ok(false);
        }
        if [state::PURGED, state::FINAL].contains(&row.state.as_str()) {
            return Ok(false);
        }
        // Outside what a restore rolls back, before anything is deleted.
        ledger::note(self.privacy.blobs(), &entry_of(&row), ledger::Mark::Purged).await?;
        let tx = store.write_instance().await?;
        let begun = table::Entity::update_many()
            .col_expr(table::Column::State, Expr::value(state::PURGING))
            .filter(table::Column::Id.eq(id))
            .filter(table::Column::CancelledAt.is_null())
            .exec(tx.db())
            .await?;
        tx.commit().await?;
        Ok(begun.rows_affected == 1)
    }

    fn names(&self) -> Vec<&'static str> {
        let mut names = vec![LEDGER];
        names.extend(self.estates.iter().map(|estate| estate.name()));
        names.extend([FILES, ROWS, ACCOUNTS, KEYS]);
        names.extend(self.privacy.backups().is_some().then_some(BACKUPS));
        names.push(PURGE);
        names
    }

    async fn purge(&self, scope: &Scope, id: TerminationId) -> Result<()> {
        let held = self.held(scope).await?;
        let people: Vec<SubjectId> =
            held.iter().map(|hold| hold.subject).collect::<BTreeSet<_>>().into_iter().collect();
        let mut ended = self.load(id).await?;
        self.keep(scope, &mut ended).await?;
        let (mut steps, mut failed) = (Vec::new(), None);
        for name in self.names() {
            let before = ended.steps.iter().find(|step| step.name == name);
            // What was empty may have been filled by what was under way then: it is asked again, and only emptied.
            let done = self.step(scope, id, name, &people, &steps).await;
            let so_far = before.map_or(0, |step| step.erased);
            steps.push(match done {
                Ok((erased, remaining, detail)) => Step {
                    name: name.to_owned(),
                    is_done: remaining == 0,
                    erased: so_far + erased,
                    remaining: Some(remaining),
                    detail,
                },
                Err(error) => {
                    let detail = Some(error.message().to_owned());
                    failed = failed.or(Some(error));
                    Step { name: name.to_owned(), is_done: false, erased: so_far, remaining: None, detail }
                }
            });
        }
        ended.steps = steps;
        self.record(ended, &held).await?;
        match failed {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }

    async fn held(&self, scope: &Scope) -> Result<Vec<Hold>> {
        let tx = self.privacy.store().read_for_rights(scope).await?;
        holds::in_workspace(&tx).await
    }

    async fn load(&self, id: TerminationId) -> Result<Termination> {
        let tx = self.privacy.store().read_instance().await?;
        find(&tx, id).await?.ok_or_else(|| Error::not_found("termination"))?.try_into()
    }

    /// Seals what the law keeps, before the rows go.
    async fn keep(&self, scope: &Scope, ended: &mut Termination) -> Result<()> {
        let store = self.privacy.store();
        {
            // Sealed by an earlier try, whatever became of it: now fewer rows may be there.
            let tx = store.read_instance().await?;
            if find(&tx, ended.id).await?.is_some_and(|row| row.kept_sealed.is_some()) {
                return Ok(());
            }
        }
        let (sealed, kept) = {
            let tx = store.read_for_rights(scope).await?;
            kept::seal(&tx, &self.privacy, ended.id, store.now()).await?
        };
        let text = serde_json::to_string(&kept).map_err(|e| Error::internal("what is kept as JSON").because(e))?;
        let tx = store.write_instance().await?;
        table::Entity::update_many()
            .col_expr(table::Column::KeptSealed, Expr::value(sealed))
            .col_expr(table::Column::Kept, Expr::value(text))
            .filter(table::Column::Id.eq(ended.id))
            .exec(tx.db())
            .await?;
        tx.commit().await?;
        ended.kept = kept;
        Ok(())
    }

    /// Does a step: what it erased, what is left, and more.
    async fn step(
        &self,
        scope: &Scope,
        id: TerminationId,
        name: &str,
        held: &[SubjectId],
        before: &[Step],
    ) -> Result<(u64, u64, Option<String>)> {
        let (store, blobs, workspace) = (self.privacy.store(), self.privacy.blobs(), scope.workspace());
        if let Some(estate) = self.estates.iter().find(|estate| estate.name() == name) {
            let erased = estate.erase(scope).await?;
            return Ok((erased, estate.count(scope).await?, None));
        }
        match name {
            LEDGER => Ok((0, u64::from(!ledger::is_purged(blobs, id).await?), None)),
            FILES => {
                let all = blobs.list(workspace).await?;
                for path in &all {
                    blobs.delete(path).await?;
                }
                Ok((all.len() as u64, blobs.list(workspace).await?.len() as u64, None))
            }
            KEYS => {
                // Whoever works on rows that are left needs them; what is held keeps its own.
                let is_left = |step: &Step| [ROWS, ACCOUNTS].contains(&step.name.as_str()) && !step.is_done;
                if held.is_empty() && before.iter().any(is_left) {
                    return Err(Error::new(ErrorKind::Unavailable, "The keys wait: rows are left."));
                }
                let (shredded, left) = store.vault().shred_workspace(workspace, held).await?;
                Ok((
                    shredded,
                    left,
                    Some("the keys of its people, and its own, are destroyed".to_owned()).filter(|_| left == 0),
                ))
            }
            ROWS => {
                let is_asked =
                    |estate: &Arc<dyn Estate>| before.iter().any(|step| step.name == estate.name() && step.is_done);
                if !self.estates.iter().all(is_asked) {
                    return Err(Error::new(ErrorKind::Unavailable, "The rows wait: they say what another store has."));
                }
                let tx = store.write(scope).await?;
                let gone = rows::erase(&tx, held).await?;
                let left = rows::count(&tx).await?;
                tx.commit().await?;
                Ok((gone, left, None))
            }
            ACCOUNTS => {
                let tx = store.write(scope).await?;
                if rows::count(&tx).await? > 0 {
                    return Ok((0, rows::count_accounts(&tx).await?, Some("the workspace's rows go first".to_owned())));
                }
                let gone = rows::erase_accounts(&tx).await?;
                let left = rows::count_accounts(&tx).await?;
                tx.commit().await?;
                Ok((gone, left, None))
            }
            BACKUPS => {
                let Some(backups) = self.privacy.backups() else { return Ok((0, 0, None)) };
                backups.copy_terminations().await?;
                backups.back_up_keys().await?;
                Ok((0, 0, Some("the backup of the key store was overwritten without its keys".to_owned())))
            }
            PURGE => {
                store.purge_deleted_bytes().await?;
                Ok((0, 0, None))
            }
            other => Err(Error::internal(format!("there is no step {other} of a termination"))),
        }
    }

    /// Writes down how far it is, with the certificate of that.
    async fn record(&self, mut ended: Termination, held: &[Hold]) -> Result<()> {
        let store = self.privacy.store();
        let now = store.now();
        let is_done = ended.steps.iter().all(|step| step.is_done);
        ended.state = if is_done { TerminationState::Purged } else { TerminationState::Incomplete };
        let jws = if is_done {
            certificate::sign_live(store, &ended, now).await?
        } else {
            certificate::sign_incomplete(store, &ended, held, now).await?
        };
        let steps = serde_json::to_string(&ended.steps).map_err(|e| Error::internal("steps as JSON").because(e))?;
        let tx = store.write_instance().await?;
        table::Entity::update_many()
            .col_expr(table::Column::State, Expr::value(ended.state.name()))
            .col_expr(table::Column::Steps, Expr::value(steps))
            .col_expr(table::Column::CertificateJws, Expr::value(jws))
            .col_expr(table::Column::PurgedAt, Expr::value(is_done.then_some(now)))
            .col_expr(table::Column::RequestedBy, Expr::value(Option::<uuid::Uuid>::None))
            .filter(table::Column::Id.eq(ended.id))
            .exec(tx.db())
            .await?;
        tx.commit().await?;
        tracing::info!(termination = %ended.id, workspace = %ended.workspace, state = ended.state.name(), "a workspace was ended");
        Ok(())
    }
}
