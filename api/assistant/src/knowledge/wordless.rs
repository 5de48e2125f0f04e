//! Gives words to passages that were stored before words were counted, so that they are found by them too.
//!
//! A document at a time, and only what lacks words: stopped and started again, it goes on. Nothing is embedded. Points go to
//! an index that is a server before the words are stored, so that one that is down leaves the document for the next time.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use consigne_foundation::{
    Result, Scope,
    id::DocumentId,
    jobs::{Duty, DutyContext},
    store::WorkspaceTx,
    vault::{Key, TermNumbers},
    workspaces,
};
use consigne_sdk::words::Language;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr};

use super::{Knowledge, chunk, lexicon, search, terms::PassageTerms};
use crate::entity::{documents, passages as table};

/// Passages of one step.
const STEP: u64 = 200;

/// Steps of one workspace in one run: others are waiting.
const MOST_STEPS: usize = 50;

/// The duty.
pub struct WordSweep(pub Knowledge);

#[async_trait]
impl Duty for WordSweep {
    fn name(&self) -> &'static str {
        "word-sweep"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(300)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        for scope in context.scopes().await? {
            let mut filled = 0;
            for _ in 0..MOST_STEPS {
                match step(&scope, &self.0).await {
                    Ok(0) => break,
                    Ok(some) => filled += some,
                    // The other workspaces have their turn all the same.
                    Err(error) => {
                        tracing::warn!(workspace = %scope.workspace(), %error, "passages got no words yet");
                        break;
                    }
                }
            }
            if filled > 0 {
                tracing::info!(workspace = %scope.workspace(), filled, "passages got words");
            }
        }
        Ok(())
    }
}

/// Fills in the words of some passages of one document, and says of how many.
async fn step(scope: &Scope, knowledge: &Knowledge) -> Result<usize> {
    let vault = knowledge.store.vault();
    let key = vault.workspace_key(scope.workspace()).await?;
    let numbers = vault.term_numbers(scope.workspace()).await?;
    let mut rows = {
        let tx = knowledge.store.read(scope).await?;
        let one = wordless(&tx).one(tx.db()).await?;
        let Some(one) = one else { return Ok(0) };
        of_document(&tx, one.document_id).all(tx.db()).await?
    };
    let terms = words_of(&key, &numbers, &rows)?;
    for (row, terms) in rows.iter_mut().zip(&terms) {
        row.terms_sealed = Some(key.seal(&search::place(row, "terms_sealed"), &terms.to_bytes()));
    }
    search::put_ahead(scope, knowledge, &rows).await?;
    store(scope, knowledge, &rows, &terms).await?;
    Ok(rows.len())
}

fn words_of(key: &Key, numbers: &TermNumbers, rows: &[table::Model]) -> Result<Vec<PassageTerms>> {
    let mut languages: HashMap<&str, Language> = HashMap::new();
    let terms = rows.iter().map(|row| {
        let headings = key.open_text(&search::place(row, "headings_sealed"), &row.headings_sealed)?;
        let headings: Vec<String> = headings.lines().map(str::to_owned).collect();
        let text = key.open_text(&search::place(row, "text_sealed"), &row.text_sealed)?;
        let code = row.language.as_deref().unwrap_or_default();
        let language = languages.entry(code).or_insert_with(|| Language::of(code));
        Ok(PassageTerms::of(&chunk::embedded_text(&headings, &text), language, numbers))
    });
    terms.collect()
}

/// Stores the words of those that still lack them, and counts them where they can be found. The document is held first, then
/// the workspace, as whoever publishes or deletes it does.
async fn store(scope: &Scope, knowledge: &Knowledge, rows: &[table::Model], terms: &[PassageTerms]) -> Result<()> {
    let tx = knowledge.store.write(scope).await?;
    let Some(document) = rows.first().map(|row| row.document_id) else { return Ok(()) };
    documents::Entity::find_by_id((scope.workspace(), document)).lock_exclusive().one(tx.db()).await?;
    let version = workspaces::next_knowledge_version(&tx, 0).await?;
    let mut changes = lexicon::Changes::default();
    for (row, terms) in rows.iter().zip(terms) {
        let of_row = || {
            table::Entity::update_many()
                .filter(table::Column::WorkspaceId.eq(scope.workspace()))
                .filter(table::Column::Id.eq(row.id))
        };
        let filled = of_row()
            .col_expr(table::Column::TermsSealed, Expr::value(row.terms_sealed.clone()))
            .filter(table::Column::TermsSealed.is_null())
            .exec(tx.db())
            .await?;
        if filled.rows_affected == 0 {
            continue;
        }
        let found = of_row()
            .col_expr(table::Column::KnowledgeVersion, Expr::value(version))
            .filter(table::Column::KnowledgeVersion.gt(0))
            .exec(tx.db())
            .await?;
        if found.rows_affected == 1 {
            changes.come(terms);
        }
    }
    changes.write(&tx).await?;
    tx.commit().await
}

fn wordless(tx: &WorkspaceTx) -> sea_orm::Select<table::Entity> {
    table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::TermsSealed.is_null())
}

fn of_document(tx: &WorkspaceTx, document: DocumentId) -> sea_orm::Select<table::Entity> {
    wordless(tx).filter(table::Column::DocumentId.eq(document)).order_by_asc(table::Column::Id).limit(STEP)
}
