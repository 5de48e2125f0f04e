//! Copies of what is held about a person, made for them: access (GDPR art. 15) and portability (art. 20).
//!
//! A job makes the file, sealed under the person's own key, so an erasure makes every copy of it noise. It is fetched through
//! a link that works once; while the file is there, 72 hours, another link can be had.
//!
//! Reading order: [`request`], [`archive`] (what the file of an access holds), [`page`] (for reading), [`portability`].

pub mod archive;
pub mod page;
pub mod portability;

use std::time::Duration;

use async_trait::async_trait;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures::{Stream, stream};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr};
use uuid::Uuid;

use super::{
    Privacy,
    holding::Holding,
    information::{self, Information},
    merges, persons, recipients, subjects,
};
use crate::{
    alerts::Rule,
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{DataExportId, SubjectId, WorkspaceId},
    identity::secret::{SECRET, SecretText, is_link_secret, link_secret},
    jobs::{self, ClaimedJob, Duty, DutyContext, JobHandler, NewJob, Outcome},
    scope::{Permission, Scope},
    store::{WorkspaceTx, entity::data_exports as table},
};

/// How long a file can be fetched.
pub const KEPT: Duration = Duration::from_secs(72 * 3_600);
/// Largest file.
const LARGEST: u64 = 1 << 30;
/// A copy that is not made this long after it was asked for has lost its job; enqueueing it again does no harm if not.
const FORGOTTEN: Duration = Duration::from_secs(60);

pub(super) const JOB: &str = "export";

/// What is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportKind {
    /// Everything, with purposes, legal bases, recipients, sources and retention: an archive.
    Access,
    /// What the person provided: one JSON document with a published schema.
    Portability,
}

/// Where a copy stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExportState {
    /// Being made.
    Pending,
    /// Can be fetched.
    Ready,
    /// Gone, 72 hours after it was made.
    Expired,
}

/// A copy of what is held about a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataExport {
    /// The copy.
    pub id: DataExportId,
    /// About whom.
    pub subject: SubjectId,
    /// What is made.
    pub kind: ExportKind,
    /// Where it stands.
    pub state: ExportState,
    /// Asked for at.
    pub requested_at: Timestamp,
    /// Made at.
    pub ready_at: Option<Timestamp>,
    /// Gone from.
    pub expires_at: Option<Timestamp>,
    /// Fetched at, the last time.
    pub fetched_at: Option<Timestamp>,
    /// Its size.
    pub bytes: Option<i64>,
}

/// What opens a file, once.
pub struct Link {
    /// The last part of the address.
    pub token: SecretText,
    /// Until when.
    pub expires_at: Timestamp,
}

/// A file on its way out.
pub struct Download {
    /// Its name.
    pub file_name: String,
    /// What it is.
    pub media_type: &'static str,
    /// Its bytes.
    pub body: Box<dyn Stream<Item = Result<Bytes>> + Send + Unpin>,
}

