//! The answer pipeline: question, passages, model, stream, checked citations, one audit entry.
//!
//! Text goes out in small sealed deltas. Before each, the row is asked whether it may still be written: the visitor was
//! not erased (by generation), the assistant is not paused, and no person took the chat. A second run begins anew with an `AnswerStarted` event,
//! which voids what an earlier one wrote.

mod desk;
mod writer;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use consigne_foundation::{
    Error, ErrorKind, Result, Scope, Timestamp,
    audit::{self, Event},
    id::{AnswerId, MessageId, SubjectId},
    jobs::{ClaimedJob, JobHandler, Outcome},
    plugins::Registry,
    privacy::{Purpose, admission, subjects},
    store::{Store, WorkspaceTx},
    vault::Key,
};
use consigne_sdk::{ChatRequest, Embedder, PromptPassage};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr};
use serde::{Deserialize, Serialize};
use tokio::{join, sync::Semaphore, try_join};

pub use self::desk::Desk;
use self::{desk::Whose, writer::Writer};
use super::{
    AnswerOutcome, answer_place,
    citations::{self, Citation},
    events::{self, Happening},
    follow_up, message_place, phrases,
    prompt::{self, Turn},
    state,
};
use crate::{
    assistants::{self, Assistant},
    entity::{answers as table, messages as message_table},
    escalations::{
        after_answer::{self, Found},
        asking::Sentences,
        settings::{self, EscalationSettings, Trigger},
    },
    knowledge::{
        Excerpt, Knowledge, language,
        search::{
            self, Findings, Query,
            excerpts::{self, Budget},
            rerank::Look,
        },
    },
    routes::{self, ChatRoutes, Routes},
};

pub(crate) const JOB: &str = "answer";

const MOST_TOKENS: u32 = 1_024;
/// Tokens of passages that go into a prompt.
const PASSAGE_TOKENS: i64 = 4_000;
pub(super) const HISTORY_TURNS: u64 = 3;
const PAUSED: &str = "ASSISTANT_PAUSED";
const REFUSED: &str = "PURPOSE_REFUSED";

/// Who processed an answer, where, and what they keep: the facts of the route that served it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Disclosure {
    /// The plugin.
    pub plugin: String,
    /// The model.
    pub model: String,
    /// Who operates it.
    pub operator: String,
    /// Where: `LOCAL`, `EEA`, an ISO 3166-1 code, or `UNDECLARED`.
    pub region: String,
    /// Under which transfer safeguard.
    pub safeguard: String,
    /// What they keep: `NONE`, `WITH_SOURCE`, a number of days, or `UNDECLARED`.
    pub retention: String,
}

/// Answers that are looked up at once: each asks the database and the embedder, and more of them only wait for each other.
pub const LOOKED_UP_AT_ONCE: usize = 16;

/// What is counted of answers; numbers only.
pub trait AnswerMeter: Send + Sync {
    /// An answer ended. Times count from the question.
    fn answered(&self, outcome: &'static str, first_text: Option<Duration>, whole: Duration);

    /// A reranker looked at the passages of an answer.
    fn reranked(&self, outcome: &'static str);
}

/// Makes answers.
pub struct AnswerHandler {
    /// Passages come from here.
    pub knowledge: Knowledge,
    /// The embedder comes from here.
    pub registry: Arc<Registry>,
    /// Models come from here.
    pub routes: Routes,
    /// Text is written here.
    pub desk: Desk,
    /// Answers that are made at once in this process.
    pub at_once: usize,
    /// Places of those that are looked up; a model may speak in many more.
    pub looking_up: Semaphore,
    /// How people ask for a person.
    pub sentences: Sentences,
    /// Counts.
    pub meter: Arc<dyn AnswerMeter>,
}

#[async_trait]
impl JobHandler for AnswerHandler {
    fn kind(&self) -> &'static str {
        JOB
    }

    fn parallel(&self) -> usize {
        self.at_once
    }

    /// A visitor waits: three tries within some seconds, then an honest failure.
    fn max_attempts(&self) -> i64 {
        3
    }

    async fn run(&self, job: &ClaimedJob) -> Result<Outcome> {
        let id = AnswerId(job.target);
        match self.answer(&job.scope, id).await {
            // The visitor was erased, or their data may only be stored: there is nobody to answer.
            Err(error) if matches!(error.kind(), ErrorKind::SubjectErased | ErrorKind::Restricted) => Ok(Outcome::Done),
            // Another worker has the answer now.
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(Outcome::Done),
            Err(error) if error.kind() == ErrorKind::Disabled => {
                self.fail(&job.scope, id, PAUSED).await?;
                Ok(Outcome::Done)
            }
            Err(error) if error.kind() == ErrorKind::PurposeRefused => {
                self.fail(&job.scope, id, REFUSED).await?;
                Ok(Outcome::Done)
            }
            other => other.map(|()| Outcome::Done),
        }
    }

    async fn give_up(&self, job: &ClaimedJob, error: &Error) -> Result<()> {
        let code = match error.kind() {
            ErrorKind::Invalid if error.field() == Some(routes::NOT_ALLOWED) => "TRANSFER_NOT_ALLOWED",
            ErrorKind::LimitExceeded => "BUDGET_EXHAUSTED",
            ErrorKind::Unavailable | ErrorKind::RateLimited => "TEMPORARILY_UNAVAILABLE",
            ErrorKind::Misconfigured | ErrorKind::Forbidden => "MODEL_MISCONFIGURED",
            _ => "INTERNAL",
        };
        match self.fail(&job.scope, AnswerId(job.target), code).await {
            Err(error)
                if matches!(error.kind(), ErrorKind::SubjectErased | ErrorKind::Restricted | ErrorKind::NotFound) =>
            {
                Ok(())
            }
            other => other,
        }
    }
}

impl AnswerHandler {
    pub(super) fn store(&self) -> &Store {
        &self.knowledge.store
    }

