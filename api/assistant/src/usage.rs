//! What models used, as numbers, and the budget that it counts against.
//!
//! A call is charged before it is made, with what it may use at most, and settled after it, with what it did use. A process
//! that dies in between leaves the charge, so a budget is never passed by dying. Charging takes the month's row first, so
//! that of many calls at once no two see the same rest.
//!
//! Invariants, as absences:
//! - No text, no person and no chat is in a row; nobody can be told apart.
//! - No call to another party is made that the budget does not cover.
//! - No call is made for a purpose that the workspace revoked: charging asks, last before a byte leaves.

use consigne_foundation::{
    Error, ErrorKind, Permission, Result, Scope, Timestamp,
    audit::{self, Event},
    id::SubjectId,
    plugins::RouteFacts,
    privacy::{
        Purpose, admission,
        recipients::{self, Why},
    },
    store::{Store, WorkspaceTx},
};
use consigne_sdk::ProcessorRole;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
    sea_query::{Expr, OnConflict},
};

use crate::{
    entity::{usage_days as days, usage_months as months},
    policy::{self, Policy},
};

/// A warning comes at this part of a budget, in hundredths.
const WARN_AT: i128 = 80;

/// What a call was for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An answer, or work on its question, for this person.
    Answer(Option<SubjectId>),
    /// A correction, or its reasons.
    Correction,
}

impl Kind {
    /// The name in the database.
    pub fn name(self) -> &'static str {
        match self {
            Self::Answer(_) => "ANSWER",
            Self::Correction => "CORRECTION",
        }
    }

    fn purpose(self) -> Purpose {
        match self {
            Self::Answer(_) => Purpose::Answering,
            Self::Correction => Purpose::Correction,
        }
    }
}

/// Tokens read and written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tokens {
    /// Read.
    pub input: u32,
    /// Written.
    pub output: u32,
}

/// A call that was charged.
#[must_use = "a charge that is not settled stays"]
pub struct Charge {
    kind: Kind,
    facts: RouteFacts,
    day: i64,
    month: i64,
    charged: Tokens,
}

/// What a route did on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Day {
    /// Days since 1970 (UTC).
    pub day: i64,
    /// The plugin.
    pub route: String,
    /// `ANSWER` or `CORRECTION`.
    pub kind: String,
    /// How many calls.
    pub calls: i64,
    /// Tokens read.
    pub input_tokens: i64,
    /// Tokens written.
    pub output_tokens: i64,
    /// Money, in millionths.
    pub micros: i64,
}

/// How a month stands.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Tokens used.
    pub tokens: i64,
    /// The limit, if there is one.
    pub monthly_tokens: Option<i64>,
    /// Money used, in millionths.
    pub micros: i64,
    /// The limit, if there is one.
    pub monthly_micros: Option<i64>,
    /// When four fifths of a limit were reached.
    pub warned_at: Option<Timestamp>,
    /// When a call was refused for the first time.
    pub stopped_at: Option<Timestamp>,
}

/// Charges a call that may use so many tokens, and writes `event`, if any, in the same transaction, and who is about to get
/// data about whom. What runs inside this installation costs no budget.
///
/// # Errors
/// `LimitExceeded` where the budget does not cover it; `PurposeRefused` where the workspace revoked what it is for; `Restricted`.
pub async fn charge(
    scope: &Scope,
    store: &Store,
    kind: Kind,
    facts: &RouteFacts,
    most: Tokens,
    event: Option<Event>,
) -> Result<Charge> {
    let internal = facts.processing.role == ProcessorRole::Internal;
    let charged = if internal { Tokens::default() } else { most };
    let now = store.now();
    let charge = Charge { kind, facts: facts.clone(), day: now.day(), month: month_of(now), charged };
    let tx = store.write(scope).await?;
    if let Some(refusal) = admission::refusal(&tx, kind.purpose(), None).await? {
        drop(tx);
        return Err(admission::write_down(scope, store, refusal).await?);
    }
    let policy = policy::current(&tx).await?;
    let month = hold(&tx, charge.month).await?;
    let (tokens, micros) = (month.tokens + charge.tokens(), month.micros + charge.micros());
    let covered = |limit: Option<i64>, used: i64| limit.is_none_or(|limit| used <= limit);
    let is_covered = covered(policy.monthly_tokens, tokens) && covered(policy.monthly_micros, micros);
    if !internal && !is_covered {
        if month.stopped_at.is_none() {
            mark(&tx, charge.month, months::Column::StoppedAt, now).await?;
            audit::append(scope, &tx, Event::new("budget.exhausted").detail("month", name_of(charge.month))).await?;
            tx.commit().await?;
        }
        return Err(Error::new(ErrorKind::LimitExceeded, "The month's budget does not cover this."));
    }
    add(&tx, &charge, 1, charge.charged, charge.micros()).await?;
    warn(scope, &tx, &policy, charge.month, now).await?;
    match kind {
        Kind::Answer(Some(subject)) => {
            recipients::record(&tx, subject, facts.plugin, &facts.processing, Why::Answering).await?;
        }
        Kind::Answer(None) => {}
        Kind::Correction => {
            recipients::record_own(scope, &tx, facts.plugin, &facts.processing, Why::Correction).await?;
        }
    }
    if let Some(event) = event {
        audit::append(scope, &tx, event).await?;
    }
    tx.commit().await?;
    Ok(charge)
}

