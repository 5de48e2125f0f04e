//! The manifest, the settings and the processing declaration.

use consigne_plugin_extractive::Extractive;
use consigne_sdk::{CapabilityKind, DataCategory, Plugin, PluginErrorKind, ProcessorRole, Purpose};
use serde_json::{Value, json};

use crate::world::open;

#[tokio::test]
async fn settings_are_optional_and_checked() {
    for fine in [json!({}), Value::Null, json!({ "maxSentences": 1 }), json!({ "maxSentences": 4 })] {
        assert!(open(fine).await.is_ok());
    }
    for wrong in [json!({ "maxSentences": 0 }), json!({ "maxSentences": 5 }), json!({ "max_sentences": 2 }), json!([])]
    {
        assert_eq!(open(wrong).await.err().map(|error| error.kind), Some(PluginErrorKind::Misconfigured));
    }
}

#[test]
fn it_works_inside_this_installation_on_knowledge_and_conversation() {
    let plugin = Extractive::new();
    let processing = plugin.processing(&json!({}));
    assert_eq!(processing.role, ProcessorRole::Internal);
    assert_eq!(processing.categories, [DataCategory::Knowledge, DataCategory::Conversation]);
    assert_eq!(processing.purposes, [Purpose::Answering]);
    assert_eq!(plugin.manifest().capabilities, [CapabilityKind::ChatModel]);
    assert!(plugin.manifest().hosts.is_empty());
}

#[test]
fn the_schema_of_the_settings_knows_their_range() {
    let plugin = Extractive::new();
    let schema = &plugin.manifest().settings_schema;
    let field = &schema["properties"]["maxSentences"];
    assert_eq!((&field["minimum"], &field["maximum"]), (&json!(1), &json!(4)));
    assert_eq!(schema["additionalProperties"], json!(false));
}
