//! Where texts may go, what may be spent on models, and what was.

use async_graphql::{Context, Enum, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use consigne_assistant::{policy, usage};
use consigne_foundation::{Permission, Timestamp};

use super::{
    context::ContextExt,
    error::{UserError, refuse, split},
    scalars::DateTime,
};

/// Days shown where none are named: this month and the last.
const USUAL_DAYS: i32 = 62;
const MOST_DAYS: i32 = 400;
const MOST_ROWS: u64 = 2_000;
const MICROS: f64 = 1_000_000.0;

/// Into which regions texts may go (GDPR chapter V).
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "policy::Transfers")]
pub enum Transfers {
    /// This installation and the European Economic Area.
    EuOnly,
    /// Also a country for which an adequacy decision or standard clauses are declared.
    Safeguarded,
    /// Anywhere, undeclared places too.
    Any,
}

/// What a text can hold that is not processed without a recorded ground.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "policy::Concern")]
pub enum SensitiveConcern {
    /// Passwords, keys and tokens in a text to be corrected. They are masked even then.
    Secrets,
    /// Special categories of personal data (GDPR art. 9) in a text to be corrected. They cannot be masked.
    SpecialCategories,
    /// Passwords, keys and tokens in what a visitor writes.
    SecretsInChats,
    /// Special categories of personal data in what a visitor writes about a person.
    SpecialCategoriesInChats,
}

/// Why texts with such a thing in them may be processed.
#[derive(SimpleObject)]
pub struct ProcessingGround {
    /// For what.
    pub concern: SensitiveConcern,
    /// Why it is lawful, in the workspace's own words.
    pub ground: String,
    /// Recorded at. Who did it stands in the audit log.
    pub recorded_at: DateTime,
}

/// What the workspace allows with texts.
#[derive(SimpleObject)]
pub struct ProcessingPolicy {
    /// Into which regions they may go.
    pub transfers: Transfers,
    /// Tokens a calendar month (UTC) that models of other parties may use; no limit where null.
    pub monthly_tokens: Option<f64>,
    /// Money a calendar month (UTC), in the currency that prices are given in; no limit where null.
    pub monthly_money: Option<f64>,
    /// The plugin that corrects; the first that the workspace uses where null.
    pub corrector: Option<String>,
    /// Whether visitors may have their texts corrected.
    pub visitors_may_correct: bool,
    /// Why secrets or special categories may be processed.
    pub grounds: Vec<ProcessingGround>,
}

/// What the workspace is to allow; what is left out stays.
#[derive(InputObject)]
pub struct ProcessingPolicyInput {
    /// Into which regions texts may go.
    pub transfers: Option<Transfers>,
    /// Tokens a calendar month (UTC); null takes the limit away.
    pub monthly_tokens: MaybeUndefined<f64>,
    /// Money a calendar month (UTC), in the currency that prices are given in; null takes the limit away.
    pub monthly_money: MaybeUndefined<f64>,
    /// The plugin that corrects; null for the first that the workspace uses.
    pub corrector: MaybeUndefined<String>,
    /// Whether visitors may have their texts corrected.
    pub visitors_may_correct: Option<bool>,
}

/// A ground to be recorded.
#[derive(InputObject)]
pub struct RecordProcessingGroundInput {
    /// For what.
    pub concern: SensitiveConcern,
    /// Why it is lawful; 10 to 1,000 characters.
    pub ground: String,
}

/// A ground to be taken back.
#[derive(InputObject)]
pub struct WithdrawProcessingGroundInput {
    /// For what.
    pub concern: SensitiveConcern,
}

/// The grounds that hold now, or why they were not changed.
#[derive(SimpleObject)]
pub struct ProcessingGroundsPayload {
    /// The grounds.
    pub grounds: Option<Vec<ProcessingGround>>,
    /// Why they were not changed.
    pub user_errors: Vec<UserError>,
}

/// What a plugin did on a day.
#[derive(SimpleObject)]
pub struct UsageDay {
    /// The day's beginning (UTC).
    pub day: DateTime,
    /// The plugin.
    pub plugin_id: String,
    /// For what: `ANSWER` or `CORRECTION`.
    pub kind: String,
    /// How many calls.
    pub calls: f64,
    /// Tokens read.
    pub input_tokens: f64,
    /// Tokens written.
    pub output_tokens: f64,
    /// What it cost, in the currency that prices are given in.
    pub money: f64,
}

/// How this month's budget stands.
#[derive(SimpleObject)]
pub struct BudgetStanding {
    /// Tokens used, charged for calls under way included.
    pub tokens: f64,
    /// The limit; none where null.
    pub monthly_tokens: Option<f64>,
    /// Money used.
    pub money: f64,
    /// The limit; none where null.
    pub monthly_money: Option<f64>,
    /// When four fifths of a limit were reached.
    pub warned_at: Option<DateTime>,
    /// When a call was refused for the first time.
    pub stopped_at: Option<DateTime>,
}

/// What models used.
#[derive(SimpleObject)]
pub struct Usage {
    /// This month's budget.
    pub budget: BudgetStanding,
    /// By day, plugin and purpose, newest first.
    pub days: Vec<UsageDay>,
}

/// Reading usage and models.
#[derive(Default)]
pub struct ModelQuery;

