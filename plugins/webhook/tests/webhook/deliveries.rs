//! What arrives, and what becomes of what does not.

use std::time::Duration;

use consigne_sdk::{EscalationState, Line, Notice, Once, PluginErrorKind, Speaker};
use serde_json::json;

use crate::{
    receiver::{Answer, Receiver},
    world::{LONG_AGO, NEXT, SECRET, delivery, open, opened, to},
};

#[tokio::test]
async fn every_notice_arrives_signed_now_under_its_own_id() {
    let receiver = Receiver::start(SECRET).await;
    let channel = to(&receiver.url(), receiver.address()).await;
    assert!(channel.traits().two_way && channel.traits().once == Once::ByReceiver);
    let receipt = channel.deliver(delivery("d_1", opened())).await.expect("it arrives");
    assert_eq!((receipt.thread.as_deref(), receipt.message.as_deref()), (Some("esc_1"), Some("d_1")));

    let line = Line { speaker: Speaker::Visitor, name: None, text: Some("Allô ?".to_owned()), at: LONG_AGO };
    let state = Notice::Changed { state: EscalationState::HandedBack, by: Some("Ada".to_owned()) };
    for (key, notice) in [("d_2", Notice::Said(line)), ("d_3", state), ("d_4", Notice::Test)] {
        let mut delivery = delivery(key, notice);
        delivery.thread = receipt.thread.clone();
        channel.deliver(delivery).await.expect("it arrives");
    }

    let taken = receiver.taken();
    let at = "2023-11-14T22:13:20Z";
    let message = |text| json!({ "speaker": "VISITOR", "name": null, "text": text, "at": at });
    assert_eq!(
        taken[0].body,
        json!({ "type": "escalation.opened", "timestamp": at, "data": {
            "escalationId": "esc_1", "chatId": "chat_1", "replyToken": "k7f2a9", "assistant": "Léa",
            "reason": "VISITOR_ASKED", "link": "https://console.example/chats/chat_1", "language": "fr",
            "conversation": [
                message("Où est ma \"commande\" ? 📦\u{2028}"),
                { "speaker": "ASSISTANT", "name": null, "text": "…", "at": at },
            ],
        } })
    );
    let data = json!({ "escalationId": "esc_1", "replyToken": "k7f2a9", "message": message("Allô ?") });
    assert_eq!(taken[1].body, json!({ "type": "chat.message", "timestamp": at, "data": data }));
    let data = json!({ "escalationId": "esc_1", "replyToken": "k7f2a9", "state": "HANDED_BACK", "by": "Ada" });
    assert_eq!(taken[2].body, json!({ "type": "escalation.changed", "timestamp": at, "data": data }));
    assert_eq!(taken[3].body, json!({ "type": "test", "timestamp": at, "data": {} }));
    let ids: Vec<&str> = taken.iter().map(|delivered| delivered.id.as_str()).collect();
    assert_eq!((ids, receiver.refused()), (vec!["d_1", "d_2", "d_3", "d_4"], Vec::new()));
    let agent = taken[0].headers.iter().find(|(name, _)| name == "user-agent").map(|(_, value)| value.as_str());
    assert!(agent.is_some_and(|agent| agent.starts_with("Consigne/")), "{agent:?}");
}

#[tokio::test]
async fn while_a_secret_is_replaced_whoever_knows_either_one_takes_the_delivery() {
    for known in [SECRET, NEXT] {
        let receiver = Receiver::start(known).await;
        let settings = json!({ "url": receiver.url(), "secrets": [NEXT, SECRET] });
        let channel = open(settings, vec![receiver.address()]).await.expect("usable settings");
        channel.deliver(delivery("d_1", Notice::Test)).await.expect("it arrives");
        assert_eq!(receiver.taken()[0].signatures.split(' ').count(), 2);
    }
    let stranger = Receiver::start("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").await;
    let channel = to(&stranger.url(), stranger.address()).await;
    channel.deliver(delivery("d_1", Notice::Test)).await.expect_err("a stranger refuses");
    assert_eq!(stranger.refused(), ["no signature fits"]);
}

#[tokio::test]
async fn a_key_signs_beside_a_shared_secret() {
    let receiver = Receiver::start(SECRET).await;
    let settings = json!({ "url": receiver.url(), "secrets": [SECRET, NEXT.replace("whsec", "whsk")] });
    let channel = open(settings, vec![receiver.address()]).await.expect("usable settings");
    channel.deliver(delivery("d_1", Notice::Test)).await.expect("it arrives");
    let signatures = receiver.taken()[0].signatures.clone();
    let versions: Vec<&str> = signatures.split(' ').filter_map(|s| Some(s.split_once(',')?.0)).collect();
    assert_eq!(versions, ["v1", "v1a"]);
}

