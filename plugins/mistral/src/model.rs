//! The chat model.

use async_trait::async_trait;
use consigne_sdk::{ChatDelta, ChatModel, ChatRequest, ChatStream, PromptMessage, Result, model_server::wipe::Wiped};
use futures::StreamExt;

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
        let mut said = self.0.stream(Wiped::new(body)).await?;
        let mut text = String::new();
        while let Some(delta) = said.next().await {
            if let ChatDelta::Text(piece) = delta? {
                text.push_str(&piece);
            }
        }
        Ok(Some(text))
    }

    async fn models(&self) -> Result<Vec<String>> {
        self.0.models().await
    }
}
