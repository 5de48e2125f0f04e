//! What comes back, and what is not taken for it.

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use bytes::Bytes;
use consigne_sdk::{Action, Channel, InboundRequest, PluginErrorKind, ReplyTo, signed::Secret};
use serde_json::{Value, json};

use crate::world::{NEXT, SECRET, now, open};

fn signed(secret: &str, id: &str, body: &str, age: i64) -> InboundRequest {
    let at = now();
    let timestamp = at / 1_000 - age;
    let signature = Secret::parse(secret).and_then(|secret| secret.sign(id, timestamp, body.as_bytes()));
    let headers = [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", signature.expect("it signs")),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value)).to_vec();
    InboundRequest { headers, body: Bytes::copy_from_slice(body.as_bytes()), at }
}

fn said(kind: &str, data: Value) -> String {
    json!({ "type": kind, "timestamp": "2026-11-27T08:00:00Z", "data": data }).to_string()
}

async fn kind(channel: &dyn Channel, request: InboundRequest) -> Option<PluginErrorKind> {
    channel.receive(request).await.err().map(|error| error.kind)
}

#[tokio::test]
async fn each_action_comes_back_under_the_id_of_its_request() {
    let channel =
        open(json!({ "url": "https://example.com/", "secrets": [SECRET] }), Vec::new()).await.expect("usable settings");
    for (kind, text) in [
        ("reply", Some(" Bonjour ")),
        ("note", Some("Bonjour")),
        ("take", None),
        ("hand_back", None),
        ("resolve", None),
    ] {
        let mut data = json!({ "token": "k7f2a9", "by": "ada" });
        if let Some(text) = text {
            data["text"] = json!(text);
        }
        let received = channel.receive(signed(SECRET, "msg_1", &said(kind, data), 0)).await.expect("it verifies");
        let [event] = &received.events[..] else { panic!("one event") };
        assert_eq!((event.id.as_str(), event.by.as_deref()), ("msg_1", Some("ada")));
        assert_eq!(event.of, ReplyTo::Token("k7f2a9".to_owned()));
        let fits = match (&event.what, kind) {
            (Action::Reply { text, refused_files: 0 }, "reply") | (Action::Note { text }, "note") => text == "Bonjour",
            (Action::Take, "take") | (Action::HandBack, "hand_back") | (Action::Resolve, "resolve") => true,
            _ => false,
        };
        assert!(fits, "{kind}");
        assert!(received.answer.is_none());
    }
}

#[tokio::test]
async fn what_is_stale_altered_unsigned_or_not_understood_is_refused() {
    let channel =
        open(json!({ "url": "https://example.com/", "secrets": [SECRET] }), Vec::new()).await.expect("usable settings");
    let body = said("take", json!({ "token": "k7f2a9" }));
    let good = signed(SECRET, "msg_1", &body, 0);
    assert_eq!(kind(&*channel, good.clone()).await, None);
    let refused = Some(PluginErrorKind::Refused);
    for age in [301, -302] {
        assert_eq!(kind(&*channel, signed(SECRET, "msg_1", &body, age)).await, refused, "{age}");
    }
    let written_again =
        serde_json::to_string_pretty(&serde_json::from_str::<Value>(&body).expect("JSON")).expect("JSON");
    for other in [written_again, said("resolve", json!({ "token": "k7f2a9" })), String::new()] {
        assert_eq!(kind(&*channel, InboundRequest { body: other.into(), ..good.clone() }).await, refused);
    }
    assert_eq!(kind(&*channel, signed(NEXT, "msg_1", &body, 0)).await, refused);
    for left_out in 0..3 {
        let mut request = good.clone();
        request.headers.remove(left_out);
        assert_eq!(kind(&*channel, request).await, refused);
    }
    for body in [
        "{".to_owned(),
        said("delete", json!({ "token": "k7f2a9" })),
        said("take", json!({ "token": "k7f2a9", "more": 1 })),
        said("take", json!({ "token": "k7f2a9", "text": "but why" })),
        said("take", json!({ "token": "../k7f2a9" })),
        said("take", json!({ "token": "" })),
        said("reply", json!({ "token": "k7f2a9", "text": "  " })),
        said("escalation.opened", json!({ "replyToken": "k7f2a9" })),
    ] {
        assert_eq!(kind(&*channel, signed(SECRET, "msg_1", &body, 0)).await, refused, "{body}");
    }
}

#[tokio::test]
async fn answers_can_be_verified_by_a_key_of_the_other_side() {
    let private = NEXT.replace("whsec", "whsk");
    let Some(Secret::Private(key)) = Secret::parse(&private) else { panic!("a key") };
    let public = format!("whpk_{}", BASE64.encode(key.verifying_key().as_bytes()));
    let settings = json!({ "url": "https://example.com/", "secrets": [SECRET], "inboundSecrets": [public] });
    let channel = open(settings, Vec::new()).await.expect("usable settings");
    let body = said("take", json!({ "token": "k7f2a9" }));
    assert_eq!(kind(&*channel, signed(&private, "msg_1", &body, 0)).await, None);
    assert_eq!(kind(&*channel, signed(SECRET, "msg_1", &body, 0)).await, Some(PluginErrorKind::Refused));
}

#[tokio::test]
async fn an_alert_takes_nothing_back() {
    let settings = json!({ "url": "https://example.com/", "secrets": [SECRET], "mode": "alert" });
    let channel = open(settings, Vec::new()).await.expect("usable settings");
    assert!(!channel.traits().two_way);
    let body = said("take", json!({ "token": "k7f2a9" }));
    let refused = kind(&*channel, signed(SECRET, "msg_1", &body, 0)).await;
    assert_eq!(refused, Some(PluginErrorKind::Misconfigured));
}
