//! What the original refuses, by OpenAI's published OpenAPI description of `POST /chat/completions`.

use serde_json::{Map, Value, json};

use super::http::Request;

/// Why a request is refused.
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    param: Option<String>,
    code: &'static str,
    message: String,
}

pub type Checked = Result<(), Refusal>;

impl Refusal {
    pub fn new(status: u16, param: Option<&str>, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, param: param.map(str::to_owned), code, message: message.into() }
    }

    /// OpenAI's error object.
    pub fn body(&self) -> Value {
        json!({ "error": {
            "message": self.message, "type": "invalid_request_error", "param": self.param, "code": self.code,
        } })
    }
}

/// Checks a request from its path to the last field of its body.
pub fn check(request: &Request, body: &Value, key: Option<&str>) -> Checked {
    if request.path != "/v1/chat/completions" {
        return Err(Refusal::new(404, None, "unknown_url", "Invalid URL"));
    }
    if request.method != "POST" {
        return Err(Refusal::new(405, None, "method_not_supported", "Not allowed"));
    }
    let bearer = request.header("authorization").map(|value| value.strip_prefix("Bearer "));
    let is_known = match (bearer, key) {
        (Some(None) | Some(Some("")), _) => false,
        (Some(given), Some(key)) => given == Some(key),
        (None, Some(_)) => false,
        (_, None) => true,
    };
    if !is_known {
        return Err(Refusal::new(401, None, "invalid_api_key", "Incorrect API key provided"));
    }
    let content_type = request.header("content-type").and_then(|value| value.split(';').next());
    if content_type != Some("application/json") {
        return Err(Refusal::new(415, None, "unsupported_media_type", "Send application/json"));
    }
    let Value::Object(fields) = body else {
        return Err(Refusal::new(400, None, "invalid_json", "The body is not a JSON object"));
    };
    for required in ["model", "messages"] {
        if !fields.contains_key(required) {
            return Err(missing(required));
        }
    }
    for (name, value) in fields {
        check_field(name, value)?;
    }
    check_together(fields)
}

fn check_field(name: &str, value: &Value) -> Checked {
    let text = |value: &Value| value.as_str().is_some_and(|text| !text.is_empty());
    match name {
        "model" | "user" | "safety_identifier" | "prompt_cache_key" => typed(name, text(value)),
        "messages" => each(name, value, 1..=2048, check_message),
        "stream" | "store" | "parallel_tool_calls" | "logprobs" => typed(name, value.is_boolean()),
        "stream_options" => {
            let fields = object(name, value)?;
            only(name, fields, &["include_usage", "include_obfuscation"])?;
            typed(name, fields.values().all(Value::is_boolean))
        }
        "temperature" => number(name, value, 0.0, 2.0),
        "top_p" => number(name, value, 0.0, 1.0),
        "frequency_penalty" | "presence_penalty" => number(name, value, -2.0, 2.0),
        "max_tokens" | "max_completion_tokens" => integer(name, value, 1, i64::MAX),
        "n" => integer(name, value, 1, 128),
        "top_logprobs" => integer(name, value, 0, 20),
        "seed" => integer(name, value, i64::MIN, i64::MAX),
        "stop" if value.is_string() => Ok(()),
        "stop" => each(name, value, 1..=4, |at, stop| typed(at, stop.is_string())),
        "logit_bias" | "metadata" => object(name, value).map(drop),
        "response_format" => one_of(name, &value["type"], &["text", "json_object", "json_schema"]),
        "service_tier" => one_of(name, value, &["auto", "default", "flex", "scale", "priority"]),
        "reasoning_effort" => one_of(name, value, &["none", "minimal", "low", "medium", "high", "xhigh"]),
        "verbosity" => one_of(name, value, &["low", "medium", "high"]),
        "tools" => each(name, value, 1..=128, check_tool),
        "tool_choice" if value.is_string() => one_of(name, value, &["none", "auto", "required"]),
        "tool_choice" => check_chosen(name, value),
        _ => Err(unknown(name)),
    }
}

fn check_message(at: &str, message: &Value) -> Checked {
    let fields = object(at, message)?;
    let role = fields.get("role").ok_or_else(|| missing(&format!("{at}.role")))?;
    one_of(&format!("{at}.role"), role, &["developer", "system", "user", "assistant", "tool"])?;
    let (is_assistant, is_tool) = (role == "assistant", role == "tool");
    only(
        at,
        fields,
        match role.as_str() {
            Some("assistant") => &["role", "content", "name", "refusal", "tool_calls"],
            Some("tool") => &["role", "content", "tool_call_id"],
            _ => &["role", "content", "name"],
        },
    )?;
    if is_tool && !fields.contains_key("tool_call_id") {
        return Err(missing(&format!("{at}.tool_call_id")));
    }
    let content = format!("{at}.content");
    match fields.get("content") {
        Some(Value::String(_)) => Ok(()),
        Some(parts @ Value::Array(_)) => {
            each(&content, parts, 1..=2048, |at, part| typed(at, part["type"] == "text" && part["text"].is_string()))
        }
        None | Some(Value::Null) if is_assistant && fields.contains_key("tool_calls") => Ok(()),
        None => Err(missing(&content)),
        Some(_) => typed(&content, false),
    }
}

