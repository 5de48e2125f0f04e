//! Settings that cannot work, and what is declared.

use consigne_plugin_slack::Slack as Plugged;
use consigne_sdk::{Plugin, PluginErrorKind, Region, Retention, Safeguard};
use serde_json::{Value, json};

use crate::world::open;

fn settings(more: Value) -> Value {
    let mut settings =
        json!({ "botToken": "xoxb-1", "signingSecret": "8f742231b10e8888abcd99yyyzzz85a5", "channel": "C024BE91L" });
    for (name, value) in more.as_object().expect("an object") {
        match value {
            Value::Null => drop(settings.as_object_mut().expect("an object").remove(name)),
            value => settings[name] = value.clone(),
        }
    }
    settings
}

#[tokio::test]
async fn settings_that_cannot_work_are_refused_without_repeating_them() {
    for more in [
        json!({ "botToken": "xoxb-\nhunter2" }),
        json!({ "signingSecret": null }),
        json!({ "apiBaseUrl": "https://hunter2.example/api" }),
        json!({ "apiBaseUrl": "http://slack.com/api" }),
        json!({ "notePrefix": " " }),
    ] {
        let error = open(settings(more.clone())).await.err().unwrap_or_else(|| panic!("{more}"));
        assert_eq!(error.kind, PluginErrorKind::Misconfigured);
        assert!(!error.message.contains("hunter2"), "{}", error.message);
    }
    for more in [
        json!({}),
        json!({ "apiBaseUrl": "https://slack-gov.com/api" }),
        json!({ "mode": "alert", "signingSecret": null }),
    ] {
        assert!(open(settings(more.clone())).await.is_ok(), "{more}");
    }
}

#[test]
fn the_declaration_is_what_was_stated() {
    let plugin = Plugged::new();
    let declared = plugin.processing(&settings(json!({})));
    assert_eq!((declared.region, declared.safeguard), (Region::Country("US".to_owned()), Safeguard::Undeclared));
    assert_eq!(declared.retention, Retention::Undeclared);
    let stated = json!({ "region": "DE", "safeguard": "ADEQUACY", "retentionDays": 30 });
    let declared = plugin.processing(&settings(stated));
    assert_eq!((declared.region, declared.safeguard), (Region::Eea, Safeguard::Adequacy));
    assert_eq!(declared.retention, Retention::Days(30));
}