    async fn answer(&self, scope: &Scope, id: AnswerId) -> Result<()> {
        let place = self.looking_up.acquire().await.map_err(|e| Error::internal("answers are looked up").because(e))?;
        let (begun, look) = join!(self.begin(scope, id), Look::of(scope, &self.knowledge));
        let run = match begun {
            Ok(Some(run)) => run,
            Ok(None) => return Ok(()),
            // The chat is gone, and with it whoever asked.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let language = language_of(&run.assistant, &run.question);
        let whose = Some(run.row.subject_id);
        let asked = Asked { question: &run.question, whose, history: &run.history, language, look: &look };
        let Prepared { model, request, excerpts, vector } = self.prepare(scope, &run.assistant, asked).await?;
        let asks_for_a_person = self.asks_for_a_person(&run, &request.embedder, vector.as_deref()).await;
        drop(place);
        let threshold = request.answer_threshold;
        let mut writer = Writer::new(self, scope, &run);
        let mut given: Vec<String> = excerpts.iter().map(Excerpt::text).collect();
        given.push(run.question.clone());
        // Without a passage there is nothing to answer from; no model is asked.
        let text = if excerpts.is_empty() || asks_for_a_person {
            None
        } else {
            writer.write_all(model.answer(request), excerpts.len(), &given).await?
        };
        let cited = text.as_deref().map(|text| citations::cite(text, &excerpts)).unwrap_or_default();
        let first_text = writer.first_text;
        let (text, cited) = match self.keep_true(scope, cited).await? {
            // What cites nothing that is stored cannot be checked, so it does not count as an answer from the knowledge.
            cited if cited.is_empty() => {
                let said = match asks_for_a_person {
                    true => phrases::asks_for_a_person(spoken(&run.assistant, language)).to_owned(),
                    false => self.no_answer(&run, language),
                };
                writer.say_instead(&said).await?;
                (said, cited)
            }
            cited => (text.unwrap_or_default(), cited),
        };
        let found = match cited.iter().map(|citation| citation.score).reduce(f64::max) {
            Some(best) => Found::Answer { confidence: best - f64::from(threshold) },
            None if asks_for_a_person => Found::Request,
            None => Found::Nothing,
        };
        let outcome = after_answer::outcome(found, &run.rules);
        let done = Done { text: &text, outcome, found, cited: &cited, disclosure: &model.disclosure() };
        self.complete(scope, &run, done).await?;
        let since = |at: Timestamp| Duration::from_millis((at.0 - run.row.created_at.0).unsigned_abs());
        self.meter.answered(outcome.name(), first_text.map(since), since(self.store().now()));
        Ok(())
    }

    /// Opens the run: the question, what came before, and the event that voids an earlier attempt. `None` where the
    /// answer is finished already. The commit does not wait for the disk: where a power failure takes it back, the next run
    /// writes the same event at the same place.
    async fn begin(&self, scope: &Scope, id: AnswerId) -> Result<Option<AnswerRun>> {
        let store = self.store();
        let tx = store.write_relaxed(scope).await?;
        let row = table::Entity::find_by_id((scope.workspace(), id))
            .one(tx.db())
            .await?
            .ok_or_else(|| Error::not_found("answer"))?;
        if row.status == "COMPLETED" || row.status == "FAILED" {
            return Ok(None);
        }
        let key = store.vault().subject_key(scope.workspace(), row.subject_id).await?;
        let assistant = hold_wanted(&tx, &row).await?;
        let question = message_table::Entity::find_by_id((scope.workspace(), row.question_id)).one(tx.db()).await?;
        let question = question.ok_or_else(|| Error::not_found("message"))?;
        let question = key.open_text(&message_place(&question), &question.text_sealed)?;
        let history = history(&tx, &key, &row).await?;
        let rules = settings::for_person(&tx, row.assistant_id, row.subject_id).await?;
        state::hold(&tx, row.chat_id).await?;
        let begun = table::Entity::update_many()
            .col_expr(table::Column::Status, Expr::value("STREAMING"))
            .col_expr(table::Column::Attempts, Expr::col(table::Column::Attempts).add(1))
            .filter(table::Column::WorkspaceId.eq(scope.workspace()))
            .filter(table::Column::Id.eq(id))
            .filter(table::Column::Status.is_in(["PENDING", "STREAMING"]))
            .exec(tx.db())
            .await?;
        if begun.rows_affected == 0 {
            return Ok(None);
        }
        events::append(&tx, &key, row.chat_id, row.subject_id, &Happening::AnswerStarted(id)).await?;
        tx.commit().await?;
        let attempt = row.attempts + 1;
        Ok(Some(AnswerRun { row, key, assistant, question, history, rules, attempt }))
    }

    /// The model, what it is asked, and the passages that it may cite. A question that stands alone is looked up while the
    /// ways to the model are looked for.
    pub(super) async fn prepare(&self, scope: &Scope, assistant: &Assistant, asked: Asked<'_>) -> Result<Prepared> {
        let Asked { question, whose, history, language, look } = asked;
        let models = assistant.chat_models();
        let ways = self.routes.chat(scope, &models, whose);
        let (model, alone, (excerpts, findings)) = if follow_up::stands_alone(question, language, history) {
            let (model, found) = try_join!(ways, self.excerpts(scope, assistant, (question, whose), language, look))?;
            (model, question.to_owned(), found)
        } else {
            let model = ways.await?;
            let alone = follow_up::rewritten(&model, question, language, history).await;
            let found = self.excerpts(scope, assistant, (&alone, whose), language, look).await?;
            (model, alone, found)
        };
        let Findings { question: vector, embedder, .. } = findings;
        let threshold = assistant.answer_threshold.map_or(embedder.model().answer_threshold, |t| t as f32);
        let given: Vec<PromptPassage> =
            excerpts.iter().zip(1..).map(|(excerpt, index)| prompt_passage(excerpt, index)).collect();
        let vector = (alone == question).then_some(vector);
        let request = ChatRequest {
            messages: prompt::render(assistant, language, &given, history, question),
            question: alone,
            language: language.map(str::to_owned),
            passages: given,
            max_tokens: MOST_TOKENS,
            answer_threshold: threshold,
            embedder,
        };
        Ok(Prepared { model, request, excerpts, vector })
    }

    async fn excerpts(
        &self,
        scope: &Scope,
        assistant: &Assistant,
        (question, whose): (&str, Option<SubjectId>),
        language: Option<&str>,
        look: &Look,
    ) -> Result<(Vec<Excerpt>, Findings)> {
        let most = usize::try_from(assistant.passages).unwrap_or(1);
        // Twins and neighbours among them make room for others.
        let limit = (2 * most).max(look.wants(&self.knowledge));
        let query = Query { question, whose, language, limit, ..Query::default() };
        let mut findings = search::find(scope, &self.knowledge, query).await?;
        let mut passages = std::mem::take(&mut findings.passages);
        if let Some(reranked) = look.at(scope, &self.knowledge, (question, whose), &mut passages).await {
            self.meter.reranked(reranked.name());
        }
        passages.truncate(2 * most);
        Ok((excerpts::excerpts(passages, Budget { excerpts: most, tokens: PASSAGE_TOKENS }), findings))
    }

    /// Whether the visitor asks for a person, where people are called for that. An embedder that cannot say so is no reason not
    /// to answer.
    async fn asks_for_a_person(&self, run: &AnswerRun, embedder: &Arc<dyn Embedder>, vector: Option<&[f32]>) -> bool {
        if !run.rules.calls_for(Trigger::VisitorAsked) {
            return false;
        }
        let asked = self.sentences.ask_for_a_person(embedder.as_ref(), &run.question, vector).await;
        asked.unwrap_or_else(|error| {
            tracing::warn!(kind = ?error.kind, "whether a person is asked for cannot be told");
            false
        })
    }

    /// The citations whose quote stands in a stored passage now.
    pub(super) async fn keep_true(&self, scope: &Scope, cited: Vec<Citation>) -> Result<Vec<Citation>> {
        if cited.is_empty() {
            return Ok(cited);
        }
        let key = self.store().vault().workspace_key(scope.workspace()).await?;
        let tx = self.store().read(scope).await?;
        citations::keep_true(&tx, &key, cited).await
    }

    /// Where people are called for it, none is offered.
    fn no_answer(&self, run: &AnswerRun, language: Option<&str>) -> String {
        let assistant = &run.assistant;
        let hands_over = after_answer::outcome(Found::Nothing, &run.rules) == AnswerOutcome::Escalated;
        assistant.no_answer_text.clone().unwrap_or_else(|| {
            phrases::not_in_knowledge(spoken(assistant, language), assistant.offers_person && !hands_over)
        })
    }

    async fn complete(&self, scope: &Scope, run: &AnswerRun, done: Done<'_>) -> Result<()> {
        let store = self.store();
        let Done { text, outcome, found, cited, disclosure } = done;
        let disclosure = serde_json::to_string(disclosure).map_err(|e| Error::internal("a disclosure").because(e))?;
        let tx = store.write(scope).await?;
        run.hold(&tx).await?;
        let completed = table::Entity::update_many()
            .col_expr(table::Column::Status, Expr::value("COMPLETED"))
            .col_expr(table::Column::Outcome, Expr::value(outcome.name()))
            .col_expr(table::Column::TextSealed, Expr::value(run.key.seal_text(&answer_place(&run.row), text)))
            .col_expr(table::Column::Disclosure, Expr::value(disclosure))
            .col_expr(table::Column::CompletedAt, Expr::value(store.now()))
            .filter(table::Column::WorkspaceId.eq(scope.workspace()))
            .filter(table::Column::Id.eq(run.row.id))
            .filter(table::Column::Status.eq("STREAMING"))
            .exec(tx.db())
            .await?;
        if completed.rows_affected == 0 {
            return Ok(());
        }
        citations::store(&tx, &run.key, run.row.id, run.row.subject_id, cited).await?;
        events::append(&tx, &run.key, run.row.chat_id, run.row.subject_id, &Happening::AnswerCompleted(run.row.id))
            .await?;
        after_answer::after_answer(scope, &tx, &run.key, run.row.chat_id, found).await?;
        let event = Event::new("question.answered").target("answer", run.row.id.0).detail("outcome", outcome.name());
        audit::append(scope, &tx, event).await?;
        tx.commit().await
    }

    async fn fail(&self, scope: &Scope, id: AnswerId, code: &str) -> Result<()> {
        let store = self.store();
        let tx = store.write(scope).await?;
        let row = table::Entity::find_by_id((scope.workspace(), id))
            .one(tx.db())
            .await?
            .ok_or_else(|| Error::not_found("answer"))?;
        if row.status == "COMPLETED" || row.status == "FAILED" {
            return Ok(());
        }
        let key = store.vault().subject_key(scope.workspace(), row.subject_id).await?;
        subjects::hold_generation(&tx, row.subject_id, row.subject_generation).await?;
        state::hold(&tx, row.chat_id).await?;
        let failed = table::Entity::update_many()
            .col_expr(table::Column::Status, Expr::value("FAILED"))
            .col_expr(table::Column::FailureCode, Expr::value(code))
            .col_expr(table::Column::CompletedAt, Expr::value(store.now()))
            .filter(table::Column::WorkspaceId.eq(scope.workspace()))
            .filter(table::Column::Id.eq(id))
            .filter(table::Column::Status.is_in(["PENDING", "STREAMING"]))
            .exec(tx.db())
            .await?;
        if failed.rows_affected == 0 {
            return Ok(());
        }
        events::append(&tx, &key, row.chat_id, row.subject_id, &Happening::AnswerFailed(id)).await?;
        if code != PAUSED && code != REFUSED {
            after_answer::after_answer(scope, &tx, &key, row.chat_id, Found::Failure).await?;
        }
        audit::append(scope, &tx, Event::new("question.unanswered").target("answer", id.0).detail("code", code))
            .await?;
        tx.commit().await?;
        let whole = Duration::from_millis((store.now().0 - row.created_at.0).unsigned_abs());
        self.meter.answered("FAILED", None, whole);
        Ok(())
    }
}

/// An answer being made.
struct AnswerRun {
    row: table::Model,
    key: Key,
    assistant: Assistant,
    question: String,
    history: Vec<Turn>,
    rules: EscalationSettings,
    attempt: i64,
}

/// What is written down of an answer that is whole.
struct Done<'a> {
    text: &'a str,
    outcome: AnswerOutcome,
    found: Found,
    cited: &'a [Citation],
    disclosure: &'a Disclosure,
}

impl AnswerRun {
    fn whose(&self) -> Whose {
        Whose {
            answer: self.row.id,
            attempt: self.attempt,
            chat: self.row.chat_id,
            assistant: self.row.assistant_id,
            subject: self.row.subject_id,
            generation: self.row.subject_generation,
            key: self.key.clone(),
        }
    }

