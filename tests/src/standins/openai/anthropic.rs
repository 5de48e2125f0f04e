//! Anthropic's Messages API, by its published description of `POST /v1/messages` and `GET /v1/models`.

use serde_json::{Value, json};

use super::{
    http::Request,
    rules::{Checked, Refusal, each, integer, invalid, missing, number, object, one_of, only, typed, unknown},
    turns::{Reply, Step, Turn, words},
};

/// Checks a request from its path to the last field of its body.
pub fn check(request: &Request, body: &Value, key: Option<&str>) -> Checked {
    let is_list = request.path == "/v1/models";
    if !is_list && request.path != "/v1/messages" {
        return Err(Refusal::new(404, None, "not_found_error", "Not found"));
    }
    if request.method != if is_list { "GET" } else { "POST" } {
        return Err(Refusal::new(405, None, "invalid_request_error", "Method Not Allowed"));
    }
    let given = request.header("x-api-key");
    if given.is_none_or(str::is_empty) || key.is_some_and(|key| given != Some(key)) {
        return Err(Refusal::new(401, None, "authentication_error", "invalid x-api-key"));
    }
    if request.header("anthropic-version") != Some("2023-06-01") {
        return Err(Refusal::new(400, None, "invalid_request_error", "anthropic-version: header is required"));
    }
    if is_list {
        return Ok(());
    }
    let content_type = request.header("content-type").and_then(|value| value.split(';').next());
    if content_type != Some("application/json") {
        return Err(Refusal::new(415, None, "invalid_request_error", "Send application/json"));
    }
    let fields = object("body", body)?;
    for required in ["model", "messages", "max_tokens"] {
        if !fields.contains_key(required) {
            return Err(missing(required));
        }
    }
    fields.iter().try_for_each(|(name, value)| check_field(name, value))
}

fn check_field(name: &str, value: &Value) -> Checked {
    match name {
        "model" => typed(name, value.as_str().is_some_and(|model| !model.is_empty())),
        "messages" => each(name, value, 1..=100_000, |at, message| {
            only(at, object(at, message)?, &["role", "content"])?;
            one_of(&format!("{at}.role"), &message["role"], &["user", "assistant"])?;
            let content = message["content"].as_str().is_some_and(|text| !text.is_empty());
            typed(&format!("{at}.content"), content || message["content"].is_array())
        }),
        "system" => typed(name, value.is_string() || value.is_array()),
        "max_tokens" => integer(name, value, 1, i64::MAX),
        "stream" => typed(name, value.is_boolean()),
        "temperature" | "top_p" => number(name, value, 0.0, 1.0),
        "top_k" => integer(name, value, 0, i64::MAX),
        "stop_sequences" => each(name, value, 0..=8192, |at, stop| typed(at, stop.is_string())),
        "metadata" => only(name, object(name, value)?, &["user_id"]),
        "service_tier" => one_of(name, value, &["auto", "standard_only"]),
        "tools" => each(name, value, 0..=10_000, |at, tool| {
            only(at, object(at, tool)?, &["name", "description", "input_schema", "type", "cache_control", "strict"])?;
            typed(at, tool["name"].is_string() && tool["input_schema"]["type"] == "object")
        }),
        "tool_choice" => one_of(name, &value["type"], &["auto", "any", "tool", "none"]),
        "thinking" | "output_config" | "container" | "cache_control" => object(name, value).map(drop),
        "inference_geo" => typed(name, value.is_string()),
        _ if name.is_empty() => Err(invalid(name)),
        _ => Err(unknown(name)),
    }
}

/// The list of models.
pub fn models() -> Value {
    let model =
        |id: &str| json!({ "type": "model", "id": id, "display_name": id, "created_at": "2025-09-29T00:00:00Z" });
    json!({ "data": [model("claude-sonnet-4-5")], "has_more": false, "first_id": "claude-sonnet-4-5", "last_id": "claude-sonnet-4-5" })
}

