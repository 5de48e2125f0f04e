//! Who may come in, how long, and what they may do there.

use anyhow::Result;
use consigne_tests::{
    app::{TestApp, days, minutes},
    people::Visitor,
};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_and_an_unknown_address_are_answered_alike() -> Result<()> {
    let app = TestApp::start().await?;
    let owner = app.owner_credentials();
    let sign_in = async |email: &str, password: &str| {
        let input = json!({"email": email, "password": password});
        app.public().graphql("sign_in", json!({"input": input})).await
    };
    let wrong = sign_in(&owner.email, "not the password of anybody").await?;
    let unknown = sign_in("nobody@example.org", "not the password of anybody").await?;
    assert_eq!(wrong.user_error(), Some("INVALID_CREDENTIALS"));
    assert_eq!(wrong, unknown);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_reads_without_signing_in() -> Result<()> {
    let app = TestApp::start().await?;
    for (operation, variables) in [("workspace", json!({})), ("documents", json!({})), ("audit_log", json!({}))] {
        let refused = app.public().graphql(operation, variables).await?;
        assert_eq!(refused.error(), Some("UNAUTHENTICATED"), "{operation}: {}", refused.body);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_token_ends_after_ten_minutes_and_a_refresh_token_works_once() -> Result<()> {
    let app = TestApp::start().await?;
    let owner = app.owner_credentials();
    let input = json!({"email": owner.email, "password": owner.password});
    let session = app.public().graphql("sign_in", json!({"input": input})).await?.ok();
    let member = app.public().with_token(session.text("/signIn/session/accessToken"));
    assert_eq!(member.graphql("viewer", json!({})).await?.error(), None);
    app.advance(minutes(11));
    assert_eq!(member.graphql("viewer", json!({})).await?.error(), Some("UNAUTHENTICATED"));

    let refresh =
        async |token: &str| app.public().graphql("refresh_session", json!({"input": {"refreshToken": token}})).await;
    let first = session.text("/signIn/session/refreshToken");
    let second = refresh(&first).await?.ok();
    assert_ne!(second.text("/refreshSession/session/refreshToken"), first);
    let member = app.public().with_token(second.text("/refreshSession/session/accessToken"));
    assert_eq!(member.graphql("viewer", json!({})).await?.error(), None);
    // Used again after the grace: somebody else has it, so the whole family ends.
    app.advance(minutes(1));
    assert_eq!(refresh(&first).await?.user_error(), Some("INVALID_CREDENTIALS"));
    assert_eq!(member.graphql("viewer", json!({})).await?.error(), Some("UNAUTHENTICATED"));
    let later = refresh(&second.text("/refreshSession/session/refreshToken")).await?;
    assert_eq!(later.user_error(), Some("INVALID_CREDENTIALS"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn signing_out_ends_the_session_at_once() -> Result<()> {
    let app = TestApp::start().await?;
    let member = app.owner().await?;
    let mut listening = member.listen("document_progress", json!({"documentId": "doc_unknown"})).await;
    member.graphql("sign_out", json!({})).await?.ok();
    assert_eq!(member.graphql("viewer", json!({})).await?.error(), Some("UNAUTHENTICATED"));
    if let Ok(stream) = &mut listening {
        stream.rest().await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_stays_ends_after_thirty_days_however_often_it_is_refreshed() -> Result<()> {
    let app = TestApp::start().await?;
    let owner = app.owner_credentials();
    let input = json!({"email": owner.email, "password": owner.password, "staysSignedIn": true});
    let session = app.public().graphql("sign_in", json!({"input": input})).await?.ok();
    let mut token = session.text("/signIn/session/refreshToken");
    for _ in 0..3 {
        app.advance(days(9));
        let refreshed = app.public().graphql("refresh_session", json!({"input": {"refreshToken": token}})).await?.ok();
        token = refreshed.text("/refreshSession/session/refreshToken");
    }
    app.advance(days(4));
    let refused = app.public().graphql("refresh_session", json!({"input": {"refreshToken": token}})).await?;
    assert_eq!(refused.user_error(), Some("INVALID_CREDENTIALS"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_may_do_what_its_key_says_until_it_is_revoked() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let reader = acme.program(&["KNOWLEDGE_READ"]).await?;
    assert_eq!(reader.graphql("documents", json!({})).await?.error(), None);
    let input = json!({"title": "Mine", "text": "Text."});
    let refused = reader.graphql("add_text_document", json!({"input": input})).await?;
    assert_eq!(refused.error(), Some("FORBIDDEN"));
    let keys = acme.graphql("api_keys", json!({})).await?.ok();
    let input = json!({"apiKeyId": keys.text("/apiKeys/0/id")});
    acme.graphql("revoke_api_key", json!({"input": input})).await?.ok();
    assert_eq!(reader.graphql("documents", json!({})).await?.error(), Some("UNAUTHENTICATED"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_comes_in_from_a_page_of_the_list_only_and_for_thirty_minutes() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let assistant = acme.assistant("Ada").await?;
    let key = acme.publishable_key(&assistant, "https://shop.example").await?;
    let visitor = Visitor::on_page(&app.public(), &key, "https://shop.example").await?;
    visitor.start_chat().await?;
    let input = json!({"publishableKey": key});
    for stranger in [app.public().from_page("https://evil.example"), app.public()] {
        let refused = stranger.graphql("start_visitor_session", json!({"input": input})).await?;
        let code = refused.error().or(refused.user_error());
        assert!(matches!(code, Some("ORIGIN_NOT_ALLOWED" | "FORBIDDEN")), "{}", refused.body);
    }
    app.advance(minutes(31));
    assert_eq!(visitor.graphql("start_chat", json!({})).await?.error(), Some("UNAUTHENTICATED"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_sees_nothing_of_the_workspace_behind_the_assistant() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let assistant = acme.assistant("Ada").await?;
    let visitor = acme.visitor(&assistant).await?;
    for operation in
        ["workspace", "assistants", "documents", "api_keys", "audit_log", "plugins", "recipients", "dead_jobs"]
    {
        let refused = visitor.graphql(operation, json!({})).await?;
        assert_eq!(refused.error(), Some("FORBIDDEN"), "{operation}: {}", refused.body);
    }
    let seen = visitor.graphql("assistant", json!({"id": assistant})).await?.ok();
    assert_eq!(seen.body["data"]["assistant"]["policy"], json!(null), "instructions are the customer's own");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_for_one_workspace() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, other) = (app.workspace("acme").await?, app.workspace("other").await?);
    assert_ne!(acme.workspace, other.workspace);
    assert_eq!(acme.graphql("workspace", json!({})).await?.ok().text("/workspace/name"), "acme");
    assert_eq!(other.graphql("workspace", json!({})).await?.ok().text("/workspace/name"), "other");
    Ok(())
}