    /// Refuses a write of a run that another worker has taken over, or that is not wanted any more; and holds the rows
    /// that say so until the transaction ends.
    async fn hold(&self, tx: &WorkspaceTx) -> Result<()> {
        hold_wanted(tx, &self.row).await?;
        state::hold(tx, self.row.chat_id).await?;
        let row = table::Entity::find_by_id((tx.workspace(), self.row.id)).lock_exclusive().one(tx.db()).await?;
        let is_mine = row.is_some_and(|row| row.attempts == self.attempt && row.status == "STREAMING");
        if is_mine { Ok(()) } else { Err(Error::new(ErrorKind::Conflict, "Another worker makes this answer.")) }
    }
}

/// A question, whose it is where that is known, and what it was asked after.
pub(super) struct Asked<'a> {
    pub(super) question: &'a str,
    pub(super) whose: Option<SubjectId>,
    pub(super) history: &'a [Turn],
    pub(super) language: Option<&'static str>,
    /// The reranker that looks at the passages, if any.
    pub(super) look: &'a Look,
}

/// What an answer is made with.
pub(super) struct Prepared {
    pub(super) model: ChatRoutes,
    pub(super) request: ChatRequest,
    pub(super) excerpts: Vec<Excerpt>,
    /// Of the question as it was asked, where it was looked up like that.
    vector: Option<Vec<f32>>,
}

