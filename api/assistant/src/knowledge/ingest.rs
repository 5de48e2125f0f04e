//! Ingest: from a stored file to passages that can be found. Each step may be repeated.
//!
//! New passages are staged under the document's version with a knowledge version of 0, which no search sees. When all
//! are there, one transaction makes them visible and takes the old ones away. A worker that dies goes on where the
//! staged passages end, and embeds none of them again. Only that last transaction waits for the disk: what a power failure
//! takes of the others is made again.

use std::{collections::HashMap, time::Duration};

use async_trait::async_trait;
use consigne_foundation::{
    Error, Result, Scope,
    audit::{self, Event},
    error::ErrorKind,
    id::{DocumentId, PassageId},
    jobs::{self, ClaimedJob, JobHandler, NewJob, Outcome},
    privacy::{Purpose, admission},
    store::WorkspaceTx,
    vault::{Key, Place},
    workspaces,
};
use consigne_sdk::{EmbedKind, Embedder, Fingerprint, words::Language};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QuerySelect,
    sea_query::Expr,
};
use uuid::Uuid;

use super::{
    Knowledge,
    chunk::{self, Chunk, ChunkOptions},
    documents::{self, DocumentStage, DocumentState},
    embeddings::{
        change::{self, ChangeState},
        model::{self, InUse, fingerprint},
        vectors,
    },
    language, lexicon,
    parse::ParseFailure,
    purge, search,
    terms::PassageTerms,
};
use crate::entity::{documents as document_table, passages as table};

pub(crate) const JOB: &str = "ingest";

/// A look whether an index that was down is back.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// A look whether the workspace instructs again what it revoked.
const ASK_AGAIN: Duration = Duration::from_secs(600);

/// The job that ingests a document.
pub(crate) fn job(document: DocumentId) -> NewJob {
    NewJob::new(JOB, document.0)
}

/// Ingests documents.
pub struct IngestHandler(pub Knowledge);

#[async_trait]
impl JobHandler for IngestHandler {
    fn kind(&self) -> &'static str {
        JOB
    }

    fn parallel(&self) -> usize {
        self.0.limits.parallel_ingests
    }

    async fn run(&self, job: &ClaimedJob) -> Result<Outcome> {
        let id = DocumentId(job.target);
        let row = {
            let tx = self.0.store.read(&job.scope).await?;
            match documents::find(&tx, id).await {
                Ok(row) if row.state == DocumentState::Ready.name() => return Ok(Outcome::Done),
                // A failed one is read again where somebody retries its job.
                Ok(row) => row,
                Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Outcome::Done),
                Err(error) => return Err(error),
            }
        };
        if let Some(refused) = self.refused(&job.scope, &row).await? {
            return Ok(refused);
        }
        let is_waiting = row.stage == DocumentStage::WaitingForIndex.name();
        if is_waiting && search::is_index_away(&job.scope, &self.0).await? {
            return Ok(Outcome::Later(LOOK_AGAIN));
        }
        let run = Run { knowledge: &self.0, scope: &job.scope, row };
        match run.all().await {
            Ok(()) => Ok(Outcome::Done),
            // Deleted or replaced meanwhile: there is a job for that, or nothing to do.
            Err(Stopped::Superseded) => Ok(Outcome::Done),
            // However long that lasts, it uses up no try.
            Err(Stopped::IndexAway) => Ok(Outcome::Later(LOOK_AGAIN)),
            Err(Stopped::Failed(code, message)) => {
                run.fail(&code, &message).await?;
                Ok(Outcome::Done)
            }
            Err(Stopped::ModelChanged) => {
                Err(Error::new(ErrorKind::Unavailable, "The embedding model was changed while the document was read."))
            }
            Err(Stopped::Error(error)) => Err(error),
        }
    }

    async fn give_up(&self, job: &ClaimedJob, error: &Error) -> Result<()> {
        let row = {
            let tx = self.0.store.read(&job.scope).await?;
            documents::find(&tx, DocumentId(job.target)).await?
        };
        let run = Run { knowledge: &self.0, scope: &job.scope, row };
        let message = match error.kind() {
            ErrorKind::Unavailable => "A part that is needed was down for too long. Retry the job when it is back.",
            _ => {
                "The document could not be processed. The operator finds the reason in the log; retry the job after mending it."
            }
        };
        run.fail("INTERNAL", message).await
    }
}

