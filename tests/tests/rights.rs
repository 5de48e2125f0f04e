//! People's rights over what is held about them: found from whatever they are known by, copied, put right, restricted.

mod access;
mod members;
mod planted;
mod rectification;
mod restriction;
mod subjects;

use std::{
    collections::BTreeMap,
    io::{Cursor, Read},
};

use anyhow::{Context, Result};
use consigne_tests::{app::TestApp, client::Client, people::idempotency_key};
use reqwest::Method;
use serde_json::{Value, json};

/// Asks for a copy (`request_access`, `request_portability`) and has it made; answers its id.
async fn copy_of(app: &TestApp, by: &Client, operation: &str, subject: Option<&str>) -> Result<String> {
    let input = json!({"subjectId": subject, "idempotencyKey": idempotency_key()});
    let asked = by.graphql(operation, json!({"input": input})).await?.ok();
    let payload = asked.body["data"].as_object().and_then(|data| data.values().next()).context("a payload")?;
    let id = payload["export"]["id"].as_str().context("an export")?.to_owned();
    app.run_jobs().await?;
    Ok(id)
}

/// The link of a copy.
async fn link_of(by: &Client, export: &str) -> Result<String> {
    let made = by.graphql("create_export_link", json!({"input": {"exportId": export}})).await?.ok();
    Ok(made.text("/createExportLink/url"))
}

/// The file behind a link, fetched by somebody without a token.
async fn fetched(app: &TestApp, link: &str) -> Result<reqwest::Response> {
    Ok(app.public().request(Method::GET, link).send().await?)
}

/// The files of an archive, by name.
fn unpacked(bytes: &[u8]) -> Result<BTreeMap<String, String>> {
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes))?;
    let mut files = BTreeMap::new();
    for index in 0..archive.len() {
        let mut file = archive.by_index(index)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let name = file.name()?.into_owned();
        files.insert(name, text);
    }
    Ok(files)
}

/// An access, from asking to unpacking.
async fn access(app: &TestApp, by: &Client, subject: Option<&str>) -> Result<BTreeMap<String, String>> {
    let export = copy_of(app, by, "request_access", subject).await?;
    let response = fetched(app, &link_of(by, &export).await?).await?;
    assert_eq!(response.status(), 200);
    unpacked(&response.bytes().await?)
}

fn json_of(files: &BTreeMap<String, String>, name: &str) -> Result<Value> {
    let text = files.get(name).with_context(|| format!("the archive has no {name}: {:?}", files.keys()))?;
    Ok(serde_json::from_str(text)?)
}

/// The rows of a table in an archive.
fn rows(files: &BTreeMap<String, String>, holder: &str, table: &str) -> Result<Vec<Value>> {
    let of_holder = json_of(files, &format!("holders/{holder}.json"))?;
    let tables = of_holder["tables"].as_array().cloned().unwrap_or_default();
    let found = tables.into_iter().find(|one| one["table"] == table).with_context(|| format!("no table {table}"))?;
    Ok(found["rows"].as_array().cloned().unwrap_or_default())
}
