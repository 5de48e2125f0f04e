//! A channel that tells nobody: it remembers what it was handed, answers as it is told to, and says what people on its
//! other side would say. Its inbound requests carry a secret, and are refused without it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use bytes::Bytes;
use consigne_gateway::sdk::*;
use serde_json::{Value, json};

/// What makes an inbound request one of the recorder's own.
pub const SECRET: &str = "the recorder's own";

/// What the channel answers to a delivery.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Delivered.
    Ok,
    /// This failure.
    Fail(PluginErrorKind),
    /// Takes it, and never says so.
    Hang,
}

/// The channel, and the hand that leads it. Clones are the same.
#[derive(Clone)]
pub struct Recorder {
    manifest: Arc<Manifest>,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    handed: Vec<Value>,
    answers: VecDeque<Answer>,
    always: Option<Answer>,
    mailbox: Vec<Value>,
    is_refused: bool,
}

impl Recorder {
    /// A channel of this name.
    pub fn new(id: &'static str) -> Self {
        let settings_schema = json!({
            "type": "object",
            "additionalProperties": false,
            "properties": {"url": {"type": "string"}},
        });
        let manifest = Manifest {
            id,
            name: "Recorder",
            summary: "Remembers what it was told.",
            capabilities: vec![CapabilityKind::Channel],
            hosts: vec![],
            settings_schema,
        };
        Self { manifest: Arc::new(manifest), memory: Arc::default() }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every attempt to deliver, in order: `key`, `attempt`, `mayHaveBeenSent`, `thread`, `token`, `kind` and what is told.
    pub fn handed(&self) -> Vec<Value> {
        self.memory().handed.clone()
    }

    /// The attempts alone, in short: `OPENED`, `SAID VISITOR hello`, `CHANGED TAKEN`, `TEST`.
    pub fn told(&self) -> Vec<String> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let short = |one: &Value| match one["kind"].as_str() {
            Some("RECTIFIED") => format!("RECTIFIED {} {}", text(&one["line"]["speaker"]), text(&one["line"]["text"])),
            Some("SAID") => format!("SAID {} {}", text(&one["line"]["speaker"]), text(&one["line"]["text"])),
            Some("CHANGED") => format!("CHANGED {}", text(&one["state"])),
            _ => text(&one["kind"]),
        };
        self.handed().iter().map(short).collect()
    }

    /// Answers so to the next deliveries, and then well again.
    pub fn script(&self, answers: impl IntoIterator<Item = Answer>) {
        self.memory().answers.extend(answers);
    }

    /// Answers so to every delivery from now on.
    pub fn always(&self, answer: Answer) {
        self.memory().always = Some(answer);
    }

    /// Refuses the settings, where they are asked about.
    pub fn refuse_settings(&self) {
        self.memory().is_refused = true;
    }

    /// Somebody writes to the mailbox that is polled; see [`inbound`].
    pub fn mail(&self, event: Value) {
        self.memory().mailbox.push(event);
    }
}

/// Something that somebody does on the other side: `thread` or `token` says where, `do` what.
pub fn inbound(id: &str, to: (&str, &str), what: &str, text: &str) -> Value {
    json!({"id": id, to.0: to.1, "by": "U024BE7LH", "do": what, "text": text})
}

fn read(event: &Value) -> Result<Inbound> {
    let bad = || PluginError::new(PluginErrorKind::Refused, "this is no event of the recorder's");
    let text = |field: &str| event[field].as_str().map(str::to_owned);
    let of = match (text("thread"), text("token")) {
        (Some(thread), _) => ReplyTo::Thread(thread),
        (_, Some(token)) => ReplyTo::Token(token),
        _ => return Err(bad()),
    };
    let said = text("text").unwrap_or_default();
    let what = match event["do"].as_str() {
        Some("reply") => Action::Reply { text: said, refused_files: 0 },
        Some("reply with files") => Action::Reply { text: said, refused_files: 2 },
        Some("note") => Action::Note { text: said },
        Some("take") => Action::Take,
        Some("hand back") => Action::HandBack,
        Some("resolve") => Action::Resolve,
        Some("bounce") => Action::Bounced { for_good: true },
        _ => return Err(bad()),
    };
    Ok(Inbound { id: text("id").ok_or_else(bad)?, of, by: text("by"), what })
}