/// Asks for a copy: of one's own data, or of another's. The same key again answers with the same copy.
///
/// # Errors
/// `Forbidden` for another's without `RIGHTS_SERVE`; `NotFound`; `Invalid` for the key; `SubjectErased`.
pub async fn request(
    scope: &Scope,
    privacy: &Privacy,
    subject: Option<SubjectId>,
    kind: ExportKind,
    idempotency_key: &str,
) -> Result<DataExport> {
    if idempotency_key.is_empty() || idempotency_key.len() > 128 {
        return Err(Error::invalid("idempotencyKey", "Give a key of 1 to 128 characters."));
    }
    let tx = privacy.store.write(scope).await?;
    let subject = persons::own_or(scope, &tx, subject, Permission::RightsServe).await?;
    let subject = merges::group(&tx, subject).await?[0];
    subjects::require_not_erased(&tx, subject).await?;
    let asked_before = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::SubjectId.eq(subject))
        .filter(table::Column::IdempotencyKey.eq(idempotency_key))
        .one(tx.db())
        .await?;
    if let Some(row) = asked_before {
        return Ok(row.into());
    }
    let row = table::Model {
        workspace_id: scope.workspace(),
        id: DataExportId::new(privacy.store.clock()),
        subject_id: subject,
        kind: kind.name().to_owned(),
        state: ExportState::Pending.name().to_owned(),
        idempotency_key: idempotency_key.to_owned(),
        requested_at: privacy.store.now(),
        requested_by: scope.actor().id(),
        ready_at: None,
        expires_at: None,
        fetched_at: None,
        bytes: None,
        blob_key: None,
        link_hash: None,
    };
    let made = table::ActiveModel {
        workspace_id: Set(row.workspace_id),
        id: Set(row.id),
        subject_id: Set(row.subject_id),
        kind: Set(row.kind.clone()),
        state: Set(row.state.clone()),
        idempotency_key: Set(row.idempotency_key.clone()),
        requested_at: Set(row.requested_at),
        requested_by: Set(row.requested_by),
        ready_at: Set(None),
        expires_at: Set(None),
        fetched_at: Set(None),
        bytes: Set(None),
        blob_key: Set(None),
        link_hash: Set(None),
    };
    table::Entity::insert(made).exec_without_returning(tx.db()).await?;
    jobs::enqueue(&tx, NewJob::new(JOB, row.id.0).priority(2)).await?;
    let event = Event::new("export.requested").target("export", row.id.0).subject(subject);
    audit::append(scope, &tx, event.detail("kind", kind.name())).await?;
    tx.commit().await?;
    privacy.store.signals().count(Rule::Exports, Some(scope.workspace()));
    Ok(row.into())
}

/// A copy: one's own, or another's.
///
/// # Errors
/// `NotFound`, also for another's without `SUBJECTS_READ`.
pub async fn get(scope: &Scope, privacy: &Privacy, id: DataExportId) -> Result<DataExport> {
    let tx = privacy.store.read(scope).await?;
    find(scope, &tx, id, Permission::SubjectsRead).await.map(DataExport::from)
}

/// Makes a link that opens the file once. An earlier one that was not used is void.
///
/// # Errors
/// `NotFound`, also for another's without `RIGHTS_SERVE`; `Conflict` while the file is being made, and once it is gone;
/// `SubjectErased`.
pub async fn link(scope: &Scope, privacy: &Privacy, id: DataExportId) -> Result<Link> {
    let tx = privacy.store.write(scope).await?;
    let row = find(scope, &tx, id, Permission::RightsServe).await?;
    subjects::require_not_erased(&tx, row.subject_id).await?;
    let expires_at = match (ExportState::of(&row), row.expires_at) {
        (ExportState::Ready, Some(at)) if at > privacy.store.now() => at,
        (ExportState::Pending, _) => return Err(Error::new(ErrorKind::Conflict, "The file is still being made.")),
        _ => return Err(Error::new(ErrorKind::Conflict, "The file is gone. Ask for another.")),
    };
    let (secret, hash) = link_secret();
    set(&tx, id, |q| q.col_expr(table::Column::LinkHash, Expr::value(hash))).await?;
    let event = Event::new("export.link_made").target("export", id.0).subject(row.subject_id);
    audit::append(scope, &tx, event).await?;
    tx.commit().await?;
    Ok(Link { token: token_of(scope.workspace(), id.0, &secret), expires_at })
}

