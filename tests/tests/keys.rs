//! Keys turn while the product goes on, and a root key that a server keeps.

use std::time::Duration;

use anyhow::{Result, ensure};
use consigne_tests::{
    app::{TestApp, days},
    people::Member,
    standins::transit::Transit,
    texts,
};
use serde_json::json;

const HOUR: Duration = Duration::from_secs(3_600);
const TOKEN: &str = "a token of the server's";

/// A workspace with a handbook; answers its name.
async fn world(app: &TestApp) -> Result<(Member, String)> {
    let acme = app.workspace("acme").await?;
    acme.upload("handbook.md", "text/markdown", texts::HANDBOOK.as_bytes()).await?;
    app.run_jobs().await?;
    let id = acme.workspace.clone();
    Ok((acme, id))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_before_a_rotation_is_found_after_it() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, workspace) = world(&app).await?;
    let question = "How much is a standard inspection?";
    let before = acme.search(question).await?;
    let files = app.blobs();
    ensure!(!before.is_empty() && files.len() == 1, "{before:?}, {files:?}");

    app.advance(days(90));
    app.run_duty("key-rotation").await?;
    app.advance(HOUR);
    let other = app.another_gateway().await?;
    app.run_duty("key-rotation").await?;
    let acme = app.owner_in(&workspace).await?;
    assert_eq!(acme.search(question).await?, before);
    assert_eq!(acme.at(&other.url).search(question).await?, before);
    ensure!(app.blobs().len() == 2, "the file is there twice until no reader can have its old name");
    for _ in 0..2 {
        app.run_duty("blob-sweep").await?;
    }
    ensure!(app.blobs().len() == 1 && app.blobs() != files, "{:?}", app.blobs());

    app.advance(days(1));
    for _ in 0..2 {
        app.run_duty("key-rotation").await?;
    }
    let acme = app.owner_in(&workspace).await?;
    let actions = acme.audited_actions().await?;
    ensure!(actions.iter().any(|action| action == "key.removed"), "{actions:?}");
    assert_eq!(acme.search(question).await?, before);
    assert_eq!(acme.at(&other.url).search(question).await?, before);
    other.stop().await;
    let said = app.program_says(&["reindex"]).await?;
    ensure!(!said.is_empty());
    ensure!(app.program_says(&["keys", "check"]).await?.contains("is there"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_keeps_the_root_key_and_turns_it() -> Result<()> {
    let server = Transit::start(TOKEN, "consigne").await;
    let url = server.url();
    let flags = ["--key-provider", "transit", "--transit-url", &url, "--transit-token", TOKEN];
    let app = TestApp::start_with(&flags).await?;
    let (acme, workspace) = world(&app).await?;
    let question = "How much is a standard inspection?";
    let before = acme.search(question).await?;
    ensure!(!before.is_empty() && !app.folder().join("root.key").exists());
    ensure!(server.calls("encrypt/") > 3 && server.refused().is_empty(), "{:?}", server.refused());

    // What is known keeps working while it is down; what is not known waits, and nothing starts.
    server.down(true);
    assert_eq!(acme.search(question).await?, before);
    let input = json!({"name": "other", "languages": ["en"]});
    let refused = acme.graphql("create_workspace", json!({"input": input})).await?;
    let code = refused.error().or(refused.user_error());
    assert_eq!(code, Some("TEMPORARILY_UNAVAILABLE"), "{}", refused.body);
    let said = app.program_says(&["keys", "list"]).await.unwrap_err().to_string();
    ensure!(said.contains("The Transit server cannot be used") && !said.contains(TOKEN), "{said}");
    server.down(false);
    acme.graphql("create_workspace", json!({"input": input})).await?.ok();

    app.advance(days(365));
    app.run_duty("root-key-rotation").await?;
    assert_eq!(server.versions(), (2, 2), "the old version opens nothing any more");
    ensure!(server.calls("rewrap/") > 3, "{}", server.calls("rewrap/"));
    let acme = app.owner_in(&workspace).await?;
    assert_eq!(acme.search(question).await?, before);
    let said = app.program_says(&["keys", "list"]).await?;
    ensure!(said.contains("destroyed"), "{said}");
    ensure!(server.refused().iter().all(|why| why == "Vault is sealed"), "{:?}", server.refused());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_puts_another_root_key_to_use_while_the_gateway_runs() -> Result<()> {
    let app = TestApp::start_now(&[]).await?;
    let (acme, workspace) = world(&app).await?;
    let question = "How much is a standard inspection?";
    let before = acme.search(question).await?;
    let said = app.program_says(&["keys", "rotate-root"]).await?;
    ensure!(said.contains("Version 2 of the root key is in use") && said.contains("Version 1 is destroyed."), "{said}");
    ensure!(!app.folder().join("root.key").exists() && app.folder().join("root.key.2").exists());
    assert_eq!(acme.search(question).await?, before);
    let other = app.workspace("other").await?;
    other.add_text("A note", "What was written after it.").await?;
    app.run_jobs().await?;
    let gateway = app.another_gateway().await?;
    assert_eq!(app.owner_in(&workspace).await?.at(&gateway.url).search(question).await?, before);
    gateway.stop().await;
    Ok(())
}