/// The language in which the product itself speaks to whoever asked.
pub(super) fn spoken<'a>(assistant: &'a Assistant, language: Option<&'a str>) -> Option<&'a str> {
    language.or(assistant.languages.first().map(String::as_str))
}

/// The question's language, among those of the assistant.
pub(super) fn language_of(assistant: &Assistant, question: &str) -> Option<&'static str> {
    let allowed: Vec<&str> = assistant.languages.iter().map(String::as_str).collect();
    language::detect_among(question, &allowed)
}

/// Refuses once the visitor is erased or objected, the purpose is revoked or the assistant is paused, in a transaction that writes:
/// no erasure comes between. Answers with the assistant.
async fn hold_wanted(tx: &WorkspaceTx, row: &table::Model) -> Result<Assistant> {
    subjects::hold_generation(tx, row.subject_id, row.subject_generation).await?;
    admission::require(tx, Purpose::Answering, Some(row.subject_id)).await?;
    assistants::require_awake(tx, row.assistant_id).await
}

/// The last turns before the question, oldest first.
async fn history(tx: &WorkspaceTx, key: &Key, row: &table::Model) -> Result<Vec<Turn>> {
    let mut earlier = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::ChatId.eq(row.chat_id))
        .filter(table::Column::Id.lt(row.id))
        .order_by_desc(table::Column::Id)
        .limit(HISTORY_TURNS)
        .all(tx.db())
        .await?;
    if earlier.is_empty() {
        return Ok(Vec::new());
    }
    earlier.reverse();
    let ids: Vec<MessageId> = earlier.iter().map(|a| a.question_id).collect();
    let questions = message_table::Entity::find()
        .filter(message_table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(message_table::Column::Id.is_in(ids))
        .all(tx.db())
        .await?;
    let mut turns = Vec::new();
    for answer in &earlier {
        let Some(question) = questions.iter().find(|q| q.id == answer.question_id) else { continue };
        turns.push(Turn {
            question: key.open_text(&message_place(question), &question.text_sealed)?,
            answer: answer
                .text_sealed
                .as_ref()
                .map(|sealed| key.open_text(&answer_place(answer), sealed))
                .transpose()?,
        });
    }
    Ok(turns)
}

fn prompt_passage(excerpt: &Excerpt, index: u32) -> PromptPassage {
    let found = excerpt.best();
    let mut title = found.title.clone();
    for heading in &found.headings {
        title.push_str(" > ");
        title.push_str(heading);
    }
    PromptPassage { index, title, text: excerpt.text(), language: found.language.clone(), score: found.score }
}
