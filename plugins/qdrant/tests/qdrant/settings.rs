//! The manifest, the settings and the declaration made from them.

use consigne_plugin_qdrant::Qdrant;
use consigne_sdk::{
    CapabilityKind, DataCategory, Egress, HostRule, Plugin, PluginErrorKind, Processing, ProcessorRole, Region,
    Residency, Retention, Safeguard,
};
use serde_json::{Value, json};

use crate::world::open;

fn declared(settings: Value) -> Processing {
    Qdrant::new().processing(&settings)
}

#[test]
fn the_manifest_names_one_host_and_hides_the_key() {
    let plugin = Qdrant::default();
    let manifest = plugin.manifest();
    assert_eq!((manifest.id, manifest.capabilities.as_slice()), ("qdrant", [CapabilityKind::VectorIndex].as_slice()));
    assert_eq!(manifest.hosts, [HostRule::FromSetting("url")]);
    let schema = &manifest.settings_schema;
    assert_eq!((&schema["required"], &schema["additionalProperties"]), (&json!(["url"]), &json!(false)));
    let properties = schema["properties"].as_object().expect("an object");
    for (name, property) in properties {
        assert!(property["description"].is_string(), "{name} has no description");
        assert_eq!(property.get("writeOnly").is_some(), name == "apiKey");
    }
    let egress = Egress::new(manifest, &json!({ "url": "https://qdrant.intern:6334" })).expect("usable settings");
    assert_eq!(egress.hosts(), ["qdrant.intern"]);
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_by_name_and_never_quoted() {
    let url = "https://qdrant.example:6334";
    for settings in [
        json!({}),
        json!({ "url": "secret" }),
        json!({ "url": "ftp://qdrant.example/" }),
        json!({ "url": "http://qdrant.example:6334" }),
        json!({ "url": "https://user:secret@qdrant.example" }),
        json!({ "url": "https://qdrant.example/secret" }),
        json!({ "url": "https://qdrant.example/?key=secret" }),
        json!({ "url": url, "apikey": "secret" }),
        json!({ "url": url, "apiKey": "secret\nx-evil: 1" }),
        json!({ "url": url, "authorities": "secret" }),
        json!({ "url": url, "replicas": 0 }),
        json!({ "url": url, "timeoutSeconds": 0 }),
        json!({ "url": url, "purgeSeconds": 1 }),
        json!({ "url": url, "region": "Europe" }),
        json!({ "url": url, "safeguard": "UNDECLARED" }),
    ] {
        let error = open(settings.clone()).await.err().expect("refused");
        assert_eq!(error.kind, PluginErrorKind::Misconfigured, "{settings}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn opening_connects_to_nobody_and_says_that_points_live_in_a_server() {
    let index = open(json!({ "url": "https://qdrant.example", "apiKey": "" })).await.expect("usable settings");
    assert_eq!(index.residency(), Residency::Server);
}

#[test]
fn a_server_on_this_machine_is_our_own_and_a_declared_one_is_what_it_is_declared_to_be() {
    let own = declared(json!({ "url": "http://127.0.0.1:6334" }));
    assert_eq!((own.role, own.region, own.retention), (ProcessorRole::Internal, Region::Local, Retention::WithSource));
    assert_eq!(own.categories, [DataCategory::Vectors]);
    let compose = declared(json!({ "url": "http://qdrant:6334", "allowPlainHttp": true, "region": "LOCAL" }));
    assert_eq!(compose.role, ProcessorRole::Internal);
    let tunnel = declared(json!({
        "url": "http://localhost:1", "region": "US", "operator": "Vectors Inc", "safeguard": "STANDARD_CLAUSES",
    }));
    assert_eq!((tunnel.role, tunnel.region), (ProcessorRole::SubProcessor, Region::Country("US".into())));
    assert_eq!((tunnel.operator.as_str(), tunnel.safeguard), ("Vectors Inc", Safeguard::StandardClauses));
    for eea in ["EEA", "FR"] {
        assert_eq!(declared(json!({ "url": "https://q.example", "region": eea })).region, Region::Eea, "{eea}");
    }
}

#[test]
fn what_nobody_declared_stays_undeclared() {
    let undeclared = declared(json!({ "url": "https://qdrant.example:6334" }));
    assert_eq!(undeclared.operator, "the undeclared operator of qdrant.example");
    assert_eq!((undeclared.region, undeclared.safeguard), (Region::Undeclared, Safeguard::Undeclared));
    for unreadable in [json!(null), json!({}), json!({ "url": 1 })] {
        assert_eq!(declared(unreadable).role, ProcessorRole::SubProcessor);
    }
}
