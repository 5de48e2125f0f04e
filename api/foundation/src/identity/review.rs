//! The review of who may come in: each membership is confirmed once a quarter by somebody else, or rests.
//!
//! A membership that nobody confirmed for ninety days is due; it says so itself (`reviewDueAt`), in the audit log, and to whoever
//! looks at the members. Fourteen days later it rests: its sessions end, and it is let in again by `reactivateMember`, which counts
//! as a review. Nobody reviews themselves. The last owner who is let in is never locked out.

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use super::{
    Role,
    members::{self, require_power_over, set},
    sessions::{self, Because},
};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::AccountId,
    jobs::{Duty, DutyContext},
    scope::{Actor, Permission, Scope},
    store::{Store, WorkspaceTx, entity::memberships},
};

/// How long a membership goes without a review.
const EVERY: Duration = Duration::from_secs(90 * 24 * 3_600);

/// How long it goes on when one is due.
const GRACE: Duration = Duration::from_secs(14 * 24 * 3_600);

/// Members that one call may confirm.
const MOST: usize = 100;

/// When a membership is due to be reviewed.
pub(super) fn due_at(row: &memberships::Model) -> Timestamp {
    row.reviewed_at.unwrap_or(row.created_at).plus(EVERY)
}

/// Confirms that these members still need what they may do. Members who rest are not among them: they are let in again one by one.
///
/// # Errors
/// `Forbidden`, also for a role that is not the actor's to give; `ConfirmationRequired`; `NotFound`; `Conflict` for oneself;
/// `LimitExceeded` for more than a hundred.
pub async fn confirm(scope: &Scope, store: &Store, accounts: &[AccountId]) -> Result<()> {
    scope.require(Permission::WorkspaceWrite)?;
    scope.require_confirmed(store.now())?;
    if accounts.len() > MOST {
        return Err(Error::new(ErrorKind::LimitExceeded, format!("At most {MOST} members are confirmed at once.")));
    }
    let tx = store.write(scope).await?;
    for account in accounts {
        let row = members::find(&tx, *account).await?.filter(|row| row.suspended_at.is_none());
        let row = row.ok_or_else(|| Error::not_found("member"))?;
        require_power_over(scope, &tx, row.role.parse()?).await?;
        if matches!(scope.actor(), Actor::Member { account: own, .. } if own == *account) {
            return Err(Error::new(ErrorKind::Conflict, "Somebody else has to confirm your membership."));
        }
        reviewed(&tx, *account).await?;
        let event = Event::new("member.reviewed").target("account", account.0).detail("role", row.role);
        audit::append(scope, &tx, event).await?;
    }
    tx.commit().await
}

/// A membership was looked at now.
pub(super) async fn reviewed(tx: &WorkspaceTx, account: AccountId) -> Result<()> {
    set(tx, account, memberships::Column::ReviewedAt, tx.store().now()).await?;
    set(tx, account, memberships::Column::ReviewAskedAt, Option::<Timestamp>::None).await
}

/// Asks for reviews that are due, and lets members rest whom nobody confirmed; every hour.
pub struct AccessReview;

#[async_trait]
impl Duty for AccessReview {
    fn name(&self) -> &'static str {
        "identity.review"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3_600)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        for scope in context.scopes().await? {
            review(&scope, context.store()).await?;
        }
        Ok(())
    }
}

async fn review(scope: &Scope, store: &Store) -> Result<()> {
    let (tx, now) = (store.write(scope).await?, store.now());
    let active = memberships::Entity::find()
        .filter(memberships::Column::MemberWorkspaceId.eq(scope.workspace()))
        .filter(memberships::Column::SuspendedAt.is_null())
        .order_by_asc(memberships::Column::CreatedAt)
        .order_by_asc(memberships::Column::AccountId)
        .all(tx.db())
        .await?;
    let mut owners = active.iter().filter(|row| row.role == Role::Owner.name()).count();
    let (mut asked, mut resting) = (0_u64, Vec::new());
    for row in active.iter().filter(|row| due_at(row) <= now) {
        let is_owner = row.role == Role::Owner.name();
        if row.review_asked_at.is_none() {
            set(&tx, row.account_id, memberships::Column::ReviewAskedAt, now).await?;
            asked += 1;
        } else if row.review_asked_at.is_some_and(|at| at.plus(GRACE) <= now) && !(is_owner && owners == 1) {
            owners -= usize::from(is_owner);
            resting.push(row.account_id);
        }
    }
    for account in &resting {
        set(&tx, *account, memberships::Column::SuspendedAt, now).await?;
        sessions::end_all(&tx, *account, None, Because::MembershipEnded).await?;
        audit::append(scope, &tx, Event::new("member.unreviewed").target("account", account.0)).await?;
    }
    if asked > 0 {
        audit::append(scope, &tx, Event::new("access.review_due").detail("members", asked)).await?;
    }
    match asked > 0 || !resting.is_empty() {
        true => tx.commit().await,
        false => Ok(()),
    }
}