#[Object]
impl ModelQuery {
    /// What models used: numbers only, of the workspace as a whole.
    async fn usage(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many days back, at most 400; 62 where left out.")] days: Option<i32>,
    ) -> Result<Usage> {
        let scope = ctx.scope(Permission::WorkspaceRead)?;
        let back = i64::from(days.unwrap_or(USUAL_DAYS).clamp(1, MOST_DAYS));
        let from = ctx.store().now().day() - back + 1;
        let standing = usage::standing(&scope, ctx.store()).await.map_err(refuse)?;
        let rows = usage::list(&scope, ctx.store(), from, MOST_ROWS).await.map_err(refuse)?;
        Ok(Usage { budget: standing.into(), days: rows.into_iter().map(UsageDay::from).collect() })
    }

    /// What the workspace allows with texts.
    async fn processing_policy(&self, ctx: &Context<'_>) -> Result<ProcessingPolicy> {
        let scope = ctx.scope(Permission::WorkspaceRead)?;
        let policy = policy::get(&scope, ctx.store()).await.map_err(refuse)?;
        let grounds = policy::grounds(&scope, ctx.store()).await.map_err(refuse)?;
        Ok(ProcessingPolicy::of(policy, grounds))
    }

    /// The models that a plugin's key may use, as its other side lists them.
    async fn models(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The plugin.")] plugin_id: String,
    ) -> Result<Vec<String>> {
        let scope = ctx.scope(Permission::PluginsWrite)?;
        let registry = &ctx.services().registry;
        let model = registry.chat_model(&scope, ctx.store(), &plugin_id).await.map_err(refuse)?;
        model.models().await.map_err(|error| refuse(error.into()))
    }
}

/// Recording grounds.
#[derive(Default)]
pub struct ModelMutation;

#[Object]
impl ModelMutation {
    /// Records why texts with secrets or special categories of personal data in them may be processed.
    async fn record_processing_ground(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RecordProcessingGroundInput,
    ) -> Result<ProcessingGroundsPayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let recorded = policy::record_ground(&scope, ctx.store(), input.concern.into(), &input.ground).await;
        ProcessingGroundsPayload::of(recorded)
    }

    /// Takes a ground back; texts with such a thing in them are refused again.
    async fn withdraw_processing_ground(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: WithdrawProcessingGroundInput,
    ) -> Result<ProcessingGroundsPayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        ProcessingGroundsPayload::of(policy::withdraw_ground(&scope, ctx.store(), input.concern.into()).await)
    }
}

impl ProcessingGroundsPayload {
    fn of(result: consigne_foundation::Result<Vec<policy::Ground>>) -> Result<Self> {
        let (grounds, user_errors) = split(result)?;
        let grounds = grounds.map(|all| all.into_iter().map(ProcessingGround::from).collect());
        Ok(Self { grounds, user_errors })
    }
}

impl ProcessingPolicy {
    /// With the grounds that were recorded.
    pub fn of(policy: policy::Policy, grounds: Vec<policy::Ground>) -> Self {
        Self {
            transfers: policy.transfers.into(),
            monthly_tokens: policy.monthly_tokens.map(|tokens| tokens as f64),
            monthly_money: policy.monthly_micros.map(money),
            corrector: policy.corrector,
            visitors_may_correct: policy.visitors_may_correct,
            grounds: grounds.into_iter().map(ProcessingGround::from).collect(),
        }
    }
}

impl From<ProcessingPolicyInput> for policy::PolicyChange {
    fn from(input: ProcessingPolicyInput) -> Self {
        let nested = |limit: MaybeUndefined<f64>, unit: f64| -> Option<Option<i64>> {
            let limit: Option<Option<f64>> = limit.into();
            // What is no number of a budget is refused where it is checked.
            limit.map(|limit| limit.map(|limit| (limit * unit).round() as i64))
        };
        Self {
            transfers: input.transfers.map(policy::Transfers::from),
            monthly_tokens: nested(input.monthly_tokens, 1.0),
            monthly_micros: nested(input.monthly_money, MICROS),
            corrector: input.corrector.into(),
            visitors_may_correct: input.visitors_may_correct,
        }
    }
}

impl From<policy::Ground> for ProcessingGround {
    fn from(ground: policy::Ground) -> Self {
        Self { concern: ground.concern.into(), ground: ground.ground, recorded_at: ground.recorded_at.into() }
    }
}

impl From<usage::Day> for UsageDay {
    fn from(day: usage::Day) -> Self {
        Self {
            day: Timestamp(day.day * 86_400_000).into(),
            plugin_id: day.route,
            kind: day.kind,
            calls: day.calls as f64,
            input_tokens: day.input_tokens as f64,
            output_tokens: day.output_tokens as f64,
            money: money(day.micros),
        }
    }
}

impl From<usage::Standing> for BudgetStanding {
    fn from(standing: usage::Standing) -> Self {
        Self {
            tokens: standing.tokens as f64,
            monthly_tokens: standing.monthly_tokens.map(|tokens| tokens as f64),
            money: money(standing.micros),
            monthly_money: standing.monthly_micros.map(money),
            warned_at: standing.warned_at.map(DateTime::from),
            stopped_at: standing.stopped_at.map(DateTime::from),
        }
    }
}

fn money(micros: i64) -> f64 {
    micros as f64 / MICROS
}
