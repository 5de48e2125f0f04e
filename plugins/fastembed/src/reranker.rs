//! A reranker inside this process: a model that reads question and passage together, through fastembed and ONNX Runtime.
//!
//! The registries that `make parts` draws from have none that is good and free, so the files are the operator's to bring: an
//! ONNX export with the output `logits`, and its tokenizer, in `reranker/` below the parts folder. With the feature `online` a
//! model of fastembed's list can be named instead (see `hub`).

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, mpsc},
    thread,
};

use async_trait::async_trait;
use consigne_sdk::{
    Capability, CapabilityKind, DataCategory, Egress, Manifest, Plugin, PluginError, PluginErrorKind, Processing,
    Purpose, Reranker, Result,
};
use fastembed::{OnnxSource, RerankInitOptionsUserDefined, TextRerank, TokenizerFiles, UserDefinedRerankingModel};
use serde_json::Value;
use tokio::sync::oneshot;

use crate::{FastembedOptions, FastembedRerankerSettings, parts, runtime};

/// Where the operator's files are, below the parts folder.
const FOLDER: &str = "reranker";
/// Longest pair of question and passage, in tokens; more is cut.
pub(crate) const POSITIONS: usize = 512;

/// The plugin.
pub struct FastembedReranker {
    manifest: Manifest,
    options: FastembedOptions,
}

impl FastembedReranker {
    /// The plugin under these options. Reads nothing yet.
    pub fn new(options: FastembedOptions) -> Self {
        let manifest = Manifest {
            id: "fastembed-reranker",
            name: "fastembed reranker",
            summary: "Puts found passages into a better order inside this installation.",
            capabilities: vec![CapabilityKind::Reranker],
            hosts: crate::plugin::hosts(),
            settings_schema: Manifest::schema_of::<FastembedRerankerSettings>(),
        };
        Self { manifest, options }
    }
}

#[async_trait]
impl Plugin for FastembedReranker {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn processing(&self, _settings: &Value) -> Processing {
        Processing::internal(vec![DataCategory::Knowledge, DataCategory::Conversation], vec![Purpose::Answering])
    }

    async fn open(&self, _capability: CapabilityKind, settings: Value, _egress: Egress) -> Result<Capability> {
        let settings: FastembedRerankerSettings = serde_json::from_value(settings).map_err(|error| {
            PluginError::new(PluginErrorKind::Misconfigured, format!("settings of fastembed-reranker: {error}"))
        })?;
        let options = self.options.clone();
        let opened = tokio::task::spawn_blocking(move || open_model(&options, &settings)).await;
        let opened =
            opened.map_err(|_| PluginError::new(PluginErrorKind::Internal, "opening the reranker panicked"))?;
        let (name, model) = opened?;
        Ok(Capability::Reranker(Arc::new(LocalReranker::start(name, model)?)))
    }
}

#[cfg(not(feature = "online"))]
fn open_model(options: &FastembedOptions, FastembedRerankerSettings {}: &FastembedRerankerSettings) -> Result<Named> {
    from_parts(options)
}

#[cfg(feature = "online")]
fn open_model(options: &FastembedOptions, settings: &FastembedRerankerSettings) -> Result<Named> {
    match settings.model {
        Some(model) => crate::hub::open_reranker(&options.parts, options.onnxruntime.as_deref(), model),
        None => from_parts(options),
    }
}

/// A model and its name.
pub(crate) type Named = (String, TextRerank);

/// The model that the operator put into the parts folder.
///
/// # Errors
/// `Unavailable` where a file is missing or cannot be used.
fn from_parts(options: &FastembedOptions) -> Result<Named> {
    let folder = options.parts.join(FOLDER);
    let model = file(&folder, "model.onnx")?;
    let tokenizer = TokenizerFiles {
        tokenizer_file: read(&folder, "tokenizer.json")?,
        config_file: read(&folder, "config.json")?,
        special_tokens_map_file: read(&folder, "special_tokens_map.json")?,
        tokenizer_config_file: read(&folder, "tokenizer_config.json")?,
    };
    let environment = runtime::environment(&parts::onnxruntime(&options.parts, options.onnxruntime.as_deref())?)?;
    let wanted = RerankInitOptionsUserDefined::new()
        .with_environment(environment)
        .with_max_length(POSITIONS)
        .with_intra_threads(1)
        .with_session_config("session.intra_op.allow_spinning", "0");
    let model = UserDefinedRerankingModel::new(OnnxSource::File(model), tokenizer);
    let loaded = TextRerank::try_new_from_user_defined(model, wanted).map_err(|error| {
        let message = format!("The reranker in {} cannot be loaded: {error}", folder.display());
        PluginError::new(PluginErrorKind::Unavailable, message)
    })?;
    Ok((FOLDER.to_owned(), loaded))
}

fn file(folder: &Path, name: &str) -> Result<PathBuf> {
    let path = folder.join(name);
    if path.is_file() { Ok(path) } else { Err(missing(&path)) }
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>> {
    let path = folder.join(name);
    fs::read(&path).map_err(|_| missing(&path))
}

fn missing(path: &Path) -> PluginError {
    let message = format!("The reranker is not at {}: put its ONNX export and tokenizer there", path.display());
    PluginError::new(PluginErrorKind::Unavailable, message)
}

/// A question, its passages, and who waits.
struct Task {
    question: String,
    passages: Vec<String>,
    reply: oneshot::Sender<Result<Vec<f32>>>,
}

/// A model on a thread of its own, for as long as this lives.
struct LocalReranker {
    name: String,
    tasks: Mutex<mpsc::Sender<Task>>,
}

impl LocalReranker {
    /// # Errors
    /// `Unavailable` where the system gives no thread.
    fn start(name: String, mut model: TextRerank) -> Result<Self> {
        // What people wrote is not kept in a cache of words for as long as the process lives.
        let mut vocabulary = model.tokenizer.get_model().clone();
        vocabulary.resize_cache(0);
        model.tokenizer.with_model(vocabulary);
        let (tasks, queue) = mpsc::channel::<Task>();
        let thread = thread::Builder::new().name("reranking".into()).spawn(move || {
            while let Ok(task) = queue.recv() {
                let scores = score(&mut model, &task);
                // Somebody who left does not mind.
                drop(task.reply.send(scores));
            }
        });
        let failed = |_| PluginError::new(PluginErrorKind::Unavailable, "the system gives no thread to rerank on");
        thread.map(drop).map_err(failed)?;
        Ok(Self { name, tasks: Mutex::new(tasks) })
    }
}

/// One passage at a time: an int8 model would make a score depend on its neighbours, and whoever has left is not worked for.
fn score(model: &mut TextRerank, task: &Task) -> Result<Vec<f32>> {
    let mut scores = Vec::with_capacity(task.passages.len());
    for passage in &task.passages {
        if task.reply.is_closed() {
            break;
        }
        // The library's message may quote what was processed.
        let failed = |_| PluginError::new(PluginErrorKind::Internal, "the reranker failed on a passage");
        let scored = model.rerank(task.question.as_str(), [passage.as_str()], false, Some(1)).map_err(failed)?;
        scores.extend(scored.first().map(|scored| scored.score));
    }
    Ok(scores)
}

#[async_trait]
impl Reranker for LocalReranker {
    fn model_name(&self) -> &str {
        &self.name
    }

    async fn scores(&self, question: &str, passages: Vec<String>) -> Result<Vec<f32>> {
        let stopped = || PluginError::new(PluginErrorKind::Unavailable, "the reranker stopped before it answered");
        let (reply, answer) = oneshot::channel();
        let task = Task { question: question.to_owned(), passages, reply };
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).send(task).map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}
