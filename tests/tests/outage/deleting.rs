//! Deleting a document, and erasing a person, while the index is down.

use std::time::Duration;

use anyhow::{Context, Result};
use consigne_tests::{
    app::minutes,
    people::idempotency_key,
    standins::{qdrant::Qdrant, site::Site},
    texts,
};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{house, house_with, on_both};

on_both! {
    a_document_is_hidden_at_once_and_gone_when_its_vectors_are
    a_deletion_is_answered_at_once_and_finished_by_itself
    an_erasure_waits_for_the_index_before_it_is_certified
    a_source_goes_when_the_bytes_of_its_documents_are_gone
}

/// A deletion is answered before anybody would begin to wait.
const AT_ONCE: Duration = Duration::from_secs(2);

async fn a_document_is_hidden_at_once_and_gone_when_its_vectors_are(mut qdrant: Qdrant) -> Result<()> {
    let (app, acme) = house(&qdrant).await?;
    let id = acme.add_text("Handbook", texts::HANDBOOK).await?;
    acme.add_text("Elsewhere", texts::ELSEWHERE).await?;
    app.run_jobs().await?;
    let kept = qdrant.points().await?.len()
        - usize::try_from(acme.document(&id).await?.context("it is there")?["passages"].as_u64().unwrap_or(0))?;
    let visitor = acme.visitor(&acme.assistant("Ada").await?).await?;
    let chat = visitor.start_chat().await?;
    let answer = visitor.ask(&chat, "How much is a standard inspection?").await?;
    app.run_jobs().await?;
    assert_eq!(visitor.answer(&answer).await?["citations"][0]["isWithdrawn"], false);
    let all = qdrant.points().await?;

    qdrant.stop().await?;
    let input = json!({"input": {"documentId": id}});
    let deleted = timeout(AT_ONCE, acme.graphql("delete_document", input.clone())).await??.ok();
    assert_eq!(deleted.body["data"]["deleteDocument"]["deletedDocumentId"], Value::Null, "it is not gone yet");
    assert_eq!(deleted.text("/deleteDocument/document/state"), "DELETING");
    assert!(deleted.number("/deleteDocument/passagesDeleted") > 0);
    let citation = visitor.answer(&answer).await?["citations"][0].clone();
    assert_eq!((&citation["isWithdrawn"], &citation["quote"]), (&json!(true), &json!("")), "{citation}");
    for _ in 0..20 {
        app.advance(minutes(30));
        app.run_duties().await?;
        timeout(Duration::from_secs(60), app.run_jobs()).await??;
    }
    assert_eq!(acme.document(&id).await?.context("it still says where it stands")?["state"], "DELETING");
    let again = acme.graphql("delete_document", input).await?.ok();
    assert_eq!(again.text("/deleteDocument/document/state"), "DELETING", "asked twice, answered alike");

    qdrant.start_again().await?;
    assert!(!acme.search("How much is a standard inspection?").await?.contains(&"Handbook".to_owned()));
    assert_eq!(qdrant.points().await?.len(), all.len(), "the server still has them, and nobody finds them");
    app.advance(minutes(10));
    app.run_jobs().await?;
    let left = qdrant.points().await?;
    assert_eq!(left.len(), kept);
    assert_eq!(acme.document(&id).await?.context("its bytes are still on the disk")?["state"], "DELETING");
    app.advance(minutes(1));
    app.run_jobs().await?;
    assert_eq!(acme.document(&id).await?, None);
    let gone: Vec<String> = all.into_iter().filter(|point| !left.contains(point)).collect();
    assert!(!qdrant.has_bytes_of(&gone), "it says gone while bytes are left");
    let actions = acme.audited_actions().await?;
    assert_eq!(actions.iter().filter(|action| *action == "document.purged").count(), 1);
    Ok(())
}

