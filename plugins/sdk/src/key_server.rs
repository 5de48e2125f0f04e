//! A server that keeps the root key and never gives it away: it wraps and unwraps what it is handed.

use std::ops::RangeInclusive;

use async_trait::async_trait;
use zeroize::Zeroizing;

use crate::Result;

/// One key of such a server, with its versions.
#[async_trait]
pub trait KeyServer: Send + Sync {
    /// The versions that open what they sealed.
    ///
    /// # Errors
    /// `Misconfigured` where there is no such key, or it is of a kind that cannot bind what it seals to a place; `Unavailable`.
    async fn versions(&self) -> Result<RangeInclusive<u32>>;

    /// Seals bytes for a place.
    ///
    /// # Errors
    /// `Misconfigured`; `Unavailable`.
    async fn seal(&self, version: u32, place: &[u8], plain: &[u8]) -> Result<String>;

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// `Refused` where it was not sealed for it, or not by this key; `Misconfigured`; `Unavailable`.
    async fn open(&self, place: &[u8], sealed: &str) -> Result<Zeroizing<Vec<u8>>>;

    /// Seals by another version what was sealed for this place; the bytes never leave the server.
    ///
    /// # Errors
    /// As [`KeyServer::open`].
    async fn seal_again(&self, version: u32, place: &[u8], sealed: &str) -> Result<String>;

    /// Makes another version and says which.
    ///
    /// # Errors
    /// `Misconfigured`, also where this is not allowed; `Unavailable`.
    async fn rotate(&self) -> Result<u32>;

    /// Takes all versions before this one out of use; says whether that was allowed.
    ///
    /// # Errors
    /// `Misconfigured`; `Unavailable`.
    async fn retire_before(&self, version: u32) -> Result<bool>;
}
