//! The clock of ends: owners are reminded, purges begin and are tried again, certificates become final, what the law kept goes on its
//! last day, and somebody is told where anything is left after ninety days.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::{
    Choice, DAY, HARD_STOP, SHOWN, Termination, begin, certificate, entry_of, find, kept, ledger, purge::JOB, rows,
    state,
};
use crate::{
    backups::record,
    clock::Timestamp,
    error::Result,
    identity::mails::{AccountMails, Words},
    jobs::{self, Duty, DutyContext, NewJob},
    privacy::Privacy,
    scope::Scope,
    store::entity::{terminations as table, workspaces},
};

/// Counts for the operator.
pub trait TerminationMeter: Send + Sync {
    /// How many ends have something left after their last day.
    fn overdue(&self, count: u64);
}

/// The duty.
pub struct TerminationDuty {
    /// Rows, files and keys.
    pub privacy: Privacy,
    /// How owners are told.
    pub mails: AccountMails,
    /// How the operator is.
    pub meter: Arc<dyn TerminationMeter>,
}

#[async_trait]
impl Duty for TerminationDuty {
    fn name(&self) -> &'static str {
        "terminations"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3_600)
    }

    async fn run(&self, _: &DutyContext) -> Result<()> {
        replay(&self.privacy).await?;
        let store = self.privacy.store();
        let open = {
            let tx = store.read_instance().await?;
            table::Entity::find().filter(table::Column::CancelledAt.is_null()).all(tx.db()).await?
        };
        let mut overdue = 0;
        for row in open {
            let now = store.now();
            match row.state.as_str() {
                state::CLOSING if row.purge_at > now => self.remind(&row, now).await?,
                state::CLOSING | state::PURGING | state::INCOMPLETE => enqueue(&self.privacy, &row).await?,
                state::PURGED => self.finalise(&row, now).await?,
                _ => {}
            }
            if [state::PURGED, state::FINAL].contains(&row.state.as_str()) {
                self.forget_kept(&row, now).await?;
            }
            if row.state != state::FINAL && row.requested_at.plus(HARD_STOP) <= now {
                overdue += 1;
                self.alert(&row, now).await?;
            }
        }
        self.meter.overdue(overdue);
        Ok(())
    }
}

impl TerminationDuty {
    /// Owners are told at once, a week before, and a day before.
    async fn remind(&self, row: &table::Model, now: Timestamp) -> Result<()> {
        let moments = [row.requested_at, row.purge_at.minus(7 * DAY), row.purge_at.minus(DAY)];
        let due = moments.iter().filter(|moment| **moment <= now).count();
        let due = i64::try_from(due).unwrap_or_default();
        if due <= row.reminders {
            return Ok(());
        }
        let words = reminder(row);
        let key = format!("{}:{due}", row.id);
        self.mails.tell_owners(row.ended_workspace_id, &key, &words).await?;
        let tx = self.privacy.store().write_instance().await?;
        table::Entity::update_many()
            .col_expr(table::Column::Reminders, Expr::value(due))
            .filter(table::Column::Id.eq(row.id))
            .exec(tx.db())
            .await?;
        tx.commit().await
    }

    async fn finalise(&self, row: &table::Model, now: Timestamp) -> Result<()> {
        let store = self.privacy.store();
        let Some(purged_at) = row.purged_at else { return Ok(()) };
        if record::is_any_left_from_before(store, purged_at).await? {
            return Ok(());
        }
        let ended = Termination::try_from(row.clone())?;
        let jws = certificate::sign_final(store, &ended, now).await?;
        let tx = store.write_instance().await?;
        table::Entity::update_many()
            .col_expr(table::Column::State, Expr::value(state::FINAL))
            .col_expr(table::Column::FinalisedAt, Expr::value(now))
            .col_expr(table::Column::FinalCertificateJws, Expr::value(jws))
            .filter(table::Column::Id.eq(row.id))
            .filter(table::Column::State.eq(state::PURGED))
            .exec(tx.db())
            .await?;
        tx.commit().await?;
        tracing::info!(termination = %row.id, "nothing of a workspace is left in backups either");
        Ok(())
    }

