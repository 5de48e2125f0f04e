//! Fetching what came: by unique ids, a few at a time, without taking anything away.

use std::time::Duration;

use async_imap::{Client, Session, error::Error};
use consigne_sdk::{Egress, Fetch, Inbound, Letter, PluginError, PluginErrorKind, Polled, Result, egress::TlsTerms};
use futures::TryStreamExt;
use tokio::time::timeout;
use url::Url;

use crate::{
    ID,
    inbound::{self, Mail},
    mailbox,
    mark::Marks,
    settings::{Settings, misconfigured},
    wire::Wire,
};

/// For the whole of a poll.
const WHOLE: Duration = Duration::from_secs(120);

/// Most mails of one poll.
const MOST_MAILS: usize = 50;

/// Largest mail that is fetched.
const LARGEST: u32 = 10 * 1024 * 1024;

/// How many of the newest mails are looked at where it is not known what was seen before: at first, and where the server
/// counts anew. A mail that is looked at twice has the same id twice.
const LOOK_BACK: u32 = 200;

/// A server that replies are fetched from.
pub(crate) struct Imap {
    url: Url,
    terms: TlsTerms,
    name: String,
    password: zeroize::Zeroizing<String>,
    folder: String,
    egress: Egress,
}

impl Imap {
    /// The server under checked settings, if they name one.
    pub(crate) fn new(settings: &Settings, egress: Egress) -> Result<Option<Self>> {
        let Some(url) = settings.imap()? else { return Ok(None) };
        let (name, password) = settings.imap_credentials()?;
        Ok(Some(Self {
            url,
            terms: settings.tls(),
            name: name.to_owned(),
            password: password.to_owned().into(),
            folder: settings.imap_folder.clone(),
            egress,
        }))
    }

    /// The mailbox that people write to about their data, if the settings name one.
    pub(crate) fn of_privacy_mailbox(settings: &Settings, egress: Egress) -> Result<Option<Self>> {
        let (Some(mailbox), Some(url)) = (&settings.privacy_mailbox, settings.imap_server()?) else { return Ok(None) };
        let (name, password) = settings.privacy_credentials(mailbox)?;
        Ok(Some(Self {
            url,
            terms: settings.tls(),
            name: name.to_owned(),
            password: password.to_owned().into(),
            folder: mailbox.folder.clone(),
            egress,
        }))
    }

    /// What people wrote since `cursor`.
    pub(crate) async fn letters(&self, cursor: Option<&str>, sender: &str) -> Result<Fetch> {
        let fetch = async {
            let mut session = self.open().await?;
            let fetched = self.fetch_letters(&mut session, cursor, sender).await;
            drop(session.logout().await);
            fetched
        };
        timeout(WHOLE, fetch).await.map_err(|_| unavailable("the mail server takes too long"))?
    }

    async fn fetch_letters(&self, session: &mut Session<Wire>, cursor: Option<&str>, sender: &str) -> Result<Fetch> {
        let fresh = self.fresh(session, cursor).await?;
        let mut letters = Vec::new();
        for uid in &fresh.uids {
            letters.extend(letter(session, *uid, sender).await?);
        }
        Ok(Fetch { letters, cursor: Some(fresh.cursor()) })
    }

    /// What came since `cursor`.
    pub(crate) async fn poll(&self, cursor: Option<&str>, sender: &str, marks: &Marks) -> Result<Polled> {
        let poll = async {
            let mut session = self.open().await?;
            let polled = self.fetch(&mut session, cursor, sender, marks).await;
            drop(session.logout().await);
            polled
        };
        timeout(WHOLE, poll).await.map_err(|_| unavailable("the mail server takes too long"))?
    }

    /// Signs in and opens the folder.
    pub(crate) async fn check(&self) -> Result<()> {
        let check = async {
            let mut session = self.open().await?;
            let opened = session.examine(&self.folder).await.map_err(|error| failure(&error, "opening the folder"));
            drop(session.logout().await);
            opened.map(drop)
        };
        timeout(WHOLE, check).await.map_err(|_| unavailable("the mail server takes too long"))?
    }

    async fn open(&self) -> Result<Session<Wire>> {
        let connection = self.egress.connect(&self.url, &self.terms).await?;
        let mut client = Client::new(Wire::new(connection));
        let greeting = client.read_response().await.map_err(|_| unavailable("the mail server does not greet"))?;
        greeting.ok_or_else(|| unavailable("the mail server does not greet"))?;
        client.login(&self.name, self.password.as_str()).await.map_err(|(error, _)| match error {
            Error::No(_) | Error::Bad(_) | Error::Validate(_) => {
                misconfigured("imapUrl does not take the name and password")
            }
            error => failure(&error, "signing in"),
        })
    }

    async fn fetch(
        &self,
        session: &mut Session<Wire>,
        cursor: Option<&str>,
        sender: &str,
        marks: &Marks,
    ) -> Result<Polled> {
        let fresh = self.fresh(session, cursor).await?;
        let mut events = Vec::new();
        for uid in &fresh.uids {
            events.extend(self.mail(session, *uid, sender, marks).await?);
        }
        Ok(Polled { events, cursor: Some(fresh.cursor()) })
    }

