//! What a status or an error code of the Web API means.

use std::time::Duration;

use consigne_sdk::{PluginError, PluginErrorKind};

use crate::ID;

/// The error behind an HTTP status other than 200.
pub(crate) fn of_status(status: u16, wait: Option<Duration>) -> PluginError {
    let kind = match status {
        429 => PluginErrorKind::RateLimited(wait),
        503 if wait.is_some() => PluginErrorKind::RateLimited(wait),
        408 | 500..=599 => PluginErrorKind::Unavailable,
        400..=499 => PluginErrorKind::Refused,
        _ => PluginErrorKind::InvalidResponse,
    };
    PluginError::new(kind, format!("{ID}: HTTP {status}"))
}

/// The error behind `"ok": false`.
pub(crate) fn of_code(code: &str, wait: Option<Duration>) -> PluginError {
    use PluginErrorKind::{Misconfigured, RateLimited, Refused, Unavailable};
    let kind = match code {
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => RateLimited(wait),
        "fatal_error"
        | "internal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org"
        | "accesslimited" => Unavailable,
        "invalid_auth"
        | "not_authed"
        | "account_inactive"
        | "token_revoked"
        | "token_expired"
        | "no_permission"
        | "missing_scope"
        | "not_allowed_token_type"
        | "org_login_required"
        | "ekm_access_denied"
        | "access_denied"
        | "two_factor_setup_required"
        | "enterprise_is_restricted"
        | "team_access_not_granted"
        | "channel_not_found"
        | "not_in_channel"
        | "is_archived"
        | "restricted_action"
        | "restricted_action_read_only_channel" => Misconfigured,
        _ => Refused,
    };
    // A code is a word of Slack's documentation; anything else is not repeated.
    let is_code = (1..=60).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    PluginError::new(kind, format!("{ID}: {}", if is_code { code } else { "an unknown error" }))
}

/// Something outside the published protocol.
pub(crate) fn invalid(why: &str) -> PluginError {
    PluginError::new(PluginErrorKind::InvalidResponse, format!("{ID}: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_one_meaning_and_only_words_are_repeated() {
        let wait = Some(Duration::from_secs(30));
        let kind = |code| of_code(code, wait).kind;
        assert_eq!(kind("ratelimited"), PluginErrorKind::RateLimited(wait));
        assert_eq!(
            ["fatal_error", "internal_error", "service_unavailable"].map(kind),
            [PluginErrorKind::Unavailable; 3]
        );
        let settings =
            ["invalid_auth", "token_revoked", "missing_scope", "channel_not_found", "not_in_channel", "is_archived"];
        assert_eq!(settings.map(kind), [PluginErrorKind::Misconfigured; 6]);
        assert_eq!(["msg_too_long", "invalid_blocks", "anything"].map(kind), [PluginErrorKind::Refused; 3]);
        assert_eq!(of_code("Dear Ada", None).message, "slack: an unknown error");
        assert_eq!(of_status(429, wait).kind, PluginErrorKind::RateLimited(wait));
        assert_eq!([500, 502, 503].map(|status| of_status(status, None).kind), [PluginErrorKind::Unavailable; 3]);
        assert_eq!([400, 404].map(|status| of_status(status, None).kind), [PluginErrorKind::Refused; 2]);
    }
}
