//! Files in a bucket: somebody else's implementation of S3 (moto) keeps them, on loopback.

mod server;

use anyhow::{Context, Result, ensure};
use consigne_tests::{
    app::TestApp,
    canary::{Canary, Place},
    texts,
};
use serde_json::{Value, json};

use self::server::Bucket;
use crate::crash::program::Installation;

#[tokio::test(flavor = "multi_thread")]
async fn documents_and_the_erasure_ledger_can_live_in_a_bucket() -> Result<()> {
    let Some(bucket) = Bucket::start().await? else { return Ok(()) };
    let flags = bucket.flags();
    let app = TestApp::start_with(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let acme = app.workspace("acme").await?;
    let canary = Canary::new();
    let text = format!("{}\n\nThe word of the day is {canary}.", texts::HANDBOOK);
    let id = acme.upload("handbook.md", "text/markdown", text.as_bytes()).await?;
    app.run_jobs().await?;
    assert_eq!(acme.document(&id).await?.context("it is kept")?["state"], "READY");
    assert!(app.blobs().is_empty(), "the folder holds files although there is a bucket");
    let files = bucket.files().await?;
    assert_eq!(files.len(), 1, "{:?}", files.keys());
    let places: Vec<Place> = files.into_iter().map(|(name, bytes)| Place { name, bytes }).collect();
    assert!(places.iter().all(|place| !place.bytes.is_empty()), "a file is empty");
    assert!(canary.found_in(&places).is_empty(), "a file is not sealed");

    let assistant = acme.assistant("Assistant").await?;
    let visitor = acme.visitor(&assistant).await?;
    let erasure = visitor.erase_myself().await?;
    app.run_jobs().await?;
    assert_eq!(acme.erasure(&erasure).await?["state"], "COMPLETED");
    assert!(bucket.files().await?.keys().any(|name| name.contains("ledger")), "the ledger is elsewhere");

    acme.graphql("delete_document", json!({"input": {"documentId": id}})).await?.ok();
    let left = bucket.files().await?;
    assert!(left.keys().all(|name| name.contains("ledger")), "a file is left: {:?}", left.keys());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_in_a_bucket_brings_the_installation_back() -> Result<()> {
    let Some(bucket) = Bucket::start().await? else { return Ok(()) };
    let flags = bucket.flags_of_backups();
    let app = TestApp::start_with(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let acme = app.workspace("acme").await?;
    acme.upload("handbook.md", "text/markdown", texts::HANDBOOK.as_bytes()).await?;
    app.run_jobs().await?;
    let erased = acme.visitor(&acme.assistant("Ada").await?).await?;
    erased.start_chat().await?;
    app.program_says(&["backup"]).await?;
    erased.erase_myself().await?;
    app.run_jobs().await?;
    let names = bucket.files().await?.into_keys().collect::<Vec<_>>().join(" ");
    for part in ["house/keys.age", "house/ledger/", "house/files/", "data.age", "manifest.json"] {
        ensure!(names.contains(part), "{part} is not among {names}");
    }
    let folder = tempfile::tempdir()?;
    for file in ["root.key", "backup-identity.txt"] {
        std::fs::copy(app.folder().join(file), folder.path().join(file))?;
    }
    drop(app);
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let installation = Installation::new(folder.path()).await?.under(&flags);
    let identity = folder.path().join("backup-identity.txt").to_string_lossy().into_owned();
    let said = installation.says(&["restore", "--from", flags[1], "--identity", &identity]).await?;
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    ensure!(said.contains("files 1 written") && said.contains("people not brought back 1"), "{said}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_down_loses_nothing() -> Result<()> {
    let Some(mut bucket) = Bucket::start().await? else { return Ok(()) };
    let flags = bucket.flags();
    let app = TestApp::start_with(&flags.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let acme = app.workspace("acme").await?;
    let id = acme.upload("handbook.md", "text/markdown", texts::HANDBOOK.as_bytes()).await?;
    app.run_jobs().await?;
    bucket.stop().await?;
    let deleted = acme.graphql("delete_document", json!({"input": {"documentId": id}})).await?.ok();
    assert_eq!(deleted.body["data"]["deleteDocument"]["deletedDocumentId"], Value::Null, "its file is still stored");
    assert_eq!(deleted.text("/deleteDocument/document/state"), "DELETING");
    assert_eq!(app.rows("passages").await?, 0, "it can still be found");
    assert_eq!(app.rows("documents").await?, 1, "the rest of the deletion is forgotten");
    Ok(())
}
