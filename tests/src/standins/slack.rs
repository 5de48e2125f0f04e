//! A strict stand-in for Slack's Web API, on a free port of this machine, and for the requests that Slack itself sends.
//!
//! It checks token, content type, the names of arguments and Block Kit (`rules`) and answers as Slack documents:
//! status 200 with `ok` and an error code. It keeps messages with their metadata and threads, pages through them by
//! cursor, and fails as its script says ([`Turn`]). [`Slack::reply`] and [`Slack::press`] make the signed requests that
//! the Events API and interactivity send.
//!
//! It needs no module but `http` beside it, so that a plugin's tests can include both by path.

#[path = "slack/rules.rs"]
mod rules;
#[path = "slack/sends.rs"]
mod sends;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tokio::{
    io::BufReader,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

pub use self::sends::Sent;
use super::http;

/// The bot token that is accepted.
pub const TOKEN: &str = "xoxb-1-stand-in";

/// What requests from here are signed with.
pub const SIGNING_SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// The one channel.
pub const CHANNEL: &str = "C024BE91L";

/// How the next call goes, where not well.
#[derive(Debug, Clone)]
pub enum Turn {
    /// A status with further header lines, each with its `\r\n`; nothing is done.
    Status(u16, String),
    /// `ok` is false, for this reason; nothing is done.
    Error(String),
    /// It is done, and the connection dropped before the answer.
    DoAndHangUp,
    /// The connection is dropped; nothing is done.
    HangUp,
    /// No answer, for ever; nothing is done.
    Silence,
    /// As usual.
    Well,
}

/// A message in the channel.
#[derive(Debug, Clone)]
pub struct Post {
    /// Its time stamp, which is its id.
    pub ts: String,
    /// The first message of its thread, unless it is none's.
    pub thread: Option<String>,
    /// The arguments that it was posted with.
    pub arguments: Value,
}

/// The running server. It ends when this is dropped.
pub struct Slack {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    posts: Vec<Post>,
    script: VecDeque<Turn>,
    calls: Vec<String>,
    refused: Vec<String>,
    last: u128,
    events: u64,
    holds_the_next: bool,
    held: usize,
}

impl Slack {
    /// Starts on a free port, inside the current tokio runtime.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared::default());
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Self { address, shared, accepting }
    }

    /// What to write into the plugin's setting `apiBaseUrl`.
    pub fn base_url(&self) -> String {
        format!("http://{}/api", self.address)
    }

    /// Settings that work, for replies both ways.
    pub fn settings(&self) -> Value {
        json!({
            "botToken": TOKEN,
            "signingSecret": SIGNING_SECRET,
            "channel": CHANNEL,
            "apiBaseUrl": self.base_url(),
        })
    }

    /// Adds turns: each call takes the next one. After the last one, and without any, all goes well.
    pub fn script(&self, turns: impl IntoIterator<Item = Turn>) {
        self.shared.lock().script.extend(turns);
    }

    /// Takes the next message and never says so, where this is set: whoever posts it can be killed in the meantime.
    pub fn hold_the_next(&self, is_held: bool) {
        self.shared.lock().holds_the_next = is_held;
    }

    /// How many messages were taken without a word of it.
    pub fn held(&self) -> usize {
        self.shared.lock().held
    }

    /// The messages of the channel, oldest first.
    pub fn posts(&self) -> Vec<Post> {
        self.shared.lock().posts.clone()
    }

    /// How many messages carry this delivery's key.
    pub fn seen(&self, key: &str) -> usize {
        let carries = |post: &&Post| post.arguments["metadata"]["event_payload"]["key"] == key;
        self.shared.lock().posts.iter().filter(carries).count()
    }

    /// A message of somebody else, without metadata.
    pub fn chatter(&self, text: &str) {
        self.shared.lock().post(json!({ "channel": CHANNEL, "text": text }));
    }

    /// The methods that were called since the last time.
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.shared.lock().calls)
    }

    /// The codes that were answered because of what was asked, not because of a script.
    pub fn refused(&self) -> Vec<String> {
        self.shared.lock().refused.clone()
    }

    fn next_event(&self) -> u64 {
        let mut state = self.shared.lock();
        state.events += 1;
        state.events
    }
}

