//! A customer's server that says who its visitors are, by short tokens that it signs (HMAC-SHA-256).

use anyhow::Result;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{
    app::TestApp,
    people::{Member, Visitor},
};

/// The origin of the customer's pages.
const SITE: &str = "https://site.example";

/// The server, known to the workspace.
pub struct Server {
    workspace: String,
    publishable: String,
    kid: String,
    secret: Vec<u8>,
}

impl Server {
    /// Makes a server known to a workspace, and an assistant's key to its pages.
    ///
    /// # Errors
    /// It was refused.
    pub async fn of(acme: &Member, assistant: &str) -> Result<Self> {
        let publishable = acme.publishable_key(assistant, SITE).await?;
        let input = json!({"input": {"name": "site"}});
        let added = acme.graphql("add_visitor_signing_key", input).await?.ok();
        let secret = BASE64_URL_SAFE_NO_PAD.decode(added.text("/addVisitorSigningKey/secret"))?;
        let kid = added.text("/addVisitorSigningKey/visitorSigningKey/id");
        Ok(Self { workspace: acme.workspace.clone(), publishable, kid, secret })
    }

    /// Lets somebody in of whom it says this: `sub`, `email`, `name`.
    ///
    /// # Errors
    /// They were refused.
    pub async fn lets_in(&self, app: &TestApp, claims: Value) -> Result<Visitor> {
        let now = app.clock.now().seconds();
        let mut claims = claims;
        claims["aud"] = json!(self.workspace);
        claims["iat"] = json!(now);
        claims["exp"] = json!(now + 300);
        let page = app.public().from_page(SITE);
        let input = json!({"publishableKey": self.publishable, "identityToken": self.token(&claims)});
        let started = page.graphql("start_visitor_session", json!({"input": input})).await?.ok();
        Ok(Visitor::of(&page, started.get("/startVisitorSession/visitorSession")))
    }

    fn token(&self, claims: &Value) -> String {
        let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&json!({"alg": "HS256", "kid": self.kid})), part(claims));
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.secret).expect("any length will do");
        mac.update(signed.as_bytes());
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }
}
