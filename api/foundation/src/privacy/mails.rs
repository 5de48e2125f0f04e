//! Mails about people's rights: an outbox of rows. A row says which request and which kind; who is written to and what is
//! read from the request when it goes out, so that no address and no code waits in a queue.

mod words;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use consigne_sdk::{Mail, PluginErrorKind};
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    information::{self, Information},
    requests::{self, PrivacyRequest, deadlines, identity_check, receive::SPOKEN},
};
use crate::{
    error::{Error, ErrorKind, Result},
    id::{PrivacyRequestId, random_uuid},
    jobs::{self, ClaimedJob, JobHandler, NewJob, Outcome},
    plugins::Registry,
    scope::Scope,
    store::{Store, WorkspaceTx, entity::privacy_mails as table},
    workspaces,
};

const JOB: &str = "privacy-mail";
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a mail is tried.
const LONGEST: Duration = Duration::from_secs(3 * 86_400);

/// What a mail is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailKind {
    /// To the person: a code.
    Code,
    /// To the person: it takes longer.
    Extended,
    /// To the person: it was done.
    Fulfilled,
    /// To the person: it was refused, why, and where to complain.
    Refused,
    /// To the controller: a request came.
    Arrived,
    /// To the controller: a deadline is near or was missed.
    Alarm,
}

impl MailKind {
    const ALL: [Self; 6] = [Self::Code, Self::Extended, Self::Fulfilled, Self::Refused, Self::Arrived, Self::Alarm];

    fn name(self) -> &'static str {
        match self {
            Self::Code => "CODE",
            Self::Extended => "EXTENDED",
            Self::Fulfilled => "FULFILLED",
            Self::Refused => "REFUSED",
            Self::Arrived => "ARRIVED",
            Self::Alarm => "ALARM",
        }
    }

    fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    fn is_for_controller(self) -> bool {
        matches!(self, Self::Arrived | Self::Alarm)
    }
}

/// Puts a mail into the outbox, in the transaction that is its reason.
///
/// # Errors
/// `Unavailable`.
pub(super) async fn put(tx: &WorkspaceTx, request: Option<PrivacyRequestId>, kind: MailKind) -> Result<()> {
    let row = table::Model {
        workspace_id: tx.workspace(),
        id: random_uuid(),
        request_id: request,
        kind: kind.name().to_owned(),
        state: "PENDING".to_owned(),
        last_error: None,
        created_at: tx.store().now(),
        finished_at: None,
    };
    let id = row.id;
    table::Entity::insert(table::ActiveModel::from(row).reset_all()).exec_without_returning(tx.db()).await?;
    jobs::enqueue(tx, NewJob::new(JOB, id).priority(1)).await
}

/// Sends what is in the outbox.
pub struct PrivacyMailHandler {
    /// The database.
    pub store: Store,
    /// Mailers come from here.
    pub registry: Arc<Registry>,
}

#[async_trait]
impl JobHandler for PrivacyMailHandler {
    fn kind(&self) -> &'static str {
        JOB
    }

    fn parallel(&self) -> usize {
        4
    }

    async fn run(&self, job: &ClaimedJob) -> Result<Outcome> {
        let ended = self.send(&job.scope, job.target).await?;
        if let Some(ended) = ended {
            self.end(&job.scope, job.target, ended).await?;
        }
        Ok(Outcome::Done)
    }

    /// The row says when it is given up.
    fn never_gives_up(&self) -> bool {
        true
    }
}

/// How a mail ended.
enum Ended {
    Sent,
    /// There is nobody to write to, nothing to write with, or nothing to say any more.
    Needless(&'static str),
    Dead(&'static str),
}

impl PrivacyMailHandler {
    async fn send(&self, scope: &Scope, id: Uuid) -> Result<Option<Ended>> {
        let Some(row) = self.waiting(scope, id).await? else { return Ok(None) };
        if row.created_at.plus(LONGEST) < self.store.now() {
            return Ok(Some(Ended::Dead("UNAVAILABLE")));
        }
        let Some(kind) = MailKind::of(&row.kind) else { return Ok(Some(Ended::Dead("UNKNOWN"))) };
        let Some(request_id) = row.request_id else { return Ok(Some(Ended::Dead("UNKNOWN"))) };
        let request = match requests::get(scope, &self.store, request_id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Some(Ended::Needless("GONE"))),
            request => request?,
        };
        let (information, language) = self.about(scope, kind, &request).await?;
        let to = if kind.is_for_controller() { information.told_at() } else { request.contact.as_deref() };
        let Some(to) = to else { return Ok(Some(Ended::Needless("NO_ADDRESS"))) };
        let Some(mailer) = self.registry.mailer(scope, &self.store).await? else {
            return Ok(Some(Ended::Needless("NO_MAILER")));
        };
        let code = match kind {
            // Made now, so that it waits nowhere but in the mail; a second try makes another one.
            MailKind::Code => match identity_check::new_code(scope, &self.store, request_id).await? {
                Some(code) => code,
                None => return Ok(Some(Ended::Needless("NOT_NEEDED"))),
            },
            _ => String::new(),
        };
        let (subject, text) = words::write(kind, &language, &information, &request, &code);
        let mail = Mail { key: id.as_simple().to_string(), to: to.to_owned(), subject, text, at: self.store.now().0 };
        match timeout(PATIENCE, mailer.send(mail)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) if error.is_retryable() => return Err(error.into()),
            Ok(Err(error)) if error.kind == PluginErrorKind::Refused => return Ok(Some(Ended::Dead("REFUSED"))),
            Ok(Err(_)) => return Ok(Some(Ended::Dead("MISCONFIGURED"))),
            Err(_) => return Err(Error::new(ErrorKind::Unavailable, "The mail server did not answer in time.")),
        }
        if kind == MailKind::Arrived {
            deadlines::forwarded(scope, &self.store, request_id).await?;
        }
        Ok(Some(Ended::Sent))
    }

    /// What the public is told of the workspace, and in which language a mail is written.
    async fn about(&self, scope: &Scope, kind: MailKind, request: &PrivacyRequest) -> Result<(Information, String)> {
        let tx = self.store.read(scope).await?;
        let information = information::current(&tx).await?;
        if !kind.is_for_controller() {
            return Ok((information, request.language.clone()));
        }
        let own = workspaces::current(&tx).await?.languages;
        let language = own.into_iter().find(|language| SPOKEN.contains(&language.as_str()));
        Ok((information, language.unwrap_or_else(|| SPOKEN[0].to_owned())))
    }

    async fn waiting(&self, scope: &Scope, id: Uuid) -> Result<Option<table::Model>> {
        let tx = self.store.read(scope).await?;
        let row = table::Entity::find_by_id((scope.workspace(), id)).one(tx.db()).await?;
        Ok(row.filter(|row| row.state == "PENDING"))
    }

    async fn end(&self, scope: &Scope, id: Uuid, ended: Ended) -> Result<()> {
        let (state, error) = match ended {
            Ended::Sent => ("SENT", None),
            Ended::Needless(why) => ("NOT_SENT", Some(why)),
            Ended::Dead(why) => ("DEAD", Some(why)),
        };
        let tx = self.store.write(scope).await?;
        table::Entity::update_many()
            .col_expr(table::Column::State, Expr::value(state))
            .col_expr(table::Column::LastError, Expr::value(error))
            .col_expr(table::Column::FinishedAt, Expr::value(self.store.now()))
            .filter(table::Column::WorkspaceId.eq(scope.workspace()))
            .filter(table::Column::Id.eq(id))
            .exec(tx.db())
            .await?;
        tx.commit().await
    }
}
