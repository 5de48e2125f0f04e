//! What the stand-in does with an accepted request.

use std::time::Duration;

use serde_json::{Value, json};

use super::rules::Refusal;

/// One thing to do with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Answers with these pieces of text.
    Answer(Vec<String>),
    /// Answers as a small model would: the first line of the first passage (the text after a line that starts with the
    /// marker `[1]`) with its citation `[1]`, word by word. Where the prompt has no such marker it calls the first
    /// function it was offered, and without one says that it does not know.
    AnswerFromPassages,
    /// Calls the first function it was offered, after these pieces of text.
    ToolCall(Vec<String>),
    /// Answers with these pieces and stops at the token limit (`finish_reason: length`).
    CutAtTokenLimit(Vec<String>),
    /// Answers with this status and, where it says so, a number of seconds to wait. The error's text quotes the prompt,
    /// as some servers do.
    Status(u16, Option<u64>),
    /// Never answers.
    Hang,
    /// Sends these pieces and then nothing more.
    HangAfter(Vec<String>),
    /// Sends these pieces and breaks the connection.
    DropAfter(Vec<String>),
    /// Sends these pieces and ends the response in good order, without `finish_reason` and `[DONE]`.
    EndAfter(Vec<String>),
    /// Sends these pieces, each after so many milliseconds, and ends well.
    Slow(Vec<String>, u64),
    /// Sends these pieces and then an error object, whose text quotes the prompt.
    ErrorAfter(Vec<String>),
    /// Sends these bytes as the stream.
    Raw(Vec<u8>),
    /// Answers with the last message, each first text replaced by the second, a few signs at a time. Asked for JSON under a
    /// schema, it gives as many reasons as the schema wants.
    Edit(Vec<(String, String)>),
}

/// What goes over the wire.
pub enum Reply {
    /// The request broke a rule.
    Refused(Refusal),
    /// A whole body.
    Json {
        /// HTTP status.
        status: u16,
        /// Seconds to wait.
        retry_after: Option<u64>,
        /// The body.
        body: Value,
    },
    /// A stream of events.
    Stream(Vec<Step>),
    /// Nothing.
    Never,
}

impl Reply {
    /// A whole body.
    pub fn ok(body: Value) -> Self {
        Self::Json { status: 200, retry_after: None, body }
    }

    /// The status to record.
    pub fn status(&self) -> u16 {
        match self {
            Reply::Refused(refusal) => refusal.status,
            Reply::Json { status, .. } => *status,
            Reply::Stream(_) | Reply::Never => 200,
        }
    }
}

/// A step of a stream.
pub enum Step {
    /// Write.
    Bytes(Vec<u8>),
    /// Wait.
    Pause(Duration),
    /// Wait for the client to go.
    Forever,
    /// Close without an end.
    Cut,
}

impl Turn {
    /// [`Turn::Answer`] with these pieces.
    pub fn answer(pieces: &[&str]) -> Self {
        Turn::Answer(pieces.iter().map(|piece| (*piece).to_owned()).collect())
    }

    /// The reply to a request with this body, which has passed every rule.
    pub fn reply_to(self, body: &Value) -> Reply {
        let call = offered_function(body);
        match self {
            Turn::Answer(pieces) => complete(body, &pieces, None, "stop", None),
            Turn::CutAtTokenLimit(pieces) => complete(body, &pieces, None, "length", None),
            Turn::Slow(pieces, millis) => complete(body, &pieces, None, "stop", Some(Duration::from_millis(millis))),
            Turn::ToolCall(pieces) => match call {
                Some(name) => complete(body, &pieces, Some(name), "tool_calls", None),
                None => error(500, None, "scripted to call a function, but none was offered"),
            },
            Turn::AnswerFromPassages => match (first_passage(body), call) {
                (Some(line), _) => complete(body, &words(&format!("{line} [1]")), None, "stop", None),
                (None, Some(name)) => complete(body, &[], Some(name), "tool_calls", None),
                (None, None) => complete(body, &words("I do not know."), None, "stop", None),
            },
            Turn::Status(status, retry_after) => error(status, retry_after, &quoted_prompt(body)),
            Turn::Hang => Reply::Never,
            Turn::HangAfter(pieces) => cut_short(body, &pieces, Some(Step::Forever)),
            Turn::DropAfter(pieces) => cut_short(body, &pieces, Some(Step::Cut)),
            Turn::EndAfter(pieces) => cut_short(body, &pieces, None),
            Turn::ErrorAfter(pieces) => {
                let error = json!({ "error": error_object(&quoted_prompt(body)) });
                cut_short(body, &pieces, Some(event(&error)))
            }
            Turn::Raw(bytes) => Reply::Stream(vec![Step::Bytes(bytes)]),
            Turn::Edit(_) if body["response_format"]["type"] == "json_schema" => {
                complete(body, &[reasons(body)], None, "stop", None)
            }
            Turn::Edit(changes) => complete(body, &edited(body, &changes), None, "stop", None),
        }
    }
}

