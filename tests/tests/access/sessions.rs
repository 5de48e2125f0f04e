//! Sessions are seen and ended: at once, streams included, on every gateway.

use std::time::Duration;

use anyhow::{Result, ensure};
use consigne_tests::{
    app::{TestApp, minutes},
    database::Database,
    people::Member,
};
use serde_json::{Value, json};

use super::{SignedIn, listening, owner, refresh, sign_in};

const FIREFOX: &str = "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0";

#[tokio::test(flavor = "multi_thread")]
async fn a_session_nobody_uses_ends_after_half_an_hour() -> Result<()> {
    let app = TestApp::start().await?;
    let (used, unused) = (owner(&app).await?, owner(&app).await?);
    app.advance(minutes(9));
    used.client.graphql("viewer", json!({})).await?.ok();
    app.advance(minutes(22));
    let gone = refresh(&app.public(), &unused.refresh_token).await?;
    assert_eq!(gone.user_error(), Some("INVALID_CREDENTIALS"), "31 minutes of rest");
    used.renewed(&app.public()).await?.client.graphql("viewer", json!({})).await?.ok();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn open_sessions_are_listed_with_a_name_and_a_browser_and_no_address() -> Result<()> {
    let app = TestApp::start().await?;
    let browser = app.public().in_browser(FIREFOX);
    let here = SignedIn::as_whom(&browser, &app.owner_credentials()).await?;
    app.advance(minutes(1));
    let there = SignedIn::as_whom(&app.public().in_browser("the laptop of Ana"), &app.owner_credentials()).await?;

    let listed = here.client.graphql("sessions", json!({})).await?.ok();
    let all = listed.get("/sessions").as_array().cloned().unwrap_or_default();
    let seen: Vec<_> = all.iter().map(|s| (s["agent"].clone(), s["isCurrent"].clone(), s["name"].clone())).collect();
    let none = Value::Null;
    assert_eq!(seen, [(json!("Other"), json!(false), none.clone()), (json!("Firefox 131"), json!(true), none)]);
    assert!(!listed.body.to_string().contains("127.0.0.1"), "{}", listed.body);

    let id = all[1]["id"].as_str().unwrap_or_default();
    let named =
        here.client.graphql("name_session", json!({"input": {"sessionId": id, "name": " At home "}})).await?.ok();
    assert_eq!(named.text("/nameSession/session/name"), "At home");
    let again = there.client.graphql("sessions", json!({})).await?.ok();
    assert_eq!(again.text("/sessions/1/name"), "At home");
    let too_long = json!({"input": {"sessionId": id, "name": "x".repeat(101)}});
    assert_eq!(here.client.graphql("name_session", too_long).await?.user_error(), Some("INVALID_INPUT"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_sees_and_ends_the_sessions_of_a_member_here_and_nobody_elses() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let agent = acme.agent(&app.public(), "agent@acme.example").await?;
    let account = agent.graphql("viewer", json!({})).await?.ok().text("/viewer/actorId");
    let listed = acme.graphql("sessions", json!({"accountId": account})).await?.ok();
    assert_eq!(listed.get("/sessions").as_array().map(Vec::len), Some(1));

    let owners = acme.graphql("viewer", json!({})).await?.ok().text("/viewer/actorId");
    let refused = agent.graphql("sessions", json!({"accountId": owners})).await?;
    assert_eq!(refused.error(), Some("FORBIDDEN"));
    let of_owner = acme.graphql("sessions", json!({})).await?.ok().text("/sessions/0/id");
    let refused = agent.graphql("revoke_session", json!({"input": {"sessionId": of_owner}})).await?;
    assert_eq!(refused.user_error(), Some("NOT_FOUND"), "as if there were none");
    // The same person owns both workspaces, and the agent is in one of them.
    let other = app.workspace("other").await?;
    assert_eq!(
        other.graphql("sessions", json!({"accountId": account})).await?.ok().body["data"]["sessions"],
        json!([])
    );

    let ended = acme.graphql("revoke_all_sessions", json!({"input": {"accountId": account}})).await?.ok();
    assert_eq!(ended.number("/revokeAllSessions/revoked"), 1);
    assert_eq!(agent.graphql("viewer", json!({})).await?.status, 401);
    acme.graphql("viewer", json!({})).await?.ok();
    assert!(acme.audited_actions().await?.contains(&"session.all_revoked".to_owned()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_sessions_end_in_all_workspaces_but_the_one_that_asks() -> Result<()> {
    let app = TestApp::start().await?;
    let (first, acme, other) = (owner(&app).await?, app.workspace("acme").await?, app.workspace("other").await?);
    let ended = acme.graphql("revoke_all_sessions", json!({"input": {"keepsCurrent": true}})).await?.ok();
    // Two of `app.workspace`, the one behind it, and ours; but for the one that asks.
    assert_eq!(ended.number("/revokeAllSessions/revoked"), 3);
    for gone in [&first.client, &*other] {
        assert_eq!(gone.graphql("viewer", json!({})).await?.status, 401);
    }
    acme.graphql("viewer", json!({})).await?.ok();
    acme.graphql("revoke_all_sessions", json!({"input": {}})).await?.ok();
    assert_eq!(acme.graphql("viewer", json!({})).await?.status, 401);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_goes_over_to_another_workspace_and_leaves_the_first() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, other) = (app.workspace("acme").await?, app.workspace("other").await?);
    let switch = json!({"input": {"workspaceId": other.workspace}});
    let switched = acme.graphql("switch_workspace", switch).await?.ok();
    assert_eq!(switched.text("/switchWorkspace/session/workspaceId"), other.workspace);
    let there = SignedIn::of(&app.public(), &switched, "switchWorkspace");
    assert_eq!(there.client.graphql("workspace", json!({})).await?.ok().text("/workspace/name"), "other");
    assert_eq!(acme.graphql("viewer", json!({})).await?.status, 401);

    let agent = other.agent(&app.public(), "agent@other.example").await?;
    let back = json!({"input": {"workspaceId": acme.workspace}});
    assert_eq!(agent.graphql("switch_workspace", back).await?.user_error(), Some("NOT_FOUND"));
    agent.graphql("viewer", json!({})).await?.ok();
    Ok(())
}

async fn revoke(by: &SignedIn, member: &Member) -> Result<()> {
    let session = member.graphql("sessions", json!({})).await?.ok();
    let current = session.get("/sessions").as_array().cloned().unwrap_or_default();
    let current = current.iter().find(|session| session["isCurrent"] == true).cloned().unwrap_or_default();
    by.client.graphql("revoke_session", json!({"input": {"sessionId": current["id"]}})).await?.ok();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_session_is_out_within_a_second_and_its_streams_close() -> Result<()> {
    let app = TestApp::start().await?;
    let by = owner(&app).await?;
    for over_websocket in [true, false] {
        let acme = app.workspace(if over_websocket { "over websocket" } else { "over events" }).await?;
        let mut listener = listening(&app, &acme, &acme, over_websocket).await?;
        revoke(&by, &acme).await?;
        let (took, last) = listener.over().await;
        ensure!(took < Duration::from_secs(1), "{took:?}");
        ensure!(last.contains("UNAUTHENTICATED") || last.contains("4401"), "{last}");
        assert_eq!(acme.graphql("viewer", json!({})).await?.status, 401);
    }
    Ok(())
}

/// Through the database's own notices; SQLite serves one process alone.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_revoked_at_one_gateway_is_out_at_the_other() -> Result<()> {
    let app = TestApp::start().await?;
    let Database::Postgres { .. } = &app.database else { return Ok(()) };
    let by = owner(&app).await?;
    let acme = app.workspace("acme").await?;
    let other = app.another_gateway().await?;
    let there = acme.at(&other.url);
    there.graphql("viewer", json!({})).await?.ok();
    let mut listener = listening(&app, &there, &there, true).await?;
    revoke(&by, &acme).await?;
    let (took, last) = listener.over().await;
    ensure!(took < Duration::from_secs(1), "{took:?}");
    ensure!(last.contains("UNAUTHENTICATED") || last.contains("4401"), "{last}");
    assert_eq!(there.graphql("viewer", json!({})).await?.status, 401);
    other.stop().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_out_at_once_too() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let program = acme.program(&["CHATS_READ", "CHATS_ANSWER"]).await?;
    let mut listener = {
        let assistant = acme.assistant("Ada").await?;
        acme.call_people(&assistant, &["recorder"], json!({})).await?;
        let mut listener = program.listen("inbox_events", json!({"after": 0})).await?;
        let visitor = acme.visitor(&assistant).await?;
        visitor.request_person(&visitor.start_chat().await?).await?;
        listener.next().await?;
        listener
    };
    let keys = acme.graphql("api_keys", json!({})).await?.ok();
    acme.graphql("revoke_api_key", json!({"input": {"apiKeyId": keys.text("/apiKeys/0/id")}})).await?.ok();
    let (took, last) = listener.over().await;
    ensure!(took < Duration::from_secs(1), "{took:?}: {last}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_can_be_asked_to_stay() -> Result<()> {
    let app = TestApp::start().await?;
    let stays = sign_in(&app.public(), &app.owner_credentials(), json!({"staysSignedIn": true})).await?.ok();
    let stays = SignedIn::of(&app.public(), &stays, "signIn");
    app.advance(minutes(60 * 24 * 13));
    let renewed = stays.renewed(&app.public()).await?;
    let listed = renewed.client.graphql("sessions", json!({})).await?.ok();
    assert_eq!(listed.get("/sessions/0/staysSignedIn"), &json!(true));
    app.advance(minutes(60 * 24 * 14));
    let gone = refresh(&app.public(), &renewed.refresh_token).await?;
    assert_eq!(gone.user_error(), Some("INVALID_CREDENTIALS"));
    Ok(())
}
