//! Restriction of processing (GDPR art. 18): data is stored, and nothing else. The database itself refuses what would be
//! written and hides what is there (`migrations::restriction`); here it is decided, recorded and lifted. Export and erasure
//! go on.
//!
//! A person lifts a restriction of their own at once. Anybody else has to have told the person before (art. 18(3)), and that
//! they did is on record with the time.

use std::collections::HashSet;

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr};

use super::{Privacy, merges, persons, subjects};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{RestrictionId, SubjectId},
    scope::{Permission, Scope},
    store::{
        Notice, Topic, WorkspaceTx,
        entity::{restrictions as table, subjects as subject_table},
    },
};

/// Why processing is restricted: the letters of art. 18(1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ground {
    /// (a) The person contests that the data is accurate.
    AccuracyContested,
    /// (b) The processing is unlawful, and the person does not want erasure.
    Unlawful,
    /// (c) Nobody but the person needs the data, for legal claims.
    NeededForClaims,
    /// (d) The person objected, and it is being looked at whose grounds weigh more.
    ObjectionPending,
}

/// How a person was told that a restriction will be lifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoticeMeans {
    /// By e-mail.
    Email,
    /// By letter.
    Letter,
    /// By telephone.
    Phone,
    /// In person, or another way.
    Other,
}

/// A restriction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restriction {
    /// The restriction.
    pub id: RestrictionId,
    /// Of whose data.
    pub subject: SubjectId,
    /// Why.
    pub ground: Ground,
    /// Since when.
    pub restricted_at: Timestamp,
    /// When the person was told that it will be lifted.
    pub noticed_at: Option<Timestamp>,
    /// How.
    pub notice_means: Option<NoticeMeans>,
    /// Until when.
    pub lifted_at: Option<Timestamp>,
}

/// Restricts the processing of a person's data. Where it is restricted already nothing changes.
///
/// # Errors
/// `Forbidden` for another's without `RIGHTS_SERVE`; `NotFound`; `Conflict` for a member; `SubjectErased`.
pub async fn restrict(scope: &Scope, privacy: &Privacy, subject: SubjectId, ground: Ground) -> Result<Restriction> {
    let tx = privacy.store.write(scope).await?;
    persons::allow(scope, &tx, subject, Permission::RightsServe).await?;
    let all = merges::group(&tx, subject).await?;
    let main = persons::row(&tx, all[0]).await?;
    subjects::require_not_erased(&tx, main.id).await?;
    if main.kind == subjects::MEMBER {
        return Err(Error::new(
            ErrorKind::Conflict,
            "The data of a member is needed while the membership lasts. End the membership, and nothing is processed any more.",
        ));
    }
    if let Some(standing) = standing(&tx, main.id).await? {
        return Ok(standing);
    }
    // What is under way ends first, then the rows are held: whoever writes about the person holds them too, and is done.
    for one in &all {
        for holder in privacy.holders.iter() {
            holder.restrict(&tx, *one).await?;
        }
    }
    let now = privacy.store.now();
    set(&tx, &all, Some(now)).await?;
    let rows = all.iter().map(|one| table::ActiveModel {
        workspace_id: Set(scope.workspace()),
        id: Set(RestrictionId::new(privacy.store.clock())),
        subject_id: Set(*one),
        ground: Set(ground.name().to_owned()),
        restricted_at: Set(now),
        restricted_by: Set(scope.actor().id()),
        noticed_at: Set(None),
        noticed_by: Set(None),
        notice_means: Set(None),
        lifted_at: Set(None),
        lifted_by: Set(None),
    });
    table::Entity::insert_many(rows).exec_without_returning(tx.db()).await?;
    let made = standing(&tx, main.id).await?.ok_or_else(|| Error::not_found("restriction"))?;
    let event = Event::new("subject.restricted").target("restriction", made.id.0).subject(main.id);
    audit::append(scope, &tx, event.detail("ground", ground.name())).await?;
    tx.commit().await?;
    Ok(made)
}

/// Writes down that the person was told, at this time, that the restriction will be lifted. It is lifted by [`lift`].
///
/// # Errors
/// `Forbidden` without `RIGHTS_SERVE`; `NotFound`; `Conflict` where nothing is restricted; `Invalid` for a time to come.
pub async fn record_notice(
    scope: &Scope,
    privacy: &Privacy,
    subject: SubjectId,
    means: NoticeMeans,
    at: Timestamp,
) -> Result<Restriction> {
    scope.require(Permission::RightsServe)?;
    let tx = privacy.store.write(scope).await?;
    let restriction = require_standing(&tx, subject).await?;
    if at > privacy.store.now() || at < restriction.restricted_at {
        return Err(Error::invalid("noticedAt", "The notice lies between the restriction and now."));
    }
    let all = merges::group(&tx, restriction.subject).await?;
    update(&tx, &all, |q| {
        q.col_expr(table::Column::NoticedAt, Expr::value(at))
            .col_expr(table::Column::NoticedBy, Expr::value(scope.actor().id()))
            .col_expr(table::Column::NoticeMeans, Expr::value(means.name()))
    })
    .await?;
    let event = Event::new("restriction.notice_recorded").target("restriction", restriction.id.0);
    audit::append(scope, &tx, event.subject(restriction.subject).detail("means", means.name())).await?;
    tx.commit().await?;
    Ok(Restriction { noticed_at: Some(at), notice_means: Some(means), ..restriction })
}

