//! One call from end to end: ask, wait for the first piece, hand the rest on as it comes.

use async_trait::async_trait;
use consigne_sdk::{
    ChatDelta, ChatModel, ChatRequest, ChatStream, Egress, EgressRequest, PromptMessage, Result,
    egress::{
        Method,
        header::{AUTHORIZATION, HeaderMap},
    },
    model_server::{Failures, completions, retry},
};
use futures::{StreamExt, stream};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use crate::{
    request::{self, Task},
    settings::Settings,
};

const FAILURES: Failures = Failures(crate::ID);

/// A model behind a chat-completions endpoint.
pub(crate) struct OpenAiModel {
    settings: Settings,
    url: Url,
    headers: HeaderMap,
    egress: Egress,
}

impl OpenAiModel {
    /// The model under checked settings.
    pub(crate) fn new(mut settings: Settings, egress: Egress) -> Result<Self> {
        let headers = HeaderMap::from_iter(settings.authorization()?.map(|key| (AUTHORIZATION, key)));
        settings.api_key = None;
        Ok(Self { url: settings.completions_url()?, settings, headers, egress })
    }

    /// One call, up to the first piece of the answer.
    async fn attempt(&self, body: Value, deadline: Instant) -> Result<ChatStream> {
        let asked = self.egress.send(EgressRequest {
            method: Method::POST,
            url: self.url.clone(),
            headers: self.headers.clone(),
            json: Some(body),
            timeout: self.settings.timeout(),
        });
        let response = timeout_at(deadline, asked).await.map_err(|_| FAILURES.late())??;
        FAILURES.check_head(response.status, &response.headers)?;
        let mut answer = completions::read(FAILURES, response.body, deadline).boxed();
        let first = answer.next().await.ok_or_else(|| FAILURES.invalid("the answer is empty"))??;
        Ok(stream::once(async { Ok(first) }).chain(answer).boxed())
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
        let mut said = self.ask(request::body(&self.settings, &messages, max_tokens, Task::Write)).await?;
        let mut text = String::new();
        while let Some(delta) = said.next().await {
            if let ChatDelta::Text(piece) = delta? {
                text.push_str(&piece);
            }
        }
        Ok(Some(text))
    }
}

impl OpenAiModel {
    /// Calls until the first piece of the answer is at hand, or no try is left.
    async fn ask(&self, body: Value) -> Result<ChatStream> {
        let deadline = sleep(self.settings.timeout()).deadline();
        retry::until_it_begins(crate::ID, deadline, || self.attempt(body.clone(), deadline)).await
    }
}