/// Opens a file by its link, which is void from then on.
///
/// # Errors
/// `NotFound` for whatever is not a link that holds.
pub async fn redeem(privacy: &Privacy, token: &str) -> Result<Download> {
    let unknown = || Error::not_found("file");
    let (workspace, id, secret) = read_token(token).ok_or_else(unknown)?;
    let id = DataExportId(id);
    let scope = Scope::duty(workspace, "download");
    let opens = |row: &table::Model| {
        let is_right = is_link_secret(&secret, row.link_hash.as_ref());
        is_right
            && ExportState::of(row) == ExportState::Ready
            && row.expires_at.is_some_and(|at| at > privacy.store.now())
    };
    let found = {
        let tx = privacy.store.read(&scope).await?;
        table::Entity::find_by_id((workspace, id)).one(tx.db()).await?.filter(opens)
    };
    // Nobody who guesses makes the database write.
    found.ok_or_else(unknown)?;
    let tx = privacy.store.write(&scope).await?;
    let row = table::Entity::find_by_id((workspace, id)).lock_exclusive().one(tx.db()).await?.filter(opens);
    let row = row.ok_or_else(unknown)?;
    let path = row.blob_key.clone().ok_or_else(unknown)?;
    let key = match privacy.store.vault().subject_key(workspace, row.subject_id).await {
        Err(error) if error.kind() == ErrorKind::SubjectErased => return Err(unknown()),
        key => key?,
    };
    set(&tx, id, |q| {
        q.col_expr(table::Column::LinkHash, Expr::value(Option::<Vec<u8>>::None))
            .col_expr(table::Column::FetchedAt, Expr::value(privacy.store.now()))
    })
    .await?;
    let event = Event::new("export.fetched").target("export", id.0).subject(row.subject_id);
    audit::append(&scope, &tx, event).await?;
    tx.commit().await?;
    let body = privacy.blobs.get(&key, workspace, &path).await?;
    let (file_name, media_type) = match ExportKind::parse(&row.kind) {
        ExportKind::Access => (format!("{id}.zip"), "application/zip"),
        ExportKind::Portability => (format!("{id}.json"), "application/json"),
    };
    Ok(Download { file_name, media_type, body: Box::new(body) })
}

/// What a link ends with: where its file is, and what opens it.
pub(crate) fn token_of(workspace: WorkspaceId, id: Uuid, secret: &[u8; SECRET]) -> SecretText {
    let whole = [workspace.0.as_bytes().as_slice(), id.as_bytes(), secret].concat();
    SecretText::new(BASE64_URL_SAFE_NO_PAD.encode(whole))
}

/// What [`token_of`] wrote.
pub(crate) fn read_token(token: &str) -> Option<(WorkspaceId, Uuid, [u8; SECRET])> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(token).ok()?;
    let (workspace, rest) = bytes.split_first_chunk::<16>()?;
    let (id, secret) = rest.split_first_chunk::<16>()?;
    let secret: [u8; SECRET] = secret.try_into().ok()?;
    Some((WorkspaceId(Uuid::from_bytes(*workspace)), Uuid::from_bytes(*id), secret))
}

/// Copies that were made for these persons, newest first.
pub(crate) async fn of(tx: &WorkspaceTx, all: &[SubjectId]) -> Result<Vec<DataExport>> {
    let rows = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::SubjectId.is_in(all.iter().copied()))
        .order_by_desc(table::Column::Id)
        .limit(100)
        .all(tx.db())
        .await?;
    Ok(rows.into_iter().map(DataExport::from).collect())
}

/// The files of a workspace's copies, for whoever looks for files that nothing names.
///
/// # Errors
/// `Unavailable`.
pub async fn files(tx: &WorkspaceTx) -> Result<Vec<String>> {
    let paths: Vec<Option<String>> = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::BlobKey.is_not_null())
        .select_only()
        .column(table::Column::BlobKey)
        .into_tuple()
        .all(tx.db())
        .await?;
    Ok(paths.into_iter().flatten().collect())
}

/// Lets the files of a person end now: they hold what is not theirs any more.
pub(super) async fn end(tx: &WorkspaceTx, subject: SubjectId) -> Result<()> {
    table::Entity::update_many()
        .col_expr(table::Column::ExpiresAt, Expr::value(tx.store().now()))
        .col_expr(table::Column::LinkHash, Expr::value(Option::<Vec<u8>>::None))
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::SubjectId.eq(subject))
        .filter(table::Column::State.eq(ExportState::Ready.name()))
        .exec(tx.db())
        .await?;
    Ok(())
}

