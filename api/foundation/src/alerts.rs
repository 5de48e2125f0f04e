//! Alerts: what looks like an attack or a fault is said once, within a minute.
//!
//! What happens is counted in the process that sees it ([`Signals`]) and written down every few seconds by the minute, so
//! that several gateways count together. A duty adds up what lies within each rule's window, and raises an alert where it is too
//! much: a line of the log, a number for the operator's monitoring, a mail to the operator, and, where it is about one workspace,
//! an entry in its audit log. While it goes on, the same alert comes again after its window and not before.
//!
//! Reading order: [`Rule`], [`Signals`], [`AlertWatch`].
//!
//! Invariants, as absences:
//! - Nothing here says who or what: a rule, a workspace, a number and a time.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use consigne_sdk::{Mail, Mailer, egress};
use sea_orm::{ConnectionTrait, QueryResult, Statement};
use uuid::Uuid;

use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::WorkspaceId,
    jobs::{Duty, DutyContext},
    scope::Scope,
    store::Store,
};

/// Signals are kept as long as the longest window.
const KEPT_MINUTES: i64 = 24 * 60;

/// How long what was said is remembered.
const REMEMBERED: Duration = Duration::from_secs(30 * 24 * 3_600);

/// What is watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Many passwords or codes are wrong, anywhere.
    FailedSignIns,
    /// A refresh token that was used before was used again: it, or its session, is in two hands.
    TokenReuse,
    /// Somebody asks for many ids that their workspace does not have, such as those of others.
    UnknownIds,
    /// Many copies of people's data, or of a workspace, are made.
    Exports,
    /// An audit chain is not what was written.
    BrokenChain,
    /// A plugin tried to reach a host that it did not declare.
    ForbiddenHost,
    /// The root key served its time, and only a person can make another.
    RootKeyDue,
    /// There is a new root key, which a person has to copy to where the old one's copy is.
    RootKeyMade,
    /// Somebody came in by the password that a workspace keeps for when its identity provider is down.
    BreakGlass,
    /// The record by which a workspace's domain counts is gone, or was gone for so long that it counts no more.
    DomainLost,
}

impl Rule {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::FailedSignIns,
        Self::TokenReuse,
        Self::UnknownIds,
        Self::Exports,
        Self::BrokenChain,
        Self::ForbiddenHost,
        Self::RootKeyDue,
        Self::RootKeyMade,
        Self::BreakGlass,
        Self::DomainLost,
    ];

    /// Its name in logs, numbers and the audit log.
    pub fn name(self) -> &'static str {
        match self {
            Self::FailedSignIns => "FAILED_SIGN_INS",
            Self::TokenReuse => "TOKEN_REUSE",
            Self::UnknownIds => "UNKNOWN_IDS",
            Self::Exports => "EXPORTS",
            Self::BrokenChain => "BROKEN_CHAIN",
            Self::ForbiddenHost => "FORBIDDEN_HOST",
            Self::RootKeyDue => "ROOT_KEY_DUE",
            Self::RootKeyMade => "ROOT_KEY_MADE",
            Self::BreakGlass => "BREAK_GLASS",
            Self::DomainLost => "DOMAIN_LOST",
        }
    }

    /// From how many within how many minutes on it is too much.
    pub fn limit(self) -> (i64, i64) {
        match self {
            Self::FailedSignIns => (30, 10),
            Self::TokenReuse | Self::BreakGlass => (1, 10),
            Self::UnknownIds => (60, 10),
            Self::Exports => (20, 60),
            Self::BrokenChain | Self::RootKeyDue | Self::RootKeyMade => (1, KEPT_MINUTES),
            Self::ForbiddenHost | Self::DomainLost => (1, 60),
        }
    }

    fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }
}

/// What this process saw and has not written down yet.
#[derive(Default)]
pub struct Signals(Mutex<BTreeMap<(Rule, Uuid), i64>>);

