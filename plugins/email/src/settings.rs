//! The settings, as the form shows them and as they are checked.

use consigne_sdk::{
    PluginError, PluginErrorKind, Result, Safeguard,
    egress::{TlsTerms, server},
    signed::Secret,
};
use lettre::Address;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::mark::Marks;

/// Shortest secret that signs tokens.
const SHORTEST_SECRET: usize = 24;

/// Which servers, which addresses, and what the administrator declares about who operates them.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "E-mail")]
pub struct Settings {
    /// The server that sends: `smtps://mail.example.com` for TLS from the start (port 465), `smtp://mail.example.com` for
    /// STARTTLS (port 587).
    #[schemars(length(min = 1, max = 300))]
    pub smtp_url: String,

    /// The name to sign in with. Leave empty where the server asks for none.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub username: Option<String>,

    /// The password that belongs to it.
    #[serde(default)]
    #[schemars(extend("format" = "password", "writeOnly" = true), length(max = 400))]
    pub password: Option<String>,

    /// PEM certificates of the authorities that alone may vouch for the servers; those of the system where left out.
    #[serde(default)]
    pub authorities: Option<String>,

    /// Allows mail in plain text to and from a host other than this machine, where the server offers no TLS.
    #[serde(default)]
    pub allow_plain_text: bool,

    /// The address that mails come from.
    #[schemars(length(min = 3, max = 254))]
    pub from: String,

    /// The name beside it.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub from_name: Option<String>,

    /// The sender's signature, where the mail server does not sign by itself.
    #[serde(default)]
    pub dkim: Option<DkimSettings>,

    /// Who is written to.
    #[schemars(length(min = 1, max = 20))]
    pub to: Vec<String>,

    /// Whether replies reach the visitor.
    #[serde(default)]
    pub mode: Mode,

    /// The address that replies go to; mail to `replies+ANYTHING@example.com` has to arrive in the mailbox of
    /// `replies@example.com`. Needed for replies.
    #[serde(default)]
    #[schemars(length(min = 3, max = 254))]
    pub reply_to: Option<String>,

    /// At least 24 random characters, by which the tokens in reply addresses are signed. Needed for replies. Replies to
    /// mails that were sent before it changed are lost.
    #[serde(default)]
    #[schemars(extend("format" = "password", "writeOnly" = true), length(min = 24, max = 400))]
    pub reply_secret: Option<String>,

    /// What a mail server that hands replies over by a signed request signs with: `whsec_` and base64 of 24 to 64 bytes.
    #[serde(default)]
    #[schemars(extend("writeOnly" = true), length(min = 1, max = 2))]
    pub inbound_secrets: Option<Vec<String>>,

    /// The server that replies are fetched from: `imaps://mail.example.com` (port 993).
    #[serde(default)]
    #[schemars(length(min = 1, max = 300))]
    pub imap_url: Option<String>,

    /// The name to sign in there; that of `username` where left out.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub imap_username: Option<String>,

    /// The password to sign in there; that of `password` where left out.
    #[serde(default)]
    #[schemars(extend("format" = "password", "writeOnly" = true), length(max = 400))]
    pub imap_password: Option<String>,

    /// The folder that replies arrive in.
    #[serde(default = "default_folder")]
    #[schemars(length(min = 1, max = 200))]
    pub imap_folder: String,

    /// The mailbox that people write to about their data, on the server of `imapUrl`: each mail that a person wrote becomes a
    /// privacy request.
    #[serde(default)]
    pub privacy_mailbox: Option<PrivacyMailbox>,

    /// The language of the fixed words: `en`, `fr`, `de` or `es`. That of the chat where left out.
    #[serde(default)]
    #[schemars(regex(pattern = r"^[a-z]{2}$"))]
    pub language: Option<String>,

    /// Who operates the mail server, as the contract names them. Shown in the register of sub-processors.
    #[serde(default)]
    #[schemars(length(min = 1, max = 200))]
    pub operator: Option<String>,

    /// Where it is: `LOCAL` (this installation's own machines), `EEA`, or an ISO 3166-1 alpha-2 country code.
    #[serde(default)]
    #[schemars(regex(pattern = r"^(LOCAL|EEA|[A-Z]{2})$"))]
    pub region: Option<String>,

