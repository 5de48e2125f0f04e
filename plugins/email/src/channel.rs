//! One mailbox of the customer's.

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use consigne_sdk::{
    Channel, ChannelTraits, Delivery, Egress, InboundRequest, Once, PluginError, PluginErrorKind, Polled, Receipt,
    Received, Result,
    signed::{Secret, verified},
};
use serde::Deserialize;

use crate::{
    ID,
    dkim::Dkim,
    imap::Imap,
    inbound::{self, Mail},
    mail,
    mark::Marks,
    settings::{Mode, Settings, misconfigured},
    smtp::Smtp,
};

/// Largest mail that a request may hand over.
const LARGEST: usize = 10 * 1024 * 1024;

/// Writes mails, and reads what is answered.
pub(crate) struct EmailChannel {
    settings: Settings,
    marks: Marks,
    smtp: Smtp,
    imap: Option<Imap>,
    dkim: Option<Dkim>,
    inbound: Vec<Secret>,
}

/// A mail inside JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wrapped {
    raw: String,
}

impl EmailChannel {
    /// The channel under checked settings.
    pub(crate) fn new(settings: Settings, egress: Egress) -> Result<Self> {
        Ok(Self {
            marks: settings.marks()?,
            smtp: Smtp::new(&settings, egress.clone())?,
            imap: Imap::new(&settings, egress)?,
            dkim: Dkim::of(&settings)?,
            inbound: settings.inbound()?,
            settings,
        })
    }
}

#[async_trait]
impl Channel for EmailChannel {
    fn traits(&self) -> ChannelTraits {
        ChannelTraits { two_way: self.settings.mode == Mode::TwoWay, once: Once::Never }
    }

    async fn check(&self) -> Result<String> {
        let how = self.smtp.check().await?;
        let fetches = match &self.imap {
            Some(imap) => imap.check().await.map(|()| " Replies can be fetched.")?,
            None => "",
        };
        Ok(format!("{}: {how}.{fetches}", self.smtp.host()))
    }

    async fn deliver(&self, delivery: Delivery) -> Result<Receipt> {
        let written = mail::write(&self.settings, &self.marks, &delivery)?;
        drop(delivery);
        let bytes = written.mail.formatted();
        let bytes = match &self.dkim {
            Some(dkim) => dkim.signed(&bytes)?,
            None => bytes,
        };
        self.smtp.send(&written.mail, &bytes).await?;
        Ok(Receipt { thread: Some(written.thread), message: Some(written.id) })
    }

    async fn receive(&self, request: InboundRequest) -> Result<Received> {
        if self.settings.mode == Mode::Alert || self.inbound.is_empty() {
            return Err(misconfigured("inboundSecrets is missing, or mode is alert"));
        }
        verified(&self.inbound, &request).ok_or_else(|| refused("the request does not verify"))?;
        if request.body.len() > LARGEST {
            return Err(refused("the mail is too large"));
        }
        let media_type =
            request.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let mail = match media_type {
            "message/rfc822" => request.body.to_vec(),
            "application/json" => {
                let wrapped: Wrapped =
                    serde_json::from_slice(&request.body).map_err(|_| refused("no field raw alone"))?;
                BASE64.decode(wrapped.raw.as_bytes()).map_err(|_| refused("raw is not base64"))?
            }
            _ => return Err(refused("neither message/rfc822 nor application/json")),
        };
        let events = match inbound::read(&mail, &self.settings.from, &self.marks) {
            Mail::Event(event) => vec![event],
            Mail::Nothing | Mail::NotOurs => Vec::new(),
        };
        Ok(Received { events, answer: None })
    }

    async fn poll(&self, cursor: Option<String>) -> Result<Polled> {
        match &self.imap {
            Some(imap) => imap.poll(cursor.as_deref(), &self.settings.from, &self.marks).await,
            None => Ok(Polled { events: Vec::new(), cursor }),
        }
    }
}

fn refused(why: &str) -> PluginError {
    PluginError::new(PluginErrorKind::Refused, format!("{ID}: {why}"))
}
