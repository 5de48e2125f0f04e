//! Content types: what a client sends, and what it wants back (RFC 9110, section 12.5.1; GraphQL over HTTP, section 5).

use actix_web::http::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

/// How many media ranges of an `Accept` header are read.
const RANGES: usize = 32;

/// A media type for a single answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Json {
    /// `application/graphql-response+json`: the status says whether the document was accepted.
    GraphqlResponse,
    /// `application/json`: 200 for whatever is a GraphQL response.
    Plain,
}

impl Json {
    /// The `Content-Type`.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::GraphqlResponse => "application/graphql-response+json; charset=utf-8",
            Self::Plain => "application/json; charset=utf-8",
        }
    }
}

/// What a client accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The best single answer, if any.
    pub json: Option<Json>,
    /// Whether `text/event-stream` is named.
    pub stream: bool,
    /// Whether it is named before any single answer.
    pub prefers_stream: bool,
}

/// Reads `Accept`. Without one, or for `*/*`, the answer is `application/json`. `text/event-stream` has to be named.
pub fn accepted(headers: &HeaderMap) -> Accepted {
    let values: Vec<&str> = headers.get_all(ACCEPT).filter_map(|value| value.to_str().ok()).collect();
    if values.iter().all(|value| value.trim().is_empty()) {
        return Accepted { json: Some(Json::Plain), stream: false, prefers_stream: false };
    }
    let (mut graphql, mut plain, mut stream, mut any) = (None, None, None, None);
    for (position, range) in values.join(",").split(',').take(RANGES).enumerate() {
        let Some((name, weight)) = range_of(range) else { continue };
        // Heavier first, then earlier.
        let rank = (weight, RANGES - position);
        let slot = match name.as_str() {
            "application/graphql-response+json" => &mut graphql,
            "application/json" => &mut plain,
            "text/event-stream" => &mut stream,
            "*/*" | "application/*" => &mut any,
            _ => continue,
        };
        *slot = (*slot).max(Some(rank));
    }
    let weighed = |rank: Option<(u32, usize)>| rank.filter(|(weight, _)| *weight > 0);
    let (best_plain, best_graphql) = match (plain, graphql) {
        (None, _) => (weighed(any), weighed(graphql)),
        (Some((0, _)), None) => (None, weighed(any)),
        _ => (weighed(plain), weighed(graphql)),
    };
    let json = match (best_graphql, best_plain) {
        (None, None) => None,
        (graphql, plain) if graphql > plain => Some(Json::GraphqlResponse),
        _ => Some(Json::Plain),
    };
    let stream = weighed(stream);
    Accepted { json, stream: stream.is_some(), prefers_stream: stream > best_graphql.max(best_plain) }
}

/// Whether the body says it is JSON in UTF-8, uncompressed.
pub fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE);
    let (Some(only), None) = (types.next(), types.next()) else { return false };
    let is_plain = headers.get_all(CONTENT_ENCODING).all(|coding| coding.as_bytes().eq_ignore_ascii_case(b"identity"));
    let named = only.to_str().ok().and_then(range_of);
    is_plain && named.is_some_and(|(name, _)| name == "application/json")
}

/// A media range without its parameters, and its weight in thousandths. `None` if it asks for another charset than
/// UTF-8.
fn range_of(range: &str) -> Option<(String, u32)> {
    let mut parts = range.split(';');
    let name = parts.next()?.trim().to_ascii_lowercase();
    let mut weight = 1_000;
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let value = value.trim().trim_matches('"');
        match key.trim().to_ascii_lowercase().as_str() {
            "q" => weight = (value.parse::<f32>().ok()?.clamp(0.0, 1.0) * 1_000.0) as u32,
            "charset" if !value.eq_ignore_ascii_case("utf-8") && !value.eq_ignore_ascii_case("utf8") => return None,
            _ => {}
        }
    }
    Some((name, weight))
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn accept(value: &'static str) -> Accepted {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static(value));
        accepted(&headers)
    }

    #[test]
    fn the_best_named_answer_wins_and_no_name_is_json() {
        assert_eq!(accepted(&HeaderMap::new()).json, Some(Json::Plain));
        for plain in [
            "*/*",
            "application/*",
            "application/json",
            "text/html, */*;q=0.1",
            "application/json; charset=UTF-8",
            "multipart/mixed;boundary=graphql;subscriptionSpec=1.0,application/json",
            "application/json, application/graphql-response+json",
            "application/graphql-response+json;q=0.2, */*",
        ] {
            assert_eq!(accept(plain).json, Some(Json::Plain), "{plain}");
        }
        for graphql in [
            "application/graphql-response+json",
            "application/graphql-response+json, application/json;q=0.9",
            "application/graphql-response+json; charset=utf-8, application/json; charset=utf-8",
            "application/graphql-response+json, application/graphql+json, application/json, text/event-stream, multipart/mixed",
            "application/json;q=0, */*",
        ] {
            assert_eq!(accept(graphql).json, Some(Json::GraphqlResponse), "{graphql}");
        }
        for neither in ["text/html", "application/json;q=0", "application/json; charset=utf-16", "image/*"] {
            assert_eq!(accept(neither).json, None, "{neither}");
        }
    }

    #[test]
    fn a_stream_has_to_be_named() {
        assert!(accept("text/event-stream").prefers_stream);
        assert!(accept("text/event-stream, application/json").prefers_stream);
        let both = accept("application/graphql-response+json, application/json, text/event-stream");
        assert!(both.stream && !both.prefers_stream);
        assert!(!accept("*/*").stream);
    }

    #[test]
    fn only_json_is_read_as_json() {
        let is = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(value));
            is_json(&headers)
        };
        assert!(is("application/json") && is("Application/JSON; Charset=\"UTF-8\""));
        for other in [
            "text/plain",
            "application/graphql",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/json; charset=iso-8859-1",
            "application/jsonx",
            "",
        ] {
            assert!(!is(other), "{other}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
