//! Who may come in, and as whom: accounts and their sessions, API keys, visitors.
//!
//! Reading order: [`roles`] (the one table of what each role may do), [`secret`], [`password`], [`accounts`],
//! [`sessions`], [`api_keys`], [`visitors`]; then [`signing`] and [`tokens`]; last [`authenticate`](mod@authenticate),
//! which turns a request's header into a [`Scope`](crate::scope::Scope).
//!
//! Invariants, as absences:
//! - No password, key or token is stored, logged or printed; only hashes are, and [`SecretText`] prints `Sealed(..)`.
//! - No address stands readable in a table; look-ups go through a keyed index.
//! - No answer tells an unknown account from a wrong password, or one bad token from another.
//! - No token is trusted without its row: a revoked session, key or membership ends at the next request.

pub mod accounts;
pub mod api_keys;
pub mod authenticate;
pub(crate) mod email;
pub mod operator;
pub mod password;
pub mod roles;
pub mod secret;
pub mod sessions;
pub mod signing;
mod throttle;
pub mod tokens;
pub mod visitors;

pub use self::{
    accounts::{FirstStart, SignedIn},
    api_keys::{ApiKey, ApiKeyKind, NewApiKey},
    authenticate::{Authenticated, AuthenticatedAs, authenticate},
    roles::Role,
    secret::SecretText,
    signing::SigningPurpose,
    visitors::VisitorSession,
};

use crate::error::{Error, ErrorKind};

/// The one answer to whatever is wrong with a token, a key or a password.
pub(crate) fn unauthenticated() -> Error {
    Error::new(ErrorKind::Unauthenticated, "You are not signed in, or not any more.")
}
