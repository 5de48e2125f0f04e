//! A strict server of the Transit API, on a free port of this machine, as HashiCorp publishes it
//! (<https://developer.hashicorp.com/vault/api-docs/secret/transit>): one derived key, the token checked, fields that the API does
//! not have refused. It needs no module but `http` beside it, so that a plugin's tests can include both by path.
//!
//! What it seals it keeps: a ciphertext names the version, and opens under its own context alone.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use serde_json::{Value, json};
use tokio::{
    io::BufReader,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use super::http;

/// What the next request is answered instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instead {
    /// This status, with the API's form of errors.
    Status(u16),
    /// The request is done, and the connection dropped: whoever asked cannot know.
    DoneAndHungUp,
    /// Nothing, for ever.
    Silence,
    /// Something that is no answer of the API.
    Nonsense,
}

/// The running server. It ends when this is dropped.
pub struct Transit {
    address: std::net::SocketAddr,
    shared: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

struct State {
    token: String,
    key: String,
    derived: bool,
    latest: u32,
    min_decryption: u32,
    may_configure: bool,
    is_down: bool,
    instead: VecDeque<Instead>,
    next_rotation: Option<Instead>,
    sealed: BTreeMap<String, (u32, String, String)>,
    calls: BTreeMap<String, usize>,
    refused: Vec<String>,
}

/// Why a request is refused: a status and the API's word.
type Refusal = (u16, String);

impl Transit {
    /// Starts with this token and a key of this name, inside the current tokio runtime.
    pub async fn start(token: &str, key: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let shared = Arc::new(Mutex::new(State {
            token: token.to_owned(),
            key: key.to_owned(),
            derived: true,
            latest: 1,
            min_decryption: 1,
            may_configure: true,
            is_down: false,
            instead: VecDeque::new(),
            next_rotation: None,
            sealed: BTreeMap::new(),
            calls: BTreeMap::new(),
            refused: Vec::new(),
        }));
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Self { address, shared, accepting }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.shared)
    }

    /// Its address.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Whether its key binds what it seals.
    pub fn derive(&self, is: bool) {
        self.state().derived = is;
    }

    /// Whether the token may change the key's configuration.
    pub fn let_configure(&self, may: bool) {
        self.state().may_configure = may;
    }

    /// Sealed and not answering anything, as after a restart of the real one.
    pub fn down(&self, is: bool) {
        self.state().is_down = is;
    }

    /// What the next requests are answered instead.
    pub fn instead(&self, answers: impl IntoIterator<Item = Instead>) {
        self.state().instead.extend(answers);
    }

    /// What the next rotation is answered instead; other requests are answered as ever.
    pub fn answer_next_rotation(&self, instead: Instead) {
        self.state().next_rotation = Some(instead);
    }

    /// The oldest version that opens, and the newest.
    pub fn versions(&self) -> (u32, u32) {
        let state = self.state();
        (state.min_decryption, state.latest)
    }

    /// How often this was called.
    pub fn calls(&self, what: &str) -> usize {
        self.state().calls.get(what).copied().unwrap_or_default()
    }

    /// Why requests were refused.
    pub fn refused(&self) -> Vec<String> {
        self.state().refused.clone()
    }
}

impl Drop for Transit {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock(shared: &Arc<Mutex<State>>) -> MutexGuard<'_, State> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, shared: Arc<Mutex<State>>) {
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(serve(socket, shared.clone()));
    }
}

/// A connection that breaks is the client's business.
async fn serve(socket: TcpStream, shared: Arc<Mutex<State>>) -> std::io::Result<()> {
    let (read, mut write) = socket.into_split();
    let mut read = BufReader::new(read);
    while let Some(request) = http::read(&mut read).await? {
        let instead = lock(&shared).instead_of(&request);
        match instead {
            Some(Instead::Silence) => std::future::pending::<()>().await,
            Some(Instead::DoneAndHungUp) => {
                let _ = lock(&shared).answer(&request);
                return Ok(());
            }
            Some(Instead::Nonsense) => http::write(&mut write, 200, "", b"{\"data\": 7}").await?,
            Some(Instead::Status(status)) => write_refusal(&mut write, status, "as told").await?,
            None => {
                let answer = lock(&shared).answer(&request);
                match answer {
                    Ok(None) => http::write(&mut write, 204, "", b"").await?,
                    Ok(Some(data)) => {
                        let body = json!({ "request_id": "1", "lease_id": "", "renewable": false, "data": data });
                        http::write(&mut write, 200, "content-type: application/json\r\n", body.to_string().as_bytes())
                            .await?;
                    }
                    Err((status, why)) => {
                        lock(&shared).refused.push(why.clone());
                        write_refusal(&mut write, status, &why).await?;
                    }
                }
            }
        }
    }
    Ok(())
}

async fn write_refusal(to: &mut tokio::net::tcp::OwnedWriteHalf, status: u16, why: &str) -> std::io::Result<()> {
    http::write(to, status, "content-type: application/json\r\n", json!({ "errors": [why] }).to_string().as_bytes())
        .await
}

impl State {
    fn instead_of(&mut self, request: &http::Request) -> Option<Instead> {
        let rotates = request.path.ends_with("/rotate");
        if rotates && self.next_rotation.is_some() { self.next_rotation.take() } else { self.instead.pop_front() }
    }

