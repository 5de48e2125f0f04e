//! What a verified request says: somebody wrote into a thread, or pressed a button.

use bytes::Bytes;
use consigne_sdk::{Action, Inbound, InboundRequest, PluginError, PluginErrorKind, Received, ReplyTo, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    ID,
    blocks::{HAND_BACK, RESOLVE, TAKE},
    channel::is_time_stamp,
    settings::Settings,
    text::plain,
};

/// A request of the Events API.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Told {
    /// Slack asks whether the address is ours.
    UrlVerification { challenge: String },
    /// Something happened.
    EventCallback { event_id: String, event: Value },
    /// What is of no use here.
    #[serde(other)]
    Other,
}

/// A message, as far as it is looked at.
#[derive(Deserialize)]
struct Message {
    channel: String,
    ts: String,
    thread_ts: Option<String>,
    user: Option<String>,
    bot_id: Option<String>,
    subtype: Option<String>,
    #[serde(default)]
    hidden: bool,
    #[serde(default)]
    text: String,
    #[serde(default)]
    files: Vec<Value>,
}

/// A request of interactivity.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Interaction {
    BlockActions {
        user: User,
        channel: Option<Place>,
        actions: Vec<Pressed>,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct User {
    id: String,
}

#[derive(Deserialize)]
struct Place {
    id: String,
}

#[derive(Deserialize)]
struct Pressed {
    action_id: String,
    action_ts: String,
    value: Option<String>,
}

/// # Errors
/// `Refused` where it is not understood.
pub(crate) fn read(settings: &Settings, request: &InboundRequest) -> Result<Received> {
    let media_type = request.header("content-type").unwrap_or_default();
    match media_type.split(';').next().unwrap_or_default().trim() {
        "application/json" => of_event(settings, &request.body),
        "application/x-www-form-urlencoded" => of_form(settings, &request.body),
        _ => Err(refused("neither an event nor an interaction")),
    }
}

fn of_event(settings: &Settings, body: &[u8]) -> Result<Received> {
    match serde_json::from_slice(body).map_err(|_| refused("the event is not understood"))? {
        Told::UrlVerification { challenge } => {
            Ok(Received { events: Vec::new(), answer: Some(("text/plain", Bytes::from(challenge))) })
        }
        Told::EventCallback { event_id, event } => {
            // Of the many kinds of events and messages, those that are none of ours are none of ours.
            let is_message = event["type"] == "message";
            let message = is_message.then(|| serde_json::from_value(event).ok()).flatten();
            let events = message.and_then(|message| of_message(settings, event_id, message)).into_iter().collect();
            Ok(Received { events, answer: None })
        }
        Told::Other => Ok(Received::default()),
    }
}

/// What a person wrote into a thread; nothing for edits, deletions, bots and everything outside threads.
fn of_message(settings: &Settings, event_id: String, message: Message) -> Option<Inbound> {
    let thread = message.thread_ts.filter(|thread| *thread != message.ts && is_time_stamp(thread))?;
    let is_new = matches!(message.subtype.as_deref(), None | Some("thread_broadcast" | "file_share"));
    let by = message.user.filter(|_| message.bot_id.is_none() && is_new && !message.hidden)?;
    if message.channel != settings.channel || !(1..=150).contains(&event_id.len()) {
        return None;
    }
    let text = plain(&message.text);
    let refused_files = u32::try_from(message.files.len()).unwrap_or(u32::MAX);
    let what = match text.strip_prefix(&settings.note_prefix) {
        Some(note) if note.trim().is_empty() => return None,
        Some(note) => Action::Note { text: note.trim().to_owned() },
        None if text.is_empty() && refused_files == 0 => return None,
        None => Action::Reply { text, refused_files },
    };
    Some(Inbound { id: event_id, of: ReplyTo::Thread(format!("{}:{thread}", message.channel)), by: Some(by), what })
}

fn of_form(settings: &Settings, body: &[u8]) -> Result<Received> {
    let payload = form_urlencoded::parse(body).find(|(name, _)| name == "payload").map(|(_, payload)| payload);
    let payload = payload.ok_or_else(|| refused("a form without a payload"))?;
    let interaction = serde_json::from_str(&payload).map_err(|_| refused("the interaction is not understood"))?;
    let Interaction::BlockActions { user, channel, actions } = interaction else { return Ok(Received::default()) };
    if channel.is_none_or(|channel| channel.id != settings.channel) {
        return Ok(Received::default());
    }
    let events = actions.into_iter().filter_map(|pressed| of_button(&user.id, pressed)).collect();
    Ok(Received { events, answer: None })
}

fn of_button(user: &str, pressed: Pressed) -> Option<Inbound> {
    let what = match pressed.action_id.as_str() {
        TAKE => Action::Take,
        RESOLVE => Action::Resolve,
        HAND_BACK => Action::HandBack,
        _ => return None,
    };
    let token = pressed.value.filter(|token| !token.is_empty())?;
    if !is_time_stamp(&pressed.action_ts) {
        return None;
    }
    let id = format!("{}:{}:{token}", pressed.action_ts, pressed.action_id);
    Some(Inbound { id, of: ReplyTo::Token(token), by: Some(user.to_owned()), what })
}

fn refused(why: &str) -> PluginError {
    PluginError::new(PluginErrorKind::Refused, format!("{ID}: {why}"))
}
