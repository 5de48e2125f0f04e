//! The installation's own mail server: codes and answers about people's rights, for workspaces that have none of their own.

use clap::Args;
use serde_json::{Value, json};

/// The installation's own mail server.
#[derive(Args, Debug, Clone)]
#[command(next_help_heading = "Mail")]
pub struct MailConfig {
    /// The server that sends: `smtps://mail.example.com`, or `smtp://mail.example.com` for STARTTLS. No mail where left out,
    /// but through a workspace's own.
    #[arg(long, env = "CONSIGNE_MAIL_SMTP_URL", requires = "mail_from")]
    pub mail_smtp_url: Option<String>,
    /// The address that mails come from.
    #[arg(long, env = "CONSIGNE_MAIL_FROM")]
    pub mail_from: Option<String>,
    /// The name to sign in with.
    #[arg(long, env = "CONSIGNE_MAIL_USERNAME")]
    pub mail_username: Option<String>,
    /// The password that belongs to it.
    #[arg(long, env = "CONSIGNE_MAIL_PASSWORD", hide_env_values = true)]
    pub mail_password: Option<String>,
    /// Who operates the server, for the register of sub-processors.
    #[arg(long, env = "CONSIGNE_MAIL_OPERATOR")]
    pub mail_operator: Option<String>,
    /// Where the server is: `EEA`, or another country's code.
    #[arg(long, env = "CONSIGNE_MAIL_REGION")]
    pub mail_region: Option<String>,
}

impl MailConfig {
    /// The settings of the plugin that sends, where there is a server. Nobody is told of chats through it.
    pub fn email(&self) -> Option<Value> {
        let (url, from) = (self.mail_smtp_url.as_ref()?, self.mail_from.as_ref()?);
        let mut settings = json!({"smtpUrl": url, "from": from, "to": [from], "mode": "alert"});
        let more = [
            ("username", &self.mail_username),
            ("password", &self.mail_password),
            ("operator", &self.mail_operator),
            ("region", &self.mail_region),
        ];
        for (name, value) in more {
            if let Some(value) = value {
                settings[name] = json!(value);
            }
        }
        Some(settings)
    }
}