pub fn check_tool(at: &str, tool: &Value) -> Checked {
    let fields = object(at, tool)?;
    only(at, fields, &["type", "function"])?;
    one_of(&format!("{at}.type"), &tool["type"], &["function"])?;
    let at = format!("{at}.function");
    let function = object(&at, &tool["function"])?;
    only(&at, function, &["name", "description", "parameters", "strict"])?;
    let name = function.get("name").and_then(Value::as_str).ok_or_else(|| missing(&format!("{at}.name")))?;
    let is_name = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    typed(&format!("{at}.name"), (1..=64).contains(&name.len()) && name.bytes().all(is_name))?;
    typed(&format!("{at}.description"), function.get("description").is_none_or(Value::is_string))?;
    typed(&format!("{at}.parameters"), function.get("parameters").is_none_or(|schema| schema["type"] == "object"))?;
    typed(&format!("{at}.strict"), function.get("strict").is_none_or(Value::is_boolean))
}

pub fn check_chosen(at: &str, value: &Value) -> Checked {
    only(at, object(at, value)?, &["type", "function"])?;
    typed(at, value["type"] == "function" && value["function"]["name"].is_string())
}

fn check_together(fields: &Map<String, Value>) -> Checked {
    let has = |name: &str| fields.contains_key(name);
    let streams = fields.get("stream") == Some(&Value::Bool(true));
    if has("stream_options") && !streams {
        let message = "The 'stream_options' parameter is only allowed when 'stream' is enabled.";
        return Err(Refusal::new(400, Some("stream_options"), "invalid_parameter", message));
    }
    if has("max_tokens") && has("max_completion_tokens") {
        let message = "Setting 'max_tokens' and 'max_completion_tokens' at the same time is not supported.";
        return Err(Refusal::new(400, Some("max_tokens"), "invalid_parameter_combination", message));
    }
    for needs_tools in ["tool_choice", "parallel_tool_calls"] {
        if has(needs_tools) && !has("tools") {
            let message = format!("'{needs_tools}' is only allowed when 'tools' are specified.");
            return Err(Refusal::new(400, Some(needs_tools), "invalid_parameter", message));
        }
    }
    Ok(())
}

pub fn each(
    at: &str,
    value: &Value,
    many: std::ops::RangeInclusive<usize>,
    check: impl Fn(&str, &Value) -> Checked,
) -> Checked {
    let items = value.as_array().filter(|items| many.contains(&items.len())).ok_or_else(|| invalid(at))?;
    items.iter().enumerate().try_for_each(|(index, item)| check(&format!("{at}[{index}]"), item))
}

pub fn object<'a>(at: &str, value: &'a Value) -> Result<&'a Map<String, Value>, Refusal> {
    value.as_object().ok_or_else(|| invalid(at))
}

pub fn only(at: &str, fields: &Map<String, Value>, known: &[&str]) -> Checked {
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(unknown(&format!("{at}.{name}"))),
        None => Ok(()),
    }
}

pub fn number(at: &str, value: &Value, least: f64, most: f64) -> Checked {
    typed(at, value.as_f64().is_some_and(|number| (least..=most).contains(&number)))
}

pub fn integer(at: &str, value: &Value, least: i64, most: i64) -> Checked {
    typed(at, value.as_i64().is_some_and(|number| (least..=most).contains(&number)))
}

pub fn one_of(at: &str, value: &Value, known: &[&str]) -> Checked {
    typed(at, value.as_str().is_some_and(|text| known.contains(&text)))
}

pub fn typed(at: &str, is_right: bool) -> Checked {
    if is_right { Ok(()) } else { Err(invalid(at)) }
}

pub fn missing(at: &str) -> Refusal {
    Refusal::new(400, Some(at), "missing_required_parameter", format!("Missing required parameter: '{at}'."))
}

pub fn unknown(at: &str) -> Refusal {
    Refusal::new(400, Some(at), "unknown_parameter", format!("Unknown parameter: '{at}'."))
}

pub fn invalid(at: &str) -> Refusal {
    Refusal::new(400, Some(at), "invalid_value", format!("Invalid type or value for '{at}'."))
}
