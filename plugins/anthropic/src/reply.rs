//! From the events of a message to the pieces of an answer.

use std::time::Duration;

use bytes::Bytes;
use consigne_sdk::{
    ChatDelta, PluginError, PluginErrorKind, Result,
    model_server::{
        Failures,
        completions::NOT_IN_KNOWLEDGE,
        sse::{Event, Parser},
    },
};
use futures::{Stream, StreamExt, stream::BoxStream};
use serde::Deserialize;
use tokio::time::{Instant, timeout, timeout_at};

const FAILURES: Failures = Failures(crate::ID);

/// How long a server may take from its last event to the end of its response.
const LINGER: Duration = Duration::from_millis(100);

/// Reads an answer until it is complete or `deadline` is reached. The first error is the last item.
pub(crate) fn read(
    mut body: BoxStream<'static, Result<Bytes>>,
    deadline: Instant,
) -> impl Stream<Item = Result<ChatDelta>> + Send + 'static {
    async_stream::try_stream! {
        let mut parser = Parser::new(crate::ID);
        let mut reply = Reply::default();
        while !reply.stopped {
            let piece = timeout_at(deadline, body.next()).await.map_err(|_| FAILURES.late())?.transpose()?;
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

/// An event by its type; new types may come, and are ignored.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Said {
    MessageStart {
        message: Message,
    },
    ContentBlockStart {
        content_block: Block,
    },
    ContentBlockDelta {
        delta: BlockDelta,
    },
    MessageDelta {
        delta: MessageDelta,
        usage: Option<Usage>,
    },
    MessageStop,
    Error {
        error: Problem,
    },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Message {
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    name: Option<String>,
    text: Option<String>,
}

#[derive(Deserialize)]
struct BlockDelta {
    text: Option<String>,
}

#[derive(Deserialize)]
struct MessageDelta {
    stop_reason: Option<String>,
}

#[derive(Deserialize, Default, Clone, Copy)]
struct Usage {
    input_tokens: Option<u32>,
    output_tokens: Option<u32>,
}

#[derive(Deserialize)]
struct Problem {
    #[serde(rename = "type")]
    kind: String,
}

/// What is known of an answer so far.
#[derive(Default)]
struct Reply {
    text_sent: bool,
    not_in_knowledge: bool,
    called_another: bool,
    stop_reason: Option<String>,
    input_tokens: Option<u32>,
    output_tokens: Option<u32>,
    stopped: bool,
}

impl Reply {
    /// Takes an event in; returns the text it brought, if any is to be handed on.
    fn take(&mut self, event: Event) -> Result<Option<String>> {
        let (Event::Data(data) | Event::Error(data)) = event;
        if self.stopped || data.trim().is_empty() {
            return Ok(None);
        }
        // The parser's own message would quote the text.
        let said =
            serde_json::from_str(&data).map_err(|_| FAILURES.invalid("an event of the stream is not readable"))?;
        match said {
            Said::MessageStart { message } => self.count(message.usage),
            Said::ContentBlockStart { content_block } => return Ok(self.begin(content_block)),
            Said::ContentBlockDelta { delta } => return Ok(delta.text.and_then(|text| self.text_to_send(&text))),
            Said::MessageDelta { delta, usage } => {
                self.stop_reason = delta.stop_reason.or(self.stop_reason.take());
                self.count(usage);
            }
            Said::MessageStop => self.stopped = true,
            Said::Error { error } => return Err(of_problem(&error.kind)),
            Said::Other => {}
        }
        Ok(None)
    }

    /// Counts are of the whole message so far: the last one holds.
    fn count(&mut self, usage: Option<Usage>) {
        let usage = usage.unwrap_or_default();
        self.input_tokens = usage.input_tokens.or(self.input_tokens);
        self.output_tokens = usage.output_tokens.or(self.output_tokens);
    }

    fn begin(&mut self, block: Block) -> Option<String> {
        if block.kind == "tool_use" {
            match block.name.as_deref() {
                Some(NOT_IN_KNOWLEDGE) => self.not_in_knowledge = true,
                _ => self.called_another = true,
            }
            return None;
        }
        self.text_to_send(&block.text?)
    }

    /// Blank text at the start is not the answer; once the tool was called, words beside it are not the answer either.
    fn text_to_send(&mut self, text: &str) -> Option<String> {
        let text = if self.text_sent { text } else { text.trim_start() };
        if text.is_empty() || (!self.text_sent && self.not_in_knowledge) {
            return None;
        }
        self.text_sent = true;
        Some(text.to_owned())
    }

    /// What is left to say once the stream is over.
    fn end(self) -> Result<Vec<ChatDelta>> {
        if !self.stopped {
            return Err(FAILURES.invalid("the stream ended before the answer did"));
        }
        let stop_reason = self.stop_reason.as_deref();
        if stop_reason == Some("refusal") {
            return Err(FAILURES.declined("the model declined to answer"));
        }
        let usage = self.input_tokens.zip(self.output_tokens);
        let mut deltas =
            Vec::from_iter(usage.map(|(input_tokens, output_tokens)| ChatDelta::Usage { input_tokens, output_tokens }));
        match (self.text_sent, self.not_in_knowledge, stop_reason) {
            (true, ..) => {}
            (false, true, _) => deltas.push(ChatDelta::NotInKnowledge),
            (false, false, Some("max_tokens")) => {
                return Err(FAILURES.invalid("the token limit was reached before any text; raise maxTokens"));
            }
            _ if self.called_another => return Err(FAILURES.invalid("the model called a tool it was not offered")),
            _ => return Err(FAILURES.invalid("the answer is empty")),
        }
        Ok(deltas)
    }
}

/// The error behind a type that the API documents; its words are not read.
fn of_problem(kind: &str) -> PluginError {
    let (kind, why) = match kind {
        "overloaded_error" | "api_error" | "timeout_error" => (PluginErrorKind::Unavailable, "the server failed"),
        "rate_limit_error" => (PluginErrorKind::RateLimited(None), "too many requests"),
        "authentication_error" | "permission_error" | "not_found_error" | "billing_error" => {
            (PluginErrorKind::Misconfigured, "the key or the model was not accepted")
        }
        _ => (PluginErrorKind::Refused, "the request was refused"),
    };
    PluginError::new(kind, format!("{}: inside the answer: {why}", crate::ID))
}
