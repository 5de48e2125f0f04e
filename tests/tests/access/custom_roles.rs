//! Roles of a workspace's own: some of what a role may do, and never more; a change holds at once.

use anyhow::{Context, Result, ensure};
use consigne_tests::{app::TestApp, people::Member};
use serde_json::{Value, json};

use super::call;

const PASSWORD: &str = "Pelican-Harbour-31-Lantern";

async fn made(owner: &Member, name: &str, role: &str, permissions: Value) -> Result<String> {
    let input = json!({"name": name, "role": role, "permissions": permissions});
    Ok(call(owner, "create_custom_role", input).await?.ok().text("/createCustomRole/customRole/id"))
}

async fn permissions(who: &Member) -> Result<Value> {
    Ok(who.graphql("viewer", json!({})).await?.ok().get("/viewer/permissions").clone())
}

/// The account of a member, by what they see of themselves.
async fn account(who: &Member) -> Result<String> {
    Ok(who.graphql("viewer", json!({})).await?.ok().text("/viewer/actorId"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_of_ones_own_allows_less_and_a_change_holds_at_once() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let reader = made(&acme, "Reader of chats", "AGENT", json!(["CHATS_READ", "WORKSPACE_READ"])).await?;
    let agent = acme.agent(&app.public(), "ana@acme.example").await?;
    let ana = account(&agent).await?;
    ensure!(permissions(&agent).await?.as_array().is_some_and(|all| all.contains(&json!("CHATS_ANSWER"))));

    let assigned = call(&acme, "assign_custom_role", json!({"accountId": ana, "customRoleId": reader})).await?.ok();
    assert_eq!(assigned.get("/assignCustomRole/member/customRoleId"), reader.as_str());
    assert_eq!(assigned.get("/assignCustomRole/member/mayAnswer"), false);
    assert_eq!(permissions(&agent).await?, json!(["WORKSPACE_READ", "CHATS_READ"]), "the same token does less at once");
    let refused = agent.graphql("create_canned_reply", json!({"input": {"title": "Hello", "text": "Hello."}})).await?;
    assert_eq!(refused.error(), Some("FORBIDDEN"));

    let input = json!({"customRoleId": reader, "permissions": ["CHATS_READ", "CHATS_ANSWER", "WORKSPACE_READ"]});
    call(&acme, "change_custom_role", input).await?.ok();
    agent.graphql("create_canned_reply", json!({"input": {"title": "Hello", "text": "Hello."}})).await?.ok();
    // Who comes in anew comes in with it.
    let again = Member::sign_in(&app.public(), "ana@acme.example", PASSWORD, Some(&acme.workspace)).await?;
    assert_eq!(permissions(&again).await?, permissions(&agent).await?);

    let kept = call(&acme, "delete_custom_role", json!({"customRoleId": reader})).await?;
    assert_eq!(kept.user_error(), Some("CONFLICT"), "somebody has it");
    call(&acme, "change_member_role", json!({"accountId": ana, "role": "AGENT"})).await?.ok();
    ensure!(permissions(&agent).await?.as_array().is_some_and(|all| all.contains(&json!("CHATS_ASK"))), "all of it");
    call(&acme, "delete_custom_role", json!({"customRoleId": reader})).await?.ok();
    let gone = call(&acme, "assign_custom_role", json!({"accountId": ana, "customRoleId": reader})).await?;
    assert_eq!(gone.user_error(), Some("NOT_FOUND"));
    let actions = acme.audited_actions().await?;
    for action in ["custom_role.created", "custom_role.changed", "custom_role.deleted"] {
        ensure!(actions.iter().any(|known| known == action), "{action} is not in {actions:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_a_role_that_may_do_more_than_it_may_or_they_may() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let refusal = async |who: &Member, operation: &str, input: Value| -> Result<Option<String>> {
        let reply = call(who, operation, input).await?;
        Ok(reply.user_error().or(reply.error()).map(str::to_owned))
    };
    let create = async |who: &Member, role: &str, permissions: Value| {
        let input = json!({"name": "Another", "role": role, "permissions": permissions});
        refusal(who, "create_custom_role", input).await
    };
    assert_eq!(create(&acme, "AGENT", json!(["KEYS_WRITE"])).await?.as_deref(), Some("INVALID_INPUT"));
    assert_eq!(create(&acme, "OWNER", json!(["KEYS_WRITE"])).await?.as_deref(), Some("INVALID_INPUT"));
    assert_eq!(create(&acme, "VISITOR", json!(["CHATS_ASK"])).await?.as_deref(), Some("INVALID_INPUT"));
    assert_eq!(create(&acme, "ADMIN", json!([])).await?.as_deref(), Some("INVALID_INPUT"));

    // A keeper of members, who may not widen what they have, nor hand out what they lack.
    let keeper = made(&acme, "Keeper", "ADMIN", json!(["WORKSPACE_READ", "WORKSPACE_WRITE", "CHATS_READ"])).await?;
    let admin = made(&acme, "Nearly all", "ADMIN", json!(["WORKSPACE_WRITE", "KEYS_WRITE"])).await?;
    let input = json!({"email": "kim@acme.example", "password": PASSWORD, "role": "ADMIN"});
    call(&acme, "add_member", input).await?.ok();
    let kim = Member::sign_in(&app.public(), "kim@acme.example", PASSWORD, Some(&acme.workspace)).await?;
    let own = account(&kim).await?;
    call(&acme, "assign_custom_role", json!({"accountId": own, "customRoleId": keeper})).await?.ok();
    assert_eq!(create(&kim, "ADMIN", json!(["KEYS_WRITE"])).await?.as_deref(), Some("FORBIDDEN"));
    assert_eq!(create(&kim, "AGENT", json!(["CHATS_READ"])).await?, None);
    let widen = json!({"customRoleId": keeper, "permissions": ["WORKSPACE_WRITE", "KEYS_WRITE"]});
    assert_eq!(refusal(&kim, "change_custom_role", widen).await?.as_deref(), Some("FORBIDDEN"));
    let take = json!({"accountId": own, "customRoleId": admin});
    let taken = refusal(&kim, "assign_custom_role", take).await?;
    ensure!(matches!(taken.as_deref(), Some("FORBIDDEN" | "CONFLICT")), "{taken:?}");
    let twice = json!({"name": "Keeper", "role": "AGENT", "permissions": ["CHATS_READ"]});
    assert_eq!(call(&acme, "create_custom_role", twice).await?.user_error(), Some("CONFLICT"));
    let other = app.workspace("other").await?;
    assert_eq!(
        call(&other, "delete_custom_role", json!({"customRoleId": admin})).await?.user_error(),
        Some("NOT_FOUND")
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invitation_leads_to_a_role_of_the_workspaces_own() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let reader = made(&acme, "Reader", "AUDITOR", json!(["AUDIT_READ"])).await?;
    let other = json!({"email": "eve@acme.example", "role": "AGENT", "customRoleId": reader});
    assert_eq!(call(&acme, "invite_member", other).await?.user_error(), Some("INVALID_INPUT"), "it comes from AUDITOR");
    let input = json!({"email": "eve@acme.example", "role": "AUDITOR", "customRoleId": reader});
    let invited = call(&acme, "invite_member", input).await?.ok();
    assert_eq!(invited.get("/inviteMember/invitation/customRoleId"), reader.as_str());
    let kept = call(&acme, "delete_custom_role", json!({"customRoleId": reader})).await?;
    assert_eq!(kept.user_error(), Some("CONFLICT"), "somebody is invited to it");
    let accept = json!({"token": invited.text("/inviteMember/token"), "password": PASSWORD});
    call(&app.public(), "accept_invitation", accept).await?.ok();
    let eve = Member::sign_in(&app.public(), "eve@acme.example", PASSWORD, Some(&acme.workspace)).await?;
    assert_eq!(permissions(&eve).await?, json!(["AUDIT_READ"]));
    let roles = acme.graphql("custom_roles", json!({})).await?.ok();
    let role = roles.get("/customRoles").as_array().and_then(|all| all.first()).context("a role")?.clone();
    assert_eq!(role["permissions"], json!(["AUDIT_READ"]));
    Ok(())
}
