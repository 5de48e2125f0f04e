//! Sending one mail: connect, agree on TLS, sign in, hand over.

use std::time::Duration;

use consigne_sdk::{
    Egress, PluginError, PluginErrorKind, Result,
    egress::{TlsTerms, Upgradable},
};
use lettre::{
    Message,
    transport::smtp::{
        authentication::{Credentials, Mechanism},
        client::AsyncSmtpConnection,
        extension::ClientId,
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};
use url::Url;

use crate::{
    ID,
    settings::{Security, Settings},
    wire::Wire,
};

/// For the whole of it.
const WHOLE: Duration = Duration::from_secs(60);

/// Longest reply before the connection is encrypted.
const LONGEST_REPLY: usize = 8 * 1024;

/// A server that sends.
pub(crate) struct Smtp {
    url: Url,
    security: Security,
    terms: TlsTerms,
    credentials: Option<Credentials>,
    hello: ClientId,
    egress: Egress,
}

impl Smtp {
    pub(crate) fn new(settings: &Settings, egress: Egress) -> Result<Self> {
        let (url, security) = settings.smtp()?;
        let credentials = settings.credentials().map(|(name, password)| Credentials::new(name.into(), password.into()));
        let hello = ClientId::Domain(settings.sender()?.domain().to_owned());
        Ok(Self { url, security, terms: settings.tls(), credentials, hello, egress })
    }

    /// Hands a mail over.
    pub(crate) async fn send(&self, mail: &Message, bytes: &[u8]) -> Result<()> {
        let send = async {
            let mut connection = self.open().await?;
            connection.send(mail.envelope(), bytes).await.map_err(|error| failure(&error, Phase::Handing))?;
            // It was taken; how the server says goodbye changes nothing.
            drop(connection.quit().await);
            Ok(())
        };
        timeout(WHOLE, send).await.map_err(|_| late())?
    }

    /// Signs in and hands nothing over. Answers how the connection is protected.
    pub(crate) async fn check(&self) -> Result<&'static str> {
        let check = async {
            let mut connection = self.open().await?;
            if !connection.test_connected().await {
                return Err(unavailable("the server does not answer NOOP"));
            }
            drop(connection.quit().await);
            Ok(if self.credentials.is_some() { "signed in" } else { "connected without a name" })
        };
        timeout(WHOLE, check).await.map_err(|_| late())?
    }

    /// The host, for people.
    pub(crate) fn host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    async fn open(&self) -> Result<AsyncSmtpConnection> {
        let wire = match self.security {
            Security::FromTheStart => Wire::new(self.egress.connect(&self.url, &self.terms).await?),
            Security::Agreed => {
                let mut plain = self.egress.connect_to_upgrade(&self.url, &self.terms).await?;
                match self.agree(&mut plain).await? {
                    true => Wire::greeted(plain.upgrade().await?),
                    false => Wire::greeted(plain.stay_plain().map_err(|_| no_tls())?),
                }
            }
        };
        let connected = AsyncSmtpConnection::connect_with_transport(Box::new(wire), &self.hello).await;
        let mut connection = connected.map_err(|error| failure(&error, Phase::Greeting))?;
        if let Some(credentials) = &self.credentials {
            let known = [Mechanism::Plain, Mechanism::Login];
            connection.auth(&known, credentials).await.map_err(|error| failure(&error, Phase::SigningIn))?;
        }
        Ok(connection)
    }

    /// Whether the server agreed to encrypt (RFC 3207). Everything that it said before is forgotten.
    async fn agree(&self, plain: &mut Upgradable) -> Result<bool> {
        let (code, _) = reply(plain).await?;
        if code != 220 {
            return Err(unavailable("the server does not greet"));
        }
        say(plain, &format!("EHLO {}\r\n", self.hello)).await?;
        let (code, lines) = reply(plain).await?;
        if code != 250 || !lines.iter().any(|line| line.eq_ignore_ascii_case("STARTTLS")) {
            return Ok(false);
        }
        say(plain, "STARTTLS\r\n").await?;
        match reply(plain).await?.0 {
            220 => Ok(true),
            400..=499 => Err(unavailable("the server does not encrypt now")),
            _ => Err(no_tls()),
        }
    }
}

async fn say(plain: &mut Upgradable, line: &str) -> Result<()> {
    plain.plain().write_all(line.as_bytes()).await.map_err(|_| unavailable("the connection broke"))
}

/// A reply's code and lines. Read byte by byte: what follows belongs to the handshake.
async fn reply(plain: &mut Upgradable) -> Result<(u16, Vec<String>)> {
    let outside = || PluginError::new(PluginErrorKind::InvalidResponse, format!("{ID}: a reply that is not SMTP"));
    let (mut lines, mut line) = (Vec::new(), Vec::new());
    for _ in 0..LONGEST_REPLY {
        line.push(plain.plain().read_u8().await.map_err(|_| unavailable("the connection broke"))?);
        let Some(whole) = line.strip_suffix(b"\r\n") else { continue };
        let whole = std::str::from_utf8(whole).map_err(|_| outside())?;
        let code: u16 = whole.get(..3).and_then(|code| code.parse().ok()).ok_or_else(outside)?;
        let is_last = whole.as_bytes().get(3) != Some(&b'-');
        lines.push(whole.get(4..).unwrap_or_default().to_owned());
        if is_last {
            return Ok((code, lines));
        }
        line.clear();
    }
    Err(outside())
}

/// What was going on when it failed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Greeting,
    SigningIn,
    Handing,
}

/// What a server says beside its code quotes addresses and mails, and is left where it is.
fn failure(error: &lettre::transport::smtp::Error, phase: Phase) -> PluginError {
    let Some(code) = error.status() else {
        return match (error.is_client(), phase) {
            (true, Phase::SigningIn) => misconfigured("the server knows no way to sign in that is known here"),
            (true, _) => {
                PluginError::new(PluginErrorKind::Refused, format!("{ID}: the server cannot take such a mail"))
            }
            (false, _) => unavailable("the connection broke"),
        };
    };
    match (error.is_transient(), phase) {
        (true, _) => unavailable(&format!("the server answered {code}")),
        (false, Phase::SigningIn) => misconfigured(&format!("the server does not take the name and password ({code})")),
        (false, _) if matches!(code.to_string().as_str(), "530" | "538") => {
            misconfigured(&format!("the server wants somebody to sign in ({code})"))
        }
        (false, _) => PluginError::new(PluginErrorKind::Refused, format!("{ID}: the server answered {code}")),
    }
}

fn misconfigured(why: &str) -> PluginError {
    PluginError::new(PluginErrorKind::Misconfigured, format!("{ID}: {why}"))
}

fn no_tls() -> PluginError {
    misconfigured("the server does not offer to encrypt, and plain text is not allowed")
}

fn unavailable(why: &str) -> PluginError {
    PluginError::new(PluginErrorKind::Unavailable, format!("{ID}: {why}"))
}

fn late() -> PluginError {
    unavailable("the server takes too long")
}
