//! Listening to subscriptions as the npm clients do: `graphql-transport-ws` over WebSocket, and `graphql-sse` with
//! distinct connections.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use futures::{SinkExt, StreamExt, stream::BoxStream};
use serde_json::{Value, json};
use tokio::time::timeout;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

/// How long a test waits for an event before it says that none came.
const PATIENCE: Duration = Duration::from_secs(30);

/// A subscription that is being listened to. Dropped, it hangs up.
pub struct Listener(BoxStream<'static, Result<Value>>);

impl Listener {
    /// The next result (`data` and `errors`); `None` where the server completed the stream.
    pub async fn next(&mut self) -> Result<Option<Value>> {
        timeout(PATIENCE, self.0.next()).await.context("no event came in time")?.transpose()
    }

    /// All results up to and including the first for which `is_last` holds.
    pub async fn until(&mut self, is_last: impl Fn(&Value) -> bool) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        while let Some(event) = self.next().await? {
            let is_over = is_last(&event);
            all.push(event);
            if is_over {
                return Ok(all);
            }
        }
        bail!("the stream was completed before the event that was waited for; seen: {all:?}")
    }

    /// How long it takes until the stream is over, and what it said last.
    #[expect(clippy::disallowed_methods, reason = "what is promised is a second of the listener's own time")]
    pub async fn over(&mut self) -> (Duration, String) {
        let start = Instant::now();
        let mut last = String::new();
        loop {
            match self.next().await {
                Ok(Some(event)) => last = event.to_string(),
                Ok(None) => return (start.elapsed(), last),
                Err(error) => return (start.elapsed(), format!("{last} {error}")),
            }
        }
    }

    /// All results until the server completes the stream.
    pub async fn rest(&mut self) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        while let Some(event) = self.next().await? {
            all.push(event);
        }
        Ok(all)
    }
}

/// Listens over server-sent events.
///
/// # Errors
/// What the server answers instead of a stream.
pub async fn over_sse(request: reqwest::RequestBuilder) -> Result<Listener> {
    let response = request.header("accept", "text/event-stream").send().await?;
    let status = response.status();
    let kind =
        response.headers().get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
    if !kind.starts_with("text/event-stream") {
        bail!("{status}, {kind}: {}", response.text().await?);
    }
    let mut bytes = response.bytes_stream();
    let events = async_stream::try_stream! {
        let mut seen = Vec::new();
        while let Some(chunk) = bytes.next().await {
            seen.extend_from_slice(&chunk?);
            while let Some(end) = seen.windows(2).position(|pair| pair == b"\n\n") {
                let event = String::from_utf8(seen.drain(..end + 2).collect())?;
                let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
                match field("event:") {
                    Some("next") => yield serde_json::from_str(field("data:").context("an event has data")?)?,
                    Some("complete") => return,
                    Some(other) => Err(anyhow::anyhow!("an event called {other}"))?,
                    None => {} // A comment that keeps the connection open.
                }
            }
        }
        Err(anyhow::anyhow!("the connection ended before the stream was completed"))?;
    };
    Ok(Listener(events.boxed()))
}

/// Listens over WebSocket; `init` is the payload of `connection_init`.
///
/// # Errors
/// A refused upgrade, or the code with which the server closed.
pub async fn over_websocket(url: &str, origin: Option<&str>, init: Value, payload: Value) -> Result<Listener> {
    let mut request = url.replacen("http", "ws", 1).into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", HeaderValue::from_static("graphql-transport-ws"));
    if let Some(origin) = origin {
        request.headers_mut().insert("origin", origin.parse()?);
    }
    let (mut socket, response) = connect_async(request).await?;
    let protocol = response.headers().get("sec-websocket-protocol").and_then(|value| value.to_str().ok());
    ensure!(protocol == Some("graphql-transport-ws"), "the server chose the protocol {protocol:?}");
    socket.send(Message::text(json!({"type": "connection_init", "payload": init}).to_string())).await?;
    let events = async_stream::try_stream! {
        loop {
            let message = match socket.next().await {
                Some(message) => message?,
                None => Err(anyhow::anyhow!("the socket ended"))?,
            };
            let said: Value = match message {
                Message::Text(text) => serde_json::from_str(&text)?,
                Message::Close(frame) => {
                    let frame = frame.context("a close without a code")?;
                    Err(anyhow::anyhow!("closed with {}: {}", u16::from(frame.code), frame.reason))?
                }
                _ => continue,
            };
            match said["type"].as_str() {
                Some("connection_ack") => {
                    let subscribe = json!({"id": "1", "type": "subscribe", "payload": payload});
                    socket.send(Message::text(subscribe.to_string())).await?;
                }
                Some("ping") => socket.send(Message::text(json!({"type": "pong"}).to_string())).await?,
                Some("pong") => {}
                Some("next") => yield said["payload"].clone(),
                Some("error") => {
                    yield json!({"errors": said["payload"]});
                    return;
                }
                Some("complete") => return,
                _ => Err(anyhow::anyhow!("an unknown message: {said}"))?,
            }
        }
    };
    Ok(Listener(events.boxed()))
}
