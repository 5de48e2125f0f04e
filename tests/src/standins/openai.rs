//! A strict stand-in for a server that speaks OpenAI's chat-completions protocol, Mistral's, or Anthropic's Messages API
//! ([`Dialect`]), on a free port of this machine.
//!
//! It checks every part of a request as the original does (`rules`), answers what its script says ([`Turn`]), cuts the
//! answer into pieces of any size, and notices who hangs up. Without a script it is a small deterministic model that
//! answers from the passages in the prompt ([`Turn::AnswerFromPassages`]).
//!
//! Written on tokio's sockets alone: a web framework decides for itself when bytes leave and what a broken connection
//! looks like, and those are what is tested here. It needs no other crate than `tokio` and `serde_json`, and no module
//! outside its folder, so that a plugin's tests can include it by path.

#[path = "openai/anthropic.rs"]
mod anthropic;
#[path = "openai/http.rs"]
mod http;
#[path = "openai/mistral.rs"]
mod mistral;
#[path = "openai/rules.rs"]
mod rules;
#[path = "openai/turns.rs"]
mod turns;

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard},
};

use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::Notify,
    task::{JoinHandle, JoinSet},
};

pub use turns::Turn;
use turns::{Reply, Step};

/// A request as it came in, and the status it was answered with.
#[derive(Debug, Clone)]
pub struct RecordedRequest {
    /// The method.
    pub method: String,
    /// The path and the query.
    pub path: String,
    /// The headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, `Null` where it is no JSON.
    pub body: Value,
    /// 200, or why the stand-in refused.
    pub status: u16,
}

impl RecordedRequest {
    /// The first header of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Whose server it stands in for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// `POST /v1/chat/completions` as OpenAI describes it.
    #[default]
    OpenAi,
    /// The same as Mistral describes it, which knows other fields.
    Mistral,
    /// `POST /v1/messages` as Anthropic describes it.
    Anthropic,
}

/// The running server. It ends, and every connection with it, when this is dropped.
pub struct StandIn {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    dialect: Dialect,
    key: Option<String>,
    frame: Option<usize>,
    script: VecDeque<Turn>,
    requests: Vec<RecordedRequest>,
    connections: usize,
    open: usize,
    disconnects: usize,
}

impl StandIn {
    /// Starts on a free port, inside the current tokio runtime.
    pub async fn start() -> Self {
        Self::start_as(Dialect::OpenAi).await
    }

    /// Starts as somebody's.
    pub async fn start_as(dialect: Dialect) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Shared::default());
        shared.lock().dialect = dialect;
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Self { address, shared, accepting }
    }

    /// What to write into the plugin's setting `baseUrl`.
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// From now on, refuses every other key with 401.
    pub fn require_key(&self, key: &str) {
        self.shared.lock().key = Some(key.to_owned());
    }

    /// From now on, sends streams in pieces of `bytes` bytes: 1, 3 and 7 cut lines and characters apart.
    pub fn cut_into(&self, bytes: usize) {
        self.shared.lock().frame = Some(bytes.max(1));
    }

    /// Adds turns: each accepted request takes the next one, in order. After the last one, and without any,
    /// [`Turn::AnswerFromPassages`].
    pub fn script(&self, turns: impl IntoIterator<Item = Turn>) {
        self.shared.lock().script.extend(turns);
    }

    /// All requests so far, refused ones included.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.lock().requests.clone()
    }

    /// How many connections were ever made.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections
    }

    /// How many connections are open.
    pub fn open_connections(&self) -> usize {
        self.shared.lock().open
    }

    /// How many clients hung up before their response was complete.
    pub fn disconnects(&self) -> usize {
        self.shared.lock().disconnects
    }

    /// Waits until `count` clients hung up before their response was complete. Put a time-out around it.
    pub async fn disconnected(&self, count: usize) {
        self.until(|state| state.disconnects >= count).await;
    }

    /// Waits until `count` requests have come in. Put a time-out around it.
    pub async fn requested(&self, count: usize) {
        self.until(|state| state.requests.len() >= count).await;
    }

    async fn until(&self, holds: impl Fn(&State) -> bool) {
        loop {
            let changed = self.shared.changed.notified();
            if holds(&self.shared.lock()) {
                return;
            }
            changed.await;
        }
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while it holds the lock")
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_waiters();
    }

    /// Checks a request, takes the next turn if it passes, and records it.
    fn decide(&self, request: http::Request) -> Reply {
        let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let mut state = self.lock();
        let key = state.key.as_deref();
        let checked = match state.dialect {
            Dialect::OpenAi => rules::check(&request, &body, key),
            Dialect::Mistral => mistral::check(&request, &body, key),
            Dialect::Anthropic => anthropic::check(&request, &body, key),
        };
        let is_list = request.method == "GET";
        let reply = match (checked, state.dialect) {
            (Err(refusal), _) => Reply::Refused(refusal),
            (Ok(()), Dialect::Mistral) if is_list => Reply::ok(mistral::models()),
            (Ok(()), Dialect::Anthropic) if is_list => Reply::ok(anthropic::models()),
            (Ok(()), dialect) => {
                let turn = state.script.pop_front().unwrap_or(Turn::AnswerFromPassages);
                match dialect {
                    Dialect::OpenAi => turn.reply_to(&body),
                    // Mistral knows no `stream_options`: the last chunk always says what was used.
                    Dialect::Mistral => turn.reply_to(&with_usage(body.clone())),
                    Dialect::Anthropic => anthropic::reply_to(turn, &body),
                }
            }
        };
        let http::Request { method, path, headers, .. } = request;
        state.requests.push(RecordedRequest { method, path, headers, body, status: reply.status() });
        drop(state);
        self.changed.notify_waiters();
        reply
    }
}