    /// What makes a transfer to that region lawful under GDPR chapter V.
    #[serde(default)]
    pub safeguard: Option<Safeguard>,

    /// Days for which mails are kept.
    #[serde(default)]
    #[schemars(range(min = 1, max = 36500))]
    pub retention_days: Option<u32>,
}

/// Where people write to about their data.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrivacyMailbox {
    /// The name to sign in with; that of replies where left out.
    #[serde(default)]
    #[schemars(length(max = 200))]
    pub username: Option<String>,

    /// The password that belongs to it; that of replies where left out.
    #[serde(default)]
    #[schemars(extend("format" = "password", "writeOnly" = true), length(max = 400))]
    pub password: Option<String>,

    /// The folder that they arrive in. All of it is taken for requests, so it is no folder of replies.
    #[serde(default = "default_folder")]
    #[schemars(length(min = 1, max = 200))]
    pub folder: String,
}

/// What mails are signed with (DKIM), for the domain of `from`.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DkimSettings {
    /// The name under which the domain publishes the key: `mail` for `mail._domainkey.example.com`.
    #[schemars(length(min = 1, max = 100))]
    pub selector: String,

    /// The RSA key, as PEM.
    #[schemars(extend("format" = "password", "writeOnly" = true), length(min = 1, max = 10000))]
    pub private_key: String,
}

/// Whether replies reach the visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A reply to a mail reaches the visitor.
    #[default]
    TwoWay,
    /// People are told, and answer elsewhere.
    Alert,
}

fn default_folder() -> String {
    "INBOX".to_owned()
}

impl Settings {
    /// Reads and checks settings.
    ///
    /// # Errors
    /// `Misconfigured`, with the name of the setting and never its value: it may be a secret.
    pub(crate) fn parse(settings: Value) -> Result<Self> {
        let settings: Self =
            serde_json::from_value(settings).map_err(|_| misconfigured("they do not fit the schema"))?;
        settings.smtp()?;
        settings.imap()?;
        settings.sender()?;
        settings.recipients()?;
        settings.marks()?;
        settings.inbound()?;
        settings.tls().check()?;
        let is_folder = |name: &str| !name.trim().is_empty() && !name.contains(['\r', '\n']);
        if !is_folder(&settings.imap_folder) {
            return Err(misconfigured("imapFolder is no name of a folder"));
        }
        if let Some(mailbox) = &settings.privacy_mailbox {
            if !is_folder(&mailbox.folder) {
                return Err(misconfigured("privacyMailbox.folder is no name of a folder"));
            }
            let (name, _) = settings.privacy_credentials(mailbox)?;
            let is_of_replies = settings.imap()?.is_some() && mailbox.folder == settings.imap_folder;
            if is_of_replies && settings.imap_credentials()?.0 == name {
                return Err(misconfigured("privacyMailbox is where replies arrive"));
            }
            settings.imap_server()?.ok_or_else(|| misconfigured("privacyMailbox needs imapUrl"))?;
        }
        Ok(settings)
    }

    /// The server that sends, and how it becomes encrypted.
    pub(crate) fn smtp(&self) -> Result<(Url, Security)> {
        let known = |scheme: &str| self.smtp_url.to_ascii_lowercase().starts_with(scheme);
        let security = match (known("smtps://"), known("smtp://")) {
            (true, _) => Security::FromTheStart,
            (_, true) => Security::Agreed,
            _ => return Err(misconfigured("smtpUrl is neither smtps:// nor smtp://")),
        };
        let mut url = bare(&self.smtp_url, "smtpUrl")?;
        if security == Security::Agreed {
            let port = url.port_or_known_default();
            let _ = url.set_scheme("https").and_then(|()| url.set_port(port));
        }
        Ok((url, security))
    }

    /// The server that replies are fetched from.
    pub(crate) fn imap(&self) -> Result<Option<Url>> {
        if self.mode == Mode::TwoWay { self.imap_server() } else { Ok(None) }
    }

    /// The server that mail is fetched from, replies or not.
    pub(crate) fn imap_server(&self) -> Result<Option<Url>> {
        let Some(imap_url) = self.imap_url.as_deref() else { return Ok(None) };
        let lower = imap_url.to_ascii_lowercase();
        if !lower.starts_with("imaps://") && !lower.starts_with("imap://") {
            return Err(misconfigured("imapUrl is neither imaps:// nor imap://"));
        }
        bare(imap_url, "imapUrl").map(Some)
    }

