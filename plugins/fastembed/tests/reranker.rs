//! A reranker from the parts folder, run by the real library: a graph of two nodes whose score is the number of tokens that it
//! is shown. Skipped, with a word, where `make parts` was not run.

#[path = "../src/bin/convert-e5/graph.rs"]
#[expect(dead_code, reason = "the converter writes larger graphs")]
mod graph;
#[path = "../src/bin/convert-e5/protobuf.rs"]
mod protobuf;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use consigne_plugin_fastembed::{FastembedOptions, FastembedReranker};
use consigne_sdk::{Capability, CapabilityKind, Egress, Plugin, PluginError, PluginErrorKind, Reranker};
use graph::{Attribute, Dimension, Element, Graph, STANDARD, value};
use serde_json::json;

fn parts() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../parts"))
}

/// A folder that is gone after the test.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).ok();
    }
}

/// The file of a model that counts tokens.
fn counting() -> Vec<u8> {
    let mut graph = Graph::default();
    let axis = graph.constant("axis", Element::I64, &[1], &1_i64.to_le_bytes());
    let sum =
        graph.node(STANDARD, "ReduceSum", &["attention_mask", &axis], &["tokens"], &[Attribute::Int("keepdims", 1)]);
    graph.node(STANDARD, "Cast", &[&sum], &["logits"], &[Attribute::Int("to", Element::F32 as i64)]);
    let sides = [Dimension::Free("batch"), Dimension::Free("length")];
    let inputs = ["input_ids", "attention_mask"].map(|name| value(name, Element::I64, &sides));
    let output = value("logits", Element::F32, &[Dimension::Free("batch"), Dimension::Fixed(1)]);
    graph.into_file("counting", &inputs, &[output])
}

/// Parts with a reranker of this content, or `None` where there is no tokenizer to give it.
fn parts_with(name: &str, model: &[u8]) -> Option<Folder> {
    let tokenizer = parts().join("multilingual-e5-small");
    if !tokenizer.is_dir() {
        println!("skipped: {} is not there; run `make parts`", tokenizer.display());
        return None;
    }
    let folder = std::env::temp_dir().join(format!("consigne-reranker-{name}-{}", std::process::id()));
    let reranker = folder.join("reranker");
    fs::create_dir_all(&reranker).expect("a temporary folder can be made");
    for file in ["tokenizer.json", "config.json", "special_tokens_map.json", "tokenizer_config.json"] {
        fs::copy(tokenizer.join(file), reranker.join(file)).expect("a part can be copied");
    }
    fs::write(reranker.join("model.onnx"), model).expect("a model can be written");
    std::os::unix::fs::symlink(parts().join("onnxruntime"), folder.join("onnxruntime")).expect("a link can be made");
    Some(Folder(folder))
}

async fn open(parts: &Path) -> Result<Arc<dyn Reranker>, PluginError> {
    let options = FastembedOptions { parts: parts.to_path_buf(), onnxruntime: None, workers: 1 };
    let plugin = FastembedReranker::new(options);
    let egress = Egress::new(plugin.manifest(), &json!({}))?;
    match plugin.open(CapabilityKind::Reranker, json!({}), egress).await? {
        Capability::Reranker(reranker) => Ok(reranker),
        _ => panic!("not a reranker"),
    }
}

#[tokio::test]
async fn a_model_from_the_parts_folder_scores_question_and_passage_together() {
    let Some(folder) = parts_with("counts", &counting()) else { return };
    let reranker = open(&folder.0).await.expect("the model is complete");
    let passages = ["One two three four.", "One.", "One two.", ""].map(str::to_owned).to_vec();
    let scores = reranker.scores("How many?", passages.clone()).await.expect("the model answers");
    assert!(scores[0] > scores[2] && scores[2] > scores[1] && scores[1] > scores[3], "{scores:?}");
    let longer = reranker.scores("How many are there in all?", passages).await.expect("the model answers");
    assert!(longer.iter().zip(&scores).all(|(longer, shorter)| longer > shorter), "the question is read, too");
    assert!(reranker.scores("How many?", Vec::new()).await.expect("nothing is no failure").is_empty());
}

#[tokio::test]
async fn without_a_model_or_with_a_broken_one_it_says_where_it_looked() {
    let Some(folder) = parts_with("broken", b"no model") else { return };
    let broken = open(&folder.0).await.err().expect("that is no model");
    assert_eq!(broken.kind, PluginErrorKind::Unavailable);
    assert!(broken.message.contains("cannot be loaded"), "{broken}");
    fs::remove_file(folder.0.join("reranker/model.onnx")).expect("it is there");
    let missing = open(&folder.0).await.err().expect("there is none");
    assert!(missing.message.contains("reranker/model.onnx"), "{missing}");
}
