//! The second factor: two steps to sign in, a code works once, and what cannot be undone is confirmed first.

use anyhow::{Context, Result};
use consigne_tests::{
    app::{Credentials, TestApp, days, minutes},
    canary::Canary,
    client::{Client, Reply},
};
use serde_json::json;
use totp_rs::{Algorithm, Builder, Secret, Totp};

use super::{SignedIn, owner, sign_in};

/// An authenticator that was given a secret.
struct Authenticator(Totp);

impl Authenticator {
    fn new(secret: &str) -> Result<Self> {
        let secret = Secret::try_from_base32(secret).ok().context("base 32")?;
        let builder = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_step_duration(30);
        Ok(Self(builder.with_secret(secret).build().ok().context("160 bits")?))
    }

    /// The code of the product's own moment.
    fn code(&self, app: &TestApp) -> String {
        self.0.generate(app.clock.now().seconds().unsigned_abs()).to_string()
    }
}

/// Enrols an authenticator for this member; answers it and the recovery codes.
async fn enrol(app: &TestApp, member: &Client) -> Result<(Authenticator, Vec<String>)> {
    let begun = member.graphql("enrol_second_factor", json!({})).await?.ok();
    let authenticator = Authenticator::new(&begun.text("/enrolSecondFactor/enrolment/secret"))?;
    let input = json!({"code": authenticator.code(app)});
    let active = member.graphql("activate_second_factor", json!({"input": input})).await?.ok();
    let codes = active.get("/activateSecondFactor/recoveryCodes").as_array().cloned().unwrap_or_default();
    let codes = codes.iter().filter_map(|code| code.as_str().map(str::to_owned)).collect();
    // The code that enrolled is used up; the next sign-in has another.
    app.advance(minutes(1));
    Ok((authenticator, codes))
}

async fn second_step(app: &TestApp, who: &Credentials) -> Result<String> {
    let begun = sign_in(&app.public(), who, json!({})).await?.ok();
    assert!(begun.body["data"]["signIn"]["session"].is_null(), "no session yet: {}", begun.body);
    Ok(begun.text("/signIn/secondStep/signInToken"))
}

