//! What comes back: a signed request with one action.

use consigne_sdk::{
    Action, Inbound, InboundRequest, PluginError, PluginErrorKind, Received, ReplyTo, Result,
    signed::{Secret, verified},
};
use serde::Deserialize;

use crate::ID;

/// Longest body that is read.
const LONGEST: usize = 256 * 1024;

/// Longest name of who did it.
const LONGEST_NAME: usize = 200;

/// A request's body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(rename = "type")]
    kind: Kind,
    /// When it happened; the header is what is verified.
    #[serde(default, rename = "timestamp")]
    _timestamp: Option<String>,
    data: Data,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Reply,
    Note,
    Take,
    HandBack,
    Resolve,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Data {
    token: String,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    by: Option<String>,
}

/// # Errors
/// `Refused` where it does not verify or is not understood.
pub(crate) fn read(secrets: &[Secret], request: &InboundRequest) -> Result<Received> {
    let id = verified(secrets, request).ok_or_else(|| refused("the request does not verify"))?;
    if request.body.len() > LONGEST {
        return Err(refused("the request is too long"));
    }
    let body: Body = serde_json::from_slice(&request.body).map_err(|_| refused("the request is not understood"))?;
    let Data { token, text, by } = body.data;
    let is_token =
        (1..=64).contains(&token.len()) && token.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase());
    if !is_token {
        return Err(refused("the token is none"));
    }
    let text = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let what = match (body.kind, text) {
        (Kind::Reply, Some(text)) => Action::Reply { text, refused_files: 0 },
        (Kind::Note, Some(text)) => Action::Note { text },
        (Kind::Take, None) => Action::Take,
        (Kind::HandBack, None) => Action::HandBack,
        (Kind::Resolve, None) => Action::Resolve,
        (Kind::Reply | Kind::Note, None) => return Err(refused("the text is missing")),
        (_, Some(_)) => return Err(refused("a text that nobody expects")),
    };
    let by = by.filter(|by| (1..=LONGEST_NAME).contains(&by.len()));
    let event = Inbound { id: id.to_owned(), of: ReplyTo::Token(token), by, what };
    Ok(Received { events: vec![event], answer: None })
}

fn refused(why: &str) -> PluginError {
    PluginError::new(PluginErrorKind::Refused, format!("{ID}: {why}"))
}
