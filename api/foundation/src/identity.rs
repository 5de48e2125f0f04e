//! Who may come in, and as whom: accounts and their sessions, API keys, visitors.
//!
//! Reading order: [`roles`] (the one table of what each role may do), [`secret`], [`password`], [`accounts`],
//! [`whence`], `throttle` (how often may be tried), `tickets` (tokens that work once), [`sign_in`](mod@sign_in),
//! [`second_factor`], [`passkeys`], [`sessions`]; [`rules`], [`sign_up`](mod@sign_up), [`passwords`], [`address_change`], [`invitations`], [`members`],
//! [`custom_roles`], [`closing`] and [`mails`]; [`single_sign_on`] (at a workspace's own identity provider); [`api_keys`],
//! [`visitors`]; [`visitor_keys`], `visitor_jwt` and
//! [`known_visitors`] (whom a customer's server vouches for); then [`signing`] and [`tokens`]; last
//! [`authenticate`](mod@authenticate), which turns a request's header into a [`Scope`](crate::scope::Scope), and
//! [`recognized`], which remembers it for a second.
//!
//! Invariants, as absences:
//! - No password, key or token is stored, logged or printed; only hashes are, and [`SecretText`] prints `Sealed(..)`.
//! - No address stands readable in a table; look-ups go through a keyed index.
//! - No answer tells an unknown account from a wrong password, or one bad token from another.
//! - No address of a network is stored; a tag of it holds for a day.
//! - No token is trusted without its row, or what the row said within the last second while nothing was revoked: a revoked
//!   session, key or membership ends at the next request.

pub mod accounts;
pub mod address_change;
pub mod api_keys;
pub mod authenticate;
pub mod closing;
pub mod custom_roles;
pub(crate) mod email;
pub mod invitations;
mod ip_tags;
pub mod known_visitors;
pub mod mails;
pub mod members;
pub mod operator;
pub mod passkeys;
pub mod password;
pub mod passwords;
pub mod recognized;
pub mod review;
pub mod roles;
pub mod rules;
pub mod second_factor;
pub mod secret;
pub mod sessions;
pub mod sign_in;
pub mod sign_up;
pub mod signing;
pub mod single_sign_on;
pub mod sweep;
mod throttle;
mod tickets;
pub mod tokens;
mod visitor_jwt;
pub mod visitor_keys;
pub mod visitors;
pub mod whence;

pub use self::{
    accounts::{FirstStart, SignedIn},
    api_keys::{ApiKey, ApiKeyKind, NewApiKey},
    authenticate::{Authenticated, AuthenticatedAs, authenticate},
    recognized::Recognized,
    roles::Role,
    rules::{AccountRules, SignUp},
    secret::SecretText,
    sign_in::{Entered, SignIn},
    signing::SigningPurpose,
    sweep::IdentitySweep,
    visitors::VisitorSession,
    whence::Whence,
};

use crate::error::{Error, ErrorKind};

/// The one answer to whatever is wrong with a token, a key or a password.
pub(crate) fn unauthenticated() -> Error {
    Error::new(ErrorKind::Unauthenticated, "You are not signed in, or not any more.")
}
