//! `graphql-transport-ws` over a WebSocket at `/graphql`
//! (<https://github.com/enisdenjo/graphql-ws/blob/master/PROTOCOL.md>).
//!
//! The page's origin is checked before the upgrade, the token in `connection_init`, and again with every operation.
//! When the caller's session ends, so does the socket: 4403 where a fresh token works (clients try again), 4401 where
//! the person has to sign in (they do not).

mod operations;
mod protocol;

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    guard::GuardContext,
    http::header::{HOST, HeaderValue, SEC_WEBSOCKET_PROTOCOL, UPGRADE},
    rt, web,
};
use actix_ws::{AggregatedMessage, AggregatedMessageStream, CloseCode, CloseReason, ProtocolError, Session};
use futures::{
    FutureExt,
    future::{self, BoxFuture, Shared},
};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::Instrument;

use self::{
    operations::{Event, Operations},
    protocol::{ClientMessage, Close, ServerMessage},
};
use super::{
    answer::Answer,
    executor::Ended,
    graphql::{credentials, respond},
    media::Json,
    transport::{Credentials, Transport},
};
use crate::graphql::request::Refusal;

/// The only subprotocol that is spoken.
const SUBPROTOCOL: &str = "graphql-transport-ws";

/// Whether a request asks to become a WebSocket.
pub fn is_upgrade(context: &GuardContext<'_>) -> bool {
    let upgrade = context.head().headers().get(UPGRADE).and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|upgrade| upgrade.to_ascii_lowercase().contains("websocket"))
}

/// Opens a socket for pages of this origin and of allowed ones, and for clients that are no pages.
pub async fn upgrade(request: HttpRequest, payload: web::Payload, transport: web::Data<Transport>) -> HttpResponse {
    let transport = transport.into_inner();
    match open(&request, payload, &transport).await {
        Ok(response) => response,
        Err(refusal) => respond(&Answer::from(refusal), Json::Plain, None),
    }
}

async fn open(
    request: &HttpRequest,
    payload: web::Payload,
    transport: &Arc<Transport>,
) -> Result<HttpResponse, Refusal> {
    let Credentials { origin, whence, .. } = credentials(request, transport);
    if let Some(origin) = &origin
        && !is_same_origin(request, origin)
        && !transport.executor.allowed_origin(origin).await
    {
        return Err(Refusal::forbidden("Pages of this origin may not open a socket here."));
    }
    let mut offered = request.headers().get_all(SEC_WEBSOCKET_PROTOCOL).filter_map(|value| value.to_str().ok());
    if !offered.any(|names| names.split(',').any(|name| name.trim() == SUBPROTOCOL)) {
        let message = format!("The only subprotocol spoken here is {SUBPROTOCOL}.");
        return Err(Refusal::transport(400, "SUBPROTOCOL_NOT_ACCEPTABLE", message));
    }
    let (mut response, session, messages) = actix_ws::handle(request, payload)
        .map_err(|_| Refusal::transport(400, "BAD_REQUEST", "This is not a WebSocket handshake."))?;
    response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    let limit = transport.settings.body_bytes;
    let messages = messages.max_frame_size(limit).aggregate_continuations().max_continuation_size(limit);
    let socket = Socket {
        transport: transport.clone(),
        session,
        state: State::Connected,
        credentials: Credentials { authorization: None, origin, whence },
        ended: future::pending().boxed().shared(),
        operations: Operations::new(transport.clone()),
    };
    rt::spawn(socket.run(messages).in_current_span());
    Ok(response)
}

/// Whether the page comes from the host it calls. The scheme is the proxy's business.
fn is_same_origin(request: &HttpRequest, origin: &str) -> bool {
    let authority = origin.split_once("://").map(|(_, authority)| authority);
    let host = request.headers().get(HOST).and_then(|value| value.to_str().ok());
    matches!((authority, host), (Some(authority), Some(host)) if authority.eq_ignore_ascii_case(host))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Waits for `connection_init`.
    Connected,
    /// The caller is known.
    Acknowledged,
}

struct Socket {
    transport: Arc<Transport>,
    session: Session,
    state: State,
    credentials: Credentials,
    ended: Shared<BoxFuture<'static, Ended>>,
    operations: Operations,
}

impl Socket {
    async fn run(mut self, messages: AggregatedMessageStream) {
        let metrics = self.transport.metrics.clone();
        let _open = metrics.socket_opened();
        if let Err(Some(close)) = self.serve(messages).await {
            self.session.close(Some(close.into())).await.ok();
        }
    }