impl IngestHandler {
    /// A document waits while its workspace does not instruct to index. That is written down once.
    async fn refused(&self, scope: &Scope, row: &document_table::Model) -> Result<Option<Outcome>> {
        let found = {
            let tx = self.0.store.read(scope).await?;
            admission::refusal(&tx, Purpose::KnowledgeIndexing, None).await?
        };
        // Another party that the operator chose waits for its thirty days, or was objected to.
        let embedder = model::current(scope, &self.0).await?.plugin;
        let installation = self.0.registry.require_installation(scope, &self.0.store, &embedder).await;
        let is_announced = match installation {
            Err(error) if error.kind() == ErrorKind::PurposeRefused => false,
            other => other.map(|()| true)?,
        };
        if found.is_none() && is_announced {
            return Ok(None);
        }
        if row.stage == DocumentStage::WaitingForInstruction.name() {
            return Ok(Some(Outcome::Later(ASK_AGAIN)));
        }
        let run = Run { knowledge: &self.0, scope, row: row.clone() };
        match run.stage(DocumentStage::WaitingForInstruction, []).await {
            Ok(()) => {
                if let Some(refusal) = found {
                    admission::write_down(scope, &self.0.store, refusal).await?;
                }
                Ok(Some(Outcome::Later(ASK_AGAIN)))
            }
            Err(Stopped::Error(error)) => Err(error),
            Err(_) => Ok(Some(Outcome::Done)),
        }
    }
}

/// Why a run ended before its end.
enum Stopped {
    /// The document was deleted or replaced meanwhile.
    Superseded,
    /// Everything is done that needs no index, and the index is down.
    IndexAway,
    /// The document cannot be used.
    Failed(String, String),
    /// The workspace is searched with another model than when the run looked last.
    ModelChanged,
    /// A part failed; the job decides whether to try again.
    Error(Error),
}

impl Stopped {
    fn unreadable(failure: ParseFailure) -> Self {
        if failure.is_retryable() {
            return Self::Error(Error::new(ErrorKind::Unavailable, "No process could be had to read the document in."));
        }
        let code = serde_json::to_value(failure.code).ok().and_then(|v| v.as_str().map(str::to_owned));
        Self::Failed(code.unwrap_or_default(), failure.message)
    }
}

impl<E: Into<Error>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

struct Run<'a> {
    knowledge: &'a Knowledge,
    scope: &'a Scope,
    row: document_table::Model,
}

