//! `consigne evaluate`: how well the product's own search finds what it should, on questions whose answers are known.
//!
//! A set is what BEIR (Thakur et al., 2021) calls one: documents and questions as JSON lines (`id`, `text`, `title` where
//! there is one) and judgements as tab-separated lines (question, document, grade). Documents are loaded like anybody's,
//! into a workspace of their own that later runs find again; a document is as good as its best passage.
//!
//! Where conversations are given, the assistant's own pipeline answers their last questions, and it is counted how well
//! it tells those that the knowledge does not answer.

use std::{
    collections::{HashMap, HashSet},
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use consigne_assistant::{
    assistants::{self, AssistantSettings},
    chats::{
        answer::{AnswerHandler, Desk},
        rehearsal::{self, Earlier},
    },
    knowledge::{
        Knowledge, Ranking,
        chunk::{self, Chunk, ChunkOptions},
        documents::{self, DocumentState, Labels},
        language,
        parse::{self, ParseLimits},
        search::{self, Query},
        uploads::{self, NewText},
    },
};
use consigne_foundation::{
    Clock, Scope,
    identity::{accounts, authenticate, operator},
    workspaces,
};
use consigne_sdk::EmbedKind;
use futures::{StreamExt, TryStreamExt, stream};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, watch};

use super::serve;
use crate::{app::App, config::Config, telemetry::Stopwatch, worker::Meter};

/// Documents that count.
const DEPTH: usize = 10;
/// Passages looked at to find them.
const PASSAGES: usize = 40;
/// Texts that the embedder is given at once, as by an ingest.
const EMBEDDED_AT_ONCE: usize = 16;
/// Steps that the embedder is given at the same time, so that it never waits.
const PARALLEL: usize = 2;
const LOOK_EVERY: Duration = Duration::from_millis(100);
const KEY_LIVES: Duration = Duration::from_secs(24 * 3_600);
const OWNER: &str = "evaluation@consigne.localhost";

/// What to measure.
#[derive(Args)]
pub struct EvaluateArgs {
    /// The documents: JSON lines with `id`, `text` and, where there is one, `title`.
    #[arg(long)]
    corpus: PathBuf,
    /// The questions: JSON lines with `id` and `text`.
    #[arg(long, required_unless_present = "loading")]
    questions: Option<PathBuf>,
    /// The judgements: a head line, then question, document and grade, separated by tabs.
    #[arg(long, required_unless_present = "loading")]
    judgements: Option<PathBuf>,
    /// The workspace that the documents are loaded into, and found in again by later runs.
    #[arg(long)]
    workspace: String,
    /// What all the words of a question are worth beside the cosine, if not what the product takes; may be given several
    /// times.
    #[arg(long)]
    words: Vec<f32>,
    /// Questions at most, evenly taken; all where left out.
    #[arg(long)]
    most: Option<usize>,
    /// Conversations: JSON lines with `text`, the last question, `history`, a list of `question` and `answer`, and
    /// `answerable`, whether the knowledge holds the answer.
    #[arg(long)]
    conversations: Option<PathBuf>,
    /// Cosine under which a passage is not taken to answer, if not what the model is calibrated for; may be given several
    /// times.
    #[arg(long)]
    threshold: Vec<f64>,
    /// Measures loading alone: passages a second of everything together, and of the embedder on the same texts. The
    /// workspace has to be a new one.
    #[arg(long)]
    loading: bool,
    #[command(flatten)]
    config: Config,
}

#[derive(Deserialize)]
struct Conversation {
    text: String,
    history: Vec<Turn>,
    answerable: bool,
}

#[derive(Deserialize)]
struct Turn {
    question: String,
    answer: String,
}

#[derive(Deserialize)]
struct Text {
    id: String,
    #[serde(default)]
    title: String,
    text: String,
}