    /// Until the client leaves (`Ok`, or no close to send) or has to.
    async fn serve(&mut self, mut messages: AggregatedMessageStream) -> Result<(), Option<Close>> {
        let settings = self.transport.settings.clone();
        let init_is_late = sleep(settings.init);
        tokio::pin!(init_is_late);
        let mut keep_alive = interval(settings.socket_keep_alive);
        keep_alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        keep_alive.tick().await;
        let (mut silence, mut received) = (std::time::Duration::ZERO, 0_u32);
        loop {
            tokio::select! {
                ended = self.ended.clone() => return Err(Some(ended.into())),
                () = &mut init_is_late, if self.state == State::Connected => return Err(Some(Close::InitTimeout)),
                _ = keep_alive.tick() => {
                    silence += settings.socket_keep_alive;
                    received = 0;
                    if silence > settings.client_idle {
                        return Err(Some(Close::Idle));
                    }
                    self.session.ping(b"").await.map_err(|_| None)?;
                }
                event = self.operations.next() => self.tell(event).await?,
                message = messages.recv() => {
                    (silence, received) = (std::time::Duration::ZERO, received + 1);
                    if received > settings.messages_per_keep_alive {
                        return Err(Some(Close::Flood));
                    }
                    match message {
                        Some(Ok(AggregatedMessage::Text(text))) => self.hear(&text).await?,
                        Some(Ok(AggregatedMessage::Ping(bytes))) => self.session.pong(&bytes).await.map_err(|_| None)?,
                        Some(Ok(AggregatedMessage::Pong(_))) => {}
                        Some(Ok(AggregatedMessage::Binary(_))) => return Err(Some(Close::Invalid)),
                        Some(Ok(AggregatedMessage::Close(_))) => return Err(Some(Close::Normal)),
                        Some(Err(ProtocolError::Overflow | ProtocolError::Io(_))) => return Err(Some(Close::TooLarge)),
                        Some(Err(_)) => return Err(Some(Close::Protocol)),
                        None => return Ok(()),
                    }
                }
            }
        }
    }

    /// Acts on a message of the client's.
    async fn hear(&mut self, text: &str) -> Result<(), Option<Close>> {
        match ClientMessage::parse(text).ok_or(Some(Close::Invalid))? {
            ClientMessage::ConnectionInit { authorization } => {
                if self.state != State::Connected {
                    return Err(Some(Close::TooManyInits));
                }
                self.credentials.authorization = authorization;
                let caller =
                    self.transport.authenticate(&self.credentials).await.map_err(|_| Some(Close::Forbidden))?;
                self.transport.admit_socket(&caller).map_err(|_| Some(Close::Busy))?;
                self.ended = caller.watch;
                self.state = State::Acknowledged;
                self.send(ServerMessage::ConnectionAck).await
            }
            ClientMessage::Ping { payload } => self.send(ServerMessage::Pong { payload }).await,
            ClientMessage::Pong => Ok(()),
            ClientMessage::Subscribe { .. } if self.state != State::Acknowledged => Err(Some(Close::Unauthorized)),
            ClientMessage::Subscribe { id, parameters } => {
                if self.operations.has(&id) {
                    return Err(Some(Close::SubscriberExists));
                }
                if self.operations.len() >= self.transport.settings.operations_per_socket {
                    let limit = self.transport.settings.operations_per_socket;
                    let message = format!("This socket has {limit} operations, as many as are allowed at once.");
                    let answer = Answer::from(Refusal::transport(429, "TOO_MANY_OPERATIONS", message));
                    return self.send(ServerMessage::Error { id: &id, errors: answer.errors_to_json() }).await;
                }
                self.operations.start(id, self.credentials.clone(), parameters);
                Ok(())
            }
            ClientMessage::Complete { id } => {
                self.operations.stop(&id);
                Ok(())
            }
        }
    }

    /// Passes on what an operation has to say.
    async fn tell(&mut self, event: Event) -> Result<(), Option<Close>> {
        match event {
            Event::Next(id, payload) => self.send(ServerMessage::Next { id: &id, payload }).await,
            Event::Error(id, errors) => {
                self.operations.forget(&id);
                self.send(ServerMessage::Error { id: &id, errors }).await
            }
            Event::Complete(id) => {
                self.operations.forget(&id);
                self.send(ServerMessage::Complete { id: &id }).await
            }
            Event::Forbidden => Err(Some(Close::Forbidden)),
        }
    }

    /// Sends, unless the client does not read or its session ends meanwhile.
    async fn send(&mut self, message: ServerMessage<'_>) -> Result<(), Option<Close>> {
        tokio::select! {
            sent = self.session.text(message.to_json()) => sent.map_err(|_| None),
            ended = self.ended.clone() => Err(Some(ended.into())),
            () = sleep(self.transport.settings.client_idle) => Err(None),
        }
    }
}

impl From<Close> for CloseReason {
    fn from(close: Close) -> Self {
        let (code, reason) = close.code();
        Self { code: CloseCode::Other(code), description: Some(reason.to_owned()) }
    }
}