    fn answer(&mut self, request: &http::Request) -> Result<Option<Value>, Refusal> {
        if self.is_down {
            return Err((503, "Vault is sealed".to_owned()));
        }
        if request.header("x-vault-token") != Some(&self.token) {
            return Err((403, "permission denied".to_owned()));
        }
        if request.header("x-vault-request") != Some("true") {
            return Err((412, "required X-Vault-Request header missing".to_owned()));
        }
        let path: Vec<&str> = request.path.split('/').skip(1).collect();
        let ["v1", "transit", what, key, rest @ ..] = &path[..] else { return Err((404, "no handler".to_owned())) };
        if *key != self.key {
            return Err((404, "no such key".to_owned()));
        }
        *self.calls.entry([what, rest.first().copied().unwrap_or_default()].join("/")).or_default() += 1;
        let body = || serde_json::from_slice::<Value>(&request.body).map_err(|_| bad("failed to parse JSON input"));
        match (request.method.as_str(), *what, rest) {
            ("GET", "keys", []) if request.body.is_empty() => Ok(Some(self.facts())),
            ("POST", "keys", ["rotate"]) => {
                self.fields(&body()?, &[])?;
                self.latest += 1;
                Ok(None)
            }
            ("POST", "keys", ["config"]) => self.configure(&body()?),
            ("POST", "encrypt", []) => {
                let body = body()?;
                self.fields(&body, &["plaintext", "context", "key_version"])?;
                let plain = self.text(&body, "plaintext")?;
                self.seal(&body, plain)
            }
            ("POST", "decrypt", []) => {
                let body = body()?;
                self.fields(&body, &["ciphertext", "context"])?;
                Ok(Some(json!({ "plaintext": self.open(&body)? })))
            }
            ("POST", "rewrap", []) => {
                let body = body()?;
                self.fields(&body, &["ciphertext", "context", "key_version"])?;
                let plain = self.open(&body)?;
                self.seal(&body, plain)
            }
            _ => Err((405, "unsupported operation".to_owned())),
        }
    }

    fn facts(&self) -> Value {
        let keys: BTreeMap<String, i64> =
            (self.min_decryption..=self.latest).map(|number| (number.to_string(), 1_795_000_000)).collect();
        json!({
            "type": "aes256-gcm96", "deletion_allowed": false, "derived": self.derived, "exportable": false,
            "allow_plaintext_backup": false, "keys": keys, "latest_version": self.latest,
            "min_available_version": 0, "min_decryption_version": self.min_decryption, "min_encryption_version": 0,
            "name": self.key, "supports_encryption": true, "supports_decryption": true, "supports_derivation": true,
            "supports_signing": false,
        })
    }

    fn configure(&mut self, body: &Value) -> Result<Option<Value>, Refusal> {
        if !self.may_configure {
            return Err((403, "permission denied".to_owned()));
        }
        self.fields(body, &["min_decryption_version", "min_encryption_version"])?;
        let (decryption, encryption) =
            (number(body, "min_decryption_version")?, number(body, "min_encryption_version")?);
        if decryption > self.latest || encryption > self.latest || encryption < decryption {
            return Err(bad("cannot set min versions"));
        }
        self.min_decryption = decryption;
        Ok(None)
    }

    fn seal(&mut self, body: &Value, plain: String) -> Result<Option<Value>, Refusal> {
        let version = number(body, "key_version")?;
        if version < self.min_decryption || version > self.latest {
            return Err(bad("cannot encrypt with this version"));
        }
        let context = self.text(body, "context")?;
        let name = BASE64.encode(format!("a ciphertext of its own, number {}", self.sealed.len()));
        let ciphertext = format!("vault:v{version}:{name}");
        self.sealed.insert(ciphertext.clone(), (version, context, plain));
        Ok(Some(json!({ "ciphertext": ciphertext, "key_version": version })))
    }

    fn open(&self, body: &Value) -> Result<String, Refusal> {
        let ciphertext = body["ciphertext"].as_str().unwrap_or_default();
        let context = self.text(body, "context")?;
        match self.sealed.get(ciphertext) {
            Some((version, _, _)) if *version < self.min_decryption => {
                Err(bad("ciphertext or signature version is disallowed by policy (too old)"))
            }
            Some((_, bound, plain)) if *bound == context => Ok(plain.clone()),
            _ => Err(bad("cipher: message authentication failed")),
        }
    }

    /// Base64, as the API wants every text.
    fn text(&self, body: &Value, name: &str) -> Result<String, Refusal> {
        let text = body[name].as_str().filter(|text| !text.is_empty());
        let text = text.ok_or_else(|| bad(&format!("missing '{name}'")))?;
        BASE64.decode(text).map_err(|_| bad(&format!("failed to base64-decode {name}")))?;
        Ok(text.to_owned())
    }

    fn fields(&self, body: &Value, known: &[&str]) -> Result<(), Refusal> {
        let body = body.as_object().ok_or_else(|| bad("failed to parse JSON input"))?;
        match body.keys().find(|name| !known.contains(&name.as_str())) {
            Some(name) => Err(bad(&format!("the API has no field {name}"))),
            None => Ok(()),
        }
    }
}

fn number(body: &Value, name: &str) -> Result<u32, Refusal> {
    body[name].as_u64().and_then(|number| u32::try_from(number).ok()).ok_or_else(|| bad(&format!("missing {name}")))
}

fn bad(why: &str) -> Refusal {
    (400, why.to_owned())
}
