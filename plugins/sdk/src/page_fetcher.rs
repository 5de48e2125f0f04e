//! Pages of websites that customers name.
//!
//! The fetcher speaks HTTP and follows nothing: a redirect comes back, so that whoever crawls decides about each hop,
//! and each hop is checked like a first request.

use async_trait::async_trait;
use bytes::Bytes;
use url::Url;

use crate::Result;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// Where.
    pub url: Url,
    /// The entity tag of what is known already (RFC 9110, `If-None-Match`).
    pub etag: Option<String>,
    /// The date of what is known already, as the server wrote it (RFC 9110, `If-Modified-Since`).
    pub last_modified: Option<String>,
    /// Longest body that is taken.
    pub most_bytes: u64,
}

impl PageRequest {
    /// Asks for the whole page, whatever is known of it.
    pub fn whole(url: Url, most_bytes: u64) -> Self {
        Self { url, etag: None, last_modified: None, most_bytes }
    }
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The page.
    Page(Page),
    /// What is known still holds (304).
    NotModified,
    /// It is somewhere else (301, 302, 303, 307, 308); nobody went there.
    Elsewhere(Url),
    /// There is no such page (404, 410).
    Gone,
    /// The body is longer than was asked for; none of it is kept.
    TooLarge,
}

/// A page, as its server sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The body.
    pub bytes: Bytes,
    /// The media type without parameters, in lower case, where the server says it.
    pub media_type: Option<String>,
    /// Its entity tag.
    pub etag: Option<String>,
    /// Its date, as the server wrote it.
    pub last_modified: Option<String>,
}

/// Fetches pages from hosts that customers name.
#[async_trait]
pub trait PageFetcher: Send + Sync {
    /// The name that robots.txt calls it by (RFC 9309, product token).
    fn robot(&self) -> &str;

    /// Whether this URL may be fetched at all, by its looks: nothing is looked up and nobody is connected to.
    ///
    /// # Errors
    /// `HostNotAllowed`.
    fn check(&self, url: &Url) -> Result<()>;

    /// One request, one answer.
    ///
    /// # Errors
    /// `HostNotAllowed`, also where the name's addresses are not public; `Unavailable` where no whole answer came in
    /// time, or a 5xx; `RateLimited` for 429; `Refused` for any other refusal; `InvalidResponse` for what is outside
    /// HTTP's rules.
    async fn fetch(&self, request: PageRequest) -> Result<Fetched>;
}
