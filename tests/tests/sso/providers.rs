//! Naming a provider: who may, which ones, and what it is told.

use anyhow::Result;
use consigne_tests::{
    app::TestApp,
    people::Member,
    standins::issuer::{Issuer, Token},
};
use serde_json::json;

use super::{World, begun, complete, configure, message, saying};

/// A colleague with this role, signed in.
async fn colleague(world: &World, role: &str) -> Result<Member> {
    let (email, password) = (format!("{}@acme.example", role.to_lowercase()), "Pelican-Harbour-31-Lantern");
    let input = json!({"email": email, "password": password, "role": role});
    world.acme.graphql("add_member", json!({"input": input})).await?.ok();
    Member::sign_in(&world.app.public(), &email, password, Some(&world.acme.workspace)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_inside_is_not_reached_and_nobody_learns_what_is_there() -> Result<()> {
    let world = World::without_provider().await?;
    let inside = Issuer::start().await;
    for issuer in [
        inside.url(),
        "http://127.0.0.1/".into(),
        "https://127.0.0.1/".into(),
        "https://localhost/".into(),
        "https://10.0.0.1/".into(),
        "https://169.254.169.254/latest".into(),
        "https://[::1]/".into(),
        "https://[::ffff:127.0.0.1]/".into(),
        "https://2130706433/".into(),
        "https://0x7f.1/".into(),
        "https://metadata.google.internal/".into(),
        "https://printer.local/".into(),
        "http://www.example.com/".into(),
        "https://www.example.com:8443/".into(),
        "https://user:password@www.example.com/".into(),
        "https://www.example.com/?tenant=1".into(),
        "https://www.example.com/#tenant".into(),
        "ftp://www.example.com/".into(),
        "file:///etc/passwd".into(),
        "javascript:alert(1)".into(),
        "".into(),
        "not a url".into(),
    ] {
        let refused = world.configure(json!({"issuer": issuer})).await?;
        assert_eq!(refused.user_error(), Some("INVALID_INPUT"), "{issuer}: {}", refused.body);
        assert_eq!(refused.body["data"]["configureSingleSignOn"]["userErrors"][0]["field"][1], "issuer", "{issuer}");
    }
    assert_eq!(inside.asked("/.well-known/openid-configuration"), 0);
    // One that is let through says that its keys are inside.
    world.issuer.show_keys_at(&format!("{}/keys", inside.url()));
    let refused = world.configure(json!({})).await?;
    assert_eq!(refused.user_error(), Some("INVALID_INPUT"), "{}", refused.body);
    assert_eq!(inside.asked("/keys"), 0);
    let nothing = world.acme.graphql("single_sign_on", json!({})).await?.ok();
    assert!(nothing.body["data"]["singleSignOn"]["provider"].is_null(), "{}", nothing.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_that_says_it_is_another_is_none() -> Result<()> {
    let world = World::without_provider().await?;
    for issuer in [format!("{}/", world.issuer.url()), world.issuer.url().replace("/tenant", "/Tenant")] {
        let refused = world.configure(json!({"issuer": issuer})).await?;
        assert_eq!(refused.user_error(), Some("INVALID_INPUT"), "{issuer}: {}", refused.body);
    }
    world.configure(json!({})).await?.ok();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_inside_is_let_through_in_production() -> Result<()> {
    let started = TestApp::start_with(&["--production", "--sso-allow", "127.0.0.1:1"]).await;
    let refused = started.err().map(|error| format!("{error:#}")).unwrap_or_default();
    assert!(refused.contains("CONSIGNE_SSO_ALLOW"), "{refused}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_owner_who_just_proved_it_names_a_provider_and_nobody_becomes_an_owner_by_it() -> Result<()> {
    let world = World::start().await?;
    for role in ["ADMIN", "DPO", "AGENT"] {
        let who = colleague(&world, role).await?;
        let refused = configure(&who, &world.issuer, json!({})).await?;
        assert_eq!(refused.error(), Some("FORBIDDEN"), "{role}: {}", refused.body);
        for (operation, input) in [
            ("add_sign_on_domain", json!({"domain": "more.example"})),
            ("verify_sign_on_domain", json!({"domain": "acme.example"})),
            ("remove_sign_on_domain", json!({"domain": "acme.example"})),
            ("require_single_sign_on", json!({"isRequired": false})),
        ] {
            let refused = who.graphql(operation, json!({"input": input})).await?;
            assert_eq!(refused.error(), Some("FORBIDDEN"), "{role}: {operation}: {}", refused.body);
        }
        let seen = who.graphql("single_sign_on", json!({})).await?;
        assert_eq!(seen.error().is_none(), role == "ADMIN", "{role}: {}", seen.body);
    }
    let program = world.acme.program(&["WORKSPACE_WRITE"]).await?;
    assert_eq!(configure(&program, &world.issuer, json!({})).await?.error(), Some("FORBIDDEN"));
    for role in ["OWNER", "VISITOR"] {
        let refused = world.configure(json!({"memberRole": role})).await?;
        assert_eq!(refused.user_error(), Some("INVALID_INPUT"), "{role}");
    }
    world.app.advance(std::time::Duration::from_secs(301));
    let late = world.configure(json!({})).await?;
    assert_eq!(late.user_error(), Some("CONFIRMATION_REQUIRED"), "{}", late.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_goes_to_the_issuer_that_it_was_given_for_and_to_no_other() -> Result<()> {
    let (first, second) = (Issuer::start().await, World::without_provider().await?);
    let both = format!("{},{}", first.address(), second.issuer.address());
    let app = TestApp::start_with(&["--sso-allow", &both]).await?;
    let acme = app.workspace("acme").await?;
    configure(&acme, &first, json!({})).await?.ok();
    let kept = json!({"clientSecret": null});
    let same = configure(&acme, &first, kept.clone()).await?.ok();
    assert_eq!(same.get("/configureSingleSignOn/provider/hasClientSecret"), &json!(true));
    let other = configure(&acme, &second.issuer, kept).await?.ok();
    assert_eq!(other.get("/configureSingleSignOn/provider/hasClientSecret"), &json!(false));
    let back = configure(&acme, &first, json!({"clientSecret": null})).await?.ok();
    assert_eq!(back.get("/configureSingleSignOn/provider/hasClientSecret"), &json!(false));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_that_is_down_is_said_to_be_and_works_when_it_is_back() -> Result<()> {
    let world = World::start().await?;
    let (url, kept) = world.begin().await?;
    let back = world.issuer.visit(&url, world.now(), Token::default())?;
    world.issuer.break_with(Some(503));
    let down = complete(&world.app.public(), &kept, &back).await?;
    assert_eq!(down.user_error(), Some("TEMPORARILY_UNAVAILABLE"), "{}", down.body);
    assert!(message(&down)?.contains("does not answer"), "{}", down.body);
    // What it says of itself has to be asked for anew.
    world.app.advance(std::time::Duration::from_secs(3_601));
    let input = json!({"input": {"workspaceId": world.acme.workspace}});
    for _ in 0..4 {
        let down = world.app.public().graphql("begin_single_sign_on", input.clone()).await?;
        assert_eq!(down.user_error(), Some("TEMPORARILY_UNAVAILABLE"), "{}", down.body);
    }
    assert_eq!(world.issuer.asked("/.well-known/openid-configuration"), 2, "it is left alone for a while");
    world.issuer.break_with(None);
    world.app.advance(std::time::Duration::from_secs(6));
    world.signed_on(json!({})).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_the_provider_does_not_take_is_for_the_owner_to_mend() -> Result<()> {
    let world = World::start().await?;
    world.configure(json!({"clientSecret": "another"})).await?.ok();
    let refused = world.sign_on(Token::default()).await?;
    assert_eq!(refused.user_error(), Some("MISCONFIGURED"), "{}", refused.body);
    assert_eq!(world.issuer.refused(), ["client"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_may_be_told_apart_from_the_token() -> Result<()> {
    let world = World::start().await?;
    world.issuer.tell_apart();
    world.signed_on(json!({})).await?;
    assert_eq!(world.issuer.asked("/me"), 1);
    let refused = world.sign_on(saying(json!({"email_verified": false}))).await?;
    assert_eq!(refused.user_error(), Some("INVALID_CREDENTIALS"), "{}", refused.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_came_by_a_provider_is_out_when_it_is_switched_off_or_is_another() -> Result<()> {
    let world = World::start().await?;
    let ana = world.signed_on(json!({})).await?;
    world.configure(json!({"acceptedAcr": ["gold"]})).await?.ok();
    ana.graphql("viewer", json!({})).await?.ok();
    world.configure(json!({"isEnabled": false})).await?.ok();
    assert_eq!(ana.graphql("viewer", json!({})).await?.status, 401);
    let input = json!({"input": {"workspaceId": world.acme.workspace}});
    let off = world.app.public().graphql("begin_single_sign_on", input).await?;
    assert_eq!(off.user_error(), Some("DISABLED"), "{}", off.body);

    world.configure(json!({})).await?.ok();
    let ana = world.signed_on(json!({})).await?;
    world.configure(json!({"clientId": "another"})).await?.ok();
    assert_eq!(ana.graphql("viewer", json!({})).await?.status, 401);
    world.configure(json!({})).await?.ok();
    // Ids of another client are others: she is found by her address again.
    world.signed_on(json!({"sub": "person-9"})).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_counts_when_its_record_was_seen() -> Result<()> {
    let world = World::without_provider().await?;
    world.configure(json!({})).await?.ok();
    let domain = json!({"input": {"domain": " ACME.example. "}});
    let early = world.acme.graphql("verify_sign_on_domain", domain.clone()).await?;
    assert_eq!(early.user_error(), Some("NOT_FOUND"), "{}", early.body);
    let added = world.acme.graphql("add_sign_on_domain", domain.clone()).await?.ok();
    let text = |field: &str| added.text(&format!("/addSignOnDomain/domain/{field}"));
    assert_eq!((text("domain"), text("recordName")), ("acme.example".into(), "_consigne.acme.example".into()));
    let again = world.acme.graphql("add_sign_on_domain", domain.clone()).await?.ok();
    assert_eq!(again.get("/addSignOnDomain/domain"), added.get("/addSignOnDomain/domain"));
    for (name, written) in [
        ("", String::new()),
        ("_consigne.acme.example", format!("{}x", text("recordText"))),
        ("acme.example", text("recordText")),
        ("_consigne.www.acme.example", text("recordText")),
    ] {
        world.names.write(name, &written);
        let unseen = world.acme.graphql("verify_sign_on_domain", domain.clone()).await?;
        assert_eq!(unseen.user_error(), Some("CONFLICT"), "{name}: {}", unseen.body);
    }
    world.names.write("_consigne.acme.example", &text("recordText"));
    let seen = world.acme.graphql("verify_sign_on_domain", domain.clone()).await?.ok();
    assert!(seen.get("/verifySignOnDomain/domain/verifiedAt").is_string());
    world.signed_on(json!({})).await?;
    for bad in ["", "localhost", "acme", "127.0.0.1", "a@b.example", "acme.example/x"] {
        let refused = world.acme.graphql("add_sign_on_domain", json!({"input": {"domain": bad}})).await?;
        assert_eq!(refused.user_error(), Some("INVALID_INPUT"), "{bad}");
    }
    world.acme.graphql("remove_sign_on_domain", domain).await?.ok();
    assert_eq!(world.sign_on(Token::default()).await?.user_error(), Some("INVALID_CREDENTIALS"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_provider_says_what_has_to_be_registered_there() -> Result<()> {
    let world = World::start().await?;
    let shown = world.acme.graphql("single_sign_on", json!({})).await?.ok();
    assert_eq!(shown.text("/singleSignOn/redirectUri"), "https://console.example/app/sso");
    let logout = format!("{}/sso/logout/{}", world.app.url(), world.acme.workspace);
    assert_eq!(shown.text("/singleSignOn/logoutUri"), logout);
    let reply = world.app.public().graphql("begin_single_sign_on", json!({"input": {}})).await?;
    assert_eq!(reply.user_error(), Some("INVALID_INPUT"), "{}", reply.body);
    let input = json!({"input": {"workspaceId": world.acme.workspace}});
    let reply = world.app.public().graphql("begin_single_sign_on", input).await?.ok();
    let (url, kept) = begun(&reply, "beginSingleSignOn")?;
    assert!(!url.contains(&kept), "what the browser keeps goes nowhere");
    Ok(())
}