/// Puts what was used in the place of what was charged. Where the other side did not say, `used` is `None`: the charge
/// stays.
///
/// # Errors
/// Those of the store.
pub async fn settle(scope: &Scope, store: &Store, charge: Charge, used: Option<Tokens>) -> Result<()> {
    let Some(used) = used.filter(|used| *used != charge.charged) else { return Ok(()) };
    let tx = store.write(scope).await?;
    hold(&tx, charge.month).await?;
    let cost = |tokens: Tokens| cost_of(&charge.facts, tokens);
    let more = cost(used) - cost(charge.charged);
    let difference = (
        i64::from(used.input) - i64::from(charge.charged.input),
        i64::from(used.output) - i64::from(charge.charged.output),
    );
    add_difference(&tx, &charge, difference, more).await?;
    let policy = policy::current(&tx).await?;
    warn(scope, &tx, &policy, charge.month, store.now()).await?;
    tx.commit().await
}

/// What was used on the days from `from` on, newest first.
///
/// # Errors
/// `Forbidden` without `WORKSPACE_READ`.
pub async fn list(scope: &Scope, store: &Store, from: i64, most: u64) -> Result<Vec<Day>> {
    scope.require(Permission::WorkspaceRead)?;
    let tx = store.read(scope).await?;
    let rows = days::Entity::find()
        .filter(days::Column::WorkspaceId.eq(scope.workspace()))
        .filter(days::Column::Day.gte(from))
        .order_by_desc(days::Column::Day)
        .order_by_asc(days::Column::Route)
        .order_by_asc(days::Column::Kind)
        .limit(most)
        .all(tx.db())
        .await?;
    let read = |row: days::Model| Day {
        day: row.day,
        route: row.route,
        kind: row.kind,
        calls: row.calls,
        input_tokens: row.input_tokens,
        output_tokens: row.output_tokens,
        micros: row.micros,
    };
    Ok(rows.into_iter().map(read).collect())
}

/// How this month stands.
///
/// # Errors
/// `Forbidden` without `WORKSPACE_READ`.
pub async fn standing(scope: &Scope, store: &Store) -> Result<Standing> {
    scope.require(Permission::WorkspaceRead)?;
    let tx = store.read(scope).await?;
    let policy = policy::current(&tx).await?;
    let row = months::Entity::find_by_id((scope.workspace(), month_of(store.now()))).one(tx.db()).await?;
    let mut standing = Standing {
        monthly_tokens: policy.monthly_tokens,
        monthly_micros: policy.monthly_micros,
        ..Standing::default()
    };
    if let Some(row) = row {
        (standing.tokens, standing.micros) = (row.tokens, row.micros);
        (standing.warned_at, standing.stopped_at) = (row.warned_at, row.stopped_at);
    }
    Ok(standing)
}

impl Charge {
    fn tokens(&self) -> i64 {
        i64::from(self.charged.input) + i64::from(self.charged.output)
    }

    fn micros(&self) -> i64 {
        cost_of(&self.facts, self.charged)
    }
}

fn cost_of(facts: &RouteFacts, tokens: Tokens) -> i64 {
    i64::try_from(facts.price.micros(tokens.input.into(), tokens.output.into())).unwrap_or(i64::MAX >> 8)
}

/// Months since the year 0 (UTC).
fn month_of(at: Timestamp) -> i64 {
    let text = at.rfc3339();
    let part =
        |range: std::ops::Range<usize>| text.get(range).and_then(|digits| digits.parse::<i64>().ok()).unwrap_or(0);
    part(0..4) * 12 + part(5..7) - 1
}

/// `2026-11`.
pub(crate) fn name_of(month: i64) -> String {
    format!("{:04}-{:02}", month.div_euclid(12), month.rem_euclid(12) + 1)
}

