//! Who asks: nothing tells a known address from an unknown one, and nothing is opened without the code.

use std::time::Duration;

use anyhow::Result;
use consigne_tests::app::minutes;
use serde_json::{Value, json};

use super::{Office, PERSON};

#[tokio::test(flavor = "multi_thread")]
async fn a_known_and_an_unknown_address_are_answered_alike() -> Result<()> {
    let office = Office::open().await?;
    let reference = office.asked("ACCESS").await?;
    office.app.run_jobs().await?;
    office.verifies(&reference, &office.code()).await?.ok();
    let shape = |reply: consigne_tests::client::Reply| {
        let mut payload = reply.ok().get("/submitPrivacyRequest").clone();
        let length = payload["reference"].as_str().map(str::len);
        payload["reference"] = Value::Null;
        (payload, length)
    };
    let known = shape(office.asks(PERSON, "ACCESS").await?);
    let unknown = shape(office.asks("nobody@nowhere.example", "ACCESS").await?);
    assert_eq!(known, unknown);
    office.app.run_jobs().await?;
    let codes = |to: &str| office.postbox.to(to).iter().filter(|letter| letter.code().is_some()).count();
    assert_eq!((codes(PERSON), codes("nobody@nowhere.example")), (2, 1), "each request sends a code, whoever it is");

    let wrong = office.verifies(&reference, "00000000").await?;
    let nobodys = office.verifies(&"0".repeat(52), "00000000").await?;
    let nonsense = office.verifies("no reference at all", "00000000").await?;
    assert_eq!(wrong.body, nobodys.body);
    assert_eq!(wrong.body, nonsense.body);
    let mut answers = Vec::new();
    for reference in [reference.as_str(), "no reference at all"] {
        let input = json!({"reference": reference});
        answers.push(office.app.public().graphql("send_privacy_code", json!({"input": input})).await?.body);
    }
    assert_eq!(answers[0], answers[1]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_holds_for_fifteen_minutes_and_five_tries_and_works_once() -> Result<()> {
    let office = Office::open().await?;
    let reference = office.asked("ACCESS").await?;
    office.app.run_jobs().await?;
    let code = office.code();
    assert_eq!(code.len(), 8);
    office.app.advance(minutes(15) - Duration::from_secs(1));
    let other = if code == "12345678" { "87654321" } else { "12345678" };
    for _ in 0..4 {
        assert_eq!(office.verifies(&reference, other).await?.user_error(), Some("INVALID_INPUT"));
    }
    let spaced = format!("{} {}", &code[..4], &code[4..]);
    office.verifies(&reference, &spaced).await?.ok().get("/verifyPrivacyRequest/rightsToken");
    assert_eq!(office.verifies(&reference, &code).await?.user_error(), Some("INVALID_INPUT"), "it works once");

    let late = office.asked("ACCESS").await?;
    office.app.run_jobs().await?;
    office.app.advance(minutes(15));
    assert_eq!(office.verifies(&late, &office.code()).await?.user_error(), Some("INVALID_INPUT"), "it is over");

    let guessed = office.asked("ACCESS").await?;
    office.app.run_jobs().await?;
    let code = office.code();
    let other = if code == "12345678" { "87654321" } else { "12345678" };
    for _ in 0..5 {
        office.verifies(&guessed, other).await?;
    }
    assert_eq!(office.verifies(&guessed, &code).await?.user_error(), Some("INVALID_INPUT"), "five tries are enough");
    let input = json!({"reference": guessed});
    office.app.public().graphql("send_privacy_code", json!({"input": input})).await?.ok();
    office.app.run_jobs().await?;
    assert_ne!(office.code(), code);
    office.verifies(&guessed, &office.code()).await?.ok().get("/verifyPrivacyRequest/rightsToken");
    let actions = office.acme.audited_actions().await?;
    assert!(actions.contains(&"privacy_request.code_void".to_owned()), "{actions:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_opens_that_persons_rights_and_nothing_else() -> Result<()> {
    let office = Office::open().await?;
    let visitor = office.acme.visitor(&office.acme.assistant("Ada").await?).await?;
    let chat = visitor.start_chat().await?;
    let reference = office.asked("ERASURE").await?;
    office.app.run_jobs().await?;
    let opened = office.verifies(&reference, &office.code()).await?.ok();
    let person = office.app.public().with_token(opened.text("/verifyPrivacyRequest/rightsToken"));
    let own =
        person.graphql("privacy_request", json!({"id": opened.get("/verifyPrivacyRequest/requestId")})).await?.ok();
    assert_eq!(own.text("/privacyRequest/contact"), PERSON);
    let asked = person.graphql("start_chat", json!({})).await?;
    assert_eq!(asked.error(), Some("FORBIDDEN"), "{}", asked.body);
    let own = person.graphql("chats", json!({})).await?.ok();
    assert_eq!(own.number("/chats/totalCount"), 0, "their own chats, and they have none");
    assert_eq!(person.graphql("chat", json!({"id": chat})).await?.body["data"]["chat"], Value::Null);
    let input = json!({"subjectId": visitor.subject, "idempotencyKey": "1"});
    let refused = person.graphql("erase_subject", json!({"input": input})).await?;
    assert!(refused.error().or(refused.user_error()).is_some(), "not somebody else: {}", refused.body);

    // The officer finds out whose data it is about; the same token opens that person's rights.
    let request = office.newest().await?;
    assert_eq!(office.does("link_privacy_request", &request, json!({"subjectId": visitor.subject})).await?, None);
    let erased = person.graphql("erase_subject", json!({"input": input})).await?.ok();
    office.app.run_jobs().await?;
    let erasure = office.acme.erasure(&erased.text("/eraseSubject/erasure/id")).await?;
    assert_eq!(erasure["state"], "COMPLETED", "{erasure}");
    office.app.advance(minutes(30));
    let late = person.graphql("privacy_request", json!({"id": request["id"]})).await?;
    assert_eq!(late.error(), Some("UNAUTHENTICATED"), "{}", late.body);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitors_token_says_who_asks() -> Result<()> {
    let office = Office::open().await?;
    let visitor = office.acme.visitor(&office.acme.assistant("Ada").await?).await?;
    visitor.graphql("submit_privacy_request", json!({"input": {"kind": "ACCESS"}})).await?.ok();
    let request = office.newest().await?;
    assert_eq!((&request["state"], &request["verifiedBy"]), (&json!("VERIFIED"), &json!("VISITOR_TOKEN")));
    assert_eq!(request["subjectId"], visitor.subject);
    let other = office.acme.visitor(&office.acme.assistant("Eve").await?).await?;
    assert_eq!(
        other.graphql("privacy_request", json!({"id": request["id"]})).await?.body["data"]["privacyRequest"],
        Value::Null
    );
    visitor.graphql("withdraw_privacy_request", json!({"input": {"privacyRequestId": request["id"]}})).await?.ok();
    assert_eq!(office.newest().await?["state"], "WITHDRAWN");
    let erasure = office.acme.erase(&visitor.subject).await?;
    office.app.run_jobs().await?;
    assert_eq!(office.acme.erasure(&erasure).await?["state"], "COMPLETED", "requests go with the person");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_fills_somebody_elses_mailbox() -> Result<()> {
    let office = Office::open().await?;
    for _ in 0..3 {
        office.asked("ACCESS").await?;
    }
    assert_eq!(office.asks(PERSON, "ACCESS").await?.user_error(), Some("RATE_LIMITED"));
    office.asks("somebody.else@people.example", "ACCESS").await?.ok();
    office.app.advance(minutes(61));
    office.asked("ACCESS").await?;
    let bad = office.asks("no address", "ACCESS").await?;
    assert_eq!(bad.user_error(), Some("INVALID_INPUT"));
    Ok(())
}
