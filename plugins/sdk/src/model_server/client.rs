//! One call from end to end: ask, wait for the first piece, hand the rest on as it comes.

use std::time::Duration;

use bytes::Bytes;
use futures::{Stream, StreamExt, stream, stream::BoxStream};
use serde::Deserialize;
use tokio::time::{Instant, sleep, timeout_at};
use url::Url;

use super::{
    Failures, retry,
    settings::below,
    wipe::{Wiped, WipedBytes},
};
use crate::{
    ChatDelta, ChatStream, Egress, EgressRequest, EgressResponse, Result,
    egress::{Method, header::HeaderMap},
};

/// Longest list of models that is read, in bytes.
const LONGEST_LIST: usize = 1024 * 1024;

/// Longest answer that is read whole, in bytes.
const LONGEST_ANSWER: usize = 2 * 1024 * 1024;

/// The API below a base URL.
pub struct Client {
    /// The plugin, in errors.
    pub failures: Failures,
    /// The way out.
    pub egress: Egress,
    /// What every path is below.
    pub base: Url,
    /// Sent with every call; secret ones are marked as sensitive.
    pub headers: HeaderMap,
    /// For a whole call, repeated attempts included.
    pub timeout: Duration,
}

#[derive(Deserialize)]
struct Models {
    data: Vec<Model>,
}

#[derive(Deserialize)]
struct Model {
    id: String,
}

impl Client {
    /// A stream with its first piece at hand, so everything that can be repeated was repeated. Dropping the future or the
    /// stream closes the connection. `read` makes pieces of a body until a deadline.
    ///
    /// # Errors
    /// Those of [`Failures`], here and below.
    pub async fn stream<S>(
        &self,
        path: &str,
        body: Wiped,
        read: impl Fn(BoxStream<'static, Result<Bytes>>, Instant) -> S,
    ) -> Result<ChatStream>
    where
        S: Stream<Item = Result<ChatDelta>> + Send + 'static,
    {
        let (deadline, read) = (self.deadline(), &read);
        let begin = async || {
            let response = self.send(Method::POST, path, Some(&body), deadline).await?;
            self.failures.check_head(response.status, &response.headers)?;
            let mut answer = read(response.body, deadline).boxed();
            let first = answer.next().await.ok_or_else(|| self.failures.invalid("the answer is empty"))??;
            Ok(stream::once(async { Ok(first) }).chain(answer).boxed())
        };
        retry::until_it_begins(self.failures.0, deadline, begin).await
    }

    /// An answer that is read whole.
    ///
    /// # Errors
    /// As [`Client::stream`].
    pub async fn whole(&self, path: &str, body: Wiped) -> Result<WipedBytes> {
        let deadline = self.deadline();
        let read = || self.read(Method::POST, path, Some(&body), LONGEST_ANSWER, deadline);
        retry::until_it_begins(self.failures.0, deadline, read).await
    }

    /// The models that the key may use.
    ///
    /// # Errors
    /// As [`Client::stream`].
    pub async fn models(&self) -> Result<Vec<String>> {
        let bytes = self.read(Method::GET, "models", None, LONGEST_LIST, self.deadline()).await?;
        let models: Models = serde_json::from_slice(bytes.as_ref())
            .map_err(|_| self.failures.invalid("the list of models is not readable"))?;
        Ok(models.data.into_iter().map(|model| model.id).collect())
    }

    async fn read(
        &self,
        method: Method,
        path: &str,
        body: Option<&Wiped>,
        most: usize,
        deadline: Instant,
    ) -> Result<WipedBytes> {
        let mut response = self.send(method, path, body, deadline).await?;
        self.failures.check_status(response.status, &response.headers)?;
        let mut bytes = WipedBytes::default();
        while let Some(piece) = timeout_at(deadline, response.body.next()).await.map_err(|_| self.failures.late())? {
            let piece = piece?;
            if bytes.as_ref().len() + piece.len() > most {
                return Err(self.failures.invalid("the answer is longer than an answer can be"));
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
            timeout: self.timeout,
        });
        timeout_at(deadline, asked).await.map_err(|_| self.failures.late())?
    }

    fn deadline(&self) -> Instant {
        sleep(self.timeout).deadline()
    }
}

/// All text of an answer, once it is complete.
///
/// # Errors
/// The stream's.
pub async fn text_of(mut answer: ChatStream) -> Result<String> {
    let mut text = String::new();
    while let Some(delta) = answer.next().await {
        if let ChatDelta::Text(piece) = delta? {
            text.push_str(&piece);
        }
    }
    Ok(text)
}
