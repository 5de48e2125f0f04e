//! From a stream of `chat.completion.chunk` to the pieces of an answer: the dialect of OpenAI, and of those who speak it.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use futures::{Stream, StreamExt, stream::BoxStream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    failure::Failures,
    sse::{Event, Parser},
};
use crate::{ChatDelta, PluginError, PromptMessage, PromptRole, Result};

/// The function by which the model says that the knowledge does not answer.
pub const NOT_IN_KNOWLEDGE: &str = "not_in_knowledge";

/// What that function is for, for the model to read.
pub const NOT_IN_KNOWLEDGE_USE: &str = "Call this function, and write no text, when the passages you were given do not \
                                        contain the answer to the question.";

/// The field `messages`.
pub fn messages(prompt: &[PromptMessage]) -> Value {
    let messages = prompt.iter().map(|message| {
        let role = match message.role {
            PromptRole::System => "system",
            PromptRole::User => "user",
            PromptRole::Assistant => "assistant",
        };
        json!({ "role": role, "content": message.content })
    });
    messages.collect()
}

/// One element of the field `tools`: [`NOT_IN_KNOWLEDGE`].
pub fn not_in_knowledge() -> Value {
    json!({
        "type": "function",
        "function": {
            "name": NOT_IN_KNOWLEDGE,
            "description": NOT_IN_KNOWLEDGE_USE,
            "parameters": { "type": "object", "properties": {} },
        },
    })
}

/// How long a server may take from its last event to the end of its response.
const LINGER: Duration = Duration::from_millis(100);

/// Reads an answer from the body of a response until it is complete or `deadline` is reached. The first error is the
/// last item.
pub fn read(
    failures: Failures,
    mut body: BoxStream<'static, Result<Bytes>>,
    deadline: Instant,
) -> impl Stream<Item = Result<ChatDelta>> + Send + 'static {
    async_stream::try_stream! {
        let mut parser = Parser::new(failures.0);
        let mut reply = Reply::new(failures);
        while !reply.done {
            let piece = timeout_at(deadline, body.next()).await.map_err(|_| failures.late())?.transpose()?;
            let is_last = piece.is_none();
            let events = match piece {
                Some(piece) => parser.feed(&piece)?,
                None => parser.finish(),
            };
            for event in events {
                if let Some(text) = reply.take(event)? {
                    yield ChatDelta::Text(text);
                }
            }
            if is_last {
                break;
            }
        }
        for delta in reply.end()? {
            yield delta;
        }
        // A body read to its end leaves a connection that can serve the next answer.
        let _ = timeout(LINGER, async { while let Some(Ok(_)) = body.next().await {} }).await;
    }
}

/// A `chat.completion.chunk`. Everything is optional and unknown fields are ignored: servers differ.
#[derive(Deserialize)]
struct Chunk {
    choices: Option<Vec<Choice>>,
    usage: Option<Usage>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    index: Option<u32>,
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<Content>,
    refusal: Option<String>,
    tool_calls: Option<Vec<ToolCall>>,
}

/// Text, or parts of which some are text. A reasoning model's thoughts come as parts of another type.
#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    text: Option<String>,
}

impl Content {
    fn text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Parts(parts) => parts.into_iter().filter_map(|part| part.text).collect(),
        }
    }
}

#[derive(Deserialize)]
struct ToolCall {
    index: Option<u32>,
    function: Option<Function>,
}

#[derive(Deserialize)]
struct Function {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

/// What is known of an answer so far.
struct Reply {
    failures: Failures,
    text_sent: bool,
    refused: bool,
    called: BTreeMap<u32, String>,
    finish_reason: Option<String>,
    usage: Option<Usage>,
    done: bool,
}

impl Reply {
    fn new(failures: Failures) -> Self {
        Self {
            failures,
            text_sent: false,
            refused: false,
            called: BTreeMap::new(),
            finish_reason: None,
            usage: None,
            done: false,
        }
    }

