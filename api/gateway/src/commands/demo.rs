//! `consigne demo DIR`: the main job, through the public API: load a folder, ask, erase, verify.

use std::{
    collections::{HashMap, HashSet},
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use clap::Args;
use consigne_foundation::{
    id::{encode, random_uuid},
    identity::signing,
};
use futures::{StreamExt, stream};
use serde_json::{Value, json};

use super::{
    ask::Visitor,
    client::{Client, ClientArgs, connect},
};
use crate::telemetry::Stopwatch;

/// Files uploaded at once.
const UPLOADS: usize = 4;
/// Waiting for ingest or erasure.
const LOOK_EVERY: Duration = Duration::from_millis(300);

/// What to load and ask.
#[derive(Args)]
pub struct DemoArgs {
    /// The folder: files of the formats that are read, at any depth.
    folder: PathBuf,
    /// A question to ask; may be given several times. Questions about the demo's own folder where left out.
    #[arg(long)]
    ask: Vec<String>,
    /// A question that the folder does not answer.
    #[arg(long, default_value = "What time does the aquarium in Lisbon open on Sundays?")]
    ask_unknown: String,
    #[command(flatten)]
    client: ClientArgs,
}

/// Questions about `docs/demo`, in two languages.
const QUESTIONS: [&str; 3] =
    ["How long can I leave a suitcase?", "and how much is it?", "Que faire si j'ai perdu mon ticket ?"];

/// Runs the demo.
///
/// # Errors
/// What went wrong, in a sentence.
pub async fn demo(args: DemoArgs) -> Result<ExitCode> {
    let files = files_in(&args.folder)?;
    if files.is_empty() {
        bail!("{} has no file of a format that is read", args.folder.display());
    }
    let connected = connect(args.client).await?;
    let client = &connected.client;
    let failed = load(client, &args.folder, &files).await?;
    let visitor = Visitor::start(client).await?;
    let questions: Vec<&str> =
        if args.ask.is_empty() { QUESTIONS.to_vec() } else { args.ask.iter().map(String::as_str).collect() };
    for question in questions {
        visitor.ask(question).await?;
    }
    visitor.ask(&args.ask_unknown).await?;
    let is_genuine = erase(client, &visitor.subject).await?;
    if let Some(running) = connected.running {
        running.stop().await;
    }
    Ok(if is_genuine && failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn files_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).with_context(|| format!("{} cannot be read", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if media_type(&path).is_some() {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

fn media_type(path: &Path) -> Option<&'static str> {
    match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "md" | "markdown" => Some("text/markdown"),
        "html" | "htm" => Some("text/html"),
        "txt" => Some("text/plain"),
        "pdf" => Some("application/pdf"),
        "csv" => Some("text/csv"),
        "json" => Some("application/json"),
        "eml" => Some("message/rfc822"),
        // Their bytes say which they are.
        "docx" | "pptx" | "xlsx" | "odt" | "ods" | "odp" | "epub" => Some("application/octet-stream"),
        _ => None,
    }
}

/// Uploads every file and waits until each is ready or failed. Answers how many failed.
async fn load(client: &Client, folder: &Path, files: &[PathBuf]) -> Result<usize> {
    println!("Loading {} documents from {}", files.len(), folder.display());
    let watch = Stopwatch::start();
    let mut uploads = stream::iter(files).map(|file| upload(client, folder, file)).buffer_unordered(UPLOADS);
    let mut documents = HashMap::new();
    while let Some(document) = uploads.next().await {
        let document = document?;
        documents.insert(document["id"].as_str().unwrap_or_default().to_owned(), document);
        progress(&documents, files.len(), &watch);
    }
    // What was loaded before is ready at once, and nothing of it is read or embedded again.
    let known: HashSet<String> =
        documents.iter().filter(|(_, d)| d["state"] == "READY").map(|(id, _)| id.clone()).collect();
    loop {
        let waiting: Vec<String> =
            documents.iter().filter(|(_, d)| d["state"] == "PENDING").map(|(id, _)| id.clone()).collect();
        progress(&documents, files.len(), &watch);
        if waiting.is_empty() {
            break;
        }
        for id in waiting.iter().take(25) {
            let data = client
                .call(&format!("query($id: ID!) {{ document(id: $id) {{ {DOCUMENT} }} }}"), json!({ "id": id }))
                .await?;
            documents.insert(id.clone(), data["document"].clone());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    println!();
    let failed: Vec<&Value> = documents.values().filter(|d| d["state"] == "FAILED").collect();
    for document in &failed {
        println!(
            "  failed: {}: {}",
            document["fileName"].as_str().unwrap_or("?"),
            document["failure"]["message"].as_str().unwrap_or("?")
        );
    }
    let reused =
        documents.iter().map(|(id, d)| if known.contains(id) { &d["passagesDone"] } else { &d["passagesReused"] });
    println!(
        "{} documents, {} passages, {} of them known already and not embedded again, in {:.1} s",
        documents.len() - failed.len(),
        documents.values().filter_map(|d| d["passagesDone"].as_i64()).sum::<i64>(),
        reused.filter_map(Value::as_i64).sum::<i64>(),
        watch.seconds()
    );
    Ok(failed.len())
}

const DOCUMENT: &str = "id fileName state passages passagesDone passagesReused failure { message }";

async fn upload(client: &Client, folder: &Path, file: &Path) -> Result<Value> {
    let bytes = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let name = file.strip_prefix(folder).unwrap_or(file).to_string_lossy().into_owned();
    let announced = client
        .change(
            "createUpload",
            "mutation($input: CreateUploadInput!) { createUpload(input: $input) { upload { id } userErrors { message } } }",
            json!({ "input": { "fileName": name, "mediaType": media_type(file), "bytes": bytes.len() } }),
        )
        .await
        .with_context(|| format!("{name} was not accepted"))?;
    client.send_file(&announced["upload"], bytes).await?;
    let completed = client
        .change(
            "completeUpload",
            &format!("mutation($input: CompleteUploadInput!) {{ completeUpload(input: $input) {{ document {{ {DOCUMENT} }} userErrors {{ message }} }} }}"),
            json!({ "input": { "uploadId": announced["upload"]["id"] } }),
        )
        .await?;
    Ok(completed["document"].clone())
}

/// One line that is written over.
fn progress(documents: &HashMap<String, Value>, all: usize, watch: &Stopwatch) {
    let done = documents.values().filter(|d| d["state"] != "PENDING").count();
    let passages: i64 = documents.values().filter_map(|d| d["passagesDone"].as_i64()).sum();
    let seconds = watch.seconds().max(0.001);
    let left = if done == 0 { "?".to_owned() } else { format!("{:.0} s", seconds / done as f64 * (all - done) as f64) };
    let filled = done * 30 / all.max(1);
    print!(
        "\r  [{}{}] {done}/{all} documents, {passages} passages, {:.0} passages/s, {left} left   ",
        "#".repeat(filled),
        ".".repeat(30 - filled),
        passages as f64 / seconds
    );
    // A terminal that is gone does not stop the loading.
    let _ = std::io::stdout().flush();
}

/// Erases the visitor, prints the certificate and verifies it; and again with one byte flipped, which must fail.
async fn erase(client: &Client, subject: &str) -> Result<bool> {
    println!("\nErasing the visitor {subject}");
    let begun = client
        .change(
            "eraseSubject",
            "mutation($input: EraseSubjectInput!) { eraseSubject(input: $input) { erasure { id } userErrors { message } } }",
            json!({ "input": { "subjectId": subject, "idempotencyKey": encode(random_uuid()) } }),
        )
        .await?;
    let id = begun["erasure"]["id"].clone();
    let erasure = loop {
        let found = client
            .call(
                "query($id: ID!) { erasure(id: $id) { state certificate steps { name state erased remaining detail } } }",
                json!({ "id": id }),
            )
            .await?;
        if found["erasure"]["state"] == "COMPLETED" {
            break found["erasure"].clone();
        }
        tokio::time::sleep(LOOK_EVERY).await;
    };
    for step in erasure["steps"].as_array().into_iter().flatten() {
        println!(
            "  {:<14} {} erased {:>4}, {} left{}",
            step["name"].as_str().unwrap_or("?"),
            step["state"].as_str().unwrap_or("?"),
            step["erased"],
            step["remaining"],
            step["detail"].as_str().map(|d| format!(" ({d})")).unwrap_or_default()
        );
    }
    let certificate = erasure["certificate"].as_str().context("the erasure has no certificate")?;
    println!("\n{certificate}\n");
    let keys = client.keys().await?;
    let claims = signing::verify_offline(certificate, &keys)
        .map_err(|e| anyhow::anyhow!("the certificate does not verify: {e}"))?;
    println!("{}", serde_json::to_string_pretty(&claims)?);
    let middle = certificate.len() / 2;
    let flipped = if certificate.as_bytes()[middle] == b'A' { "B" } else { "A" };
    let forged = format!("{}{flipped}{}", &certificate[..middle], &certificate[middle + 1..]);
    let is_forgery_found = signing::verify_offline(&forged, &keys).is_err();
    println!(
        "\nThe certificate verifies offline; with one byte flipped it {}.",
        if is_forgery_found { "does not" } else { "STILL DOES" }
    );
    Ok(is_forgery_found)
}
