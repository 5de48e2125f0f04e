//! The published schema, and payloads that fit it.

use std::path::Path;

use consigne_plugin_webhook::payload::Payload;
use consigne_sdk::{EscalationState, Line, Notice, Speaker};
use serde_json::{Value, json};

use crate::{
    receiver::Receiver,
    world::{LONG_AGO, SECRET, delivery, opened, to},
};

#[tokio::test]
async fn what_is_sent_is_what_the_published_schema_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/webhook.schema.json");
    let schema = consigne_sdk::Manifest::schema_of::<Payload>();
    let written = std::fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str::<Value>(&text).ok());
    if written.as_ref() != Some(&schema) {
        let text = serde_json::to_string_pretty(&schema).expect("JSON");
        std::fs::write(&path, text + "\n").expect("the documentation can be written");
        panic!("docs/webhook.schema.json was not what is sent; it was written anew: look at it and commit it");
    }
    let schema = jsonschema::validator_for(&schema).expect("a schema");
    let receiver = Receiver::start(SECRET).await;
    let channel = to(&receiver.url(), receiver.address()).await;
    let line = Line { speaker: Speaker::Staff, name: Some("Ada".to_owned()), text: None, at: LONG_AGO };
    let changed = Notice::Changed { state: EscalationState::Resolved, by: None };
    for notice in [opened(), Notice::Said(line), changed, Notice::Test] {
        channel.deliver(delivery("d_1", notice)).await.expect("it arrives");
    }
    for delivered in receiver.taken() {
        assert!(schema.is_valid(&delivered.body), "{}", delivered.body);
    }
    assert!(!schema.is_valid(&json!({ "type": "escalation.opened", "timestamp": "2026-11-27T08:00:00Z", "data": {} })));
}
