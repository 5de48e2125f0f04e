//! Word that something changed, to every part of the product in every process: ids only, the row is the truth.
//!
//! On SQLite within the process; on Postgres through `LISTEN`/`NOTIFY`. Whoever listens names what for, so that word about
//! one chat wakes nobody who waits for another. While a listener connects again a notice may be lost: everybody is woken
//! when it is back, and looks at the rows.

use std::{
    collections::HashMap,
    fmt,
    str::FromStr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sea_orm::{
    ConnectionTrait, DatabaseTransaction, DbBackend, Statement,
    sqlx::{Error as Sqlx, postgres::PgListener},
};
use tokio::{sync::Notify, time::timeout};
use uuid::Uuid;

use super::connect::unreachable_database;
use crate::{error::Result, id::random_uuid};

const CHANNEL: &str = "consigne";
const RECONNECT_AFTER: Duration = Duration::from_millis(500);

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

impl Topic {
    const ALL: [(Self, &str); 8] = [
        (Self::Job, "job"),
        (Self::Chat, "chat"),
        (Self::Document, "document"),
        (Self::Source, "source"),
        (Self::Session, "session"),
        (Self::Inbox, "inbox"),
        (Self::Archive, "archive"),
        (Self::Privacy, "privacy"),
    ];
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
        let name = Topic::ALL.iter().find(|(topic, _)| *topic == self.topic).map_or("", |(_, name)| name);
        write!(f, "{name}:{}", self.id.as_simple())
    }
}

impl FromStr for Notice {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (name, id) = text.split_once(':').ok_or(())?;
        let (topic, _) = Topic::ALL.into_iter().find(|(_, known)| *known == name).ok_or(())?;
        Ok(Self { topic, id: id.parse().map_err(|_| ())? })
    }
}

/// Where notices arrive. Clones hear the same.
#[derive(Debug, Clone)]
pub struct Notices(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    listeners: Mutex<HashMap<Notice, Vec<Arc<Notify>>>>,
    /// Notices about sessions so far.
    revocations: AtomicU64,
    /// Which process says something on Postgres.
    process: Uuid,
}

impl Notices {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Inner { listeners: Mutex::default(), revocations: AtomicU64::new(0), process: random_uuid() }))
    }

    pub(crate) fn tell(&self, notice: Notice) {
        if notice.topic == Topic::Session {
            self.0.revocations.fetch_add(1, Ordering::SeqCst);
        }
        for listener in self.0.listeners().get(&notice).into_iter().flatten() {
            listener.notify_one();
        }
    }

    /// Word may have been missed: everybody looks.
    fn tell_everybody(&self) {
        self.0.revocations.fetch_add(1, Ordering::SeqCst);
        for listener in self.0.listeners().values().flatten() {
            listener.notify_one();
        }
    }

    /// From now on, to any of these.
    pub fn listen(&self, to: impl IntoIterator<Item = Notice>) -> Listening {
        let (to, woken): (Vec<Notice>, _) = (to.into_iter().collect(), Arc::new(Notify::new()));
        let mut listeners = self.0.listeners();
        for notice in &to {
            listeners.entry(*notice).or_default().push(woken.clone());
        }
        drop(listeners);
        Listening { at: self.0.clone(), to, woken }
    }

    /// A number that changes whenever a session, a key or what rests on them was revoked or changed anywhere: what was found
    /// out about who somebody is may be relied on for a moment, while it stays the same.
    pub fn revocations(&self) -> u64 {
        self.0.revocations.load(Ordering::SeqCst)
    }
}

impl Inner {
    fn listeners(&self) -> MutexGuard<'_, HashMap<Notice, Vec<Arc<Notify>>>> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One listener.
pub struct Listening {
    at: Arc<Inner>,
    to: Vec<Notice>,
    woken: Arc<Notify>,
}

impl Listening {
    /// Waits for a notice, or for `at_most`; either way it is time to look at the rows. Says whether there was a notice.
    pub async fn wait(&mut self, at_most: Duration) -> bool {
        timeout(at_most, self.woken.notified()).await.is_ok()
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut listeners = self.at.listeners();
        for notice in &self.to {
            let Some(here) = listeners.get_mut(notice) else { continue };
            here.retain(|one| !Arc::ptr_eq(one, &self.woken));
            if here.is_empty() {
                listeners.remove(notice);
            }
        }
    }
}

/// Tells every other process, once the transaction commits. This one is told by whoever commits, without the way through
/// Postgres.
pub(crate) async fn tell_other_processes(tx: &DatabaseTransaction, notices: &Notices, notice: Notice) -> Result<()> {
    let text = format!("{notice}:{}", notices.0.process.as_simple());
    let notify =
        Statement::from_sql_and_values(DbBackend::Postgres, "SELECT pg_notify($1, $2)", [CHANNEL.into(), text.into()]);
    tx.query_one_raw(notify).await?;
    Ok(())
}

/// Whom a notice is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    Everybody,
    /// The other processes: in this one, whoever waits was told itself.
    Elsewhere,
}

