//! The mail server of the installation itself: mails about accounts, whoever's workspace they belong to.

use std::sync::Arc;

use consigne_sdk::{Egress, HostRule, Mailer, Manifest, Result};
use serde_json::{Value, json};

use crate::{mailer::EmailMailer, settings::Settings};

/// Which server the installation sends through, and as whom.
#[derive(Clone)]
pub struct InstanceMail {
    /// `smtps://mail.example.com` or `smtp://mail.example.com`, as the plugin's `smtpUrl`.
    pub url: String,
    /// The name to sign in with, and its password.
    pub credentials: Option<(String, String)>,
    /// PEM certificates of the authorities that alone are trusted; those of the system where left out.
    pub authorities: Option<String>,
    /// Whether mail may be handed over in plain text to another host than this machine.
    pub allows_plain_text: bool,
    /// The address that mails come from.
    pub from: String,
    /// The name beside it.
    pub from_name: Option<String>,
}

/// A mailer through this server. Nobody is connected to before something is sent.
///
/// # Errors
/// `Misconfigured`, with the name of the setting and never its value.
pub fn instance_mailer(mail: &InstanceMail) -> Result<Arc<dyn Mailer>> {
    let (username, password) = mail.credentials.clone().unzip();
    let settings = json!({
        "smtpUrl": mail.url,
        "username": username,
        "password": password,
        "authorities": mail.authorities,
        "allowPlainText": mail.allows_plain_text,
        "from": mail.from,
        "fromName": mail.from_name,
        "to": [mail.from],
        "mode": "alert",
    });
    let egress = Egress::new(&manifest(), &settings)?;
    Ok(Arc::new(EmailMailer::new(Settings::parse(settings)?, egress)?))
}

/// For the way out: the one server.
fn manifest() -> Manifest {
    Manifest {
        id: "instance-mail",
        name: "Mail of the installation",
        summary: "Writes to people about their accounts.",
        capabilities: Vec::new(),
        hosts: vec![HostRule::FromSetting("smtpUrl")],
        settings_schema: Value::Null,
    }
}
