//! The body of a chat-completions request.
//!
//! Source: the published OpenAPI description of OpenAI's `POST /chat/completions`. Only fields that Ollama, vLLM and
//! llama.cpp know as well are sent to them, and nothing that would tell the operator who asks (`user`, `metadata`).

use consigne_sdk::{
    PromptMessage,
    model_server::completions::{messages, not_in_knowledge},
};
use serde_json::{Map, Value, json};

use crate::settings::{Settings, TokenLimitField};

/// What the model may do beside writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Task {
    /// Answer from passages, or say that they do not.
    Answer,
    /// Write, and nothing else.
    Write,
}

/// The body that asks for an answer to `prompt` of at most `max_tokens` tokens.
pub(crate) fn body(settings: &Settings, prompt: &[PromptMessage], max_tokens: u32, task: Task) -> Value {
    let mut body = Map::new();
    body.insert("model".into(), settings.model.as_str().into());
    body.insert("messages".into(), messages(prompt));
    body.insert("stream".into(), true.into());
    body.insert("stream_options".into(), json!({ "include_usage": true }));
    let limit = match settings.token_limit_field() {
        TokenLimitField::MaxTokens => "max_tokens",
        TokenLimitField::MaxCompletionTokens => "max_completion_tokens",
    };
    let most = settings.max_tokens.map_or(max_tokens, |most| most.min(max_tokens));
    body.insert(limit.into(), most.max(1).into());
    if let Some(temperature) = settings.temperature {
        body.insert("temperature".into(), temperature.into());
    }
    if settings.use_tools && task == Task::Answer {
        body.insert("tools".into(), json!([not_in_knowledge()]));
    }
    if settings.is_openai() {
        // OpenAI keeps completions for its dashboard, by default for some accounts, unless a request says otherwise.
        body.insert("store".into(), false.into());
    }
    Value::Object(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body_for(base_url: &str) -> Value {
        let settings = Settings::parse(json!({ "baseUrl": base_url, "model": "m" })).expect("usable settings");
        body(&settings, &[], 7, Task::Answer)
    }

    #[test]
    fn openai_itself_is_told_to_store_nothing_and_given_the_limit_its_newer_models_accept() {
        for host in ["api.openai.com", "eu.api.openai.com"] {
            let body = body_for(&format!("https://{host}/v1"));
            assert_eq!((&body["store"], &body["max_completion_tokens"]), (&json!(false), &json!(7)));
            assert!(body.get("max_tokens").is_none());
        }
    }

    #[test]
    fn other_servers_get_no_field_they_may_not_know() {
        for base in ["http://localhost:11434/v1", "https://evil-api.openai.com/v1", "https://api.openai.com.example/v1"]
        {
            let body = body_for(base);
            let fields: Vec<_> = body.as_object().expect("an object").keys().collect();
            assert_eq!(fields, ["max_tokens", "messages", "model", "stream", "stream_options", "tools"], "{base}");
        }
    }
}
