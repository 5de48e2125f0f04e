//! How long what is kept, and what would go now.

use async_graphql::{Context, InputObject, Object, Result, SimpleObject};
use consigne_foundation::{
    Permission,
    privacy::retention::{self, Policy},
};

use super::{
    context::ContextExt,
    error::{UserError, refuse, split},
    scalars::DateTime,
};

/// How long a class of data is kept in this workspace.
#[derive(SimpleObject, Clone)]
pub struct RetentionPolicy {
    /// The class: a table of the register of personal data.
    pub class: String,
    /// How long, as the register says it, before it is shortened here.
    pub sentence: String,
    /// How long here, as ISO 8601 writes it: `P12M`.
    pub period: String,
    /// The longest that it may be.
    pub longest_period: String,
    /// The shortest that it may be; null where there is none.
    pub shortest_period: Option<String>,
}

/// What would be deleted now.
#[derive(SimpleObject, Clone)]
pub struct RetentionReport {
    /// The class: a table of the register of personal data.
    pub class: String,
    /// How long it is kept here, as ISO 8601 writes it.
    pub period: String,
    /// Rows whose time is over. What hangs on them goes with them.
    pub expired: i32,
    /// Rows whose time is over and that are held.
    pub held: i32,
    /// Since when the oldest of them is over; null where there is none.
    pub over_since: Option<DateTime>,
    /// Whether something should have been gone for more than a day.
    pub is_backlog: bool,
}

/// What to keep for how long.
#[derive(InputObject)]
pub struct SetRetentionInput {
    /// The class, as `retentionPolicies` names it.
    pub class: String,
    /// How long, as ISO 8601 writes it: `P6M`. Never longer than the register says; null puts the register's back.
    pub period: Option<String>,
}

/// The policy as it is now, or why it is not changed.
#[derive(SimpleObject)]
pub struct SetRetentionPayload {
    /// The policy.
    pub policy: Option<RetentionPolicy>,
    /// Why it is not changed.
    pub user_errors: Vec<UserError>,
}

/// Reading how long what is kept.
#[derive(Default)]
pub struct RetentionQuery;

#[Object]
impl RetentionQuery {
    /// How long each class of data is kept in this workspace, in the order in which they are carried out.
    async fn retention_policies(&self, ctx: &Context<'_>) -> Result<Vec<RetentionPolicy>> {
        let scope = ctx.scope(Permission::PrivacyRead)?;
        let policies = ctx.services().retention.policies(&scope).await.map_err(refuse)?;
        Ok(policies.into_iter().map(RetentionPolicy::from).collect())
    }

    /// What the next run would delete, counted by the path that deletes. Nothing is changed by asking.
    async fn retention_report(&self, ctx: &Context<'_>) -> Result<Vec<RetentionReport>> {
        let scope = ctx.scope(Permission::PrivacyRead)?;
        let now = ctx.store().now();
        let counted = ctx.services().retention.report(&scope).await.map_err(refuse)?;
        let number = |n: u64| i32::try_from(n).unwrap_or(i32::MAX);
        let shown = |class: retention::Counted| RetentionReport {
            is_backlog: class.is_backlog(now),
            period: class.period.to_string(),
            class: class.class,
            expired: number(class.expired),
            held: number(class.held),
            over_since: class.over_since.map(DateTime::from),
        };
        Ok(counted.into_iter().map(shown).collect())
    }
}

/// Changing how long what is kept.
#[derive(Default)]
pub struct RetentionMutation;

#[Object]
impl RetentionMutation {
    /// Keeps a class of data for a shorter time in this workspace. The next hourly run goes by it.
    async fn set_retention(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: SetRetentionInput,
    ) -> Result<SetRetentionPayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let set = ctx.services().retention.set_policy(&scope, &input.class, input.period.as_deref()).await;
        let (policy, user_errors) = split(set)?;
        Ok(SetRetentionPayload { policy: policy.map(RetentionPolicy::from), user_errors })
    }
}

impl From<Policy> for RetentionPolicy {
    fn from(policy: Policy) -> Self {
        Self {
            class: policy.class,
            sentence: policy.sentence,
            period: policy.period.to_string(),
            longest_period: policy.longest.to_string(),
            shortest_period: policy.shortest.map(|period| period.to_string()),
        }
    }
}