/// Lifts a restriction.
///
/// # Errors
/// `Forbidden` for another's without `RIGHTS_SERVE`; `NotFound`; `Conflict` where nothing is restricted, or the person was
/// not told before; `SubjectErased`.
pub async fn lift(scope: &Scope, privacy: &Privacy, subject: SubjectId) -> Result<Restriction> {
    let tx = privacy.store.write(scope).await?;
    persons::allow(scope, &tx, subject, Permission::RightsServe).await?;
    let is_the_person = scope.subject().is_some();
    let restriction = require_standing(&tx, subject).await?;
    subjects::require_not_erased(&tx, restriction.subject).await?;
    if !is_the_person && restriction.noticed_at.is_none() {
        return Err(Error::new(
            ErrorKind::Conflict,
            "Tell the person first and record it (recordLiftingNotice): GDPR art. 18(3).",
        ));
    }
    let all = merges::group(&tx, restriction.subject).await?;
    set(&tx, &all, None).await?;
    let now = privacy.store.now();
    update(&tx, &all, |q| {
        q.col_expr(table::Column::LiftedAt, Expr::value(now))
            .col_expr(table::Column::LiftedBy, Expr::value(scope.actor().id()))
    })
    .await?;
    for one in &all {
        for holder in privacy.holders.iter() {
            holder.lift(&tx, *one).await?;
        }
    }
    let event = Event::new("subject.restriction_lifted").target("restriction", restriction.id.0);
    audit::append(scope, &tx, event.subject(restriction.subject)).await?;
    tx.commit().await?;
    Ok(Restriction { lifted_at: Some(now), ..restriction })
}

/// The restriction that stands for a person and all who are one with them. Each of them has a row, so that what the database
/// guards by can be told from the rows alone.
pub(crate) async fn standing(tx: &WorkspaceTx, subject: SubjectId) -> Result<Option<Restriction>> {
    let main = merges::group(tx, subject).await?[0];
    let row = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::SubjectId.eq(main))
        .filter(table::Column::LiftedAt.is_null())
        .one(tx.db())
        .await?;
    Ok(row.map(Restriction::from))
}

/// Does work on a person's stored data that is a right of theirs, though it is restricted: a rectification. Nobody else sees
/// the moment in between, which ends with this transaction.
///
/// # Errors
/// Those of the work.
pub async fn for_a_right<T>(tx: &WorkspaceTx, subject: SubjectId, work: impl AsyncFnOnce() -> Result<T>) -> Result<T> {
    let since = persons::row(tx, subject).await?.restricted_at;
    if since.is_none() {
        return work().await;
    }
    set(tx, &[subject], None).await?;
    let done = work().await?;
    set(tx, &[subject], since).await?;
    Ok(done)
}

async fn require_standing(tx: &WorkspaceTx, subject: SubjectId) -> Result<Restriction> {
    persons::row(tx, subject).await?;
    let standing = standing(tx, subject).await?;
    standing.ok_or_else(|| Error::new(ErrorKind::Conflict, "The processing of this person's data is not restricted."))
}

async fn set(tx: &WorkspaceTx, all: &[SubjectId], restricted_at: Option<Timestamp>) -> Result<()> {
    subject_table::Entity::update_many()
        .col_expr(subject_table::Column::RestrictedAt, Expr::value(restricted_at))
        .filter(subject_table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(subject_table::Column::Id.is_in(all.iter().copied()))
        .exec(tx.db())
        .await?;
    for subject in all {
        tx.notify(Notice { topic: Topic::Session, id: subject.0 });
    }
    Ok(())
}

/// Changes what stands for these persons.
async fn update(
    tx: &WorkspaceTx,
    all: &[SubjectId],
    with: impl FnOnce(sea_orm::UpdateMany<table::Entity>) -> sea_orm::UpdateMany<table::Entity>,
) -> Result<()> {
    with(table::Entity::update_many())
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::SubjectId.is_in(all.iter().copied()))
        .filter(table::Column::LiftedAt.is_null())
        .exec(tx.db())
        .await?;
    Ok(())
}

impl From<table::Model> for Restriction {
    fn from(row: table::Model) -> Self {
        Self {
            id: row.id,
            subject: row.subject_id,
            ground: Ground::parse(&row.ground),
            restricted_at: row.restricted_at,
            noticed_at: row.noticed_at,
            notice_means: row.notice_means.as_deref().map(NoticeMeans::parse),
            lifted_at: row.lifted_at,
        }
    }
}

impl Ground {
    fn name(self) -> &'static str {
        match self {
            Self::AccuracyContested => "ACCURACY_CONTESTED",
            Self::Unlawful => "UNLAWFUL",
            Self::NeededForClaims => "NEEDED_FOR_CLAIMS",
            Self::ObjectionPending => "OBJECTION_PENDING",
        }
    }

    fn parse(name: &str) -> Self {
        match name {
            "UNLAWFUL" => Self::Unlawful,
            "NEEDED_FOR_CLAIMS" => Self::NeededForClaims,
            "OBJECTION_PENDING" => Self::ObjectionPending,
            _ => Self::AccuracyContested,
        }
    }
}

impl NoticeMeans {
    fn name(self) -> &'static str {
        match self {
            Self::Email => "EMAIL",
            Self::Letter => "LETTER",
            Self::Phone => "PHONE",
            Self::Other => "OTHER",
        }
    }

    fn parse(name: &str) -> Self {
        match name {
            "EMAIL" => Self::Email,
            "LETTER" => Self::Letter,
            "PHONE" => Self::Phone,
            _ => Self::Other,
        }
    }
}

/// Those whose data is restricted.
pub(super) async fn people(tx: &WorkspaceTx) -> Result<HashSet<SubjectId>> {
    let all: Vec<SubjectId> = subject_table::Entity::find()
        .filter(subject_table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(subject_table::Column::RestrictedAt.is_not_null())
        .select_only()
        .column(subject_table::Column::Id)
        .into_tuple()
        .all(tx.db())
        .await?;
    Ok(all.into_iter().collect())
}