fn line(line: &Line) -> Value {
    let speaker = match line.speaker {
        Speaker::Visitor => "VISITOR",
        Speaker::Assistant => "ASSISTANT",
        Speaker::Staff => "STAFF",
    };
    json!({"speaker": speaker, "name": line.name, "text": line.text, "at": line.at})
}

fn remembered(delivery: &Delivery) -> Value {
    let mut one = json!({
        "key": delivery.key, "attempt": delivery.attempt, "mayHaveBeenSent": delivery.may_have_been_sent,
        "thread": delivery.thread, "token": delivery.reply_token, "at": delivery.at,
    });
    let told = match &delivery.notice {
        Notice::Opened(opened) => json!({
            "kind": "OPENED", "escalation": opened.escalation, "chat": opened.chat, "assistant": opened.assistant,
            "reason": format!("{:?}", opened.reason), "link": opened.link, "language": opened.language,
            "conversation": opened.conversation.iter().map(line).collect::<Vec<_>>(),
        }),
        Notice::Said(said) => json!({"kind": "SAID", "line": line(said)}),
        Notice::Rectified(said) => json!({"kind": "RECTIFIED", "line": line(said)}),
        Notice::Changed { state, by } => {
            json!({"kind": "CHANGED", "state": format!("{state:?}"), "by": by})
        }
        Notice::Test => json!({"kind": "TEST"}),
    };
    for (name, value) in told.as_object().into_iter().flatten() {
        one[name] = value.clone();
    }
    one
}

#[async_trait]
impl Channel for Recorder {
    fn traits(&self) -> ChannelTraits {
        ChannelTraits { two_way: true, once: Once::ByReceiver }
    }

    async fn check(&self) -> Result<String> {
        if self.memory().is_refused {
            return Err(PluginError::new(PluginErrorKind::Refused, "the recorder refuses its settings"));
        }
        Ok("The recorder listens.".to_owned())
    }

    async fn deliver(&self, delivery: Delivery) -> Result<Receipt> {
        let answer = {
            let mut memory = self.memory();
            memory.handed.push(remembered(&delivery));
            let always = memory.always.clone();
            always.or_else(|| memory.answers.pop_front()).unwrap_or(Answer::Ok)
        };
        match answer {
            Answer::Ok => {
                let thread = delivery.thread.unwrap_or_else(|| format!("thread of {}", delivery.reply_token));
                Ok(Receipt { thread: Some(thread), message: Some(format!("message {}", delivery.key)) })
            }
            Answer::Fail(kind) => Err(PluginError::new(kind, "the recorder was told to fail")),
            Answer::Hang => {
                tokio::time::sleep(Duration::from_secs(3_600)).await;
                Err(PluginError::new(PluginErrorKind::Unavailable, "nobody waits an hour"))
            }
        }
    }

    async fn receive(&self, request: InboundRequest) -> Result<Received> {
        let refused = || PluginError::new(PluginErrorKind::Refused, "this is not the recorder's own");
        if !request.headers.iter().any(|(name, value)| name == "x-recorder" && value == SECRET) {
            return Err(refused());
        }
        let body: Value = serde_json::from_slice(&request.body).map_err(|_| refused())?;
        let events = body["events"].as_array().ok_or_else(refused)?;
        let events = events.iter().map(read).collect::<Result<_>>()?;
        Ok(Received { events, answer: Some(("text/plain", Bytes::from_static(b"thank you"))) })
    }

    async fn poll(&self, cursor: Option<String>) -> Result<Polled> {
        let seen: usize = cursor.as_deref().and_then(|cursor| cursor.parse().ok()).unwrap_or(0);
        let mailbox = self.memory().mailbox.clone();
        if mailbox.is_empty() {
            return Ok(Polled::default());
        }
        let events = mailbox.iter().skip(seen).map(read).collect::<Result<_>>()?;
        Ok(Polled { events, cursor: Some(mailbox.len().to_string()) })
    }
}

#[async_trait]
impl Plugin for Recorder {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn processing(&self, _: &Value) -> Processing {
        Processing {
            role: ProcessorRole::SubProcessor,
            operator: "whoever listens to the recorder".to_owned(),
            region: Region::Undeclared,
            safeguard: Safeguard::Undeclared,
            categories: vec![DataCategory::Conversation],
            purposes: vec![Purpose::Escalation],
            retention: Retention::Undeclared,
        }
    }

    async fn open(&self, _: CapabilityKind, _: Value, _: Egress) -> Result<Capability> {
        Ok(Capability::Channel(Arc::new(self.clone())))
    }
}
