//! A client of the public API: operations are files, answers are JSON.

use std::sync::Arc;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{
    listen::{Listener, over_sse, over_websocket},
    source,
};

/// Somebody who calls the public API: with a token or without, from a page or from a program.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Arc<str>,
    token: Option<String>,
    origin: Option<String>,
    agent: Option<String>,
    address: Option<String>,
}

impl Client {
    /// A program without a token that calls the gateway at this URL.
    #[expect(clippy::disallowed_methods, reason = "tests are the outside, which egress is not for")]
    pub fn new(base: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().build().expect("a client without TLS settings can be built");
        Self { http, base: base.trim_end_matches('/').into(), token: None, origin: None, agent: None, address: None }
    }

    /// The same, that trusts this certificate in PEM and no other.
    ///
    /// # Errors
    /// It is none.
    #[expect(clippy::disallowed_methods, reason = "tests are the outside, which egress is not for")]
    pub fn trusting(base: &str, pem: &[u8]) -> Result<Self> {
        let certificate = reqwest::Certificate::from_pem(pem)?;
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([certificate]).build()?;
        Ok(Self { http, ..Self::new(base) })
    }

    /// The same, with this token or key.
    #[must_use]
    pub fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// The same, from a page of this origin.
    #[must_use]
    pub fn from_page(&self, origin: impl Into<String>) -> Self {
        Self { origin: Some(origin.into()), ..self.clone() }
    }

    /// The same, in a browser that says this of itself.
    #[must_use]
    pub fn in_browser(&self, agent: impl Into<String>) -> Self {
        Self { agent: Some(agent.into()), ..self.clone() }
    }

    /// The same, from this address, as a proxy in front says.
    #[must_use]
    pub fn behind(&self, address: impl Into<String>) -> Self {
        Self { address: Some(address.into()), ..self.clone() }
    }

    /// The same, at another gateway of the installation.
    #[must_use]
    pub fn at(&self, base: &str) -> Self {
        Self { base: base.trim_end_matches('/').into(), ..self.clone() }
    }

    /// The token that it shows.
    pub fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// A request to a path of the gateway, with the token and the origin.
    pub fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let mut request = self.http.request(method, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(origin) = &self.origin {
            request = request.header("origin", origin);
        }
        if let Some(address) = &self.address {
            request = request.header("x-forwarded-for", address);
        }
        if let Some(agent) = &self.agent {
            request = request.header("user-agent", agent);
        }
        request
    }

    /// Sends `tests/operations/{operation}.graphql` with these variables.
    pub async fn graphql(&self, operation: &str, variables: Value) -> Result<Reply> {
        self.query(&operation_text(operation)?, variables).await
    }

    /// As [`Client::graphql`], and waits for its turn: everybody has a rate.
    ///
    /// # Errors
    /// As [`Client::graphql`].
    pub async fn graphql_in_turn(&self, operation: &str, variables: Value) -> Result<Reply> {
        self.query_in_turn(&operation_text(operation)?, variables).await
    }

    /// As [`Client::query`], and waits for its turn: everybody has a rate. Tries that are counted, as of a password, are not
    /// waited for.
    ///
    /// # Errors
    /// As [`Client::query`].
    pub async fn query_in_turn(&self, query: &str, variables: Value) -> Result<Reply> {
        loop {
            let reply = self.query(query, variables.clone()).await?;
            let turn = &reply.body["errors"][0]["extensions"]["retryAfter"];
            if reply.error() != Some("RATE_LIMITED") || turn.is_null() {
                return Ok(reply);
            }
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
        }
    }

    /// Sends this query text with these variables.
    pub async fn query(&self, query: &str, variables: Value) -> Result<Reply> {
        let body = json!({"query": query, "variables": variables});
        let response = self.request(reqwest::Method::POST, "/graphql").json(&body).send().await?;
        let status = response.status().as_u16();
        let text = response.text().await?;
        let body = serde_json::from_str(&text).with_context(|| format!("{status}, not JSON: {text}"))?;
        Ok(Reply { status, body })
    }

    /// Listens to `tests/operations/{operation}.graphql` over server-sent events.
    pub async fn listen(&self, operation: &str, variables: Value) -> Result<Listener> {
        let body = json!({"query": operation_text(operation)?, "variables": variables});
        over_sse(self.request(reqwest::Method::POST, "/graphql/stream").json(&body)).await
    }

    /// Listens to it over WebSocket.
    pub async fn listen_over_websocket(&self, operation: &str, variables: Value) -> Result<Listener> {
        let init = match &self.token {
            Some(token) => json!({"Authorization": format!("Bearer {token}")}),
            None => json!({}),
        };
        let payload = json!({"query": operation_text(operation)?, "variables": variables});
        over_websocket(&format!("{}/graphql", self.base), self.origin.as_deref(), init, payload).await
    }
}

/// The text of `tests/operations/{operation}.graphql`.
pub fn operation_text(operation: &str) -> Result<String> {
    let path = source::root().join(format!("tests/operations/{operation}.graphql"));
    std::fs::read_to_string(&path).with_context(|| path.display().to_string())
}

/// What the gateway answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    /// The status of HTTP.
    pub status: u16,
    /// The response of GraphQL.
    pub body: Value,
}

impl Reply {
    /// The value at this JSON pointer under `data`.
    ///
    /// # Panics
    /// Where there is none; the message is the whole answer.
    #[track_caller]
    pub fn get(&self, pointer: &str) -> &Value {
        let found = self.body["data"].pointer(pointer).filter(|value| !value.is_null());
        found.unwrap_or_else(|| panic!("no {pointer} in {}", self.body))
    }

    /// The text at this JSON pointer under `data`.
    ///
    /// # Panics
    /// Where there is none.
    #[track_caller]
    pub fn text(&self, pointer: &str) -> String {
        self.get(pointer).as_str().unwrap_or_else(|| panic!("{pointer} is no text in {}", self.body)).to_owned()
    }

    /// The number at this JSON pointer under `data`.
    ///
    /// # Panics
    /// Where there is none.
    #[track_caller]
    pub fn number(&self, pointer: &str) -> i64 {
        self.get(pointer).as_i64().unwrap_or_else(|| panic!("{pointer} is no number in {}", self.body))
    }

    /// The code of the first top-level error.
    pub fn error(&self) -> Option<&str> {
        self.body["errors"][0]["extensions"]["code"].as_str()
    }

    /// The code of the first of the `userErrors` of any payload.
    pub fn user_error(&self) -> Option<&str> {
        let payloads = self.body["data"].as_object()?.values();
        payloads.filter_map(|payload| payload["userErrors"][0]["code"].as_str()).next()
    }

    /// The same answer, where neither kind of error is in it.
    ///
    /// # Panics
    /// Where there is one.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!(self.error().is_none() && self.body.get("errors").is_none(), "refused: {}", self.body);
        assert!(self.user_error().is_none(), "refused: {}", self.body);
        self
    }
}
