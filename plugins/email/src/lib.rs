//! E-mail: a mail per notice over SMTP, and replies back by IMAP or by a signed request.
//!
//! A reply is known by its address: `replies+TOKEN@example.com`, where the token carries a short signature, so that one
//! that was guessed is nobody's. SMTP cannot tell whether a mail was sent before, so a crash at the wrong moment sends it
//! twice; both carry the same `Message-ID`.
//!
//! Reading order: [`settings`], `mark` (the token in addresses and message ids), `mail` (what is sent), `dkim` (who signs it), `wire` and `smtp`
//! (how), `mailer` (mail to one person), then the way back: `imap`, `inbound` (what a mail is), `bounce`, `html` and `reply` (what of it is the answer),
//! `channel`, and `mailbox` (what people write about their data).
//!
//! Invariants, as absences:
//! - No mail carries an image, a script or a link other than the console's.
//! - No word of a server or a mail is in an error: codes and hosts alone.
//! - No connection is encrypted later than a server allows, and none stays plain off this machine without a word.
//! - Nothing is taken from a mail without a token that was signed here, and no machine's mail is taken for an answer.

mod bounce;
mod channel;
mod dkim;
mod html;
mod imap;
mod inbound;
pub mod instance;
mod mail;
mod mailbox;
mod mailer;
mod mark;
pub mod reply;
pub mod settings;
mod smtp;
mod wire;

use std::sync::Arc;

use async_trait::async_trait;
use consigne_sdk::{
    Capability, CapabilityKind, DataCategory, Egress, HostRule, Manifest, Plugin, PluginError, PluginErrorKind,
    Processing, ProcessorRole, Purpose, Region, Result, Retention, Safeguard, egress::server,
};
use serde_json::Value;

pub use instance::{InstanceMail, instance_mailer};
pub use settings::Settings;

/// The stable id of this plugin.
const ID: &str = "email";

/// Tells people by e-mail.
pub struct Email {
    manifest: Manifest,
}

impl Email {
    /// The plugin; nobody is connected to before something is delivered.
    pub fn new() -> Self {
        let manifest = Manifest {
            id: ID,
            name: "E-mail",
            summary: "Writes to a mailbox of yours when a visitor needs a person, brings replies back, sends codes and answers about people's rights, and fetches what people write about their data.",
            capabilities: vec![CapabilityKind::Channel, CapabilityKind::Mailer, CapabilityKind::Mailbox],
            hosts: vec![HostRule::FromSetting("smtpUrl"), HostRule::FromSetting("imapUrl")],
            settings_schema: Manifest::schema_of::<Settings>(),
        };
        Self { manifest }
    }
}

impl Default for Email {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Plugin for Email {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Who operates the mail server is what the administrator states, and "undeclared" for the rest.
    fn processing(&self, settings: &Value) -> Processing {
        let settings = serde_json::from_value::<Settings>(settings.clone()).ok();
        let declared = settings.as_ref();
        let host = declared.and_then(|s| server(&s.smtp_url)?.host_str().map(str::to_owned));
        let unnamed = || format!("the undeclared operator of {}", host.as_deref().unwrap_or("an unknown host"));
        Processing {
            role: ProcessorRole::SubProcessor,
            operator: declared.and_then(|s| s.operator.clone()).unwrap_or_else(unnamed),
            region: declared.and_then(|s| s.region.as_deref()).map_or(Region::Undeclared, Region::of_code),
            safeguard: declared.and_then(|s| s.safeguard).unwrap_or(Safeguard::Undeclared),
            categories: vec![DataCategory::Conversation, DataCategory::Contact],
            purposes: vec![Purpose::Escalation, Purpose::Rights],
            retention: declared.and_then(|s| s.retention_days).map_or(Retention::Undeclared, Retention::Days),
        }
    }

    async fn open(&self, capability: CapabilityKind, settings: Value, egress: Egress) -> Result<Capability> {
        let settings = Settings::parse(settings)?;
        match capability {
            CapabilityKind::Channel => Ok(Capability::Channel(Arc::new(channel::EmailChannel::new(settings, egress)?))),
            CapabilityKind::Mailer => Ok(Capability::Mailer(Arc::new(mailer::EmailMailer::new(settings, egress)?))),
            CapabilityKind::Mailbox => {
                Ok(Capability::Mailbox(Arc::new(mailbox::EmailMailbox::new(&settings, egress)?)))
            }
            _ => Err(PluginError::new(PluginErrorKind::Misconfigured, format!("{ID} writes and fetches mail alone"))),
        }
    }
}
