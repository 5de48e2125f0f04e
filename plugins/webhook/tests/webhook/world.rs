//! What the tests have in common.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use consigne_plugin_webhook::{Webhook, WebhookOptions};
use consigne_sdk::{
    Capability, CapabilityKind, Channel, Delivery, Egress, EscalationReason, Line, Notice, Opened, Plugin, Result,
    Speaker,
};
use serde_json::{Value, json};

/// 24 bytes, as short as a secret may be.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The one that replaces it.
pub const NEXT: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// When what is told of happened: long before it is delivered.
pub const LONG_AGO: i64 = 1_700_000_000_000;

/// The channel under these settings, with these addresses let through.
pub async fn open(settings: Value, let_through: Vec<SocketAddr>) -> Result<Arc<dyn Channel>> {
    let plugin = Webhook::new(WebhookOptions { let_through });
    let schema = jsonschema::validator_for(&plugin.manifest().settings_schema).expect("a schema");
    assert!(schema.is_valid(&settings), "{settings}");
    let egress = Egress::new(plugin.manifest(), &settings)?;
    match plugin.open(CapabilityKind::Channel, settings, egress).await? {
        Capability::Channel(channel) => Ok(channel),
        _ => panic!("the plugin opens as what its manifest says"),
    }
}

/// A channel that delivers to this address and takes answers.
pub async fn to(url: &str, address: SocketAddr) -> Arc<dyn Channel> {
    open(json!({ "url": url, "secrets": [SECRET] }), vec![address]).await.expect("usable settings")
}

/// The time, in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the test is the host, and the host has a clock")]
pub fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    now.try_into().expect("a time that fits")
}

/// A delivery under this key.
pub fn delivery(key: &str, notice: Notice) -> Delivery {
    Delivery {
        key: key.to_owned(),
        at: LONG_AGO,
        now: now(),
        attempt: 1,
        may_have_been_sent: false,
        thread: None,
        reply_token: "k7f2a9".to_owned(),
        notice,
    }
}

/// A visitor who needs a person, and what was said so far.
pub fn opened() -> Notice {
    let line = |speaker, text: &str| Line { speaker, name: None, text: Some(text.to_owned()), at: LONG_AGO };
    Notice::Opened(Opened {
        escalation: "esc_1".to_owned(),
        chat: "chat_1".to_owned(),
        assistant: "Léa".to_owned(),
        reason: EscalationReason::VisitorAsked,
        link: Some("https://console.example/chats/chat_1".to_owned()),
        language: Some("fr".to_owned()),
        conversation: vec![
            line(Speaker::Visitor, "Où est ma \"commande\" ? 📦\u{2028}"),
            line(Speaker::Assistant, "…"),
        ],
    })
}