impl Signals {
    /// It happened once more, in this workspace or, without one, in the installation.
    pub fn count(&self, rule: Rule, about: Option<WorkspaceId>) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *seen.entry((rule, about.map_or(Uuid::nil(), |workspace| workspace.0))).or_default() += 1;
    }

    /// Writes down what was seen. Where that fails it is seen again the next time.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn write(&self, store: &Store) -> Result<()> {
        (0..egress::take_refused()).for_each(|_| self.count(Rule::ForbiddenHost, None));
        let seen = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let written = insert(store, &seen).await;
        if written.is_err() {
            let mut later = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            seen.into_iter().for_each(|(key, count)| *later.entry(key).or_default() += count);
        }
        written
    }
}

async fn insert(store: &Store, seen: &BTreeMap<(Rule, Uuid), i64>) -> Result<()> {
    if seen.is_empty() {
        return Ok(());
    }
    let (tx, minute) = (store.write_instance_relaxed().await?, minute_of(store.now()));
    for ((rule, about), count) in seen {
        let sql = "INSERT INTO alert_signals (rule, about, minute, seen) VALUES ($1, $2, $3, $4) \
                   ON CONFLICT (rule, about, minute) DO UPDATE SET seen = alert_signals.seen + excluded.seen";
        let values = [rule.name().into(), (*about).into(), minute.into(), (*count).into()];
        tx.execute_raw(Statement::from_sql_and_values(store.backend(), sql, values)).await?;
    }
    tx.commit().await
}

fn minute_of(at: Timestamp) -> i64 {
    at.0.div_euclid(60_000)
}

/// What is counted of alerts.
pub trait AlertMeter: Send + Sync {
    /// An alert was raised.
    fn raised(&self, rule: &'static str);
}

/// Who is told.
#[derive(Clone)]
pub struct Operator {
    /// The mail server of the installation.
    pub mailer: Arc<dyn Mailer>,
    /// The address.
    pub address: String,
}

/// Adds up and raises, every twenty seconds.
pub struct AlertWatch {
    /// Who is told by mail, where anybody is.
    pub operator: Option<Operator>,
    /// Counts.
    pub meter: Arc<dyn AlertMeter>,
}

/// Something that was too much.
struct Alert {
    rule: Rule,
    about: Uuid,
    seen: i64,
    raised_at: Timestamp,
}

#[async_trait]
impl Duty for AlertWatch {
    fn name(&self) -> &'static str {
        "alerts"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(20)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        let store = context.store();
        store.signals().write(store).await?;
        for alert in raise(store).await? {
            let (rule, about) = (alert.rule.name(), WorkspaceId(alert.about));
            let is_of_workspace = !alert.about.is_nil();
            let workspace = if is_of_workspace { about.to_string() } else { String::new() };
            tracing::error!(rule, workspace, seen = alert.seen, "alert");
            self.meter.raised(rule);
            if is_of_workspace {
                let scope = Scope::duty(about, self.name());
                let tx = store.write(&scope).await?;
                let event = Event::new("alert.raised").detail("rule", rule).detail("seen", alert.seen);
                audit::append(&scope, &tx, event).await?;
                tx.commit().await?;
            }
        }
        self.tell(store).await
    }
}

/// Decides, in one transaction, what is raised now; old signals go with it.
async fn raise(store: &Store) -> Result<Vec<Alert>> {
    let (now, minute) = (store.now(), minute_of(store.now()));
    let tx = store.write_instance().await?;
    let sql = "DELETE FROM alert_signals WHERE minute <= $1";
    tx.execute_raw(Statement::from_sql_and_values(store.backend(), sql, [(minute - KEPT_MINUTES).into()])).await?;
    let sql = "DELETE FROM alerts WHERE raised_at <= $1";
    tx.execute_raw(Statement::from_sql_and_values(store.backend(), sql, [now.minus(REMEMBERED).into()])).await?;
    let rows = |sql: &'static str| tx.query_all_raw(Statement::from_string(store.backend(), sql));
    let mut before = BTreeMap::new();
    for row in rows("SELECT rule, about, seen, raised_at FROM alerts").await? {
        if let Some(alert) = Alert::read(&row)? {
            before.insert((alert.rule, alert.about), alert.raised_at);
        }
    }
    let mut sums = BTreeMap::<(Rule, Uuid), i64>::new();
    for row in rows("SELECT rule, about, minute, seen FROM alert_signals").await? {
        let Some(rule) = Rule::parse(&row.try_get::<String>("", "rule")?) else { continue };
        let about: Uuid = row.try_get("", "about")?;
        // What was said already does not count again.
        let said = before.get(&(rule, about)).map_or(i64::MIN, |at| minute_of(*at));
        let at: i64 = row.try_get("", "minute")?;
        if at > minute - rule.limit().1 && at > said {
            *sums.entry((rule, about)).or_default() += row.try_get::<i64>("", "seen")?;
        }
    }
    let mut raised = Vec::new();
    for ((rule, about), seen) in sums {
        let (most, window) = rule.limit();
        let is_quiet = before.get(&(rule, about)).is_none_or(|at| minute_of(*at) <= minute - window);
        if seen >= most && is_quiet {
            let sql = "INSERT INTO alerts (rule, about, seen, raised_at) VALUES ($1, $2, $3, $4) ON CONFLICT (rule, about) \
                       DO UPDATE SET seen = excluded.seen, raised_at = excluded.raised_at, told_at = NULL";
            let values = [rule.name().into(), about.into(), seen.into(), now.into()];
            tx.execute_raw(Statement::from_sql_and_values(store.backend(), sql, values)).await?;
            raised.push(Alert { rule, about, seen, raised_at: now });
        }
    }
    tx.commit().await?;
    Ok(raised)
}

