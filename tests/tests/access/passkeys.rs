//! Passkeys: real ceremonies with somebody else's authenticator, which is asked as a browser asks.

use anyhow::{Context, Result};
use consigne_tests::{
    app::{TestApp, minutes},
    canary::Canary,
    client::{Client, Reply},
};
use serde_json::{Value, json};

use super::{SignedIn, owner, sign_in};
use crate::clients::node::{self, Script};

/// Where the console is, and what a browser calls that page.
const CONSOLE: &str = "https://console.example.org/app";
const ORIGIN: &str = "https://console.example.org";

/// A workspace whose owner has a device with passkeys.
struct World {
    app: TestApp,
    owner: SignedIn,
    device: Script,
}

/// `None` where the machine lacks Node.
async fn world() -> Result<Option<World>> {
    let Some(mut device) = node::start("authenticator.mjs", &json!({})).await? else { return Ok(None) };
    device.says("ready").await?;
    let app = TestApp::start_with(&["--console-url", CONSOLE]).await?;
    let owner = owner(&app).await?;
    Ok(Some(World { app, owner, device }))
}

/// What was begun: the options for the browser, and the token.
fn begun(reply: &Reply, field: &str) -> (Value, String) {
    (reply.get(&format!("/{field}/options")).clone(), reply.text(&format!("/{field}/passkeyToken")))
}

impl World {
    /// The credential that the device gives; `more` says how it is asked.
    async fn credential(&mut self, asked: Value) -> Result<Value> {
        let mut wish = json!({"origin": ORIGIN});
        for (name, value) in asked.as_object().context("an object")? {
            wish[name] = value.clone();
        }
        let answer = self.device.ask(&wish).await?;
        let credential = answer.get("credential").with_context(|| format!("the device refused: {answer}"))?;
        Ok(credential.clone())
    }

    async fn create(&mut self, options: &Value) -> Result<Value> {
        self.credential(json!({"create": options})).await
    }

    async fn get(&mut self, options: &Value) -> Result<Value> {
        self.credential(json!({"get": options})).await
    }

    /// Registers a passkey for this member.
    async fn register(&mut self, member: &Client, name: &str) -> Result<Reply> {
        let reply = member.graphql("begin_passkey_registration", json!({})).await?.ok();
        let (options, token) = begun(&reply, "beginPasskeyRegistration");
        let credential = self.create(&options).await?;
        register(member, &token, &credential, name).await
    }

    /// Signs in with whatever passkey the device has.
    async fn sign_in(&mut self) -> Result<Reply> {
        let (options, token) = self.begin_sign_in().await?;
        let credential = self.get(&options).await?;
        complete(&self.app.public(), &token, &credential).await
    }

    async fn begin_sign_in(&self) -> Result<(Value, String)> {
        let reply = self.app.public().graphql("begin_passkey_sign_in", json!({"input": {}})).await?.ok();
        Ok(begun(&reply, "beginPasskeySignIn"))
    }

    async fn second_step(&self) -> Result<Reply> {
        Ok(sign_in(&self.app.public(), &self.app.owner_credentials(), json!({})).await?.ok())
    }
}

async fn register(member: &Client, token: &str, credential: &Value, name: &str) -> Result<Reply> {
    let input = json!({"passkeyToken": token, "credential": credential, "name": name});
    member.graphql("register_passkey", json!({"input": input})).await
}

