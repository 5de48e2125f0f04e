//! What a status and its headers mean (RFC 9110).

use std::time::Duration;

use bytes::Bytes;
use consigne_sdk::{
    Fetched, Page, PageRequest, PluginError, PluginErrorKind, Result,
    egress::header::{
        CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, LAST_MODIFIED, LOCATION, RETRY_AFTER,
    },
};
use url::Url;

use crate::ID;

/// Longest value of a header that is kept: it comes back to the server that wrote it.
const LONGEST_VALUE: usize = 300;

/// What the head of an answer says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// The body is the page; its bytes are still to be read.
    Body(Page),
    /// There is nothing to read.
    NotModified,
    /// Somewhere else.
    Elsewhere(Url),
    /// Nowhere.
    Gone,
}

impl Meaning {
    pub(crate) fn into_fetched(self) -> Fetched {
        match self {
            Self::Body(page) => Fetched::Page(page),
            Self::NotModified => Fetched::NotModified,
            Self::Elsewhere(url) => Fetched::Elsewhere(url),
            Self::Gone => Fetched::Gone,
        }
    }
}

/// # Errors
/// As [`consigne_sdk::PageFetcher::fetch`].
pub(crate) fn of_head(request: &PageRequest, status: u16, headers: &HeaderMap) -> Result<Meaning> {
    let was_conditional = request.etag.is_some() || request.last_modified.is_some();
    match status {
        200 | 203 => body(headers),
        304 if was_conditional => Ok(Meaning::NotModified),
        301 | 302 | 303 | 307 | 308 => elsewhere(&request.url, headers),
        404 | 410 => Ok(Meaning::Gone),
        429 => Err(failure(PluginErrorKind::RateLimited(retry_after(headers)), status)),
        400..=499 => Err(failure(PluginErrorKind::Refused, status)),
        500..=599 => Err(failure(PluginErrorKind::Unavailable, status)),
        _ => Err(failure(PluginErrorKind::InvalidResponse, status)),
    }
}

fn body(headers: &HeaderMap) -> Result<Meaning> {
    let packed = text(headers, CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case("identity"));
    if packed {
        let message = format!("{ID}: the answer is packed, which nobody asked for");
        return Err(PluginError::new(PluginErrorKind::InvalidResponse, message));
    }
    let media_type = text(headers, CONTENT_TYPE)
        .map(|value| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
        .filter(|value| value.contains('/'));
    Ok(Meaning::Body(Page {
        bytes: Bytes::new(),
        media_type,
        etag: text(headers, ETAG).map(str::to_owned),
        last_modified: text(headers, LAST_MODIFIED).map(str::to_owned),
    }))
}

fn elsewhere(from: &Url, headers: &HeaderMap) -> Result<Meaning> {
    // A place that cannot be read is no place; what it says may be anything, and is not repeated.
    let place = headers.get(LOCATION).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    match place.and_then(|place| from.join(place).ok()) {
        Some(mut url) => {
            url.set_fragment(None);
            Ok(Meaning::Elsewhere(url))
        }
        None => Err(PluginError::new(PluginErrorKind::InvalidResponse, format!("{ID}: a redirect to nowhere"))),
    }
}

/// Seconds; the other form, a date, would need a clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    Some(Duration::from_secs(text(headers, RETRY_AFTER)?.parse().ok()?))
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|value| (1..=LONGEST_VALUE).contains(&value.len()))
}

fn failure(kind: PluginErrorKind, status: u16) -> PluginError {
    PluginError::new(kind, format!("{ID}: the server answered {status}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(etag: Option<&str>) -> PageRequest {
        let url = Url::parse("https://www.example.com/a/b").expect("a URL");
        PageRequest { etag: etag.map(str::to_owned), ..PageRequest::whole(url, 10) }
    }

    fn head(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), value.parse().expect("a value"))).collect()
    }

    fn kind(status: u16, headers: &HeaderMap) -> PluginErrorKind {
        of_head(&asked(None), status, headers).expect_err("a failure").kind
    }

    #[test]
    fn a_304_is_an_answer_to_a_conditional_request_alone() {
        let none = HeaderMap::new();
        assert_eq!(of_head(&asked(Some("\"1\"")), 304, &none).expect("an answer"), Meaning::NotModified);
        assert_eq!(kind(304, &none), PluginErrorKind::InvalidResponse);
    }

    #[test]
    fn a_redirect_is_read_against_the_page_and_loses_its_fragment() {
        let to = |place| match of_head(&asked(None), 302, &head(&[(LOCATION, place)])) {
            Ok(Meaning::Elsewhere(url)) => url.to_string(),
            other => panic!("{other:?}"),
        };
        assert_eq!(to("c#d"), "https://www.example.com/a/c");
        assert_eq!(to("//127.0.0.1/"), "https://127.0.0.1/");
        assert_eq!(to("file:///etc/passwd"), "file:///etc/passwd");
        assert_eq!(kind(302, &HeaderMap::new()), PluginErrorKind::InvalidResponse);
        assert_eq!(kind(302, &head(&[(LOCATION, "http://[")])), PluginErrorKind::InvalidResponse);
    }

    #[test]
    fn a_failure_says_whether_later_may_help() {
        let none = HeaderMap::new();
        assert_eq!([401, 403, 451].map(|status| kind(status, &none)), [PluginErrorKind::Refused; 3]);
        assert_eq!([500, 503].map(|status| kind(status, &none)), [PluginErrorKind::Unavailable; 2]);
        assert_eq!([204, 206, 300].map(|status| kind(status, &none)), [PluginErrorKind::InvalidResponse; 3]);
        let wait = kind(429, &head(&[(RETRY_AFTER, "7")]));
        assert_eq!(wait, PluginErrorKind::RateLimited(Some(Duration::from_secs(7))));
    }

    #[test]
    fn a_body_keeps_its_type_and_what_the_next_request_needs() {
        let headers =
            head(&[(CONTENT_TYPE, "Text/HTML; charset=utf-8"), (ETAG, "W/\"1\""), (LAST_MODIFIED, "yesterday")]);
        let Ok(Meaning::Body(page)) = of_head(&asked(None), 200, &headers) else { panic!("a body") };
        assert_eq!(page.media_type.as_deref(), Some("text/html"));
        assert_eq!((page.etag.as_deref(), page.last_modified.as_deref()), (Some("W/\"1\""), Some("yesterday")));
        assert_eq!(kind(200, &head(&[(CONTENT_ENCODING, "gzip")])), PluginErrorKind::InvalidResponse);
    }
}
