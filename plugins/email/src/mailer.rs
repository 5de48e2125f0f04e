//! Mail to one person, through the same server.

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

/// Writes to whoever is named.
pub(crate) struct EmailMailer {
    settings: Settings,
    smtp: Smtp,
    dkim: Option<Dkim>,
}

impl EmailMailer {
    /// The mailer under checked settings.
    pub(crate) fn new(settings: Settings, egress: Egress) -> Result<Self> {
        Ok(Self { smtp: Smtp::new(&settings, egress)?, dkim: Dkim::of(&settings)?, settings })
    }

    fn write(&self, mail: &Mail) -> Result<Message> {
        let refused =
            |_| PluginError::new(PluginErrorKind::Refused, format!("{ID}: no address that can be written to"));
        let unusable = |_| PluginError::new(PluginErrorKind::Internal, format!("{ID}: a mail that cannot be written"));
        let (sender, to) = (self.settings.sender()?, mail.to.trim().parse::<Address>().map_err(refused)?);
        let envelope = Envelope::new(Some(sender.clone()), vec![to.clone()]).map_err(unusable)?;
        let raw =
            |name: &'static str, value: &str| HeaderValue::new(HeaderName::new_from_ascii_str(name), value.to_owned());
        Message::builder()
            .message_id(Some(format!("<{}@{}>", mail.key, sender.domain())))
            .from(Mailbox::new(self.settings.from_name.clone(), sender))
            .to(Mailbox::new(None, to))
            .subject(mail.subject.clone())
            .date(UNIX_EPOCH + Duration::from_millis(mail.at.try_into().unwrap_or_default()))
            .raw_header(raw("Auto-Submitted", "auto-generated"))
            .raw_header(raw("X-Auto-Response-Suppress", "All"))
            .envelope(envelope)
            .singlepart(SinglePart::plain(mail.text.replace('\n', "\r\n")))
            .map_err(unusable)
    }
}

#[async_trait]
impl Mailer for EmailMailer {
    async fn send(&self, mail: Mail) -> Result<()> {
        let message = self.write(&mail)?;
        let bytes = message.formatted();
        let bytes = match &self.dkim {
            Some(dkim) => dkim.signed(&bytes)?,
            None => bytes,
        };
        self.smtp.send(&message, &bytes).await
    }
}
