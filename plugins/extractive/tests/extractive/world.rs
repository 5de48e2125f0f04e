//! What the tests share: a visitor who asks, a shelf of passages, and a stand-in embedder.

use std::sync::Arc;

use async_trait::async_trait;
use consigne_plugin_extractive::Extractive;
use consigne_sdk::{
    Capability, CapabilityKind, ChatDelta, ChatModel, ChatRequest, Egress, EmbedKind, Embedder, EmbeddingModel,
    Fingerprint, Plugin, PluginError, PluginErrorKind, PromptPassage, Result,
};
use futures::StreamExt;
use serde_json::{Value, json};

pub const THRESHOLD: f32 = 0.3;

const DIMENSIONS: usize = 1024;

/// Words that mean the same, one line a meaning, so that texts in two languages can be near.
const MEANINGS: &[&[&str]] = &[
    &["cancel", "kündige", "kündigen", "résilier"],
    &["contract", "vertrag", "contrat"],
    &["month", "monat", "monats", "mois"],
    &["end", "ende", "fin"],
];

/// Bag of words: texts are near that share words of more than three letters, by their first five.
pub struct WordEmbedder {
    model: EmbeddingModel,
    fails: bool,
}

impl WordEmbedder {
    pub fn new() -> Self {
        let model = EmbeddingModel {
            name: "words".into(),
            fingerprint: Fingerprint([1; 32]),
            dimensions: DIMENSIONS,
            max_tokens: 512,
            answer_threshold: THRESHOLD,
        };
        Self { model, fails: false }
    }

    pub fn broken() -> Self {
        Self { fails: true, ..Self::new() }
    }

    fn vector(text: &str) -> Vec<f32> {
        let mut vector = vec![0.0; DIMENSIONS];
        for word in text
            .to_lowercase()
            .split(|c: char| !c.is_alphanumeric())
            .filter(|word| word.chars().count() > 3 || *word == "end")
        {
            let meaning = MEANINGS.iter().find(|words| words.contains(&word)).map_or(word, |words| words[0]);
            let start: String = meaning.chars().take(5).collect();
            let bucket =
                start.bytes().fold(7_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(usize::from(byte)));
            vector[bucket % DIMENSIONS] = 1.0;
        }
        let length = vector.iter().sum::<f32>().sqrt().max(1.0);
        vector.into_iter().map(|value| value / length).collect()
    }

    pub fn cosine(a: &str, b: &str) -> f32 {
        Self::vector(a).iter().zip(Self::vector(b)).map(|(x, y)| x * y).sum()
    }
}

#[async_trait]
impl Embedder for WordEmbedder {
    fn model(&self) -> &EmbeddingModel {
        &self.model
    }

    async fn warm(&self) -> Result<()> {
        Ok(())
    }

    async fn embed(&self, _kind: EmbedKind, texts: Vec<String>) -> Result<Vec<Vec<f32>>> {
        if self.fails {
            return Err(PluginError::new(PluginErrorKind::Unavailable, "the model is not there"));
        }
        Ok(texts.iter().map(|text| Self::vector(text)).collect())
    }

    async fn count_tokens(&self, texts: Vec<String>) -> Result<Vec<usize>> {
        Ok(texts.iter().map(|text| text.split_whitespace().count()).collect())
    }
}

/// A visitor with a question in English, and the passages a search found for it.
pub struct Visitor {
    pub request: ChatRequest,
    settings: Value,
}

pub fn ask(question: &str) -> Visitor {
    let request = ChatRequest {
        messages: Vec::new(),
        question: question.into(),
        language: Some("en".into()),
        passages: Vec::new(),
        max_tokens: 1_024,
        answer_threshold: THRESHOLD,
        embedder: Arc::new(WordEmbedder::new()),
    };
    Visitor { request, settings: json!({}) }
}

impl Visitor {
    /// One more passage, with the cosine that a search would have found.
    pub fn among(self, text: &str) -> Self {
        self.among_in("en", text)
    }

    pub fn among_in(self, language: &str, text: &str) -> Self {
        self.under("Manual", language, text)
    }

    pub fn under(mut self, title: &str, language: &str, text: &str) -> Self {
        let score = WordEmbedder::cosine(&self.request.question, text).max(THRESHOLD + 0.05);
        let index = self.request.passages.len() as u32 + 1;
        let (title, text, language) = (title.into(), text.into(), Some(language.into()));
        self.request.passages.push(PromptPassage { index, title, text, language, score });
        self
    }

    pub fn in_language(mut self, language: &str) -> Self {
        self.request.language = Some(language.into());
        self
    }

    pub fn with_settings(mut self, settings: Value) -> Self {
        self.settings = settings;
        self
    }

    pub async fn deltas(self) -> Result<Vec<ChatDelta>> {
        let stream = open(self.settings).await?.answer(self.request).await?;
        stream.collect::<Vec<_>>().await.into_iter().collect()
    }

    /// The answer, or `None` where the model says that the knowledge does not hold it.
    pub async fn answer(self) -> Option<String> {
        let mut text = String::new();
        for delta in self.deltas().await.expect("the model answers") {
            match delta {
                ChatDelta::Text(piece) => text.push_str(&piece),
                ChatDelta::NotInKnowledge => {
                    assert!(text.is_empty(), "no text came before");
                    return None;
                }
                ChatDelta::Usage { .. } => {}
            }
        }
        Some(text)
    }
}

pub async fn open(settings: Value) -> Result<Arc<dyn ChatModel>> {
    let plugin = Extractive::new();
    let egress = Egress::new(plugin.manifest(), &settings)?;
    match plugin.open(CapabilityKind::ChatModel, settings, egress).await? {
        Capability::ChatModel(model) => Ok(model),
        _ => panic!("extractive is a chat model"),
    }
}
