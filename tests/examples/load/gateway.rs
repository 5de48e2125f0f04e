//! A release build of the gateway, as a process of its own over a folder of its own.

use std::{
    path::PathBuf,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use consigne_tests::client::Client;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};

/// Programs that share the calls of preparation, each within its rate.
const PROGRAMS: usize = 8;

/// The gateway. It ends when this is dropped.
pub struct Gateway {
    process: Child,
    pub url: String,
    /// A program with every permission.
    pub owner: Client,
    _data: TempDir,
}

impl Gateway {
    /// Starts it and waits until it is ready.
    pub async fn start() -> Result<Self> {
        let data = tempfile::tempdir()?;
        let mut process = Command::new(program()?)
            .args([
                "serve",
                "--listen",
                "127.0.0.1:0",
                "--metrics-listen",
                "127.0.0.1:0",
                "--log",
                "warn",
                "--data-dir",
            ])
            .arg(data.path().join("data"))
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let mut lines = BufReader::new(process.stdout.take().context("its output")?).lines();
        let (mut url, mut key) = (None, None);
        while url.is_none() {
            let line = lines.next_line().await?.context("the gateway ended before it was ready")?;
            let word = line.split_whitespace().last().unwrap_or_default().to_owned();
            if line.contains("API key") {
                key = Some(word);
            } else if line.contains("answers at") {
                url = Some(word.trim_end_matches("/graphql").to_owned());
            }
        }
        // What it says later is read, so that it never waits for a reader.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let url = url.unwrap_or_default();
        let owner = Client::new(&url).with_token(key.context("an API key on the first start")?);
        Ok(Self { process, url, owner, _data: data })
    }

    /// Several programs of the workspace.
    pub async fn programs(&self, count: usize) -> Result<Vec<Client>> {
        let mut programs = Vec::new();
        for number in 0..count {
            let input =
                json!({"name": format!("Program {number}"), "permissions": ["WORKSPACE_READ", "VISITORS_WRITE"]});
            let made = change(&self.owner, "create_api_key", input).await?;
            let key = made.pointer("/createApiKey/secret").and_then(Value::as_str).context("a key")?;
            programs.push(Client::new(&self.url).with_token(key));
        }
        Ok(programs)
    }

    /// Visitors of an assistant, each with a token.
    pub async fn visitors(&self, assistant: &str, count: usize) -> Result<Vec<Client>> {
        let programs = self.programs(PROGRAMS).await?;
        let mut visitors = Vec::new();
        for number in 0..count {
            let input = json!({"assistantId": assistant});
            let made = change(&programs[number % PROGRAMS], "create_visitor_token", input).await?;
            let token = made.pointer("/createVisitorToken/visitorSession/visitorToken").and_then(Value::as_str);
            visitors.push(Client::new(&self.url).with_token(token.context("a token")?));
        }
        Ok(visitors)
    }

    /// The assistant of the first start.
    pub async fn assistant(&self) -> Result<String> {
        let assistants = self.owner.graphql("assistants", json!({})).await?.ok();
        Ok(assistants.get("/assistants/0/id").as_str().context("an assistant")?.to_owned())
    }

    /// Resident memory, in MiB.
    pub fn memory(&self) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id().context("it runs")?))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS")).context("VmRSS")?;
        let kib: f64 = line.split_whitespace().nth(1).context("a number")?.parse()?;
        Ok(kib / 1024.0)
    }

    /// Seconds of processor time so far.
    pub fn cpu(&self) -> Result<f64> {
        cpu(self.process.id().context("it runs")?)
    }
}

/// Seconds of processor time that a process took.
pub fn cpu(process: u32) -> Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let rest = stat.rsplit_once(") ").context("its name ends")?.1;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks: u64 = [11, 12].iter().filter_map(|&at| fields.get(at)?.parse::<u64>().ok()).sum();
    // USER_HZ is 100 wherever Linux runs.
    Ok(ticks as f64 / 100.0)
}

/// A mutation that is asked again while its caller is too fast.
pub async fn change(client: &Client, operation: &str, input: Value) -> Result<Value> {
    loop {
        let reply = client.graphql(operation, json!({"input": input})).await?;
        if reply.status == 429 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        }
        ensure!(reply.body["errors"].is_null(), "{operation}: {}", reply.body);
        return Ok(reply.body["data"].clone());
    }
}

/// The time, for what a person waits for.
#[expect(clippy::disallowed_methods, reason = "a load is measured by the machine's clock")]
pub fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the environment says which program is measured")]
fn program() -> Result<PathBuf> {
    let named = std::env::var_os("CONSIGNE").map(PathBuf::from);
    let beside = std::env::current_exe()?.ancestors().nth(2).map(|folder| folder.join("consigne"));
    let program = named.or(beside).context("the folder of this program")?;
    ensure!(program.is_file(), "{} is missing: cargo build --release --bin consigne", program.display());
    Ok(program)
}