    /// Which mails came since `cursor`, some of them.
    async fn fresh(&self, session: &mut Session<Wire>, cursor: Option<&str>) -> Result<Fresh> {
        let folder = session.select(&self.folder).await.map_err(|error| failure(&error, "opening the folder"))?;
        let validity = folder.uid_validity.ok_or_else(|| outside("no UIDVALIDITY"))?;
        let next = folder.uid_next.ok_or_else(|| outside("no UIDNEXT"))?;
        let known = cursor.and_then(read_cursor).filter(|(of, _)| *of == validity).map(|(_, last)| last);
        let last = known.unwrap_or_else(|| next.saturating_sub(1 + LOOK_BACK));
        if last.saturating_add(1) >= next {
            return Ok(Fresh { validity, last: last.min(next - 1), uids: Vec::new() });
        }
        let found = session.uid_search(format!("UID {}:*", last + 1)).await;
        let mut uids: Vec<u32> = found.map_err(|error| failure(&error, "searching"))?.into_iter().collect();
        // `*` is the newest mail even where it is older than what was asked for.
        uids.retain(|uid| *uid > last);
        uids.sort_unstable();
        let is_all = uids.len() <= MOST_MAILS;
        uids.truncate(MOST_MAILS);
        let last = uids.last().copied().unwrap_or(last);
        Ok(Fresh { validity, last: if is_all { last.max(next - 1) } else { last }, uids })
    }

    /// Reads one mail, and marks it as seen where it is ours.
    async fn mail(
        &self,
        session: &mut Session<Wire>,
        uid: u32,
        sender: &str,
        marks: &Marks,
    ) -> Result<Option<Inbound>> {
        let size = one(session, uid, "RFC822.SIZE").await?.and_then(|mail| mail.size);
        if size.is_none_or(|size| size > LARGEST) {
            return Ok(None);
        }
        let Some(fetched) = one(session, uid, "BODY.PEEK[]").await? else { return Ok(None) };
        let event = match inbound::read(fetched.body().unwrap_or_default(), sender, marks) {
            Mail::NotOurs => return Ok(None),
            Mail::Nothing => None,
            Mail::Event(event) => Some(event),
        };
        mark(session, uid).await?;
        Ok(event)
    }
}

/// Mails that came, and how far they go.
struct Fresh {
    validity: u32,
    last: u32,
    uids: Vec<u32>,
}

impl Fresh {
    /// Where to go on behind them.
    fn cursor(&self) -> String {
        format!("{}:{}", self.validity, self.last)
    }
}

/// Reads one letter, and marks it as seen where it is one.
async fn letter(session: &mut Session<Wire>, uid: u32, sender: &str) -> Result<Option<Letter>> {
    let about = one(session, uid, "RFC822.SIZE INTERNALDATE").await?;
    let Some((size, received)) = about.and_then(|mail| Some((mail.size?, mail.internal_date()?))) else {
        return Ok(None);
    };
    // Of one that is too large it is at least known that it came, and from whom.
    let what = if size > LARGEST { "BODY.PEEK[HEADER]" } else { "BODY.PEEK[]" };
    let Some(fetched) = one(session, uid, what).await? else { return Ok(None) };
    let raw = fetched.body().or(fetched.header()).unwrap_or_default();
    let letter = mailbox::read(raw, sender, received.timestamp_millis());
    if letter.is_some() {
        mark(session, uid).await?;
    }
    Ok(letter)
}

/// Marks a mail as seen.
async fn mark(session: &mut Session<Wire>, uid: u32) -> Result<()> {
    let stored = session.uid_store(uid.to_string(), "+FLAGS.SILENT (\\Seen)").await;
    let stored = stored.map_err(|error| failure(&error, "marking"))?;
    stored.try_collect::<Vec<_>>().await.map_err(|error| failure(&error, "marking"))?;
    Ok(())
}

/// One mail's part; nothing where it was deleted meanwhile.
async fn one(session: &mut Session<Wire>, uid: u32, what: &str) -> Result<Option<async_imap::types::Fetch>> {
    let fetched = session.uid_fetch(uid.to_string(), format!("(UID {what})")).await;
    let fetched = fetched.map_err(|error| failure(&error, "fetching"))?;
    let all: Vec<_> = fetched.try_collect().await.map_err(|error| failure(&error, "fetching"))?;
    Ok(all.into_iter().find(|mail| mail.uid == Some(uid)))
}

fn read_cursor(cursor: &str) -> Option<(u32, u32)> {
    let (validity, last) = cursor.split_once(':')?;
    Some((validity.parse().ok()?, last.parse().ok()?))
}

/// What a server says beside its answer is left where it is.
fn failure(error: &Error, what: &str) -> PluginError {
    match error {
        Error::Io(_) | Error::ConnectionLost => unavailable("the connection to the mail server broke"),
        Error::No(_) if what == "opening the folder" => misconfigured("imapFolder cannot be opened"),
        Error::No(_) | Error::Bad(_) => unavailable(&format!("the mail server refuses {what}")),
        _ => outside(what),
    }
}

fn outside(what: &str) -> PluginError {
    PluginError::new(PluginErrorKind::InvalidResponse, format!("{ID}: an answer that is not IMAP: {what}"))
}

fn unavailable(why: &str) -> PluginError {
    PluginError::new(PluginErrorKind::Unavailable, format!("{ID}: {why}"))
}