fn with_usage(mut body: Value) -> Value {
    if body["stream"] == true {
        body["stream_options"] = serde_json::json!({ "include_usage": true });
    }
    body
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut clients = JoinSet::new();
    while let Ok((socket, _)) = listener.accept().await {
        let _ = socket.set_nodelay(true);
        clients.spawn(serve(socket, shared.clone()));
        while clients.try_join_next().is_some() {}
    }
}

async fn serve(socket: TcpStream, shared: Arc<Shared>) {
    shared.change(|state| {
        state.connections += 1;
        state.open += 1;
    });
    let (read, mut write) = socket.into_split();
    let mut read = BufReader::new(read);
    while let Ok(Some(request)) = http::read(&mut read).await {
        let frame = shared.lock().frame;
        let reply = shared.decide(request);
        let stays_open = tokio::select! {
            biased;
            done = respond(&mut write, reply, frame) => done.ok(),
            () = hung_up(&mut read) => None,
        };
        match stays_open {
            Some(true) => {}
            Some(false) => break,
            None => {
                shared.change(|state| state.disconnects += 1);
                break;
            }
        }
    }
    shared.change(|state| state.open -= 1);
}

/// Ends when the client closes its side; a client that sends more has not.
async fn hung_up(read: &mut BufReader<OwnedReadHalf>) {
    if read.fill_buf().await.is_ok_and(|bytes| !bytes.is_empty()) {
        std::future::pending().await
    }
}

/// Writes a reply and says whether the connection can take another request.
async fn respond(write: &mut OwnedWriteHalf, reply: Reply, frame: Option<usize>) -> std::io::Result<bool> {
    let steps = match reply {
        Reply::Never => std::future::pending().await,
        Reply::Refused(refusal) => return http::write_json(write, refusal.status, None, &refusal.body()).await,
        Reply::Json { status, retry_after, body } => return http::write_json(write, status, retry_after, &body).await,
        Reply::Stream(steps) => steps,
    };
    http::write_stream_head(write).await?;
    let mut steps = steps.into_iter().peekable();
    while let Some(step) = steps.next() {
        match step {
            // The end goes out with the last event, as from a real server: a client that stops reading there is no
            // client that hung up.
            Step::Bytes(bytes) => http::write_frames(write, &bytes, frame, steps.peek().is_none()).await?,
            Step::Pause(pause) => tokio::time::sleep(pause).await,
            Step::Forever => std::future::pending().await,
            Step::Cut => return Ok(false),
        }
    }
    Ok(true)
}
