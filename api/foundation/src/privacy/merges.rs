//! Persons who are one: a record, and nothing is moved. Each row stays under the person, and the key, under which it was
//! written; a right that is used about one of them is used about all. So a merge cannot lose anything, needs no step that
//! could stop half way, and a split restores exactly what was before.

use std::collections::HashSet;

use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, sea_query::Expr};

use super::{exports, identifiers, persons, subjects};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{MergeId, SubjectId},
    scope::{Permission, Scope},
    store::{Store, WorkspaceTx, entity::subject_merges as table},
};

/// Persons that may be one; a chain of merges is no longer than that either.
const MOST: usize = 100;

/// A record that two persons are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge {
    /// The record.
    pub id: MergeId,
    /// The person who is found under the other one from then on.
    pub absorbed: SubjectId,
    /// The person who stands for both.
    pub into: SubjectId,
    /// Merged at.
    pub merged_at: Timestamp,
    /// Split again at.
    pub split_at: Option<Timestamp>,
}

/// Says that two persons are one, who is found as `into`.
///
/// # Errors
/// `Forbidden` without `RIGHTS_SERVE`; `NotFound`; `Conflict` where they are one already, one is a member and the other is not,
/// or the data of only one is restricted; `SubjectErased`.
pub async fn merge(scope: &Scope, store: &Store, absorbed: SubjectId, into: SubjectId) -> Result<Merge> {
    scope.require(Permission::RightsServe)?;
    let tx = store.write(scope).await?;
    let (absorbed, into) = (root(&tx, absorbed).await?, root(&tx, into).await?);
    let (one, other) = (persons::row(&tx, absorbed).await?, persons::row(&tx, into).await?);
    subjects::require_not_erased(&tx, absorbed).await?;
    subjects::require_not_erased(&tx, into).await?;
    let refuse = |why: &str| Err(Error::new(ErrorKind::Conflict, why));
    if absorbed == into {
        return refuse("They are one person already.");
    }
    if one.kind != other.kind {
        return refuse("A member and a visitor stay apart: their data is held for different purposes.");
    }
    if identifiers::account_of(&tx, absorbed).await?.is_some() {
        return refuse("Two members stay apart: each signs in with an account of their own.");
    }
    if one.restricted_at.is_some() != other.restricted_at.is_some() {
        return refuse(
            "The processing of only one's data is restricted. Restrict the other's too, or lift the restriction.",
        );
    }
    if group(&tx, absorbed).await?.len() + group(&tx, into).await?.len() > MOST {
        return refuse("Too many persons would be one.");
    }
    let row = table::Model {
        workspace_id: scope.workspace(),
        id: MergeId::new(store.clock()),
        absorbed_id: absorbed,
        into_id: into,
        merged_at: store.now(),
        merged_by: scope.actor().id(),
        split_at: None,
        split_by: None,
    };
    let made = table::ActiveModel {
        workspace_id: Set(row.workspace_id),
        id: Set(row.id),
        absorbed_id: Set(row.absorbed_id),
        into_id: Set(row.into_id),
        merged_at: Set(row.merged_at),
        merged_by: Set(row.merged_by),
        split_at: Set(None),
        split_by: Set(None),
    };
    table::Entity::insert(made).exec_without_returning(tx.db()).await?;
    let event = Event::new("subject.merged").target("merge", row.id.0).subject(into);
    audit::append(scope, &tx, event.detail("absorbed", absorbed.to_string())).await?;
    tx.commit().await?;
    Ok(row.into())
}

/// Says that two persons were not one after all. Everything is each one's again, as before the merge.
///
/// # Errors
/// `Forbidden` without `RIGHTS_SERVE`; `NotFound`; `Conflict` where they were split before, or their data is restricted;
/// `SubjectErased`.
pub async fn split(scope: &Scope, store: &Store, id: MergeId) -> Result<Merge> {
    scope.require(Permission::RightsServe)?;
    let tx = store.write(scope).await?;
    let row = table::Entity::find_by_id((scope.workspace(), id)).one(tx.db()).await?;
    let row = row.ok_or_else(|| Error::not_found("merge"))?;
    subjects::require_active(&tx, row.absorbed_id).await?;
    let split = table::Entity::update_many()
        .col_expr(table::Column::SplitAt, Expr::value(store.now()))
        .col_expr(table::Column::SplitBy, Expr::value(scope.actor().id()))
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::Id.eq(id))
        .filter(table::Column::SplitAt.is_null())
        .exec(tx.db())
        .await?;
    if split.rows_affected == 0 {
        return Err(Error::new(ErrorKind::Conflict, "They were split before."));
    }
    exports::end(&tx, root(&tx, row.into_id).await?).await?;
    let event = Event::new("subject.split").target("merge", id.0).subject(row.into_id);
    audit::append(scope, &tx, event.detail("absorbed", row.absorbed_id.to_string())).await?;
    tx.commit().await?;
    Ok(Merge { split_at: Some(store.now()), ..row.into() })
}

/// All that are one with this person, the one who stands for all first.
pub(crate) async fn group(tx: &WorkspaceTx, subject: SubjectId) -> Result<Vec<SubjectId>> {
    let mut all = vec![root(tx, subject).await?];
    let mut looked_at = 0;
    while looked_at < all.len() {
        let newly: Vec<SubjectId> = standing(tx)
            .filter(table::Column::IntoId.is_in(all[looked_at..].iter().copied()))
            .order_by_asc(table::Column::Id)
            .all(tx.db())
            .await?
            .into_iter()
            .map(|row| row.absorbed_id)
            .collect();
        looked_at = all.len();
        let known: HashSet<SubjectId> = all.iter().copied().collect();
        all.extend(newly.into_iter().filter(|id| !known.contains(id)));
    }
    Ok(all)
}

/// The records of these persons, the oldest first, those that were split too.
pub(crate) async fn of(tx: &WorkspaceTx, subjects: &[SubjectId]) -> Result<Vec<Merge>> {
    let about = Condition::any()
        .add(table::Column::AbsorbedId.is_in(subjects.iter().copied()))
        .add(table::Column::IntoId.is_in(subjects.iter().copied()));
    let rows = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(about)
        .order_by_asc(table::Column::Id)
        .all(tx.db())
        .await?;
    Ok(rows.into_iter().map(Merge::from).collect())
}

/// The person who stands for this one.
async fn root(tx: &WorkspaceTx, subject: SubjectId) -> Result<SubjectId> {
    let mut found = subject;
    for _ in 0..MOST {
        match standing(tx).filter(table::Column::AbsorbedId.eq(found)).one(tx.db()).await? {
            None => break,
            Some(row) => found = row.into_id,
        }
    }
    Ok(found)
}

fn standing(tx: &WorkspaceTx) -> sea_orm::Select<table::Entity> {
    table::Entity::find().filter(table::Column::WorkspaceId.eq(tx.workspace())).filter(table::Column::SplitAt.is_null())
}

impl From<table::Model> for Merge {
    fn from(row: table::Model) -> Self {
        Self {
            id: row.id,
            absorbed: row.absorbed_id,
            into: row.into_id,
            merged_at: row.merged_at,
            split_at: row.split_at,
        }
    }
}
