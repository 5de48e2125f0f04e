//! Against a provider that the OpenID Foundation certified: npm `oidc-provider`, with a browser that signs in there. Needs Node
//! with npm; where they are missing, the tests say so and pass.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use consigne_tests::{
    app::TestApp,
    client::{Client, Reply},
    people::Member,
    standins::{issuer::Back, names::Names},
};
use reqwest::Url;
use serde_json::{Value, json};

use super::{begin, begun, complete};
use crate::clients::node::{self, Script};

/// A workspace and the provider, on ports of their own.
struct Certified {
    app: TestApp,
    acme: Member,
    script: Script,
    port: u16,
    _names: Names,
}

/// A port that was free a moment ago: the product and the provider each have to know where the other is.
fn free_port() -> Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

impl Certified {
    /// `None` where the machine lacks what runs the provider.
    async fn start(alg: &str) -> Result<Option<Self>> {
        let (port, names) = (free_port()?, Names::start().await);
        let (provider, server) = (format!("127.0.0.1:{port}"), names.address().to_string());
        let flags = ["--sso-allow", &provider, "--dns-server", &server, "--console-url", "https://console.example/app"];
        // What the provider signs bears its own time.
        let app = TestApp::start_now(&flags).await?;
        let acme = app.workspace("acme").await?;
        let Some(script) = provider_at(port, "first", alg, &app, &acme).await? else { return Ok(None) };
        let input = json!({
            "issuer": format!("http://127.0.0.1:{port}"), "clientId": "consigne",
            "clientSecret": "a secret of thirty-two characters", "memberRole": "EDITOR",
        });
        acme.graphql("configure_single_sign_on", json!({"input": input})).await?.ok();
        let domain = json!({"input": {"domain": "acme.example"}});
        let added = acme.graphql("add_sign_on_domain", domain.clone()).await?.ok();
        let text = |field: &str| added.text(&format!("/addSignOnDomain/domain/{field}"));
        names.write(&text("recordName"), &text("recordText"));
        acme.graphql("verify_sign_on_domain", domain).await?.ok();
        Ok(Some(Self { app, acme, script, port, _names: names }))
    }

    /// Stops the provider and starts it at the same place, with another key.
    async fn restart(self, kid: &str, alg: &str) -> Result<Self> {
        let Self { app, acme, script, port, _names } = self;
        script.ends().await?;
        let script = provider_at(port, kid, alg, &app, &acme).await?.context("it ran a moment ago")?;
        Ok(Self { app, acme, script, port, _names })
    }

    /// Sends a browser there, and answers with what it came back with.
    async fn visit(&mut self, url: &str, jar: &str, proof: Value) -> Result<Back> {
        let mut wish = json!({"visit": url, "jar": jar});
        for (name, value) in proof.as_object().into_iter().flatten() {
            wish[name] = value.clone();
        }
        let said = self.script.ask(&wish).await?;
        let back = Url::parse(said["back"].as_str().with_context(|| format!("no way back: {said}"))?)?;
        let text = |name: &str| {
            let mut found = back.query_pairs().filter(|(known, _)| known == name).map(|(_, value)| value.into_owned());
            found.next().with_context(|| format!("no {name} in {back}"))
        };
        Ok(Back { code: text("code")?, state: text("state")?, issuer: text("iss")?, asked: Default::default() })
    }

    /// The product's clock shows the provider's time again, however long it took to get there.
    #[expect(clippy::disallowed_methods, reason = "somebody else's clock is what the product's is set by")]
    fn on_time(&self) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        let behind = i64::try_from(now)? - self.app.clock.now().0;
        self.app.advance(Duration::from_millis(behind.max(0).unsigned_abs()));
        Ok(())
    }

    async fn sign_on(&mut self, email: &str, jar: &str, proof: Value) -> Result<Reply> {
        self.on_time()?;
        let (url, kept) = begun(&begin(&self.app.public(), email).await?.ok(), "beginSingleSignOn")?;
        let back = self.visit(&url, jar, proof).await?;
        complete(&self.app.public(), &kept, &back).await
    }

    fn client(&self, reply: &Reply) -> Client {
        self.app.public().with_token(reply.text("/completeSingleSignOn/session/accessToken"))
    }
}

