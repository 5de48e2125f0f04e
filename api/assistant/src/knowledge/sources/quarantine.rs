//! Quarantine: nothing of a source is found or cited, from the next search on, until it is released.
//!
//! Pausing and quarantining are two things. A paused source is not crawled, and answers still rest on what it brought. A
//! source in quarantine goes on being crawled, so that it can mend itself, and no answer rests on it. Nothing is deleted:
//! each search leaves its documents out, in the index, and once more where passages are read from the database.

use std::collections::HashSet;

use consigne_foundation::{
    Permission, Result, Scope,
    audit::{self, Event},
    id::{DocumentId, SourceId},
    store::WorkspaceTx,
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr};
use uuid::Uuid;

use super::{Source, control, find, frontier::Round};
use crate::{
    entity::{documents, sources as table},
    knowledge::Knowledge,
};

/// What becomes of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quarantine {
    /// Nothing of it is found any more.
    Begins,
    /// It is found again.
    Ends,
}

/// Puts a source into quarantine, or releases it. Once more changes nothing.
///
/// # Errors
/// `Forbidden`, `NotFound`.
pub async fn set(scope: &Scope, knowledge: &Knowledge, id: SourceId, quarantine: Quarantine) -> Result<Source> {
    scope.require(Permission::KnowledgeWrite)?;
    let tx = knowledge.store.write(scope).await?;
    let row = control::hold_usable(&tx, id).await?;
    let begins = quarantine == Quarantine::Begins;
    if row.quarantined_at.is_some() == begins {
        return Ok(row.into());
    }
    let since = begins.then(|| knowledge.store.now());
    Round { source: id, number: 0 }
        .update(&tx)
        .col_expr(table::Column::QuarantinedAt, Expr::value(since))
        .exec(tx.db())
        .await?;
    let source = find(&tx, id).await?;
    let action = if begins { "source.quarantined" } else { "source.released" };
    audit::append(scope, &tx, Event::new(action).target("source", id.0)).await?;
    tx.commit().await?;
    Ok(source.into())
}

/// The sources of the workspace that are in quarantine now.
pub(crate) async fn sources(tx: &WorkspaceTx) -> Result<Vec<Uuid>> {
    let ids: Vec<SourceId> = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::QuarantinedAt.is_not_null())
        .select_only()
        .column(table::Column::Id)
        .into_tuple()
        .all(tx.db())
        .await?;
    Ok(ids.into_iter().map(|id| id.0).collect())
}

/// Those of the documents whose source is in quarantine now.
pub(crate) async fn hidden(
    tx: &WorkspaceTx,
    documents: impl IntoIterator<Item = DocumentId>,
) -> Result<HashSet<DocumentId>> {
    let sources = sources(tx).await?;
    if sources.is_empty() {
        return Ok(HashSet::new());
    }
    let hidden: Vec<DocumentId> = documents::Entity::find()
        .filter(documents::Column::WorkspaceId.eq(tx.workspace()))
        .filter(documents::Column::Id.is_in(documents))
        .filter(documents::Column::SourceId.is_in(sources))
        .select_only()
        .column(documents::Column::Id)
        .into_tuple()
        .all(tx.db())
        .await?;
    Ok(hidden.into_iter().collect())
}
