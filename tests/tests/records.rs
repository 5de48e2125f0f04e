//! Records of processing are made from what is true: nothing personal is stored that they do not name.

use std::collections::BTreeSet;

use anyhow::Result;
use consigne_tests::{app::TestApp, source};
use serde_json::{Value, json};

async fn activities(member: &consigne_tests::people::Member) -> Result<(Vec<Value>, String, String)> {
    let made = member.graphql("records_of_processing", json!({})).await?.ok();
    let all = made.get("/recordsOfProcessing/activities").as_array().cloned().unwrap_or_default();
    Ok((all, made.text("/recordsOfProcessing/markdown"), made.text("/recordsOfProcessing/csv")))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_personal_table_is_in_the_records_and_a_revoked_purpose_is_not() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let (all, page, table) = activities(&acme).await?;
    assert_eq!(all.len(), 10, "all purposes but analytics");
    let register: toml::Table =
        std::fs::read_to_string(source::root().join("api/foundation/personal_data.toml"))?.parse()?;
    let is_personal = |columns: &toml::Value| {
        let columns = columns.as_table().into_iter().flatten();
        columns.filter(|(name, _)| *name != "row").any(|(_, column)| column["category"].as_str() != Some("NONE"))
    };
    let personal: BTreeSet<&String> =
        register.iter().filter(|(_, columns)| is_personal(columns)).map(|(t, _)| t).collect();
    assert!(personal.len() > 30, "{}", personal.len());
    for name in personal {
        assert!(page.contains(name.as_str()), "{name} is in no activity");
    }
    assert_eq!(table.lines().count(), 11);
    assert!(page.contains("## ANSWERING") && page.contains("GDPR art. 6(1)(f)"), "{page}");

    let input = json!({"purpose": "CORRECTION", "reason": "Nobody uses it."});
    acme.graphql("revoke_purpose", json!({"input": input})).await?.ok();
    let (all, page, _) = activities(&acme).await?;
    assert!(all.iter().all(|activity| activity["purpose"] != "CORRECTION"), "{all:?}");
    assert!(!page.contains("## CORRECTION"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sub_processor_and_its_transfer_are_in_the_records() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let name = "=cmd|' /C calc'!A0";
    acme.graphql(
        "configure_privacy",
        json!({"input": {"controllerName": "Acme *SA*", "dpoEmail": "dpo@acme.example"}}),
    )
    .await?
    .ok();
    let settings = json!({
        "baseUrl": "https://llm.example.com/v1", "model": "m", "apiKey": "k", "operator": name, "region": "US",
        "safeguard": "STANDARD_CLAUSES",
    });
    acme.graphql("enable_plugin", json!({"input": {"pluginId": "openai", "settings": settings}})).await?.ok();
    let (all, page, table) = activities(&acme).await?;
    let answering = all.iter().find(|activity| activity["purpose"] == "ANSWERING").cloned().unwrap_or_default();
    assert!(answering["recipientIds"].to_string().contains("openai"), "{answering}");
    assert_eq!(answering["transfers"], json!(["US: STANDARD_CLAUSES"]));
    assert!(answering["categories"].to_string().contains("CONVERSATION"), "{answering}");
    assert!(page.contains("Acme \\*SA\\*") && page.contains("a transfer to a third country"), "{page}");
    for cell in table.split(',') {
        assert!(!cell.trim_start_matches('"').starts_with('='), "{cell}");
    }
    let auditor = acme.program(&["PRIVACY_READ", "PLUGINS_READ"]).await?;
    assert_eq!(activities(&auditor).await?.0.len(), 10);
    let agent = acme.agent(&app.public(), "ann@acme.example").await?;
    let refused = agent.graphql("records_of_processing", json!({})).await?;
    assert_eq!(refused.error(), Some("FORBIDDEN"));
    Ok(())
}
