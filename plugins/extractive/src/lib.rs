//! `extractive`: the chat model of an installation without a language model. It answers with quotes.
//!
//! It picks the sentences of the passages that answer a question best, in their own words and each with the number of its
//! passage, or says that the knowledge does not hold the answer. Nothing leaves this process.
//!
//! Reading order: `clean` and `markdown`, what of a text may be shown; `units`, a passage as sentences, list items, rows and code;
//! `words`, what words tell; `question`, the question and the passages read together; `evidence`, how well each
//! unit answers and whether any does; `quotes`, the choice and its text; `model`, the capability made of these.
//!
//! Invariants, as absences:
//! - No word is written that is not in a passage, and no quote goes without its `[n]`.
//! - Nothing a passage says is obeyed: text is compared and copied, never interpreted.
//! - No invisible character, no image, no link and, outside of quoted code, no tag leaves here; and nothing that reads
//!   as a citation is none.
//! - No text is kept after its answer, and none is in an error or a log line.

mod clean;
mod evidence;
mod markdown;
mod model;
mod question;
mod quotes;
mod units;
mod words;

use std::sync::Arc;

use async_trait::async_trait;
use consigne_sdk::{
    Capability, CapabilityKind, DataCategory, Egress, Manifest, Plugin, PluginError, PluginErrorKind, Processing,
    Purpose, Result,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use model::Quoting;

/// Sentences of one answer where nothing else is set.
const DEFAULT_SENTENCES: u8 = 3;

/// What a workspace may set.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ExtractiveSettings {
    /// Sentences that are chosen for one answer at the most, 1 to 4. A list or code block that a sentence announces comes
    /// on top.
    #[schemars(range(min = 1, max = 4))]
    pub max_sentences: u8,
}

impl Default for ExtractiveSettings {
    fn default() -> Self {
        Self { max_sentences: DEFAULT_SENTENCES }
    }
}

/// The plugin.
pub struct Extractive {
    manifest: Manifest,
}

impl Extractive {
    /// The plugin. There is nothing an installation has to decide.
    pub fn new() -> Self {
        Self {
            manifest: Manifest {
                id: "extractive",
                name: "Extractive",
                summary: "Answers with quotes from the knowledge, inside this installation.",
                capabilities: vec![CapabilityKind::ChatModel],
                hosts: Vec::new(),
                settings_schema: Manifest::schema_of::<ExtractiveSettings>(),
            },
        }
    }
}

impl Default for Extractive {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Plugin for Extractive {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn processing(&self, _settings: &Value) -> Processing {
        Processing::internal(vec![DataCategory::Knowledge, DataCategory::Conversation], vec![Purpose::Answering])
    }

    async fn open(&self, _capability: CapabilityKind, settings: Value, _egress: Egress) -> Result<Capability> {
        let settings = match settings {
            Value::Null => Some(ExtractiveSettings::default()),
            Value::Object(_) => ExtractiveSettings::deserialize(settings).ok(),
            _ => None,
        };
        let settings = settings
            .filter(|settings| (1..=4).contains(&settings.max_sentences))
            .ok_or_else(|| PluginError::new(PluginErrorKind::Misconfigured, "extractive: maxSentences is 1 to 4"))?;
        Ok(Capability::ChatModel(Arc::new(Quoting { most_sentences: usize::from(settings.max_sentences) })))
    }
}