#[tokio::test]
async fn a_repetition_has_the_same_id_and_a_signature_of_its_own_time() {
    let receiver = Receiver::start(SECRET).await;
    let channel = to(&receiver.url(), receiver.address()).await;
    receiver.script([Answer::TakeAndHangUp]);
    let lost = channel.deliver(delivery("d_1", Notice::Test)).await.expect_err("nobody answered");
    assert_eq!(lost.kind, PluginErrorKind::Unavailable);
    let mut again = delivery("d_1", Notice::Test);
    (again.attempt, again.may_have_been_sent, again.now) = (2, true, again.now + 2_000);
    channel.deliver(again).await.expect("it arrives");
    assert_eq!(receiver.once().into_iter().collect::<Vec<_>>(), [("d_1".to_owned(), 2)]);
    let taken = receiver.taken();
    assert_eq!(taken[0].body, taken[1].body);
    assert_ne!(taken[0].signatures, taken[1].signatures);
}

#[tokio::test]
async fn what_was_sent_by_somebody_who_died_before_the_answer_comes_again_under_its_id() {
    let receiver = Receiver::start(SECRET).await;
    let channel = to(&receiver.url(), receiver.address()).await;
    receiver.hold_the_next(true);
    let dies = tokio::time::timeout(Duration::from_secs(1), channel.deliver(delivery("d_1", Notice::Test)));
    dies.await.expect_err("the answer is held back");
    assert_eq!((receiver.held(), receiver.taken().len()), (1, 1));
    let mut again = delivery("d_1", Notice::Test);
    (again.attempt, again.may_have_been_sent) = (2, true);
    channel.deliver(again).await.expect("it arrives");
    assert_eq!(receiver.once().into_iter().collect::<Vec<_>>(), [("d_1".to_owned(), 2)]);
}

#[tokio::test]
async fn an_answer_says_what_becomes_of_a_delivery() {
    let receiver = Receiver::start(SECRET).await;
    let channel = to(&receiver.url(), receiver.address()).await;
    let wait = |seconds| PluginErrorKind::RateLimited(Some(Duration::from_secs(seconds)));
    let mut date = delivery("d_1", Notice::Test);
    date.now -= date.now % 1_000;
    for (status, headers, expected) in [
        (200, "", None),
        (299, "", None),
        (410, "", Some(PluginErrorKind::Gone)),
        (429, "retry-after: 7\r\n", Some(wait(7))),
        (503, "retry-after: 120\r\n", Some(wait(120))),
        (429, "", Some(PluginErrorKind::RateLimited(None))),
        (503, "", Some(PluginErrorKind::Unavailable)),
        (500, "", Some(PluginErrorKind::Unavailable)),
        (404, "", Some(PluginErrorKind::Unavailable)),
        (302, "location: http://127.0.0.1:9/\r\n", Some(PluginErrorKind::Unavailable)),
        (503, "retry-after: Tue, 01 Jan 2019 00:00:00 GMT\r\n", Some(wait(0))),
    ] {
        receiver.script([Answer::Status(status, headers.to_owned())]);
        let delivered = channel.deliver(delivery("d_1", Notice::Test)).await;
        assert_eq!(delivered.err().map(|error| error.kind), expected, "{status} {headers}");
    }
    receiver.script([Answer::HangUp]);
    let kind = channel.deliver(delivery("d_1", Notice::Test)).await.expect_err("nobody answered").kind;
    assert_eq!(kind, PluginErrorKind::Unavailable);
}

#[tokio::test]
async fn silence_ends_after_fifteen_seconds() {
    let receiver = Receiver::start(SECRET).await;
    let channel = to(&receiver.url(), receiver.address()).await;
    receiver.script([Answer::Silence]);
    let silent = tokio::time::timeout(Duration::from_secs(16), channel.deliver(delivery("d_1", Notice::Test)));
    let error = silent.await.expect("it ends by itself").expect_err("nobody answered");
    assert_eq!(error.kind, PluginErrorKind::Unavailable);
}

#[tokio::test]
async fn no_failure_repeats_a_secret_an_address_or_a_text() {
    let receiver = Receiver::start(SECRET).await;
    let channel = to(&receiver.url(), receiver.address()).await;
    receiver.script([Answer::Status(400, String::new())]);
    let error = channel.deliver(delivery("d_1", opened())).await.expect_err("refused");
    for secret in ["hooks", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "commande", "esc_1"] {
        assert!(!error.message.contains(secret), "{}", error.message);
    }
}
