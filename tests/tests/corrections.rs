//! A text is corrected, and leaves no trace: whatever becomes of the other side, of who listens, or of the process.

mod killed;

use std::{sync::Arc, time::Duration};

use anyhow::{Result, ensure};
use consigne_gateway::telemetry;
use consigne_tests::{
    app::{Furnish, TestApp},
    canary::Canary,
    people::Member,
    plugins::{FALLING, Fall, Falling},
    standins::openai::{Dialect, StandIn, Turn},
};
use serde_json::{Value, json};
use tokio::time::timeout;

/// A workspace that has its texts corrected by this stand-in.
async fn office(app: &TestApp, more: Value) -> Result<(Member, StandIn)> {
    let acme = app.workspace("acme").await?;
    let standin = StandIn::start_as(Dialect::Mistral).await;
    enable(&acme, &standin, more).await?;
    Ok((acme, standin))
}

async fn enable(acme: &Member, standin: &StandIn, more: Value) -> Result<()> {
    let mut settings = json!({"baseUrl": standin.base_url(), "apiKey": "k", "timeoutSeconds": 20});
    if let (Some(settings), Value::Object(more)) = (settings.as_object_mut(), more) {
        settings.extend(more);
    }
    acme.graphql("enable_plugin", json!({"input": {"pluginId": "mistral", "settings": settings}})).await?.ok();
    Ok(())
}

fn edit(from: &str, to: &str) -> Turn {
    Turn::Edit(vec![(from.into(), to.into())])
}

fn ask(text: &str, aim: &str) -> Value {
    json!({"input": {"text": text, "aim": aim}})
}

/// All that a correction says, event by event.
async fn corrected(who: &Member, asked: Value) -> Result<Vec<Value>> {
    let events = who.listen("correct_text", asked).await?.rest().await?;
    Ok(events.into_iter().map(|event| event["data"]["correctText"].clone()).collect())
}

fn text_of(events: &[Value]) -> String {
    events.iter().filter_map(|event| event["text"].as_str()).collect()
}

