//! The provider says that a sign-in is over, and it is.

use std::time::Duration;

use anyhow::{Result, ensure};
use consigne_tests::standins::issuer::{Signing, Token};
use serde_json::{Value, json};

use super::{World, post_logout, saying};
use crate::access::listening;

async fn log_out(world: &World, workspace: &str, token: &str) -> Result<u16> {
    let answer = post_logout(&world.app, workspace, "logout_token", token).await?;
    ensure!(answer.headers()["cache-control"] == "no-store", "{:?}", answer.headers());
    Ok(answer.status().as_u16())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_subscription_is_closed_within_a_second_and_the_session_is_over() -> Result<()> {
    let world = World::start().await?;
    let ana = world.signed_on(json!({})).await?;
    let elsewhere = world.signed_on(json!({"sid": "sign-in-2"})).await?;
    let mut listener = listening(&world.app, &ana, &world.acme, true).await?;
    let token = world.issuer.logout_token(world.now(), Token::default());
    assert_eq!(log_out(&world, &world.acme.workspace, &token).await?, 200);
    let (took, last) = listener.over().await;
    ensure!(took < Duration::from_secs(1), "{took:?}");
    ensure!(last.contains("UNAUTHENTICATED") || last.contains("4401"), "{last}");
    assert_eq!(ana.graphql("viewer", json!({})).await?.status, 401);
    elsewhere.graphql("viewer", json!({})).await?.ok();
    world.acme.graphql("viewer", json!({})).await?.ok();
    ensure!(world.acme.audited_actions().await?.contains(&"session.revoked".to_owned()));

    // The same again is no logout, and another one about the person ends what is left.
    let back_in = world.signed_on(json!({})).await?;
    assert_eq!(log_out(&world, &world.acme.workspace, &token).await?, 400, "it was taken before");
    back_in.graphql("viewer", json!({})).await?.ok();
    let of_person = world.issuer.logout_token(world.now(), saying(json!({"sid": null})));
    assert_eq!(log_out(&world, &world.acme.workspace, &of_person).await?, 200);
    for gone in [&back_in, &elsewhere] {
        assert_eq!(gone.graphql("viewer", json!({})).await?.status, 401);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_logout_token_that_does_not_hold_ends_nothing() -> Result<()> {
    let world = World::start().await?;
    let other = world.app.workspace("other").await?;
    let (ana, now) = (world.signed_on(json!({})).await?, world.now());
    let event = "http://schemas.openid.net/event/backchannel-logout";
    let claims: [Value; 20] = [
        json!({"iss": "https://evil.example"}),
        json!({"aud": "somebody else"}),
        json!({"aud": ["consigne at acme", "somebody else"]}),
        json!({"iat": null}),
        json!({"iat": now - 631}),
        json!({"iat": now + 31}),
        json!({"exp": null}),
        json!({"exp": now - 31}),
        json!({"jti": null}),
        json!({"jti": ""}),
        json!({"nonce": "n"}),
        json!({"events": null}),
        json!({"events": {}}),
        json!({"events": [event]}),
        json!({"events": event}),
        json!({"events": {event: "x"}}),
        json!({"events": {"http://schemas.openid.net/event/other": {}}}),
        json!({"sub": null, "sid": null}),
        json!({"sub": "person-2"}),
        json!({"sid": "sign-in-2"}),
    ];
    for (number, claims) in claims.iter().enumerate() {
        let token = world.issuer.logout_token(now, saying(claims.clone()));
        let status = log_out(&world, &world.acme.workspace, &token).await?;
        // The last two hold, and are about somebody else or another sign-in.
        assert_eq!(status, if number < 18 { 400 } else { 200 }, "{claims}");
        ana.graphql("viewer", json!({})).await?.ok();
    }
    for signing in [
        Signing::Nobody,
        Signing::PublicKeyAsSecret,
        Signing::AnotherKey,
        Signing::UnknownKey,
        Signing::EmbeddedKey,
        Signing::ChangedAfterwards,
    ] {
        let token = world.issuer.logout_token(now, Token { signing, ..Token::default() });
        assert_eq!(log_out(&world, &world.acme.workspace, &token).await?, 400, "{signing:?}");
    }
    let good = world.issuer.logout_token(now, Token::default());
    for elsewhere in [other.workspace.as_str(), "nonsense", "ws_01JDAAAAAAAAAAAAAAAAAAAAAA"] {
        assert_eq!(log_out(&world, elsewhere, &good).await?, 400, "{elsewhere}");
    }
    let path = format!("/sso/logout/{}", world.acme.workspace);
    let json = world.app.public().request(reqwest::Method::POST, &path).json(&json!({"logout_token": good}));
    assert_eq!(json.send().await?.status(), 400);
    assert_eq!(post_logout(&world.app, &world.acme.workspace, "token", &good).await?.status(), 400);
    let long = "x".repeat(30_000);
    assert_eq!(post_logout(&world.app, &world.acme.workspace, "logout_token", &long).await?.status(), 400);
    ana.graphql("viewer", json!({})).await?.ok();
    assert_eq!(log_out(&world, &world.acme.workspace, &good).await?, 200);
    assert_eq!(ana.graphql("viewer", json!({})).await?.status, 401);
    Ok(())
}
