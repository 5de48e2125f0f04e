//! Documents come in, can be found, are replaced, and go.

use std::{
    io::{Cursor, Write},
    time::Duration,
};

use anyhow::{Context, Result};
use consigne_tests::{app::TestApp, texts};
use serde_json::{Value, json};
use zip::{ZipWriter, write::SimpleFileOptions};

#[tokio::test(flavor = "multi_thread")]
async fn an_uploaded_handbook_can_be_found_in_another_language() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let id = acme.upload("handbook.md", "text/markdown", texts::HANDBOOK.as_bytes()).await?;
    assert_eq!(acme.document(&id).await?.context("it is listed")?["state"], "PENDING");
    app.run_jobs().await?;
    let document = acme.document(&id).await?.context("it is kept")?;
    assert_eq!((&document["state"], &document["language"]), (&json!("READY"), &json!("en")), "{document}");
    assert_eq!(document["passages"], document["passagesDone"]);
    acme.add_text("Elsewhere", texts::ELSEWHERE).await?;
    app.run_jobs().await?;
    assert_eq!(acme.search("Wie lange kann ich eine Bestellung zurückgeben?").await?[0], document["title"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_passages_are_not_embedded_twice() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    acme.upload("handbook.md", "text/markdown", texts::HANDBOOK.as_bytes()).await?;
    app.run_jobs().await?;
    let copy = acme.upload("copy of handbook.md", "text/markdown", texts::HANDBOOK.as_bytes()).await?;
    app.run_jobs().await?;
    let copy = acme.document(&copy).await?.context("it is kept")?;
    assert_eq!(copy["state"], "READY");
    assert_eq!(copy["passagesReused"], copy["passages"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_workspaces_passages_are_not_reused_by_another() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, other) = (app.workspace("acme").await?, app.workspace("other").await?);
    acme.upload("handbook.md", "text/markdown", texts::HANDBOOK.as_bytes()).await?;
    app.run_jobs().await?;
    let own = other.upload("handbook.md", "text/markdown", texts::HANDBOOK.as_bytes()).await?;
    app.run_jobs().await?;
    assert_eq!(other.document(&own).await?.context("it is kept")?["passagesReused"], 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_supported_format_becomes_ready() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let latin1: Vec<u8> = texts::RETURNS_FR.chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
    let utf16: Vec<u8> =
        std::iter::once(0xFEFF).chain(texts::RETURNS_FR.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    let files: [(&str, &str, Vec<u8>); 5] = [
        ("handbook.md", "text/markdown", texts::HANDBOOK.into()),
        ("page.html", "text/html", texts::PAGE.into()),
        ("latin1.txt", "text/plain", latin1),
        ("utf16.txt", "text/plain", utf16),
        ("paper.pdf", "application/pdf", texts::pdf("Our office in Lyon is open from nine to five.")),
    ];
    let mut ids = Vec::new();
    for (name, media_type, bytes) in &files {
        ids.push(acme.upload(name, media_type, bytes).await?);
    }
    app.run_jobs().await?;
    for id in ids {
        let document = acme.document(&id).await?.context("it is kept")?;
        assert_eq!(document["state"], "READY", "{document}");
    }
    let found =
        acme.graphql("search_knowledge", json!({"question": "opening hours of the office in Lyon"})).await?.ok();
    assert_eq!(found.text("/searchKnowledge/0/location"), "p. 1");
    let found = acme.graphql("search_knowledge", json!({"question": "délai de rétractation"})).await?.ok();
    assert!(found.body.to_string().contains("rétractation"), "{}", found.body);
    assert!(!found.body.to_string().contains("Accept all cookies"), "boilerplate is kept: {}", found.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_read_fails_alone_and_says_why() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let broken = acme.upload("broken.pdf", "application/pdf", b"%PDF-1.7\nthis is not one").await?;
    let whole = acme.upload("handbook.md", "text/markdown", texts::HANDBOOK.as_bytes()).await?;
    app.run_jobs().await?;
    let broken = acme.document(&broken).await?.context("it is kept")?;
    assert_eq!(broken["state"], "FAILED");
    assert!(broken["failure"]["message"].as_str().is_some_and(|message| message.len() > 20), "{broken}");
    assert_eq!(acme.document(&whole).await?.context("it is kept")?["state"], "READY");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_document_answers_with_its_new_text_only() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let old = acme.upload("hours.md", "text/markdown", b"# Hours\n\nThe shop opens at eight o'clock.\n").await?;
    app.run_jobs().await?;
    let new = b"# Hours\n\nThe shop opens at eleven o'clock.\n";
    let replaced = acme.upload_in_place_of(Some(&old), "hours.md", "text/markdown", new).await?;
    assert_eq!(replaced["id"], old.as_str());
    app.run_jobs().await?;
    let found = acme.graphql("search_knowledge", json!({"question": "When does the shop open?"})).await?.ok();
    let text = found.body.to_string();
    assert!(text.contains("eleven") && !text.contains("eight"), "{text}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_document_is_gone_when_it_says_so() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let id = acme.upload("handbook.md", "text/markdown", texts::HANDBOOK.as_bytes()).await?;
    app.run_jobs().await?;
    let passages = acme.document(&id).await?.context("it is kept")?["passages"].clone();
    let deleted = acme.graphql("delete_document", json!({"input": {"documentId": id}})).await?.ok();
    assert_eq!(deleted.get("/deleteDocument/passagesDeleted"), &passages);
    assert_eq!(acme.document(&id).await?, None);
    assert!(acme.search("How long can I return an order?").await?.is_empty());
    assert_eq!(app.rows("passages").await?, 0);
    assert!(app.blobs().is_empty(), "a blob is left");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn progress_can_be_watched() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let id = acme.upload("handbook.md", "text/markdown", texts::HANDBOOK.as_bytes()).await?;
    let mut progress = acme.listen("document_progress", json!({"documentId": id})).await?;
    let first = progress.next().await?.context("it begins with the present state")?;
    assert_eq!(first["data"]["documentProgress"]["state"], "PENDING");
    app.run_jobs().await?;
    let rest = progress.rest().await?;
    let last = &rest.last().context("it goes on")?["data"]["documentProgress"];
    assert_eq!((&last["state"], &last["stage"]), (&json!("READY"), &json!("DONE")));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_listed_page_by_page() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    for number in 0..5 {
        acme.add_text(&format!("Text {number}"), &format!("Number {number}.")).await?;
        // Ids are in the order of their milliseconds.
        app.advance(Duration::from_millis(1));
    }
    let (mut titles, mut after) = (Vec::new(), None);
    loop {
        let page = acme.graphql("documents", json!({"first": 2, "after": after})).await?.ok();
        assert_eq!(page.number("/documents/totalCount"), 5);
        for node in page.get("/documents/nodes").as_array().into_iter().flatten() {
            titles.push(node["title"].as_str().unwrap_or_default().to_owned());
        }
        if page.get("/documents/pageInfo/hasNextPage") == false {
            break;
        }
        after = Some(page.text("/documents/pageInfo/endCursor"));
    }
    assert_eq!(titles, ["Text 4", "Text 3", "Text 2", "Text 1", "Text 0"]);
    let refused = acme.graphql("documents", json!({"first": 101})).await?;
    assert_eq!(refused.error(), Some("INVALID_INPUT"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_file_of_an_archive_becomes_a_document() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let mut archive = ZipWriter::new(Cursor::new(vec![]));
    for (name, text) in [("guide/handbook.md", texts::HANDBOOK), ("page.html", texts::PAGE), ("empty.txt", "")] {
        archive.start_file(name, SimpleFileOptions::default())?;
        archive.write_all(text.as_bytes())?;
    }
    let archive = archive.finish()?.into_inner();
    let made = acme.upload_archive(&archive).await?;
    let names = |made: &Value| -> Vec<Value> {
        made["documents"].as_array().into_iter().flatten().map(|document| document["fileName"].clone()).collect()
    };
    assert_eq!(names(&made), ["guide/handbook.md", "page.html"], "{made}");
    assert_eq!(made["refused"][0]["fileName"], "empty.txt");
    app.run_jobs().await?;
    let again = acme.upload_archive(&archive).await?;
    assert_eq!(again["documents"][0]["id"], made["documents"][0]["id"], "what is known is not taken twice");
    assert_eq!(again["documents"][0]["state"], "READY");
    let nonsense = acme.upload_archive(b"no archive").await?;
    assert_eq!(nonsense["userErrors"][0]["code"], "INVALID_INPUT", "{nonsense}");
    Ok(())
}
