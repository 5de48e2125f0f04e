//! Answers, and what goes wrong.

use consigne_plugin_anthropic::Anthropic;
use consigne_sdk::{
    CapabilityKind, ChatDelta, ChatStream, Plugin, PluginError, PluginErrorKind, Region, Retention, Safeguard,
};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::{
    bench::{KEY, SECRET, model, open, question, settings, soon, standin},
    standin::Turn,
};

async fn read(mut answer: ChatStream) -> (String, Vec<ChatDelta>, Option<PluginError>) {
    let (mut text, mut others) = (String::new(), Vec::new());
    loop {
        match soon(answer.next()).await {
            Some(Ok(ChatDelta::Text(piece))) => text.push_str(&piece),
            Some(Ok(other)) => others.push(other),
            Some(Err(error)) => return (text, others, Some(error)),
            None => return (text, others, None),
        }
    }
}

fn pieces(pieces: &[&str]) -> Vec<String> {
    pieces.iter().map(|piece| (*piece).to_owned()).collect()
}

#[tokio::test]
async fn an_answer_comes_whole_however_the_network_cuts_it() {
    let standin = standin().await;
    let model = model(&standin, json!({})).await;
    for bytes in [usize::MAX, 1, 3, 7] {
        standin.cut_into(bytes);
        standin.script([Turn::answer(&["Größe ", "\"M\"", " 🦀 [1]"])]);
        let answer = soon(model.answer(question(None))).await.expect("an answer");
        let (text, others, error) = read(answer).await;
        assert_eq!((text.as_str(), error.is_none()), ("Größe \"M\" 🦀 [1]", true), "cut into {bytes}");
        assert!(matches!(others[..], [ChatDelta::Usage { output_tokens: 4, input_tokens: 1.. }]), "{others:?}");
    }
}

#[tokio::test]
async fn the_system_stands_at_the_top_and_nobody_is_named() {
    let standin = standin().await;
    let model = model(&standin, json!({ "temperature": 0.5, "maxTokens": 50 })).await;
    let answer = soon(model.answer(question(Some("Fourteen days.")))).await.expect("an answer");
    assert_eq!(read(answer).await.0, "Fourteen days. [1]");
    let request = standin.requests().remove(0);
    assert_eq!((request.status, request.method.as_str(), request.path.as_str()), (200, "POST", "/v1/messages"));
    assert_eq!((request.header("x-api-key"), request.header("authorization")), (Some(KEY), None));
    let fields: Vec<_> = request.body.as_object().expect("an object").keys().cloned().collect();
    assert_eq!(fields, ["max_tokens", "messages", "model", "stream", "system", "temperature", "tools"]);
    assert!(request.body["system"].as_str().is_some_and(|system| system.starts_with("Answer from")));
    assert_eq!(request.body["messages"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn knowledge_that_does_not_answer_is_said_by_a_tool() {
    let standin = standin().await;
    let model = model(&standin, json!({})).await;
    standin.cut_into(3);
    for before in [pieces(&[]), pieces(&["\n", " "])] {
        standin.script([Turn::ToolCall(before)]);
        let (text, others, error) = read(soon(model.answer(question(None))).await.expect("an answer")).await;
        assert!(text.is_empty() && error.is_none());
        assert_eq!(others.last(), Some(&ChatDelta::NotInKnowledge));
    }
}

#[tokio::test]
async fn the_models_are_listed() {
    let standin = standin().await;
    assert_eq!(soon(model(&standin, json!({})).await.models()).await.expect("a list"), ["claude-sonnet-4-5"]);
}

#[tokio::test]
async fn each_failure_has_its_kind_and_quotes_nothing() {
    use PluginErrorKind::{InvalidResponse, Misconfigured, RateLimited, Refused, Unavailable};
    for (status, kind, asked) in [
        (400, Refused, 1),
        (401, Misconfigured, 1),
        (404, Misconfigured, 1),
        (413, Refused, 1),
        (429, RateLimited(None), 3),
        (500, Unavailable, 3),
        (529, Unavailable, 3),
    ] {
        let standin = standin().await;
        standin.script(vec![Turn::Status(status, None); 3]);
        let error = soon(model(&standin, json!({})).await.answer(question(None))).await.err().expect("no answer");
        assert_eq!((error.kind, standin.requests().len()), (kind, asked), "{status}");
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error}");
    }
    let standin = standin().await;
    let model = model(&standin, json!({})).await;
    for (turn, kind) in [
        (Turn::EndAfter(pieces(&["Four"])), InvalidResponse),
        (Turn::DropAfter(pieces(&["Four"])), Unavailable),
        (Turn::ErrorAfter(pieces(&["Four"])), Unavailable),
    ] {
        standin.script([turn.clone()]);
        let (text, _, error) = read(soon(model.answer(question(None))).await.expect("a piece")).await;
        let error = error.expect("an error");
        assert_eq!((text.as_str(), error.kind), ("Four", kind), "{turn:?}");
        assert!(!error.to_string().contains(SECRET), "{error}");
    }
}

#[tokio::test]
async fn a_wrong_key_and_settings_that_cannot_work_are_refused() {
    let standin = standin().await;
    let wrong = settings(&standin, json!({ "apiKey": "sk-wrong" }));
    let consigne_sdk::Capability::ChatModel(model) =
        open(CapabilityKind::ChatModel, wrong).await.expect("usable settings")
    else {
        panic!("a chat model was asked for");
    };
    let error = soon(model.answer(question(None))).await.err().expect("no answer");
    assert_eq!(error.kind, PluginErrorKind::Misconfigured);
    for settings in [json!({}), json!({ "apiKey": "k" }), json!({ "apiKey": "k", "model": "m", "temperature": 1.1 })] {
        let error = open(CapabilityKind::ChatModel, settings).await.err().expect("refused");
        assert_eq!(error.kind, PluginErrorKind::Misconfigured);
    }
}

#[test]
fn the_facts_of_its_own_host_are_known_and_a_contract_can_say_otherwise() {
    let declared = |mut settings: Value| {
        (settings["apiKey"], settings["model"]) = (json!("k"), json!("m"));
        Anthropic::new().processing(&settings)
    };
    let usual = declared(json!({}));
    assert_eq!((usual.region, usual.safeguard), (Region::Country("US".into()), Safeguard::StandardClauses));
    assert_eq!(usual.retention, Retention::Days(30));
    let agreed = json!({ "retentionDays": 0, "region": "EEA", "safeguard": "NOT_NEEDED" });
    let agreed = declared(agreed);
    assert_eq!(
        (agreed.region, agreed.safeguard, agreed.retention),
        (Region::Eea, Safeguard::NotNeeded, Retention::None)
    );
}
