//! The audit log on its way to a server of the workspace's own: in order, at least once, and nothing about a person.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use consigne_tests::{
    app::TestApp,
    people::Member,
    standins::webhook::{Answer, Receiver},
};
use serde_json::{Value, json};

use super::WEBHOOK_SECRET;

const DUTY: &str = "audit-forward";

async fn use_webhook(owner: &Member, receiver: &Receiver, audit_log: bool) -> Result<()> {
    let settings = json!({"url": receiver.url(), "secrets": [WEBHOOK_SECRET], "auditLog": audit_log});
    let input = json!({"pluginId": "webhook", "settings": settings});
    owner.graphql("enable_plugin", json!({"input": input})).await?.ok().get("/enablePlugin/plugin");
    Ok(())
}

/// The entries that arrived, in the order in which they did.
fn arrived(receiver: &Receiver) -> Result<Vec<Value>> {
    let mut all = Vec::new();
    for delivered in receiver.taken() {
        ensure!(delivered.body["type"] == "audit.entries", "{}", delivered.body);
        all.extend(delivered.body["data"]["entries"].as_array().context("entries")?.iter().cloned());
    }
    Ok(all)
}

async fn standing(owner: &Member) -> Result<Value> {
    Ok(owner.graphql("audit_forwards", json!({})).await?.ok().get("/auditForwards/0").clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_audit_log_arrives_in_order_at_a_server_of_the_workspaces_own() -> Result<()> {
    let receiver = Receiver::start(WEBHOOK_SECRET).await;
    let app = TestApp::start_now(&["--webhook-allow", &receiver.address().to_string()]).await?;
    let (acme, other) = (app.workspace("acme").await?, app.workspace("other").await?);
    use_webhook(&other, &receiver, false).await?;
    app.run_duty(DUTY).await?;
    assert_eq!(receiver.connections(), 0, "nobody asked for it");
    use_webhook(&acme, &receiver, true).await?;
    app.run_duty(DUTY).await?;
    assert_eq!(arrived(&receiver)?.len(), 0, "what was before is not sent");

    let assistant = acme.assistant("Ada").await?;
    let visitor = acme.visitor_known_as(&assistant, json!({"externalId": "4711", "email": "ana@example.org"})).await?;
    acme.erase(&visitor.subject).await?;
    app.run_duty(DUTY).await?;
    let first = arrived(&receiver)?;
    let numbers: Vec<i64> = first.iter().filter_map(|entry| entry["seq"].as_i64()).collect();
    ensure!(numbers.windows(2).all(|two| two[1] == two[0] + 1), "a gap: {numbers:?}");
    ensure!(first.iter().any(|entry| entry["action"] == "subject.erasure_requested"), "{first:?}");
    for entry in first.iter().filter(|entry| !entry["subject"].is_null()) {
        ensure!(entry["details"].is_null(), "details about a person left: {entry}");
    }
    assert_eq!(standing(&acme).await?["behind"], 0);

    // What may have arrived comes again under the same id; what did not is tried later, and nothing is lost.
    receiver.script([Answer::TakeAndHangUp, Answer::Status(503, String::new())]);
    acme.add_text("Handbook", "An inspection costs 79 euros.").await?;
    app.run_duty(DUTY).await?;
    let failed = standing(&acme).await?;
    ensure!(failed["failures"] == 1 && failed["lastError"] == "UNAVAILABLE" && failed["behind"] != 0, "{failed}");
    app.run_duty(DUTY).await?;
    assert_eq!(standing(&acme).await?["failures"], 1, "not before its time");
    for pause in [11, 21] {
        app.advance(Duration::from_secs(pause));
        app.run_duty(DUTY).await?;
    }
    let last = standing(&acme).await?;
    ensure!(last["failures"] == 0 && last["behind"] == 0, "{last}");
    ensure!(receiver.once().values().any(|times| *times > 1), "one came again: {:?}", receiver.once());
    let mut numbers: Vec<i64> = arrived(&receiver)?.iter().filter_map(|entry| entry["seq"].as_i64()).collect();
    numbers.dedup();
    numbers.sort_unstable();
    numbers.dedup();
    ensure!(numbers.windows(2).all(|two| two[1] == two[0] + 1), "a gap: {numbers:?}");
    ensure!(receiver.refused().is_empty(), "{:?}", receiver.refused());
    Ok(())
}
