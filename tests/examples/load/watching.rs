//! A subscription of one visitor over a socket of its own, by the graphql-transport-ws protocol.

use anyhow::{Context, Result, ensure};
use consigne_tests::client::Client;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

const EVENTS: &str = "subscription($chat: ID!) { chatEvents(chatId: $chat, after: 0) { __typename \
                      ... on AnswerDelta { text } ... on AnswerCompleted { answer { text outcome } } ... on AnswerFailed { seq } } }";

/// A socket that listens to a chat.
pub struct Watching(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Watching {
    /// Connects, says who it is and subscribes.
    pub async fn open(url: &str, visitor: &Client, chat: &str) -> Result<Self> {
        let mut request = format!("{}/graphql", url.replacen("http", "ws", 1)).into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse()?);
        let (mut socket, _) = connect_async(request).await?;
        let bearer = format!("Bearer {}", visitor.token().context("a visitor has a token")?);
        let init = json!({"type": "connection_init", "payload": {"Authorization": bearer}});
        socket.send(Message::text(init.to_string())).await?;
        let mut watching = Self(socket);
        let ready = watching.message().await?.context("an answer to the greeting")?;
        ensure!(ready["type"] == "connection_ack", "{ready}");
        let payload = json!({"query": EVENTS, "variables": {"chat": chat}});
        let subscribe = json!({"type": "subscribe", "id": "1", "payload": payload});
        watching.0.send(Message::text(subscribe.to_string())).await?;
        Ok(watching)
    }

    /// The next event; none where the socket was closed.
    pub async fn next(&mut self) -> Result<Option<Value>> {
        while let Some(mut message) = self.message().await? {
            match message["type"].as_str() {
                Some("next") => return Ok(Some(message["payload"]["data"]["chatEvents"].take())),
                Some("ping") => self.0.send(Message::text(json!({"type": "pong"}).to_string())).await?,
                Some("pong") => {}
                _ => anyhow::bail!("the subscription ended: {message}"),
            }
        }
        Ok(None)
    }

    async fn message(&mut self) -> Result<Option<Value>> {
        while let Some(message) = self.0.next().await {
            if let Message::Text(text) = message? {
                return Ok(Some(serde_json::from_str(&text)?));
            }
        }
        Ok(None)
    }
}
