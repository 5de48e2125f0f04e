//! Single sign-on: members sign in at their workspace's own identity provider. What a certified provider does is tested
//! against one (`certified`); what none would do, against a strict stand-in that lies on demand.

#[path = "sso/certified.rs"]
mod certified;
#[path = "sso/doors.rs"]
mod doors;
#[path = "sso/logout.rs"]
mod logout;
#[path = "sso/members.rs"]
mod members;
#[path = "sso/providers.rs"]
mod providers;
#[path = "sso/tokens.rs"]
mod tokens;

use anyhow::{Context, Result};
use consigne_tests::{
    app::TestApp,
    client::{Client, Reply},
    people::Member,
    standins::{
        issuer::{Back, CLIENT, Issuer, SECRET, Token},
        names::Names,
    },
};
use serde_json::{Value, json};

/// A workspace whose members sign in at a provider of its own.
struct World {
    app: TestApp,
    issuer: Issuer,
    names: Names,
    /// Its owner, signed in by a password.
    acme: Member,
}

impl World {
    /// Where people of `acme.example` become agents of acme by signing in.
    async fn start() -> Result<Self> {
        let world = Self::without_provider().await?;
        world.configure(json!({})).await?.ok();
        world.show_domain(&world.acme, "acme.example").await?.ok();
        Ok(world)
    }

    /// Where nothing is set up.
    async fn without_provider() -> Result<Self> {
        let (issuer, names) = (Issuer::start().await, Names::start().await);
        let (provider, server) = (issuer.address().to_string(), names.address().to_string());
        let flags = ["--sso-allow", &provider, "--dns-server", &server, "--console-url", "https://console.example/app"];
        let app = TestApp::start_with(&flags).await?;
        let acme = app.workspace("acme").await?;
        Ok(Self { app, issuer, names, acme })
    }

    /// Names the provider, and says `more` of it.
    async fn configure(&self, more: Value) -> Result<Reply> {
        configure(&self.acme, &self.issuer, more).await
    }

    /// Says that a domain is a workspace's, writes the record and has it looked at.
    async fn show_domain(&self, member: &Member, domain: &str) -> Result<Reply> {
        let input = json!({"input": {"domain": domain}});
        let added = member.graphql("add_sign_on_domain", input.clone()).await?.ok();
        let text = |field: &str| added.text(&format!("/addSignOnDomain/domain/{field}"));
        self.names.write(&text("recordName"), &text("recordText"));
        member.graphql("verify_sign_on_domain", input).await
    }

    fn now(&self) -> i64 {
        self.app.clock.now().seconds()
    }

    /// Begins a sign-in: where the browser is sent, and what it keeps.
    async fn begin(&self) -> Result<(String, String)> {
        let input = json!({"input": {"workspaceId": self.acme.workspace}});
        let reply = self.app.public().graphql("begin_single_sign_on", input).await?.ok();
        begun(&reply, "beginSingleSignOn")
    }

    /// Goes all the way, as a person of whom the provider says this.
    async fn sign_on(&self, token: Token) -> Result<Reply> {
        let (url, kept) = self.begin().await?;
        let back = self.issuer.visit(&url, self.now(), token)?;
        complete(&self.app.public(), &kept, &back).await
    }

    /// The same, with these claims, which are good.
    async fn signed_on(&self, claims: Value) -> Result<Client> {
        let reply = self.sign_on(saying(claims)).await?.ok();
        Ok(self.app.public().with_token(reply.text("/completeSingleSignOn/session/accessToken")))
    }
}

/// A rightly signed token that says this.
fn saying(claims: Value) -> Token {
    Token { claims, ..Token::default() }
}

async fn configure(owner: &Client, issuer: &Issuer, more: Value) -> Result<Reply> {
    let mut input = json!({"issuer": issuer.url(), "clientId": CLIENT, "clientSecret": SECRET, "memberRole": "AGENT"});
    for (name, value) in more.as_object().into_iter().flatten() {
        input[name] = value.clone();
    }
    owner.graphql("configure_single_sign_on", json!({"input": input})).await
}

async fn begin(public: &Client, email: &str) -> Result<Reply> {
    public.graphql("begin_single_sign_on", json!({"input": {"email": email}})).await
}

/// Where the browser is sent, and what it keeps.
fn begun(reply: &Reply, field: &str) -> Result<(String, String)> {
    let text = |name: &str| reply.text(&format!("/{field}/{name}"));
    Ok((text("authorizationUrl"), text("signOnToken")))
}

async fn complete(client: &Client, kept: &str, back: &Back) -> Result<Reply> {
    let input = json!({"signOnToken": kept, "state": back.state, "code": back.code, "issuer": back.issuer});
    client.graphql("complete_single_sign_on", json!({"input": input})).await
}

/// Posts what a provider says of a logout: a form of this one field.
async fn post_logout(app: &TestApp, workspace: &str, field: &str, token: &str) -> Result<reqwest::Response> {
    let request = app.public().request(reqwest::Method::POST, &format!("/sso/logout/{workspace}"));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    Ok(request.body(format!("{field}={token}")).send().await?)
}

/// What the first user error says.
fn message(reply: &Reply) -> Result<String> {
    let payloads = reply.body["data"].as_object().context("data")?.values();
    let mut said = payloads.filter_map(|payload| payload["userErrors"][0]["message"].as_str());
    said.next().map(str::to_owned).with_context(|| format!("no error in {}", reply.body))
}
