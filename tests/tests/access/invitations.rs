//! People are let in by invitation, and what they may do is changed.

use anyhow::{Context, Result};
use consigne_tests::app::{Credentials, TestApp, days};
use serde_json::json;

use super::{
    SignedIn,
    accounts::{token_to, with_mail},
    call, sign_in,
};

const PASSWORD: &str = "Pelican-Harbour-31-Lantern";

fn who(email: &str) -> Credentials {
    Credentials { email: email.to_owned(), password: PASSWORD.to_owned() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_is_mailed_to_its_address_alone_and_makes_a_member_once() -> Result<()> {
    let Some((app, smtp)) = with_mail(&[]).await? else { return Ok(()) };
    let acme = app.workspace("acme").await?;
    let input = json!({"email": "new@acme.example", "role": "EDITOR"});
    let invited = call(&acme, "invite_member", input).await?.ok();
    assert!(invited.body["data"]["inviteMember"]["token"].is_null(), "who invites does not see it: {}", invited.body);
    let token = token_to(&app, &smtp, "new@acme.example", 0).await?;

    let without = call(&app.public(), "accept_invitation", json!({"token": token})).await?;
    assert_eq!(without.user_error(), Some("INVALID_INPUT"), "a new account needs a password");
    let input = json!({"token": token, "password": PASSWORD});
    let public = app.public();
    let (one, two) = tokio::try_join!(
        call(&public, "accept_invitation", input.clone()),
        call(&public, "accept_invitation", input.clone()),
    )?;
    let done = [&one, &two].into_iter().filter(|reply| reply.user_error().is_none()).count();
    assert_eq!(done, 1, "{} {}", one.body, two.body);
    let editor = SignedIn::as_whom(&app.public(), &who("new@acme.example")).await?;
    let account = editor.client.graphql("account", json!({})).await?.ok();
    account.get("/account/emailVerifiedAt");
    let viewer = editor.client.graphql("viewer", json!({})).await?.ok();
    assert_eq!(viewer.text("/viewer/workspaceId"), acme.workspace);
    let listed = acme.graphql("invitations", json!({})).await?.ok();
    assert_eq!(listed.text("/invitations/0/email"), "new@acme.example");
    listed.get("/invitations/0/acceptedAt");
    assert_eq!(editor.client.graphql("invitations", json!({})).await?.error(), Some("FORBIDDEN"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn somebody_with_an_account_joins_a_further_workspace_by_signing_in_first() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, other) = (app.workspace("acme").await?, app.workspace("other").await?);
    let agent = acme.agent(&app.public(), "agent@acme.example").await?;
    let input = json!({"email": "agent@acme.example", "role": "EDITOR", "days": 2});
    let invited = call(&other, "invite_member", input).await?.ok();
    let token = invited.text("/inviteMember/token");
    let anonymous = json!({"token": token, "password": "Kupfer-Dachs-19-Regen"});
    let refused = call(&app.public(), "accept_invitation", anonymous.clone()).await?;
    assert_eq!(refused.user_error(), Some("CONFLICT"));
    let stranger = acme.agent(&app.public(), "stranger@acme.example").await?;
    assert_eq!(call(&stranger, "accept_invitation", anonymous).await?.user_error(), Some("CONFLICT"));
    let accepted = call(&agent, "accept_invitation", json!({"token": token})).await?.ok();
    assert_eq!(accepted.text("/acceptInvitation/workspaceId"), other.workspace);
    let again = call(&agent, "accept_invitation", json!({"token": token})).await?;
    assert_eq!(again.user_error(), Some("INVALID_CREDENTIALS"));

    let switched = call(&agent, "switch_workspace", json!({"workspaceId": other.workspace})).await?.ok();
    assert_eq!(switched.text("/switchWorkspace/session/role"), "EDITOR");
    let there = SignedIn::of(&app.public(), &switched, "switchWorkspace");
    assert_eq!(there.client.graphql("workspace", json!({})).await?.ok().text("/workspace/name"), "other");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_ends_is_taken_back_and_gives_no_more_than_its_maker_has() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let input = json!({"email": "admin@acme.example", "password": PASSWORD, "role": "ADMIN"});
    call(&acme, "add_member", input).await?.ok();
    let admin = SignedIn::as_whom(&app.public(), &who("admin@acme.example")).await?;
    let too_much = call(&admin.client, "invite_member", json!({"email": "x@acme.example", "role": "OWNER"})).await?;
    assert_eq!(too_much.error(), Some("FORBIDDEN"));

    let invite = async |email: &str| -> Result<(String, String)> {
        let made =
            call(&admin.client, "invite_member", json!({"email": email, "role": "AGENT", "days": 1})).await?.ok();
        Ok((made.text("/inviteMember/invitation/id"), made.text("/inviteMember/token")))
    };
    let (taken_back, token) = invite("one@acme.example").await?;
    let (_, late) = invite("two@acme.example").await?;
    call(&admin.client, "revoke_invitation", json!({"invitationId": taken_back})).await?.ok();
    let accept = async |token: &str| {
        call(&app.public(), "accept_invitation", json!({"token": token, "password": PASSWORD})).await
    };
    assert_eq!(accept(&token).await?.user_error(), Some("INVALID_CREDENTIALS"));
    for nonsense in ["", "cin_", "cin_x_y", &token[..token.len() - 1], &late.replacen('0', "1", 1)] {
        assert_eq!(accept(nonsense).await?.user_error(), Some("INVALID_CREDENTIALS"), "{nonsense}");
    }
    app.advance(days(1));
    assert_eq!(accept(&late).await?.user_error(), Some("INVALID_CREDENTIALS"));
    app.advance(days(30));
    app.run_duties().await?;
    assert_eq!(app.rows("invitations").await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn where_accounts_are_the_operators_nobody_else_makes_one() -> Result<()> {
    let app = TestApp::start_with(&["--sign-up", "closed"]).await?;
    let acme = app.workspace("acme").await?;
    let input = json!({"email": "a@acme.example", "password": PASSWORD, "role": "AGENT"});
    assert_eq!(call(&acme, "add_member", input).await?.user_error(), Some("DISABLED"));
    let invited = call(&acme, "invite_member", json!({"email": "a@acme.example", "role": "AGENT"})).await?.ok();
    let accept = json!({"token": invited.text("/inviteMember/token"), "password": PASSWORD});
    assert_eq!(call(&app.public(), "accept_invitation", accept).await?.user_error(), Some("DISABLED"));
    let said = app.program_says(&["account", "create", "a@acme.example", "--workspace-name", "Theirs"]).await?;
    let password = said.split_once("Password").context("a password")?.1.lines().next().context("a line")?;
    let own = Credentials { email: "a@acme.example".into(), password: password.trim().to_owned() };
    let own = SignedIn::as_whom(&app.public(), &own).await?;
    call(&own.client, "accept_invitation", json!({"token": invited.text("/inviteMember/token")})).await?.ok();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_members_role_changes_at_once_and_a_deactivated_member_is_out() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let agent = acme.agent(&app.public(), "agent@acme.example").await?;
    let account = agent.graphql("viewer", json!({})).await?.ok().text("/viewer/actorId");
    agent.graphql("chats", json!({})).await?.ok();
    let mut listener = agent.listen("inbox_events", json!({"after": 0})).await?;
    let changed = call(&acme, "change_member_role", json!({"accountId": account, "role": "EDITOR"})).await?.ok();
    assert_eq!(changed.text("/changeMemberRole/member/role"), "EDITOR");
    assert_eq!(agent.graphql("chats", json!({})).await?.error(), Some("FORBIDDEN"));
    let last = listener.rest().await?;
    assert!(format!("{last:?}").contains("UNAUTHENTICATED"), "what may be heard has changed: {last:?}");

    let out = call(&acme, "deactivate_member", json!({"accountId": account})).await?.ok();
    out.get("/deactivateMember/member/deactivatedAt");
    assert_eq!(agent.graphql("viewer", json!({})).await?.status, 401);
    let refused = sign_in(&app.public(), &who("agent@acme.example"), json!({})).await?;
    assert_eq!(refused.user_error(), Some("INVALID_CREDENTIALS"));
    call(&acme, "reactivate_member", json!({"accountId": account})).await?.ok();
    SignedIn::as_whom(&app.public(), &who("agent@acme.example")).await?;

    let own = acme.graphql("viewer", json!({})).await?.ok().text("/viewer/actorId");
    for operation in ["deactivate_member", "remove_member"] {
        assert_eq!(call(&acme, operation, json!({"accountId": own})).await?.user_error(), Some("CONFLICT"));
    }
    call(&acme, "remove_member", json!({"accountId": account})).await?.ok();
    let gone = call(&acme, "remove_member", json!({"accountId": account})).await?;
    assert_eq!(gone.user_error(), Some("NOT_FOUND"));
    let done = acme.audited_actions().await?;
    for action in ["member.role_changed", "member.deactivated", "member.reactivated", "member.removed"] {
        assert!(done.iter().any(|was| was == action), "{action}: {done:?}");
    }
    Ok(())
}
