//! Persons about whom a workspace holds data.
//!
//! A subject has a generation. Freezing raises it, and whatever was started under an earlier one may not be written any
//! more: an answer in flight cannot bring back what an erasure took away.

use std::collections::{HashMap, HashSet};

use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};

use crate::{
    error::{Error, ErrorKind, Result, restricted},
    id::SubjectId,
    store::{Notice, Topic, WorkspaceTx, entity::subjects},
};

/// The kind of a subject who is a member of the workspace.
pub(crate) const MEMBER: &str = "MEMBER";

/// States of a subject.
pub mod state {
    /// Data may be added.
    pub const ACTIVE: &str = "ACTIVE";
    /// Frozen: an erasure is under way.
    pub const ERASING: &str = "ERASING";
    /// A tombstone: nothing is left but the surrogate id.
    pub const ERASED: &str = "ERASED";
}

/// Makes a subject and its key.
///
/// # Errors
/// `Unavailable`.
pub async fn create(tx: &WorkspaceTx, kind: &'static str) -> Result<SubjectId> {
    let store = tx.store();
    let id = SubjectId::new(store.clock());
    store.vault().create_subject_key(tx.workspace(), id).await?;
    let row = subjects::ActiveModel {
        workspace_id: Set(tx.workspace()),
        id: Set(id),
        kind: Set(kind.to_owned()),
        state: Set(state::ACTIVE.to_owned()),
        generation: Set(1),
        created_at: Set(store.now()),
        erased_at: Set(None),
        restricted_at: Set(None),
    };
    subjects::Entity::insert(row).exec_without_returning(tx.db()).await?;
    Ok(id)
}

/// The subject's generation, if data may be added about it.
///
/// # Errors
/// `NotFound`; `SubjectErased` once an erasure began; `Restricted`.
pub async fn require_active(tx: &WorkspaceTx, subject: SubjectId) -> Result<i64> {
    generation_of(find(tx, subject).await?)
}

/// As [`require_active`], and until this writing transaction ends no freeze comes between: on Postgres it waits, on SQLite
/// there is one writer.
///
/// # Errors
/// As [`require_active`].
pub async fn hold_active(tx: &WorkspaceTx, subject: SubjectId) -> Result<i64> {
    let row = subjects::Entity::find_by_id((tx.workspace(), subject)).lock_shared().one(tx.db()).await?;
    generation_of(row)
}

/// As [`require_generation`], held as by [`hold_active`]: for transactions that write.
///
/// # Errors
/// `SubjectErased`.
pub async fn hold_generation(tx: &WorkspaceTx, subject: SubjectId, generation: i64) -> Result<()> {
    if hold_active(tx, subject).await? == generation { Ok(()) } else { Err(erased()) }
}

/// As [`hold_generation`], of many at once: those of them that may be written about under the generation named.
///
/// # Errors
/// `Unavailable`.
pub async fn hold_generations(tx: &WorkspaceTx, people: &HashMap<SubjectId, i64>) -> Result<HashSet<SubjectId>> {
    let rows = subjects::Entity::find()
        .filter(subjects::Column::WorkspaceId.eq(tx.workspace()))
        .filter(subjects::Column::Id.is_in(people.keys().copied()))
        // Always in one order, so that two who hold many never wait for each other.
        .order_by_asc(subjects::Column::Id)
        .lock_shared()
        .all(tx.db())
        .await?;
    let held = rows.into_iter().map(|row| (row.id, generation_of(Some(row)).ok()));
    Ok(held.filter(|(id, generation)| generation.as_ref() == people.get(id)).map(|(id, _)| id).collect())
}

fn generation_of(row: Option<subjects::Model>) -> Result<i64> {
    let row = row.ok_or_else(|| Error::not_found("person"))?;
    if row.state != state::ACTIVE {
        return Err(erased());
    }
    if row.restricted_at.is_some() { Err(restricted()) } else { Ok(row.generation) }
}

/// Refuses once an erasure began; a restriction does not count: for what serves a person's rights.
///
/// # Errors
/// `NotFound`; `SubjectErased`.
pub async fn require_not_erased(tx: &WorkspaceTx, subject: SubjectId) -> Result<()> {
    let row = find(tx, subject).await?.ok_or_else(|| Error::not_found("person"))?;
    if row.state == state::ACTIVE { Ok(()) } else { Err(erased()) }
}

/// Refuses a late write: one that was started under another generation.
///
/// # Errors
/// `SubjectErased`.
pub async fn require_generation(tx: &WorkspaceTx, subject: SubjectId, generation: i64) -> Result<()> {
    if require_active(tx, subject).await? == generation { Ok(()) } else { Err(erased()) }
}

/// Freezes a subject and raises its generation. Says whether it was active.
pub(super) async fn freeze(tx: &WorkspaceTx, subject: SubjectId) -> Result<bool> {
    let frozen = subjects::Entity::update_many()
        .col_expr(subjects::Column::State, Expr::value(state::ERASING))
        .col_expr(subjects::Column::Generation, Expr::col(subjects::Column::Generation).add(1))
        .filter(subjects::Column::WorkspaceId.eq(tx.workspace()))
        .filter(subjects::Column::Id.eq(subject))
        .filter(subjects::Column::State.eq(state::ACTIVE))
        .exec(tx.db())
        .await?;
    tx.notify(Notice { topic: Topic::Session, id: subject.0 });
    Ok(frozen.rows_affected == 1)
}

/// Leaves the tombstone.
pub(super) async fn bury(tx: &WorkspaceTx, subject: SubjectId) -> Result<()> {
    subjects::Entity::update_many()
        .col_expr(subjects::Column::State, Expr::value(state::ERASED))
        .col_expr(subjects::Column::ErasedAt, Expr::value(tx.store().now()))
        .filter(subjects::Column::WorkspaceId.eq(tx.workspace()))
        .filter(subjects::Column::Id.eq(subject))
        .exec(tx.db())
        .await?;
    Ok(())
}

pub(super) async fn find(tx: &WorkspaceTx, subject: SubjectId) -> Result<Option<subjects::Model>> {
    Ok(subjects::Entity::find_by_id((tx.workspace(), subject)).one(tx.db()).await?)
}

fn erased() -> Error {
    Error::new(ErrorKind::SubjectErased, "This person's data was erased, or is being erased.")
}