impl Text {
    /// The document that a customer would have: a page under its title, where there is one.
    fn as_document(&self) -> NewText {
        let (media_type, text) = if self.title.is_empty() {
            ("text/plain", self.text.clone())
        } else {
            let body = self.text.strip_prefix(&self.title).unwrap_or(&self.text);
            let lines = body.lines().filter(|line| !line.trim().is_empty());
            let paragraphs: String = lines.map(|line| format!("<p>{}</p>\n", escaped(line))).collect();
            ("text/html", format!("<main><h1>{}</h1>\n{paragraphs}</main>", escaped(&self.title)))
        };
        NewText {
            title: self.id.clone(),
            media_type: media_type.to_owned(),
            text,
            replaces: None,
            labels: Labels::default(),
        }
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

/// Grades of documents, by question.
type Judgements = HashMap<String, HashMap<String, f64>>;

/// Loads what is not there yet, asks every judged question, and prints one line of JSON.
///
/// # Errors
/// What could not be read or loaded.
pub async fn evaluate(args: EvaluateArgs) -> Result<ExitCode> {
    let corpus: Vec<Text> = lines(&args.corpus)?;
    let app = App::build(args.config, Clock::system()).await?;
    app.warm().await?;
    let knowledge = &app.services.knowledge;
    let scope = workspace(&app, &args.workspace).await?;
    if args.loading {
        println!("{}", loading(&app, &scope, &corpus).await?);
        return Ok(ExitCode::SUCCESS);
    }
    let (Some(questions), Some(judged)) = (&args.questions, &args.judgements) else {
        bail!("give questions and judgements, or measure --loading alone");
    };
    let judgements = judgements(judged)?;
    let mut questions: Vec<Text> = lines(questions)?;
    questions.retain(|question| judgements.contains_key(&question.id));
    let step = args.most.map_or(1, |most| questions.len().div_ceil(most.max(1)));
    let questions: Vec<Text> = questions.into_iter().step_by(step.max(1)).collect();
    if questions.is_empty() {
        bail!("no question is judged in {}", judged.display());
    }
    let documents = load(&app, &scope, &corpus).await?;
    let mut measured = json!({ "questions": questions.len(), "documents": corpus.len() });
    let mut rankings = vec![
        ("hybrid".to_owned(), Ranking::Hybrid, None),
        ("meaning".to_owned(), Ranking::Meaning, None),
        ("words".to_owned(), Ranking::Words, None),
    ];
    rankings.extend(args.words.iter().map(|worth| (format!("hybrid {worth}"), Ranking::Hybrid, Some(*worth))));
    let languages = workspaces::get(&scope, &app.services.store).await?.languages;
    let languages: Vec<&str> = languages.iter().map(String::as_str).collect();
    for (name, ranking, words_count) in rankings {
        let (mut sum, watch) = (Measures::default(), Stopwatch::start());
        for question in &questions {
            let query = Query {
                question: &question.text,
                language: language::detect_among(&question.text, &languages),
                ranking,
                limit: PASSAGES,
                words_count,
                ..Query::default()
            };
            let ranked = ranked(&scope, knowledge, query, &documents).await?;
            sum.add(&Measures::of(&ranked, &judgements[&question.id]));
        }
        measured[&name] = sum.over(questions.len());
        measured[&name]["ms"] = json!(watch.seconds() * 1e3 / questions.len() as f64);
    }
    if let Some(conversations) = &args.conversations {
        let conversations: Vec<Conversation> = lines(conversations)?;
        let thresholds = std::iter::once(None).chain(args.threshold.iter().copied().map(Some));
        for threshold in thresholds {
            let name = threshold.map_or("answerability".to_owned(), |at| format!("answerability {at}"));
            measured[&name] = answerability(&app, &scope, &conversations, threshold).await?;
        }
    }
    println!("{measured}");
    Ok(ExitCode::SUCCESS)
}

/// How fast documents become searchable, beside the embedder alone on the same texts, in one process.
async fn loading(app: &App, scope: &Scope, corpus: &[Text]) -> Result<Value> {
    let (services, embedder) = (&app.services, app.services.registry.embedder()?);
    if documents::count(scope, &services.store, None).await? > 0 {
        bail!("the workspace holds documents already; take a name that no workspace has");
    }
    let mut texts = Vec::new();
    for text in corpus {
        let file = text.as_document();
        let limits = ParseLimits::default();
        let read = parse::parse(&file.media_type, &file.title, file.text.as_bytes(), &limits);
        let Ok(read) = read else { continue };
        let chunks = chunk::chunk(&read.blocks, embedder.as_ref(), ChunkOptions::default()).await?;
        texts.extend(chunks.iter().map(Chunk::embedded_text));
    }
    let together = Stopwatch::start();
    load(app, scope, corpus).await?;
    let together = together.seconds();
    let alone = Stopwatch::start();
    let steps = texts.chunks(EMBEDDED_AT_ONCE).map(|some| embedder.embed(EmbedKind::Passage, some.to_vec()));
    let passages: usize = stream::iter(steps)
        .buffer_unordered(PARALLEL)
        .try_fold(0, async |count, vectors| Ok(count + vectors.len()))
        .await?;
    let alone = alone.seconds();
    let rate = |seconds: f64| passages as f64 / seconds;
    Ok(json!({
        "documents": corpus.len(),
        "passages": passages,
        "passages/s": rate(together),
        "passages/s of the embedder alone": rate(alone),
        "ratio": alone / together,
    }))
}

/// How well the assistant tells questions whose answer is not in the knowledge: precision, recall and F1 of saying so.
async fn answerability(
    app: &App,
    scope: &Scope,
    conversations: &[Conversation],
    threshold: Option<f64>,
) -> Result<Value> {
    let services = &app.services;
    let answers = AnswerHandler {
        knowledge: services.knowledge.clone(),
        registry: services.registry.clone(),
        routes: services.routes.clone(),
        desk: Desk::new(services.feed.clone()),
        at_once: 1,
        looking_up: Semaphore::new(1),
        sentences: services.sentences.clone(),
        meter: Arc::new(Meter(app.metrics.clone())),
    };
    let mut known = assistants::list(scope, &services.store).await?.into_iter();
    let mut assistant = match known.next() {
        Some(assistant) => assistant,
        None => {
            let settings = AssistantSettings { name: Some("Evaluation".to_owned()), ..AssistantSettings::default() };
            assistants::create(scope, &services.store, &services.registry, settings).await?
        }
    };
    assistant.answer_threshold = threshold.or(assistant.answer_threshold);
    let (mut right, mut said, mut wanted) = (0_u32, 0_u32, 0_u32);
    for conversation in conversations {
        let history: Vec<Earlier> = conversation.history.iter().map(Turn::earlier).collect();
        let answer = rehearsal::rehearse(scope, &answers, &assistant, &history, &conversation.text).await?;
        said += u32::from(answer.is_none());
        wanted += u32::from(!conversation.answerable);
        right += u32::from(answer.is_none() && !conversation.answerable);
    }
    let over = |whole: u32| if whole == 0 { 0.0 } else { f64::from(right) / f64::from(whole) };
    let (precision, recall) = (over(said), over(wanted));
    let f1 = if right == 0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) };
    let answerable = conversations.len() as u32 - wanted;
    Ok(json!({
        "answerable": answerable,
        "unanswerable": wanted,
        "precision": precision,
        "recall": recall,
        "f1": f1,
        "answered": f64::from(answerable - (said - right)) / f64::from(answerable.max(1)),
    }))
}

