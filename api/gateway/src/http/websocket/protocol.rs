//! The messages and close codes of `graphql-transport-ws`.

use serde_json::{Map, Value};

use super::super::executor::Ended;
use crate::graphql::request::Parameters;

/// Characters of an operation's id.
const ID: usize = 128;

/// Why the server closes a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// The client said goodbye.
    Normal,
    /// A message that the protocol does not know.
    Invalid,
    /// An operation before `connection_ack`, or a session that was revoked.
    Unauthorized,
    /// A token that is not valid, or not any more.
    Forbidden,
    /// No `connection_init` in time.
    InitTimeout,
    /// A second `connection_init`.
    TooManyInits,
    /// An id that is taken.
    SubscriberExists,
    /// No sign of life.
    Idle,
    /// A message above the limit.
    TooLarge,
    /// More messages than anybody needs.
    Flood,
    /// Not a WebSocket any more.
    Protocol,
    /// The caller has no points left; later works.
    Busy,
}

impl Close {
    pub(super) fn code(self) -> (u16, &'static str) {
        match self {
            Self::Normal => (1000, ""),
            Self::Idle => (1001, "Idle"),
            Self::Protocol => (1002, "Protocol error"),
            Self::Flood => (1008, "Too many messages"),
            Self::TooLarge => (1009, "Message too large"),
            Self::Busy => (1013, "Try again later"),
            Self::Invalid => (4400, "Invalid message"),
            Self::Unauthorized => (4401, "Unauthorized"),
            Self::Forbidden => (4403, "Forbidden"),
            Self::InitTimeout => (4408, "Connection initialisation timeout"),
            Self::SubscriberExists => (4409, "Subscriber already exists"),
            Self::TooManyInits => (4429, "Too many initialisation requests"),
        }
    }
}

impl From<Ended> for Close {
    /// Clients try again after 4403 and give up after 4401.
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Expired => Self::Forbidden,
            Ended::Revoked => Self::Unauthorized,
        }
    }
}

/// What a client says.
#[derive(Debug, PartialEq)]
pub(super) enum ClientMessage {
    ConnectionInit { authorization: Option<String> },
    Ping { payload: Option<Map<String, Value>> },
    Pong,
    Subscribe { id: String, parameters: Parameters },
    Complete { id: String },
}

impl ClientMessage {
    /// Reads a message; `None` if the protocol does not know it.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let Value::Object(mut message) = serde_json::from_str(text).ok()? else { return None };
        let Some(Value::String(kind)) = message.remove("type") else { return None };
        match kind.as_str() {
            "connection_init" => {
                let payload = optional_object(&mut message)?.unwrap_or_default();
                Some(Self::ConnectionInit { authorization: authorization(payload)? })
            }
            "ping" => Some(Self::Ping { payload: optional_object(&mut message)? }),
            "pong" => optional_object(&mut message).map(|_| Self::Pong),
            "subscribe" => {
                let parameters = Parameters::from_json(message.remove("payload")?).ok()?;
                Some(Self::Subscribe { id: id(&mut message)?, parameters })
            }
            "complete" => Some(Self::Complete { id: id(&mut message)? }),
            _ => None,
        }
    }
}

fn id(message: &mut Map<String, Value>) -> Option<String> {
    match message.remove("id")? {
        Value::String(id) if !id.is_empty() && id.chars().count() <= ID => Some(id),
        _ => None,
    }
}

/// A payload that may be left out; `None` if it is something else than an object.
fn optional_object(message: &mut Map<String, Value>) -> Option<Option<Map<String, Value>>> {
    match message.remove("payload") {
        None | Some(Value::Null) => Some(None),
        Some(Value::Object(payload)) => Some(Some(payload)),
        Some(_) => None,
    }
}

/// The token in the payload of `connection_init`, under `authorization` in any case.
fn authorization(payload: Map<String, Value>) -> Option<Option<String>> {
    let found = payload.into_iter().find(|(key, _)| key.eq_ignore_ascii_case("authorization"));
    match found {
        None | Some((_, Value::Null)) => Some(None),
        Some((_, Value::String(token))) => Some(Some(token).filter(|token| !token.is_empty())),
        Some(_) => None,
    }
}

/// What the server says. Payloads are JSON already.
pub(super) enum ServerMessage<'a> {
    ConnectionAck,
    Pong { payload: Option<Map<String, Value>> },
    Next { id: &'a str, payload: String },
    Error { id: &'a str, errors: String },
    Complete { id: &'a str },
}

impl ServerMessage<'_> {
    pub(super) fn to_json(&self) -> String {
        let (kind, id, payload) = match self {
            Self::ConnectionAck => ("connection_ack", None, None),
            Self::Pong { payload } => ("pong", None, payload.clone().map(|payload| Value::Object(payload).to_string())),
            Self::Next { id, payload } => ("next", Some(id), Some(payload.clone())),
            Self::Error { id, errors } => ("error", Some(id), Some(errors.clone())),
            Self::Complete { id } => ("complete", Some(id), None),
        };
        let id = id.map(|id| format!(r#","id":{}"#, Value::from(*id))).unwrap_or_default();
        let payload = payload.map(|payload| format!(r#","payload":{payload}"#)).unwrap_or_default();
        format!(r#"{{"type":"{kind}"{id}{payload}}}"#)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_under_a_key_in_any_case() {
        for key in ["authorization", "Authorization", "AUTHORIZATION"] {
            let message = format!(r#"{{"type":"connection_init","payload":{{"{key}":"Bearer x"}}}}"#);
            let authorization = Some("Bearer x".to_owned());
            assert_eq!(ClientMessage::parse(&message), Some(ClientMessage::ConnectionInit { authorization }));
        }
        let none = Some(ClientMessage::ConnectionInit { authorization: None });
        assert_eq!(ClientMessage::parse(r#"{"type":"connection_init"}"#), none);
        assert_eq!(ClientMessage::parse(r#"{"type":"connection_init","payload":null}"#), none);
    }

    #[test]
    fn other_messages_are_invalid() {
        for wrong in [
            "",
            "1",
            "[]",
            "{}",
            r#"{"type":"start"}"#,
            r#"{"type":"connection_init","payload":1}"#,
            r#"{"type":"connection_init","payload":{"authorization":{}}}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","id":"","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":1,"payload":{"query":"{a}"}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#,
            r#"{"type":"complete"}"#,
            r#"{"type":"ping","payload":"x"}"#,
        ] {
            assert_eq!(ClientMessage::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn messages_are_written_as_published() {
        assert_eq!(ServerMessage::ConnectionAck.to_json(), r#"{"type":"connection_ack"}"#);
        let next = ServerMessage::Next { id: "a\"b", payload: r#"{"data":1}"#.to_owned() };
        assert_eq!(next.to_json(), r#"{"type":"next","id":"a\"b","payload":{"data":1}}"#);
    }
}
