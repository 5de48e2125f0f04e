//! Who came in a moment ago is not looked up again: what was found out about a credential is relied on for a second, and
//! not at all once any session, key or person was revoked anywhere.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use sha2::{Digest, Sha256};

use super::authenticate::{Authenticated, AuthenticatedAs, authenticate};
use crate::{clock::Timestamp, error::Result, store::Store};

/// How long it is relied on; what is revoked by word between processes that gets lost is refused after this.
const RELIED_ON: Duration = Duration::from_secs(1);

/// Credentials that are remembered. When there are more, all are looked up again.
const MOST: usize = 10_000;

/// What was found out about credentials, by their hash.
#[derive(Default)]
pub struct Recognized(Mutex<HashMap<[u8; 32], Found>>);

#[derive(Clone)]
struct Found {
    somebody: Authenticated,
    at: Timestamp,
    revocations: u64,
}

impl Recognized {
    /// As [`authenticate`], from memory where that is fresh.
    ///
    /// # Errors
    /// As [`authenticate`].
    pub async fn authenticate(&self, store: &Store, authorization: Option<&str>) -> Result<Option<Authenticated>> {
        let Some(header) = authorization else { return Ok(None) };
        let hash: [u8; 32] = Sha256::digest(header.as_bytes()).into();
        let (at, revocations) = (store.now(), store.notices().revocations());
        if let Some(found) = self.remembered(&hash)
            && found.revocations == revocations
            && (found.at..found.at.plus(RELIED_ON)).contains(&at)
            && at < found.somebody.expires_at
        {
            return Ok(Some(found.somebody));
        }
        let somebody = authenticate(store, authorization).await?;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MOST {
            all.clear();
        }
        // Whose data somebody's request is about is found out while they hold a token; that is asked each time.
        if let Some(somebody) = somebody.as_ref().filter(|somebody| somebody.kind != AuthenticatedAs::Person) {
            // The count was read before the rows: a revocation in between makes this stale from the start.
            all.insert(hash, Found { somebody: somebody.clone(), at, revocations });
        }
        Ok(somebody)
    }

    fn remembered(&self, hash: &[u8; 32]) -> Option<Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(hash).cloned()
    }
}
