//! A model from the hub, for machines with internet: cargo feature `online`.
//!
//! fastembed downloads it into `hub/` below the parts folder when the plugin is opened, once. This is the one place in
//! Consigne where a plugin reaches the network past its `Egress`, which is why it is not in a build unless somebody asks
//! for it. Weights come in; no text goes out. fastembed itself reads `HF_HOME`, `HF_ENDPOINT` and `HF_TOKEN`; with
//! `HF_HOME` set the files end up elsewhere and opening fails with a sentence that says so.
//!
//! Compiled, but never run: the machine it was written on reaches no hub.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use consigne_sdk::{EmbeddingModel, PluginError, PluginErrorKind, Result};
use fastembed::{
    EmbeddingModel as Listed, RerankInitOptions, RerankerModel, TextEmbedding, TextInitOptions, TextRerank,
};
use ort::environment::Environment;

use crate::{
    model::{FastembedInstance, Model, Prefixes, fingerprint},
    parts,
    pool::Instance,
    reranker, runtime,
    settings::{HubModel, HubReranker},
    vocabulary::{self, Vocabulary},
};

/// What all of these models take, and what is left of it between the prefix and the special tokens.
const POSITIONS: usize = 512;
const OVERHEAD: usize = 4;

/// Downloads what is not there yet, loads the model once to see that it works, and hashes its files.
///
/// # Errors
/// `Misconfigured` without a threshold, `Unavailable` where a part or the hub cannot be reached.
pub(crate) fn open(parts: &Path, onnxruntime: Option<&Path>, model: HubModel, threshold: Option<f32>) -> Result<Model> {
    let threshold = threshold.ok_or_else(|| {
        PluginError::new(PluginErrorKind::Misconfigured, "setting answerThreshold is needed with setting model")
    })?;
    let environment = runtime::environment(&parts::onnxruntime(parts, onnxruntime)?)?;
    let folder = parts.join("hub");
    // It is here afterwards.
    drop(loaded(&folder, &environment, model)?);

    let listed = listed(model);
    let info = TextEmbedding::get_model_info(&listed).map_err(|error| unavailable(&error))?;
    let snapshot = snapshot(&folder, &info.model_code)?;
    let names =
        [&info.model_file].into_iter().chain(&info.additional_files).map(String::as_str).chain(["tokenizer.json"]);
    let files: Vec<PathBuf> = names.map(|name| snapshot.join(name)).collect();
    let facts = EmbeddingModel {
        name: info.model_code.clone(),
        fingerprint: fingerprint(&files.iter().map(PathBuf::as_path).collect::<Vec<_>>())?,
        dimensions: info.dim,
        max_tokens: POSITIONS - OVERHEAD,
        answer_threshold: threshold,
    };
    let tokenizer = snapshot.join("tokenizer.json");
    let vocabulary = fs::read(&tokenizer).map_err(|_| parts::missing("The embedding model", &tokenizer))?;
    let vocabulary = Arc::new(Vocabulary::read(&vocabulary)?);
    let prefixes = match model {
        HubModel::BgeM3 => Prefixes { question: "", passage: "" },
        _ => Prefixes { question: "query: ", passage: "passage: " },
    };
    let load = move || {
        let mut loaded = loaded(&folder, &environment, model)?;
        loaded.tokenizer = vocabulary::of_numbers()?;
        Ok(Box::new(FastembedInstance::new(loaded, Arc::clone(&vocabulary), POSITIONS)) as Box<dyn Instance>)
    };
    Ok(Model { facts, prefixes, load: Box::new(load) })
}

fn loaded(folder: &Path, environment: &Environment, model: HubModel) -> Result<TextEmbedding> {
    let options = TextInitOptions::new(listed(model))
        .with_cache_dir(folder.to_path_buf())
        .with_environment(environment.clone())
        .with_max_length(POSITIONS)
        .with_intra_threads(1)
        .with_session_config("session.intra_op.allow_spinning", "0")
        .with_show_download_progress(false);
    TextEmbedding::try_new(options).map_err(|error| unavailable(&error))
}

/// Downloads what is not there yet, and loads a reranker.
///
/// # Errors
/// `Unavailable` where a part or the hub cannot be reached.
pub(crate) fn open_reranker(parts: &Path, onnxruntime: Option<&Path>, model: HubReranker) -> Result<reranker::Named> {
    let listed = match model {
        HubReranker::BgeRerankerV2M3 => RerankerModel::BGERerankerV2M3,
        HubReranker::JinaRerankerV2BaseMultilingual => RerankerModel::JINARerankerV2BaseMultilingual,
    };
    let environment = runtime::environment(&parts::onnxruntime(parts, onnxruntime)?)?;
    let options = RerankInitOptions::new(listed.clone())
        .with_cache_dir(parts.join("hub"))
        .with_environment(environment)
        .with_max_length(reranker::POSITIONS)
        .with_intra_threads(1)
        .with_session_config("session.intra_op.allow_spinning", "0")
        .with_show_download_progress(false);
    let loaded = TextRerank::try_new(options).map_err(|error| unavailable(&error))?;
    Ok((listed.to_string(), loaded))
}

fn listed(model: HubModel) -> Listed {
    match model {
        HubModel::MultilingualE5Small => Listed::MultilingualE5Small,
        HubModel::MultilingualE5Base => Listed::MultilingualE5Base,
        HubModel::MultilingualE5Large => Listed::MultilingualE5Large,
        HubModel::BgeM3 => Listed::BGEM3,
    }
}

/// Where the hub's client keeps the current revision of a model.
fn snapshot(folder: &Path, code: &str) -> Result<PathBuf> {
    let repository = folder.join(format!("models--{}", code.replace('/', "--")));
    let revision = fs::read_to_string(repository.join("refs/main")).map_err(|_| {
        let message = format!("the hub's files are not in {}: is HF_HOME set?", folder.display());
        PluginError::new(PluginErrorKind::Unavailable, message)
    })?;
    Ok(repository.join("snapshots").join(revision.trim()))
}

fn unavailable(error: &fastembed::Error) -> PluginError {
    PluginError::new(PluginErrorKind::Unavailable, format!("the hub's model cannot be used: {error}"))
}