impl Run<'_> {
    async fn all(&self) -> Result<(), Stopped> {
        let in_use = model::in_use(self.scope, self.knowledge).await?;
        let embedder = in_use.embedder.clone();
        self.drop_staged_of_another(&in_use).await?;
        self.stage(DocumentStage::Parsing, []).await?;
        let chunks = self.read(embedder.as_ref()).await?;
        let total = i64::try_from(chunks.len()).unwrap_or(i64::MAX);
        let staged = self.staged().await?;
        self.stage(
            DocumentStage::Embedding,
            [
                (document_table::Column::PassagesTotal, Expr::value(total)),
                (document_table::Column::PassagesDone, Expr::value(i64::try_from(staged).unwrap_or(0))),
            ],
        )
        .await?;
        for (step, some) in chunks.chunks(vectors::STEP).enumerate() {
            let first = step * vectors::STEP;
            if first + some.len() > staged {
                let skip = staged.saturating_sub(first);
                self.store_step(&in_use, first + skip, &some[skip..]).await?;
            }
        }
        let replaced = loop {
            let searched = self.complete().await?;
            self.write_ahead().await?;
            match self.publish(total, &searched).await {
                Err(Stopped::ModelChanged) => {}
                published => break published?,
            }
        };
        search::sync(self.scope, self.knowledge).await?;
        search::take_away(self.scope, self.knowledge, &replaced).await?;
        Ok(())
    }

    async fn write_ahead(&self) -> Result<(), Stopped> {
        match search::write_ahead(self.scope, self.knowledge, self.row.id, self.row.version).await {
            Err(error) if error.is_retryable() => {
                tracing::warn!(document = %self.row.id, ?error, "a document waits for the index");
                self.stage(DocumentStage::WaitingForIndex, []).await?;
                Err(Stopped::IndexAway)
            }
            other => Ok(other?),
        }
    }

    /// Gives the staged passages what they lack of the model that is searched with, and of one that is to come. Answers with
    /// the first.
    async fn complete(&self) -> Result<InUse, Stopped> {
        let (scope, knowledge, document) = (self.scope, self.knowledge, (self.row.id, self.row.version));
        let in_use = model::in_use(scope, knowledge).await?;
        vectors::complete(scope, knowledge, document, in_use.embedder.as_ref()).await?;
        let coming = {
            let tx = knowledge.store.read(scope).await?;
            change::open(&tx).await?.filter(|change| change.state == ChangeState::Running.name())
        };
        if let Some(coming) = coming {
            let plugin = knowledge.registry.embedder_named(scope, &knowledge.store, &coming.to_plugin_id).await;
            let embedded = match plugin {
                Ok(embedder) if embedder.model().fingerprint == fingerprint(&coming.to_fingerprint) => {
                    vectors::complete(scope, knowledge, document, embedder.as_ref()).await
                }
                other => other.map(drop),
            };
            if let Err(error) = embedded {
                // The change finds what lacks its vector, or fails of the same.
                tracing::warn!(document = %self.row.id, kind = ?error.kind(), "a document was not embedded with the coming model");
            }
        }
        Ok(in_use)
    }

    /// Title, language and chunks of the file. Deterministic, so that a second run finds the same.
    async fn read(&self, embedder: &dyn Embedder) -> Result<Vec<Chunk>, Stopped> {
        let key = self.key().await?;
        let limit = self.knowledge.limits.document_bytes;
        let bytes = self.knowledge.blobs.read(&key, self.scope.workspace(), &self.row.blob_key, limit).await?;
        let parsed = self
            .knowledge
            .sandbox
            .read(self.scope.workspace(), &self.row.media_type, &self.row.file_name, &bytes)
            .await
            .map_err(Stopped::unreadable)?;
        let mut chunks = chunk::chunk(&parsed.blocks, embedder, ChunkOptions::default()).await.map_err(Error::from)?;
        if chunks.is_empty() {
            let message = "There is no text in this document that could be read.";
            return Err(Stopped::Failed("NO_TEXT".to_owned(), message.to_owned()));
        }
        let title = parsed.title.filter(|t| !t.trim().is_empty()).unwrap_or_else(|| self.row.file_name.clone());
        let title: String = title.trim().chars().take(200).collect();
        let main_language = parsed.language.or_else(|| main_language(&chunks));
        for chunk in &mut chunks {
            chunk.language = chunk.language.take().or_else(|| main_language.clone());
        }
        self.stage(
            DocumentStage::Parsing,
            [
                (document_table::Column::Title, Expr::value(title)),
                (document_table::Column::Language, Expr::value(main_language)),
            ],
        )
        .await?;
        Ok(chunks)
    }

    /// Embeds and stores some passages, from this ordinal on. One whose text is known keeps its vector.
    async fn store_step(&self, in_use: &InUse, first: usize, chunks: &[Chunk]) -> Result<(), Stopped> {
        let (store, embedder) = (&self.knowledge.store, in_use.embedder.as_ref());
        let workspace = self.scope.workspace();
        let key = self.key().await?;
        let own = embedder.model().fingerprint;
        let mut texts = Vec::with_capacity(chunks.len());
        let mut hashes = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let text = chunk.embedded_text();
            hashes.push(store.vault().content_hash(workspace, text.as_bytes()).await?);
            texts.push(text);
        }
        let terms = self.terms(chunks, &texts).await?;
        let known = self.known_vectors(&key, &hashes, own).await?;
        let missing: Vec<String> = texts
            .iter()
            .zip(&hashes)
            .filter(|(_, hash)| !known.contains_key(*hash))
            .map(|(text, _)| text.clone())
            .collect();
        let mut fresh = embedder.embed(EmbedKind::Passage, missing).await.map_err(Error::from)?.into_iter();
        let mut rows = Vec::with_capacity(chunks.len());
        let mut reused = 0;
        for (((chunk, terms), hash), ordinal) in chunks.iter().zip(terms).zip(hashes).zip(first..) {
            let vector = match known.get(&hash) {
                Some(vector) => {
                    reused += 1;
                    vector.clone()
                }
                None => fresh.next().ok_or_else(|| Error::internal("the embedder answered too few vectors"))?,
            };
            rows.push(self.seal(&key, Computed { chunk, hash, model: own, ordinal, vector: &vector, terms }));
        }
        let stored = i64::try_from(rows.len()).unwrap_or(0);
        let tx = store.write_relaxed(self.scope).await?;
        let changed = documents::change(
            &tx,
            self.row.id,
            self.row.version,
            [
                (document_table::Column::PassagesDone, Expr::col(document_table::Column::PassagesDone).add(stored)),
                (document_table::Column::PassagesReused, Expr::col(document_table::Column::PassagesReused).add(reused)),
            ],
        )
        .await?;
        if !changed {
            return Err(Stopped::Superseded);
        }
        // No passage comes to a model that was cleared away.
        model::record_first(&tx, &in_use.model).await?;
        let held = model::hold(&tx).await?.map(|held| held.fingerprint);
        if held != Some(in_use.model.fingerprint) && held != Some(own) {
            return Err(Stopped::ModelChanged);
        }
        let inserted = table::Entity::insert_many(rows).exec_without_returning(tx.db()).await.map_err(Error::from);
        match inserted {
            // Another worker stored the same passages: it has the job now.
            Err(error) if error.kind() == ErrorKind::Conflict => return Err(Stopped::Superseded),
            other => other?,
        };
        jobs::progressed(&tx, JOB, self.row.id.0).await?;
        tx.commit().await?;
        Ok(())
    }

    /// The terms of each chunk, by its language.
    async fn terms(&self, chunks: &[Chunk], texts: &[String]) -> Result<Vec<PassageTerms>> {
        let numbers = self.knowledge.store.vault().term_numbers(self.scope.workspace()).await?;
        let mut languages: HashMap<&str, Language> = HashMap::new();
        let terms = chunks.iter().zip(texts).map(|(chunk, text)| {
            let code = chunk.language.as_deref().unwrap_or_default();
            PassageTerms::of(text, languages.entry(code).or_insert_with(|| Language::of(code)), &numbers)
        });
        Ok(terms.collect())
    }

    fn seal(&self, key: &Key, passage: Computed) -> table::ActiveModel {
        let Computed { chunk, hash, model, ordinal, vector, terms } = passage;
        let workspace = self.scope.workspace();
        let id = PassageId::new(self.knowledge.store.clock());
        let place = |column| Place::new(workspace, "passages", column, id.0);
        table::ActiveModel {
            workspace_id: Set(workspace),
            id: Set(id),
            document_id: Set(self.row.id),
            document_version: Set(self.row.version),
            ordinal: Set(i64::try_from(ordinal).unwrap_or(i64::MAX)),
            content_hash: Set(hash),
            model_fingerprint: Set(model.0.to_vec()),
            tokens: Set(i64::try_from(chunk.tokens).unwrap_or(i64::MAX)),
            language: Set(chunk.language.clone()),
            page: Set(chunk.page.map(i64::from)),
            text_sealed: Set(key.seal_text(&place("text_sealed"), &chunk.text)),
            headings_sealed: Set(key.seal_text(&place("headings_sealed"), &chunk.headings.join("\n"))),
            vector_sealed: Set(key.seal(&place("vector_sealed"), &vectors::bytes(vector))),
            knowledge_version: Set(0),
            terms_sealed: Set(Some(key.seal(&place("terms_sealed"), &terms.to_bytes()))),
        }
    }

    /// Vectors of the workspace's passages with these hashes, by hash.
    async fn known_vectors(
        &self,
        key: &Key,
        hashes: &[Vec<u8>],
        model: Fingerprint,
    ) -> Result<HashMap<Vec<u8>, Vec<f32>>> {
        let tx = self.knowledge.store.read(self.scope).await?;
        let rows = table::Entity::find()
            .filter(table::Column::WorkspaceId.eq(self.scope.workspace()))
            .filter(table::Column::ContentHash.is_in(hashes.iter().cloned()))
            .filter(table::Column::ModelFingerprint.eq(model.0.to_vec()))
            .all(tx.db())
            .await?;
        let mut known = HashMap::new();
        for row in rows {
            let vector = vectors::own(key, &row)?;
            known.entry(row.content_hash).or_insert(vector);
        }
        Ok(known)
    }

    /// Makes the staged passages visible and takes the earlier version's away, for searchers at once. Answers with those
    /// that are gone.
    async fn publish(&self, total: i64, searched: &InUse) -> Result<Vec<Uuid>, Stopped> {
        let tx = self.knowledge.store.write(self.scope).await?;
        let changed = documents::change(
            &tx,
            self.row.id,
            self.row.version,
            [
                (document_table::Column::State, Expr::value(DocumentState::Ready.name())),
                (document_table::Column::Stage, Expr::value(DocumentStage::Done.name())),
                (document_table::Column::PassagesDone, Expr::value(total)),
            ],
        )
        .await?;
        if !changed {
            return Err(Stopped::Superseded);
        }
        let staged = self.of_this_version().count(tx.db()).await.map_err(Error::from)?;
        if i64::try_from(staged).unwrap_or(i64::MAX) != total {
            let message = format!("{} has {staged} passages stored, not {total}", self.row.id);
            return Err(Error::new(ErrorKind::Unavailable, message).into());
        }
        let key = self.key().await?;
        let (changes, more) = lexicon::recount(&tx, &key, self.row.id, |version| version == self.row.version).await?;
        let version = workspaces::next_knowledge_version(&tx, more).await?;
        // The workspace's row is held: no switch comes between this look and the commit.
        if model::hold(&tx).await?.is_none_or(|held| held.fingerprint != searched.model.fingerprint) {
            return Err(Stopped::ModelChanged);
        }
        changes.write(&tx).await?;
        let of_earlier = || {
            Condition::all()
                .add(table::Column::WorkspaceId.eq(self.scope.workspace()))
                .add(table::Column::DocumentId.eq(self.row.id))
                .add(table::Column::DocumentVersion.ne(self.row.version))
        };
        let replaced: Vec<PassageId> = table::Entity::find()
            .filter(of_earlier())
            .select_only()
            .column(table::Column::Id)
            .into_tuple()
            .all(tx.db())
            .await
            .map_err(Error::from)?;
        table::Entity::delete_many().filter(of_earlier()).exec(tx.db()).await.map_err(Error::from)?;
        table::Entity::update_many()
            .col_expr(table::Column::KnowledgeVersion, Expr::value(version))
            .filter(table::Column::WorkspaceId.eq(self.scope.workspace()))
            .filter(table::Column::DocumentId.eq(self.row.id))
            .exec(tx.db())
            .await
            .map_err(Error::from)?;
        let event = Event::new("document.ready").target("document", self.row.id.0).detail("passages", total);
        if !replaced.is_empty() {
            purge::soon(&tx, self.knowledge).await?;
        }
        audit::append(self.scope, &tx, event).await?;
        tx.commit().await?;
        Ok(replaced.into_iter().map(|id| id.0).collect())
    }

    /// Says on the row that this version cannot be used. Staged passages go; an earlier version stays findable.
    async fn fail(&self, code: &str, message: &str) -> Result<()> {
        let tx = self.knowledge.store.write(self.scope).await?;
        let changed = documents::change(
            &tx,
            self.row.id,
            self.row.version,
            [
                (document_table::Column::State, Expr::value(DocumentState::Failed.name())),
                (document_table::Column::Stage, Expr::value(DocumentStage::Done.name())),
                (document_table::Column::FailureCode, Expr::value(code)),
                (document_table::Column::FailureMessage, Expr::value(message)),
            ],
        )
        .await?;
        if changed {
            self.drop_staged(&tx).await?;
            purge::soon(&tx, self.knowledge).await?;
            let event = Event::new("document.failed").target("document", self.row.id.0).detail("code", code);
            audit::append(self.scope, &tx, event).await?;
        }
        tx.commit().await
    }

    /// Passages that an earlier run staged with another model, whose tokenizer cut them elsewhere.
    async fn drop_staged_of_another(&self, in_use: &InUse) -> Result<()> {
        let of_another = || {
            Condition::all()
                .add(table::Column::WorkspaceId.eq(self.scope.workspace()))
                .add(table::Column::DocumentId.eq(self.row.id))
                .add(table::Column::DocumentVersion.eq(self.row.version))
                .add(table::Column::KnowledgeVersion.eq(0))
                .add(table::Column::ModelFingerprint.ne(in_use.embedder.model().fingerprint.0.to_vec()))
        };
        let staged = {
            let tx = self.knowledge.store.read(self.scope).await?;
            table::Entity::find().filter(of_another()).count(tx.db()).await?
        };
        if staged == 0 {
            return Ok(());
        }
        let tx = self.knowledge.store.write(self.scope).await?;
        table::Entity::delete_many().filter(of_another()).exec(tx.db()).await?;
        tx.commit().await
    }

    async fn drop_staged(&self, tx: &WorkspaceTx) -> Result<()> {
        table::Entity::delete_many()
            .filter(table::Column::WorkspaceId.eq(self.scope.workspace()))
            .filter(table::Column::DocumentId.eq(self.row.id))
            .filter(table::Column::KnowledgeVersion.eq(0))
            .exec(tx.db())
            .await?;
        Ok(())
    }

    async fn stage<const N: usize>(
        &self,
        stage: DocumentStage,
        more: [(document_table::Column, sea_orm::sea_query::SimpleExpr); N],
    ) -> Result<(), Stopped> {
        let tx = self.knowledge.store.write_relaxed(self.scope).await?;
        let set = more.into_iter().chain([
            (document_table::Column::Stage, Expr::value(stage.name())),
            (document_table::Column::State, Expr::value(DocumentState::Pending.name())),
            (document_table::Column::FailureCode, Expr::value(Option::<String>::None)),
            (document_table::Column::FailureMessage, Expr::value(Option::<String>::None)),
        ]);
        let changed = documents::change(&tx, self.row.id, self.row.version, set).await?;
        tx.commit().await?;
        if changed { Ok(()) } else { Err(Stopped::Superseded) }
    }

    /// Passages of this version that an earlier run stored.
    async fn staged(&self) -> Result<usize> {
        let tx = self.knowledge.store.read(self.scope).await?;
        let rows = self.of_this_version().count(tx.db()).await?;
        Ok(usize::try_from(rows).unwrap_or(usize::MAX))
    }

    fn of_this_version(&self) -> sea_orm::Select<table::Entity> {
        table::Entity::find()
            .filter(table::Column::WorkspaceId.eq(self.scope.workspace()))
            .filter(table::Column::DocumentId.eq(self.row.id))
            .filter(table::Column::DocumentVersion.eq(self.row.version))
    }

    async fn key(&self) -> Result<Key> {
        self.knowledge.store.vault().workspace_key(self.scope.workspace()).await
    }
}

/// A passage with all that was computed of it.
struct Computed<'a> {
    chunk: &'a Chunk,
    hash: Vec<u8>,
    model: Fingerprint,
    ordinal: usize,
    vector: &'a [f32],
    terms: PassageTerms,
}

fn main_language(chunks: &[Chunk]) -> Option<String> {
    let sample: String = chunks.iter().take(20).map(|c| c.text.as_str()).collect::<Vec<_>>().join("\n");
    language::detect(&sample).map(str::to_owned)
}
