//! What a workspace may set: nothing, unless this is built with the feature `online`.

use schemars::JsonSchema;
use serde::Deserialize;

/// Settings of the plugin. Without any, the model is the one in the parts folder.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FastembedSettings {
    /// A model from the hub in place of the one in the parts folder.
    #[cfg(feature = "online")]
    #[serde(default)]
    pub model: Option<HubModel>,
    /// Cosine at or above which the best passage can be expected to hold the answer. Needed with `model`, since none was
    /// calibrated for it; `examples/calibrate.rs` shows how.
    #[cfg(feature = "online")]
    #[serde(default)]
    pub answer_threshold: Option<f32>,
}

/// The models of fastembed's list that answer across languages.
#[cfg(feature = "online")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HubModel {
    /// The fp32 original of the model in the parts folder, 384 dimensions.
    MultilingualE5Small,
    /// 768 dimensions.
    MultilingualE5Base,
    /// 1024 dimensions.
    MultilingualE5Large,
    /// 1024 dimensions.
    BgeM3,
}

/// Settings of the reranker. Without any, the model is the one that the operator put into the parts folder.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FastembedRerankerSettings {
    /// A model from the hub in place of the one in the parts folder.
    #[cfg(feature = "online")]
    #[serde(default)]
    pub model: Option<HubReranker>,
}

/// The rerankers of fastembed's list that read several languages.
#[cfg(feature = "online")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum HubReranker {
    /// BAAI's bge-reranker-v2-m3, 568 million parameters.
    BgeRerankerV2M3,
    /// Jina's jina-reranker-v2-base-multilingual, 278 million parameters; mind its licence.
    JinaRerankerV2BaseMultilingual,
}
