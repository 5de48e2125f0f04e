//! What the tests have in common.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use consigne_plugin_email::Email;
use consigne_sdk::{
    Action, Capability, CapabilityKind, Channel, Delivery, Egress, EscalationReason, Inbound, InboundRequest, Line,
    Notice, Opened, Plugin, ReplyTo, Result, Speaker, signed::Secret,
};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

use crate::servers::{NAME, PASSWORD};

/// What requests that hand mails over are signed with.
pub const INBOUND: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The token of the one escalation.
pub const TOKEN: &str = "k7f2a9c0d4";

/// The channel under these settings.
pub async fn open(settings: Value) -> Result<Arc<dyn Channel>> {
    let plugin = Email::new();
    let schema = jsonschema::validator_for(&plugin.manifest().settings_schema).expect("a schema");
    assert!(schema.is_valid(&settings), "{settings}");
    let egress = Egress::new(plugin.manifest(), &settings)?;
    match plugin.open(CapabilityKind::Channel, settings, egress).await? {
        Capability::Channel(channel) => Ok(channel),
        _ => panic!("the plugin opens as what its manifest says"),
    }
}

/// Settings that work both ways.
pub fn settings(smtp_url: &str) -> Value {
    json!({
        "smtpUrl": smtp_url,
        "username": NAME,
        "password": PASSWORD,
        "from": "support@example.com",
        "fromName": "Acme, Support",
        "to": ["desk@example.com"],
        "replyTo": "Replies@example.com",
        "replySecret": "a secret of at least 24 characters",
        "inboundSecrets": [INBOUND],
    })
}

/// The settings with these in place of the usual ones; `null` takes one away.
pub fn with(mut settings: Value, more: Value) -> Value {
    for (name, value) in more.as_object().expect("an object") {
        match value {
            Value::Null => drop(settings.as_object_mut().expect("an object").remove(name)),
            value => settings[name] = value.clone(),
        }
    }
    settings
}

/// An authority, and a certificate of it for this machine with its key.
pub fn identity() -> (String, (String, String)) {
    let mut authority = CertificateParams::new(Vec::new()).expect("no names");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let pem = authority.self_signed(&key).expect("a certificate").pem();
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().expect("a key");
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let certificate = certificate.signed_by(&key, &issuer).expect("a certificate").pem();
    (pem, (certificate, key.serialize_pem()))
}

/// The time, in milliseconds since 1970.
#[expect(clippy::disallowed_methods, reason = "the test is the host, and the host has a clock")]
pub fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    now.try_into().expect("a time that fits")
}

/// A delivery under this key.
pub fn delivery(key: &str, thread: Option<&str>, notice: Notice) -> Delivery {
    Delivery {
        key: key.to_owned(),
        at: now(),
        now: now(),
        attempt: 1,
        may_have_been_sent: false,
        thread: thread.map(str::to_owned),
        reply_token: TOKEN.to_owned(),
        notice,
    }
}

/// Something the visitor said.
pub fn said(text: &str) -> Line {
    Line { speaker: Speaker::Visitor, name: None, text: Some(text.to_owned()), at: now() }
}

/// A visitor who needs a person, and what was said so far.
pub fn opened(language: Option<&str>, conversation: Vec<Line>) -> Notice {
    Notice::Opened(Opened {
        escalation: "esc_1".to_owned(),
        chat: "chat_1".to_owned(),
        assistant: "Léa & <Co>".to_owned(),
        reason: EscalationReason::VisitorAsked,
        link: Some("https://console.example/chats/chat_1?a=1&b=2".to_owned()),
        language: language.map(str::to_owned),
        conversation,
    })
}

/// A signed request with this body.
pub fn handed_over(media_type: &str, body: impl Into<Bytes>) -> InboundRequest {
    let (at, body) = (now(), body.into());
    let secret = Secret::parse(INBOUND).expect("a secret");
    let signature = secret.sign("msg_1", at / 1_000, &body).expect("it signs");
    let headers = [
        ("content-type", media_type.to_owned()),
        ("webhook-id", "msg_1".to_owned()),
        ("webhook-timestamp", (at / 1_000).to_string()),
        ("webhook-signature", signature),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
    InboundRequest { headers, body, at }
}

/// What a mail that is handed over brings.
pub async fn events(channel: &dyn Channel, raw: impl Into<Bytes>) -> Vec<Inbound> {
    channel.receive(handed_over("message/rfc822", raw)).await.expect("it verifies").events
}

/// The text of the one reply in it, and how many files were refused.
pub fn reply(events: &[Inbound]) -> (String, u32) {
    match events {
        [Inbound { of: ReplyTo::Token(token), what: Action::Reply { text, refused_files }, .. }] => {
            assert_eq!(token, TOKEN);
            (text.clone(), *refused_files)
        }
        _ => panic!("one reply, and not {} events", events.len()),
    }
}

/// Where replies go: read from the mail that the plugin writes, as a mail program does.
pub fn reply_address(raw: &str) -> String {
    let line = raw.lines().find(|line| line.starts_with("Reply-To:")).expect("a reply address");
    let address = line.rsplit_once('<').map_or_else(|| line.trim_start_matches("Reply-To:"), |(_, address)| address);
    address.trim().trim_end_matches('>').to_owned()
}

/// A folder of the collection, where it is at hand.
pub fn collection(folder: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(folder);
    if !path.is_dir() {
        println!("skipped: no {}", path.display());
        return None;
    }
    Some(path)
}