    /// Where mails come from.
    pub(crate) fn sender(&self) -> Result<Address> {
        self.from.trim().parse().map_err(|_| misconfigured("from is no address"))
    }

    /// Who is written to.
    pub(crate) fn recipients(&self) -> Result<Vec<Address>> {
        if !(1..=20).contains(&self.to.len()) {
            return Err(misconfigured("to holds 1 to 20 addresses"));
        }
        let all = self.to.iter().map(|address| address.trim().parse());
        all.collect::<Result<_, _>>().map_err(|_| misconfigured("to holds something that is no address"))
    }

    /// What marks replies and bounces; unsigned where none come back.
    pub(crate) fn marks(&self) -> Result<Marks> {
        let sender = self.sender()?;
        if self.mode == Mode::Alert {
            return Ok(Marks::new(None, "", sender.domain()));
        }
        let secret = self.reply_secret.as_deref().filter(|secret| secret.len() >= SHORTEST_SECRET);
        let secret = secret.ok_or_else(|| misconfigured("replySecret is missing or too short, and mode is two_way"))?;
        let reply_to =
            self.reply_to.as_deref().ok_or_else(|| misconfigured("replyTo is missing, and mode is two_way"))?;
        let reply_to: Address = reply_to.trim().parse().map_err(|_| misconfigured("replyTo is no address"))?;
        if reply_to.user().contains('+') || !reply_to.user().is_ascii() {
            return Err(misconfigured("replyTo has a plus sign or other than ASCII before the @"));
        }
        Ok(Marks::new(Some(reply_to), secret, sender.domain()))
    }

    /// What requests that hand replies over are verified with.
    pub(crate) fn inbound(&self) -> Result<Vec<Secret>> {
        let secrets = self.inbound_secrets.iter().flatten().map(|secret| Secret::parse(secret.trim()));
        secrets.collect::<Option<_>>().ok_or_else(|| misconfigured("inboundSecrets holds something that is no secret"))
    }

    /// What handshakes have to agree on.
    pub(crate) fn tls(&self) -> TlsTerms {
        TlsTerms { protocol: "", authorities: self.authorities.clone().filter(|pem| !pem.trim().is_empty()) }
    }

    /// Who signs in to send.
    pub(crate) fn credentials(&self) -> Option<(&str, &str)> {
        let username = self.username.as_deref().filter(|name| !name.is_empty())?;
        Some((username, self.password.as_deref().unwrap_or_default()))
    }

    /// Who signs in to fetch.
    pub(crate) fn imap_credentials(&self) -> Result<(&str, &str)> {
        let filled = |value: &'_ Option<String>| value.as_deref().is_some_and(|value| !value.is_empty());
        let name = if filled(&self.imap_username) { &self.imap_username } else { &self.username };
        let password = if filled(&self.imap_password) { &self.imap_password } else { &self.password };
        match (name.as_deref(), password.as_deref()) {
            (Some(name), Some(password)) => Ok((name, password)),
            _ => Err(misconfigured("imapUrl needs a name and a password")),
        }
    }
}

impl Settings {
    /// Who signs in to fetch what people write about their data.
    pub(crate) fn privacy_credentials<'a>(&'a self, mailbox: &'a PrivacyMailbox) -> Result<(&'a str, &'a str)> {
        match (mailbox.username.as_deref(), mailbox.password.as_deref()) {
            (Some(name), Some(password)) if !name.is_empty() => Ok((name, password)),
            (None, None) => self.imap_credentials(),
            _ => Err(misconfigured("privacyMailbox has a name without a password, or the other way round")),
        }
    }
}

/// When a connection becomes encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Security {
    /// With its first byte.
    FromTheStart,
    /// By STARTTLS.
    Agreed,
}

fn bare(url: &str, setting: &str) -> Result<Url> {
    let url = server(url).ok_or_else(|| misconfigured(&format!("{setting} is no address of a server")))?;
    match matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none() {
        true => Ok(url),
        false => Err(misconfigured(&format!("{setting} has more than a host and a port"))),
    }
}

pub(crate) fn misconfigured(why: &str) -> PluginError {
    PluginError::new(PluginErrorKind::Misconfigured, format!("{}: settings: {why}", crate::ID))
}
