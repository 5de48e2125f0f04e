//! What went wrong, as a kind the host can act on.
//!
//! The body of a refusal is never read: servers quote the request in it. A status code, and inside a stream a numeric or
//! well-known code, is all that is taken over.

use std::time::Duration;

use serde_json::Value;

use crate::{
    PluginError, PluginErrorKind, Result,
    egress::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
};

/// Longest wait that is believed when a server names one.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// Failures of the plugin of this id.
#[derive(Debug, Clone, Copy)]
pub struct Failures(pub &'static str);

impl Failures {
    /// Turns every status but 200 into an error.
    ///
    /// # Errors
    /// As [`Failures::of_status`].
    pub fn check_status(self, status: u16, headers: &HeaderMap) -> Result<()> {
        if status == 200 { Ok(()) } else { Err(self.of_status(status, retry_after(headers))) }
    }

    /// Lets a stream of events through and turns every other response into an error.
    ///
    /// # Errors
    /// As [`Failures::of_status`]; `InvalidResponse` for anything but events.
    pub fn check_head(self, status: u16, headers: &HeaderMap) -> Result<()> {
        self.check_status(status, headers)?;
        let content_type = headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("text/event-stream") {
            return Err(self.invalid("the server answered with something other than a stream of events"));
        }
        Ok(())
    }

    /// The error behind an HTTP status.
    pub fn of_status(self, status: u16, wait: Option<Duration>) -> PluginError {
        use PluginErrorKind::{InvalidResponse, Misconfigured, RateLimited, Refused, Unavailable};
        let (kind, hint) = match status {
            429 => (RateLimited(wait), "too many requests"),
            // A server that names a time asks to wait, whatever the status.
            503 if wait.is_some() => (RateLimited(wait), "overloaded"),
            408 | 500 | 502 | 503 | 504 | 520..=529 => (Unavailable, "the server failed"),
            401 => (Misconfigured, "the key was not accepted"),
            403 => (Misconfigured, "the key may not use this model, or not from here"),
            404 | 405 => (Misconfigured, "baseUrl or model is not known there"),
            300..=399 => (Misconfigured, "redirects are not followed; put the final address into baseUrl"),
            400 => (Refused, "the request was refused; a server without function calling needs useTools off"),
            402..=499 => (Refused, "the request was refused"),
            500..=599 => (Refused, "the server cannot do this"),
            _ => (InvalidResponse, "not a status of this protocol"),
        };
        PluginError::new(kind, format!("{}: HTTP {status}: {hint}", self.0))
    }

    /// The error behind an `error` object that a server sent inside a stream with status 200, bare or in its envelope.
    pub fn of_error_object(self, error: &Value) -> PluginError {
        let error = error.get("error").unwrap_or(error);
        let code = error.get("code");
        let number = code.and_then(|code| code.as_u64().or_else(|| code.as_str()?.parse().ok()));
        if let Some(status) = number.and_then(|n| u16::try_from(n).ok()).filter(|n| (400..=599).contains(n)) {
            return self.of_status(status, None);
        }
        let names = [code.and_then(Value::as_str), error.get("type").and_then(Value::as_str)];
        let is = |name: &str| names.contains(&Some(name));
        let (kind, why) = if is("rate_limit_exceeded") || is("rate_limit_error") {
            (PluginErrorKind::RateLimited(None), "too many requests")
        } else if is("invalid_request_error") || is("context_length_exceeded") || is("exceed_context_size_error") {
            (PluginErrorKind::Refused, "the request was refused")
        } else {
            (PluginErrorKind::Unavailable, "the server failed")
        };
        PluginError::new(kind, format!("{}: inside the answer: {why}", self.0))
    }

    /// Something outside the published protocol.
    pub fn invalid(self, why: &str) -> PluginError {
        PluginError::new(PluginErrorKind::InvalidResponse, format!("{}: {why}", self.0))
    }

    /// The model or its operator declined to answer.
    pub fn declined(self, why: &str) -> PluginError {
        PluginError::new(PluginErrorKind::Refused, format!("{}: {why}", self.0))
    }

    /// The time of the settings is over.
    pub fn late(self) -> PluginError {
        PluginError::new(PluginErrorKind::Unavailable, format!("{}: no complete answer within timeoutSeconds", self.0))
    }
}

/// The wait a server asks for, in seconds. The other form, a date, would need a clock and is not used by these servers.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds: f64 = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Duration::try_from_secs_f64(seconds).ok().map(|wait| wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::egress::header::HeaderValue;

    #[test]
    fn every_status_has_one_meaning() {
        let kind = |status| Failures("test").of_status(status, None).kind;
        assert_eq!([429].map(kind), [PluginErrorKind::RateLimited(None)]);
        assert_eq!([500, 502, 503, 504, 529].map(kind), [PluginErrorKind::Unavailable; 5]);
        assert_eq!([401, 403, 404, 301].map(kind), [PluginErrorKind::Misconfigured; 4]);
        assert_eq!([400, 413, 422, 501].map(kind), [PluginErrorKind::Refused; 4]);
        assert_eq!([204, 101].map(kind), [PluginErrorKind::InvalidResponse; 2]);
    }

    #[test]
    fn a_wait_is_read_from_seconds_and_bounded() {
        let wait = |value: &'static str| {
            let headers = HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(value))]);
            retry_after(&headers)
        };
        assert_eq!(wait("2"), Some(Duration::from_secs(2)));
        assert_eq!(wait("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(wait("99999999"), Some(LONGEST_WAIT));
        assert_eq!([wait("-1"), wait("NaN"), wait("Wed, 21 Oct 2015 07:28:00 GMT")], [None; 3]);
    }

    #[test]
    fn an_error_inside_a_stream_keeps_its_code_and_loses_its_words() {
        for (error, kind) in [
            (json!({ "code": 503, "message": "secret" }), PluginErrorKind::Unavailable),
            (json!({ "code": "429", "message": "secret" }), PluginErrorKind::RateLimited(None)),
            (json!({ "code": 400, "type": "secret" }), PluginErrorKind::Refused),
            (json!({ "type": "invalid_request_error", "message": "secret" }), PluginErrorKind::Refused),
            (json!({ "type": "server_error", "code": null, "message": "secret" }), PluginErrorKind::Unavailable),
            (json!({ "error": { "code": 401 } }), PluginErrorKind::Misconfigured),
            (json!("secret"), PluginErrorKind::Unavailable),
            (json!({ "code": 7, "message": "secret" }), PluginErrorKind::Unavailable),
        ] {
            let failure = Failures("test").of_error_object(&error);
            assert_eq!(failure.kind, kind, "{error}");
            assert!(!failure.message.contains("secret"), "{}", failure.message);
        }
    }
}
