//! A client of the public API, for the commands that use it as any front end would.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use consigne_foundation::{Clock, identity::operator, store::Store};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::{
    app::{App, Parts, Running},
    config::Config,
};

/// How long a key lives that a command makes for itself.
const KEY_LIVES: Duration = Duration::from_secs(3_600);

/// Which installation a command talks to.
#[derive(Args)]
pub struct ClientArgs {
    /// Where the API is. Where nothing answers there, the command starts the gateway itself.
    #[arg(long, env = "CONSIGNE_URL", default_value = "http://127.0.0.1:8080")]
    pub url: String,
    /// A secret API key. Without one, a key for an hour is made on this machine, with the root key in the data folder.
    #[arg(long, env = "CONSIGNE_API_KEY", hide_env_values = true)]
    pub api_key: Option<String>,
    /// Where this machine's installation keeps things, for a key and for a gateway that has to be started.
    #[command(flatten)]
    pub config: Box<Config>,
}

/// A client with a token.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

/// A client, and the gateway where the command had to start it.
pub struct Connected {
    /// The client, with the key.
    pub client: Client,
    /// What to stop in the end.
    pub running: Option<Running>,
}

/// Connects, starting the gateway where nothing answers.
///
/// # Errors
/// A sentence that says what is missing.
#[expect(
    clippy::disallowed_methods,
    reason = "a client of our own API, as a front end is one; no plugin's data goes out here"
)]
pub async fn connect(args: ClientArgs) -> Result<Connected> {
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(600)).build()?;
    let answers = http.get(format!("{}/healthz", args.url)).timeout(Duration::from_secs(2)).send().await.is_ok();
    if answers {
        let token = match args.api_key {
            Some(key) => key,
            None => key_from_here(&args.config).await.context("give an API key in CONSIGNE_API_KEY")?,
        };
        return Ok(Connected { client: Client { http, url: args.url, token }, running: None });
    }
    println!("Nothing answers at {}; starting the gateway here.", args.url);
    let mut config = *args.config;
    config.server.listen = ([127, 0, 0, 1], 0).into();
    config.server.metrics_listen = ([127, 0, 0, 1], 0).into();
    let app = App::build(config, Clock::system()).await?;
    super::serve::first_start(&app.services).await?;
    app.warm().await?;
    let running = app.start(Parts::GatewayAndWorker).await?;
    let store = &running.app.services.store;
    let key = operator::create_key(store, operator::first_workspace(store).await?, "Command", Some(KEY_LIVES)).await?;
    let client = Client { http, url: running.url.clone(), token: key.expose().to_owned() };
    Ok(Connected { client, running: Some(running) })
}

async fn key_from_here(config: &Config) -> Result<String> {
    let store = Store::open(&config.data.store(), config.keys.provider(&config.data)?, Clock::system()).await?;
    let key =
        operator::create_key(&store, operator::first_workspace(&store).await?, "Command", Some(KEY_LIVES)).await?;
    store.close().await?;
    Ok(key.expose().to_owned())
}

impl Client {
    /// The same client with another token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.clone() }
    }

    /// Calls an operation and answers its `data`.
    ///
    /// # Errors
    /// The top-level errors, as one sentence.
    pub async fn call(&self, query: &str, variables: Value) -> Result<Value> {
        let response = self
            .http
            .post(format!("{}/graphql", self.url))
            .bearer_auth(&self.token)
            .json(&json!({ "query": query, "variables": variables }))
            .send()
            .await?;
        let mut answer: Value = response.json().await.context("the gateway answered something that is not JSON")?;
        refuse_errors(&answer["errors"])?;
        Ok(answer["data"].take())
    }

    /// Calls a mutation and answers its payload, or its user errors as one sentence.
    ///
    /// # Errors
    /// As [`Client::call`], and the user errors.
    pub async fn change(&self, field: &str, query: &str, variables: Value) -> Result<Value> {
        let mut payload = self.call(query, variables).await?[field].take();
        refuse_errors(&payload["userErrors"].take())?;
        Ok(payload)
    }

    /// Sends the bytes of an announced upload.
    ///
    /// # Errors
    /// The gateway's refusal.
    pub async fn send_file(&self, upload: &Value, bytes: Vec<u8>) -> Result<()> {
        let id = upload["id"].as_str().context("an upload without an id")?;
        let response =
            self.http.put(format!("{}/uploads/{id}", self.url)).bearer_auth(&self.token).body(bytes).send().await?;
        if !response.status().is_success() {
            bail!("the upload was refused with status {}", response.status());
        }
        Ok(())
    }

    /// Listens to a subscription over server-sent events until `on_event` answers `false`.
    ///
    /// # Errors
    /// The connection breaks, or the stream carries errors.
    pub async fn listen(&self, query: &str, variables: Value, mut on_event: impl FnMut(&Value) -> bool) -> Result<()> {
        let response = self
            .http
            .post(format!("{}/graphql/stream", self.url))
            .bearer_auth(&self.token)
            .header("accept", "text/event-stream")
            .json(&json!({ "query": query, "variables": variables }))
            .send()
            .await?;
        let mut body = response.bytes_stream();
        let mut waiting = Vec::new();
        while let Some(piece) = body.next().await {
            waiting.extend_from_slice(&piece?);
            while let Some(end) = waiting.windows(2).position(|w| w == b"\n\n") {
                let event: Vec<u8> = waiting.drain(..end + 2).collect();
                let Some(next) = next_of(&String::from_utf8_lossy(&event))? else { continue };
                if let Some(error) = next["errors"].get(0) {
                    bail!("{}", error["message"].as_str().unwrap_or("the stream failed"));
                }
                if !on_event(&next["data"]) {
                    return Ok(());
                }
            }
        }
        bail!("the stream ended early")
    }

    /// The keys that verify what the installation signed.
    ///
    /// # Errors
    /// The gateway does not answer.
    pub async fn keys(&self) -> Result<Value> {
        Ok(self.http.get(format!("{}/.well-known/jwks.json", self.url)).send().await?.json().await?)
    }
}

/// Fails with the messages of these errors, where there are any.
fn refuse_errors(errors: &Value) -> Result<()> {
    match errors.as_array().filter(|errors| !errors.is_empty()) {
        None => Ok(()),
        Some(errors) => bail!("{}", errors.iter().filter_map(|e| e["message"].as_str()).collect::<Vec<_>>().join("; ")),
    }
}

/// The result that an event carries; comments and the end carry none.
fn next_of(event: &str) -> Result<Option<Value>> {
    let is_next =
        event.lines().any(|line| line.trim_start_matches("event:").trim() == "next" && line.starts_with("event:"));
    let data: String = event.lines().filter_map(|line| line.strip_prefix("data:")).collect();
    if !is_next { Ok(None) } else { Ok(Some(serde_json::from_str(data.trim())?)) }
}
