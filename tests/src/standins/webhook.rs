//! A strict receiver of webhooks, on a free port of this machine, as somebody would write one from the specification of
//! Standard Webhooks: it verifies the body byte by byte before it looks into it, refuses what is older than five
//! minutes, and knows a repetition by its id.
//!
//! It answers what its script says ([`Answer`]). It needs no module but `http` beside it, so that a plugin's tests can
//! include both by path.

use std::{
    collections::{BTreeMap, VecDeque},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tokio::{
    io::BufReader,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::http;

/// What a verified request is answered.
#[derive(Debug, Clone)]
pub enum Answer {
    /// A status with further header lines, each with its `\r\n`.
    Status(u16, String),
    /// The request is taken and the connection dropped: the sender cannot know.
    TakeAndHangUp,
    /// The connection is dropped before anything is taken.
    HangUp,
    /// Nothing, for ever.
    Silence,
}

/// A request that verified.
#[derive(Debug, Clone)]
pub struct Delivered {
    /// `webhook-id`.
    pub id: String,
    /// `webhook-signature`.
    pub signatures: String,
    /// The headers in their order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Value,
}

/// The running server. It ends when this is dropped.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct Shared(Mutex<State>);

#[derive(Default)]
struct State {
    secret: Vec<u8>,
    script: VecDeque<Answer>,
    /// Every request that verified, repetitions included.
    taken: Vec<Delivered>,
    refused: Vec<String>,
    connections: usize,
    holds_the_next: bool,
    held: usize,
}

impl Receiver {
    /// Starts with this secret (`whsec_...`), inside the current tokio runtime.
    pub async fn start(secret: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let key = secret.strip_prefix("whsec_").and_then(|key| BASE64.decode(key).ok()).expect("a secret");
        let shared = Arc::new(Shared(Mutex::new(State { secret: key, ..State::default() })));
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Self { address, shared, accepting }
    }

    /// Where it listens: what an operator lets through.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What to write into the plugin's setting `url`.
    pub fn url(&self) -> String {
        format!("http://{}/hooks?of=consigne", self.address)
    }

    /// Adds answers: each request that verifies takes the next one. After the last one, and without any, 204.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.shared.lock().script.extend(answers);
    }

    /// Takes the next request and never says so, where this is set: whoever sends it can be killed in the meantime.
    pub fn hold_the_next(&self, is_held: bool) {
        self.shared.lock().holds_the_next = is_held;
    }

    /// How many requests were taken without a word of it.
    pub fn held(&self) -> usize {
        self.shared.lock().held
    }

    /// What verified so far, repetitions included.
    pub fn taken(&self) -> Vec<Delivered> {
        self.shared.lock().taken.clone()
    }

    /// What verified so far, each id once, and how often each came.
    pub fn once(&self) -> BTreeMap<String, usize> {
        let mut once = BTreeMap::new();
        for delivered in &self.shared.lock().taken {
            *once.entry(delivered.id.clone()).or_default() += 1;
        }
        once
    }

    /// Why requests were refused.
    pub fn refused(&self) -> Vec<String> {
        self.shared.lock().refused.clone()
    }

    /// Connections that were ever made.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections
    }
}

impl Drop for Receiver {
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
    /// Whether this request, which is then taken, gets no answer.
    fn holds(&mut self, delivered: &Delivered) -> bool {
        let holds = std::mem::take(&mut self.holds_the_next);
        if holds {
            self.taken.push(delivered.clone());
            self.held += 1;
        }
        holds
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((socket, _)) = listener.accept().await {
        shared.lock().connections += 1;
        tokio::spawn(serve(socket, shared.clone()));
    }
}

/// A connection that breaks is the client's business.
async fn serve(socket: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    let (read, mut write) = socket.into_split();
    let mut read = BufReader::new(read);
    while let Some(request) = http::read(&mut read).await? {
        let secret = shared.lock().secret.clone();
        let (status, more) = match check(&secret, &request) {
            Err(why) => {
                shared.lock().refused.push(why.to_owned());
                (400, String::new())
            }
            Ok(delivered) if shared.lock().holds(&delivered) => std::future::pending().await,
            Ok(delivered) => {
                let answer = shared.lock().script.pop_front().unwrap_or(Answer::Status(204, String::new()));
                match answer {
                    Answer::HangUp => return Ok(()),
                    Answer::Silence => std::future::pending().await,
                    Answer::TakeAndHangUp => {
                        shared.lock().taken.push(delivered);
                        return Ok(());
                    }
                    Answer::Status(status, more) => {
                        shared.lock().taken.push(delivered);
                        (status, more)
                    }
                }
            }
        };
        http::write(&mut write, status, &more, b"").await?;
    }
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "somebody else's server has a clock of its own")]
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs().cast_signed())
}

fn check(secret: &[u8], request: &http::Request) -> Result<Delivered, &'static str> {
    if request.method != "POST" || request.path != "/hooks" || request.query != "of=consigne" {
        return Err("another method or path");
    }
    if request.header("content-type") != Some("application/json") {
        return Err("another content type");
    }
    let one = |name: &str| request.header(name).map(str::to_owned);
    let id = one("webhook-id").ok_or("no webhook-id")?;
    let timestamp = one("webhook-timestamp").ok_or("no webhook-timestamp")?;
    let signatures = one("webhook-signature").ok_or("no webhook-signature")?;
    if (now() - timestamp.parse::<i64>().map_err(|_| "a timestamp that is no number")?).abs() > 300 {
        return Err("a timestamp that is too old or too new");
    }
    let mut hmac = Hmac::<Sha256>::new_from_slice(secret).map_err(|_| "no key")?;
    hmac.update(format!("{id}.{timestamp}.").as_bytes());
    hmac.update(&request.body);
    let expected = format!("v1,{}", BASE64.encode(hmac.finalize().into_bytes()));
    if !signatures.split(' ').any(|signature| signature == expected) {
        return Err("no signature fits");
    }
    let body: Value = serde_json::from_slice(&request.body).map_err(|_| "no JSON")?;
    let has_shape = body["type"].is_string() && body["timestamp"].is_string() && body["data"].is_object();
    has_shape.then(|| Delivered { id, signatures, headers: request.headers.clone(), body }).ok_or("not the shape")
}
