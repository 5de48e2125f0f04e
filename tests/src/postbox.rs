//! A mailer that sends to nobody: it keeps what it was handed, and is down as long as a test wants it to be.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use consigne_gateway::sdk::{
    Capability, CapabilityKind, DataCategory, Egress, Mail, Mailer, Manifest, Plugin, PluginError, PluginErrorKind,
    Processing, Purpose, Result,
};
use serde_json::{Value, json};

/// The mailer. Clones are the same.
#[derive(Clone)]
pub struct Postbox {
    manifest: Arc<Manifest>,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    mails: Vec<Letter>,
    is_down: bool,
}

/// A mail that was handed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// To whom.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its words.
    pub text: String,
}

impl Letter {
    /// The code in it: the eight digits that stand alone in a line.
    pub fn code(&self) -> Option<&str> {
        self.text.lines().map(str::trim).find(|line| line.len() == 8 && line.bytes().all(|b| b.is_ascii_digit()))
    }
}

impl Postbox {
    /// An empty one.
    #[expect(clippy::new_without_default, reason = "it is named as the other stand-ins are")]
    pub fn new() -> Self {
        let manifest = Manifest {
            id: "postbox",
            name: "Postbox",
            summary: "Keeps the mails it is handed.",
            capabilities: vec![CapabilityKind::Mailer],
            hosts: vec![],
            settings_schema: json!({"type": "object", "additionalProperties": false}),
        };
        Self { manifest: Arc::new(manifest), memory: Arc::default() }
    }

    /// What was handed over, in order.
    pub fn letters(&self) -> Vec<Letter> {
        self.memory().mails.clone()
    }

    /// What was handed over to this address, in order.
    pub fn to(&self, address: &str) -> Vec<Letter> {
        self.letters().into_iter().filter(|letter| letter.to == address).collect()
    }

    /// Whether it answers.
    pub fn be_down(&self, is_down: bool) {
        self.memory().is_down = is_down;
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Mailer for Postbox {
    async fn send(&self, mail: Mail) -> Result<()> {
        let mut memory = self.memory();
        if memory.is_down {
            return Err(PluginError::new(PluginErrorKind::Unavailable, "the postbox is shut"));
        }
        memory.mails.push(Letter { to: mail.to, subject: mail.subject, text: mail.text });
        Ok(())
    }
}

#[async_trait]
impl Plugin for Postbox {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn processing(&self, _: &Value) -> Processing {
        Processing::internal(vec![DataCategory::Contact], vec![Purpose::Rights])
    }

    async fn open(&self, _: CapabilityKind, _: Value, _: Egress) -> Result<Capability> {
        Ok(Capability::Mailer(Arc::new(self.clone())))
    }
}
