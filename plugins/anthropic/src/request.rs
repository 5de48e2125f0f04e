//! The body of a request to the Messages API. Nothing in it tells the operator who asks (`metadata`).

use consigne_sdk::{
    PromptMessage, PromptRole,
    model_server::completions::{NOT_IN_KNOWLEDGE, NOT_IN_KNOWLEDGE_USE},
};
use serde_json::{Map, Value, json};

use crate::settings::Settings;

/// Asks for an answer to `prompt`; `may_refuse` offers the tool that says that the knowledge does not answer.
pub(crate) fn body(settings: &Settings, prompt: &[PromptMessage], max_tokens: u32, may_refuse: bool) -> Value {
    let most = settings.max_tokens.map_or(max_tokens, |most| most.min(max_tokens));
    let mut body = Map::new();
    body.insert("model".into(), settings.model.as_str().into());
    body.insert("max_tokens".into(), most.max(1).into());
    body.insert("stream".into(), true.into());
    let instructions: Vec<&str> =
        prompt.iter().filter(|turn| turn.role == PromptRole::System).map(|turn| turn.content.as_str()).collect();
    if !instructions.is_empty() {
        body.insert("system".into(), instructions.join("\n\n").into());
    }
    body.insert("messages".into(), turns(prompt));
    if let Some(temperature) = settings.temperature {
        body.insert("temperature".into(), temperature.into());
    }
    if may_refuse {
        let tool = json!({
            "name": NOT_IN_KNOWLEDGE,
            "description": NOT_IN_KNOWLEDGE_USE,
            "input_schema": { "type": "object", "properties": {} },
        });
        body.insert("tools".into(), json!([tool]));
    }
    Value::Object(body)
}

/// The system's turns stand apart from the others.
fn turns(prompt: &[PromptMessage]) -> Value {
    let turns = prompt.iter().filter_map(|turn| {
        let role = match turn.role {
            PromptRole::System => return None,
            PromptRole::User => "user",
            PromptRole::Assistant => "assistant",
        };
        Some(json!({ "role": role, "content": turn.content }))
    });
    turns.collect()
}
