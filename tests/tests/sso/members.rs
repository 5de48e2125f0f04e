//! Who comes in, and as whom.

use anyhow::Result;
use consigne_tests::{canary::Canary, people::Member};
use serde_json::json;

use super::{World, begin, begun, complete, message, saying};

const PASSWORD: &str = "Pelican-Harbour-31-Lantern";

async fn add_member(acme: &Member, email: &str, role: &str) -> Result<String> {
    let input = json!({"email": email, "password": PASSWORD, "role": role});
    Ok(acme.graphql("add_member", json!({"input": input})).await?.ok().text("/addMember/accountId"))
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_comes_for_the_first_time_becomes_a_member_with_the_role_that_was_said() -> Result<()> {
    let world = World::start().await?;
    let before = world.app.rows("accounts").await?;
    let ana = world.signed_on(json!({})).await?;
    let viewer = ana.graphql("viewer", json!({})).await?.ok();
    assert_eq!(viewer.text("/viewer/workspaceId"), world.acme.workspace);
    let sessions = ana.graphql("sessions", json!({})).await?.ok();
    let session = sessions.get("/sessions/0");
    assert_eq!((&session["issuer"], &session["amr"]), (&json!(world.issuer.url()), &json!(["pwd", "otp", "mfa"])));
    let account = ana.graphql("account", json!({})).await?.ok();
    assert_eq!(account.text("/account/email"), "ana@acme.example");
    assert!(account.get("/account/emailVerifiedAt").is_string());
    let members = world.acme.graphql("members", json!({})).await?.ok();
    let hers = members
        .get("/members")
        .as_array()
        .into_iter()
        .flatten()
        .find(|m| m["accountId"] == *viewer.get("/viewer/actorId"));
    assert_eq!(hers.map(|member| &member["role"]), Some(&json!("AGENT")), "{}", members.body);

    let again = world.signed_on(json!({"email": "ana.new-name@acme.example"})).await?;
    let again = again.graphql("viewer", json!({})).await?.ok();
    assert_eq!(again.get("/viewer/actorId"), viewer.get("/viewer/actorId"), "the provider's id of her decides");
    assert_eq!(world.app.rows("accounts").await?, before + 1);
    let audited = world.acme.audited_actions().await?;
    assert!(
        audited.iter().filter(|action| *action == "session.opened").count() >= 2
            && audited.contains(&"member.added".into())
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_provider_calls_a_person_and_its_secret_stand_nowhere() -> Result<()> {
    let world = World::start().await?;
    let (person, sign_in, secret) = (Canary::new(), Canary::new(), Canary::new());
    let claims = json!({"sub": person.to_string(), "sid": sign_in.to_string()});
    world.signed_on(claims).await?;
    world.configure(json!({"clientSecret": secret.to_string()})).await?.ok();
    let shown = world.acme.graphql("single_sign_on", json!({})).await?.ok();
    assert!(shown.get("/singleSignOn/provider/hasClientSecret") == &json!(true));
    for canary in [&person, &sign_in, &secret] {
        world.app.assert_absent(canary).await?;
    }
    assert!(!shown.body.to_string().contains(&secret.to_string()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_addresses_that_are_vouched_for_and_of_a_verified_domain_come_in() -> Result<()> {
    let world = World::start().await?;
    // Said to be acme's, and not shown.
    world.acme.graphql("add_sign_on_domain", json!({"input": {"domain": "said.example"}})).await?.ok();
    let before = world.app.row_counts().await?;
    for claims in [
        json!({"email_verified": false}),
        json!({"email_verified": null}),
        json!({"email_verified": "true"}),
        json!({"email": null}),
        json!({"email": "ana"}),
        json!({"email": "ana@said.example"}),
        json!({"email": "ana@other.example"}),
        json!({"email": "ana@sub.acme.example"}),
        json!({"email": "ana@acme.example.evil.example"}),
        json!({"email": "ana@acme.example@evil.example"}),
    ] {
        let refused = world.sign_on(saying(claims.clone())).await?;
        assert_eq!(refused.user_error(), Some("INVALID_CREDENTIALS"), "{claims}: {}", refused.body);
    }
    let after = world.app.row_counts().await?;
    for table in ["accounts", "memberships", "sessions"] {
        assert_eq!(after[table], before[table], "{table}");
    }
    let begun = begin(&world.app.public(), "ana@said.example").await?;
    assert_eq!(begun.user_error(), Some("DISABLED"), "{}", begun.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_of_a_domain_is_answered_alike() -> Result<()> {
    let world = World::start().await?;
    add_member(&world.acme, "known@acme.example", "AGENT").await?;
    for address in ["known@acme.example", "nobody@acme.example"] {
        let reply = begin(&world.app.public(), address).await?.ok();
        let (url, _) = begun(&reply, "beginSingleSignOn")?;
        let back = world.issuer.visit(&url, world.now(), saying(json!({})))?;
        assert_eq!(back.asked["login_hint"], address);
        assert_eq!(back.asked["redirect_uri"], "https://console.example/app/sso");
    }
    for _ in 0..10 {
        begin(&world.app.public(), "busy@acme.example").await?.ok();
    }
    let busy = begin(&world.app.public(), "busy@acme.example").await?;
    assert_eq!(busy.user_error(), Some("RATE_LIMITED"), "{}", busy.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_goes_over_to_somebody_else_opens_nothing_of_who_had_it() -> Result<()> {
    let world = World::start().await?;
    let first = world.signed_on(json!({})).await?.graphql("viewer", json!({})).await?.ok();
    let taken = world.sign_on(saying(json!({"sub": "person-2"}))).await?;
    assert_eq!(taken.user_error(), Some("CONFLICT"), "{}", taken.body);
    let input = json!({"accountId": first.get("/viewer/actorId")});
    world.acme.graphql("remove_member", json!({"input": input})).await?.ok();
    // Now it is the account's owner who comes, whoever the provider says that is.
    world.signed_on(json!({"sub": "person-2"})).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_that_somebody_else_may_have_prepared_is_joined_by_nobody() -> Result<()> {
    let world = World::start().await?;
    let other = world.app.workspace("other").await?;
    add_member(&other, "ana@acme.example", "AGENT").await?;
    let refused = world.sign_on(saying(json!({}))).await?;
    assert_eq!(refused.user_error(), Some("CONFLICT"), "{}", refused.body);
    assert!(message(&refused)?.contains("nobody showed"), "{}", refused.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_closed_out_stays_out_and_where_nobody_new_is_let_in_nobody_is() -> Result<()> {
    let world = World::start().await?;
    let ana = world.signed_on(json!({})).await?.graphql("viewer", json!({})).await?.ok();
    let input = json!({"accountId": ana.get("/viewer/actorId")});
    world.acme.graphql("deactivate_member", json!({"input": input})).await?.ok();
    assert_eq!(world.sign_on(saying(json!({}))).await?.user_error(), Some("INVALID_CREDENTIALS"));
    world.configure(json!({"memberRole": null})).await?.ok();
    let ben = saying(json!({"sub": "person-2", "email": "ben@acme.example"}));
    let refused = world.sign_on(ben.clone()).await?;
    assert_eq!(refused.user_error(), Some("DISABLED"), "{}", refused.body);
    add_member(&world.acme, "ben@acme.example", "EDITOR").await?;
    let reply = world.sign_on(ben).await?.ok();
    assert_eq!(reply.text("/completeSingleSignOn/session/role"), "EDITOR", "a member comes in as what they are");
    Ok(())
}

/// Whoever runs acme's provider can come in as anybody of acme, and must not get further by it.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_one_workspaces_provider_reaches_no_other_workspace_and_no_account() -> Result<()> {
    let world = World::start().await?;
    let other = world.app.workspace("other").await?;
    let id = add_member(&world.acme, "ana@acme.example", "ADMIN").await?;
    // She is a member of another workspace too, and signed in there.
    let input = json!({"email": "ana@acme.example", "role": "ADMIN"});
    let invited = other.graphql("invite_member", json!({"input": input})).await?.ok();
    let invitation = invited.text("/inviteMember/token");
    let by_password = Member::sign_in(&world.app.public(), "ana@acme.example", PASSWORD, None).await?;
    let input = json!({"token": invitation});
    by_password.graphql("accept_invitation", json!({"input": input})).await?.ok();
    let there = Member::sign_in(&world.app.public(), "ana@acme.example", PASSWORD, Some(&other.workspace)).await?;
    let there_sessions = there.graphql("sessions", json!({})).await?.ok();
    let all = there_sessions.get("/sessions").as_array().cloned().unwrap_or_default();
    let current = all.iter().find(|session| session["isCurrent"] == true).cloned().unwrap_or_default();

    let ana = world.signed_on(json!({})).await?;
    assert_eq!(ana.graphql("viewer", json!({})).await?.ok().text("/viewer/actorId"), id);
    let seen = ana.graphql("sessions", json!({})).await?.ok();
    let workspaces = seen.get("/sessions").as_array().cloned().unwrap_or_default();
    assert!(workspaces.iter().all(|session| session["workspaceId"] == world.acme.workspace), "{}", seen.body);
    let switch = json!({"input": {"workspaceId": other.workspace}});
    assert_eq!(ana.graphql("switch_workspace", switch).await?.error(), Some("FORBIDDEN"));
    for operation in ["enrol_second_factor", "disable_second_factor", "renew_recovery_codes"] {
        assert_eq!(ana.graphql(operation, json!({})).await?.error(), Some("FORBIDDEN"), "{operation}");
    }
    let input = json!({"input": {"name": "hers", "languages": ["en"]}});
    assert_eq!(ana.graphql("create_workspace", input).await?.error(), Some("FORBIDDEN"));
    let revoke = json!({"input": {"sessionId": current["id"]}});
    assert_eq!(ana.graphql("revoke_session", revoke).await?.user_error(), Some("NOT_FOUND"));
    ana.graphql("revoke_all_sessions", json!({"input": {"keepsCurrent": true}})).await?.ok();
    there.graphql("viewer", json!({})).await?.ok();
    assert_eq!(by_password.graphql("viewer", json!({})).await?.status, 401, "that one was of acme");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_workspaces_provider_is_believed_about_its_own_domains_alone() -> Result<()> {
    let world = World::start().await?;
    let other = world.app.workspace("other").await?;
    super::configure(&other, &world.issuer, json!({"memberRole": "ADMIN"})).await?.ok();
    world.show_domain(&other, "other.example").await?.ok();
    let taken = world.show_domain(&other, "acme.example").await?;
    assert_eq!(taken.user_error(), Some("CONFLICT"), "{}", taken.body);

    // Sent to other's provider, which says that it is somebody of acme.
    let reply = begin(&world.app.public(), "eve@other.example").await?.ok();
    let (url, kept) = begun(&reply, "beginSingleSignOn")?;
    let back = world.issuer.visit(&url, world.now(), saying(json!({"sub": "eve"})))?;
    let refused = complete(&world.app.public(), &kept, &back).await?;
    assert_eq!(refused.user_error(), Some("INVALID_CREDENTIALS"), "{}", refused.body);
    assert!(message(&refused)?.contains("domain"), "{}", refused.body);

    // What one sees and changes is one's own.
    let own = other.graphql("single_sign_on", json!({})).await?.ok();
    let domains = own.get("/singleSignOn/domains").as_array().cloned().unwrap_or_default();
    let seen: Vec<_> = domains.iter().map(|d| (d["domain"].as_str(), d["verifiedAt"].is_string())).collect();
    assert_eq!(seen, [(Some("acme.example"), false), (Some("other.example"), true)], "{}", own.body);
    let gone = other.graphql("remove_sign_on_domain", json!({"input": {"domain": "acme.example"}})).await?.ok();
    assert_eq!(gone.get("/removeSignOnDomain/isRemoved"), &json!(true), "that it was acme's is nothing of other's");
    world.signed_on(json!({})).await?;
    Ok(())
}
