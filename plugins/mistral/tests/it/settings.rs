//! The manifest, the settings and the declaration made from them.

use consigne_plugin_mistral::Mistral;
use consigne_sdk::{
    CapabilityKind, DataCategory, Egress, Plugin, PluginErrorKind, Processing, ProcessorRole, Purpose, Region,
    Retention, Safeguard,
};
use serde_json::{Value, json};

use crate::bench::open;

fn declared(more: Value) -> Processing {
    let mut settings = json!({ "apiKey": "k" });
    settings.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    Mistral::new().processing(&settings)
}

#[test]
fn the_endpoint_in_the_union_is_the_default_and_its_facts_are_known() {
    let processing = declared(json!({}));
    assert_eq!((processing.role, processing.region), (ProcessorRole::SubProcessor, Region::Eea));
    assert_eq!((processing.safeguard, processing.retention), (Safeguard::NotNeeded, Retention::Days(30)));
    assert_eq!(processing.operator, "Mistral AI SAS");
    assert_eq!(processing.purposes, [Purpose::Answering, Purpose::Correction]);
    assert!(processing.categories.contains(&DataCategory::Drafts));
    let egress = Egress::new(Mistral::new().manifest(), &json!({ "apiKey": "k" })).expect("usable settings");
    assert_eq!(egress.hosts(), ["api.eu.mistral.ai"]);
    assert_eq!(declared(json!({ "retentionDays": 0 })).retention, Retention::None);
}

#[test]
fn another_endpoint_has_other_facts() {
    let global = declared(json!({ "baseUrl": "https://api.mistral.ai/v1" }));
    assert_eq!((global.region, global.safeguard), (Region::Undeclared, Safeguard::Undeclared));
    let elsewhere = declared(json!({ "baseUrl": "https://models.example/v1", "region": "US" }));
    assert_eq!((elsewhere.region, elsewhere.safeguard), (Region::Country("US".into()), Safeguard::Undeclared));
    let moved = declared(json!({ "region": "US" }));
    assert_eq!((moved.region, moved.safeguard), (Region::Country("US".into()), Safeguard::Undeclared));
}

#[test]
fn the_key_is_written_and_never_read() {
    let plugin = Mistral::default();
    let schema = &plugin.manifest().settings_schema;
    assert_eq!((&schema["required"], &schema["additionalProperties"]), (&json!(["apiKey"]), &json!(false)));
    for (name, property) in schema["properties"].as_object().expect("an object") {
        assert!(property["description"].is_string(), "{name} has no description");
        assert_eq!(property.get("writeOnly").is_some(), name == "apiKey");
    }
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_by_name_and_never_quoted() {
    for settings in [
        json!({}),
        json!({ "apiKey": " " }),
        json!({ "apiKey": "secret\nx-evil: 1" }),
        json!({ "apiKey": "k", "baseUrl": "http://models.example/secret" }),
        json!({ "apiKey": "k", "temperature": 1.6 }),
        json!({ "apiKey": "k", "store": false }),
        json!({ "apiKey": "k", "region": "secret" }),
    ] {
        let error = open(CapabilityKind::ChatModel, settings.clone()).await.err().expect("refused");
        assert_eq!(error.kind, PluginErrorKind::Misconfigured, "{settings}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let embedder = open(CapabilityKind::Embedder, json!({ "apiKey": "k" })).await.err().expect("refused");
    assert_eq!(embedder.kind, PluginErrorKind::Misconfigured);
}