/// The reply to a request with this body, which has passed every rule.
pub fn reply_to(turn: Turn, body: &Value) -> Reply {
    let tool = body["tools"][0]["name"].as_str();
    let quoted = || format!("cannot process: {}", body["messages"]);
    match turn {
        Turn::Answer(pieces) => stream(body, &pieces, None, Some("end_turn")),
        Turn::CutAtTokenLimit(pieces) => stream(body, &pieces, None, Some("max_tokens")),
        Turn::ToolCall(pieces) => stream(body, &pieces, tool, Some("tool_use")),
        Turn::AnswerFromPassages => match (super::turns::first_passage_of(body["system"].as_str()), tool) {
            (Some(line), _) => stream(body, &words(&format!("{line} [1]")), None, Some("end_turn")),
            (None, Some(name)) => stream(body, &[], Some(name), Some("tool_use")),
            (None, None) => stream(body, &words("I do not know."), None, Some("end_turn")),
        },
        Turn::Status(status, retry_after) => {
            let kind = if status == 529 { "overloaded_error" } else { "api_error" };
            let error =
                json!({ "type": "error", "error": { "type": kind, "message": quoted() }, "request_id": "req_standin" });
            Reply::Json { status, retry_after, body: error }
        }
        Turn::Hang => Reply::Never,
        Turn::Raw(bytes) => Reply::Stream(vec![Step::Bytes(bytes)]),
        Turn::HangAfter(pieces) => cut(body, &pieces, Some(Step::Forever)),
        Turn::DropAfter(pieces) => cut(body, &pieces, Some(Step::Cut)),
        Turn::EndAfter(pieces) => cut(body, &pieces, None),
        Turn::ErrorAfter(pieces) => {
            let error = json!({ "type": "error", "error": { "type": "overloaded_error", "message": quoted() } });
            cut(body, &pieces, Some(event(&error)))
        }
        Turn::Slow(pieces, millis) => {
            let Reply::Stream(steps) = stream(body, &pieces, None, Some("end_turn")) else { return Reply::Never };
            let pause = std::time::Duration::from_millis(millis);
            Reply::Stream(steps.into_iter().flat_map(|step| [Step::Pause(pause), step]).collect())
        }
        Turn::Edit(_) => stream(body, &words("This server corrects nothing."), None, Some("end_turn")),
    }
}

fn stream(body: &Value, pieces: &[String], tool: Option<&str>, stop_reason: Option<&str>) -> Reply {
    let mut steps = opening(body, pieces);
    steps.push(event(&json!({ "type": "content_block_stop", "index": 0 })));
    if let Some(name) = tool {
        let block = json!({ "type": "tool_use", "id": "toolu_standin", "name": name, "input": {} });
        steps.push(event(&json!({ "type": "content_block_start", "index": 1, "content_block": block })));
        let delta = json!({ "type": "input_json_delta", "partial_json": "{}" });
        steps.push(event(&json!({ "type": "content_block_delta", "index": 1, "delta": delta })));
        steps.push(event(&json!({ "type": "content_block_stop", "index": 1 })));
    }
    let written = pieces.concat().split_whitespace().count();
    let delta = json!({ "stop_reason": stop_reason, "stop_sequence": null });
    steps.push(event(&json!({ "type": "message_delta", "delta": delta, "usage": { "output_tokens": written } })));
    steps.push(event(&json!({ "type": "message_stop" })));
    Reply::Stream(steps)
}

fn cut(body: &Value, pieces: &[String], last: Option<Step>) -> Reply {
    let mut steps = opening(body, pieces);
    steps.extend(last);
    Reply::Stream(steps)
}

fn opening(body: &Value, pieces: &[String]) -> Vec<Step> {
    let read =
        body["messages"].to_string().split_whitespace().count() + body["system"].to_string().split_whitespace().count();
    let message = json!({
        "id": "msg_standin", "type": "message", "role": "assistant", "model": body["model"], "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": { "input_tokens": read, "output_tokens": 1 },
    });
    let mut steps = vec![
        event(&json!({ "type": "message_start", "message": message })),
        event(&json!({ "type": "content_block_start", "index": 0, "content_block": { "type": "text", "text": "" } })),
        event(&json!({ "type": "ping" })),
    ];
    for piece in pieces {
        let delta = json!({ "type": "text_delta", "text": piece });
        steps.push(event(&json!({ "type": "content_block_delta", "index": 0, "delta": delta })));
    }
    steps
}

fn event(data: &Value) -> Step {
    let kind = data["type"].as_str().unwrap_or_default();
    Step::Bytes(format!("event: {kind}\ndata: {data}\n\n").into_bytes())
}
