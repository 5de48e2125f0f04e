//! The stand-in itself: what it lets through and what it refuses, so that a test against it means something.

use std::time::Duration;

use consigne_sdk::{
    Egress, EgressRequest, Plugin,
    egress::{
        Method,
        header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
    },
};
use futures::TryStreamExt;
use serde_json::{Value, json};
use url::Url;

use crate::{bench::settings, standin::StandIn};

async fn send(standin: &StandIn, method: Method, path: &str, headers: HeaderMap, body: Value) -> (u16, Value) {
    let egress = Egress::new(consigne_plugin_openai::OpenAi::new().manifest(), &settings(standin, json!({})));
    let url = Url::parse(&standin.base_url()).and_then(|base| base.join(path)).expect("a URL");
    let request = EgressRequest { method, url, headers, json: Some(body), timeout: Duration::from_secs(5) };
    let response = egress.expect("usable settings").send(request).await.expect("an answer");
    let body = response.body.try_collect::<Vec<_>>().await.expect("a body").concat();
    (response.status, serde_json::from_slice(&body).unwrap_or_default())
}

async fn post(standin: &StandIn, body: Value) -> (u16, Value) {
    send(standin, Method::POST, "/v1/chat/completions", HeaderMap::new(), body).await
}

fn with(more: Value) -> Value {
    let mut body = json!({ "model": "m", "messages": [{ "role": "user", "content": "Hi" }] });
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    body
}

#[tokio::test]
async fn what_the_protocol_knows_passes() {
    let standin = StandIn::start().await;
    for body in [
        with(json!({})),
        with(
            json!({ "stream": false, "temperature": 2, "top_p": 0.5, "n": 1, "seed": 7, "stop": ["a"], "store": false }),
        ),
        with(json!({ "max_completion_tokens": 1, "user": "u", "metadata": {}, "response_format": { "type": "text" } })),
        with(json!({ "tools": [{ "type": "function", "function": { "name": "f" } }], "tool_choice": "none" })),
        with(json!({ "messages": [
            { "role": "developer", "content": [{ "type": "text", "text": "t" }] },
            { "role": "assistant", "content": null, "tool_calls": [] },
            { "role": "tool", "content": "c", "tool_call_id": "1" },
        ] })),
    ] {
        let (status, answer) = post(&standin, body.clone()).await;
        assert_eq!((status, &answer["object"]), (200, &json!("chat.completion")), "{body}: {answer}");
    }
}

#[tokio::test]
async fn what_the_protocol_does_not_know_is_refused_by_name() {
    let standin = StandIn::start().await;
    let function = |function: Value| json!({ "tools": [{ "type": "function", "function": function }] });
    for (body, param, code) in [
        (json!({ "model": "m" }), "messages", "missing_required_parameter"),
        (json!({ "messages": [] }), "model", "missing_required_parameter"),
        (with(json!({ "surprise": 1 })), "surprise", "unknown_parameter"),
        (with(json!({ "model": "" })), "model", "invalid_value"),
        (with(json!({ "messages": [] })), "messages", "invalid_value"),
        (with(json!({ "messages": [{ "content": "c" }] })), "messages[0].role", "missing_required_parameter"),
        (with(json!({ "messages": [{ "role": "bot", "content": "c" }] })), "messages[0].role", "invalid_value"),
        (with(json!({ "messages": [{ "role": "user", "content": null }] })), "messages[0].content", "invalid_value"),
        (with(json!({ "messages": [{ "role": "user" }] })), "messages[0].content", "missing_required_parameter"),
        (
            with(json!({ "messages": [{ "role": "user", "content": "c", "id": 1 }] })),
            "messages[0].id",
            "unknown_parameter",
        ),
        (with(json!({ "stream": "true" })), "stream", "invalid_value"),
        (with(json!({ "stream_options": { "include_usage": true } })), "stream_options", "invalid_parameter"),
        (with(json!({ "stream": true, "stream_options": { "x": true } })), "stream_options.x", "unknown_parameter"),
        (with(json!({ "temperature": 2.5 })), "temperature", "invalid_value"),
        (with(json!({ "max_tokens": 0 })), "max_tokens", "invalid_value"),
        (with(json!({ "max_tokens": 1.5 })), "max_tokens", "invalid_value"),
        (with(json!({ "max_tokens": 1, "max_completion_tokens": 1 })), "max_tokens", "invalid_parameter_combination"),
        (with(json!({ "tools": [] })), "tools", "invalid_value"),
        (with(function(json!({ "name": "no spaces" }))), "tools[0].function.name", "invalid_value"),
        (with(function(json!({ "name": "f", "parameters": [] }))), "tools[0].function.parameters", "invalid_value"),
        (with(function(json!({ "name": "f", "x": 1 }))), "tools[0].function.x", "unknown_parameter"),
        (with(json!({ "tool_choice": "auto" })), "tool_choice", "invalid_parameter"),
    ] {
        let (status, answer) = post(&standin, body.clone()).await;
        let error = &answer["error"];
        assert_eq!((status, &error["param"], &error["code"]), (400, &json!(param), &json!(code)), "{body}: {answer}");
    }
}

#[tokio::test]
async fn path_method_key_and_content_type_are_checked_first() {
    let standin = StandIn::start().await;
    let body = || with(json!({}));
    let none = HeaderMap::new;
    let wrong_path = send(&standin, Method::POST, "/v1/completions", none(), body()).await;
    let wrong_method = send(&standin, Method::PUT, "/v1/chat/completions", none(), body()).await;
    let form = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_static("text/plain"))]);
    let wrong_type = send(&standin, Method::POST, "/v1/chat/completions", form, body()).await;
    assert_eq!([wrong_path.0, wrong_method.0, wrong_type.0], [404, 405, 415]);
    standin.require_key("k");
    for (value, status) in [("Bearer k", 200), ("Bearer x", 401), ("Bearer", 401), ("Basic k", 401)] {
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(value))]);
        let answered = send(&standin, Method::POST, "/v1/chat/completions", headers, body()).await;
        assert_eq!(answered.0, status, "{value}");
    }
    assert_eq!(post(&standin, body()).await.1["error"]["code"], "invalid_api_key");
}
