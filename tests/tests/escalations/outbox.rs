//! What channels are told: once, in order, again where it failed, and given up aloud.

use std::time::Duration;

use anyhow::{Context, Result};
use consigne_gateway::sdk::PluginErrorKind;
use consigne_tests::{
    app::{TestApp, minutes},
    people::Member,
    recorder::Answer,
};
use serde_json::{Value, json};

use super::{Desk, text};

const HOUR: u64 = 60;

/// Runs what is due after this long.
async fn after(app: &TestApp, wait: Duration) -> Result<()> {
    app.advance(wait);
    app.run_jobs().await
}

async fn channel(member: &Member, plugin: &str) -> Result<Value> {
    let all = member.graphql("channels", json!({})).await?.ok();
    let all = all.get("/channels").as_array().cloned().unwrap_or_default();
    all.into_iter().find(|channel| channel["pluginId"] == plugin).context("the channel is compiled in")
}

#[tokio::test(flavor = "multi_thread")]
async fn later_messages_wait_for_the_thread_and_go_in_their_order() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    app.recorder.script([Answer::Fail(PluginErrorKind::Unavailable)]);
    desk.visitor.request_person(&desk.chat).await?;
    for said in ["one", "two", "three"] {
        desk.visitor.say(&desk.chat, said).await?;
    }
    app.run_jobs().await?;
    assert_eq!(app.recorder.told(), ["OPENED"], "nothing goes before its thread exists");
    after(&app, Duration::from_secs(6)).await?;
    assert_eq!(app.recorder.told(), ["OPENED", "OPENED", "SAID VISITOR one", "SAID VISITOR two", "SAID VISITOR three"]);
    let handed = app.recorder.handed();
    assert_eq!(handed[0]["thread"], Value::Null);
    let thread = format!("thread of {}", text(&handed[0]["token"]));
    assert!(handed[2..].iter().all(|one| one["thread"] == json!(thread)), "{handed:?}");
    assert!(handed.iter().all(|one| one["token"] == handed[0]["token"]));
    let mut keys: Vec<&str> = handed[1..].iter().map(|one| text(&one["key"])).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), 4, "each delivery has a key of its own");
    assert_eq!(desk.acme.deliveries("DELIVERED").await?.len(), 4);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_is_tried_ten_times_under_one_key_and_then_given_up_aloud() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    let program = desk.program().await?;
    app.recorder.always(Answer::Fail(PluginErrorKind::Unavailable));
    desk.visitor.request_person(&desk.chat).await?;
    app.run_jobs().await?;
    let pauses = [5, 5 * 60, 30 * 60, 2 * 3_600, 5 * 3_600, 10 * 3_600, 14 * 3_600, 20 * 3_600, 24 * 3_600];
    for (tried, pause) in (1_usize..).zip(pauses) {
        let pause = Duration::from_secs(pause);
        assert_eq!(app.recorder.told().len(), tried);
        after(&app, pause - Duration::from_secs(1)).await?;
        assert_eq!(app.recorder.told().len(), tried, "before {pause:?} were over");
        after(&app, Duration::from_secs(1) + pause / 10).await?;
    }
    let handed = app.recorder.handed();
    assert_eq!(handed.len(), 10);
    assert!(handed.iter().all(|one| one["key"] == handed[0]["key"]));
    let attempts: Vec<i64> = handed.iter().filter_map(|one| one["attempt"].as_i64()).collect();
    assert_eq!(attempts, (1..=10).collect::<Vec<_>>());
    let doubts: Vec<bool> = handed.iter().filter_map(|one| one["mayHaveBeenSent"].as_bool()).collect();
    assert_eq!((doubts[0], &doubts[1..]), (false, &[true; 9][..]), "a broken connection may have carried it");

    let dead = program.deliveries("DEAD").await?;
    assert_eq!((dead.len(), &dead[0]["lastErrorCode"], &dead[0]["attempts"]), (1, &json!("UNAVAILABLE"), &json!(10)));
    assert!(program.audited_actions().await?.contains(&"delivery.dead".to_owned()));
    assert!(app.metrics().contains("consigne_deliveries_total{outcome=\"dead\"} 1"), "{}", app.metrics());
    let mut inbox = program.listen("inbox_events", json!({})).await?;
    let heard = inbox.until(|event| event["data"]["inboxEvents"]["kind"] == "DELIVERY_DEAD").await?;
    assert_eq!(heard.last().context("an event")?["data"]["inboxEvents"]["deliveryId"], dead[0]["id"]);
    after(&app, minutes(100 * HOUR)).await?;
    assert_eq!(app.recorder.told().len(), 10, "it was tried again by itself");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_delivery_is_tried_again_by_a_person_with_what_fell_with_it() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    app.recorder.script([Answer::Fail(PluginErrorKind::Refused)]);
    desk.visitor.request_person(&desk.chat).await?;
    desk.visitor.say(&desk.chat, "Hello?").await?;
    app.run_jobs().await?;
    assert_eq!(app.recorder.told(), ["OPENED"], "what was refused is not tried again");
    let dead = desk.acme.deliveries("DEAD").await?;
    let mut codes: Vec<&str> = dead.iter().map(|one| text(&one["lastErrorCode"])).collect();
    codes.sort_unstable();
    assert_eq!(codes, ["EARLIER_DEAD", "REFUSED"]);
    let opened = dead.iter().find(|one| one["kind"] == "OPENED").context("the opening")?;
    let input = json!({"deliveryId": opened["id"]});
    desk.acme.graphql("replay_delivery", json!({"input": input})).await?.ok().get("/replayDelivery/delivery");
    app.run_jobs().await?;
    assert_eq!(app.recorder.told(), ["OPENED", "OPENED", "SAID VISITOR Hello?"]);
    let again = desk.acme.graphql("replay_delivery", json!({"input": input})).await?;
    assert_eq!(again.user_error(), Some("CONFLICT"), "{}", again.body);
    assert!(desk.acme.audited_actions().await?.contains(&"delivery.replayed".to_owned()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_asks_to_wait_is_waited_for() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    app.recorder.script([Answer::Fail(PluginErrorKind::RateLimited(Some(minutes(7))))]);
    desk.visitor.request_person(&desk.chat).await?;
    app.run_jobs().await?;
    after(&app, minutes(7) - Duration::from_secs(1)).await?;
    assert_eq!(app.recorder.told().len(), 1, "it did not wait");
    after(&app, Duration::from_secs(1)).await?;
    let handed = app.recorder.handed();
    assert_eq!((handed.len(), &handed[1]["mayHaveBeenSent"]), (2, &json!(false)), "a refusal carried nothing");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_gone_is_left_alone_until_somebody_says_otherwise() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    app.recorder.script([Answer::Fail(PluginErrorKind::Gone)]);
    desk.visitor.request_person(&desk.chat).await?;
    desk.visitor.say(&desk.chat, "Hello?").await?;
    app.run_jobs().await?;
    assert_eq!(app.recorder.told(), ["OPENED"]);
    assert!(channel(&desk.acme, "recorder").await?["goneAt"].is_string());
    assert_eq!(desk.acme.deliveries("DEAD").await?.len(), 2);
    assert!(desk.acme.audited_actions().await?.contains(&"channel.gone".to_owned()));

    let other = desk.acme.visitor(&desk.assistant).await?;
    let chat = other.start_chat().await?;
    other.request_person(&chat).await?;
    let dead = desk.acme.deliveries("DEAD").await?;
    let input = json!({"deliveryId": dead[0]["id"]});
    let refused = desk.acme.graphql("replay_delivery", json!({"input": input})).await?;
    assert_eq!(refused.user_error(), Some("CONFLICT"), "{}", refused.body);
    app.run_jobs().await?;
    assert_eq!(app.recorder.told().len(), 1, "it was told again");
    assert_eq!(other.state(&chat).await?, "WAITING_FOR_PERSON", "the inbox has it all the same");

    let input = json!({"pluginId": "recorder"});
    let resumed = desk.acme.graphql("resume_channel", json!({"input": input})).await?.ok();
    assert_eq!(resumed.get("/resumeChannel/channel")["goneAt"], Value::Null);
    let third = desk.acme.visitor(&desk.assistant).await?;
    let chat = third.start_chat().await?;
    third.request_person(&chat).await?;
    app.run_jobs().await?;
    assert_eq!(app.recorder.told().len(), 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn all_channels_are_told_at_once_or_the_next_where_one_is_given_up() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::on(&app, &["recorder", "second"], json!({})).await?;
    desk.visitor.request_person(&desk.chat).await?;
    app.run_jobs().await?;
    assert_eq!((app.recorder.told().len(), app.second.told().len()), (1, 1));

    let input = json!({"assistantId": desk.assistant, "channelOrder": "ONE_AFTER_ANOTHER"});
    desk.acme.graphql("configure_escalation", json!({"input": input})).await?.ok();
    for (answer, told) in [(Answer::Ok, (2, 1)), (Answer::Fail(PluginErrorKind::Refused), (3, 2))] {
        app.recorder.script([answer]);
        let visitor = desk.acme.visitor(&desk.assistant).await?;
        let chat = visitor.start_chat().await?;
        visitor.request_person(&chat).await?;
        app.run_jobs().await?;
        assert_eq!((app.recorder.told().len(), app.second.told().len()), told);
    }
    Ok(())
}

/// The worker dies between telling and noting it.
#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_a_dead_worker_held_is_made_again_and_says_that_it_may_be_the_second() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    app.recorder.script([Answer::Hang]);
    desk.visitor.request_person(&desk.chat).await?;
    desk.visitor.say(&desk.chat, "Hello?").await?;
    app.run_jobs_until(|| app.recorder.told().len() == 1).await?;
    app.run_jobs().await?;
    assert_eq!(app.recorder.told().len(), 1, "the dead worker's lease still holds");
    let pending = desk.acme.deliveries("PENDING").await?;
    assert!(pending.iter().any(|one| one["mayHaveBeenSent"] == true), "{pending:?}");
    after(&app, Duration::from_secs(16)).await?;
    // The job of the later message found the earlier one under way, and comes again.
    after(&app, Duration::from_secs(2)).await?;
    let handed = app.recorder.handed();
    assert_eq!(app.recorder.told(), ["OPENED", "OPENED", "SAID VISITOR Hello?"]);
    assert_eq!(handed[0]["key"], handed[1]["key"]);
    assert_eq!((&handed[0]["mayHaveBeenSent"], &handed[1]["mayHaveBeenSent"]), (&json!(false), &json!(true)));
    assert_eq!((&handed[1]["attempt"], &handed[2]["mayHaveBeenSent"]), (&json!(2), &json!(false)));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_checked_and_tested_through_the_same_door() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    let input = json!({"pluginId": "recorder"});
    let checked = desk.acme.graphql("check_channel", json!({"input": input})).await?.ok();
    assert_eq!(checked.text("/checkChannel/message"), "The recorder listens.");
    let tested = desk.acme.graphql("test_channel", json!({"input": input})).await?.ok();
    let id = tested.text("/testChannel/delivery/id");
    app.run_jobs().await?;
    assert_eq!(app.recorder.told(), ["TEST"]);
    let delivery = desk.acme.graphql("delivery", json!({"id": id})).await?.ok();
    assert_eq!(delivery.text("/delivery/state"), "DELIVERED");
    app.recorder.refuse_settings();
    let refused = desk.acme.graphql("check_channel", json!({"input": input})).await?;
    assert_eq!(refused.user_error(), Some("MISCONFIGURED"), "{}", refused.body);
    for operation in ["check_channel", "test_channel"] {
        let unknown = desk.acme.graphql(operation, json!({"input": {"pluginId": "openai"}})).await?;
        assert_eq!(unknown.user_error(), Some("NOT_FOUND"), "{}", unknown.body);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_was_switched_off_is_told_nothing_and_says_so() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    desk.acme.graphql("disable_plugin", json!({"input": {"pluginId": "recorder"}})).await?.ok();
    desk.visitor.request_person(&desk.chat).await?;
    app.run_jobs().await?;
    assert!(app.recorder.told().is_empty());
    assert_eq!(desk.acme.deliveries("DEAD").await?[0]["lastErrorCode"], "DISABLED");
    Ok(())
}

/// A delivery whose job was lost is found.
#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_whose_job_was_lost_is_made_all_the_same() -> Result<()> {
    let app = TestApp::start().await?;
    let desk = Desk::open(&app, json!({})).await?;
    desk.visitor.request_person(&desk.chat).await?;
    app.tamper("DELETE FROM jobs WHERE kind = 'deliver'").await?;
    app.run_jobs().await?;
    assert!(app.recorder.told().is_empty());
    app.advance(minutes(2));
    app.run_duties().await?;
    app.run_jobs().await?;
    assert_eq!(app.recorder.told(), ["OPENED"]);
    Ok(())
}