impl Turn {
    fn earlier(&self) -> Earlier {
        Earlier { question: self.question.clone(), answer: self.answer.clone() }
    }
}

/// The documents of a search, best first, each once.
async fn ranked<'a>(
    scope: &Scope,
    knowledge: &Knowledge,
    query: Query<'_>,
    documents: &'a HashMap<String, String>,
) -> Result<Vec<&'a str>> {
    let found = search::search(scope, knowledge, query).await?;
    let mut seen = HashSet::new();
    let once = found.into_iter().filter(|passage| seen.insert(passage.document));
    Ok(once.filter_map(|passage| documents.get(&passage.document.to_string()).map(String::as_str)).collect())
}

/// How good a ranking is.
#[derive(Default)]
struct Measures {
    ndcg: f64,
    recall: f64,
    reciprocal_rank: f64,
}

impl Measures {
    fn of(ranked: &[&str], grades: &HashMap<String, f64>) -> Self {
        let top = ranked.iter().take(DEPTH);
        let gain = |(place, grade): (usize, f64)| grade / (place as f64 + 2.0).log2();
        let found: Vec<(usize, f64)> =
            top.enumerate().filter_map(|(place, id)| grades.get(*id).map(|grade| (place, *grade))).collect();
        let mut best: Vec<f64> = grades.values().copied().collect();
        best.sort_by(|a, b| b.total_cmp(a));
        let ideal: f64 = best.into_iter().take(DEPTH).enumerate().map(gain).sum();
        Self {
            ndcg: found.iter().copied().map(gain).sum::<f64>() / ideal,
            recall: found.len() as f64 / grades.len() as f64,
            reciprocal_rank: found.first().map_or(0.0, |(place, _)| 1.0 / (*place as f64 + 1.0)),
        }
    }

    fn add(&mut self, other: &Self) {
        self.ndcg += other.ndcg;
        self.recall += other.recall;
        self.reciprocal_rank += other.reciprocal_rank;
    }

    fn over(&self, questions: usize) -> Value {
        let mean = |sum: f64| sum / questions as f64;
        json!({
            "ndcg@10": mean(self.ndcg),
            "recall@10": mean(self.recall),
            "mrr@10": mean(self.reciprocal_rank),
        })
    }
}