async fn a_deletion_is_answered_at_once_and_finished_by_itself(qdrant: Qdrant) -> Result<()> {
    let (app, acme) = house(&qdrant).await?;
    let id = acme.add_text("Handbook", texts::HANDBOOK).await?;
    app.run_jobs().await?;
    let deleted = timeout(AT_ONCE, acme.graphql("delete_document", json!({"input": {"documentId": id}}))).await??.ok();
    assert_eq!(deleted.text("/deleteDocument/document/state"), "DELETING");
    assert!(acme.search("How much is a standard inspection?").await?.is_empty());
    app.run_jobs().await?;
    app.advance(minutes(1));
    app.run_jobs().await?;
    assert_eq!(acme.document(&id).await?, None);
    assert!(qdrant.points().await?.is_empty());
    assert!(app.blobs().iter().all(|name| !name.contains("documents")), "{:?}", app.blobs());
    Ok(())
}

async fn an_erasure_waits_for_the_index_before_it_is_certified(mut qdrant: Qdrant) -> Result<()> {
    let (app, acme) = house(&qdrant).await?;
    acme.add_text("Handbook", texts::HANDBOOK).await?;
    app.run_jobs().await?;
    let visitor = acme.visitor(&acme.assistant("Ada").await?).await?;
    let chat = visitor.start_chat().await?;
    visitor.ask(&chat, "How much is a standard inspection?").await?;
    app.run_jobs().await?;

    qdrant.stop().await?;
    let id = acme.erase(&visitor.subject).await?;
    for _ in 0..20 {
        app.run_jobs().await?;
        app.advance(minutes(30));
    }
    let pending = acme.erasure(&id).await?;
    assert_eq!((&pending["state"], &pending["certificate"]), (&json!("PENDING"), &Value::Null), "{pending}");
    assert_eq!(step(&pending, "vectors"), "PENDING");

    qdrant.start_again().await?;
    app.advance(minutes(10));
    app.run_jobs().await?;
    let complete = acme.erasure(&id).await?;
    assert_eq!((&complete["state"], step(&complete, "vectors").as_str()), (&json!("COMPLETED"), "DONE"), "{complete}");
    let keys = acme.request(Method::GET, "/.well-known/jwks.json").send().await?.text().await?;
    let certificate = complete["certificate"].as_str().context("it is certified")?;
    let (file, keys) = (app.file("certificate.jws", certificate)?, app.file("keys.json", &keys)?);
    let verdict = app.program_says(&["verify", &file, "--keys", &keys]).await?;
    assert!(verdict.contains("genuine"), "{verdict}");
    Ok(())
}

async fn a_source_goes_when_the_bytes_of_its_documents_are_gone(mut qdrant: Qdrant) -> Result<()> {
    let site = Site::start().await?;
    site.put("/", "<html><title>Prices</title><body><p>A standard inspection costs eighty francs.</p></body></html>");
    let (app, acme) = house_with(&qdrant, &["--crawl-allow", &site.address()]).await?;
    let input = json!({
        "name": "the site", "startUrl": site.url("/"), "delayMilliseconds": 0, "idempotencyKey": idempotency_key(),
    });
    let made = acme.graphql("create_website_source", json!({"input": input})).await?.ok();
    let source = made.text("/createWebsiteSource/source/id");
    app.run_jobs().await?;
    let points = qdrant.points().await?;
    assert_eq!(points.len(), 1);

    qdrant.stop().await?;
    let input = json!({"input": {"sourceId": source}});
    let deleted = timeout(AT_ONCE, acme.graphql("delete_source", input)).await??.ok();
    assert_eq!(deleted.text("/deleteSource/source/state"), "DELETING");
    let is_there = async || {
        let found = acme.graphql("source", json!({"id": source})).await?.ok();
        Ok::<_, anyhow::Error>(!found.body["data"]["source"].is_null())
    };
    for _ in 0..5 {
        app.advance(minutes(30));
        app.run_jobs().await?;
    }
    assert!(is_there().await?);
    qdrant.start_again().await?;
    assert!(acme.search("What does an inspection cost?").await?.is_empty());
    for _ in 0..4 {
        app.advance(minutes(10));
        app.run_jobs().await?;
    }
    assert!(!is_there().await?);
    assert!(qdrant.points().await?.is_empty() && !qdrant.has_bytes_of(&points));
    Ok(())
}

fn step(erasure: &Value, name: &str) -> String {
    let steps = erasure["steps"].as_array().cloned().unwrap_or_default();
    let found = steps.iter().find(|step| step["name"] == name).map(|step| step["state"].clone());
    found.and_then(|state| state.as_str().map(str::to_owned)).unwrap_or_default()
}
