//! Mails of plain text to whoever is named, through the same server and under the same signature.

use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use consigne_sdk::{Egress, Mail, Mailer, PluginError, PluginErrorKind, Result};
use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        Mailbox, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};

use crate::{ID, dkim::Dkim, settings::Settings, smtp::Smtp};

/// Writes to one person at a time.
pub(crate) struct EmailMailer {
    settings: Settings,
    smtp: Smtp,
    dkim: Option<Dkim>,
}

impl EmailMailer {
    /// Under settings that were checked.
    pub(crate) fn new(settings: Settings, egress: Egress) -> Result<Self> {
        Ok(Self { smtp: Smtp::new(&settings, egress)?, dkim: Dkim::of(&settings)?, settings })
    }

    fn message(&self, mail: &Mail) -> Result<Message> {
        let failed = |kind, why: &str| PluginError::new(kind, format!("{ID}: {why}"));
        let to: Address =
            mail.to.trim().parse().map_err(|_| failed(PluginErrorKind::Refused, "this is no address to write to"))?;
        let from = self.settings.sender()?;
        let unwritable = |_| failed(PluginErrorKind::Internal, "a mail that cannot be written");
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .message_id(Some(format!("<{}@{}>", mail.key, from.domain())))
            .date(UNIX_EPOCH + Duration::from_millis(mail.at.try_into().unwrap_or_default()))
            .envelope(Envelope::new(Some(from.clone()), vec![to.clone()]).map_err(unwritable)?)
            .from(Mailbox::new(self.settings.from_name.clone(), from))
            .to(Mailbox::new(None, to))
            .subject(mail.subject.clone())
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .singlepart(SinglePart::plain(mail.text.replace('\n', "\r\n")))
            .map_err(unwritable)
    }
}

#[async_trait]
impl Mailer for EmailMailer {
    async fn send(&self, mail: Mail) -> Result<()> {
        let message = self.message(&mail)?;
        let bytes = match &self.dkim {
            Some(dkim) => dkim.signed(&message.formatted())?,
            None => message.formatted(),
        };
        self.smtp.send(&message, &bytes).await
    }
}
