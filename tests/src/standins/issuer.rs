//! A strict identity provider on a free port of this machine (OpenID Connect Core and Discovery 1.0, RFC 7636), for what a
//! certified one will not do: tokens that lie, keys that change, faults.
//!
//! It checks what it is asked as a provider does: the client, the redirect address, PKCE, each code once, no field that it
//! does not know. What its tokens say, and how they are signed, the test decides ([`Token`]).

#[path = "issuer/signing.rs"]
mod signing;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, Result, ensure};
use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use reqwest::Url;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::{
    io::BufReader,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use self::signing::Key;
pub use self::signing::Signing;
use super::http;

/// What the product is called here.
pub const CLIENT: &str = "consigne at acme";

/// What proves that it is: characters that a form has to encode.
pub const SECRET: &str = "s3cret:with/+ and %";

/// What the userinfo endpoint tells.
const TOLD: [&str; 3] = ["sub", "email", "email_verified"];

/// A token to be made: what it says beside what it has to, `null` for what it leaves out; and how it is signed.
#[derive(Debug, Clone, Default)]
pub struct Token {
    /// Instead of, and beside, the right claims.
    pub claims: Value,
    /// How it is signed.
    pub signing: Signing,
}

/// What a browser comes back with.
#[derive(Debug, Clone)]
pub struct Back {
    /// `code`.
    pub code: String,
    /// `state`.
    pub state: String,
    /// `iss`.
    pub issuer: String,
    /// What the browser was sent with.
    pub asked: BTreeMap<String, String>,
}

/// The running provider. It ends when this is dropped.
pub struct Issuer {
    address: SocketAddr,
    shared: Arc<Mutex<State>>,
    accepting: JoinHandle<()>,
}

struct State {
    keys: Vec<Key>,
    codes: BTreeMap<String, Grant>,
    /// How often each path was asked for.
    asked: BTreeMap<String, usize>,
    /// Why requests were refused.
    refused: Vec<String>,
    /// What every request is answered, where something is broken.
    broken: Option<u16>,
    /// Where discovery says that the keys are, instead of where they are.
    keys_at: Option<String>,
    /// Whether addresses are told at the userinfo endpoint alone.
    tells_apart: bool,
    made: usize,
}

struct Grant {
    challenge: String,
    redirect_uri: String,
    id_token: String,
    about: Value,
}

impl Issuer {
    /// Starts with one key, inside the current tokio runtime.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let state = State {
            keys: vec![Key::new(0)],
            codes: BTreeMap::new(),
            asked: BTreeMap::new(),
            refused: Vec::new(),
            broken: None,
            keys_at: None,
            tells_apart: false,
            made: 0,
        };
        let shared = Arc::new(Mutex::new(state));
        let accepting = tokio::spawn(accept(listener, address, shared.clone()));
        Self { address, shared, accepting }
    }

    /// Where it listens: what an operator lets through.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its issuer.
    pub fn url(&self) -> String {
        url(self.address)
    }

    /// How often this path was asked for.
    pub fn asked(&self, path: &str) -> usize {
        self.lock().asked.get(path).copied().unwrap_or_default()
    }

    /// Why requests were refused.
    pub fn refused(&self) -> Vec<String> {
        self.lock().refused.clone()
    }

    /// Answers everything with this status, or works again.
    pub fn break_with(&self, status: Option<u16>) {
        self.lock().broken = status;
    }

    /// Says that its keys are there.
    pub fn show_keys_at(&self, url: &str) {
        self.lock().keys_at = Some(url.to_owned());
    }

    /// Says addresses at the userinfo endpoint alone, as providers do that go by the letter.
    pub fn tell_apart(&self) {
        self.lock().tells_apart = true;
    }

    /// Signs with a new key from now on, and does not show the old ones any more.
    pub fn change_keys(&self) {
        let mut state = self.lock();
        state.made += 1;
        state.keys = vec![Key::new(state.made)];
    }

    /// What a browser does that was sent to `authorization_url`, and a person who signs in: the way back. `now` is in seconds.
    ///
    /// # Errors
    /// The address asks for what a provider refuses.
    pub fn visit(&self, authorization_url: &str, now: i64, token: Token) -> Result<Back> {
        let url = Url::parse(authorization_url)?;
        ensure!(url.as_str().starts_with(&format!("{}/authorize?", self.url())), "another endpoint: {url}");
        let asked: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        ensure!(asked.len() == url.query_pairs().count(), "a parameter came twice: {url}");
        let known = ["acr_values", "login_hint", "max_age", "prompt"];
        let needed = [
            "client_id",
            "code_challenge",
            "code_challenge_method",
            "nonce",
            "redirect_uri",
            "response_type",
            "scope",
            "state",
        ];
        ensure!(needed.iter().all(|name| asked.contains_key(*name)), "something is missing: {url}");
        for name in asked.keys() {
            ensure!(known.contains(&name.as_str()) || needed.contains(&name.as_str()), "what is {name}?");
        }
        let is = |name: &str, value: &str| asked[name] == value;
        ensure!(is("client_id", CLIENT) && is("response_type", "code") && is("code_challenge_method", "S256"), "{url}");
        ensure!(is("scope", "openid email"), "{url}");
        let long_enough = ["state", "nonce", "code_challenge"].iter().all(|name| asked[*name].len() >= 43);
        ensure!(long_enough, "what cannot be guessed is longer: {url}");
        let mut claims = json!({
            "iss": self.url(), "aud": CLIENT, "sub": "person-1", "sid": "sign-in-1", "nonce": asked["nonce"],
            "iat": now, "exp": now + 300, "auth_time": now, "amr": ["pwd", "otp", "mfa"],
            "email": "ana@acme.example", "email_verified": true,
        });
        merge(&mut claims, &token.claims);
        let mut state = self.lock();
        let mut about = claims.clone();
        about.as_object_mut().expect("claims are an object").retain(|name, _| TOLD.contains(&name.as_str()));
        if state.tells_apart {
            merge(&mut claims, &json!({"email": null, "email_verified": null}));
        }
        state.made += 1;
        let code = format!("code-{}", state.made);
        let id_token = signing::sign(&state.keys, token.signing, "JWT", &claims);
        let grant = Grant {
            challenge: asked["code_challenge"].clone(),
            redirect_uri: asked["redirect_uri"].clone(),
            id_token,
            about,
        };
        state.codes.insert(code.clone(), grant);
        Ok(Back { code, state: asked["state"].clone(), issuer: self.url(), asked })
    }

    /// A logout token. `now` is in seconds.
    pub fn logout_token(&self, now: i64, token: Token) -> String {
        let mut state = self.lock();
        state.made += 1;
        let mut claims = json!({
            "iss": self.url(), "aud": CLIENT, "sub": "person-1", "sid": "sign-in-1", "iat": now, "exp": now + 120,
            "jti": format!("logout-{}", state.made),
            "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
        });
        merge(&mut claims, &token.claims);
        signing::sign(&state.keys, token.signing, "logout+jwt", &claims)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.shared)
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// `null` takes a claim away.
fn merge(claims: &mut Value, other: &Value) {
    for (name, value) in other.as_object().into_iter().flatten() {
        if value.is_null() {
            claims.as_object_mut().expect("claims are an object").remove(name);
        } else {
            claims[name] = value.clone();
        }
    }
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}/tenant")
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn accept(listener: TcpListener, address: SocketAddr, shared: Arc<Mutex<State>>) {
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(serve(socket, address, shared.clone()));
    }
}

