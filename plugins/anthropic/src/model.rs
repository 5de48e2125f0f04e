//! One call from end to end: ask, wait for the first piece, hand the rest on as it comes.

use async_trait::async_trait;
use consigne_sdk::{
    ChatDelta, ChatModel, ChatRequest, ChatStream, Egress, EgressRequest, EgressResponse, PromptMessage, Result,
    egress::{
        Method,
        header::{HeaderMap, HeaderName, HeaderValue},
    },
    model_server::{
        Failures, retry,
        settings::below,
        wipe::{Wiped, WipedBytes},
    },
};
use futures::{StreamExt, stream};
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use crate::{reply, request, settings::Settings};

const FAILURES: Failures = Failures(crate::ID);

/// Longest list of models that is read.
const LONGEST_LIST: usize = 1024 * 1024;

/// The version of the API that this speaks.
const VERSION: HeaderValue = HeaderValue::from_static("2023-06-01");

/// A model behind the Messages API.
pub(crate) struct AnthropicModel {
    settings: Settings,
    base: Url,
    headers: HeaderMap,
    egress: Egress,
}

#[derive(Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

impl AnthropicModel {
    /// The model under checked settings.
    pub(crate) fn new(mut settings: Settings, egress: Egress) -> Result<Self> {
        let headers = HeaderMap::from_iter([
            (HeaderName::from_static("x-api-key"), settings.key()?),
            (HeaderName::from_static("anthropic-version"), VERSION),
        ]);
        settings.api_key.clear();
        Ok(Self { base: settings.base()?, settings, headers, egress })
    }

    async fn ask(&self, body: Wiped) -> Result<ChatStream> {
        let deadline = self.deadline();
        retry::until_it_begins(crate::ID, deadline, || self.attempt(&body, deadline)).await
    }

    /// One call, up to the first piece of the answer.
    async fn attempt(&self, body: &Wiped, deadline: Instant) -> Result<ChatStream> {
        let response = self.send(Method::POST, "messages", Some(body), deadline).await?;
        FAILURES.check_head(response.status, &response.headers)?;
        let mut answer = reply::read(response.body, deadline).boxed();
        let first = answer.next().await.ok_or_else(|| FAILURES.invalid("the answer is empty"))??;
        Ok(stream::once(async { Ok(first) }).chain(answer).boxed())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Wiped>,
        deadline: Instant,
    ) -> Result<EgressResponse> {
        let asked = self.egress.send(EgressRequest {
            method,
            url: below(&self.base, path),
            headers: self.headers.clone(),
            json: body.map(Wiped::copy),
            timeout: self.settings.timeout(),
        });
        timeout_at(deadline, asked).await.map_err(|_| FAILURES.late())?
    }

    fn deadline(&self) -> Instant {
        sleep(self.settings.timeout()).deadline()
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
        self.ask(Wiped::new(body)).await
    }

    async fn say(&self, messages: Vec<PromptMessage>, max_tokens: u32) -> Result<Option<String>> {
        let mut said = self.ask(Wiped::new(request::body(&self.settings, &messages, max_tokens, false))).await?;
        let mut text = String::new();
        while let Some(delta) = said.next().await {
            if let ChatDelta::Text(piece) = delta? {
                text.push_str(&piece);
            }
        }
        Ok(Some(text))
    }

    async fn models(&self) -> Result<Vec<String>> {
        let deadline = self.deadline();
        let mut response = self.send(Method::GET, "models", None, deadline).await?;
        FAILURES.check_status(response.status, &response.headers)?;
        let mut bytes = WipedBytes::default();
        while let Some(piece) = timeout_at(deadline, response.body.next()).await.map_err(|_| FAILURES.late())? {
            bytes.extend(&piece?);
            if bytes.as_ref().len() > LONGEST_LIST {
                return Err(FAILURES.invalid("the list of models is longer than a list can be"));
            }
        }
        let models: Models = serde_json::from_slice(bytes.as_ref())
            .map_err(|_| FAILURES.invalid("the list of models is not readable"))?;
        Ok(models.data.into_iter().map(|model| model.id).collect())
    }
}
