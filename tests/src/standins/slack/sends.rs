//! The requests that Slack sends: events, and what became of buttons.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{CHANNEL, Post, SIGNING_SECRET, Slack, micros};

/// A signed request, to be sent or handed over as it is.
#[derive(Debug, Clone)]
pub struct Sent {
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, byte by byte.
    pub body: Vec<u8>,
}

impl Sent {
    /// Signed now, less `age` seconds.
    pub fn signed(media_type: &str, body: Vec<u8>, age: i64) -> Self {
        let now = i64::try_from(micros() / 1_000_000).unwrap_or_default();
        let timestamp = (now - age).to_string();
        let mut hmac = Hmac::<Sha256>::new_from_slice(SIGNING_SECRET.as_bytes()).expect("a key of any length");
        hmac.update(format!("v0:{timestamp}:").as_bytes());
        hmac.update(&body);
        let signature = format!("v0={}", hex::encode(hmac.finalize().into_bytes()));
        let headers = [
            ("content-type", media_type),
            ("x-slack-request-timestamp", timestamp.as_str()),
            ("x-slack-signature", signature.as_str()),
        ];
        Self { headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(), body }
    }

    /// A request of the Events API.
    pub fn event(body: &Value) -> Self {
        Self::signed("application/json", body.to_string().into_bytes(), 0)
    }
}

impl Slack {
    /// Somebody answers in the thread of this message. The same event twice is a retry.
    pub fn reply(&self, thread: &Post, text: &str) -> Sent {
        self.message(json!({ "thread_ts": thread.ts, "text": text }))
    }

    /// A message event with these further fields, which also replace the usual ones; `null` takes one away.
    pub fn message(&self, more: Value) -> Sent {
        let number = self.next_event();
        let ts = format!("{}.{number:06}", micros() / 1_000_000);
        let mut event = json!({
            "type": "message", "channel": CHANNEL, "channel_type": "channel", "user": "U024BE7LH", "team": "T1",
            "ts": ts, "event_ts": ts, "text": "Hello", "client_msg_id": "d1a0d9d0-1c3c-4a3f-8a53-0a5f6cba1f6b",
        });
        for (name, value) in more.as_object().into_iter().flatten() {
            event[name] = value.clone();
        }
        Sent::event(&json!({
            "token": "deprecated", "team_id": "T1", "api_app_id": "A1", "event": event, "type": "event_callback",
            "event_id": format!("Ev{number:08}"), "event_time": micros() / 1_000_000, "is_ext_shared_channel": false,
        }))
    }

    /// Somebody presses the button with this id under the message.
    pub fn press(&self, post: &Post, action: &str) -> Sent {
        let number = self.next_event();
        let blocks = post.arguments["blocks"].as_array().expect("a message with blocks");
        let buttons = blocks.iter().flat_map(|block| block["elements"].as_array().into_iter().flatten());
        let button = buttons.clone().find(|button| button["action_id"] == action).expect("such a button");
        let mut pressed = button.clone();
        pressed["action_ts"] = json!(format!("{}.{number:06}", micros() / 1_000_000));
        pressed["block_id"] = json!("b1");
        let payload = json!({
            "type": "block_actions", "user": { "id": "U024BE7LH", "username": "ada", "team_id": "T1" },
            "api_app_id": "A1", "token": "deprecated", "trigger_id": "1.2.3", "team": { "id": "T1", "domain": "acme" },
            "container": { "type": "message", "message_ts": post.ts, "channel_id": CHANNEL, "is_ephemeral": false },
            "channel": { "id": CHANNEL, "name": "help" }, "message": { "ts": post.ts }, "actions": [pressed],
            "response_url": "https://hooks.slack.com/actions/T1/1/1",
        });
        let body = format!("payload={}", percent(&payload.to_string()));
        Sent::signed("application/x-www-form-urlencoded", body.into_bytes(), 0)
    }
}

/// As forms are encoded.
fn percent(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
        b' ' => "+".to_owned(),
        _ => format!("%{byte:02X}"),
    });
    encoded.collect()
}
