//! The manifest, the settings and the declaration made from them.

use consigne_plugin_openai::OpenAi;
use consigne_sdk::{
    CapabilityKind, Egress, HostRule, Plugin, PluginErrorKind, Processing, ProcessorRole, Region, Retention, Safeguard,
};
use serde_json::{Value, json};

use crate::bench::open;

fn declared(settings: Value) -> Processing {
    OpenAi::new().processing(&settings)
}

#[test]
fn the_manifest_names_one_host_and_hides_the_key() {
    let plugin = OpenAi::default();
    let manifest = plugin.manifest();
    assert_eq!((manifest.id, manifest.capabilities.as_slice()), ("openai", [CapabilityKind::ChatModel].as_slice()));
    assert_eq!(manifest.hosts, [HostRule::FromSetting("baseUrl")]);
    let schema = &manifest.settings_schema;
    assert_eq!(schema["required"], json!(["baseUrl", "model"]));
    assert_eq!(schema["additionalProperties"], false);
    let properties = schema["properties"].as_object().expect("an object");
    let key = &properties["apiKey"];
    assert_eq!((&key["writeOnly"], &key["format"]), (&json!(true), &json!("password")));
    assert_eq!(properties["useTools"]["default"], true);
    assert_eq!(properties["timeoutSeconds"]["maximum"], 600);
    for (name, property) in properties {
        assert!(property["description"].is_string(), "{name} has no description");
        assert_eq!(property.get("writeOnly").is_some(), name == "apiKey");
    }
    assert_eq!(properties.len(), 15);
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_by_name_and_never_quoted() {
    let base = "https://models.example/v1";
    for settings in [
        json!({ "baseUrl": base }),
        json!({ "baseUrl": base, "model": " " }),
        json!({ "baseUrl": base, "model": "m", "apikey": "secret" }),
        json!({ "baseUrl": base, "model": "m", "apiKey": 1 }),
        json!({ "baseUrl": base, "model": "m", "apiKey": "secret\nx-evil: 1" }),
        json!({ "baseUrl": "secret", "model": "m" }),
        json!({ "baseUrl": "ftp://models.example/", "model": "m" }),
        json!({ "baseUrl": "http://models.example/v1", "model": "m" }),
        json!({ "baseUrl": "https://user:secret@models.example/v1", "model": "m" }),
        json!({ "baseUrl": "https://models.example/v1?key=secret", "model": "m" }),
        json!({ "baseUrl": base, "model": "m", "temperature": 2.1 }),
        json!({ "baseUrl": base, "model": "m", "maxTokens": 0 }),
        json!({ "baseUrl": base, "model": "m", "timeoutSeconds": 0 }),
        json!({ "baseUrl": base, "model": "m", "timeoutSeconds": 601 }),
        json!({ "baseUrl": base, "model": "m", "region": "Europe" }),
        json!({ "baseUrl": base, "model": "m", "safeguard": "UNDECLARED" }),
    ] {
        let error = open(settings.clone()).await.err().expect("refused");
        assert_eq!(error.kind, PluginErrorKind::Misconfigured, "{settings}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}

#[tokio::test]
async fn the_model_has_its_name_and_its_host() {
    let settings = json!({ "baseUrl": "http://ollama.intern:11434/v1", "model": "qwen3:8b", "allowPlainHttp": true });
    let egress = Egress::new(OpenAi::new().manifest(), &settings).expect("usable settings");
    assert_eq!(egress.hosts(), ["ollama.intern"]);
    assert_eq!(open(settings).await.expect("usable settings").model_name(), "qwen3:8b");
}

#[test]
fn a_server_on_this_machine_is_our_own() {
    for host in ["127.0.0.1:11434", "localhost", "[::1]:8000", "127.1.2.3"] {
        let processing = declared(json!({ "baseUrl": format!("http://{host}/v1"), "model": "m" }));
        assert_eq!((processing.role, processing.region), (ProcessorRole::Internal, Region::Local), "{host}");
        assert_eq!((processing.safeguard, processing.retention), (Safeguard::NotNeeded, Retention::None));
        assert_eq!(processing.operator, "this installation");
    }
}

#[test]
fn a_tunnel_on_this_machine_is_what_it_is_declared_to_be() {
    let processing = declared(json!({ "baseUrl": "http://127.0.0.1:4000/v1", "model": "m", "region": "US" }));
    assert_eq!(processing.role, ProcessorRole::SubProcessor);
    assert_eq!(processing.region, Region::Country("US".into()));
    assert_eq!((processing.safeguard, processing.retention), (Safeguard::Undeclared, Retention::Undeclared));
}

#[test]
fn what_nobody_declared_stays_undeclared() {
    let undeclared = declared(json!({ "baseUrl": "https://api.openai.com/v1", "model": "m" }));
    assert_eq!(undeclared.role, ProcessorRole::SubProcessor);
    assert_eq!(undeclared.operator, "the undeclared operator of api.openai.com");
    assert_eq!((undeclared.region, undeclared.safeguard), (Region::Undeclared, Safeguard::Undeclared));
    assert_eq!(undeclared.retention, Retention::Undeclared);
    for unreadable in [json!(null), json!({}), json!({ "baseUrl": "http://localhost", "model": 1 })] {
        assert_eq!(declared(unreadable).region, Region::Undeclared);
    }
}

#[test]
fn what_the_administrator_declares_is_taken_over() {
    let declare = |region: &str, safeguard: &str, days: u32| {
        declared(json!({
            "baseUrl": "https://models.example/v1", "model": "m", "operator": "Models SAS",
            "region": region, "safeguard": safeguard, "retentionDays": days,
        }))
    };
    let american = declare("US", "STANDARD_CLAUSES", 30);
    assert_eq!(american.operator, "Models SAS");
    assert_eq!((american.region, american.safeguard), (Region::Country("US".into()), Safeguard::StandardClauses));
    assert_eq!(american.retention, Retention::Days(30));
    let swiss = declare("CH", "ADEQUACY", 0);
    assert_eq!((swiss.region, swiss.safeguard), (Region::Country("CH".into()), Safeguard::Adequacy));
    assert_eq!(swiss.retention, Retention::None);
    assert_eq!(
        [declare("FR", "NOT_NEEDED", 0).region, declare("EEA", "NOT_NEEDED", 0).region],
        [Region::Eea, Region::Eea]
    );
    let local = declare("LOCAL", "NOT_NEEDED", 0);
    assert_eq!((local.role, local.region), (ProcessorRole::Internal, Region::Local));
}
