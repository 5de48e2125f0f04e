//! Word that something changed, to every part of the product in every process: ids only, the row is the truth.
//!
//! On SQLite within the process; on Postgres through `LISTEN`/`NOTIFY`. A notice may be lost (a listener reconnects, a
//! channel overflows), so whoever waits for one also looks at the rows from time to time.

use std::{fmt, str::FromStr, time::Duration};

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Statement, sqlx::postgres::PgListener};
use tokio::sync::broadcast;
use uuid::Uuid;

use super::connect::unreachable_database;
use crate::error::Result;

const CHANNEL: &str = "consigne";
const WAITING_NOTICES: usize = 1024;

/// What kind of thing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Topic {
    /// A job waits; named by its kind.
    Job,
    /// A chat has a new event.
    Chat,
    /// A document made progress.
    Document,
    /// A source made progress.
    Source,
    /// A session or an API key was revoked, or what rests on it changed.
    Session,
    /// A workspace's inbox has a new event; named by the workspace.
    Inbox,
    /// An archive of a workspace made progress.
    Archive,
    /// Something happened to a request about personal data; named by the workspace.
    Privacy,
}

/// Something changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Notice {
    /// What kind of thing.
    pub topic: Topic,
    /// Which one.
    pub id: Uuid,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = match self.topic {
            Topic::Job => "job",
            Topic::Chat => "chat",
            Topic::Document => "document",
            Topic::Source => "source",
            Topic::Session => "session",
            Topic::Inbox => "inbox",
            Topic::Archive => "archive",
            Topic::Privacy => "privacy",
        };
        write!(f, "{topic}:{}", self.id.as_simple())
    }
}

impl FromStr for Notice {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (topic, id) = text.split_once(':').ok_or(())?;
        let topic = match topic {
            "job" => Topic::Job,
            "chat" => Topic::Chat,
            "document" => Topic::Document,
            "source" => Topic::Source,
            "session" => Topic::Session,
            "inbox" => Topic::Inbox,
            "archive" => Topic::Archive,
            "privacy" => Topic::Privacy,
            _ => return Err(()),
        };
        Ok(Self { topic, id: id.parse().map_err(|_| ())? })
    }
}

/// Where notices arrive. Clones hear the same.
#[derive(Debug, Clone)]
pub struct Notices(broadcast::Sender<Notice>);

impl Notices {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(WAITING_NOTICES))
    }

    pub(crate) fn tell(&self, notice: Notice) {
        // Nobody listening is fine.
        let _ = self.0.send(notice);
    }

    /// From now on.
    pub fn listen(&self) -> Listening {
        Listening(self.0.subscribe())
    }
}

/// One listener.
pub struct Listening(broadcast::Receiver<Notice>);

impl Listening {
    /// Waits for a notice that `wanted` picks, or for `at_most`; either way it is time to look at the rows. Says whether there
    /// was a notice.
    pub async fn wait_for(&mut self, at_most: Duration, wanted: impl Fn(&Notice) -> bool) -> bool {
        let heard = async {
            loop {
                match self.0.recv().await {
                    Ok(notice) if wanted(&notice) => return,
                    Ok(_) => {}
                    // Some were missed, so perhaps the wanted one.
                    Err(broadcast::error::RecvError::Lagged(_)) => return,
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        tokio::time::timeout(at_most, heard).await.is_ok()
    }
}

pub(crate) async fn tell_postgres(tx: &DatabaseTransaction, notice: Notice) -> Result<()> {
    let notify = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT pg_notify($1, $2)",
        [CHANNEL.into(), notice.to_string().into()],
    );
    tx.query_one_raw(notify).await?;
    Ok(())
}

/// Passes on what Postgres says until the pool is closed.
pub(crate) async fn listen_to_postgres(mut listener: PgListener, notices: Notices) -> Result<()> {
    listener.listen(CHANNEL).await.map_err(unreachable_database)?;
    tokio::spawn(async move {
        loop {
            match listener.recv().await {
                Ok(said) => {
                    if let Ok(notice) = said.payload().parse() {
                        notices.tell(notice);
                    }
                }
                Err(sea_orm::sqlx::Error::PoolClosed) => return,
                Err(_) => {
                    tracing::warn!("the listener lost Postgres and connects again");
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
            }
        }
    });
    Ok(())
}
