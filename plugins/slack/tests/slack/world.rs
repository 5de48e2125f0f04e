//! What the tests have in common.

use std::{
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use consigne_plugin_slack::Slack as Plugged;
use consigne_sdk::{
    Capability, CapabilityKind, Channel, Delivery, Egress, EscalationReason, InboundRequest, Line, Notice, Opened,
    Plugin, Result, Speaker,
};
use serde_json::Value;

use crate::standin::Sent;

/// The channel under these settings.
pub async fn open(settings: Value) -> Result<Arc<dyn Channel>> {
    let plugin = Plugged::new();
    let schema = jsonschema::validator_for(&plugin.manifest().settings_schema).expect("a schema");
    assert!(schema.is_valid(&settings), "{settings}");
    let egress = Egress::new(plugin.manifest(), &settings)?;
    match plugin.open(CapabilityKind::Channel, settings, egress).await? {
        Capability::Channel(channel) => Ok(channel),
        _ => panic!("the plugin opens as what its manifest says"),
    }
}

/// The time, in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the test is the host, and the host has a clock")]
pub fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    now.try_into().expect("a time that fits")
}

/// A delivery under this key of what happened just now.
pub fn delivery(key: &str, thread: Option<&str>, notice: Notice) -> Delivery {
    Delivery {
        key: key.to_owned(),
        at: now(),
        now: now(),
        attempt: 1,
        may_have_been_sent: false,
        thread: thread.map(str::to_owned),
        reply_token: "k7f2a9".to_owned(),
        notice,
    }
}

/// Something the visitor said.
pub fn said(text: &str) -> Line {
    Line { speaker: Speaker::Visitor, name: None, text: Some(text.to_owned()), at: now() }
}

/// A visitor who needs a person, and what was said so far.
pub fn opened(conversation: Vec<Line>) -> Notice {
    Notice::Opened(Opened {
        escalation: "esc_1".to_owned(),
        chat: "chat_1".to_owned(),
        assistant: "Léa & <Co>".to_owned(),
        reason: EscalationReason::VisitorAsked,
        link: Some("https://console.example/chats/chat_1".to_owned()),
        language: Some("fr".to_owned()),
        conversation,
    })
}

/// What the host makes of a request that came in now.
pub fn came_in(sent: &Sent) -> InboundRequest {
    InboundRequest { headers: sent.headers.clone(), body: Bytes::from(sent.body.clone()), at: now() }
}