    /// Takes an event in; returns the text it brought, if any is to be handed on.
    fn take(&mut self, event: Event) -> Result<Option<String>> {
        let data = match event {
            Event::Data(data) => data,
            Event::Error(data) => {
                return Err(self.failures.of_error_object(&serde_json::from_str(&data).unwrap_or_default()));
            }
        };
        let data = data.trim();
        if self.done || data.is_empty() {
            return Ok(None);
        }
        if data == "[DONE]" {
            self.done = true;
            return Ok(None);
        }
        // The parser's own message would quote the text.
        let chunk: Chunk =
            serde_json::from_str(data).map_err(|_| self.failures.invalid("a chunk of the stream is not readable"))?;
        if let Some(error) = chunk.error {
            return Err(self.failures.of_error_object(&error));
        }
        self.usage = chunk.usage.or(self.usage.take());
        let first = chunk.choices.unwrap_or_default().into_iter().find(|choice| choice.index.unwrap_or(0) == 0);
        Ok(first.and_then(|choice| self.take_choice(choice)))
    }

    fn take_choice(&mut self, choice: Choice) -> Option<String> {
        self.finish_reason = choice.finish_reason.or(self.finish_reason.take());
        let delta = choice.delta?;
        self.refused |= delta.refusal.is_some_and(|refusal| !refusal.is_empty());
        for call in delta.tool_calls.unwrap_or_default() {
            self.take_call(call);
        }
        self.text_to_send(delta.content?.text())
    }

    /// A name usually comes whole in the first chunk of a call; it may also come in pieces, or again with each chunk.
    fn take_call(&mut self, call: ToolCall) {
        let name = call.function.and_then(|function| function.name).unwrap_or_default();
        let known = self.called.entry(call.index.unwrap_or(0)).or_default();
        if known != NOT_IN_KNOWLEDGE {
            known.push_str(&name);
        }
    }

    /// Models put line breaks before a call and sometimes before an answer: blank text at the start is not the answer.
    /// Once the function was called, words beside it are not the answer either.
    fn text_to_send(&mut self, text: String) -> Option<String> {
        if self.text_sent {
            return (!text.is_empty()).then_some(text);
        }
        let text = text.trim_start();
        if text.is_empty() || self.not_in_knowledge() {
            return None;
        }
        self.text_sent = true;
        Some(text.to_owned())
    }

    fn not_in_knowledge(&self) -> bool {
        self.called.values().any(|name| name == NOT_IN_KNOWLEDGE)
    }

    /// What is left to say once the stream is over.
    fn end(self) -> Result<Vec<ChatDelta>> {
        let finish_reason = self.finish_reason.as_deref();
        if !self.done && finish_reason.is_none() {
            return Err(self.failures.invalid("the stream ended before the answer did"));
        }
        match finish_reason {
            Some("content_filter") => return Err(self.failures.declined("the operator's filter cut the answer")),
            Some("error") => return Err(self.failures.of_error_object(&Value::Null)),
            _ => {}
        }
        let usage = self.usage.as_ref().map(|usage| ChatDelta::Usage {
            input_tokens: u32::try_from(usage.prompt_tokens).unwrap_or(u32::MAX),
            output_tokens: u32::try_from(usage.completion_tokens).unwrap_or(u32::MAX),
        });
        let mut deltas = Vec::from_iter(usage);
        if self.text_sent {
            // A call after text is ignored: half an answer cannot be taken back.
            tracing::debug!(plugin = self.failures.0, cut_at_token_limit = finish_reason == Some("length"), "answered");
            return Ok(deltas);
        }
        if self.not_in_knowledge() {
            deltas.push(ChatDelta::NotInKnowledge);
            return Ok(deltas);
        }
        Err(self.without_answer())
    }

    fn without_answer(&self) -> PluginError {
        if self.refused {
            return self.failures.declined("the model declined to answer");
        }
        if !self.called.is_empty() {
            return self.failures.invalid("the model called a function it was not offered");
        }
        match self.finish_reason.as_deref() {
            Some("length") => self.failures.invalid("the token limit was reached before any text; raise maxTokens"),
            _ => self.failures.invalid("the answer is empty"),
        }
    }
}
