//! The bodies of requests. Nothing in them tells the operator who asks.

use consigne_sdk::{
    CorrectionAim, PromptMessage, Tone,
    model_server::completions::{messages, not_in_knowledge},
};
use serde_json::{Map, Value, json};

use crate::settings::Settings;

/// Asks for an answer to `prompt`; `may_refuse` offers the function that says that the knowledge does not answer.
pub(crate) fn answer(settings: &Settings, prompt: &[PromptMessage], max_tokens: u32, may_refuse: bool) -> Value {
    let mut body = common(settings, max_tokens);
    body.insert("messages".into(), messages(prompt));
    body.insert("stream".into(), true.into());
    if let Some(temperature) = settings.temperature {
        body.insert("temperature".into(), temperature.into());
    }
    if may_refuse {
        body.insert("tools".into(), json!([not_in_knowledge()]));
    }
    Value::Object(body)
}

/// Asks for `text`, corrected.
pub(crate) fn correction(settings: &Settings, instructions: &str, text: &str, max_tokens: u32) -> Value {
    let mut body = common(settings, max_tokens);
    body.insert("messages".into(), two_turns(instructions, text));
    body.insert("stream".into(), true.into());
    // The same text is corrected the same way.
    body.insert("temperature".into(), 0.into());
    Value::Object(body)
}

/// Asks for one reason a change, and for feedback, as JSON.
pub(crate) fn explanation(
    settings: &Settings,
    instructions: &str,
    text: &str,
    changes: usize,
    max_tokens: u32,
) -> Value {
    let mut body = common(settings, max_tokens);
    body.insert("messages".into(), two_turns(instructions, text));
    body.insert("temperature".into(), 0.into());
    let schema = json!({
        "type": "object",
        "properties": {
            "reasons": { "type": "array", "items": { "type": "string" }, "minItems": changes, "maxItems": changes },
            "feedback": { "type": "string" },
        },
        "required": ["reasons", "feedback"],
        "additionalProperties": false,
    });
    let format =
        json!({ "type": "json_schema", "json_schema": { "name": "reasons", "schema": schema, "strict": true } });
    body.insert("response_format".into(), format);
    Value::Object(body)
}

fn common(settings: &Settings, max_tokens: u32) -> Map<String, Value> {
    let most = settings.max_tokens.map_or(max_tokens, |most| most.min(max_tokens));
    let mut body = Map::new();
    body.insert("model".into(), settings.model.as_str().into());
    body.insert("max_tokens".into(), most.max(1).into());
    if let Some(seed) = settings.random_seed {
        body.insert("random_seed".into(), seed.into());
    }
    if settings.safe_prompt {
        body.insert("safe_prompt".into(), true.into());
    }
    body
}

fn two_turns(instructions: &str, text: &str) -> Value {
    json!([{ "role": "system", "content": instructions }, { "role": "user", "content": text }])
}

/// What is done to a text.
pub(crate) fn task(aim: CorrectionAim) -> &'static str {
    match aim {
        CorrectionAim::Grammar | CorrectionAim::Feedback => {
            "Correct spelling, grammar and punctuation. Change nothing else: keep the words, the tone and the order."
        }
        CorrectionAim::Clarity => {
            "Say the same more clearly: shorter sentences, no ambiguity, nothing added or left out."
        }
        CorrectionAim::Tone(Tone::Polite) => "Say the same politely, as one writes to a customer.",
        CorrectionAim::Tone(Tone::Friendly) => "Say the same in a friendly way, as one writes to a friend.",
        CorrectionAim::Tone(Tone::Formal) => "Say the same formally, as one writes to an office.",
        CorrectionAim::Simpler => {
            "Say the same in simple, common words that somebody who learns the language understands."
        }
        CorrectionAim::Translation => "Translate the text. Keep its tone and its form.",
    }
}
