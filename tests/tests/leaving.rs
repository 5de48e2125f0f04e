//! Leaving with everything: an archive of the whole workspace, and back into an empty installation.

mod archives;
mod import;
mod termination;

use std::{
    collections::BTreeMap,
    io::{Cursor, Read, Write},
};

use anyhow::{Context, Result};
use consigne_tests::{
    app::TestApp,
    canary::Canary,
    client::Client,
    people::{Member, Visitor, idempotency_key},
    texts,
};
use reqwest::Method;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;

/// What a spreadsheet would run.
const FORMULA: &str = "=cmd|' /C calc'!A0";

/// A workspace with one of everything that is taken along.
struct World {
    acme: Member,
    assistant: String,
    visitor: Visitor,
    chat: String,
    restricted: Visitor,
    erased: Canary,
}

async fn world(app: &TestApp) -> Result<World> {
    let acme = app.workspace("acme").await?;
    acme.upload("handbook.md", "text/markdown", texts::HANDBOOK.as_bytes()).await?;
    acme.add_text("Prices", "# Prices\n\nAn express inspection costs 129 euros.").await?;
    app.run_jobs().await?;
    let assistant = acme.assistant("Ada").await?;
    acme.call_people(&assistant, &["recorder"], json!({})).await?;
    let identity = json!({"externalId": "4711", "email": "Ana@Example.org"});
    let visitor = acme.visitor_known_as(&assistant, identity).await?;
    let chat = visitor.start_chat().await?;
    // Alone, so that the knowledge answers it, with citations.
    visitor.ask(&chat, "How much is a standard inspection?").await?;
    app.run_jobs().await?;
    visitor.request_person(&chat).await?;
    app.run_jobs().await?;
    acme.does("take_chat", &chat).await?;
    acme.reply(&chat, "Good morning, it is me.").await?;
    acme.graphql("add_note", json!({"input": {"chatId": chat, "text": FORMULA}})).await?.ok();
    app.run_jobs().await?;
    let agent = acme.agent(&app.public(), "agent@acme.example").await?;
    agent.graphql("set_staff_name", json!({"input": {"name": "Ann"}})).await?.ok();
    let input = json!({"email": "guest@example.org", "role": "AGENT"});
    acme.graphql("invite_member", json!({"input": input})).await?.ok();
    acme.program(&["KNOWLEDGE_READ"]).await?;
    acme.graphql("add_visitor_signing_key", json!({"input": {"name": "the site"}})).await?.ok();
    let input = json!({"title": "Hello", "text": "Good morning!"});
    acme.graphql("create_canned_reply", json!({"input": input})).await?.ok();
    let input = json!({"purpose": "CORRECTION", "subjectId": visitor.subject, "evidence": "said so at the counter"});
    acme.graphql("object_to_purpose", json!({"input": input})).await?.ok();
    let input =
        json!({"kind": "ACCESS", "source": "STAFF", "email": "ana@example.org", "message": "What do you know?"});
    acme.graphql("record_privacy_request", json!({"input": input})).await?.ok();
    let input = json!({"kind": "PHONE", "subjectId": visitor.subject, "value": "+49 30 1234567"});
    acme.graphql("add_identifier", json!({"input": input})).await?.ok();
    let absorbed = acme.visitor(&assistant).await?;
    let input = json!({"absorbedSubjectId": absorbed.subject, "intoSubjectId": visitor.subject});
    acme.graphql("merge_subjects", json!({"input": input})).await?.ok();

    let restricted = acme.visitor(&assistant).await?;
    let of_restricted = restricted.start_chat().await?;
    restricted.ask(&of_restricted, "I am the restricted one. How long does it take?").await?;
    app.run_jobs().await?;
    let input = json!({"subjectId": restricted.subject, "ground": "UNLAWFUL"});
    restricted.graphql("restrict_processing", json!({"input": input})).await?.ok();

    let erased = Canary::new();
    let leaver = acme.visitor(&assistant).await?;
    let of_leaver = leaver.start_chat().await?;
    leaver.ask(&of_leaver, &format!("I am {erased}. How long does it take?")).await?;
    app.run_jobs().await?;
    acme.erase(&leaver.subject).await?;
    app.run_jobs().await?;
    Ok(World { acme, assistant, visitor, chat, restricted, erased })
}

/// Asks for an archive, and answers its id.
async fn asked(by: &Client) -> Result<String> {
    let input = json!({"idempotencyKey": idempotency_key()});
    let asked = by.graphql("export_workspace", json!({"input": input})).await?.ok();
    Ok(asked.text("/exportWorkspace/workspaceExport/id"))
}

async fn export(by: &Client, id: &str) -> Result<Value> {
    Ok(by.graphql("workspace_export", json!({"id": id})).await?.ok().get("/workspaceExport").clone())
}

async fn link_of(by: &Client, id: &str) -> Result<String> {
    let made = by.graphql("create_workspace_export_link", json!({"input": {"workspaceExportId": id}})).await?.ok();
    Ok(made.text("/createWorkspaceExportLink/url"))
}

async fn fetched(app: &TestApp, link: &str) -> Result<reqwest::Response> {
    Ok(app.public().request(Method::GET, link).send().await?)
}

/// The bytes of an archive of now.
async fn archive(app: &TestApp, owner: &Client) -> Result<Vec<u8>> {
    let id = asked(owner).await?;
    app.run_jobs().await?;
    let made = export(owner, &id).await?;
    assert_eq!((made["state"].as_str(), made["percent"].as_i64()), (Some("READY"), Some(100)), "{made}");
    let response = fetched(app, &link_of(owner, &id).await?).await?;
    assert_eq!(response.status(), 200);
    let bytes = response.bytes().await?.to_vec();
    assert_eq!(made["bytes"].as_f64(), Some(bytes.len() as f64));
    Ok(bytes)
}

/// The files of an archive, by name.
fn unpacked(bytes: &[u8]) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes))?;
    let mut files = BTreeMap::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        files.insert(file.name()?.into_owned(), bytes);
    }
    Ok(files)
}

/// An archive of these files.
fn packed(files: &BTreeMap<String, Vec<u8>>) -> Result<Vec<u8>> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name.as_str(), SimpleFileOptions::default())?;
        zip.write_all(bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

fn manifest_of(files: &BTreeMap<String, Vec<u8>>) -> Result<Value> {
    Ok(serde_json::from_slice(files.get("manifest.json").context("an archive has a manifest")?)?)
}

/// Rows and hash of each table that is data.
fn data_of(manifest: &Value) -> BTreeMap<String, (i64, String)> {
    let tables = manifest["tables"].as_array().cloned().unwrap_or_default();
    let data = tables.iter().filter(|table| table["role"] == "DATA");
    data.map(|table| {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let hash = text(&table["ndjson"]["sha256"]);
        (text(&table["name"]), (table["rows"].as_i64().unwrap_or(-1), hash))
    })
    .collect()
}

/// The rows of a table of an archive.
fn rows_of(files: &BTreeMap<String, Vec<u8>>, table: &str) -> Result<Vec<Value>> {
    let text = files.get(&format!("tables/{table}.ndjson")).with_context(|| format!("no table {table}"))?;
    Ok(std::str::from_utf8(text)?.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}
