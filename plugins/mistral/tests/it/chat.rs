//! Answers.

use consigne_sdk::{ChatDelta, PluginErrorKind};
use futures::StreamExt;
use serde_json::{Value, json};

use crate::{
    bench::{SECRET, model, question, soon, standin},
    standin::Turn,
};

#[tokio::test]
async fn an_answer_comes_whole_however_the_network_cuts_it() {
    let standin = standin().await;
    let model = model(&standin, json!({})).await;
    for bytes in [usize::MAX, 1, 3, 7] {
        standin.cut_into(bytes);
        standin.script([Turn::answer(&["Größe ", "\"M\"", " 🦀 [1]"])]);
        let deltas: Vec<_> =
            soon(soon(model.answer(question(None))).await.expect("an answer").collect::<Vec<_>>()).await;
        let deltas: Vec<_> = deltas.into_iter().map(|delta| delta.expect("no error")).collect();
        let text: String =
            deltas.iter().filter_map(|d| if let ChatDelta::Text(t) = d { Some(t.as_str()) } else { None }).collect();
        assert_eq!(text, "Größe \"M\" 🦀 [1]", "cut into {bytes}");
        assert!(matches!(deltas.last(), Some(ChatDelta::Usage { output_tokens: 4, .. })), "{deltas:?}");
    }
}

#[tokio::test]
async fn the_request_has_the_fields_of_the_api_and_no_other() {
    let standin = standin().await;
    let more = json!({ "temperature": 0.2, "randomSeed": 7, "safePrompt": true, "maxTokens": 50 });
    let model = model(&standin, more).await;
    drop(soon(model.answer(question(Some("Fourteen days.")))).await.expect("an answer"));
    let request = standin.requests().remove(0);
    let fields: Vec<_> = request.body.as_object().expect("an object").keys().cloned().collect();
    let known = ["max_tokens", "messages", "model", "random_seed", "safe_prompt", "stream", "temperature", "tools"];
    assert_eq!(fields, known);
    let sent = |name: &str| request.body[name].clone();
    assert_eq!((sent("max_tokens"), sent("random_seed"), sent("safe_prompt")), (json!(50), json!(7), json!(true)));
    assert_eq!((request.status, request.path.as_str()), (200, "/v1/chat/completions"));
    assert_eq!((request.method.as_str(), request.header("authorization")), ("POST", Some("Bearer mk-geheim-4711")));
}

#[tokio::test]
async fn knowledge_that_does_not_answer_is_said_by_a_call() {
    let standin = standin().await;
    let model = model(&standin, json!({})).await;
    let deltas: Vec<_> = soon(soon(model.answer(question(None))).await.expect("an answer").collect::<Vec<_>>()).await;
    assert!(deltas.iter().any(|delta| matches!(delta, Ok(ChatDelta::NotInKnowledge))));
}

#[tokio::test]
async fn a_reasoning_models_thoughts_are_not_its_answer() {
    let standin = standin().await;
    let chunk = |content: Value| {
        format!("data: {}\n\n", json!({ "choices": [{ "index": 0, "delta": { "content": content } }] }))
    };
    let stream = chunk(json!([{ "type": "thinking", "thinking": [{ "type": "text", "text": "Hm" }] }]))
        + &chunk(json!([{ "type": "text", "text": "Four" }]))
        + &chunk(json!("teen"))
        + "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    standin.script([Turn::Raw(stream.into_bytes())]);
    let said = soon(model(&standin, json!({})).await.say(question(None).messages, 10)).await;
    assert_eq!(said.expect("an answer").as_deref(), Some("Fourteen"));
}

#[tokio::test]
async fn the_models_are_listed() {
    let standin = standin().await;
    let models = soon(model(&standin, json!({})).await.models()).await.expect("a list");
    assert_eq!(models, ["mistral-medium-latest", "mistral-small-latest"]);
}

#[tokio::test]
async fn each_failure_has_its_kind_and_quotes_nothing() {
    use PluginErrorKind::{InvalidResponse, Misconfigured, RateLimited, Refused, Unavailable};
    let standin = standin().await;
    let model = model(&standin, json!({})).await;
    for (status, kind) in [(401, Misconfigured), (422, Refused), (503, Unavailable), (429, RateLimited(None))] {
        standin.script(vec![Turn::Status(status, None); 3]);
        let error = soon(model.answer(question(None))).await.err().expect("no answer");
        assert_eq!(error.kind, kind, "{status}");
        assert!(!error.to_string().contains(SECRET), "{error}");
        standin.script(std::iter::empty());
        // What a refusal left of the script.
        while soon(model.answer(question(None))).await.is_err() {}
    }
    standin.script([Turn::EndAfter(vec!["Four".into()])]);
    let deltas: Vec<_> = soon(soon(model.answer(question(None))).await.expect("a piece").collect::<Vec<_>>()).await;
    assert_eq!(deltas.last().and_then(|d| d.as_ref().err()).map(|error| error.kind), Some(InvalidResponse));
}
