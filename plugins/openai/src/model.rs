//! The chat model.

use async_trait::async_trait;
use consigne_sdk::{
    ChatModel, ChatRequest, ChatStream, Egress, PromptMessage, Result,
    egress::header::{AUTHORIZATION, HeaderMap},
    model_server::{Client, Failures, client::text_of, completions, wipe::Wiped},
};
use serde_json::Value;

use crate::{
    request::{self, Task},
    settings::{COMPLETIONS, Settings},
};

const FAILURES: Failures = Failures(crate::ID);

/// A model behind a chat-completions endpoint.
pub(crate) struct OpenAiModel {
    settings: Settings,
    client: Client,
}

impl OpenAiModel {
    /// The model under checked settings.
    pub(crate) fn new(mut settings: Settings, egress: Egress) -> Result<Self> {
        let headers = HeaderMap::from_iter(settings.authorization()?.map(|key| (AUTHORIZATION, key)));
        settings.api_key = None;
        let (base, timeout) = (settings.base()?, settings.timeout());
        Ok(Self { client: Client { failures: FAILURES, egress, base, headers, timeout }, settings })
    }
}

#[async_trait]
impl ChatModel for OpenAiModel {
    fn model_name(&self) -> &str {
        &self.settings.model
    }

    /// Returns with the first piece of the answer at hand, so everything that can be repeated was repeated. Dropping
    /// the future or the stream closes the connection, at which these servers stop writing.
    async fn answer(&self, request: ChatRequest) -> Result<ChatStream> {
        let body = request::body(&self.settings, &request.messages, request.max_tokens, Task::Answer);
        drop(request);
        self.ask(body).await
    }

    async fn say(&self, messages: Vec<PromptMessage>, max_tokens: u32) -> Result<Option<String>> {
        let said = self.ask(request::body(&self.settings, &messages, max_tokens, Task::Write)).await?;
        Ok(Some(text_of(said).await?))
    }
}

impl OpenAiModel {
    async fn ask(&self, body: Value) -> Result<ChatStream> {
        let read = |body, deadline| completions::read(FAILURES, body, deadline);
        self.client.stream(COMPLETIONS, Wiped::new(body), read).await
    }
}