async fn complete(client: &Client, token: &str, credential: &Value) -> Result<Reply> {
    let input = json!({"passkeyToken": token, "credential": credential});
    client.graphql("complete_passkey", json!({"input": input})).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_signs_in_alone_and_is_the_second_step_behind_a_password() -> Result<()> {
    let Some(mut world) = world().await? else { return Ok(()) };
    let owner = world.owner.client.clone();
    let made = world.register(&owner, "My key").await?.ok();
    let codes = made.get("/registerPasskey/recoveryCodes").as_array().cloned().unwrap_or_default();
    assert_eq!((codes.len(), made.text("/registerPasskey/passkey/name")), (10, "My key".to_owned()));
    let standing = owner.graphql("second_factor", json!({})).await?.ok();
    assert_eq!(standing.text("/secondFactor/passkeys/0/id"), made.text("/registerPasskey/passkey/id"));
    assert_eq!(standing.number("/secondFactor/recoveryCodesLeft"), 10);
    assert!(standing.body["data"]["secondFactor"]["activeSince"].is_null(), "there are no codes");

    let signed_in = world.sign_in().await?.ok();
    let by_passkey = SignedIn::of(&world.app.public(), &signed_in, "completePasskey");
    by_passkey.client.graphql("viewer", json!({})).await?.ok();
    // What cannot be undone needs nothing more for five minutes.
    let standing = by_passkey.client.graphql("second_factor", json!({})).await?.ok();
    assert!(!standing.get("/secondFactor/confirmedUntil").is_null());
    assert!(!standing.get("/secondFactor/passkeys/0/lastUsedAt").is_null());

    // The password alone opens nothing any more.
    let begun_by_password = world.second_step().await?;
    assert!(begun_by_password.body["data"]["signIn"]["session"].is_null());
    assert_eq!(begun_by_password.get("/signIn/secondStep/methods"), &json!(["PASSKEY", "RECOVERY_CODE"]));
    let sign_in_token = begun_by_password.text("/signIn/secondStep/signInToken");
    let input = json!({"input": {"signInToken": sign_in_token}});
    let second = world.app.public().graphql("begin_passkey_second_step", input.clone()).await?.ok();
    let (options, token) = begun(&second, "beginPasskeySecondStep");
    assert_eq!(options["allowCredentials"].as_array().map(Vec::len), Some(1));
    let credential = world.get(&options).await?;
    complete(&world.app.public(), &token, &credential).await?.ok();
    let again = world.app.public().graphql("begin_passkey_second_step", input).await?;
    assert_eq!(again.user_error(), Some("INVALID_CREDENTIALS"), "the token of the first step works once");

    // Whoever lost the device has the codes.
    let token = world.second_step().await?.text("/signIn/secondStep/signInToken");
    let input = json!({"signInToken": token, "recoveryCode": codes[0]});
    world.app.public().graphql("complete_sign_in", json!({"input": input})).await?.ok();

    let log = owner.graphql("audit_log", json!({})).await?.ok().body.to_string();
    for action in ["passkey.registered", "passkey.used", "session.opened"] {
        assert!(log.contains(action), "{action} is in the log");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_right_opens_nothing_and_says_nothing() -> Result<()> {
    let Some(mut world) = world().await? else { return Ok(()) };
    let (app, owner) = (world.app.public(), world.owner.client.clone());
    world.register(&owner, "").await?.ok();
    world.sign_in().await?.ok();
    let right = async |world: &mut World| -> Result<(String, Value)> {
        let (options, token) = world.begin_sign_in().await?;
        let credential = world.get(&options).await?;
        Ok((token, credential))
    };

    // The token is used up by whatever is shown with it, and no answer is one to another challenge.
    let (token, credential) = right(&mut world).await?;
    let (other, _) = right(&mut world).await?;
    let refused = complete(&app, &other, &credential).await?;
    assert_eq!(refused.user_error(), Some("INVALID_CREDENTIALS"));
    complete(&app, &token, &credential).await?.ok();
    let mut refusals =
        vec![complete(&app, &token, &credential).await?, complete(&app, "tkt_nonsense", &credential).await?];

    // A device that does not count on, one that asks nobody who they are, one that nobody knows.
    world.sign_in().await?.ok();
    for how in [json!({"counts": 0}), json!({"isVerified": false})] {
        let (options, token) = world.begin_sign_in().await?;
        let mut asked = how;
        asked["get"] = options;
        let credential = world.credential(asked).await?;
        refusals.push(complete(&app, &token, &credential).await?);
    }
    let (token, mut credential) = right(&mut world).await?;
    (credential["id"], credential["rawId"]) = (json!("AAAA"), json!("AAAA"));
    refusals.push(complete(&app, &token, &credential).await?);
    // One that says it is somebody else's, or does not say whose, and what is no credential at all.
    for handle in [json!("AAAA"), Value::Null] {
        let (token, mut credential) = right(&mut world).await?;
        credential["response"]["userHandle"] = handle;
        refusals.push(complete(&app, &token, &credential).await?);
    }
    let (token, _) = right(&mut world).await?;
    refusals.push(complete(&app, &token, &json!({"type": "public-key"})).await?);
    // Too late.
    let (token, credential) = right(&mut world).await?;
    world.app.advance(minutes(5));
    refusals.push(complete(&app, &token, &credential).await?);
    for (number, refusal) in refusals.iter().enumerate() {
        assert_eq!(refusal.user_error(), Some("INVALID_CREDENTIALS"), "{number}: {}", refusal.body);
    }
    // Nothing of it harmed the passkey.
    world.sign_in().await?.ok();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_algorithm_that_is_asked_for_is_taken() -> Result<()> {
    let Some(mut world) = world().await? else { return Ok(()) };
    let owner = world.owner.client.clone();
    for algorithm in ["ES256", "RS256", "EdDSA"] {
        let reply = owner.graphql("begin_passkey_registration", json!({})).await?.ok();
        let (mut options, token) = begun(&reply, "beginPasskeyRegistration");
        // The device would not make a second one for this account.
        options["excludeCredentials"] = json!([]);
        let credential = world.credential(json!({"create": options, "algorithm": algorithm})).await?;
        let id = credential["id"].clone();
        register(&owner, &token, &credential, algorithm).await?.ok();
        let (mut options, token) = world.begin_sign_in().await?;
        options["allowCredentials"] = json!([{"type": "public-key", "id": id}]);
        let credential = world.get(&options).await?;
        complete(&world.app.public(), &token, &credential).await?.ok();
    }
    let standing = owner.graphql("second_factor", json!({})).await?.ok();
    assert_eq!(standing.get("/secondFactor/passkeys").as_array().map(Vec::len), Some(3));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_credential_is_registered_once_by_the_session_that_asked_for_it() -> Result<()> {
    let Some(mut world) = world().await? else { return Ok(()) };
    let owner = world.owner.client.clone();
    let other = SignedIn::as_whom(&world.app.public(), &world.app.owner_credentials()).await?;
    let reply = owner.graphql("begin_passkey_registration", json!({})).await?.ok();
    let (options, token) = begun(&reply, "beginPasskeyRegistration");
    let credential = world.create(&options).await?;
    let elsewhere = register(&other.client, &token, &credential, "").await?;
    assert_eq!(elsewhere.user_error(), Some("INVALID_CREDENTIALS"));
    assert_eq!(register(&owner, &token, &credential, "").await?.user_error(), Some("INVALID_CREDENTIALS"), "used up");

    // An answer to another challenge, made without asking who is there, or to the other ceremony.
    let fresh = async |world: &World| -> Result<(Value, String)> {
        let reply = world.owner.client.graphql("begin_passkey_registration", json!({})).await?.ok();
        Ok(begun(&reply, "beginPasskeyRegistration"))
    };
    let (_, token) = fresh(&world).await?;
    let reply = register(&owner, &token, &credential, "").await?;
    assert_eq!(reply.user_error(), Some("INVALID_INPUT"), "{}", reply.body);
    let (options, token) = fresh(&world).await?;
    let unverified = world.credential(json!({"create": options, "isVerified": false})).await?;
    assert_eq!(register(&owner, &token, &unverified, "").await?.user_error(), Some("INVALID_INPUT"));

    // One that is registered is not registered again, here or for somebody else.
    world.register(&owner, "").await?.ok();
    let (options, _) = fresh(&world).await?;
    assert_eq!(
        options["excludeCredentials"].as_array().map(Vec::len),
        Some(1),
        "the device is told not to make another"
    );
    let long = "n".repeat(101);
    let (options, token) = fresh(&world).await?;
    let mut allowed = options.clone();
    allowed["excludeCredentials"] = json!([]);
    let credential = world.create(&allowed).await?;
    assert_eq!(register(&owner, &token, &credential, &long).await?.user_error(), Some("INVALID_INPUT"));
    register(&owner, &token, &credential, "a shorter one").await?.ok();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_passkey_confirms_the_session_that_asks() -> Result<()> {
    let Some(mut world) = world().await? else { return Ok(()) };
    let owner = world.owner.client.clone();
    let id = world.register(&owner, "").await?.ok().text("/registerPasskey/passkey/id");
    let signed_in = world.sign_in().await?.ok();
    let member = SignedIn::of(&world.app.public(), &signed_in, "completePasskey");
    world.app.advance(minutes(6));
    let remove = json!({"input": {"passkeyId": id}});
    let refused = member.client.graphql("remove_passkey", remove.clone()).await?;
    assert_eq!(refused.user_error(), Some("CONFIRMATION_REQUIRED"));
    // No password where there is a second factor.
    let password = json!({"input": {"password": world.app.owner_credentials().password}});
    let refused = member.client.graphql("confirm_second_factor", password).await?;
    assert_eq!(refused.user_error(), Some("INVALID_CREDENTIALS"));

    let reply = member.client.graphql("begin_passkey_confirmation", json!({})).await?.ok();
    let (options, token) = begun(&reply, "beginPasskeyConfirmation");
    let credential = world.get(&options).await?;
    let by_other = complete(&owner, &token, &credential).await?;
    assert_eq!(by_other.user_error(), Some("INVALID_CREDENTIALS"), "another session");
    let reply = member.client.graphql("begin_passkey_confirmation", json!({})).await?.ok();
    let (options, token) = begun(&reply, "beginPasskeyConfirmation");
    let credential = world.get(&options).await?;
    let confirmed = complete(&member.client, &token, &credential).await?.ok();
    assert!(!confirmed.get("/completePasskey/confirmedUntil").is_null());
    assert!(confirmed.body["data"]["completePasskey"]["session"].is_null());
    member.client.graphql("remove_passkey", remove).await?.ok();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_second_factor_stays_where_a_workspace_asks_for_one() -> Result<()> {
    let Some(mut world) = world().await? else { return Ok(()) };
    let owner = world.owner.client.clone();
    let stranger = world.app.workspace("acme").await?.agent(&world.app.public(), "agent@acme.example").await?;
    let id = world.register(&owner, "first").await?.ok().text("/registerPasskey/passkey/id");
    let renamed = owner.graphql("rename_passkey", json!({"input": {"passkeyId": id, "name": " blue "}})).await?.ok();
    assert_eq!(renamed.text("/renamePasskey/passkey/name"), "blue");
    // Somebody else's is as one that nobody has.
    for operation in ["rename_passkey", "remove_passkey"] {
        let of = |id: &str| match operation {
            "rename_passkey" => json!({"input": {"passkeyId": id, "name": "mine"}}),
            _ => json!({"input": {"passkeyId": id}}),
        };
        let theirs = stranger.graphql(operation, of(&id)).await?;
        let nobodys = stranger.graphql(operation, of("pk_01j00000000000000000000000")).await?;
        assert_eq!((theirs.user_error(), &theirs), (Some("NOT_FOUND"), &nobodys));
    }

    let required = json!({"input": {"isRequired": true, "graceDays": 0}});
    let standing = owner.graphql("require_second_factor", required).await?.ok();
    let must_enrol_from = &standing.body["data"]["requireSecondFactor"]["secondFactor"]["mustEnrolFrom"];
    assert!(must_enrol_from.is_null(), "a passkey is one");
    let remove = json!({"input": {"passkeyId": id}});
    assert_eq!(owner.graphql("remove_passkey", remove.clone()).await?.user_error(), Some("CONFLICT"));
    owner.graphql("require_second_factor", json!({"input": {"isRequired": false}})).await?.ok();
    owner.graphql("remove_passkey", remove).await?.ok();
    let standing = owner.graphql("second_factor", json!({})).await?.ok();
    assert_eq!(standing.number("/secondFactor/recoveryCodesLeft"), 0, "they went with it");
    assert_eq!(world.sign_in().await?.user_error(), Some("INVALID_CREDENTIALS"), "it opens nothing any more");
    let by_password = world.second_step().await?;
    assert!(!by_password.get("/signIn/session").is_null(), "the password does again");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_domain_there_are_no_passkeys() -> Result<()> {
    let app = TestApp::start().await?;
    let member = owner(&app).await?;
    let refused = member.client.graphql("begin_passkey_registration", json!({})).await?;
    assert_eq!(refused.user_error(), Some("DISABLED"), "{}", refused.body);
    let refused = app.public().graphql("begin_passkey_sign_in", json!({"input": {}})).await?;
    assert_eq!(refused.user_error(), Some("DISABLED"), "{}", refused.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_account_leaves_no_passkey() -> Result<()> {
    let Some(mut world) = world().await? else { return Ok(()) };
    let acme = world.app.workspace("acme").await?;
    let email = "agent@acme.example";
    let agent = acme.agent(&world.app.public(), email).await?;
    let name = Canary::new();
    world.register(&agent, &name.to_string()).await?.ok();
    world.sign_in().await?.ok();
    assert_eq!(world.app.rows("passkeys").await?, 1);
    world.app.program_says(&["account", "erase", email]).await?;
    assert_eq!(world.app.rows("passkeys").await?, 0);
    assert_eq!(world.sign_in().await?.user_error(), Some("INVALID_CREDENTIALS"));
    world.app.assert_absent(&name).await
}
