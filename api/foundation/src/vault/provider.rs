//! Who keeps the root key: a file, the environment, or a server that never gives it away.
//!
//! A provider wraps and unwraps; the key store knows which versions of the root key there were and which is in use
//! ([`super::roots`]). What was wrapped begins with six bytes that say so: format (1 for a key that is here, 2 for one of a
//! server), 0, and the number of the version (u32 BE).

use std::{fmt, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use zeroize::Zeroizing;

use super::{
    aead::Secret,
    key::{HEADER, Place},
    local::{self, LocalKeys},
    root::{Created, RootKey},
};
use crate::error::{Error, ErrorKind, Result};

/// A version of the root key, as the key store knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootVersion {
    /// Its number, from 1.
    pub number: u32,
    /// By what its provider knows it. It says nothing about the key.
    pub mark: String,
}

/// What came of asking for another version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotated {
    /// The mark of the new one.
    New(String),
    /// A person has to do it: how.
    ByHand(&'static str),
}

/// What became of a version that nothing refers to any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retired {
    /// Nobody can use it again.
    Destroyed,
    /// It is still there, and what a person can do about that.
    Left(&'static str),
}

/// The two secrets of an installation that were derived from its first root key before they were kept in the key store.
pub(crate) struct FirstSecrets {
    pub instance: Secret,
    pub index: Secret,
}

/// Keeps the root key.
#[async_trait]
pub(crate) trait KeyProvider: Send + Sync {
    /// Its name in settings, errors and the key store.
    fn name(&self) -> &'static str;

    /// How long a new version is there before it is put to use: time for a person to copy it.
    fn lead(&self) -> Duration;

    /// The versions that it can open, oldest first, by their marks.
    async fn marks(&self) -> Result<Vec<String>>;

    /// Wraps a key. Without the header.
    async fn wrap(&self, version: &RootVersion, header: &[u8], place: &Place, plain: &[u8]) -> Result<Vec<u8>>;

    /// Unwraps what [`KeyProvider::wrap`] made under this header. `Corrupt` where no version of it opens that.
    async fn unwrap(&self, header: &[u8], place: &Place, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>>;

    /// What was wrapped, under this version and its header, where it can be done without the key leaving.
    async fn rewrap(&self, version: &RootVersion, old: (&[u8], &[u8]), header: &[u8], place: &Place)
    -> Result<Vec<u8>>;

    /// Makes another version. One that was made and not put to use is that one.
    async fn rotate(&self) -> Result<Rotated>;

    /// Destroys a version, and all before it.
    async fn retire(&self, mark: &str) -> Result<Retired>;

    /// The first byte of what it wraps.
    fn format(&self) -> u8;

    /// What was derived from the first key; none where it never was.
    fn first_secrets(&self) -> Option<FirstSecrets>;
}

/// A provider. Cheap to clone.
#[derive(Clone)]
pub struct Provider(Arc<dyn KeyProvider>);

impl fmt::Debug for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Provider({}, Sealed(..))", self.0.name())
    }
}

impl From<RootKey> for Provider {
    fn from(key: RootKey) -> Self {
        Self::new(LocalKeys::given(key, None))
    }
}

impl Provider {
    /// The root key in this file, and those that followed it beside it; the first is made where there is none.
    ///
    /// # Errors
    /// `Misconfigured` where a file cannot be read, is open to other users, or holds no key.
    pub fn in_file(path: &Path) -> Result<(Self, Created)> {
        LocalKeys::in_files(path).map(|(keys, created)| (Self::new(keys), created))
    }

    /// This root key, and the one that takes its place.
    pub fn given(key: RootKey, next: Option<RootKey>) -> Self {
        Self::new(LocalKeys::given(key, next))
    }

    /// Whether a root key is in this file, or one that followed it beside it.
    pub fn is_in_file(path: &Path) -> bool {
        local::is_any_there(path)
    }

    pub(crate) fn new(provider: impl KeyProvider + 'static) -> Self {
        Self(Arc::new(provider))
    }

    /// Its name in settings, errors and the key store.
    pub fn name(&self) -> &'static str {
        self.0.name()
    }

    pub(super) fn lead(&self) -> Duration {
        self.0.lead()
    }

    pub(super) fn first_secrets(&self) -> Option<FirstSecrets> {
        self.0.first_secrets()
    }

    /// The versions that it can open, oldest first, by their marks.
    ///
    /// # Errors
    /// `Unavailable`; `Misconfigured`.
    pub async fn marks(&self) -> Result<Vec<String>> {
        self.0.marks().await
    }

    pub(super) async fn wrap(&self, version: &RootVersion, place: &Place, plain: &[u8]) -> Result<Vec<u8>> {
        let header = self.header(version.number);
        let wrapped = self.0.wrap(version, &header, place, plain).await?;
        Ok([header, wrapped].concat())
    }

    /// `Corrupt` where no version that it has opens this.
    pub(super) async fn unwrap(&self, place: &Place, wrapped: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let (header, rest) = self.split(place, wrapped)?;
        self.0.unwrap(header, place, rest).await
    }

    pub(super) async fn rewrap(&self, version: &RootVersion, place: &Place, wrapped: &[u8]) -> Result<Vec<u8>> {
        let header = self.header(version.number);
        let rewrapped = self.0.rewrap(version, self.split(place, wrapped)?, &header, place).await?;
        Ok([header, rewrapped].concat())
    }

    pub(super) async fn rotate(&self) -> Result<Rotated> {
        self.0.rotate().await
    }

    pub(super) async fn retire(&self, mark: &str) -> Result<Retired> {
        self.0.retire(mark).await
    }

    fn header(&self, number: u32) -> Vec<u8> {
        [[self.0.format(), 0].as_slice(), &number.to_be_bytes()].concat()
    }

    fn split<'a>(&self, place: &Place, wrapped: &'a [u8]) -> Result<(&'a [u8], &'a [u8])> {
        match wrapped.split_at_checked(HEADER) {
            Some((header, rest)) if header[0] == self.0.format() && header[1] == 0 => Ok((header, rest)),
            _ => Err(cannot_unwrap(place)),
        }
    }
}

pub(super) fn cannot_unwrap(place: &Place) -> Error {
    Error::new(ErrorKind::Corrupt, format!("The key at {place} cannot be unwrapped: another root key wrapped it."))
}

pub(super) fn lacks(version: &RootVersion, provider: &'static str) -> Error {
    let message = format!("The {provider} does not have version {} of the root key.", version.number);
    Error::new(ErrorKind::Misconfigured, message)
}