async fn find(scope: &Scope, tx: &WorkspaceTx, id: DataExportId, permission: Permission) -> Result<table::Model> {
    let unknown = || Error::not_found("export");
    let row = table::Entity::find_by_id((tx.workspace(), id)).one(tx.db()).await?.ok_or_else(unknown)?;
    persons::allow(scope, tx, row.subject_id, permission).await.map_err(|_| unknown())?;
    Ok(row)
}

async fn set(
    tx: &WorkspaceTx,
    id: DataExportId,
    with: impl FnOnce(sea_orm::UpdateMany<table::Entity>) -> sea_orm::UpdateMany<table::Entity>,
) -> Result<()> {
    with(table::Entity::update_many())
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// What a file is made from.
pub(super) struct Gathered {
    pub export: DataExport,
    pub workspace: WorkspaceId,
    pub information: Information,
    pub persons: Vec<SubjectId>,
    pub made_at: Timestamp,
    pub holders: Vec<(&'static str, Vec<Holding>)>,
    pub recipients: Vec<recipients::GotData>,
}

/// Makes the files.
pub struct ExportHandler(pub Privacy);

#[async_trait]
impl JobHandler for ExportHandler {
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
        match self.make(&job.scope, DataExportId(job.target)).await {
            // There is nobody any more to make it for.
            Err(error) if matches!(error.kind(), ErrorKind::SubjectErased | ErrorKind::NotFound) => Ok(Outcome::Done),
            made => made.map(|()| Outcome::Done),
        }
    }
}

impl ExportHandler {
    async fn make(&self, scope: &Scope, id: DataExportId) -> Result<()> {
        let privacy = &self.0;
        let Some(gathered) = self.gather(scope, id).await? else { return Ok(()) };
        let file = match gathered.export.kind {
            ExportKind::Access => archive::build(&gathered)?,
            ExportKind::Portability => portability::build(&gathered)?,
        };
        let key = privacy.store.vault().subject_key(scope.workspace(), gathered.export.subject).await?;
        let body = stream::iter([Ok(Bytes::from(file))]);
        let stored = privacy.blobs.put(&key, scope.workspace(), id.0, body, LARGEST).await?;
        let tx = privacy.store.write(scope).await?;
        let now = privacy.store.now();
        let ready = table::Entity::update_many()
            .col_expr(table::Column::State, Expr::value(ExportState::Ready.name()))
            .col_expr(table::Column::ReadyAt, Expr::value(now))
            .col_expr(table::Column::ExpiresAt, Expr::value(now.plus(KEPT)))
            .col_expr(table::Column::Bytes, Expr::value(i64::try_from(stored.bytes).unwrap_or(i64::MAX)))
            .col_expr(table::Column::BlobKey, Expr::value(stored.path.clone()))
            .filter(table::Column::WorkspaceId.eq(scope.workspace()))
            .filter(table::Column::Id.eq(id))
            .filter(table::Column::State.eq(ExportState::Pending.name()))
            .exec(tx.db())
            .await?;
        if ready.rows_affected == 0 {
            // Erased meanwhile: the file would be nobody's.
            drop(tx);
            return privacy.blobs.delete(&stored.path).await;
        }
        let event = Event::new("export.made").target("export", id.0).subject(gathered.export.subject);
        audit::append(scope, &tx, event).await?;
        tx.commit().await
    }

    /// All that is held, of every holder.
    async fn gather(&self, scope: &Scope, id: DataExportId) -> Result<Option<Gathered>> {
        let privacy = &self.0;
        let (export, persons, recipients, information) = {
            let tx = privacy.store.read_for_rights(scope).await?;
            let row = table::Entity::find_by_id((scope.workspace(), id)).one(tx.db()).await?;
            let Some(row) = row.filter(|row| ExportState::of(row) == ExportState::Pending) else { return Ok(None) };
            subjects::require_not_erased(&tx, row.subject_id).await?;
            let persons = merges::group(&tx, row.subject_id).await?;
            let recipients = recipients::of(&tx, &persons).await?;
            (DataExport::from(row), persons, recipients, information::current(&tx).await?)
        };
        let mut holders = Vec::with_capacity(privacy.holders.len());
        for holder in privacy.holders.iter() {
            let mut of_holder: Vec<Holding> = Vec::new();
            for subject in &persons {
                for more in holder.export(scope, *subject).await? {
                    match of_holder.iter_mut().find(|known| known.table == more.table) {
                        Some(known) => known.rows.extend(more.rows),
                        None => of_holder.push(more),
                    }
                }
            }
            holders.push((holder.name(), of_holder));
        }
        let (workspace, made_at) = (scope.workspace(), privacy.store.now());
        Ok(Some(Gathered { export, workspace, information, persons, made_at, holders, recipients }))
    }
}

/// Takes away files whose time is over, and puts lost jobs back.
pub struct ExportSweep(pub Privacy);

#[async_trait]
impl Duty for ExportSweep {
    fn name(&self) -> &'static str {
        "export-sweep"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(600)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        for scope in context.scopes().await? {
            self.enqueue_forgotten(&scope).await?;
            self.drop_expired(&scope).await?;
        }
        Ok(())
    }
}