    /// What the law kept goes on its last day, and at last the row itself.
    async fn forget_kept(&self, row: &table::Model, now: Timestamp) -> Result<()> {
        let ended = Termination::try_from(row.clone())?;
        let store = self.privacy.store();
        let (chain, sealed): (Vec<_>, Vec<_>) = ended.kept.iter().partition(|kept| kept::is_chain(kept));
        let scope = Scope::duty(row.ended_workspace_id, "terminations");
        if chain.iter().any(|kept| kept.until <= now) {
            let tx = store.write(&scope).await?;
            if rows::rows_of(&tx, "audit_entries", "workspace_id", row.ended_workspace_id).await? > 0 {
                rows::forget_chain(&tx).await?;
                tx.commit().await?;
                store.purge_deleted_bytes().await?;
            }
        }
        if row.kept_sealed.is_some() && sealed.iter().all(|kept| kept.until <= now) {
            let tx = store.write_instance().await?;
            table::Entity::update_many()
                .col_expr(table::Column::KeptSealed, Expr::value(Option::<Vec<u8>>::None))
                .filter(table::Column::Id.eq(row.id))
                .exec(tx.db())
                .await?;
            tx.commit().await?;
            store.purge_deleted_bytes().await?;
        }
        if let Some(at) = row.finalised_at
            && kept::until(SHOWN, at)? <= now
        {
            let tx = store.write_instance().await?;
            table::Entity::delete_by_id(row.id).exec(tx.db()).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn alert(&self, row: &table::Model, now: Timestamp) -> Result<()> {
        if row.alerted_at.is_some() {
            return Ok(());
        }
        tracing::error!(termination = %row.id, workspace = %row.ended_workspace_id, state = row.state, "a workspace was to be gone, and something is left");
        let tx = self.privacy.store().write_instance().await?;
        table::Entity::update_many()
            .col_expr(table::Column::AlertedAt, Expr::value(now))
            .filter(table::Column::Id.eq(row.id))
            .exec(tx.db())
            .await?;
        tx.commit().await
    }
}

async fn enqueue(privacy: &Privacy, row: &table::Model) -> Result<()> {
    let scope = Scope::duty(row.ended_workspace_id, JOB);
    let tx = privacy.store().write(&scope).await?;
    jobs::enqueue(&tx, NewJob::new(JOB, row.id.0).priority(1)).await?;
    tx.commit().await
}

/// Ids and days only: whoever reads the mail signs in to see more.
fn reminder(row: &table::Model) -> Words {
    let day = row.purge_at.rfc3339();
    let archive = match Choice::parse(&row.choice) {
        Choice::Return => "Until then an owner fetches the archive of everything (createWorkspaceExportLink).",
        Choice::Delete => "No archive is made: it was chosen so.",
    };
    Words {
        subject: "Your workspace will be deleted".to_owned(),
        lines: format!(
            "An owner ended the workspace {}. It is closed for visitors, and everything in it will be deleted for good at \
             {day}.\n\n{archive} Until then an owner can also take the end back (cancelTermination).\n",
            row.ended_workspace_id
        ),
    }
}

/// Puts right what the database does not know of the ledger: after a crash between the two, or after a restore of an older database.
/// What was being deleted is deleted again, at once. Answers how many ends were found so.
///
/// # Errors
/// `Unavailable`; `Corrupt` where an entry of the ledger cannot be read.
pub async fn replay(privacy: &Privacy) -> Result<u64> {
    let store = privacy.store();
    let mut found = 0;
    for known in ledger::all(privacy.blobs()).await? {
        let entry = known.entry;
        let scope = Scope::duty(entry.workspace, JOB);
        let tx = store.write(&scope).await?;
        let row = find(&tx, entry.termination).await?;
        let is_there = workspaces::Entity::find_by_id(entry.workspace).one(tx.db()).await?.is_some();
        match (known.mark, row) {
            // The workspace came back without its end.
            (Some(ledger::Mark::Purged) | None, None) if is_there => {
                begin(&tx, &entry, None, None, None).await?;
                if known.mark.is_some() {
                    jobs::enqueue(&tx, NewJob::new(JOB, entry.termination.0).priority(1)).await?;
                }
                found += 1;
            }
            // Its end came back as it was before the purge, or the purge lost its job.
            (Some(ledger::Mark::Purged), Some(row)) if is_there || row.state == state::PURGING => {
                debug_assert_eq!(entry_of(&row).workspace, entry.workspace);
                if row.state == state::CLOSING {
                    found += 1;
                }
                jobs::enqueue(&tx, NewJob::new(JOB, entry.termination.0).priority(1)).await?;
            }
            (Some(ledger::Mark::Cancelled), Some(row)) if row.cancelled_at.is_none() => {
                table::Entity::update_many()
                    .col_expr(table::Column::State, Expr::value(state::CANCELLED))
                    .col_expr(table::Column::CancelledAt, Expr::value(store.now()))
                    .filter(table::Column::Id.eq(row.id))
                    .exec(tx.db())
                    .await?;
                super::close(&tx, entry.workspace, None).await?;
                found += 1;
            }
            _ => continue,
        }
        tx.commit().await?;
    }
    Ok(found)
}
