//! Documents that come in while the index is down.

use anyhow::{Context, Result};
use consigne_tests::{
    app::{days, minutes},
    standins::qdrant::Qdrant,
    texts,
};
use serde_json::json;

use super::{house, on_both};

on_both! {
    a_document_waits_out_a_long_outage_and_becomes_ready_by_itself
    a_replacement_that_waits_leaves_the_earlier_version_to_be_found
}

async fn a_document_waits_out_a_long_outage_and_becomes_ready_by_itself(mut qdrant: Qdrant) -> Result<()> {
    let (app, acme) = house(&qdrant).await?;
    qdrant.stop().await?;
    let id = acme.add_text("Handbook", texts::HANDBOOK).await?;
    app.run_jobs().await?;
    let waiting = acme.document(&id).await?.context("it is listed")?;
    assert_eq!((&waiting["state"], &waiting["stage"]), (&json!("PENDING"), &json!("WAITING_FOR_INDEX")), "{waiting}");
    assert_eq!(waiting["failure"], json!(null));
    assert_eq!(waiting["passages"], waiting["passagesDone"], "all the work that needs no index is done");
    for _ in 0..40 {
        app.advance(minutes(30));
        app.run_duties().await?;
        app.run_jobs().await?;
    }
    let still = acme.document(&id).await?.context("it is listed")?;
    assert_eq!((&still["state"], &still["stage"]), (&json!("PENDING"), &json!("WAITING_FOR_INDEX")), "{still}");
    let dead = acme.graphql("dead_jobs", json!({})).await?.ok();
    assert_eq!(dead.number("/deadJobs/totalCount"), 0);

    qdrant.start_again().await?;
    app.advance(minutes(1));
    app.run_jobs().await?;
    let ready = acme.document(&id).await?.context("it is kept")?;
    assert_eq!((&ready["state"], &ready["stage"]), (&json!("READY"), &json!("DONE")), "{ready}");
    assert_eq!((&ready["passages"], &ready["passagesReused"]), (&waiting["passages"], &json!(0)));
    assert_eq!(app.rows("passages").await?, ready["passages"].as_i64().unwrap_or(-1), "none was made twice");
    assert_eq!(
        acme.search("How much is a standard inspection?").await?.first(),
        ready["title"].as_str().map(str::to_owned).as_ref()
    );
    Ok(())
}

async fn a_replacement_that_waits_leaves_the_earlier_version_to_be_found(mut qdrant: Qdrant) -> Result<()> {
    let (app, acme) = house(&qdrant).await?;
    let id = acme.upload("prices.md", "text/markdown", b"# Prices\n\nAn inspection costs eighty francs.\n").await?;
    app.run_jobs().await?;
    qdrant.stop().await?;
    let changed = b"# Prices\n\nAn inspection costs ninety francs.\n";
    acme.upload_in_place_of(Some(&id), "prices.md", "text/markdown", changed).await?;
    app.run_jobs().await?;
    app.advance(days(1));
    app.run_jobs().await?;
    let texts = async || {
        let found = acme.graphql("search_knowledge", json!({"question": "What does an inspection cost?"})).await?.ok();
        Ok::<_, anyhow::Error>(found.body.to_string())
    };
    qdrant.start_again().await?;
    let before = texts().await?;
    assert!(before.contains("eighty") && !before.contains("ninety"), "{before}");
    app.advance(minutes(1));
    app.run_jobs().await?;
    let after = texts().await?;
    assert!(after.contains("ninety") && !after.contains("eighty"), "{after}");
    app.advance(minutes(1));
    app.run_jobs().await?;
    assert_eq!(qdrant.points().await?.len(), 1, "the earlier version's point is gone");
    Ok(())
}
