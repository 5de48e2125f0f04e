//! Who may make an account, and the mail server that writes to people about theirs.

use std::{path::PathBuf, sync::Arc};

use clap::{Args, ValueEnum};
use consigne_foundation::{
    Error, Result,
    alerts::Operator,
    error::ErrorKind,
    identity::{AccountRules, SignUp},
};
use consigne_plugin_email::{InstanceMail, instance_mailer};
use consigne_sdk::Mailer;
use serde_json::{Value, json};

/// Who may make an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SignUpMode {
    /// Anybody with an address, and with it a workspace of their own; needs a mail server.
    Open,
    /// Whoever a workspace invites or adds.
    Invitation,
    /// Nobody but through the operator (`consigne account`).
    Closed,
}

/// Accounts, and mail about them.
#[derive(Args, Clone)]
#[command(next_help_heading = "Accounts")]
pub struct AccountConfig {
    /// Who may make an account.
    #[arg(long, env = "CONSIGNE_SIGN_UP", value_enum, default_value = "invitation")]
    pub sign_up: SignUpMode,
    /// Where people open the console: links in mails lead there. Where the API is reached, where left out.
    #[arg(long, env = "CONSIGNE_CONSOLE_URL")]
    pub console_url: Option<String>,
    /// The domain that passkeys are bound to: the console's host, or one above it that you hold, such as `example.com` for a
    /// console at `support.example.com`. The console's host, where left out. Whoever changes it makes every passkey useless.
    #[arg(long, env = "CONSIGNE_PASSKEY_DOMAIN")]
    pub passkey_domain: Option<String>,
    /// bcrypt's cost, 12 to 20; where left out, as high as a quarter of a second allows on this machine, at least 12.
    #[arg(long, env = "CONSIGNE_BCRYPT_COST")]
    pub bcrypt_cost: Option<u32>,
    /// The mail server: `smtps://mail.example.com` for TLS from the start, `smtp://mail.example.com` for STARTTLS. Without one
    /// nothing is mailed, and links are handed over by people.
    #[arg(long, env = "CONSIGNE_SMTP_URL")]
    pub smtp_url: Option<String>,
    /// The name to sign in with there.
    #[arg(long, env = "CONSIGNE_SMTP_USERNAME")]
    pub smtp_username: Option<String>,
    /// The password that belongs to it.
    #[arg(long, env = "CONSIGNE_SMTP_PASSWORD", hide_env_values = true)]
    pub smtp_password: Option<String>,
    /// File of PEM certificates of the authorities that alone may vouch for the mail server.
    #[arg(long, env = "CONSIGNE_SMTP_AUTHORITIES")]
    pub smtp_authorities: Option<PathBuf>,
    /// Allows mail in plain text to another host than this machine, where the server offers no TLS.
    #[arg(long, env = "CONSIGNE_SMTP_ALLOW_PLAIN_TEXT")]
    pub smtp_allow_plain_text: bool,
    /// The address that mails come from.
    #[arg(long, env = "CONSIGNE_MAIL_FROM")]
    pub mail_from: Option<String>,
    /// The operator's address, which alerts are mailed to: many failed sign-ins, a token in two hands, a broken audit chain.
    #[arg(long, env = "CONSIGNE_ALERT_ADDRESS")]
    pub alert_address: Option<String>,
    /// The name beside it.
    #[arg(long, env = "CONSIGNE_MAIL_FROM_NAME")]
    pub mail_from_name: Option<String>,
    /// Who operates the mail server, for the register of sub-processors.
    #[arg(long, env = "CONSIGNE_MAIL_OPERATOR")]
    pub mail_operator: Option<String>,
    /// Where the mail server is: `EEA`, or another country's code.
    #[arg(long, env = "CONSIGNE_MAIL_REGION")]
    pub mail_region: Option<String>,
}

impl std::fmt::Debug for AccountConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccountConfig").field("sign_up", &self.sign_up).finish_non_exhaustive()
    }
}

impl AccountConfig {
    /// What resolvers go by.
    ///
    /// # Errors
    /// `Misconfigured` where sign-up is open and nothing can be mailed: nobody could show that an address is theirs.
    pub fn rules(&self) -> Result<AccountRules> {
        let sign_up = match self.sign_up {
            SignUpMode::Open => SignUp::Open,
            SignUpMode::Invitation => SignUp::Invitation,
            SignUpMode::Closed => SignUp::Closed,
        };
        let has_mail = self.smtp_url.is_some();
        if sign_up == SignUp::Open && !has_mail {
            return Err(misconfigured("CONSIGNE_SIGN_UP=open needs a mail server: set CONSIGNE_SMTP_URL."));
        }
        Ok(AccountRules { sign_up, has_mail })
    }

    /// The settings of the plugin by which a workspace without a mail server of its own writes to people about their rights.
    /// Nobody is told of chats through it.
    pub fn email(&self) -> Option<Value> {
        let (url, from) = (self.smtp_url.as_ref()?, self.mail_from.as_ref()?);
        let mut settings = json!({"smtpUrl": url, "from": from, "to": [from], "mode": "alert"});
        let more = [
            ("username", &self.smtp_username),
            ("password", &self.smtp_password),
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

    /// Who is told of alerts by mail.
    ///
    /// # Errors
    /// `Misconfigured` where there is an address and no mail server.
    pub fn operator(&self, mailer: Option<Arc<dyn Mailer>>) -> Result<Option<Operator>> {
        match (self.alert_address.clone(), mailer) {
            (None, _) => Ok(None),
            (Some(address), Some(mailer)) => Ok(Some(Operator { mailer, address })),
            (Some(_), None) => Err(misconfigured("CONSIGNE_ALERT_ADDRESS is set, so CONSIGNE_SMTP_URL has to be too.")),
        }
    }

    /// What mails are handed over by.
    ///
    /// # Errors
    /// `Misconfigured`.
    pub fn mailer(&self) -> Result<Option<Arc<dyn Mailer>>> {
        let Some(url) = &self.smtp_url else { return Ok(None) };
        let from = self.mail_from.clone();
        let from =
            from.ok_or_else(|| misconfigured("CONSIGNE_SMTP_URL is set, so CONSIGNE_MAIL_FROM has to be too."))?;
        let authorities = match &self.smtp_authorities {
            Some(file) => {
                let read = std::fs::read_to_string(file);
                Some(read.map_err(|_| misconfigured("The file in CONSIGNE_SMTP_AUTHORITIES cannot be read."))?)
            }
            None => None,
        };
        let mail = InstanceMail {
            url: url.clone(),
            credentials: self.smtp_username.clone().zip(self.smtp_password.clone()),
            authorities,
            allows_plain_text: self.smtp_allow_plain_text,
            from,
            from_name: self.mail_from_name.clone(),
        };
        Ok(Some(instance_mailer(&mail)?))
    }
}

fn misconfigured(message: &str) -> Error {
    Error::new(ErrorKind::Misconfigured, message)
}