fn complete(body: &Value, pieces: &[String], call: Option<&str>, finish: &str, pace: Option<Duration>) -> Reply {
    let usage = usage(body, pieces);
    if body["stream"] != true {
        let message = json!({ "role": "assistant", "content": pieces.concat(), "refusal": null });
        let choice = json!({ "index": 0, "message": message, "logprobs": null, "finish_reason": finish });
        let body = envelope(body, "chat.completion", json!([choice]), usage);
        return Reply::Json { status: 200, retry_after: None, body };
    }
    let mut steps = opening(body, pieces, pace);
    if let Some(name) = call {
        let function = json!({ "name": name, "arguments": "" });
        let begun = json!([{ "index": 0, "id": "call_standin", "type": "function", "function": function }]);
        steps.push(chunk(body, json!({ "tool_calls": begun }), None));
        let rest = json!([{ "index": 0, "function": { "arguments": "{}" } }]);
        steps.push(chunk(body, json!({ "tool_calls": rest }), None));
    }
    steps.push(chunk(body, json!({}), Some(finish)));
    if wants_usage(body) {
        steps.push(event(&envelope(body, "chat.completion.chunk", json!([]), usage)));
    }
    steps.push(Step::Bytes(b"data: [DONE]\n\n".to_vec()));
    Reply::Stream(steps)
}

fn cut_short(body: &Value, pieces: &[String], last: Option<Step>) -> Reply {
    let mut steps = opening(body, pieces, None);
    steps.extend(last);
    Reply::Stream(steps)
}

fn opening(body: &Value, pieces: &[String], pace: Option<Duration>) -> Vec<Step> {
    let mut steps = vec![chunk(body, json!({ "role": "assistant", "content": "", "refusal": null }), None)];
    for piece in pieces {
        steps.extend(pace.map(Step::Pause));
        steps.push(chunk(body, json!({ "content": piece }), None));
    }
    steps
}

fn chunk(body: &Value, delta: Value, finish: Option<&str>) -> Step {
    let choice = json!({ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish });
    event(&envelope(body, "chat.completion.chunk", json!([choice]), Value::Null))
}

fn envelope(body: &Value, object: &str, choices: Value, usage: Value) -> Value {
    let mut envelope = json!({
        "id": "chatcmpl-standin",
        "object": object,
        "created": 1_700_000_000,
        "model": body["model"],
        "service_tier": "default",
        "system_fingerprint": "fp_standin",
        "choices": choices,
    });
    if !usage.is_null() || wants_usage(body) {
        envelope["usage"] = usage;
    }
    envelope
}

fn event(data: &Value) -> Step {
    Step::Bytes(format!("data: {data}\n\n").into_bytes())
}

fn error(status: u16, retry_after: Option<u64>, message: &str) -> Reply {
    Reply::Json { status, retry_after, body: json!({ "error": error_object(message) }) }
}

fn error_object(message: &str) -> Value {
    json!({ "message": message, "type": "server_error", "param": null, "code": null })
}

fn wants_usage(body: &Value) -> bool {
    body["stream_options"]["include_usage"] == true
}

fn offered_function(body: &Value) -> Option<&str> {
    body["tools"][0]["function"]["name"].as_str()
}

fn edited(body: &Value, changes: &[(String, String)]) -> Vec<String> {
    let text = contents(body).last().copied().unwrap_or_default().to_owned();
    let text = changes.iter().fold(text, |text, (from, to)| text.replace(from, to));
    let signs: Vec<char> = text.chars().collect();
    signs.chunks(5).map(|piece| piece.iter().collect()).collect()
}

fn reasons(body: &Value) -> String {
    let count = body["response_format"]["json_schema"]["schema"]["properties"]["reasons"]["minItems"].as_u64();
    let reasons: Vec<String> = (1..=count.unwrap_or(0)).map(|number| format!("Reason {number}.")).collect();
    json!({ "reasons": reasons, "feedback": "Read it aloud once." }).to_string()
}

/// Words stand in for tokens.
fn usage(body: &Value, pieces: &[String]) -> Value {
    let read: usize = contents(body).iter().map(|text| text.split_whitespace().count()).sum();
    let written = pieces.concat().split_whitespace().count();
    json!({ "prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written })
}

/// The texts of all messages, in order.
fn contents(body: &Value) -> Vec<&str> {
    let messages = body["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
    messages.iter().filter_map(|message| message["content"].as_str()).collect()
}

fn quoted_prompt(body: &Value) -> String {
    format!("cannot process: {}", contents(body).join(" / "))
}

/// The first line of text that belongs to passage 1: what follows `[1]` on its line is taken for the title if more text
/// comes below.
fn first_passage(body: &Value) -> Option<String> {
    contents(body).into_iter().find_map(|text| first_passage_of(Some(text)))
}

/// The same in one text.
pub fn first_passage_of(text: Option<&str>) -> Option<String> {
    let mut lines = text?.lines().map(str::trim).skip_while(|line| !line.starts_with("[1]"));
    let title = lines.next()?.trim_start_matches("[1]").trim();
    let below = lines.find(|line| !line.is_empty()).filter(|line| !line.starts_with('['));
    Some(below.unwrap_or(title).to_owned()).filter(|line| !line.is_empty())
}

pub fn words(text: &str) -> Vec<String> {
    text.split_inclusive(' ').map(str::to_owned).collect()
}
