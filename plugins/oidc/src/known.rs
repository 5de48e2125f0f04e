//! What is remembered of providers, each for an hour: a bounded number of them, and each asked by one caller at a time.
//!
//! A token whose key is not among the known ones is a reason to ask again (the provider may have changed its keys), once a
//! minute and no more, however many such tokens come. A provider that just failed is left alone for some seconds.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use consigne_sdk::{Egress, PluginErrorKind, Result};
use jsonwebtoken::{Header, jwk::Jwk};
use serde_json::Value;

use crate::{
    discovery::{self, Metadata, unavailable},
    keys, refused,
};

/// Most providers that are remembered at a time.
const MOST: usize = 256;

/// How long what a provider said is relied on, in seconds.
const RELIED_ON: i64 = 3_600;

/// Seconds between two looks for a key that is not known.
const LOOKED_FOR_EVERY: i64 = 60;

/// Seconds for which a provider that failed is left alone.
const LEFT_ALONE: i64 = 5;

/// All of them.
#[derive(Default)]
pub(crate) struct Known(Mutex<HashMap<String, Place>>);

/// One provider, and when somebody last asked for it.
struct Place {
    asked_at: i64,
    about: Arc<tokio::sync::Mutex<About>>,
}

#[derive(Default)]
struct About {
    metadata: Option<(i64, Arc<Metadata>)>,
    keys: Option<(i64, Vec<Jwk>)>,
    looked_at: Option<i64>,
    failed_at: Option<i64>,
}

impl Known {
    /// What a provider says of itself.
    ///
    /// # Errors
    /// Those of asking it.
    pub async fn metadata(&self, egress: &Egress, issuer: &str, at: i64) -> Result<Arc<Metadata>> {
        let place = self.place(issuer, at);
        let mut about = place.lock().await;
        if let Some((since, metadata)) = &about.metadata
            && is_young(*since, RELIED_ON, at)
        {
            return Ok(metadata.clone());
        }
        about.may_ask(at)?;
        let metadata = about.heard(discovery::metadata(egress, issuer).await, at)?;
        let metadata = Arc::new(metadata);
        about.metadata = Some((at, metadata.clone()));
        Ok(metadata)
    }

    /// What a token says that this provider signed.
    ///
    /// # Errors
    /// `Refused` where it did not; those of asking for its keys.
    pub async fn verified(&self, egress: &Egress, metadata: &Metadata, token: &str, at: i64) -> Result<Value> {
        let header = keys::header(token)?;
        let key = self.key(egress, metadata, &header, at).await?;
        keys::verify(token, header.alg, &key)
    }

    async fn key(&self, egress: &Egress, metadata: &Metadata, header: &Header, at: i64) -> Result<Jwk> {
        let place = self.place(&metadata.issuer, at);
        let mut about = place.lock().await;
        let known = about.keys.as_ref().filter(|(since, _)| is_young(*since, RELIED_ON, at));
        let is_known = known.is_some();
        if let Some(key) = known.and_then(|(_, keys)| keys::choose(keys, header)) {
            return Ok(key.clone());
        }
        let unknown = || refused("the token is signed by a key that the provider does not show");
        if is_known {
            if about.looked_at.is_some_and(|looked| is_young(looked, LOOKED_FOR_EVERY, at)) {
                return Err(unknown());
            }
            about.looked_at = Some(at);
        }
        about.may_ask(at)?;
        let fetched = about.heard(keys::fetch(egress, &metadata.jwks_uri).await, at)?;
        let key = keys::choose(&fetched, header).cloned();
        about.keys = Some((at, fetched));
        key.ok_or_else(unknown)
    }

    /// Where a provider is remembered. Whoever was asked for longest ago makes room.
    fn place(&self, issuer: &str, at: i64) -> Arc<tokio::sync::Mutex<About>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !all.contains_key(issuer) && all.len() >= MOST {
            let oldest = all.iter().min_by_key(|(_, place)| place.asked_at).map(|(issuer, _)| issuer.clone());
            oldest.and_then(|oldest| all.remove(&oldest));
        }
        let place = all.entry(issuer.to_owned()).or_insert_with(|| Place { asked_at: at, about: Arc::default() });
        place.asked_at = at;
        place.about.clone()
    }
}

impl About {
    fn may_ask(&self, at: i64) -> Result<()> {
        match self.failed_at.is_some_and(|failed| is_young(failed, LEFT_ALONE, at)) {
            true => Err(unavailable("the provider failed a moment ago")),
            false => Ok(()),
        }
    }

    fn heard<T>(&mut self, said: Result<T>, at: i64) -> Result<T> {
        let is_down = said.as_ref().is_err_and(|error| error.kind == PluginErrorKind::Unavailable);
        self.failed_at = is_down.then_some(at);
        said
    }
}

/// A clock that is put back makes nothing young for ever.
fn is_young(since: i64, lives: i64, at: i64) -> bool {
    (0..lives).contains(&(at - since))
}
