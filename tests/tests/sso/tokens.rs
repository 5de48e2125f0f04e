//! What a provider says is believed if all of it holds, once, and from the browser that asked.

use anyhow::Result;
use consigne_tests::{
    app::minutes,
    client::Reply,
    standins::issuer::{Back, Signing, Token},
};
use serde_json::json;

use super::{World, begin, begun, complete, post_logout, saying};

/// Nobody came in.
async fn assert_nobody(world: &World, before: &std::collections::BTreeMap<String, i64>) -> Result<()> {
    let after = world.app.row_counts().await?;
    for table in ["accounts", "memberships", "sessions"] {
        assert_eq!(after[table], before[table], "{table}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_claim_that_does_not_hold_keeps_the_door_shut() -> Result<()> {
    let world = World::start().await?;
    let (before, now) = (world.app.row_counts().await?, world.now());
    let wrong = [
        json!({"iss": "https://evil.example"}),
        json!({"iss": format!("{}/", world.issuer.url())}),
        json!({"iss": null}),
        json!({"aud": "somebody else"}),
        json!({"aud": ["consigne at acme", "somebody else"]}),
        json!({"aud": []}),
        json!({"aud": null}),
        json!({"azp": "somebody else"}),
        json!({"nonce": "another"}),
        json!({"nonce": null}),
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"sub": "x".repeat(256)}),
        json!({"exp": now - 31}),
        json!({"exp": null}),
        json!({"iat": now + 31}),
        json!({"iat": now - 631}),
        json!({"iat": null}),
        json!({"nbf": now + 31}),
        json!({"auth_time": now + 31}),
        json!({"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
        json!({"amr": "mfa"}),
    ];
    for claims in wrong {
        let refused = world.sign_on(saying(claims.clone())).await?;
        assert_eq!(refused.user_error(), Some("INVALID_CREDENTIALS"), "{claims}: {}", refused.body);
    }
    assert_nobody(&world, &before).await?;
    for claims in [
        json!({"exp": now - 29}),
        json!({"iat": now + 29, "nbf": now + 29}),
        json!({"aud": ["consigne at acme"], "azp": "consigne at acme"}),
    ] {
        world.sign_on(saying(claims)).await?.ok();
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_the_provider_did_not_sign_is_nothing() -> Result<()> {
    let world = World::start().await?;
    let before = world.app.row_counts().await?;
    for signing in [
        Signing::Nobody,
        Signing::PublicKeyAsSecret,
        Signing::AnotherKey,
        Signing::UnknownKey,
        Signing::EmbeddedKey,
        Signing::ChangedAfterwards,
        Signing::CriticalHeader,
    ] {
        let refused = world.sign_on(Token { signing, ..Token::default() }).await?;
        assert_eq!(refused.user_error(), Some("INVALID_CREDENTIALS"), "{signing:?}: {}", refused.body);
    }
    assert_nobody(&world, &before).await?;
    world.signed_on(json!({})).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_back_is_taken_once_and_from_the_browser_that_was_sent() -> Result<()> {
    let world = World::start().await?;
    let public = world.app.public();
    let (url, kept) = world.begin().await?;
    let back = world.issuer.visit(&url, world.now(), Token::default())?;

    // Another browser's way back, as in a link that somebody sends; and a code that was caught on its way.
    for is_caught in [false, true] {
        let (url, other_kept) = world.begin().await?;
        let other = world.issuer.visit(&url, world.now(), Token::default())?;
        let foreign = match is_caught {
            true => Back { state: other.state.clone(), ..back.clone() },
            false => back.clone(),
        };
        let refused = complete(&public, &other_kept, &foreign).await?;
        assert_eq!(refused.user_error(), Some("INVALID_CREDENTIALS"), "{}", refused.body);
        let used_up = complete(&public, &other_kept, &other).await?;
        assert_eq!(used_up.user_error(), Some("INVALID_CREDENTIALS"), "by the first try: {}", used_up.body);
    }
    assert_eq!(world.issuer.refused(), ["another verifier"], "PKCE holds at the provider too");

    complete(&public, &kept, &back).await?.ok();
    let replayed = complete(&public, &kept, &back).await?;
    assert_eq!(replayed.user_error(), Some("INVALID_CREDENTIALS"), "{}", replayed.body);
    let (_, kept) = world.begin().await?;
    let replayed = complete(&public, &kept, &back).await?;
    assert_eq!(replayed.user_error(), Some("INVALID_CREDENTIALS"), "{}", replayed.body);
    for nonsense in ["", "nonsense", "tkt_01JDAAAAAAAAAAAAAAAAAAAAAA.AAAA"] {
        let refused = complete(&public, nonsense, &back).await?;
        assert_eq!(refused.user_error(), Some("INVALID_CREDENTIALS"), "{}", refused.body);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_way_ends_after_ten_minutes_and_when_the_provider_is_another_meanwhile() -> Result<()> {
    let world = World::start().await?;
    let (url, kept) = world.begin().await?;
    world.configure(json!({"acceptedAcr": ["gold"]})).await?.ok();
    let back = world.issuer.visit(&url, world.now(), Token::default())?;
    let refused = complete(&world.app.public(), &kept, &back).await?;
    assert_eq!(refused.user_error(), Some("INVALID_CREDENTIALS"), "{}", refused.body);

    let (url, kept) = world.begin().await?;
    world.app.advance(minutes(10));
    let back = world.issuer.visit(&url, world.now(), Token::default())?;
    let refused = complete(&world.app.public(), &kept, &back).await?;
    assert_eq!(refused.user_error(), Some("INVALID_CREDENTIALS"), "{}", refused.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_sent_the_browser_back_has_to_be_the_provider() -> Result<()> {
    let world = World::start().await?;
    for issuer in ["https://evil.example".to_owned(), String::new()] {
        let (url, kept) = world.begin().await?;
        let back = world.issuer.visit(&url, world.now(), Token::default())?;
        let refused = complete(&world.app.public(), &kept, &Back { issuer, ..back }).await?;
        assert_eq!(refused.user_error(), Some("INVALID_CREDENTIALS"), "{}", refused.body);
    }
    let (url, kept) = world.begin().await?;
    let back = world.issuer.visit(&url, world.now(), Token::default())?;
    let input = json!({"signOnToken": kept, "state": back.state, "code": back.code});
    let silent = world.app.public().graphql("complete_single_sign_on", json!({"input": input})).await?;
    assert_eq!(silent.user_error(), Some("INVALID_CREDENTIALS"), "this provider says who it is: {}", silent.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_second_factor_at_the_provider_nobody_comes_in_where_one_is_asked_for() -> Result<()> {
    let world = World::start().await?;
    for claims in [json!({"amr": ["pwd"]}), json!({"amr": null}), json!({"amr": [], "acr": "silver"})] {
        let refused = world.sign_on(saying(claims.clone())).await?;
        assert_eq!(refused.user_error(), Some("CONFIRMATION_REQUIRED"), "{claims}: {}", refused.body);
    }
    world.configure(json!({"acceptedAcr": ["gold"], "acceptedAmr": ["hwk"]})).await?.ok();
    world.signed_on(json!({"amr": ["hwk"]})).await?;
    world.signed_on(json!({"amr": ["pwd"], "acr": "gold"})).await?;
    let refused = world.sign_on(saying(json!({"amr": ["pwd", "mfa"]}))).await?;
    assert_eq!(refused.user_error(), Some("CONFIRMATION_REQUIRED"), "mfa is not among what was named");
    let reply = begin(&world.app.public(), "ana@acme.example").await?.ok();
    let asked = world.issuer.visit(&begun(&reply, "beginSingleSignOn")?.0, world.now(), Token::default())?.asked;
    assert_eq!(asked["acr_values"], "gold");

    world.configure(json!({"isSecondFactorRequired": false})).await?.ok();
    world.signed_on(json!({"amr": ["pwd"]})).await?;
    let input = json!({"isRequired": true, "graceDays": 30});
    world.acme.graphql("require_second_factor", json!({"input": input})).await?.ok();
    let refused = world.sign_on(saying(json!({"amr": ["pwd"]}))).await?;
    assert_eq!(refused.user_error(), Some("CONFIRMATION_REQUIRED"), "the workspace asks everyone: {}", refused.body);
    world.signed_on(json!({})).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_factor_at_the_provider_is_one_here() -> Result<()> {
    let world = World::start().await?;
    let input = json!({"isRequired": true, "graceDays": 0});
    world.acme.graphql("require_second_factor", json!({"input": input})).await?.ok();
    let ana = world.signed_on(json!({})).await?;
    let viewer = ana.graphql("viewer", json!({})).await?.ok();
    assert!(viewer.get("/viewer/permissions").as_array().is_some_and(|all| !all.is_empty()), "{}", viewer.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_may_change_and_an_unknown_one_is_looked_for_once_a_minute() -> Result<()> {
    let world = World::start().await?;
    world.signed_on(json!({})).await?;
    assert_eq!(world.issuer.asked("/keys"), 1);
    world.issuer.change_keys();
    world.signed_on(json!({})).await?;
    assert_eq!(world.issuer.asked("/keys"), 2);

    let forged = Token { signing: Signing::UnknownKey, ..Token::default() };
    for _ in 0..5 {
        let refused = world.sign_on(forged.clone()).await?;
        assert_eq!(refused.user_error(), Some("INVALID_CREDENTIALS"), "{}", refused.body);
    }
    for _ in 0..20 {
        let token = world.issuer.logout_token(world.now(), forged.clone());
        let answer = post_logout(&world.app, &world.acme.workspace, "logout_token", &token).await?;
        assert_eq!(answer.status(), 400);
    }
    assert_eq!(world.issuer.asked("/keys"), 2, "it was looked for less than a minute ago");
    world.app.advance(minutes(1));
    for _ in 0..5 {
        let refused = world.sign_on(forged.clone()).await?;
        assert_eq!(refused.user_error(), Some("INVALID_CREDENTIALS"), "{}", refused.body);
    }
    assert_eq!(world.issuer.asked("/keys"), 3);
    assert_eq!(world.issuer.asked("/.well-known/openid-configuration"), 1, "what it says of itself holds for an hour");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_undone_is_confirmed_at_the_provider_anew() -> Result<()> {
    let world = World::start().await?;
    world.configure(json!({"memberRole": "ADMIN"})).await?.ok();
    let ana = world.signed_on(json!({})).await?;
    let key = json!({"input": {"name": "a program", "permissions": ["KNOWLEDGE_READ"]}});
    ana.graphql("create_api_key", key.clone()).await?.ok();
    // A sign-in there that is old proves nothing of now.
    let old = world.signed_on(json!({"auth_time": world.now() - 301})).await?;
    let late = old.graphql("create_api_key", key.clone()).await?;
    assert_eq!(late.user_error(), Some("CONFIRMATION_REQUIRED"), "{}", late.body);

    let asked = old.graphql("begin_single_sign_on_confirmation", json!({})).await?.ok();
    let way = |reply: &Reply| begun(reply, "beginSingleSignOnConfirmation");
    let (url, kept) = way(&asked)?;
    let back = world.issuer.visit(&url, world.now(), saying(json!({"auth_time": world.now() - 301})))?;
    assert_eq!((back.asked["prompt"].as_str(), back.asked["max_age"].as_str()), ("login", "0"));
    let refused = complete(&old, &kept, &back).await?;
    assert_eq!(refused.user_error(), Some("INVALID_CREDENTIALS"), "it was not proved anew: {}", refused.body);

    for (claims, who, code) in [
        (json!({"auth_time": null}), &old, "INVALID_CREDENTIALS"),
        (json!({"sub": "person-2"}), &old, "INVALID_CREDENTIALS"),
        (json!({"amr": ["pwd"]}), &old, "CONFIRMATION_REQUIRED"),
        (json!({}), &ana, "INVALID_CREDENTIALS"),
        (json!({}), &world.app.public(), "INVALID_CREDENTIALS"),
    ] {
        let (url, kept) = way(&old.graphql("begin_single_sign_on_confirmation", json!({})).await?.ok())?;
        let back = world.issuer.visit(&url, world.now(), saying(claims.clone()))?;
        let refused = complete(who, &kept, &back).await?;
        assert_eq!(refused.user_error(), Some(code), "{claims}: {}", refused.body);
    }
    let (url, kept) = way(&old.graphql("begin_single_sign_on_confirmation", json!({})).await?.ok())?;
    let back = world.issuer.visit(&url, world.now(), Token::default())?;
    let confirmed = complete(&old, &kept, &back).await?.ok();
    assert!(confirmed.get("/completeSingleSignOn/confirmedUntil").is_string());
    assert!(confirmed.body["data"]["completeSingleSignOn"]["session"].is_null(), "{}", confirmed.body);
    old.graphql("create_api_key", key).await?.ok();

    let by_password = world.acme.graphql("begin_single_sign_on_confirmation", json!({})).await?;
    assert_eq!(by_password.user_error(), Some("DISABLED"), "{}", by_password.body);
    Ok(())
}
