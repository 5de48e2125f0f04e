//! How many findable passages of a workspace have a term.
//!
//! Changed in the transaction that changes what can be found, while it holds the workspace's row, so that the counts of
//! two transactions never wait for each other crosswise.

use std::collections::{BTreeMap, HashMap};

use consigne_foundation::{
    Result,
    id::{DocumentId, PassageId},
    store::WorkspaceTx,
    vault::Key,
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};

use uuid::Uuid;

use super::{search::points::open_terms, terms::PassageTerms};
use crate::entity::{lexicon as table, passages};

/// Passages read in one step.
const PAGE: u64 = 1_000;

/// Rows of one statement, well below what either database allows.
const MOST_ROWS: usize = 1_000;

/// Changes of the counts, by term.
#[derive(Default)]
pub(crate) struct Changes(BTreeMap<u32, i64>);

impl Changes {
    /// A passage can be found from now on.
    pub fn come(&mut self, terms: &PassageTerms) {
        terms.numbers().for_each(|number| *self.0.entry(number).or_default() += 1);
    }

    /// A passage cannot be found any more.
    pub fn go(&mut self, terms: &PassageTerms) {
        terms.numbers().for_each(|number| *self.0.entry(number).or_default() -= 1);
    }

    /// Writes them. A term that no passage has any more is forgotten.
    ///
    /// # Errors
    /// `Unavailable`.
    pub async fn write(self, tx: &WorkspaceTx) -> Result<()> {
        let changed: Vec<(u32, i64)> = self.0.into_iter().filter(|(_, by)| *by != 0).collect();
        for some in changed.chunks(MOST_ROWS) {
            let rows = some.iter().map(|(term, by)| table::ActiveModel {
                workspace_id: Set(tx.workspace()),
                term: Set(i64::from(*term)),
                passages: Set(*by),
            });
            let sum = Expr::cust("lexicon.passages + excluded.passages");
            let add = OnConflict::columns([table::Column::WorkspaceId, table::Column::Term])
                .value(table::Column::Passages, sum)
                .to_owned();
            table::Entity::insert_many(rows).on_conflict(add).exec_without_returning(tx.db()).await?;
            let fewer = some.iter().filter(|(_, by)| *by < 0).map(|(term, _)| i64::from(*term));
            table::Entity::delete_many()
                .filter(table::Column::WorkspaceId.eq(tx.workspace()))
                .filter(table::Column::Term.is_in(fewer))
                .filter(table::Column::Passages.lte(0))
                .exec(tx.db())
                .await?;
        }
        Ok(())
    }
}

/// What the counts change by where only the passages of those versions of a document that `is_kept` says can be found from
/// now on, and by how many passages there are more then.
///
/// # Errors
/// `Unavailable`; `Corrupt` where stored terms cannot be opened.
pub(crate) async fn recount(
    tx: &WorkspaceTx,
    key: &Key,
    document: DocumentId,
    is_kept: impl Fn(i64) -> bool,
) -> Result<(Changes, i64)> {
    let (mut changes, mut more, mut after) = (Changes::default(), 0, PassageId(Uuid::nil()));
    loop {
        let page: Vec<passages::Model> = passages::Entity::find()
            .filter(passages::Column::WorkspaceId.eq(tx.workspace()))
            .filter(passages::Column::DocumentId.eq(document))
            .filter(passages::Column::Id.gt(after))
            .order_by_asc(passages::Column::Id)
            .limit(PAGE)
            .all(tx.db())
            .await?;
        let Some(last) = page.last() else { return Ok((changes, more)) };
        after = last.id;
        for row in page {
            match (row.knowledge_version > 0, is_kept(row.document_version)) {
                (false, true) => {
                    changes.come(&open_terms(key, &row)?);
                    more += 1;
                }
                (true, false) => {
                    changes.go(&open_terms(key, &row)?);
                    more -= 1;
                }
                _ => {}
            }
        }
    }
}

/// How many passages have each of these terms; one that none has is left out.
///
/// # Errors
/// `Unavailable`.
pub(crate) async fn having(tx: &WorkspaceTx, terms: impl IntoIterator<Item = u32>) -> Result<HashMap<u32, i64>> {
    let rows = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::Term.is_in(terms.into_iter().map(i64::from)))
        .all(tx.db())
        .await?;
    Ok(rows.into_iter().filter_map(|row| Some((u32::try_from(row.term).ok()?, row.passages))).collect())
}
