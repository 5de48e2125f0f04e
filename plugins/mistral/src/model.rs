//! The chat model.

use async_trait::async_trait;
use consigne_sdk::{
    ChatModel, ChatRequest, ChatStream, PromptMessage, Result,
    model_server::{client::text_of, wipe::Wiped},
};

use crate::{client::Client, request};

pub(crate) struct MistralModel(pub(crate) Client);

#[async_trait]
impl ChatModel for MistralModel {
    fn model_name(&self) -> &str {
        &self.0.settings.model
    }

    async fn answer(&self, request: ChatRequest) -> Result<ChatStream> {
        let body = request::answer(&self.0.settings, &request.messages, request.max_tokens, true);
        drop(request);
        self.0.stream(Wiped::new(body)).await
    }

    async fn say(&self, messages: Vec<PromptMessage>, max_tokens: u32) -> Result<Option<String>> {
        let body = request::answer(&self.0.settings, &messages, max_tokens, false);
        Ok(Some(text_of(self.0.stream(Wiped::new(body)).await?).await?))
    }

    async fn models(&self) -> Result<Vec<String>> {
        self.0.models().await
    }
}