/// Passes on what Postgres says until the pool is closed.
pub(crate) async fn listen_to_postgres(mut listener: PgListener, notices: Notices) -> Result<()> {
    listener.listen(CHANNEL).await.map_err(unreachable_database)?;
    tokio::spawn(async move {
        loop {
            match listener.try_recv().await {
                Ok(Some(said)) => heard(&notices, said.payload()),
                // The connection was lost, and is there again.
                Ok(None) => notices.tell_everybody(),
                Err(Sqlx::PoolClosed) => return,
                Err(_) => {
                    tracing::warn!("the listener lost Postgres and connects again");
                    if connect_again(&mut listener).await.is_err() {
                        return;
                    }
                    notices.tell_everybody();
                }
            }
        }
    });
    Ok(())
}

/// Tries until Postgres is there; an error means that the pool is closed.
async fn connect_again(listener: &mut PgListener) -> Result<(), Sqlx> {
    loop {
        tokio::time::sleep(RECONNECT_AFTER).await;
        // It connects where it is not, and listens to what it listened to; nothing is added.
        match listener.listen_all([]).await {
            Ok(()) => return Ok(()),
            Err(Sqlx::PoolClosed) => return Err(Sqlx::PoolClosed),
            Err(_) => {}
        }
    }
}

fn heard(notices: &Notices, payload: &str) {
    let own = notices.0.process.as_simple().to_string();
    let (notice, said_here) = match payload.rsplit_once(':') {
        Some((notice, process)) if notice.contains(':') => (notice, process == own),
        _ => (payload, false),
    };
    if let (Ok(notice), false) = (notice.parse(), said_here) {
        notices.tell(notice);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    fn about(topic: Topic) -> Notice {
        Notice { topic, id: random_uuid() }
    }

    #[tokio::test]
    async fn word_reaches_whoever_waits_for_it_and_nobody_else() {
        let notices = Notices::new();
        let (chat, other) = (about(Topic::Chat), about(Topic::Chat));
        let (mut one, mut two) = (notices.listen([chat]), notices.listen([other, about(Topic::Inbox)]));
        notices.tell(chat);
        assert!(one.wait(SOON).await, "what was said before the wait counts");
        assert!(!two.wait(SOON).await);
        assert!(!one.wait(SOON).await, "it is said once");
        notices.tell_everybody();
        assert!(one.wait(SOON).await && two.wait(SOON).await);
        drop(one);
        notices.tell(chat);
        assert!(notices.0.listeners().keys().all(|known| *known != chat), "nobody waits for it any more");
    }

    #[tokio::test]
    async fn what_this_process_told_itself_is_not_told_again() {
        let (notices, elsewhere) = (Notices::new(), Notices::new());
        let chat = about(Topic::Chat);
        let (mut here, mut there) = (notices.listen([chat]), elsewhere.listen([chat]));
        let payload = format!("{chat}:{}", notices.0.process.as_simple());
        heard(&notices, &payload);
        heard(&elsewhere, &payload);
        assert!(!here.wait(SOON).await && there.wait(SOON).await);
        heard(&notices, &chat.to_string());
        assert!(here.wait(SOON).await);
        for nonsense in ["", "chat", "chat:", "chat:x", "x:00000000000000000000000000000000"] {
            heard(&notices, nonsense);
        }
        assert!(!here.wait(SOON).await);
    }

    #[test]
    fn a_revocation_is_counted_whoever_waits() {
        let notices = Notices::new();
        notices.tell(about(Topic::Chat));
        assert_eq!(notices.revocations(), 0);
        notices.tell(about(Topic::Session));
        assert_eq!(notices.revocations(), 1);
    }
}
