//! The real model. Each test is skipped, and says so, where `make parts` was not run.

use std::{path::PathBuf, sync::Arc};

use consigne_plugin_fastembed::{Fastembed, FastembedOptions};
use consigne_sdk::{Capability, CapabilityKind, Egress, EmbedKind, Embedder, Plugin, PluginError, PluginErrorKind};
use serde_json::json;

#[expect(
    clippy::disallowed_methods,
    reason = "a test's parts may lie elsewhere; the crate itself reads no environment"
)]
fn parts() -> PathBuf {
    let given = std::env::var_os("CONSIGNE_PARTS").map(PathBuf::from);
    given.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../parts")))
}

fn options() -> FastembedOptions {
    FastembedOptions { parts: parts(), onnxruntime: None, workers: 2 }
}

async fn open(options: FastembedOptions) -> Result<Arc<dyn Embedder>, PluginError> {
    let plugin = Fastembed::new(options);
    let egress = Egress::new(plugin.manifest(), &json!({}))?;
    match plugin.open(CapabilityKind::Embedder, json!({}), egress).await? {
        Capability::Embedder(embedder) => Ok(embedder),
        _ => panic!("not an embedder"),
    }
}

/// The model, or `None` after saying why there is none.
async fn model() -> Option<Arc<dyn Embedder>> {
    let folder = parts().join("multilingual-e5-small");
    if !folder.is_dir() {
        println!("skipped: {} is not there; run `make parts`", folder.display());
        return None;
    }
    Some(open(options()).await.expect("the parts are complete"))
}

async fn question(model: &Arc<dyn Embedder>, text: &str) -> Vec<f32> {
    model.embed(EmbedKind::Question, vec![text.into()]).await.expect("the model answers").remove(0)
}

async fn passages(model: &Arc<dyn Embedder>, texts: &[&str]) -> Vec<Vec<f32>> {
    model.embed(EmbedKind::Passage, texts.iter().map(ToString::to_string).collect()).await.expect("the model answers")
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[tokio::test]
async fn vectors_have_the_promised_length_and_unit_norm() {
    let Some(model) = model().await else { return };
    let long = "bottle ".repeat(2_000);
    for vector in passages(&model, &["The warranty lasts two years.", "", "\u{200b}", "🙂", &long]).await {
        assert_eq!(vector.len(), model.model().dimensions);
        assert!((cosine(&vector, &vector) - 1.0).abs() < 1e-4);
    }
}

#[tokio::test]
async fn the_right_passage_wins_in_any_language() {
    let Some(model) = model().await else { return };
    let texts = [
        "Die Kündigungsfrist beträgt drei Monate zum Jahresende.",
        "Pour réinitialiser le mot de passe, ouvrez Compte, puis Sécurité.",
        "Los pedidos se entregan en un plazo de cinco días laborables.",
        "Peel the apples and spread them on the dough.",
    ];
    let vectors = passages(&model, &texts).await;
    let questions = [
        ("How long is the notice period of the contract?", 0),
        ("Quel est le délai de résiliation du contrat ?", 0),
        ("Ich habe mein Passwort vergessen", 1),
        ("I forgot my password", 1),
        ("When does my parcel arrive?", 2),
        ("Quand vais-je recevoir ma commande ?", 2),
        ("Wie mache ich einen Apfelkuchen?", 3),
    ];
    for (text, right) in questions {
        let asked = question(&model, text).await;
        let best =
            (0..vectors.len()).max_by(|a, b| cosine(&asked, &vectors[*a]).total_cmp(&cosine(&asked, &vectors[*b])));
        assert_eq!(best, Some(right), "{text}");
    }
}

#[tokio::test]
async fn a_text_has_the_same_vector_whatever_else_is_queued() {
    let Some(model) = model().await else { return };
    let text = "Returns are free of charge within thirty days.";
    let alone = passages(&model, &[text]).await.remove(0);
    let long = "A much longer passage about something else. ".repeat(20);
    let (others, between) = (["Yes.", &long].repeat(6), [&long, text, "Yes."]);
    let (crowd, amid) = tokio::join!(passages(&model, &others), passages(&model, &between));
    assert_eq!(amid[1], alone);
    assert_eq!(crowd[0], crowd[2]);
    assert_ne!(question(&model, text).await, alone, "a question is not embedded as a passage is");
}

#[tokio::test]
async fn a_question_overtakes_a_queue_of_passages() {
    let Some(model) = model().await else { return };
    model.warm().await.unwrap();
    let text = "Passages wait while a visitor is answered. ".repeat(10);
    let waiting = tokio::spawn({
        let model = Arc::clone(&model);
        async move { model.embed(EmbedKind::Passage, vec![text; 200]).await }
    });
    tokio::task::yield_now().await;
    question(&model, "Am I first?").await;
    assert!(!waiting.is_finished(), "the question was served before the last of two hundred passages");
    waiting.abort();
}

#[tokio::test]
async fn tokens_are_counted_beyond_the_longest_input_and_the_limit_is_where_the_model_cuts() {
    let Some(model) = model().await else { return };
    let texts = ["", "Hello world", &vec!["word"; 5_000].join(" ")].map(String::from);
    assert_eq!(model.count_tokens(texts.to_vec()).await.unwrap(), [0, 2, 5_000]);

    let full = vec!["word"; model.model().max_tokens].join(" ");
    let vectors = passages(&model, &[&full, &format!("{full} apple"), full.trim_end_matches(" word")]).await;
    assert_eq!(vectors[0], vectors[1], "what comes after the limit is cut");
    assert_ne!(vectors[0], vectors[2], "what comes before it is not");
}

#[tokio::test]
async fn a_missing_part_is_a_clear_error() {
    let elsewhere = PathBuf::from("/nowhere/parts");
    let missing_parts = FastembedOptions { parts: elsewhere.clone(), ..options() };
    let missing_library = FastembedOptions { onnxruntime: Some(elsewhere.join("libonnxruntime.so")), ..options() };
    for options in [missing_parts, missing_library] {
        let error = open(options).await.err().expect("nothing is there");
        assert_eq!(error.kind, PluginErrorKind::Unavailable);
        assert!(error.message.contains("/nowhere/parts") && error.message.ends_with("run `make parts`"), "{error}");
    }
}

#[tokio::test]
async fn a_library_that_is_none_is_a_clear_error_for_everyone_who_waits() {
    if model().await.is_none() {
        return;
    }
    let not_a_library = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    let model = open(FastembedOptions { onnxruntime: Some(not_a_library), ..options() }).await.unwrap();
    let (warmed, counted) = tokio::join!(model.warm(), model.count_tokens(vec!["text".into()]));
    for error in [warmed.unwrap_err(), counted.unwrap_err()] {
        assert_eq!(error.kind, PluginErrorKind::Unavailable);
        assert!(
            error.message.starts_with("ONNX Runtime at ") && error.message.ends_with("run `make parts`"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn settings_that_do_not_exist_are_refused() {
    let plugin = Fastembed::new(options());
    let egress = Egress::new(plugin.manifest(), &json!({})).unwrap();
    let error = plugin
        .open(CapabilityKind::Embedder, json!({ "colour": "blue" }), egress)
        .await
        .err()
        .expect("there is no such setting");
    assert_eq!(error.kind, PluginErrorKind::Misconfigured);
}
