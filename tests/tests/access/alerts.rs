//! What looks like an attack or a fault is said once, to the operator and in the audit log of whom it is about.

use anyhow::{Result, ensure};
use consigne_tests::{
    app::{Credentials, TestApp, minutes},
    people::{Member, idempotency_key},
};
use serde_json::json;

use super::{accounts::with_mail, owner, refresh, sign_in};

/// How often this alert was raised in this process, as the metrics say it.
fn raised(app: &TestApp, rule: &str) -> u64 {
    let line = format!("consigne_alerts_total{{outcome=\"{rule}\"}} ");
    app.metrics().lines().find_map(|said| said.strip_prefix(&line)?.parse().ok()).unwrap_or(0)
}

/// Looks for unknown ids, so often.
async fn seek(member: &Member, times: u32) -> Result<()> {
    for number in 0..times {
        // 26 digits of Crockford's base 32, the first at most 7.
        let id = format!("doc_{number:026}");
        ensure!(member.document(&id).await?.is_none());
    }
    Ok(())
}

async fn alerts_in(member: &Member) -> Result<usize> {
    Ok(member.audited_actions().await?.iter().filter(|action| *action == "alert.raised").count())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_wrong_passwords_are_told_to_the_operator_once() -> Result<()> {
    let Some((app, smtp)) = with_mail(&["--alert-address", "operator@consigne.example"]).await? else { return Ok(()) };
    for number in 0..30 {
        app.run_duties().await?;
        assert_eq!(raised(&app, "FAILED_SIGN_INS"), 0, "after {number}");
        let who = Credentials { email: format!("nobody-{number}@acme.example"), password: "Not-The-Password-1".into() };
        assert_eq!(sign_in(&app.public(), &who, json!({})).await?.user_error(), Some("INVALID_CREDENTIALS"));
    }
    for _ in 0..3 {
        app.run_duties().await?;
        assert_eq!(raised(&app, "FAILED_SIGN_INS"), 1);
    }
    let mails = smtp.arrived()?;
    assert_eq!(mails.len(), 1, "{mails:?}");
    ensure!(mails[0].to == ["operator@consigne.example"] && mails[0].raw.contains("FAILED_SIGN_INS: 30 within 10"));
    ensure!(!mails[0].raw.contains("nobody-") && !String::from_utf8_lossy(&app.log()).contains("nobody-"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_tries_ids_is_seen_again_after_the_window_and_not_by_others() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, other) = (app.workspace("acme").await?, app.workspace("other").await?);
    // Programs: members would have to renew their tokens when the clock is turned.
    let may = ["KNOWLEDGE_READ", "AUDIT_READ"];
    let (acme, other) = (acme.program(&may).await?, other.program(&may).await?);
    seek(&acme, 59).await?;
    app.run_duties().await?;
    assert_eq!((raised(&app, "UNKNOWN_IDS"), alerts_in(&acme).await?), (0, 0));
    seek(&acme, 1).await?;
    app.run_duties().await?;
    seek(&acme, 60).await?;
    app.run_duties().await?;
    assert_eq!((raised(&app, "UNKNOWN_IDS"), alerts_in(&acme).await?), (1, 1), "once");
    app.advance(minutes(10));
    app.run_duties().await?;
    assert_eq!(raised(&app, "UNKNOWN_IDS"), 1, "it has stopped");
    seek(&acme, 60).await?;
    app.run_duties().await?;
    assert_eq!((raised(&app, "UNKNOWN_IDS"), alerts_in(&acme).await?), (2, 2), "it goes on");
    assert_eq!(alerts_in(&other).await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_in_two_hands_is_said_at_once() -> Result<()> {
    let app = TestApp::start().await?;
    let first = owner(&app).await?;
    let second = first.renewed(&app.public()).await?;
    second.renewed(&app.public()).await?;
    app.advance(minutes(1));
    ensure!(refresh(&app.public(), &first.refresh_token).await?.user_error().is_some());
    app.run_duties().await?;
    assert_eq!(raised(&app, "TOKEN_REUSE"), 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn many_copies_of_peoples_data_are_said() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    let visitor = acme.visitor(&acme.assistant("Ada").await?).await?;
    for number in 1..=20 {
        let input = json!({"subjectId": visitor.subject, "idempotencyKey": idempotency_key()});
        acme.graphql("request_access", json!({"input": input})).await?.ok();
        app.run_duties().await?;
        assert_eq!(raised(&app, "EXPORTS"), u64::from(number == 20));
    }
    assert_eq!(alerts_in(&acme).await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_was_tampered_with_is_said() -> Result<()> {
    let app = TestApp::start().await?;
    let acme = app.workspace("acme").await?;
    acme.add_text("Handbook", "The desk opens at nine.").await?;
    app.run_duties().await?;
    assert_eq!(raised(&app, "BROKEN_CHAIN"), 0);
    app.tamper("UPDATE audit_entries SET action = 'something.else' WHERE action = 'document.added'").await?;
    // The chains are read by one duty, and what was seen is added up by another.
    for _ in 0..3 {
        app.run_duties().await?;
    }
    assert_eq!((raised(&app, "BROKEN_CHAIN"), alerts_in(&acme).await?), (1, 1));
    Ok(())
}
