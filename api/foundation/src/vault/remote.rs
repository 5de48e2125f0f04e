//! A root key that a server keeps: what it wraps is bound to its place by the server.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use consigne_sdk::{KeyServer, PluginError, PluginErrorKind};
use zeroize::Zeroizing;

use super::{
    key::Place,
    provider::{FirstSecrets, KeyProvider, Provider, Retired, RootVersion, Rotated, cannot_unwrap, lacks},
};
use crate::error::Result;

struct RemoteKeys {
    name: &'static str,
    server: Arc<dyn KeyServer>,
}

impl Provider {
    /// The root key that this server keeps.
    pub fn remote(name: &'static str, server: impl KeyServer + 'static) -> Self {
        Self::new(RemoteKeys { name, server: Arc::new(server) })
    }
}

impl RemoteKeys {
    fn number(&self, version: &RootVersion) -> Result<u32> {
        number(&version.mark).ok_or_else(|| lacks(version, self.name))
    }
}

#[async_trait]
impl KeyProvider for RemoteKeys {
    fn name(&self) -> &'static str {
        self.name
    }

    /// Everybody who asks the server has it.
    fn lead(&self) -> Duration {
        Duration::ZERO
    }

    fn format(&self) -> u8 {
        2
    }

    async fn marks(&self) -> Result<Vec<String>> {
        Ok(self.server.versions().await?.map(mark).collect())
    }

    async fn wrap(&self, version: &RootVersion, _: &[u8], place: &Place, plain: &[u8]) -> Result<Vec<u8>> {
        Ok(self.server.seal(self.number(version)?, &place.context(), plain).await?.into_bytes())
    }

    async fn unwrap(&self, _: &[u8], place: &Place, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let sealed = std::str::from_utf8(wrapped).map_err(|_| cannot_unwrap(place))?;
        self.server.open(&place.context(), sealed).await.map_err(|error| refused(error, place))
    }

    async fn rewrap(&self, version: &RootVersion, old: (&[u8], &[u8]), _: &[u8], place: &Place) -> Result<Vec<u8>> {
        let sealed = std::str::from_utf8(old.1).map_err(|_| cannot_unwrap(place))?;
        let again = self.server.seal_again(self.number(version)?, &place.context(), sealed).await;
        Ok(again.map_err(|error| refused(error, place))?.into_bytes())
    }

    async fn rotate(&self) -> Result<Rotated> {
        Ok(Rotated::New(mark(self.server.rotate().await?)))
    }

    async fn retire(&self, mark: &str) -> Result<Retired> {
        let Some(last) = number(mark) else { return Ok(Retired::Destroyed) };
        Ok(match self.server.retire_before(last + 1).await? {
            true => Retired::Destroyed,
            false => Retired::Left("Raise min_decryption_version of the key by hand: the token may not."),
        })
    }

    fn first_secrets(&self) -> Option<FirstSecrets> {
        None
    }
}

fn mark(version: u32) -> String {
    format!("v{version}")
}

fn number(mark: &str) -> Option<u32> {
    mark.strip_prefix('v')?.parse().ok()
}

/// What the server does not open was sealed for another place, or by another key.
fn refused(error: PluginError, place: &Place) -> crate::Error {
    match error.kind {
        PluginErrorKind::Refused => cannot_unwrap(place),
        _ => error.into(),
    }
}