impl Alert {
    fn read(row: &QueryResult) -> Result<Option<Self>> {
        let Some(rule) = Rule::parse(&row.try_get::<String>("", "rule")?) else { return Ok(None) };
        let raised_at = Timestamp(row.try_get("", "raised_at")?);
        Ok(Some(Self { rule, about: row.try_get("", "about")?, seen: row.try_get("", "seen")?, raised_at }))
    }
}

impl AlertWatch {
    /// Mails what was not mailed yet. What cannot be sent is tried again the next time.
    async fn tell(&self, store: &Store) -> Result<()> {
        let Some(operator) = &self.operator else { return Ok(()) };
        let untold = {
            let tx = store.read_instance().await?;
            let sql = "SELECT rule, about, seen, raised_at FROM alerts WHERE told_at IS NULL";
            tx.query_all_raw(Statement::from_string(store.backend(), sql)).await?
        };
        for row in &untold {
            let Some(alert) = Alert::read(row)? else { continue };
            match operator.mailer.send(mail(&alert, &operator.address)).await.map_err(Error::from) {
                // An address that no server takes is for the operator to mend; the log and the numbers say it all the same.
                Err(error) if error.kind() != ErrorKind::Forbidden => {
                    tracing::warn!(?error, "an alert could not be mailed");
                    continue;
                }
                Err(error) => tracing::error!(?error, "no mail server takes the address that alerts go to"),
                Ok(()) => {}
            }
            let tx = store.write_instance().await?;
            let sql = "UPDATE alerts SET told_at = $1 WHERE rule = $2 AND about = $3 AND raised_at = $4";
            let values = [store.now().into(), alert.rule.name().into(), alert.about.into(), alert.raised_at.into()];
            tx.execute_raw(Statement::from_sql_and_values(store.backend(), sql, values)).await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

fn mail(alert: &Alert, to: &str) -> Mail {
    let (rule, (most, window)) = (alert.rule.name(), alert.rule.limit());
    let place = match alert.about.is_nil() {
        true => "the installation".to_owned(),
        false => format!("the workspace {}", WorkspaceId(alert.about)),
    };
    let text = format!(
        "{rule}: {seen} within {window} minutes in {place}; from {most} on it is said.\n\nThe log and the audit log have the \
         rest. While it goes on, this comes again every {window} minutes.\n",
        seen = alert.seen
    );
    Mail {
        key: format!("alert-{}-{}", alert.about.as_simple(), alert.raised_at.0),
        to: to.to_owned(),
        subject: format!("Consigne: {rule}"),
        text,
        at: alert.raised_at.0,
    }
}

/// Reads every audit chain from end to end, every hour.
pub struct ChainWatch;

#[async_trait]
impl Duty for ChainWatch {
    fn name(&self) -> &'static str {
        "alerts.chains"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(3_600)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        for workspace in audit::audited_workspaces(context.store()).await? {
            if !audit::verify(context.store(), workspace).await?.is_intact() {
                context.store().signals().count(Rule::BrokenChain, Some(workspace));
            }
        }
        Ok(())
    }
}
