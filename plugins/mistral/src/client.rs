//! The API under checked settings, and what it answers whole.

use consigne_sdk::{
    ChatStream, Egress, Result,
    egress::header::{AUTHORIZATION, HeaderMap},
    model_server::{self, Failures, completions, wipe::Wiped},
};
use serde::Deserialize;

use crate::settings::Settings;

const FAILURES: Failures = Failures(crate::ID);

const PATH: &str = "chat/completions";

/// The API under checked settings.
pub(crate) struct Client {
    pub(crate) settings: Settings,
    api: model_server::Client,
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: u32,
    completion_tokens: u32,
}

impl Client {
    pub(crate) fn new(mut settings: Settings, egress: Egress) -> Result<Self> {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, settings.authorization()?)]);
        settings.api_key.clear();
        let (base, timeout) = (settings.base()?, settings.timeout());
        Ok(Self { api: model_server::Client { failures: FAILURES, egress, base, headers, timeout }, settings })
    }

    /// As [`model_server::Client::stream`].
    pub(crate) async fn stream(&self, body: Wiped) -> Result<ChatStream> {
        self.api.stream(PATH, body, |body, deadline| completions::read(FAILURES, body, deadline)).await
    }

    /// An answer that is read whole: its text, and what it used.
    pub(crate) async fn whole(&self, body: Wiped) -> Result<(String, Option<(u32, u32)>)> {
        let bytes = self.api.whole(PATH, body).await?;
        // The parser's own message would quote the text.
        let read: Completion =
            serde_json::from_slice(bytes.as_ref()).map_err(|_| FAILURES.invalid("the answer is not readable"))?;
        let usage = read.usage.map(|usage| (usage.prompt_tokens, usage.completion_tokens));
        let choice = read.choices.into_iter().next().ok_or_else(|| FAILURES.invalid("the answer is empty"))?;
        if choice.finish_reason.as_deref() == Some("length") {
            return Err(FAILURES.invalid("the token limit was reached inside the answer; raise maxTokens"));
        }
        Ok((choice.message.content.unwrap_or_default(), usage))
    }

    /// The models that the key may use.
    pub(crate) async fn models(&self) -> Result<Vec<String>> {
        self.api.models().await
    }
}
