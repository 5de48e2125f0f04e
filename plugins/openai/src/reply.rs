//! From a stream of chunks to the pieces of an answer.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use consigne_sdk::{ChatDelta, Result};
use futures::{Stream, StreamExt, stream::BoxStream};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use crate::{
    failure::{declined, invalid, late, of_error_object},
    request::NOT_IN_KNOWLEDGE,
    sse::{Event, Parser},
};

/// How long a server may take from its last event to the end of its response.
const LINGER: Duration = Duration::from_millis(100);

/// Reads an answer from the body of a response until it is complete or `deadline` is reached. The first error is the
/// last item.
pub(crate) fn read(
    mut body: BoxStream<'static, Result<Bytes>>,
    deadline: Instant,
) -> impl Stream<Item = Result<ChatDelta>> + Send + 'static {
    async_stream::try_stream! {
        let mut parser = Parser::default();
        let mut reply = Reply::default();
        while !reply.done {
            let piece = timeout_at(deadline, body.next()).await.map_err(|_| late())?.transpose()?;
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
    content: Option<String>,
    refusal: Option<String>,
    tool_calls: Option<Vec<ToolCall>>,
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
#[derive(Default)]
struct Reply {
    text_sent: bool,
    refused: bool,
    called: BTreeMap<u32, String>,
    finish_reason: Option<String>,
    usage: Option<Usage>,
    done: bool,
}

impl Reply {
    /// Takes an event in; returns the text it brought, if any is to be handed on.
    fn take(&mut self, event: Event) -> Result<Option<String>> {
        let data = match event {
            Event::Data(data) => data,
            Event::Error(data) => return Err(of_error_object(&serde_json::from_str(&data).unwrap_or_default())),
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
        let chunk: Chunk = serde_json::from_str(data).map_err(|_| invalid("a chunk of the stream is not readable"))?;
        if let Some(error) = chunk.error {
            return Err(of_error_object(&error));
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
        self.text_to_send(delta.content?)
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
            return Err(invalid("the stream ended before the answer did"));
        }
        match finish_reason {
            Some("content_filter") => return Err(declined("the operator's filter cut the answer")),
            Some("error") => return Err(of_error_object(&Value::Null)),
            _ => {}
        }
        let usage = self.usage.as_ref().map(|usage| ChatDelta::Usage {
            input_tokens: u32::try_from(usage.prompt_tokens).unwrap_or(u32::MAX),
            output_tokens: u32::try_from(usage.completion_tokens).unwrap_or(u32::MAX),
        });
        let mut deltas = Vec::from_iter(usage);
        if self.text_sent {
            // A call after text is ignored: half an answer cannot be taken back.
            tracing::debug!(plugin = crate::ID, cut_at_token_limit = finish_reason == Some("length"), "answered");
            return Ok(deltas);
        }
        if self.not_in_knowledge() {
            deltas.push(ChatDelta::NotInKnowledge);
            return Ok(deltas);
        }
        Err(self.without_answer())
    }

    fn without_answer(&self) -> consigne_sdk::PluginError {
        if self.refused {
            return declined("the model declined to answer");
        }
        if !self.called.is_empty() {
            return invalid("the model called a function it was not offered");
        }
        match self.finish_reason.as_deref() {
            Some("length") => invalid("the token limit was reached before any text; raise maxTokens"),
            _ => invalid("the answer is empty"),
        }
    }
}
