//! Whoever has the inbox of requests open hears what happens, and misses nothing.

use anyhow::Result;
use consigne_tests::app::days;
use serde_json::{Value, json};

use super::Office;

fn kinds(heard: &[Value]) -> Vec<&str> {
    heard.iter().filter_map(|event| event["data"]["privacyRequestEvents"]["kind"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_requests_is_replayed_behind_any_number() -> Result<()> {
    let office = Office::open().await?;
    let mut live = office.acme.listen("privacy_request_events", json!({})).await?;
    office.asked("ACCESS").await?;
    office.app.run_jobs().await?;
    let request = office.newest().await?;
    let evidence = json!({"evidence": "She showed her identity card at the desk."});
    assert_eq!(office.does("confirm_identity", &request, evidence).await?, None);
    let visitor = office.acme.visitor(&office.acme.assistant("Ada").await?).await?;
    let linked = json!({"subjectId": visitor.subject});
    assert_eq!(office.does("link_privacy_request", &request, linked).await?, None);
    assert_eq!(office.does("take_privacy_request", &request, json!({})).await?, None);
    let mut nobody = visitor.listen("privacy_request_events", json!({})).await?;
    let refused = nobody.rest().await?;
    assert!(!refused.is_empty());
    assert!(refused.iter().all(|event| event["errors"][0]["extensions"]["code"] == "FORBIDDEN"), "{refused:?}");
    let other = office.app.workspace("other").await?;
    let input = json!({"kind": "OTHER", "source": "STAFF", "message": "She called."});
    other.graphql("record_privacy_request", json!({"input": input})).await?.ok();
    let mut theirs = other.listen("privacy_request_events", json!({})).await?;
    assert_eq!(kinds(&theirs.until(|_| true).await?), ["RECEIVED"], "their own alone");

    let mut heard = live.until(|event| event["data"]["privacyRequestEvents"]["kind"] == "TAKEN").await?;
    let known = heard[heard.len() - 1]["data"]["privacyRequestEvents"]["seq"].clone();

    // The fifth business day is over tomorrow. No stream goes on for so long: the next one begins where this one ended.
    office.app.advance(days(7));
    let mut live = office.acme.listen("privacy_request_events", json!({"after": known})).await?;
    office.app.run_duties().await?;
    let words = json!({"words": "It takes a little longer."});
    assert_eq!(office.does("extend_privacy_request", &request, words).await?, None);
    let words = json!({"words": "Here is all that we hold about you."});
    assert_eq!(office.does("fulfil_privacy_request", &request, words).await?, None);
    let is_last = |event: &Value| event["data"]["privacyRequestEvents"]["kind"] == "FULFILLED";
    heard.extend(live.until(is_last).await?);
    let expected = ["RECEIVED", "FORWARDED", "VERIFIED", "LINKED", "TAKEN", "ALARM", "EXTENDED", "FULFILLED"];
    assert_eq!(kinds(&heard), expected);
    let last = &heard[heard.len() - 1]["data"]["privacyRequestEvents"]["privacyRequest"];
    assert_eq!((&last["id"], &last["state"]), (&request["id"], &json!("FULFILLED")));
    for cut in 0..heard.len() - 1 {
        let after = heard[cut]["data"]["privacyRequestEvents"]["seq"].clone();
        let mut rest = office.acme.listen("privacy_request_events", json!({"after": after})).await?;
        assert_eq!(kinds(&rest.until(is_last).await?), expected[cut + 1..]);
    }

    office.app.advance(days(25));
    office.app.run_duties().await?;
    let mut left = office.acme.listen("privacy_request_events", json!({})).await?;
    assert_eq!(
        kinds(&left.until(is_last).await?),
        ["ALARM", "EXTENDED", "FULFILLED"],
        "thirty days are over for the first"
    );
    Ok(())
}