impl Drop for Slack {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn post(&mut self, arguments: Value) -> Post {
        self.last = micros().max(self.last + 1);
        let ts = format!("{}.{:06}", self.last / 1_000_000, self.last % 1_000_000);
        let thread = arguments["thread_ts"].as_str().map(str::to_owned);
        let post = Post { ts, thread, arguments };
        self.posts.push(post.clone());
        post
    }

    /// Whether this call, which was done, gets no answer.
    fn holds(&mut self, request: &http::Request) -> bool {
        let holds = self.holds_the_next && request.path.ends_with("/chat.postMessage");
        if holds {
            self.holds_the_next = false;
            self.held += 1;
        }
        holds
    }

    /// What a call answers, and does.
    fn call(&mut self, request: &http::Request) -> Result<Value, String> {
        let method = rules::method(request)?;
        let arguments = rules::arguments(request, &method)?;
        match method.as_str() {
            "auth.test" => Ok(json!({
                "ok": true, "url": "https://acme.slack.com/", "team": "Acme", "user": "consigne", "team_id": "T1",
                "user_id": "U1", "bot_id": "B1", "is_enterprise_install": false,
            })),
            "chat.postMessage" => {
                rules::message(&arguments)?;
                let thread = arguments["thread_ts"].as_str();
                if thread.is_some_and(|ts| !self.posts.iter().any(|post| post.ts == ts)) {
                    return Err("thread_not_found".to_owned());
                }
                let post = self.post(arguments);
                Ok(json!({ "ok": true, "channel": CHANNEL, "ts": post.ts, "message": shown(&post, true) }))
            }
            "conversations.history" => {
                let top = |post: &&Post| post.thread.is_none();
                let mut posts: Vec<Post> = self.posts.iter().filter(top).cloned().collect();
                posts.reverse();
                rules::page(&arguments, posts)
            }
            _ => {
                let ts = arguments["ts"].as_str().unwrap_or_default();
                if !self.posts.iter().any(|post| post.ts == ts) {
                    return Err("thread_not_found".to_owned());
                }
                let inside = |post: &&Post| post.ts == ts || post.thread.as_deref() == Some(ts);
                rules::page(&arguments, self.posts.iter().filter(inside).cloned().collect())
            }
        }
    }
}

/// A message as the Web API shows it; metadata only to who asked for it.
fn shown(post: &Post, with_metadata: bool) -> Value {
    let mut shown = json!({
        "type": "message", "user": "U1", "bot_id": "B1", "ts": post.ts, "text": post.arguments["text"],
        "blocks": post.arguments["blocks"],
    });
    if let Some(thread) = &post.thread {
        shown["thread_ts"] = json!(thread);
    }
    if with_metadata && post.arguments["metadata"].is_object() {
        shown["metadata"] = post.arguments["metadata"].clone();
    }
    shown
}

#[expect(clippy::disallowed_methods, reason = "somebody else's server has a clock of its own")]
fn micros() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_micros())
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(serve(socket, shared.clone()));
    }
}

/// A connection that breaks is the client's business.
async fn serve(socket: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    let (read, mut write) = socket.into_split();
    let mut read = BufReader::new(read);
    while let Some(request) = http::read(&mut read).await? {
        shared.lock().calls.push(request.path.trim_start_matches("/api/").to_owned());
        let turn = shared.lock().script.pop_front().unwrap_or(Turn::Well);
        let (status, headers, answer) = match turn {
            Turn::HangUp => return Ok(()),
            Turn::Silence => std::future::pending().await,
            Turn::Status(status, headers) => (status, headers, Value::Null),
            Turn::Error(code) => (200, String::new(), json!({ "ok": false, "error": code })),
            Turn::Well | Turn::DoAndHangUp => {
                let answer = shared.lock().call(&request);
                if matches!(turn, Turn::DoAndHangUp) {
                    return Ok(());
                }
                if answer.is_ok() && shared.lock().holds(&request) {
                    std::future::pending::<()>().await;
                }
                let answer = answer.unwrap_or_else(|code| {
                    shared.lock().refused.push(code.clone());
                    json!({ "ok": false, "error": code.split(':').next() })
                });
                (200, String::new(), answer)
            }
        };
        let headers = format!("content-type: application/json; charset=utf-8\r\n{headers}");
        http::write(&mut write, status, &headers, answer.to_string().as_bytes()).await?;
    }
    Ok(())
}
