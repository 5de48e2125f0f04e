//! What ended is taken away: sessions, tickets, invitations, counted tries, and the keys of address tags; and signing keys are
//! retired.

use std::time::Duration;

use async_trait::async_trait;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::{invitations, ip_tags, sessions::STAYING_ABSOLUTE, signing, single_sign_on, throttle, tickets};
use crate::{
    error::Result,
    jobs::{Duty, DutyContext},
    store::entity::sessions,
};

/// Takes away what ended and retires old signing keys, every hour.
pub struct IdentitySweep;

#[async_trait]
impl Duty for IdentitySweep {
    fn name(&self) -> &'static str {
        "identity.sweep"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3600)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        let tx = context.store().write_instance().await?;
        let tries = throttle::forget(&tx).await?;
        let keys = ip_tags::destroy_old(&tx).await?;
        let tickets = tickets::sweep(&tx).await?;
        let logouts = single_sign_on::sweep(&tx).await?;
        let long_ago = context.store().now().minus(STAYING_ABSOLUTE);
        let sessions = sessions::Entity::delete_many()
            .filter(sessions::Column::CreatedAt.lte(long_ago))
            .exec(tx.db())
            .await?
            .rows_affected;
        tx.commit().await?;
        let mut invited = 0;
        for scope in context.scopes().await? {
            let tx = context.store().write(&scope).await?;
            invited += invitations::sweep(&tx).await?;
            tx.commit().await?;
        }
        let signing_keys = signing::rotate_old(context.store()).await?;
        tracing::debug!(signing_keys, tries, keys, tickets, logouts, sessions, invited, "what ended was taken away");
        Ok(())
    }
}