async fn complete(app: &TestApp, token: &str, proof: serde_json::Value) -> Result<Reply> {
    let mut input = proof;
    input["signInToken"] = json!(token);
    app.public().graphql("complete_sign_in", json!({"input": input})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_in_takes_two_steps_and_a_code_works_once() -> Result<()> {
    let app = TestApp::start().await?;
    let (who, first) = (app.owner_credentials(), owner(&app).await?);
    let (authenticator, codes) = enrol(&app, &first.client).await?;
    assert_eq!(codes.len(), 10);
    let standing = first.client.graphql("second_factor", json!({})).await?.ok();
    assert_eq!(standing.number("/secondFactor/recoveryCodesLeft"), 10);

    // Who does not know the password sees nothing of it.
    let wrong = Credentials { email: who.email.clone(), password: "not the password of anybody".into() };
    let nobody = Credentials { email: "nobody@example.org".into(), password: wrong.password.clone() };
    let (of_wrong, of_nobody) =
        (sign_in(&app.public(), &wrong, json!({})).await?, sign_in(&app.public(), &nobody, json!({})).await?);
    assert_eq!((of_wrong.user_error(), &of_wrong), (Some("INVALID_CREDENTIALS"), &of_nobody));

    let token = second_step(&app, &who).await?;
    let code = authenticator.code(&app);
    let wrong = complete(&app, &token, json!({"code": "000000"})).await?;
    let not_a_token = complete(&app, "tkt_nonsense", json!({"code": code})).await?;
    assert_eq!((wrong.user_error(), &wrong), (Some("INVALID_CREDENTIALS"), &not_a_token));
    let signed_in = complete(&app, &token, json!({"code": code})).await?.ok();
    let member = SignedIn::of(&app.public(), &signed_in, "completeSignIn");
    member.client.graphql("viewer", json!({})).await?.ok();

    // Neither the token nor the code works again, and no code of an earlier moment.
    let again = complete(&app, &token, json!({"code": code})).await?;
    assert_eq!(again.user_error(), Some("INVALID_CREDENTIALS"));
    let token = second_step(&app, &who).await?;
    assert_eq!(complete(&app, &token, json!({"code": code})).await?.user_error(), Some("INVALID_CREDENTIALS"));
    app.advance(minutes(1));
    let next = authenticator.code(&app);
    complete(&app, &token, json!({"code": next})).await?.ok().get("/completeSignIn/session");
    // The first step is soon over.
    let token = second_step(&app, &who).await?;
    app.advance(minutes(5));
    let late = complete(&app, &token, json!({"code": authenticator.code(&app)})).await?;
    assert_eq!(late.user_error(), Some("INVALID_CREDENTIALS"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_tries_with_one_code_at_the_same_moment_one_comes_in() -> Result<()> {
    let app = TestApp::start().await?;
    let (who, first) = (app.owner_credentials(), owner(&app).await?);
    let (authenticator, codes) = enrol(&app, &first.client).await?;
    for proof in [json!({"code": authenticator.code(&app)}), json!({"recoveryCode": codes[0]})] {
        let (one, two) = (second_step(&app, &who).await?, second_step(&app, &who).await?);
        let (a, b) = tokio::try_join!(complete(&app, &one, proof.clone()), complete(&app, &two, proof.clone()))?;
        let came_in = [&a, &b].into_iter().filter(|reply| reply.user_error().is_none()).count();
        assert_eq!(came_in, 1, "{proof}: {} {}", a.body, b.body);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recovery_code_works_once_and_new_ones_take_the_place_of_the_old() -> Result<()> {
    let app = TestApp::start().await?;
    let (who, first) = (app.owner_credentials(), owner(&app).await?);
    let (_, codes) = enrol(&app, &first.client).await?;
    let token = second_step(&app, &who).await?;
    let typed = codes[0].to_uppercase().replace('-', " ");
    let signed_in = complete(&app, &token, json!({"recoveryCode": typed})).await?.ok();
    let member = SignedIn::of(&app.public(), &signed_in, "completeSignIn");
    let token = second_step(&app, &who).await?;
    let again = complete(&app, &token, json!({"recoveryCode": codes[0]})).await?;
    assert_eq!(again.user_error(), Some("INVALID_CREDENTIALS"));
    let renewed = member.client.graphql("renew_recovery_codes", json!({})).await?.ok();
    let old = complete(&app, &token, json!({"recoveryCode": codes[1]})).await?;
    assert_eq!(old.user_error(), Some("INVALID_CREDENTIALS"));
    let new = renewed.text("/renewRecoveryCodes/recoveryCodes/0");
    complete(&app, &token, json!({"recoveryCode": new})).await?.ok().get("/completeSignIn/session");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_cannot_be_guessed_for_long() -> Result<()> {
    let app = TestApp::start().await?;
    let (who, first) = (app.owner_credentials(), owner(&app).await?);
    let (authenticator, _) = enrol(&app, &first.client).await?;
    let token = second_step(&app, &who).await?;
    for guess in 0..5 {
        let wrong = complete(&app, &token, json!({"code": format!("{guess:06}")})).await?;
        assert_eq!(wrong.user_error(), Some("INVALID_CREDENTIALS"));
    }
    let right = json!({"code": authenticator.code(&app)});
    assert_eq!(complete(&app, &token, right.clone()).await?.user_error(), Some("RATE_LIMITED"));
    // Another first step gives no new tries.
    let token = second_step(&app, &who).await?;
    assert_eq!(complete(&app, &token, right).await?.user_error(), Some("RATE_LIMITED"));
    app.advance(minutes(3));
    let right = json!({"code": authenticator.code(&app)});
    complete(&app, &token, right).await?.ok().get("/completeSignIn/session");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_undone_is_confirmed_first() -> Result<()> {
    let app = TestApp::start().await?;
    let first = owner(&app).await?;
    let key = json!({"input": {"name": "a program", "permissions": ["KNOWLEDGE_READ"]}});
    // A sign-in counts for five minutes, and without a second factor the password does.
    first.client.graphql("create_api_key", key.clone()).await?.ok();
    app.advance(minutes(6));
    let refused = first.client.graphql("create_api_key", key.clone()).await?;
    assert_eq!(refused.user_error(), Some("CONFIRMATION_REQUIRED"));
    let wrong = json!({"input": {"password": "not the password of anybody"}});
    let wrong = first.client.graphql("confirm_second_factor", wrong).await?;
    assert_eq!(wrong.user_error(), Some("INVALID_CREDENTIALS"));
    let password = json!({"input": {"password": app.owner_credentials().password}});
    first.client.graphql("confirm_second_factor", password.clone()).await?.ok();
    first.client.graphql("create_api_key", key.clone()).await?.ok();

    let (authenticator, _) = enrol(&app, &first.client).await?;
    let first = first.renewed(&app.public()).await?;
    app.advance(minutes(6));
    let assistant = json!({"input": {"name": "Ada", "languages": ["en"]}});
    let made = first.client.graphql("create_assistant", assistant).await?.ok();
    let input = json!({"assistantId": made.text("/createAssistant/assistant/id")});
    let visitor = first.client.graphql("create_visitor_token", json!({"input": input})).await?.ok();
    let subject = visitor.text("/createVisitorToken/visitorSession/subjectId");
    let erase = json!({"input": {"subjectId": subject, "idempotencyKey": "1"}});
    let member =
        json!({"input": {"email": "a@acme.example", "password": "Pelican-Harbour-31-Lantern", "role": "AGENT"}});
    let require = json!({"input": {"isRequired": true}});
    let sensitive = [
        ("create_api_key", key),
        ("erase_subject", erase),
        ("add_member", member),
        ("require_second_factor", require),
        ("renew_recovery_codes", json!({})),
        ("disable_second_factor", json!({})),
    ];
    for (operation, variables) in &sensitive {
        let refused = first.client.graphql(operation, variables.clone()).await?;
        assert_eq!(refused.user_error(), Some("CONFIRMATION_REQUIRED"), "{operation}: {}", refused.body);
    }
    let by_password = first.client.graphql("confirm_second_factor", password).await?;
    assert_eq!(by_password.user_error(), Some("INVALID_CREDENTIALS"), "the password is no second factor");
    let code = json!({"input": {"code": authenticator.code(&app)}});
    first.client.graphql("confirm_second_factor", code).await?.ok();
    for (operation, variables) in &sensitive[..4] {
        first.client.graphql(operation, variables.clone()).await?.ok();
    }
    let kept = first.client.graphql("disable_second_factor", json!({})).await?;
    assert_eq!(kept.user_error(), Some("CONFLICT"), "the workspace asks everyone for one");
    first.client.graphql("require_second_factor", json!({"input": {"isRequired": false}})).await?.ok();
    first.client.graphql("disable_second_factor", json!({})).await?.ok();
    sign_in(&app.public(), &app.owner_credentials(), json!({})).await?.ok().get("/signIn/session");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_may_ask_everyone_for_a_second_factor_after_a_grace() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let early = json!({"email": "early@acme.example", "password": "Pelican-Harbour-31-Lantern", "role": "AGENT"});
    acme.graphql("add_member", json!({"input": early})).await?.ok();
    enrol(&app, &acme).await?;
    let required = json!({"input": {"isRequired": true, "graceDays": 3}});
    acme.graphql("require_second_factor", required).await?.ok();
    let late = json!({"email": "late@acme.example", "password": "Pelican-Harbour-31-Lantern", "role": "AGENT"});
    acme.graphql("add_member", json!({"input": late})).await?.ok();

    for email in ["early@acme.example", "late@acme.example"] {
        let who = Credentials { email: email.into(), password: "Pelican-Harbour-31-Lantern".into() };
        let member = SignedIn::as_whom(&app.public(), &who).await?;
        let standing = member.client.graphql("second_factor", json!({})).await?.ok();
        assert_eq!(standing.get("/secondFactor/isRequired"), &json!(true));
        assert!(standing.text("/secondFactor/mustEnrolFrom").starts_with("2026-11-26T"), "{}", standing.body);
        member.client.graphql("workspace", json!({})).await?.ok();
    }
    app.advance(days(4));
    let who = Credentials { email: "early@acme.example".into(), password: "Pelican-Harbour-31-Lantern".into() };
    let member = SignedIn::as_whom(&app.public(), &who).await?;
    for operation in ["workspace", "chats", "documents"] {
        assert_eq!(member.client.graphql(operation, json!({})).await?.error(), Some("FORBIDDEN"), "{operation}");
    }
    enrol(&app, &member.client).await?;
    member.client.graphql("workspace", json!({})).await?.ok();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_second_factor_is_readable_anywhere() -> Result<()> {
    let app = TestApp::start().await?;
    let first = owner(&app).await?;
    let begun = first.client.graphql("enrol_second_factor", json!({})).await?.ok();
    let secret = begun.text("/enrolSecondFactor/enrolment/secret");
    let authenticator = Authenticator::new(&secret)?;
    let input = json!({"code": authenticator.code(&app)});
    let active = first.client.graphql("activate_second_factor", json!({"input": input})).await?.ok();
    app.advance(minutes(1));
    let token = second_step(&app, &app.owner_credentials()).await?;
    complete(&app, &token, json!({"code": authenticator.code(&app)})).await?.ok();
    let recovery = active.text("/activateSecondFactor/recoveryCodes/0");
    let random = token.split_once('.').context("id and secret")?.1.to_owned();
    for text in [secret, recovery, random, app.owner_credentials().email, app.owner_credentials().password] {
        app.assert_absent(&Canary::of(&text)).await?;
    }
    Ok(())
}
