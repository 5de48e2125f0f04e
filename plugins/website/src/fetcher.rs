//! One request, one answer.

use std::time::Duration;

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use consigne_sdk::{
    Egress, EgressRequest, EgressResponse, Fetched, PageFetcher, PageRequest, PluginError, PluginErrorKind, Result,
    egress::{
        Method,
        header::{
            ACCEPT, ACCEPT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH,
            USER_AGENT,
        },
    },
};
use futures::TryStreamExt;
use url::Url;

use crate::{ID, answer};

/// From the first byte out to the last byte in.
const WHOLE: Duration = Duration::from_secs(15);

/// The name that robots.txt calls it by (RFC 9309, product token).
const ROBOT: &str = "Consigne";

/// What a page may be, the readable forms first.
const WANTED: &str = "text/html, application/xhtml+xml, text/markdown, text/plain;q=0.9, application/pdf;q=0.8, \
                      application/xml;q=0.7, */*;q=0.1";

/// Fetches through the egress it was handed.
pub(crate) struct Fetcher {
    egress: Egress,
}

impl Fetcher {
    pub(crate) fn new(egress: Egress) -> Self {
        Self { egress }
    }

    async fn attempt(&self, request: PageRequest) -> Result<Fetched> {
        let sent = self.egress.send(EgressRequest {
            method: Method::GET,
            url: request.url.clone(),
            headers: headers(&request),
            json: None,
            timeout: WHOLE,
        });
        let response = sent.await?;
        let meaning = answer::of_head(&request, response.status, &response.headers)?;
        let answer::Meaning::Body(mut page) = meaning else { return Ok(meaning.into_fetched()) };
        let Some(bytes) = read(response, request.most_bytes).await? else { return Ok(Fetched::TooLarge) };
        page.bytes = bytes;
        Ok(Fetched::Page(page))
    }
}

#[async_trait]
impl PageFetcher for Fetcher {
    fn robot(&self) -> &str {
        ROBOT
    }

    fn check(&self, url: &Url) -> Result<()> {
        self.egress.check(url)
    }

    async fn fetch(&self, request: PageRequest) -> Result<Fetched> {
        match tokio::time::timeout(WHOLE, self.attempt(request)).await {
            Ok(fetched) => fetched,
            Err(_) => Err(PluginError::new(PluginErrorKind::Unavailable, format!("{ID}: no whole answer in time"))),
        }
    }
}

fn headers(request: &PageRequest) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let agent = concat!("Consigne/", env!("CARGO_PKG_VERSION"));
    headers.insert(USER_AGENT, HeaderValue::from_static(agent));
    headers.insert(ACCEPT, HeaderValue::from_static(WANTED));
    // A body that grows when it is unpacked is bounded best by not being packed.
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for (name, known) in [(IF_NONE_MATCH, &request.etag), (IF_MODIFIED_SINCE, &request.last_modified)] {
        if let Some(value) = known.as_ref().and_then(|known| HeaderValue::from_str(known).ok()) {
            headers.insert(name, value);
        }
    }
    headers
}

/// The body, or `None` where it is longer than that.
async fn read(response: EgressResponse, most_bytes: u64) -> Result<Option<Bytes>> {
    let announced = response.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > most_bytes) {
        return Ok(None);
    }
    let (mut whole, mut body) = (BytesMut::new(), response.body);
    while let Some(piece) = body.try_next().await? {
        if (whole.len() + piece.len()) as u64 > most_bytes {
            return Ok(None);
        }
        whole.extend_from_slice(&piece);
    }
    Ok(Some(whole.freeze()))
}
