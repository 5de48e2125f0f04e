//! Where single sign-on is the only way in, and what is kept for when the provider is down.

use anyhow::{Context, Result, ensure};
use consigne_tests::{
    app::{TestApp, days},
    client::{Client, Reply},
    people::Member,
};
use serde_json::{Value, json};
use totp_rs::{Algorithm, Builder, Secret};

use super::{World, saying};

const PASSWORD: &str = "Pelican-Harbour-31-Lantern";

/// How often this alert was raised in this process, as the metrics say it.
fn raised(app: &TestApp, rule: &str) -> u64 {
    let line = format!("consigne_alerts_total{{outcome=\"{rule}\"}} ");
    app.metrics().lines().find_map(|said| said.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
}

/// The owner, signed in anew.
async fn owner(world: &World) -> Result<Member> {
    world.app.owner_in(&world.acme.workspace).await
}

/// Whether the domain counts, and whether its record is missed.
async fn standing(world: &World) -> Result<(bool, bool)> {
    let own = owner(world).await?.graphql("single_sign_on", json!({})).await?.ok();
    let domain = own.get("/singleSignOn/domains/0");
    Ok((domain["verifiedAt"].is_string(), domain["missingSince"].is_string()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domain_whose_record_is_gone_for_a_week_counts_no_more() -> Result<()> {
    const RECORD: &str = "_consigne.acme.example";
    let world = World::start().await?;
    let own = world.acme.graphql("single_sign_on", json!({})).await?.ok();
    let text = own.text("/singleSignOn/domains/0/recordText");
    let next_day = async || {
        world.app.advance(days(1));
        world.app.run_duty("identity.domains").await
    };
    next_day().await?;
    assert_eq!(standing(&world).await?, (true, false));

    // Somebody slipped, and mended it.
    world.names.erase(RECORD);
    next_day().await?;
    assert_eq!(standing(&world).await?, (true, true));
    world.names.write(RECORD, &text);
    next_day().await?;
    assert_eq!(standing(&world).await?, (true, false));

    world.names.erase(RECORD);
    for day in 0..7 {
        next_day().await?;
        assert_eq!(standing(&world).await?, (true, true), "day {day}");
    }
    world.signed_on(json!({"sub": "ana", "email": "ana@acme.example"})).await?;
    next_day().await?;
    assert_eq!(standing(&world).await?, (false, false));
    let refused = world.sign_on(saying(json!({"sub": "bea", "email": "bea@acme.example"}))).await?;
    assert_eq!(refused.user_error(), Some("INVALID_CREDENTIALS"), "{}", refused.body);
    world.app.run_duties().await?;
    assert!(raised(&world.app, "DOMAIN_LOST") >= 1);
    let audited = owner(&world).await?.audited_actions().await?;
    for action in ["missing", "found", "lapsed"].map(|what| format!("sign_on_domain.{what}")) {
        ensure!(audited.contains(&action), "{action} is not among {audited:?}");
    }

    // It comes back as it came in.
    world.show_domain(&owner(&world).await?, "acme.example").await?.ok();
    assert_eq!(standing(&world).await?, (true, false));
    // A name server that does not answer says nothing.
    world.names.stop();
    next_day().await?;
    assert_eq!(standing(&world).await?, (true, false));
    Ok(())
}

async fn add_owner(acme: &Member, email: &str) -> Result<String> {
    let input = json!({"email": email, "password": PASSWORD, "role": "OWNER"});
    Ok(acme.graphql("add_member", json!({"input": input})).await?.ok().text("/addMember/accountId"))
}

async fn sign_in(world: &World, email: &str) -> Result<Reply> {
    let input = json!({"email": email, "password": PASSWORD, "workspaceId": world.acme.workspace});
    world.app.public().graphql("sign_in", json!({"input": input})).await
}

/// The code that an authenticator with this secret shows.
fn code(secret: &str, now: i64) -> Result<String> {
    let secret = Secret::try_from_base32(secret).ok().context("base 32")?;
    let builder = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_step_duration(30);
    let totp = builder.with_secret(secret).build().ok().context("160 bits")?;
    Ok(totp.generate(now.unsigned_abs()).to_string())
}

async fn require(by: &Client, input: Value) -> Result<Reply> {
    by.graphql("require_single_sign_on", json!({"input": input})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn where_it_is_required_a_password_opens_nothing_but_for_one_account_whose_use_is_said() -> Result<()> {
    let world = World::start().await?;
    let kept = add_owner(&world.acme, "safe@acme.example").await?;
    add_owner(&world.acme, "bea@acme.example").await?;
    let (bea, safe) =
        (sign_in(&world, "bea@acme.example").await?.ok(), sign_in(&world, "safe@acme.example").await?.ok());
    let client = |reply: &Reply| world.app.public().with_token(reply.text("/signIn/session/accessToken"));
    let (bea, safe) = (client(&bea), client(&safe));
    let required = require(&world.acme, json!({"isRequired": true, "breakGlassAccountId": kept})).await?.ok();
    assert_eq!(required.get("/requireSingleSignOn/provider/isRequired"), &json!(true));
    // Whoever came by a password is out, but for who asked and the account that is kept.
    assert_eq!(bea.graphql("viewer", json!({})).await?.status, 401);
    safe.graphql("viewer", json!({})).await?.ok();
    world.acme.graphql("viewer", json!({})).await?.ok();

    let refused = sign_in(&world, "bea@acme.example").await?;
    assert_eq!(refused.user_error(), Some("DISABLED"), "{}", refused.body);
    let input =
        json!({"email": "bea@acme.example", "password": "Not-The-Password-1", "workspaceId": world.acme.workspace});
    let wrong = world.app.public().graphql("sign_in", json!({"input": input})).await?;
    assert_eq!(wrong.user_error(), Some("INVALID_CREDENTIALS"), "nobody learns it without the password");
    world.signed_on(json!({"sub": "bea", "email": "bea@acme.example"})).await?;

    world.app.run_duties().await?;
    assert_eq!(raised(&world.app, "BREAK_GLASS"), 0);
    sign_in(&world, "safe@acme.example").await?.ok();
    world.app.run_duties().await?;
    assert_eq!(raised(&world.app, "BREAK_GLASS"), 1);
    let audited = world.acme.audited_actions().await?;
    for action in ["session.break_glass", "alert.raised", "single_sign_on.required"] {
        ensure!(audited.contains(&action.to_owned()), "{action} is not among {audited:?}");
    }

    require(&world.acme, json!({"isRequired": false})).await?.ok();
    sign_in(&world, "bea@acme.example").await?.ok();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_goes_over_into_it_from_another_workspace() -> Result<()> {
    let world = World::start().await?;
    let other = world.app.workspace("other").await?;
    let kept = add_owner(&world.acme, "safe@acme.example").await?;
    require(&world.acme, json!({"isRequired": true, "breakGlassAccountId": kept})).await?.ok();
    let switch = json!({"input": {"workspaceId": world.acme.workspace}});
    let refused = other.graphql("switch_workspace", switch).await?;
    assert_eq!(refused.user_error(), Some("DISABLED"), "{}", refused.body);
    other.graphql("viewer", json!({})).await?.ok();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_locks_a_workspace_whose_key_was_not_tried() -> Result<()> {
    let world = World::without_provider().await?;
    let nothing = require(&world.acme, json!({"isRequired": true})).await?;
    assert_eq!(nothing.user_error(), Some("NOT_FOUND"), "{}", nothing.body);
    world.configure(json!({})).await?.ok();
    let no_domain = require(&world.acme, json!({"isRequired": true})).await?;
    assert_eq!(no_domain.user_error(), Some("CONFLICT"), "{}", no_domain.body);
    world.show_domain(&world.acme, "acme.example").await?.ok();
    let untried = require(&world.acme, json!({"isRequired": true})).await?;
    assert_eq!(untried.user_error(), Some("CONFLICT"), "{}", untried.body);
    let agent = world.acme.agent(&world.app.public(), "agent@acme.example").await?;
    let agent = agent.graphql("viewer", json!({})).await?.ok().text("/viewer/actorId");
    let no_owner = require(&world.acme, json!({"isRequired": true, "breakGlassAccountId": agent})).await?;
    assert_eq!(no_owner.user_error(), Some("INVALID_INPUT"), "{}", no_owner.body);
    let nobody = require(&world.acme, json!({"isRequired": true, "breakGlassAccountId": "nobody"})).await?;
    assert_eq!(nobody.user_error(), Some("NOT_FOUND"), "{}", nobody.body);

    // An owner who came by it has seen that it works.
    add_owner(&world.acme, "bea@acme.example").await?;
    let bea = world.signed_on(json!({"sub": "bea", "email": "bea@acme.example"})).await?;
    require(&bea, json!({"isRequired": true})).await?.ok();
    assert_eq!(sign_in(&world, "bea@acme.example").await?.user_error(), Some("DISABLED"));
    // Another provider was not tried: passwords are back until somebody says so again.
    let other = super::configure(&bea, &world.issuer, json!({"clientId": "another"})).await?.ok();
    assert_eq!(other.get("/configureSingleSignOn/provider/isRequired"), &json!(false));
    sign_in(&world, "bea@acme.example").await?.ok();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_operator_opens_a_workspace_that_nobody_can_open_from_inside() -> Result<()> {
    let world = World::start().await?;
    add_owner(&world.acme, "bea@acme.example").await?;
    let bea = world.signed_on(json!({"sub": "bea", "email": "bea@acme.example"})).await?;
    require(&bea, json!({"isRequired": true})).await?.ok();
    assert_eq!(sign_in(&world, "bea@acme.example").await?.user_error(), Some("DISABLED"));
    let said = world.app.program_says(&["account", "allow-passwords", &world.acme.workspace]).await?;
    ensure!(said.contains(&world.acme.workspace), "{said}");
    sign_in(&world, "bea@acme.example").await?.ok();
    world.sign_on(saying(json!({"sub": "bea", "email": "bea@acme.example"}))).await?.ok();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_a_second_factor_of_its_own_is_not_entered_without_one() -> Result<()> {
    let world = World::start().await?;
    world.configure(json!({"isSecondFactorRequired": false})).await?.ok();
    add_owner(&world.acme, "bea@acme.example").await?;
    let session = sign_in(&world, "bea@acme.example").await?.ok();
    let bea = world.app.public().with_token(session.text("/signIn/session/accessToken"));
    let enrolled = bea.graphql("enrol_second_factor", json!({})).await?.ok();
    let secret = enrolled.text("/enrolSecondFactor/enrolment/secret");
    let code = code(&secret, world.app.clock.now().seconds())?;
    bea.graphql("activate_second_factor", json!({"input": {"code": code}})).await?.ok();
    let without = saying(json!({"sub": "bea", "email": "bea@acme.example", "amr": ["pwd"]}));
    let refused = world.sign_on(without).await?;
    assert_eq!(refused.user_error(), Some("CONFIRMATION_REQUIRED"), "{}", refused.body);
    world.signed_on(json!({"sub": "bea", "email": "bea@acme.example"})).await?;
    Ok(())
}
