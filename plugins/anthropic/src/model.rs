//! The chat model.

use async_trait::async_trait;
use consigne_sdk::{
    ChatModel, ChatRequest, ChatStream, Egress, PromptMessage, Result,
    egress::header::{HeaderMap, HeaderName, HeaderValue},
    model_server::{Client, Failures, client::text_of, wipe::Wiped},
};
use serde_json::Value;

use crate::{reply, request, settings::Settings};

/// The version of the API that this speaks.
const VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

/// A model behind the Messages API.
pub(crate) struct AnthropicModel {
    settings: Settings,
    client: Client,
}

impl AnthropicModel {
    /// The model under checked settings.
    pub(crate) fn new(mut settings: Settings, egress: Egress) -> Result<Self> {
        let headers = HeaderMap::from_iter([
            (HeaderName::from_static("x-api-key"), settings.key()?),
            (HeaderName::from_static("anthropic-version"), VERSION),
        ]);
        settings.api_key.clear();
        let (base, timeout) = (settings.base()?, settings.timeout());
        Ok(Self { client: Client { failures: Failures(crate::ID), egress, base, headers, timeout }, settings })
    }

    async fn ask(&self, body: Value) -> Result<ChatStream> {
        self.client.stream("messages", Wiped::new(body), reply::read).await
    }
}

#[async_trait]
impl ChatModel for AnthropicModel {
    fn model_name(&self) -> &str {
        &self.settings.model
    }

    /// Returns with the first piece of the answer at hand, so everything that can be repeated was repeated. Dropping the
    /// future or the stream closes the connection.
    async fn answer(&self, request: ChatRequest) -> Result<ChatStream> {
        let body = request::body(&self.settings, &request.messages, request.max_tokens, true);
        drop(request);
        self.ask(body).await
    }

    async fn say(&self, messages: Vec<PromptMessage>, max_tokens: u32) -> Result<Option<String>> {
        let said = self.ask(request::body(&self.settings, &messages, max_tokens, false)).await?;
        Ok(Some(text_of(said).await?))
    }

    async fn models(&self) -> Result<Vec<String>> {
        self.client.models().await
    }
}
