//! What Mistral's API has that OpenAI's has not, and the other way round: by Mistral's published description of
//! `POST /v1/chat/completions` and `GET /v1/models`.

use serde_json::{Value, json};

use super::{
    http::Request,
    rules::{Checked, Refusal, each, integer, invalid, missing, number, object, one_of, only, typed, unknown},
};

/// Checks a request from its path to the last field of its body.
pub fn check(request: &Request, body: &Value, key: Option<&str>) -> Checked {
    let is_list = request.path == "/v1/models";
    if !is_list && request.path != "/v1/chat/completions" {
        return Err(Refusal::new(404, None, "not_found", "no Route matched with those values"));
    }
    if request.method != if is_list { "GET" } else { "POST" } {
        return Err(Refusal::new(405, None, "method_not_allowed", "Method Not Allowed"));
    }
    let given = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    if given.is_none_or(str::is_empty) || key.is_some_and(|key| given != Some(key)) {
        return Err(Refusal::new(401, None, "unauthorized", "Unauthorized"));
    }
    if is_list {
        return Ok(());
    }
    let content_type = request.header("content-type").and_then(|value| value.split(';').next());
    if content_type != Some("application/json") {
        return Err(Refusal::new(415, None, "unsupported_media_type", "Send application/json"));
    }
    let fields = object("body", body)?;
    for required in ["model", "messages"] {
        if !fields.contains_key(required) {
            return Err(missing(required));
        }
    }
    fields.iter().try_for_each(|(name, value)| check_field(name, value))
}

fn check_field(name: &str, value: &Value) -> Checked {
    match name {
        "model" => typed(name, value.as_str().is_some_and(|model| !model.is_empty())),
        "messages" => each(name, value, 1..=2048, check_message),
        "stream" | "safe_prompt" | "parallel_tool_calls" => typed(name, value.is_boolean()),
        "temperature" => number(name, value, 0.0, 1.5),
        "top_p" => number(name, value, 0.0, 1.0),
        "presence_penalty" | "frequency_penalty" => number(name, value, -2.0, 2.0),
        "max_tokens" => integer(name, value, 0, i64::MAX),
        "random_seed" => integer(name, value, 0, i64::MAX),
        "n" => integer(name, value, 1, 128),
        "stop" if value.is_string() => Ok(()),
        "stop" => each(name, value, 1..=64, |at, stop| typed(at, stop.is_string())),
        "metadata" | "prediction" => object(name, value).map(drop),
        "prompt_mode" => one_of(name, value, &["reasoning"]),
        "tools" => each(name, value, 1..=128, super::rules::check_tool),
        "tool_choice" if value.is_string() => one_of(name, value, &["auto", "none", "any", "required"]),
        "tool_choice" => super::rules::check_chosen(name, value),
        "response_format" => check_format(name, value),
        _ => Err(unknown(name)),
    }
}

fn check_format(at: &str, value: &Value) -> Checked {
    let fields = object(at, value)?;
    only(at, fields, &["type", "json_schema"])?;
    one_of(&format!("{at}.type"), &value["type"], &["text", "json_object", "json_schema"])?;
    if value["type"] != "json_schema" {
        return typed(at, !fields.contains_key("json_schema"));
    }
    let at = format!("{at}.json_schema");
    let schema = object(&at, &value["json_schema"])?;
    only(&at, schema, &["name", "description", "schema", "strict"])?;
    typed(&at, value["json_schema"]["name"].is_string() && value["json_schema"]["schema"].is_object())
}

fn check_message(at: &str, message: &Value) -> Checked {
    let fields = object(at, message)?;
    let role = fields.get("role").ok_or_else(|| missing(&format!("{at}.role")))?;
    one_of(&format!("{at}.role"), role, &["system", "user", "assistant", "tool"])?;
    only(
        at,
        fields,
        match role.as_str() {
            Some("assistant") => &["role", "content", "tool_calls", "prefix"],
            Some("tool") => &["role", "content", "tool_call_id", "name"],
            _ => &["role", "content"],
        },
    )?;
    match fields.get("content") {
        Some(Value::String(_)) => Ok(()),
        Some(parts @ Value::Array(_)) => each(at, parts, 1..=2048, |at, part| typed(at, part["type"].is_string())),
        None | Some(Value::Null) if role == "assistant" => Ok(()),
        _ => Err(invalid(&format!("{at}.content"))),
    }
}

/// The list of models.
pub fn models() -> Value {
    let model = |id: &str| json!({ "id": id, "object": "model", "owned_by": "mistralai", "capabilities": { "completion_chat": true } });
    json!({ "object": "list", "data": [model("mistral-medium-latest"), model("mistral-small-latest")] })
}
