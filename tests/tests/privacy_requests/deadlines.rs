//! By when: 48 hours, five business days, one month; counted from the first receipt, with an alarm before each.

use std::time::Duration;

use anyhow::Result;
use consigne_tests::app::{days, minutes};
use serde_json::{Value, json};

use super::{OFFICER, Office};

fn raised(request: &Value) -> Vec<String> {
    let alarms = request["alarms"].as_array().cloned().unwrap_or_default();
    alarms.iter().map(|alarm| alarm["kind"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alarm_is_raised_at_each_deadline_once() -> Result<()> {
    let office = Office::open().await?;
    // Monday, 23 November 2026, 08:00 UTC. The mail server is down, so nobody is told.
    office.postbox.be_down(true);
    office.asked("ACCESS").await?;
    let request = office.newest().await?;
    assert_eq!(request["forwardDueAt"], "2026-11-25T08:00:00Z");
    assert_eq!(request["agreementDueAt"], "2026-11-30T22:59:59.999Z");
    assert_eq!(request["dueAt"], "2026-12-23T08:00:00Z");
    let mut last = Duration::ZERO;
    for (at, alarms) in [
        (Duration::from_secs(24 * 3_600 - 1), vec![]),
        (Duration::from_secs(24 * 3_600), vec!["FORWARD_SOON"]),
        (Duration::from_secs(48 * 3_600 - 1), vec!["FORWARD_SOON"]),
        (Duration::from_secs(48 * 3_600), vec!["FORWARD_SOON", "FORWARD_MISSED"]),
        (days(7), vec!["FORWARD_SOON", "FORWARD_MISSED", "AGREEMENT_SOON"]),
        (days(8), vec!["FORWARD_SOON", "FORWARD_MISSED", "AGREEMENT_SOON", "AGREEMENT_MISSED"]),
        (days(23), vec!["FORWARD_SOON", "FORWARD_MISSED", "AGREEMENT_SOON", "AGREEMENT_MISSED", "DUE_SOON"]),
        (
            days(30),
            vec!["FORWARD_SOON", "FORWARD_MISSED", "AGREEMENT_SOON", "AGREEMENT_MISSED", "DUE_SOON", "DUE_MISSED"],
        ),
    ] {
        office.app.advance(at - last);
        last = at;
        office.app.run_duties().await?;
        office.app.run_duties().await?;
        assert_eq!(raised(&office.newest().await?), alarms, "after {} hours", at.as_secs() / 3_600);
    }
    let metrics = office.app.metrics();
    assert!(metrics.contains("consigne_privacy_alarms_total{outcome=\"FORWARD_SOON\"} 1"), "{metrics}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_told_in_time_raises_no_alarm_about_it() -> Result<()> {
    let office = Office::open().await?;
    office.postbox.be_down(true);
    office.asked("ACCESS").await?;
    office.app.run_jobs().await?;
    assert_eq!(office.newest().await?["forwardedAt"], Value::Null);
    office.postbox.be_down(false);
    office.app.advance(minutes(60));
    office.app.run_jobs().await?;
    assert_eq!(office.newest().await?["state"], "FORWARDED", "the mail is tried until it is taken");
    office.app.advance(days(3));
    office.app.run_duties().await?;
    assert_eq!(raised(&office.newest().await?), Vec::<String>::new());
    office.app.advance(days(5));
    office.app.run_duties().await?;
    office.app.run_jobs().await?;
    let told = office.postbox.to(OFFICER);
    assert!(told.iter().any(|letter| letter.text.contains("AGREEMENT_MISSED")), "{told:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_clock_runs_from_the_first_receipt_whoever_had_it() -> Result<()> {
    let office = Office::open().await?;
    let letter =
        json!({"kind": "ERASURE", "source": "STAFF", "message": "A letter.", "receivedAt": "2026-11-20T10:00:00Z"});
    let recorded = office.acme.graphql("record_privacy_request", json!({"input": letter})).await?.ok();
    let request = recorded.get("/recordPrivacyRequest/privacyRequest");
    assert_eq!(
        (&request["forwardDueAt"], &request["dueAt"]),
        (&json!("2026-11-22T10:00:00Z"), &json!("2026-12-20T10:00:00Z"))
    );
    // Friday: the days are Monday to Friday of the next week.
    assert_eq!(request["agreementDueAt"], "2026-11-27T22:59:59.999Z");
    office.app.run_duties().await?;
    assert_eq!(raised(&office.newest().await?), ["FORWARD_MISSED", "FORWARD_SOON"], "it was late when it was recorded");
    let future = json!({"kind": "ERASURE", "source": "MAIL", "receivedAt": "2026-12-24T10:00:00Z"});
    let refused = office.acme.graphql("record_privacy_request", json!({"input": future})).await?;
    assert_eq!(refused.user_error(), Some("INVALID_INPUT"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_period_is_extended_once_by_two_months_and_the_person_is_told() -> Result<()> {
    let office = Office::open().await?;
    office.asked("PORTABILITY").await?;
    let request = office.newest().await?;
    let words = json!({"words": "There are many files to look through."});
    assert_eq!(office.does("extend_privacy_request", &request, words.clone()).await?, None);
    assert_eq!(office.newest().await?["dueAt"], "2027-02-23T08:00:00Z");
    assert_eq!(office.does("extend_privacy_request", &request, words).await?.as_deref(), Some("CONFLICT"));
    office.app.run_jobs().await?;
    let letters = office.postbox.to(super::PERSON);
    let told = letters.iter().find(|letter| letter.text.contains("many files")).expect("she is told");
    assert!(told.text.contains("2027-02-23") && told.text.contains("CNIL"), "{told:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn alsace_and_moselle_have_two_holidays_more() -> Result<()> {
    let office = Office::open().await?;
    office.app.advance(days(30));
    let record = json!({"input": {"kind": "ACCESS", "source": "STAFF", "receivedAt": "2026-12-23T08:00:00Z"}});
    let due =
        |reply: consigne_tests::client::Reply| reply.ok().text("/recordPrivacyRequest/privacyRequest/agreementDueAt");
    assert_eq!(due(office.acme.graphql("record_privacy_request", record.clone()).await?), "2026-12-31T22:59:59.999Z");
    office.acme.graphql("configure_privacy", json!({"input": {"holidays": "ALSACE_MOSELLE"}})).await?.ok();
    // 26 December 2026 is a Saturday anyway.
    assert_eq!(due(office.acme.graphql("record_privacy_request", record).await?), "2026-12-31T22:59:59.999Z");
    Ok(())
}