async fn provider_at(port: u16, kid: &str, alg: &str, app: &TestApp, acme: &Member) -> Result<Option<Script>> {
    let asked = json!({
        "port": port, "kid": kid, "alg": alg, "redirectUri": "https://console.example/app/sso",
        "logoutUri": format!("{}/sso/logout/{}", app.url(), acme.workspace),
    });
    let Some(mut script) = node::start("provider.mjs", &asked).await? else { return Ok(None) };
    script.says("listening").await?;
    Ok(Some(script))
}

/// What a provider says of somebody who had a second factor.
fn two_factors() -> Value {
    json!({"amr": ["pwd", "otp", "mfa"]})
}

#[tokio::test(flavor = "multi_thread")]
async fn people_come_in_by_a_certified_provider_with_a_second_factor_and_not_without() -> Result<()> {
    for alg in ["RS256", "ES256"] {
        let Some(mut world) = Certified::start(alg).await? else { return Ok(()) };
        let one_factor = world.sign_on("ana@acme.example", "one", json!({"amr": ["pwd"]})).await?;
        assert_eq!(one_factor.user_error(), Some("CONFIRMATION_REQUIRED"), "{alg}: {}", one_factor.body);
        let unverified = world.sign_on("unverified@acme.example", "two", two_factors()).await?;
        assert_eq!(unverified.user_error(), Some("INVALID_CREDENTIALS"), "{alg}: {}", unverified.body);
        let reply = world.sign_on("ana@acme.example", "three", two_factors()).await?.ok();
        assert_eq!(reply.text("/completeSingleSignOn/session/role"), "EDITOR");
        let ana = world.client(&reply);
        let sessions = ana.graphql("sessions", json!({})).await?.ok();
        assert_eq!(sessions.get("/sessions/0/amr"), &json!(["pwd", "otp", "mfa"]), "{alg}");
        assert_eq!(ana.graphql("account", json!({})).await?.ok().text("/account/email"), "ana@acme.example");
        println!("{alg}: signed in at oidc-provider on port {}", world.port);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certified_provider_changes_its_keys() -> Result<()> {
    let Some(mut world) = Certified::start("RS256").await? else { return Ok(()) };
    world.sign_on("ana@acme.example", "one", two_factors()).await?.ok();
    let mut world = world.restart("second", "RS256").await?;
    world.sign_on("ana@acme.example", "two", two_factors()).await?.ok();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certified_provider_asks_anew_for_a_confirmation() -> Result<()> {
    let Some(mut world) = Certified::start("RS256").await? else { return Ok(()) };
    let reply = world.sign_on("ana@acme.example", "one", two_factors()).await?.ok();
    let ana = world.client(&reply);
    world.on_time()?;
    let asked = ana.graphql("begin_single_sign_on_confirmation", json!({})).await?.ok();
    let (url, kept) = begun(&asked, "beginSingleSignOnConfirmation")?;
    // The browser is signed in there already, and is asked all the same.
    let back = world.visit(&url, "one", two_factors()).await?;
    let confirmed = complete(&ana, &kept, &back).await?.ok();
    assert!(confirmed.get("/completeSingleSignOn/confirmedUntil").is_string(), "{}", confirmed.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_out_at_a_certified_provider_is_out_here_streams_included() -> Result<()> {
    let Some(mut world) = Certified::start("RS256").await? else { return Ok(()) };
    let ana = world.sign_on("ana@acme.example", "ana", two_factors()).await?.ok();
    let ben = world.sign_on("ben@acme.example", "ben", two_factors()).await?.ok();
    let (ana, ben) = (world.client(&ana), world.client(&ben));
    let mut listener =
        ana.listen_over_websocket("document_progress", json!({"documentId": document(&world.acme).await?})).await?;
    listener.next().await?;
    let said = world.script.ask(&json!({"logOut": "ana"})).await?;
    assert_eq!(said, json!({"loggedOut": "told"}));
    let ended =
        tokio::time::timeout(Duration::from_secs(1), async { while let Ok(Some(_)) = listener.next().await {} });
    ensure!(ended.await.is_ok(), "the stream goes on");
    assert_eq!(ana.graphql("viewer", json!({})).await?.status, 401);
    ben.graphql("viewer", json!({})).await?.ok();
    Ok(())
}

async fn document(acme: &Member) -> Result<String> {
    acme.add_text("Handbook", "The desk opens at nine.").await
}
