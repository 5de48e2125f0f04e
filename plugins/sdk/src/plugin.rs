//! The plugin itself: a manifest, and a way to open each capability it offers.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;

use crate::{
    AuditSink, CapabilityKind, Channel, ChatModel, Corrector, Egress, Embedder, Mailbox, Mailer, Manifest, PageFetcher,
    Processing, Reranker, Result, VectorIndex,
};

/// A product behind one capability, or a few under the same settings. Registered by name in the gateway's list; never discovered.
#[async_trait]
pub trait Plugin: Send + Sync {
    /// What this plugin is, what it may reach and which settings it takes.
    fn manifest(&self) -> &Manifest;

    /// The processing declaration that holds under `settings`. A product that a customer hosts says other things
    /// about place and retention than the same product hosted by its maker.
    fn processing(&self, settings: &Value) -> Processing;

    /// What its use costs under `settings`: the settings `inputPrice` and `outputPrice`, for a million tokens each; nothing
    /// where it has none.
    fn price(&self, settings: &Value) -> Price {
        Price::of(settings)
    }

    /// Opens a capability that the manifest names, under `settings`, which were checked against its schema before.
    ///
    /// # Errors
    /// `Misconfigured` where the settings cannot work or it does not offer the capability, `Unavailable` where a needed
    /// part is missing.
    async fn open(&self, capability: CapabilityKind, settings: Value, egress: Egress) -> Result<Capability>;
}

/// What a million tokens cost, in millionths of the unit of the workspace's budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Price {
    /// Tokens read.
    pub input_micros: u64,
    /// Tokens written.
    pub output_micros: u64,
}

impl Price {
    /// From the two settings; what is no price costs nothing.
    pub fn of(settings: &Value) -> Self {
        let micros = |name: &str| {
            let price = settings.get(name).and_then(Value::as_f64).unwrap_or_default();
            (price.clamp(0.0, 1_000_000.0) * 1_000_000.0).round() as u64
        };
        Self { input_micros: micros("inputPrice"), output_micros: micros("outputPrice") }
    }

    /// What these tokens cost, in millionths; rounded up, so that nothing is for free by being small.
    pub fn micros(self, input_tokens: u64, output_tokens: u64) -> u64 {
        let cost = |price: u64, tokens: u64| u128::from(price) * u128::from(tokens);
        let cost = cost(self.input_micros, input_tokens) + cost(self.output_micros, output_tokens);
        u64::try_from(cost.div_ceil(1_000_000)).unwrap_or(u64::MAX)
    }
}

/// What an opened plugin can do.
#[derive(Clone)]
pub enum Capability {
    /// Turns text into vectors.
    Embedder(Arc<dyn Embedder>),
    /// Finds the nearest vectors of one workspace.
    VectorIndex(Arc<dyn VectorIndex>),
    /// Puts found passages into a better order.
    Reranker(Arc<dyn Reranker>),
    /// Answers a question from passages.
    ChatModel(Arc<dyn ChatModel>),
    /// Fetches pages of websites that customers name.
    PageFetcher(Arc<dyn PageFetcher>),
    /// Tells people that a visitor needs one of them, and brings back what they say.
    Channel(Arc<dyn Channel>),
    /// Corrects texts without keeping any.
    Corrector(Arc<dyn Corrector>),
    /// Sends mail to one person.
    Mailer(Arc<dyn Mailer>),
    /// Fetches what people write about their data.
    Mailbox(Arc<dyn Mailbox>),
    /// Takes a workspace's audit log as it grows.
    AuditSink(Arc<dyn AuditSink>),
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_price_is_for_a_million_tokens_and_rounds_up() {
        let price = Price::of(&json!({ "inputPrice": 0.4, "outputPrice": 2 }));
        assert_eq!(price, Price { input_micros: 400_000, output_micros: 2_000_000 });
        assert_eq!(price.micros(1_000_000, 500_000), 1_400_000);
        assert_eq!([price.micros(1, 0), price.micros(0, 0)], [1, 0]);
        assert_eq!(Price::of(&json!({ "inputPrice": "x", "outputPrice": -1 })), Price::default());
    }
}
