//! People at work while the program is killed under their hands: an editor who uploads, visitors who ask and listen.
//!
//! What they were told is what counts. A call whose answer was lost is made again after the restart, as a good client
//! makes it: the same file under the same name, the same question under the same key.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use consigne_tests::{
    client::Client,
    people::{Member, idempotency_key},
};
use serde_json::{Value, json};
use tokio::time::timeout;

/// A listener who hears nothing for so long connects again.
const QUIET: Duration = Duration::from_secs(10);

/// One run of the program, between two kills.
pub struct Run {
    /// The program, without a token.
    pub public: Client,
    /// The owner of its workspace.
    pub owner: Member,
    killed: Arc<AtomicBool>,
}

impl Run {
    /// A run in which this is set before the kill.
    pub fn new(public: Client, owner: Member, killed: Arc<AtomicBool>) -> Self {
        Self { public, owner, killed }
    }

    /// What came of a call; `None` where it was lost to the kill.
    fn survived<T>(&self, result: Result<T>) -> Result<Option<T>> {
        match result {
            Err(_) if self.killed.load(Ordering::SeqCst) => Ok(None),
            other => other.map(Some),
        }
    }
}

/// Uploads files.
#[derive(Default)]
pub struct Editor {
    /// All files so far.
    pub files: Vec<File>,
}

/// A file to be uploaded.
pub struct File {
    /// Its name.
    pub name: String,
    /// Markdown.
    pub text: String,
    /// Its document, once the upload was accepted.
    pub document: Option<String>,
}

impl Editor {
    /// How many documents the program found half read when it was started.
    pub async fn half_read(&self, run: &Run) -> Result<usize> {
        let pending = run.owner.graphql("documents", json!({"state": "PENDING"})).await;
        let Some(pending) = run.survived(pending)? else { return Ok(0) };
        Ok(usize::try_from(pending.ok().number("/documents/totalCount"))?)
    }

    /// Uploads what was not accepted yet, until all is or the program is gone.
    pub async fn work(&mut self, run: &Run) -> Result<()> {
        for file in self.files.iter_mut().filter(|file| file.document.is_none()) {
            let uploaded = run.owner.upload(&file.name, "text/markdown", file.text.as_bytes()).await;
            let Some(document) = run.survived(uploaded)? else { return Ok(()) };
            file.document = Some(document);
        }
        Ok(())
    }
}

/// Asks one question after the other in one chat, and listens to the answers.
pub struct Asker {
    /// Which assistant.
    assistant: String,
    /// How many questions.
    wanted: usize,
    token: Option<String>,
    /// The chat, once it was started.
    pub chat: Option<String>,
    /// All questions so far.
    pub questions: Vec<Question>,
    /// Every event of the chat, as it was heard over as many connections as it took.
    pub heard: Vec<Value>,
}

/// A question, under its key.
pub struct Question {
    /// What was asked.
    pub text: String,
    key: String,
    /// The answer, once the question was accepted.
    pub answer: Option<String>,
    is_over: bool,
}

/// What visitors ask; the handbook answers most of it.
const QUESTIONS: [&str; 5] = [
    "How many days do I have to return an order?",
    "How much is a standard inspection?",
    "Do you deliver to France, and what does it cost?",
    "How long are batteries covered by the warranty?",
    "Who won the chess world championship in 1972?",
];

impl Asker {
    /// Somebody who is going to ask this many questions.
    pub fn new(assistant: &str, wanted: usize) -> Self {
        let assistant = assistant.to_owned();
        Self { assistant, wanted, token: None, chat: None, questions: Vec::new(), heard: Vec::new() }
    }

    /// The visitor, in this run of the program.
    pub fn client(&self, run: &Run) -> Result<Client> {
        Ok(run.public.with_token(self.token.as_deref().context("the visitor was let in")?))
    }

    /// Asks and listens until all is answered or the program is gone.
    pub async fn work(&mut self, run: &Run) -> Result<()> {
        while self.questions.len() < self.wanted || self.questions.iter().any(|question| !question.is_over) {
            let step = self.step(run).await;
            if run.survived(step)?.is_none() {
                return Ok(());
            }
        }
        Ok(())
    }

    async fn step(&mut self, run: &Run) -> Result<()> {
        if self.token.is_none() {
            let visitor = run.owner.visitor(&self.assistant).await?;
            self.token = visitor.token().map(str::to_owned);
        }
        let client = self.client(run)?;
        let chat = match &self.chat {
            Some(chat) => chat.clone(),
            None => client.graphql("start_chat", json!({})).await?.ok().text("/startChat/chat/id"),
        };
        self.chat = Some(chat.clone());
        let asked = self.questions.len();
        let question = match self.questions.last_mut() {
            Some(question) if !question.is_over => question,
            _ => {
                let text = format!("{} (question {asked})", QUESTIONS[asked % QUESTIONS.len()]);
                self.questions.push(Question { text, key: idempotency_key(), answer: None, is_over: false });
                self.questions.last_mut().context("one was added")?
            }
        };
        let answer = match &question.answer {
            Some(answer) => answer.clone(),
            None => question.ask(&client, &chat).await?,
        };
        question.answer = Some(answer.clone());
        let seen = self.heard.last().and_then(|event| event["seq"].as_i64());
        let mut listener = client.listen("chat_events", json!({"chatId": chat, "after": seen})).await?;
        while let Ok(event) = timeout(QUIET, listener.next()).await {
            let event = event?.with_context(|| format!("the stream ended before {answer}"))?;
            let event = event["data"]["chatEvents"].clone();
            let is_last = is_end(&event) && event["answer"]["id"] == *answer;
            self.heard.push(event);
            if is_last {
                question.is_over = true;
                break;
            }
        }
        Ok(())
    }
}

impl Question {
    /// Asks, the first time or again; answers the id of the answer.
    pub async fn ask(&self, client: &Client, chat: &str) -> Result<String> {
        let input = json!({"chatId": chat, "text": self.text, "idempotencyKey": self.key});
        let asked = client.graphql_in_turn("ask_question", json!({"input": input})).await?.ok();
        Ok(asked.text("/askQuestion/answer/id"))
    }
}

/// Whether an answer ends with this event.
pub fn is_end(event: &Value) -> bool {
    matches!(event["__typename"].as_str(), Some("AnswerCompleted" | "AnswerFailed"))
}
