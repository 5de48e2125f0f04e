//! What people write stays in the region that the workspace keeps it in, whatever a channel is set to be told.

use anyhow::Result;
use consigne_tests::{app::TestApp, standins::webhook::Receiver, texts};
use serde_json::{Value, json};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SAID: &str = "The left pedal of my bicycle came off";

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_outside_the_allowed_regions_hears_of_a_chat_and_not_what_was_said() -> Result<()> {
    let receiver = Receiver::start(SECRET).await;
    let app = TestApp::start_now(&["--webhook-allow", &receiver.address().to_string()]).await?;
    let acme = app.workspace("acme").await?;
    acme.upload("handbook.md", "text/markdown", texts::HANDBOOK.as_bytes()).await?;
    app.run_jobs().await?;
    let assistant = acme.assistant("Ada").await?;
    let settings = json!({"url": receiver.url(), "secrets": [SECRET]});
    acme.graphql("enable_plugin", json!({"input": {"pluginId": "webhook", "settings": settings}})).await?.ok();
    acme.call_people(&assistant, &[], json!({"channelIds": ["webhook"]})).await?;
    let keep = json!({"input": {"processing": {"transfers": "EU_ONLY"}}});
    acme.graphql("configure_workspace", keep).await?.ok();

    let visitor = acme.visitor(&assistant).await?;
    let chat = visitor.start_chat().await?;
    visitor.request_person(&chat).await?;
    visitor.say(&chat, SAID).await?;
    app.run_jobs().await?;
    let told = receiver.taken();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].body.to_string().contains(&chat));
    assert!(told.iter().all(|delivered| !delivered.body.to_string().contains("pedal")), "{told:?}");
    assert_eq!(may_take_texts(&acme.graphql("channels", json!({})).await?.ok().body), json!(false));

    // The customer's own server stands in Europe, and they say so.
    let settings = json!({"url": receiver.url(), "secrets": [SECRET], "region": "EEA", "operator": "Acme"});
    acme.graphql("enable_plugin", json!({"input": {"pluginId": "webhook", "settings": settings}})).await?.ok();
    visitor.say(&chat, SAID).await?;
    app.run_jobs().await?;
    let told = receiver.taken();
    assert!(told.last().is_some_and(|delivered| delivered.body.to_string().contains("pedal")), "{told:?}");
    assert_eq!(may_take_texts(&acme.graphql("channels", json!({})).await?.ok().body), json!(true));
    Ok(())
}

fn may_take_texts(body: &Value) -> Value {
    let channels = body["data"]["channels"].as_array().cloned().unwrap_or_default();
    channels.into_iter().find(|channel| channel["pluginId"] == "webhook").unwrap_or_default()["mayTakeTexts"].clone()
}