/// The month's row, made where it is missing and locked until the transaction ends.
async fn hold(tx: &WorkspaceTx, month: i64) -> Result<months::Model> {
    let row = months::ActiveModel {
        workspace_id: Set(tx.workspace()),
        month: Set(month),
        tokens: Set(0),
        micros: Set(0),
        warned_at: Set(None),
        stopped_at: Set(None),
    };
    let there = OnConflict::columns([months::Column::WorkspaceId, months::Column::Month]).do_nothing().to_owned();
    months::Entity::insert(row).on_conflict(there).try_insert().exec_without_returning(tx.db()).await?;
    let row = months::Entity::find_by_id((tx.workspace(), month)).lock_exclusive().one(tx.db()).await?;
    row.ok_or_else(|| Error::internal("a month that was just made is not there"))
}

async fn add(tx: &WorkspaceTx, charge: &Charge, calls: i64, tokens: Tokens, micros: i64) -> Result<()> {
    let row = days::ActiveModel {
        workspace_id: Set(tx.workspace()),
        day: Set(charge.day),
        route: Set(charge.facts.plugin.to_owned()),
        kind: Set(charge.kind.name().to_owned()),
        calls: Set(0),
        input_tokens: Set(0),
        output_tokens: Set(0),
        micros: Set(0),
    };
    let key = [days::Column::WorkspaceId, days::Column::Day, days::Column::Route, days::Column::Kind];
    let there = OnConflict::columns(key).do_nothing().to_owned();
    days::Entity::insert(row).on_conflict(there).try_insert().exec_without_returning(tx.db()).await?;
    let sql =
        "UPDATE usage_days SET calls = calls + $5 WHERE workspace_id = $1 AND day = $2 AND route = $3 AND kind = $4";
    let count = Statement::from_sql_and_values(
        tx.store().backend(),
        sql,
        [tx.workspace().into(), charge.day.into(), charge.facts.plugin.into(), charge.kind.name().into(), calls.into()],
    );
    tx.db().execute_raw(count).await?;
    add_difference(tx, charge, (tokens.input.into(), tokens.output.into()), micros).await
}

async fn add_difference(tx: &WorkspaceTx, charge: &Charge, (input, output): (i64, i64), micros: i64) -> Result<()> {
    let sql = "UPDATE usage_days SET input_tokens = input_tokens + $5, output_tokens = output_tokens + $6, \
               micros = micros + $7 WHERE workspace_id = $1 AND day = $2 AND route = $3 AND kind = $4";
    let day = Statement::from_sql_and_values(
        tx.store().backend(),
        sql,
        [
            tx.workspace().into(),
            charge.day.into(),
            charge.facts.plugin.into(),
            charge.kind.name().into(),
            input.into(),
            output.into(),
            micros.into(),
        ],
    );
    tx.db().execute_raw(day).await?;
    let sql =
        "UPDATE usage_months SET tokens = tokens + $3, micros = micros + $4 WHERE workspace_id = $1 AND month = $2";
    let month = Statement::from_sql_and_values(
        tx.store().backend(),
        sql,
        [tx.workspace().into(), charge.month.into(), (input + output).into(), micros.into()],
    );
    tx.db().execute_raw(month).await?;
    Ok(())
}

/// Says once a month that four fifths of a limit are reached.
async fn warn(scope: &Scope, tx: &WorkspaceTx, policy: &Policy, month: i64, now: Timestamp) -> Result<()> {
    let row = hold(tx, month).await?;
    let near = |limit: Option<i64>, used: i64| {
        limit.is_some_and(|limit| i128::from(used) * 100 >= i128::from(limit) * WARN_AT && used > 0)
    };
    if row.warned_at.is_some() || !(near(policy.monthly_tokens, row.tokens) || near(policy.monthly_micros, row.micros))
    {
        return Ok(());
    }
    mark(tx, month, months::Column::WarnedAt, now).await?;
    audit::append(scope, tx, Event::new("budget.warned").detail("month", name_of(month))).await?;
    Ok(())
}

async fn mark(tx: &WorkspaceTx, month: i64, column: months::Column, now: Timestamp) -> Result<()> {
    months::Entity::update_many()
        .col_expr(column, Expr::value(now))
        .filter(months::Column::WorkspaceId.eq(tx.workspace()))
        .filter(months::Column::Month.eq(month))
        .exec(tx.db())
        .await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_begins_at_midnight_utc() {
        let last = Timestamp(1_796_083_199_999);
        assert_eq!(
            (last.rfc3339().as_str(), name_of(month_of(last)).as_str()),
            ("2026-11-30T23:59:59.999Z", "2026-11")
        );
        assert_eq!(name_of(month_of(Timestamp(last.0 + 1))), "2026-12");
    }
}
