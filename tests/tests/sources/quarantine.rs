//! A source in quarantine: nothing of it is found or cited, and nothing of it is lost.

use anyhow::Result;
use serde_json::{Value, json};

use super::{crawl_again, create, house, page, small_site};

const QUESTION: &str = "What does an inspection cost?";

#[tokio::test(flavor = "multi_thread")]
async fn a_source_in_quarantine_is_not_found_from_the_next_search_on() -> Result<()> {
    let site = small_site().await?;
    let (app, acme) = house(&site).await?;
    let source = create(&acme, &site, json!({})).await?;
    acme.add_text("By hand", "This text was written by hand about tandems.").await?;
    app.run_jobs().await?;
    let found = acme.search(QUESTION).await?;
    assert!(found.len() > 1 && found[0] == "Prices", "{found:?}");

    let input = json!({"input": {"sourceId": source}});
    let put = acme.graphql("quarantine_source", input.clone()).await?.ok();
    assert_eq!(put.text("/quarantineSource/source/state"), "ACTIVE", "it is crawled as before");
    let since = put.text("/quarantineSource/source/quarantinedAt");
    assert_eq!(acme.search(QUESTION).await?, ["By hand"]);
    let filter = json!({"question": QUESTION, "filter": {"sourceIds": [source]}});
    let asked_for = acme.graphql("search_knowledge", filter).await?.ok();
    assert_eq!(asked_for.get("/searchKnowledge"), &json!([]), "asking for it by name is no way around");
    let again = acme.graphql("quarantine_source", input.clone()).await?.ok();
    assert_eq!(again.text("/quarantineSource/source/quarantinedAt"), since);

    // A crawl meanwhile mends a page, and brings nothing back.
    site.put("/b", &page("Prices", "A standard inspection costs ninety francs.", &["/"]));
    crawl_again(&app, &acme, &source).await?;
    assert_eq!(acme.search(QUESTION).await?, ["By hand"]);

    let released = acme.graphql("release_source", input).await?.ok();
    assert_eq!(released.body["data"]["releaseSource"]["source"]["quarantinedAt"], Value::Null);
    let found = acme.graphql("search_knowledge", json!({"question": QUESTION})).await?.ok();
    assert!(found.text("/searchKnowledge/0/text").contains("ninety"), "{}", found.body);
    let actions = acme.audited_actions().await?;
    for action in ["source.quarantined", "source.released"] {
        assert_eq!(actions.iter().filter(|known| *known == action).count(), 1, "{action}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_citation_of_a_source_in_quarantine_is_withdrawn_until_it_is_released() -> Result<()> {
    let site = small_site().await?;
    let (app, acme) = house(&site).await?;
    let source = create(&acme, &site, json!({})).await?;
    app.run_jobs().await?;
    let visitor = acme.visitor(&acme.assistant("Ada").await?).await?;
    let chat = visitor.start_chat().await?;
    let before = visitor.ask(&chat, QUESTION).await?;
    app.run_jobs().await?;
    let citation = async || Ok::<_, anyhow::Error>(visitor.answer(&before).await?["citations"][0].clone());
    let cited = citation().await?;
    assert_eq!(cited["isWithdrawn"], false, "{cited}");

    acme.graphql("quarantine_source", json!({"input": {"sourceId": source}})).await?.ok();
    let withdrawn = citation().await?;
    assert_eq!((&withdrawn["isWithdrawn"], &withdrawn["quote"]), (&json!(true), &json!("")), "{withdrawn}");
    let during = visitor.ask(&chat, QUESTION).await?;
    app.run_jobs().await?;
    assert_eq!(visitor.answer(&during).await?["outcome"], "NOT_IN_KNOWLEDGE");

    acme.graphql("release_source", json!({"input": {"sourceId": source}})).await?.ok();
    assert_eq!(citation().await?, cited);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_source_still_answers() -> Result<()> {
    let site = small_site().await?;
    let (app, acme) = house(&site).await?;
    let source = create(&acme, &site, json!({})).await?;
    app.run_jobs().await?;
    acme.graphql("pause_source", json!({"input": {"sourceId": source}})).await?.ok();
    assert_eq!(acme.search(QUESTION).await?[0], "Prices");
    Ok(())
}
