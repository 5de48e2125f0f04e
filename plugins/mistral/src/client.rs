//! One call from end to end.

use consigne_sdk::{
    ChatStream, Egress, EgressRequest, EgressResponse, Result,
    egress::{
        Method,
        header::{AUTHORIZATION, HeaderMap},
    },
    model_server::{
        Failures, completions, retry,
        settings::below,
        wipe::{Wiped, WipedBytes},
    },
};
use futures::{StreamExt, stream};
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use crate::settings::Settings;

const FAILURES: Failures = Failures(crate::ID);

/// Longest answer that is read whole.
const LONGEST_BODY: usize = 2 * 1024 * 1024;

/// The API under checked settings.
pub(crate) struct Client {
    pub(crate) settings: Settings,
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
        Ok(Self { base: settings.base()?, settings, headers, egress })
    }

    /// A stream with its first piece at hand, so everything that can be repeated was repeated. Dropping the future or the
    /// stream closes the connection.
    pub(crate) async fn stream(&self, body: Wiped) -> Result<ChatStream> {
        let deadline = self.deadline();
        retry::until_it_begins(crate::ID, deadline, || self.begin(&body, deadline)).await
    }

    async fn begin(&self, body: &Wiped, deadline: Instant) -> Result<ChatStream> {
        let response = self.send(Method::POST, "chat/completions", Some(body), deadline).await?;
        FAILURES.check_head(response.status, &response.headers)?;
        let mut answer = completions::read(FAILURES, response.body, deadline).boxed();
        let first = answer.next().await.ok_or_else(|| FAILURES.invalid("the answer is empty"))??;
        Ok(stream::once(async { Ok(first) }).chain(answer).boxed())
    }

    /// An answer that is read whole: its text, and what it used.
    pub(crate) async fn whole(&self, body: Wiped) -> Result<(String, Option<(u32, u32)>)> {
        let deadline = self.deadline();
        retry::until_it_begins(crate::ID, deadline, || self.read_whole(&body, deadline)).await
    }

    async fn read_whole(&self, body: &Wiped, deadline: Instant) -> Result<(String, Option<(u32, u32)>)> {
        let bytes = self.read(Method::POST, "chat/completions", Some(body), deadline).await?;
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
        let bytes = self.read(Method::GET, "models", None, self.deadline()).await?;
        let models: Models = serde_json::from_slice(bytes.as_ref())
            .map_err(|_| FAILURES.invalid("the list of models is not readable"))?;
        Ok(models.data.into_iter().map(|model| model.id).collect())
    }

    async fn read(&self, method: Method, path: &str, body: Option<&Wiped>, deadline: Instant) -> Result<WipedBytes> {
        let mut response = self.send(method, path, body, deadline).await?;
        FAILURES.check_status(response.status, &response.headers)?;
        let mut bytes = WipedBytes::default();
        while let Some(piece) = timeout_at(deadline, response.body.next()).await.map_err(|_| FAILURES.late())? {
            let piece = piece?;
            if bytes.as_ref().len() + piece.len() > LONGEST_BODY {
                return Err(FAILURES.invalid("the answer is longer than an answer can be"));
            }
            bytes.extend(&piece);
        }
        Ok(bytes)
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