impl ExportSweep {
    async fn enqueue_forgotten(&self, scope: &Scope) -> Result<()> {
        let tx = self.0.store.write(scope).await?;
        let forgotten = table::Entity::find()
            .filter(table::Column::WorkspaceId.eq(scope.workspace()))
            .filter(table::Column::State.eq(ExportState::Pending.name()))
            .filter(table::Column::RequestedAt.lt(self.0.store.now().minus(FORGOTTEN)))
            .limit(1_000)
            .all(tx.db())
            .await?;
        for row in forgotten {
            jobs::enqueue(&tx, NewJob::new(JOB, row.id.0).priority(2)).await?;
        }
        tx.commit().await
    }

    async fn drop_expired(&self, scope: &Scope) -> Result<()> {
        let privacy = &self.0;
        let expired = {
            let tx = privacy.store.read(scope).await?;
            table::Entity::find()
                .filter(table::Column::WorkspaceId.eq(scope.workspace()))
                .filter(table::Column::State.eq(ExportState::Ready.name()))
                .filter(table::Column::ExpiresAt.lte(privacy.store.now()))
                .limit(1_000)
                .all(tx.db())
                .await?
        };
        for row in expired {
            if let Some(path) = &row.blob_key {
                privacy.blobs.delete(path).await?;
            }
            let tx = privacy.store.write(scope).await?;
            set(&tx, row.id, |q| {
                q.col_expr(table::Column::State, Expr::value(ExportState::Expired.name()))
                    .col_expr(table::Column::BlobKey, Expr::value(Option::<String>::None))
                    .col_expr(table::Column::LinkHash, Expr::value(Option::<Vec<u8>>::None))
            })
            .await?;
            tx.commit().await?;
        }
        Ok(())
    }
}

impl ExportKind {
    /// The name in the table and in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::Access => "ACCESS",
            Self::Portability => "PORTABILITY",
        }
    }

    fn parse(name: &str) -> Self {
        if name == "PORTABILITY" { Self::Portability } else { Self::Access }
    }
}

impl ExportState {
    fn name(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Ready => "READY",
            Self::Expired => "EXPIRED",
        }
    }

    fn of(row: &table::Model) -> Self {
        match row.state.as_str() {
            "READY" => Self::Ready,
            "EXPIRED" => Self::Expired,
            _ => Self::Pending,
        }
    }
}

impl From<table::Model> for DataExport {
    fn from(row: table::Model) -> Self {
        Self {
            state: ExportState::of(&row),
            id: row.id,
            subject: row.subject_id,
            kind: ExportKind::parse(&row.kind),
            requested_at: row.requested_at,
            ready_at: row.ready_at,
            expires_at: row.expires_at,
            fetched_at: row.fetched_at,
            bytes: row.bytes,
        }
    }
}
