//! `consigne ask`: one question, its answer as it streams, and its citations.

use std::{io::Write, process::ExitCode};

use anyhow::{Context, Result};
use clap::Args;
use consigne_foundation::id::{encode, random_uuid};
use serde_json::{Value, json};

use super::client::{Client, ClientArgs, connect};

/// What to ask.
#[derive(Args)]
pub struct AskArgs {
    /// The question.
    question: String,
    #[command(flatten)]
    client: ClientArgs,
}

/// Asks and prints.
///
/// # Errors
/// The gateway's refusal.
pub async fn ask(args: AskArgs) -> Result<ExitCode> {
    let connected = connect(args.client).await?;
    let visitor = Visitor::start(&connected.client).await?;
    visitor.ask(&args.question).await?;
    if let Some(running) = connected.running {
        running.stop().await;
    }
    Ok(ExitCode::SUCCESS)
}

/// A visitor in a chat.
pub struct Visitor {
    client: Client,
    chat: String,
    /// The person, as the workspace holds data about them.
    pub subject: String,
}

impl Visitor {
    /// Lets a visitor in and starts a chat with the workspace's first assistant.
    ///
    /// # Errors
    /// The gateway's refusal.
    pub async fn start(client: &Client) -> Result<Self> {
        let found = client.call("{ assistants { id } }", json!({})).await?;
        let assistant = found["assistants"][0]["id"].as_str().context("the workspace has no assistant")?.to_owned();
        let token = client
            .change(
                "createVisitorToken",
                "mutation($input: CreateVisitorTokenInput!) { createVisitorToken(input: $input) \
                 { visitorSession { visitorToken subjectId } userErrors { message } } }",
                json!({ "input": { "assistantId": assistant } }),
            )
            .await?;
        let session = &token["visitorSession"];
        let visitor = client.with_token(session["visitorToken"].as_str().context("no visitor token came")?);
        let started = visitor
            .change("startChat", "mutation { startChat { chat { id } userErrors { message } } }", json!({}))
            .await?;
        Ok(Self {
            client: visitor,
            chat: started["chat"]["id"].as_str().context("no chat was started")?.to_owned(),
            subject: session["subjectId"].as_str().context("a visitor without a subject")?.to_owned(),
        })
    }

    /// Asks, prints the answer as it streams and its citations under it. Answers the whole answer.
    ///
    /// # Errors
    /// The gateway's refusal.
    pub async fn ask(&self, question: &str) -> Result<Value> {
        println!("\n> {question}\n");
        let seen =
            self.client.call("query($id: ID!) { chat(id: $id) { lastEvent } }", json!({ "id": self.chat })).await?;
        let after = seen["chat"]["lastEvent"].as_i64().unwrap_or(0);
        self.client
            .change(
                "askQuestion",
                "mutation($input: AskQuestionInput!) { askQuestion(input: $input) { answer { id } userErrors { message } } }",
                json!({ "input": { "chatId": self.chat, "text": question, "idempotencyKey": encode(random_uuid()) } }),
            )
            .await?;
        let mut heard = Listening::default();
        self.client
            .listen(EVENTS, json!({ "chat": self.chat, "after": after }), |data| {
                write_event(&mut std::io::stdout(), &data["chatEvents"], &mut heard)
            })
            .await?;
        print_end(&heard.answer);
        Ok(heard.answer)
    }
}

const EVENTS: &str = "subscription($chat: ID!, $after: Int) { chatEvents(chatId: $chat, after: $after) { __typename \
    ... on AnswerStarted { answerId } \
    ... on AnswerDelta { text } \
    ... on AnswerCompleted { answer { outcome offersPerson disclosure { pluginId model region } \
        citations { index title location quote } } } \
    ... on AnswerFailed { answer { failureCode } } ... on ChatHandedOver { state } } }";

/// An answer as it arrives.
#[derive(Default)]
struct Listening {
    has_text: bool,
    answer: Value,
}

/// Writes an event as a person reads it; `false` once the answer has ended. A terminal that is gone does not stop the
/// answer.
fn write_event(out: &mut impl Write, event: &Value, heard: &mut Listening) -> bool {
    match event["__typename"].as_str() {
        Some("AnswerStarted") => {
            if std::mem::take(&mut heard.has_text) {
                let _ = write!(out, "\n\n  (taken back; the answer begins anew)\n\n");
            }
            true
        }
        Some("AnswerDelta") => {
            heard.has_text = true;
            let _ = write!(out, "{}", event["text"].as_str().unwrap_or_default());
            let _ = out.flush();
            true
        }
        Some("ChatHandedOver") => {
            let _ = writeln!(out, "  (a person has the chat now)");
            false
        }
        Some("AnswerCompleted" | "AnswerFailed") => {
            heard.answer = event["answer"].clone();
            false
        }
        _ => true,
    }
}

fn print_end(answer: &Value) {
    println!("\n");
    if let Some(code) = answer["failureCode"].as_str() {
        println!("  The answer failed: {code}");
        return;
    }
    for citation in answer["citations"].as_array().into_iter().flatten() {
        let location = citation["location"].as_str().map(|l| format!(" ({l})")).unwrap_or_default();
        println!("  [{}] {}{location}", citation["index"], citation["title"].as_str().unwrap_or_default());
    }
    if answer["offersPerson"] == true {
        println!("  The knowledge has no answer; a person is offered.");
    }
    let by = &answer["disclosure"];
    println!(
        "  Answered by {} / {}, region {}",
        by["pluginId"].as_str().unwrap_or("?"),
        by["model"].as_str().unwrap_or("?"),
        by["region"].as_str().unwrap_or("?")
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_were_taken_back_are_marked_as_such() {
        let (mut out, mut heard) = (Vec::new(), Listening::default());
        let delta = |text: &str| json!({ "__typename": "AnswerDelta", "text": text });
        let started = json!({ "__typename": "AnswerStarted" });
        for event in [&started, &delta("Wrong"), &started, &delta("Right")] {
            assert!(write_event(&mut out, event, &mut heard));
        }
        assert_eq!(String::from_utf8(out).unwrap(), "Wrong\n\n  (taken back; the answer begins anew)\n\nRight");
    }
}