/// A connection that breaks is the client's business.
async fn serve(socket: TcpStream, address: SocketAddr, shared: Arc<Mutex<State>>) -> std::io::Result<()> {
    let (read, mut write) = socket.into_split();
    let mut read = BufReader::new(read);
    while let Some(request) = http::read(&mut read).await? {
        let (status, body) = answer(&request, address, &mut lock(&shared));
        http::write(&mut write, status, "content-type: application/json\r\n", body.to_string().as_bytes()).await?;
    }
    Ok(())
}

fn answer(request: &http::Request, address: SocketAddr, state: &mut State) -> (u16, Value) {
    let path = request.path.strip_prefix("/tenant").unwrap_or("elsewhere");
    *state.asked.entry(path.to_owned()).or_default() += 1;
    if let Some(status) = state.broken {
        return (status, json!({"error": "temporarily_unavailable"}));
    }
    let issuer = url(address);
    match (request.method.as_str(), path) {
        ("GET", "/.well-known/openid-configuration") => {
            let keys = state.keys_at.clone().unwrap_or_else(|| format!("{issuer}/keys"));
            let said = json!({
                "issuer": issuer,
                "authorization_endpoint": format!("{issuer}/authorize"),
                "token_endpoint": format!("{issuer}/token"),
                "userinfo_endpoint": format!("{issuer}/me"),
                "jwks_uri": keys,
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["EdDSA"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                "authorization_response_iss_parameter_supported": true,
            });
            (200, said)
        }
        ("GET", "/keys") => (200, json!({"keys": state.keys.iter().map(Key::shown).collect::<Vec<_>>()})),
        ("GET", "/me") => {
            let token = request.header("authorization").and_then(|header| header.strip_prefix("Bearer access-"));
            match token.and_then(|code| state.codes.get(code)) {
                Some(grant) => (200, grant.about.clone()),
                None => (401, json!({"error": "invalid_token"})),
            }
        }
        ("POST", "/token") => match redeem(request, state) {
            Ok(tokens) => (200, tokens),
            Err(why) => {
                state.refused.push(why.to_string());
                let error = if why.to_string() == "client" { "invalid_client" } else { "invalid_grant" };
                (400, json!({"error": error}))
            }
        },
        _ => (404, json!({})),
    }
}

fn redeem(request: &http::Request, state: &mut State) -> Result<Value> {
    ensure!(request.header("content-type") == Some("application/x-www-form-urlencoded"), "another content type");
    ensure!(request.header("authorization") == Some(&basic()), "client");
    let form = Url::parse(&format!("http://form/?{}", std::str::from_utf8(&request.body)?))?;
    let fields: BTreeMap<String, String> = form.query_pairs().into_owned().collect();
    let names: Vec<&str> = fields.keys().map(String::as_str).collect();
    ensure!(names == ["code", "code_verifier", "grant_type", "redirect_uri"], "other fields: {names:?}");
    ensure!(fields["grant_type"] == "authorization_code", "another grant");
    let grant = state.codes.get_mut(&fields["code"]).context("an unknown code")?;
    ensure!(!grant.id_token.is_empty(), "a code that was used");
    ensure!(grant.redirect_uri == fields["redirect_uri"], "another redirect address");
    let challenge = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(fields["code_verifier"].as_bytes()));
    ensure!(grant.challenge == challenge, "another verifier");
    let id_token = std::mem::take(&mut grant.id_token);
    Ok(json!({
        "id_token": id_token, "access_token": format!("access-{}", fields["code"]), "token_type": "Bearer",
        "expires_in": 300,
    }))
}

/// RFC 6749, 2.3.1.
fn basic() -> String {
    let pair = "consigne+at+acme:s3cret%3Awith%2F%2B+and+%25";
    format!("Basic {}", BASE64_STANDARD.encode(pair))
}
