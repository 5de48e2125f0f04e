//! Backups of the installation, and the drills that prove them.

use async_graphql::{Context, Enum, ID, Object, Result, SimpleObject};
use consigne_foundation::{
    Permission,
    backups::{self, record},
};

use super::{context::ContextExt, error::refuse, scalars::DateTime};

/// Where a backup stands.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "backups::BackupState")]
pub enum BackupState {
    /// It is being made.
    Running,
    /// It is there, encrypted.
    Kept,
    /// It was never whole.
    Failed,
    /// It was there, and was removed.
    Gone,
}

/// A backup of the installation. It holds no key: whoever was erased since cannot be read in it.
#[derive(SimpleObject, Clone)]
pub struct Backup {
    /// Its id.
    pub id: ID,
    /// Where it stands.
    pub state: BackupState,
    /// Everything that was written by then is in it.
    pub recovery_point_at: DateTime,
    /// It was whole, or failed, at.
    pub finished_at: Option<DateTime>,
    /// It is removed at the latest at; null where it is gone.
    pub kept_until: Option<DateTime>,
    /// It was removed at.
    pub gone_at: Option<DateTime>,
    /// Why it failed.
    pub failure: Option<String>,
}

/// A drill: the newest backup was restored into scratch, compared, and thrown away.
#[derive(SimpleObject, Clone)]
pub struct RestoreDrill {
    /// Its id.
    pub id: ID,
    /// The backup that was restored; null where there was none.
    pub backup_id: Option<ID>,
    /// It ended at.
    pub finished_at: DateTime,
    /// Whether the backup came back whole.
    pub has_passed: bool,
    /// Why not.
    pub failure: Option<String>,
    /// The signed report with recovery point and recovery time, a compact JWS (RFC 7515); the keys are at
    /// `/.well-known/jwks.json`.
    pub report: String,
}

/// Reading what is on record of backups.
#[derive(Default)]
pub struct BackupQuery;

#[Object]
impl BackupQuery {
    /// Backups of the installation, newest first, at most 500.
    async fn backups(&self, ctx: &Context<'_>) -> Result<Vec<Backup>> {
        let scope = ctx.scope(Permission::AuditRead)?;
        let keep = ctx.services().backups.keep();
        let all = record::shown(&scope, ctx.store()).await.map_err(refuse)?;
        Ok(all.into_iter().map(|backup| shown(backup, keep)).collect())
    }

    /// Restore drills of the installation, newest first, at most 500.
    async fn restore_drills(&self, ctx: &Context<'_>) -> Result<Vec<RestoreDrill>> {
        let scope = ctx.scope(Permission::AuditRead)?;
        let all = record::shown_drills(&scope, ctx.store()).await.map_err(refuse)?;
        Ok(all.into_iter().map(RestoreDrill::from).collect())
    }
}

fn shown(backup: backups::Backup, keep: std::time::Duration) -> Backup {
    let is_there = matches!(backup.state, backups::BackupState::Kept | backups::BackupState::Running);
    Backup {
        id: backup.id.to_string().into(),
        state: backup.state.into(),
        recovery_point_at: backup.began_at.into(),
        finished_at: backup.finished_at.map(DateTime::from),
        kept_until: is_there.then(|| backup.began_at.plus(keep).into()),
        gone_at: backup.gone_at.map(DateTime::from),
        failure: backup.failure,
    }
}

impl From<backups::Drill> for RestoreDrill {
    fn from(drill: backups::Drill) -> Self {
        Self {
            id: drill.id.to_string().into(),
            backup_id: drill.backup.map(|id| id.to_string().into()),
            finished_at: drill.finished_at.into(),
            has_passed: drill.has_passed,
            failure: drill.failure,
            report: drill.report,
        }
    }
}