/// A scope in the workspace of this name, which is made where it is not there yet.
async fn workspace(app: &App, name: &str) -> Result<Scope> {
    let store = &app.services.store;
    if accounts::is_empty(store).await? {
        let password = consigne_foundation::id::encode(consigne_foundation::id::random_uuid());
        serve::first_owner(&app.services, OWNER, &password, "Evaluation").await?;
    }
    if let Some(known) = operator::workspace_named(store, name).await? {
        return scope_in(app, known).await;
    }
    let languages = ["en", "fr", "de", "es"].map(str::to_owned);
    let owner = operator::owner_of(store, operator::first_workspace(store).await?).await?;
    let made = workspaces::create(store, name, &languages, owner).await?;
    scope_in(app, made.id).await
}

async fn scope_in(app: &App, workspace: consigne_foundation::id::WorkspaceId) -> Result<Scope> {
    let store = &app.services.store;
    let key = operator::create_key(store, workspace, "Evaluation", Some(KEY_LIVES)).await?;
    let header = format!("Bearer {}", key.expose());
    let somebody = authenticate::authenticate(store, Some(&header)).await?;
    Ok(somebody.context("a key that was made a moment ago is not known")?.scope)
}

/// Loads the documents that are not there yet and waits for them. Answers the set's id of each document.
async fn load(app: &App, scope: &Scope, corpus: &[Text]) -> Result<HashMap<String, String>> {
    let (knowledge, store) = (&app.services.knowledge, &app.services.store);
    let mut known = HashMap::new();
    let mut after = None;
    loop {
        let page = documents::list(scope, store, None, after, 1_000).await?;
        let Some(last) = page.last() else { break };
        after = Some(last.id);
        known.extend(page.into_iter().map(|document| (document.file_name, document.id.to_string())));
    }
    let (stop, stopped) = watch::channel(false);
    let runner = app.runner.clone();
    let worker = tokio::spawn(async move { runner.run(stopped, Duration::from_secs(5)).await });
    for text in corpus {
        if known.contains_key(&text.id) || text.text.trim().is_empty() {
            continue;
        }
        let document = uploads::add_text(scope, knowledge, text.as_document()).await?;
        known.insert(text.id.clone(), document.id.to_string());
    }
    loop {
        let pending = documents::count(scope, store, Some(DocumentState::Pending)).await?;
        eprint!("\r  {pending} of {} documents are left to read   ", corpus.len());
        // A terminal that is gone does not stop the loading.
        let _ = std::io::stderr().flush();
        if pending == 0 {
            break;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    eprintln!();
    let _ = stop.send(true);
    worker.await?;
    let failed = documents::count(scope, store, Some(DocumentState::Failed)).await?;
    if failed > 0 {
        eprintln!("  {failed} documents could not be read");
    }
    Ok(known.into_iter().map(|(id, document)| (document, id)).collect())
}

fn lines<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>> {
    let all = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let lines = all.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| serde_json::from_str(line).with_context(|| format!("a line of {}", path.display()))).collect()
}

fn judgements(path: &Path) -> Result<Judgements> {
    let all = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let mut judgements = Judgements::new();
    for line in all.lines().skip(1) {
        let [question, document, grade] = line.split('\t').collect::<Vec<_>>()[..] else {
            bail!("{} has a line that is not question, document and grade", path.display());
        };
        let grade: f64 = grade.trim().parse().with_context(|| format!("a grade of {}", path.display()))?;
        if grade > 0.0 {
            judgements.entry(question.to_owned()).or_default().insert(document.to_owned(), grade);
        }
    }
    Ok(judgements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_measures_are_those_of_the_books() {
        let grades = HashMap::from([("a".to_owned(), 3.0), ("b".to_owned(), 1.0)]);
        let of = |ranked: &[&str]| Measures::of(ranked, &grades);
        assert_eq!(of(&["a", "b"]).ndcg, 1.0);
        let swapped = of(&["x", "b", "a"]);
        let ideal = 3.0 + 1.0 / 3_f64.log2();
        assert!((swapped.ndcg - (1.0 / 3_f64.log2() + 3.0 / 2.0) / ideal).abs() < 1e-9);
        assert_eq!((swapped.recall, swapped.reciprocal_rank), (1.0, 0.5));
        let missed = of(&["x"; 12]);
        assert_eq!((missed.ndcg, missed.recall, missed.reciprocal_rank), (0.0, 0.0, 0.0));
    }
}
