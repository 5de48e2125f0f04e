//! An attempt that may have got through is looked for before it is repeated.

use std::time::Duration;

use consigne_sdk::{Delivery, Notice, PluginErrorKind};

use crate::{
    standin::{Slack, Turn},
    world::{delivery, open, opened, said},
};

fn again(mut delivery: Delivery) -> Delivery {
    (delivery.attempt, delivery.may_have_been_sent) = (2, true);
    delivery
}

#[tokio::test]
async fn what_was_posted_before_the_answer_was_lost_is_found_in_the_channel_and_in_a_thread() {
    let slack = Slack::start().await;
    let channel = open(slack.settings()).await.expect("usable settings");
    slack.script([Turn::DoAndHangUp]);
    let first = delivery("d_1", None, opened(Vec::new()));
    channel.deliver(first.clone()).await.expect_err("the answer is lost");
    let receipt = channel.deliver(again(first)).await.expect("it is found");
    let thread = receipt.thread.clone().expect("a thread");
    assert!(thread.ends_with(&slack.posts()[0].ts) && slack.seen("d_1") == 1);

    slack.script([Turn::DoAndHangUp]);
    let second = delivery("d_2", Some(&thread), Notice::Said(said("Allô ?")));
    channel.deliver(second.clone()).await.expect_err("the answer is lost");
    let receipt = channel.deliver(again(second)).await.expect("it is found");
    assert_eq!(receipt.thread.as_deref(), Some(thread.as_str()));
    assert!(receipt.message.expect("a message").ends_with(&slack.posts()[1].ts) && slack.seen("d_2") == 1);
    let calls = slack.take_calls();
    assert_eq!(
        calls,
        ["chat.postMessage", "conversations.history", "chat.postMessage", "conversations.replies"].map(str::to_owned)
    );
}

#[tokio::test]
async fn what_was_posted_by_somebody_who_died_before_the_answer_is_found() {
    let slack = Slack::start().await;
    let channel = open(slack.settings()).await.expect("usable settings");
    slack.hold_the_next(true);
    let first = delivery("d_1", None, opened(Vec::new()));
    let dies = tokio::time::timeout(Duration::from_secs(1), channel.deliver(first.clone()));
    dies.await.expect_err("the answer is held back");
    assert_eq!((slack.held(), slack.seen("d_1")), (1, 1));
    channel.deliver(again(first)).await.expect("it is found");
    assert_eq!((slack.held(), slack.seen("d_1")), (1, 1));
}

#[tokio::test]
async fn it_is_found_behind_many_other_messages() {
    let slack = Slack::start().await;
    let channel = open(slack.settings()).await.expect("usable settings");
    slack.script([Turn::DoAndHangUp]);
    let first = delivery("d_1", None, opened(Vec::new()));
    channel.deliver(first.clone()).await.expect_err("the answer is lost");
    for number in 0..450 {
        slack.chatter(&format!("chatter {number}"));
    }
    channel.deliver(again(first)).await.expect("it is found");
    assert_eq!(slack.seen("d_1"), 1);
    assert_eq!(slack.take_calls().iter().filter(|call| *call == "conversations.history").count(), 3);
}

#[tokio::test]
async fn what_is_not_there_is_posted_and_another_delivery_is_not_taken_for_it() {
    let slack = Slack::start().await;
    let channel = open(slack.settings()).await.expect("usable settings");
    channel.deliver(delivery("d_1", None, opened(Vec::new()))).await.expect("it is posted");
    slack.script([Turn::HangUp]);
    let second = delivery("d_2", None, opened(Vec::new()));
    channel.deliver(second.clone()).await.expect_err("nothing was done");
    channel.deliver(again(second)).await.expect("it is posted");
    assert_eq!((slack.seen("d_1"), slack.seen("d_2")), (1, 1));
}

#[tokio::test]
async fn where_it_cannot_look_it_does_not_post() {
    let slack = Slack::start().await;
    let channel = open(slack.settings()).await.expect("usable settings");
    slack.script([Turn::Error("missing_scope".to_owned())]);
    let failed = channel.deliver(again(delivery("d_1", None, Notice::Test))).await.expect_err("it cannot look");
    assert_eq!((failed.kind, slack.posts().len()), (PluginErrorKind::Misconfigured, 0));
}

#[tokio::test]
async fn one_hundred_lost_answers_are_one_message_each() {
    let slack = Slack::start().await;
    let channel = open(slack.settings()).await.expect("usable settings");
    let thread = channel.deliver(delivery("d_0", None, opened(Vec::new()))).await.expect("it is posted").thread;
    for number in 1..=100 {
        slack.script([if number % 2 == 0 { Turn::DoAndHangUp } else { Turn::HangUp }]);
        let line = delivery(&format!("d_{number}"), thread.as_deref(), Notice::Said(said("Allô ?")));
        channel.deliver(line.clone()).await.expect_err("the answer is lost");
        channel.deliver(again(line)).await.expect("it is there");
    }
    assert!((0..=100).all(|number| slack.seen(&format!("d_{number}")) == 1) && slack.posts().len() == 101);
}
