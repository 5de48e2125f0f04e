//! A root key that a server keeps, and what becomes of a process while the server is down.

use std::{
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use consigne_sdk::{KeyServer, PluginError, PluginErrorKind, Result};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::{
    Place, Provider,
    support::{self, TestStore},
    versions::INSTALLATION,
};
use crate::{
    error::ErrorKind,
    id::{SubjectId, WorkspaceId},
    store::Store,
};

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Such a server in memory: what it seals says its place and its version.
#[derive(Clone, Default)]
struct Server(Arc<Inside>);

#[derive(Default)]
struct Inside {
    oldest: AtomicU32,
    newest: AtomicU32,
    is_down: AtomicBool,
    calls: AtomicUsize,
}

impl Server {
    fn new() -> Self {
        let server = Self::default();
        server.0.oldest.store(1, Ordering::SeqCst);
        server.0.newest.store(1, Ordering::SeqCst);
        server
    }

    fn called(&self) -> Result<()> {
        self.0.calls.fetch_add(1, Ordering::SeqCst);
        match self.0.is_down.load(Ordering::SeqCst) {
            true => Err(PluginError::new(PluginErrorKind::Unavailable, "It is down.")),
            false => Ok(()),
        }
    }

    fn down(&self, is: bool) {
        self.0.is_down.store(is, Ordering::SeqCst);
    }

    fn calls(&self) -> usize {
        self.0.calls.load(Ordering::SeqCst)
    }

    async fn store(&self, test: &TestStore) -> crate::Result<Store> {
        Store::open(&test.settings, Provider::remote("server", self.clone()), test.clock.clone()).await
    }
}

#[async_trait]
impl KeyServer for Server {
    async fn versions(&self) -> Result<RangeInclusive<u32>> {
        self.called()?;
        Ok(self.0.oldest.load(Ordering::SeqCst)..=self.0.newest.load(Ordering::SeqCst))
    }

    async fn seal(&self, version: u32, place: &[u8], plain: &[u8]) -> Result<String> {
        self.called()?;
        Ok(format!("{version}:{}:{}", hex::encode(place), hex::encode(plain)))
    }

    async fn open(&self, place: &[u8], sealed: &str) -> Result<Zeroizing<Vec<u8>>> {
        self.called()?;
        let refused = || PluginError::new(PluginErrorKind::Refused, "It was not sealed for that.");
        let [version, bound, plain] = sealed.split(':').collect::<Vec<_>>()[..] else { return Err(refused()) };
        let is_old = version.parse::<u32>().map_err(|_| refused())? < self.0.oldest.load(Ordering::SeqCst);
        if is_old || bound != hex::encode(place) {
            return Err(refused());
        }
        Ok(Zeroizing::new(hex::decode(plain).map_err(|_| refused())?))
    }

    async fn seal_again(&self, version: u32, place: &[u8], sealed: &str) -> Result<String> {
        let plain = self.open(place, sealed).await?;
        self.seal(version, place, &plain).await
    }

    async fn rotate(&self) -> Result<u32> {
        self.called()?;
        Ok(self.0.newest.fetch_add(1, Ordering::SeqCst) + 1)
    }

    async fn retire_before(&self, version: u32) -> Result<bool> {
        self.called()?;
        self.0.oldest.store(version, Ordering::SeqCst);
        Ok(true)
    }
}

fn place() -> Place {
    Place::new(WorkspaceId(Uuid::from_u128(1)), "answers", "text", Uuid::from_u128(2))
}

#[tokio::test]
async fn what_a_process_knows_keeps_working_while_the_server_is_down() {
    let (test, server) = (support::open_to_fill().await, Server::new());
    let store = server.store(&test).await.unwrap();
    let (acme, other) = (WorkspaceId::new(&test.clock), WorkspaceId::new(&test.clock));
    let sealed = store.vault().workspace_key(acme).await.unwrap().seal(&place(), b"text");
    let person = SubjectId::new(&test.clock);
    store.vault().create_subject_key(acme, person).await.unwrap();

    server.down(true);
    let before = server.calls();
    for _ in 0..20 {
        test.clock.advance(HOUR);
        let key = store.vault().workspace_key(acme).await.unwrap();
        assert_eq!(key.open(&place(), &sealed).unwrap().as_slice(), b"text");
        store.vault().subject_key(acme, person).await.unwrap();
        store.vault().create_subject_key(acme, SubjectId::new(&test.clock)).await.unwrap();
        store.read_instance().await.unwrap();
    }
    assert_eq!(server.calls(), before, "nobody asked it");
    assert_eq!(store.vault().workspace_key(other).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(server.store(&test).await.map(drop).unwrap_err().kind(), ErrorKind::Unavailable);
    server.down(false);
    store.vault().workspace_key(other).await.unwrap();
}

#[tokio::test]
async fn a_process_that_cannot_look_at_a_new_version_stops_before_the_old_one_could_go() {
    let (test, server) = (support::open_to_fill().await, Server::new());
    let (store, other) = (server.store(&test).await.unwrap(), server.store(&test).await.unwrap());
    let acme = WorkspaceId::new(&test.clock);
    store.vault().workspace_key(acme).await.unwrap();
    test.clock.advance(90 * DAY);
    other.vault().workspace_key(acme).await.unwrap();
    other.read_instance().await.unwrap();
    assert_eq!(store.vault().turn_key(acme, 90 * DAY).await.unwrap(), Some(2));
    assert_eq!(store.vault().turn_key(INSTALLATION, 90 * DAY).await.unwrap(), Some(2));
    server.down(true);
    let before = server.calls();
    test.clock.advance(HOUR);
    for _ in 0..10 {
        assert_eq!(other.vault().workspace_key(acme).await.unwrap().sealing_version(), 1);
        other.read_instance().await.unwrap();
    }
    assert_eq!(server.calls(), before + 2, "it is asked once in a while, not at each call");
    test.clock.advance(12 * HOUR);
    assert_eq!(other.vault().workspace_key(acme).await.unwrap_err().kind(), ErrorKind::Unavailable);
    assert_eq!(other.read_instance().await.map(drop).unwrap_err().kind(), ErrorKind::Unavailable);
    server.down(false);
    assert_eq!(other.vault().workspace_key(acme).await.unwrap().sealing_version(), 2);
    other.read_instance().await.unwrap();
}

#[tokio::test]
async fn another_server_or_a_row_in_another_place_opens_nothing() {
    let (test, server) = (support::open_to_fill().await, Server::new());
    let store = server.store(&test).await.unwrap();
    let (acme, other) = (WorkspaceId::new(&test.clock), WorkspaceId::new(&test.clock));
    store.vault().workspace_key(acme).await.unwrap();
    store.vault().workspace_key(other).await.unwrap();
    let schema = if store.backend() == sea_orm::DbBackend::Postgres { "keys." } else { "" };
    let swap = format!(
        "UPDATE {schema}workspace_keys SET wrapped = (SELECT o.wrapped FROM {schema}workspace_keys o \
         WHERE o.key_workspace_id <> workspace_keys.key_workspace_id AND o.version = 1 \
         ORDER BY o.created_at DESC LIMIT 1) WHERE version = 1"
    );
    sea_orm::ConnectionTrait::execute_unprepared(store.vault().key_store(), &swap).await.unwrap();
    let refused = server.store(&test).await.map(drop).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Corrupt, "{refused}");
    let local = Store::open(&test.settings, crate::vault::RootKey::from_bytes([7; 32]), test.clock.clone()).await;
    assert_eq!(local.map(drop).unwrap_err().kind(), ErrorKind::Misconfigured);
}
