//! Who may come in is looked at once a quarter, and rests where nobody does.

use anyhow::{Context, Result, ensure};
use consigne_tests::{
    app::{Credentials, TestApp, days},
    people::Member,
};
use serde_json::json;

use super::sign_in;

const PASSWORD: &str = "Pelican-Harbour-31-Lantern";

/// A colleague who answers visitors; their account.
async fn colleague(owner: &Member, email: &str) -> Result<(Credentials, String)> {
    let input = json!({"email": email, "password": PASSWORD, "role": "AGENT"});
    let made = owner.graphql("add_member", json!({"input": input})).await?.ok();
    let who = Credentials { email: email.to_owned(), password: PASSWORD.to_owned() };
    Ok((who, made.text("/addMember/accountId")))
}

async fn comes_in(app: &TestApp, who: &Credentials) -> Result<bool> {
    Ok(sign_in(&app.public(), who, json!({})).await?.user_error().is_none())
}

async fn confirm(owner: &Member, accounts: &[&str]) -> Result<Option<String>> {
    let reply = owner.graphql("confirm_members", json!({"input": {"accountIds": accounts}})).await?;
    Ok(reply.user_error().map(str::to_owned))
}

async fn audited(owner: &Member, action: &str) -> Result<usize> {
    Ok(owner.audited_actions().await?.iter().filter(|known| *known == action).count())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_confirmed_rests_after_a_quarter_and_fourteen_days() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let (ana, ana_id) = colleague(&acme, "ana@acme.example").await?;
    let (bob, bob_id) = colleague(&acme, "bob@acme.example").await?;
    app.advance(days(90) - std::time::Duration::from_secs(1));
    app.run_duties().await?;
    let owner = app.owner_in(&acme.workspace).await?;
    assert_eq!(audited(&owner, "access.review_due").await?, 0, "not due yet");
    app.advance(std::time::Duration::from_secs(1));
    for _ in 0..2 {
        app.run_duties().await?;
        assert_eq!(audited(&owner, "access.review_due").await?, 1, "it is said once");
    }
    assert_eq!(confirm(&owner, &[&bob_id]).await?, None);
    app.advance(days(14) - std::time::Duration::from_secs(1));
    app.run_duties().await?;
    ensure!(comes_in(&app, &ana).await? && comes_in(&app, &bob).await?, "there are fourteen days");
    app.advance(std::time::Duration::from_secs(1));
    app.run_duties().await?;
    ensure!(!comes_in(&app, &ana).await?, "nobody confirmed her");
    ensure!(comes_in(&app, &bob).await?, "he was confirmed");
    let owner = app.owner_in(&acme.workspace).await?;
    assert_eq!(audited(&owner, "member.unreviewed").await?, 1, "the last owner is not locked out");
    assert_eq!(confirm(&owner, &[&ana_id]).await?.as_deref(), Some("NOT_FOUND"), "who rests is let in one by one");
    owner.graphql("reactivate_member", json!({"input": {"accountId": ana_id}})).await?.ok();
    app.run_duties().await?;
    ensure!(comes_in(&app, &ana).await?, "letting her in is a review");
    let members = owner.graphql("members", json!({})).await?.ok();
    let members = members.get("/members").as_array().context("members")?.clone();
    let due = |id: &str| {
        let member = members.iter().find(|one| one["accountId"] == id);
        member.and_then(|one| one["reviewDueAt"].as_str()).map(str::to_owned)
    };
    ensure!(due(&bob_id).is_some() && due(&ana_id) > due(&bob_id), "{members:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_confirms_themselves_or_whom_they_have_no_power_over() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, other) = (app.workspace("acme").await?, app.workspace("other").await?);
    let (_, ana) = colleague(&acme, "ana@acme.example").await?;
    let members = acme.graphql("members", json!({})).await?.ok();
    let members = members.get("/members").as_array().context("members")?;
    let own = members.iter().find(|one| one["role"] == "OWNER").context("an owner")?;
    let own = own["accountId"].as_str().context("an id")?.to_owned();
    assert_eq!(confirm(&acme, &[&own]).await?.as_deref(), Some("CONFLICT"));
    assert_eq!(confirm(&other, &[&ana]).await?.as_deref(), Some("NOT_FOUND"));
    assert_eq!(confirm(&acme, &[&ana, &own]).await?.as_deref(), Some("CONFLICT"));
    assert_eq!(audited(&acme, "member.reviewed").await?, 0, "all of them or none");
    Ok(())
}
