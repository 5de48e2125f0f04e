//! Settings that cannot work, and what is declared.

use consigne_plugin_email::Email;
use consigne_sdk::{Egress, Plugin, PluginErrorKind, Region, Safeguard};
use serde_json::json;

use crate::world::{open, settings, with};

#[tokio::test]
async fn settings_that_cannot_work_are_refused_without_repeating_them() {
    let good = settings("smtps://mail.example");
    for more in [
        json!({ "smtpUrl": "https://mail.example" }),
        json!({ "smtpUrl": "smtps://hunter2@mail.example" }),
        json!({ "smtpUrl": "smtps://mail.example/hunter2" }),
        json!({ "imapUrl": "smtp://mail.example" }),
        json!({ "from": "hunter2" }),
        json!({ "to": ["desk@example.com", "hunter2"] }),
        json!({ "replyTo": null }),
        json!({ "replyTo": "replies+hunter2@example.com" }),
        json!({ "replySecret": null }),
        json!({ "inboundSecrets": ["hunter2"] }),
        json!({ "authorities": "hunter2" }),
        json!({ "dkim": { "selector": "mail", "privateKey": "hunter2" } }),
        json!({ "imapFolder": "A\r\nhunter2" }),
    ] {
        let error = open(with(good.clone(), more.clone())).await.err().unwrap_or_else(|| panic!("{more}"));
        assert_eq!(error.kind, PluginErrorKind::Misconfigured, "{more}");
        assert!(!error.message.contains("hunter2"), "{}", error.message);
    }
    for more in [
        json!({}),
        json!({ "smtpUrl": "smtp://mail.example:2525" }),
        json!({ "imapUrl": "imaps://mail.example", "imapUsername": "a", "imapPassword": "b" }),
        json!({ "mode": "alert", "replyTo": null, "replySecret": null, "inboundSecrets": null }),
    ] {
        assert!(open(with(good.clone(), more.clone())).await.is_ok(), "{more}");
    }
}

#[tokio::test]
async fn plain_text_leaves_this_machine_only_where_it_is_allowed() {
    let imap = json!({ "imapUrl": "imap://mail.example", "imapUsername": "a", "imapPassword": "b" });
    let channel = open(with(settings("smtps://mail.example"), imap)).await.expect("usable settings");
    assert_eq!(channel.poll(None).await.err().map(|error| error.kind), Some(PluginErrorKind::HostNotAllowed));
}

#[test]
fn the_declaration_is_what_was_stated_and_the_hosts_are_those_of_the_settings() {
    let plugin = Email::new();
    let stated = json!({ "region": "FR", "safeguard": "NOT_NEEDED", "operator": "Post Inc.", "imapUrl": "imaps://imap.example" });
    let settings = with(settings("smtp://mail.example"), stated);
    let declared = plugin.processing(&settings);
    assert_eq!((declared.region, declared.safeguard), (Region::Eea, Safeguard::NotNeeded));
    assert_eq!(declared.operator, "Post Inc.");
    let egress = Egress::new(plugin.manifest(), &settings).expect("usable settings");
    assert_eq!(egress.hosts(), ["mail.example", "imap.example"]);
}
