//! Plugins say what they get, and their secrets are never seen again.

use anyhow::Result;
use consigne_tests::{app::TestApp, canary::Canary};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn without_an_outside_plugin_nobody_else_gets_anything() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let recipients = acme.graphql("recipients", json!({})).await?.ok();
    for recipient in recipients.get("/recipients").as_array().into_iter().flatten() {
        assert_eq!(recipient["processing"]["role"], "INTERNAL", "{recipient}");
        assert_eq!(recipient["hosts"], json!([]), "{recipient}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enabled_plugin_is_a_recipient_with_its_host_and_its_key_is_sealed() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let canary = Canary::new();
    let settings = json!({"baseUrl": "https://llm.example.eu/v1", "model": "a-model", "apiKey": canary.to_string()});
    let input = json!({"pluginId": "openai", "settings": settings});
    let enabled = acme.graphql("enable_plugin", json!({"input": input})).await?.ok();
    assert!(!enabled.body.to_string().contains(&canary.to_string()));
    let recipients = acme.graphql("recipients", json!({})).await?.ok();
    let all = recipients.get("/recipients").as_array().cloned().unwrap_or_default();
    let openai = all.iter().find(|recipient| recipient["pluginId"] == "openai");
    assert_eq!(openai.map(|recipient| &recipient["hosts"]), Some(&json!(["llm.example.eu"])), "{all:?}");
    app.assert_absent(&canary).await?;

    acme.graphql("disable_plugin", json!({"input": {"pluginId": "openai"}})).await?.ok();
    let recipients = acme.graphql("recipients", json!({})).await?.ok();
    assert!(!recipients.body.to_string().contains("llm.example.eu"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_held_to_their_schema() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    for settings in [json!({"baseUrl": 5}), json!({}), json!({"no_such_setting": true})] {
        let input = json!({"pluginId": "openai", "settings": settings});
        let refused = acme.graphql("enable_plugin", json!({"input": input})).await?;
        assert_eq!(refused.user_error(), Some("INVALID_INPUT"), "{}", refused.body);
    }
    let unknown = acme.graphql("enable_plugin", json!({"input": {"pluginId": "nobody"}})).await?;
    assert_eq!(unknown.user_error(), Some("NOT_FOUND"));
    let of_another: Value = app.workspace("other").await?.graphql("recipients", json!({})).await?.ok().body;
    assert!(!of_another.to_string().contains("openai"));
    Ok(())
}