fn called<'e>(events: &'e [Value], name: &str) -> &'e Value {
    events.iter().find(|event| event["__typename"] == name).unwrap_or(&Value::Null)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_comes_back_corrected_with_its_changes_and_who_saw_it() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, standin) = office(&app, json!({})).await?;
    standin.cut_into(7);
    standin.script([edit("wich", "which"), edit("", "")]);
    let text = "  Dear Ada Lovelace, the bag 🧳 wich you left is here. Call +44 116 496 0062 or ada@x.example\n";
    let events = corrected(&acme, ask(text, "GRAMMAR")).await?;
    assert_eq!(text_of(&events), text.replace("wich", "which"), "{events:?}");
    let changes = called(&events, "CorrectionChanges");
    let change = &changes["changes"][0];
    assert_eq!(
        (&change["from"], &change["to"], &change["why"]),
        (&json!("wich"), &json!("which"), &json!("Reason 1."))
    );
    let utf16: Vec<u16> = text.encode_utf16().collect();
    let (start, end) = (change["start"].as_u64().unwrap_or(0) as usize, change["end"].as_u64().unwrap_or(0) as usize);
    assert_eq!(String::from_utf16_lossy(&utf16[start..end]), "wich");
    assert_eq!(changes["feedback"], "Read it aloud once.");
    let done = called(&events, "CorrectionCompleted");
    assert_eq!((&done["disclosure"]["pluginId"], &done["disclosure"]["region"]), (&json!("mistral"), &json!("LOCAL")));
    assert_eq!(done["masked"], 3);
    assert!(done["outputTokens"].as_i64().is_some_and(|tokens| tokens > 5), "{done}");
    for request in standin.requests() {
        let wire = request.body.to_string();
        assert!(wire.contains("[[NAME_1]]") && wire.contains("[[EMAIL_1]]") && wire.contains("[[PHONE_1]]"), "{wire}");
        for personal in ["Lovelace", "0062", "ada@x"] {
            assert!(!wire.contains(personal), "{personal} is on the wire: {wire}");
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_and_special_categories_need_a_ground_that_is_on_record() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, standin) = office(&app, json!({})).await?;
    for text in ["My password is Hunter2!x", "I was diagnosed with something, please correct it"] {
        let events = corrected(&acme, ask(text, "GRAMMAR")).await?;
        let error = &called(&events, "CorrectionFailed")["userErrors"][0];
        assert_eq!(
            (&error["code"], &error["field"]),
            (&json!("SENSITIVE_CONTENT"), &json!(["input", "text"])),
            "{events:?}"
        );
        assert!(!error.to_string().contains("Hunter2") && !error.to_string().contains("diagnosed with"));
    }
    assert_eq!((standin.requests().len(), app.rows("usage_days").await?), (0, 0));
    for concern in ["SECRETS", "SPECIAL_CATEGORIES"] {
        let input = json!({"concern": concern, "ground": "Consent of the persons, form 7b"});
        acme.graphql("record_processing_ground", json!({"input": input})).await?.ok();
    }
    for (text, seen) in [
        ("My password is Hunter2!x", "[[PASSWORD_1]]"),
        ("I was diagnosed with something, please correct it", "diagnosed with"),
    ] {
        standin.script([edit("x", "x")]);
        let events = corrected(&acme, ask(text, "GRAMMAR")).await?;
        assert_eq!(text_of(&events), text, "{events:?}");
        assert!(standin.requests().last().is_some_and(|request| request.body.to_string().contains(seen)));
    }
    let input = json!({"concern": "SECRETS"});
    acme.graphql("withdraw_processing_ground", json!({"input": input})).await?.ok();
    assert_eq!(
        corrected(&acme, ask("My password is Hunter2!x", "GRAMMAR")).await?[0]["__typename"],
        "CorrectionFailed"
    );
    let actions = acme.audited_actions().await?;
    for action in ["processing.ground_recorded", "processing.ground_withdrawn", "text.corrected"] {
        assert!(actions.iter().any(|known| known == action), "{actions:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_and_visitors_need_the_workspaces_word() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, standin) = office(&app, json!({})).await?;
    for (asked, code) in [
        (ask(" \n", "GRAMMAR"), "INVALID_INPUT"),
        (ask(&"a ".repeat(4_001), "GRAMMAR"), "INVALID_INPUT"),
        (ask("Hello", "TRANSLATION"), "INVALID_INPUT"),
    ] {
        let events = corrected(&acme, asked).await?;
        assert_eq!(events[0]["userErrors"][0]["code"], code, "{events:?}");
    }
    let visitor = acme.visitor(&acme.assistant("Ada").await?).await?;
    let mut listening = visitor.listen("correct_text", ask("Helo", "GRAMMAR")).await?;
    let refused = listening.next().await?.unwrap_or_default();
    assert_eq!(refused["data"]["correctText"]["userErrors"][0]["code"], "DISABLED", "{refused}");
    let input = json!({"processing": {"visitorsMayCorrect": true}});
    acme.graphql("configure_workspace", json!({"input": input})).await?.ok();
    let mut last = Value::Null;
    for _ in 0..7 {
        standin.script([edit("Helo", "Hello"), edit("", "")]);
        let events = visitor.listen("correct_text", ask("Helo", "GRAMMAR")).await?.rest().await?;
        last = events.last().cloned().unwrap_or_default();
    }
    assert_eq!(last["data"]["correctText"]["userErrors"][0]["code"], "RATE_LIMITED", "{last}");
    Ok(())
}

/// What is being used counts before the other side says how much it was.
#[tokio::test(flavor = "multi_thread")]
async fn calls_at_once_never_begin_more_than_the_budget_covers() -> Result<()> {
    let app = TestApp::start().await?;
    let (acme, standin) = office(&app, json!({"region": "EEA"})).await?;
    // Each is charged some 600 tokens until it is known what it used; the other side keeps all of them waiting.
    let input = json!({"processing": {"monthlyTokens": 2_000}});
    acme.graphql("configure_workspace", json!({"input": input})).await?.ok();
    standin.script(std::iter::repeat_n(Turn::Hang, 12));
    let asked = (0..12).map(|_| acme.listen("correct_text", ask("Helo", "GRAMMAR")));
    let mut listening = futures::future::try_join_all(asked).await?;
    let firsts = listening.iter_mut().map(|one| timeout(Duration::from_secs(10), one.next()));
    let firsts = futures::future::join_all(firsts).await;
    let refused =
        firsts.iter().flatten().flatten().flatten().filter(|event| event.to_string().contains("LIMIT_EXCEEDED"));
    assert_eq!((refused.count(), standin.requests().len()), (9, 3));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_corrector_and_a_region_that_is_not_allowed_are_said() -> Result<()> {
    let app = TestApp::start().await?;
    let other = app.workspace("other").await?;
    let events = corrected(&other, ask("Helo", "GRAMMAR")).await?;
    assert_eq!(events[0]["userErrors"][0]["code"], "DISABLED", "{events:?}");
    let (acme, standin) = office(&app, json!({"region": "US", "safeguard": "STANDARD_CLAUSES"})).await?;
    let events = corrected(&acme, ask("Helo", "GRAMMAR")).await?;
    assert_eq!(events[0]["userErrors"][0]["field"], json!(["input", "transfers"]), "{events:?}");
    assert_eq!(standin.connections(), 0);
    Ok(())
}

/// What the other side does, and what a correction says at its end.
fn fates(canary: &Canary) -> Vec<(&'static str, Vec<Turn>, Option<&'static str>)> {
    let half = vec![format!("{canary} is h")];
    let down = Some("TEMPORARILY_UNAVAILABLE");
    vec![
        ("answers", vec![edit("wich", "which"), edit("", "")], None),
        ("fails with 500", vec![Turn::Status(500, None); 3], down),
        ("asks to wait", vec![Turn::Status(429, Some(60))], Some("RATE_LIMITED")),
        ("refuses, quoting the text", vec![Turn::Status(400, None)], Some("FORBIDDEN")),
        ("answers something else", vec![Turn::Raw(format!("data: {canary}\n\n").into_bytes())], down),
        ("sends half and drops", vec![Turn::DropAfter(half.clone())], down),
        ("sends half and ends", vec![Turn::EndAfter(half.clone())], down),
        ("sends half and an error", vec![Turn::ErrorAfter(half)], down),
        ("gives reasons in another form", vec![edit("wich", "which"), Turn::Answer(vec![canary.to_string()])], None),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_leaves_no_trace_whatever_the_other_side_does() -> Result<()> {
    for index in 0..fates(&Canary::new()).len() {
        let canary = Canary::new();
        let (name, turns, code) = fates(&canary).swap_remove(index);
        let app = TestApp::start().await?;
        let (acme, standin) = office(&app, json!({"timeoutSeconds": 3})).await?;
        standin.script(turns);
        let text = format!("{canary} wich Ada Lovelace knows: {canary}@x.example");
        let events = acme.listen("correct_text", ask(&text, "FEEDBACK")).await?.rest().await?;
        let last = events.last().cloned().unwrap_or_default();
        match code {
            None => assert_eq!(last["data"]["correctText"]["__typename"], "CorrectionCompleted", "{name}: {events:?}"),
            Some(code) => {
                let said = last.to_string();
                assert!(said.contains(code), "{name}: {said}");
                let errors = [&last["errors"], &last["data"]["correctText"]["userErrors"]];
                assert!(!errors.iter().any(|e| e.to_string().contains(&canary.to_string())), "{name}: {said}");
            }
        }
        let wire = standin.requests().iter().map(|request| request.body.to_string()).collect::<String>();
        assert!(wire.contains("[[EMAIL_1]]") && !wire.contains("@x.example"), "{name}: {wire}");
        untouched(&app, &canary, name).await?;
    }
    Ok(())
}

/// The canary is nowhere, and one row says that something was corrected.
async fn untouched(app: &TestApp, canary: &Canary, name: &str) -> Result<()> {
    app.run_jobs().await?;
    app.assert_absent(canary).await?;
    let metrics = reqwest_text(&app.metrics_url()).await?;
    ensure!(!metrics.contains(&canary.to_string()), "{name}: the canary is in the metrics");
    ensure!(app.rows("usage_days").await? == 1, "{name}: {} rows of usage", app.rows("usage_days").await?);
    Ok(())
}

async fn reqwest_text(url: &str) -> Result<String> {
    let client = consigne_tests::client::Client::new(url);
    Ok(client.request(reqwest::Method::GET, url).send().await?.text().await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_leaves_no_trace_when_the_other_side_hangs() -> Result<()> {
    for turn in [Turn::Hang, Turn::HangAfter(vec!["Half".into()])] {
        let (canary, app) = (Canary::new(), TestApp::start().await?);
        let (acme, standin) = office(&app, json!({"timeoutSeconds": 2})).await?;
        standin.script([turn]);
        let events = acme.listen("correct_text", ask(&format!("{canary} wich"), "GRAMMAR")).await?.rest().await?;
        let last = events.last().cloned().unwrap_or_default();
        assert_eq!(last["data"]["correctText"]["userErrors"][0]["code"], "TEMPORARILY_UNAVAILABLE", "{last}");
        untouched(&app, &canary, "hangs").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_leaves_no_trace_when_who_listens_leaves() -> Result<()> {
    for over_websocket in [false, true] {
        let (canary, app) = (Canary::new(), TestApp::start().await?);
        let (acme, standin) = office(&app, json!({})).await?;
        standin.script([Turn::HangAfter(vec![format!("{canary} is"), " here".into()])]);
        let asked = ask(&format!("{canary} is heer"), "GRAMMAR");
        let mut listening = match over_websocket {
            false => acme.listen("correct_text", asked).await?,
            true => acme.listen_over_websocket("correct_text", asked).await?,
        };
        let first = listening.next().await?.unwrap_or_default();
        assert_eq!(first["data"]["correctText"]["__typename"], "CorrectionDelta", "{first}");
        drop(listening);
        timeout(Duration::from_secs(20), standin.disconnected(1)).await?;
        untouched(&app, &canary, "leaves").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_leaves_no_trace_when_the_corrector_panics() -> Result<()> {
    telemetry::log_panics();
    for fall in [Fall::AtOnce, Fall::Halfway, Fall::Explaining] {
        for over_websocket in [false, true] {
            let furnish: Furnish<'_> = &|all, _| all.push(Arc::new(Falling::new(fall)));
            let (canary, app) = (Canary::new(), TestApp::start_among(&[], furnish).await?);
            let acme = app.workspace("acme").await?;
            acme.graphql("enable_plugin", json!({"input": {"pluginId": FALLING, "settings": {}}})).await?.ok();
            let asked = ask(&format!("{canary} wich"), "GRAMMAR");
            let mut listening = match over_websocket {
                false => acme.listen("correct_text", asked).await?,
                true => acme.listen_over_websocket("correct_text", asked).await?,
            };
            let events = listening.rest().await?;
            let last = events.last().cloned().unwrap_or_default();
            ensure!(last["errors"][0]["extensions"]["code"] == "INTERNAL", "{fall:?}: {events:?}");
            ensure!(!last.to_string().contains(&canary.to_string()), "{fall:?}: {last}");
            untouched(&app, &canary, "panics").await?;
            ensure!(String::from_utf8_lossy(&app.log()).contains("\"panic\""), "{fall:?}: no panic is in the log");
            // It was one correction that fell, not the gateway.
            app.owner().await?;
        }
    }
    Ok(())
}
