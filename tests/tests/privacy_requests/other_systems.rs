//! Requests go to other systems and come from them, as OpenDSR writes them; and mails through a real mail server.

use anyhow::Result;
use consigne_tests::{
    app::TestApp,
    standins::mail::{Smtp, SmtpMode},
};
use serde_json::{Value, json};

use super::{OFFICER, Office, PERSON};

fn open_dsr(id: &str) -> Value {
    json!({
        "regulation": "gdpr",
        "subject_request_id": id,
        "subject_request_type": "erasure",
        "submitted_time": "2026-11-21T15:00:00Z",
        "subject_identities": [
            {"identity_type": "controller_customer_id", "identity_format": "raw", "identity_value": "4711"},
            {"identity_type": "email", "identity_format": "raw", "identity_value": PERSON},
        ],
        "api_version": "3.0",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_comes_from_another_system_once_and_reads_back() -> Result<()> {
    let office = Office::open().await?;
    let program = &office.acme;
    let id = "a7551968-d5d6-44b2-9831-815ac9017798";
    let made = program.graphql("import_privacy_request", json!({"input": {"request": open_dsr(id)}})).await?.ok();
    let request = made.get("/importPrivacyRequest/privacyRequest");
    assert_eq!((&request["source"], &request["kind"]), (&json!("OPEN_DSR"), &json!("ERASURE")));
    assert_eq!(request["receivedAt"], "2026-11-21T15:00:00Z", "the other system had it first");
    let again = program.graphql("import_privacy_request", json!({"input": {"request": open_dsr(id)}})).await?.ok();
    assert_eq!(again.get("/importPrivacyRequest/privacyRequest/id"), &request["id"]);
    let out = &request["openDsr"];
    assert_eq!((&out["subject_request_id"], &out["subject_request_type"]), (&json!(id), &json!("erasure")));
    assert_eq!(out["subject_identities"][0]["identity_value"], PERSON);
    assert_eq!(request["openDsrStatus"]["request_status"], "pending");
    // What went out comes in again, in another workspace.
    let other = office.app.workspace("other").await?;
    let back = other.graphql("import_privacy_request", json!({"input": {"request": out}})).await?.ok();
    assert_eq!(back.text("/importPrivacyRequest/privacyRequest/externalId"), id);
    for (field, value) in [
        ("regulation", json!("ccpa")),
        ("subject_request_type", json!("sell")),
        ("submitted_time", json!("yesterday")),
        ("subject_identities", json!([])),
    ] {
        let mut bad = open_dsr("another");
        bad[field] = value;
        let refused = program.graphql("import_privacy_request", json!({"input": {"request": bad}})).await?;
        assert_eq!(refused.user_error(), Some("INVALID_INPUT"), "{field}: {}", refused.body);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_go_through_the_installations_mail_server_or_the_workspaces_own() -> Result<()> {
    let Some(mut server) = Smtp::start(SmtpMode::Plain, None).await? else { return Ok(()) };
    let flags = ["--smtp-url", &server.url(), "--mail-from", "privacy@installation.example"];
    let app = TestApp::start_with(&flags).await?;
    let acme = app.workspace("acme").await?;
    let set = acme.graphql("configure_privacy", json!({"input": {"dpoEmail": OFFICER}})).await?.ok();
    let recipients = acme.graphql("recipients", json!({})).await?.ok();
    assert!(recipients.body.to_string().contains("\"email\""), "the mail server is a recipient: {}", recipients.body);
    let address = set.text("/configurePrivacy/privacySettings/address");
    let input = json!({"address": address, "kind": "ACCESS", "email": PERSON, "language": "en"});
    let taken = app.public().graphql("submit_privacy_request", json!({"input": input})).await?.ok();
    app.run_jobs().await?;
    let arrived = server.arrived()?;
    let to = |address: &str| arrived.iter().find(|mail| mail.to == [address]).expect("a mail");
    assert!(to(PERSON).raw.contains("Auto-Submitted: auto-generated"), "{}", to(PERSON).raw);
    assert!(to(OFFICER).from.contains("privacy@installation.example"));
    let digits = to(PERSON).raw.lines().map(str::trim).find(|l| l.len() == 8 && l.bytes().all(|b| b.is_ascii_digit()));
    let reference = taken.text("/submitPrivacyRequest/reference");
    let input = json!({"reference": reference, "code": digits.expect("a code")});
    app.public().graphql("verify_privacy_request", json!({"input": input})).await?.ok();
    server.stop().await?;
    Ok(())
}
