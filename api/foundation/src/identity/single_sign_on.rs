//! Single sign-on: members of a workspace sign in at its own identity provider, by OpenID Connect.
//!
//! Reading order: [`providers`] (which one, and what it has to say), [`domains`] (for whose addresses), [`begin`](mod@begin)
//! and [`complete`](mod@complete) (the way there and back), `newcomers` (who it is here), [`logout`](mod@logout) (the provider
//! says that it is over), and `entrance` (what is left of passwords).
//!
//! Whoever runs a provider can come in as any member of the workspace that named it. So only owners name one, a session
//! that came by it holds for that workspace alone ([`Scope::account_holder`](crate::scope::Scope::account_holder)), and it
//! speaks for addresses of domains alone that the workspace showed to be its own.
//!
//! Invariants, as absences:
//! - No sign-in is completed but by the browser that began it, and none twice.
//! - No account is found by an address that the provider does not vouch for, or of a domain that is not the workspace's.
//! - No id that a provider gives to a person or a sign-in is stored; keyed hashes are.
//! - No secret of a provider is given back, or goes to another issuer than the one it was given for.

pub mod begin;
pub mod complete;
pub mod domains;
pub(super) mod entrance;
pub mod logout;
mod newcomers;
pub mod providers;

use std::sync::Arc;

use consigne_sdk::{PluginError, PluginErrorKind, SignOn, egress::Domains};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::AccountRules;
use crate::{
    error::{Error, ErrorKind, Result},
    store::{InstanceTx, Store, entity::logout_tokens},
};

/// What it needs to know beside the database.
#[derive(Clone)]
pub struct SingleSignOn {
    /// The database.
    pub store: Store,
    /// Speaks to providers.
    pub sign_on: Arc<dyn SignOn>,
    /// Asks what a domain says of itself.
    pub names: Domains,
    /// What the operator decided about accounts.
    pub rules: AccountRules,
    /// Where people open the console: scheme, host and path, without a slash at the end.
    pub console_url: Arc<str>,
}

impl SingleSignOn {
    /// Where providers send browsers back to: a page of the console.
    pub fn redirect_uri(&self) -> String {
        format!("{}/sso", self.console_url)
    }
}

/// What a person is known by at a provider, keyed.
fn subject_index(store: &Store, issuer: &str, subject: &str) -> Vec<u8> {
    store.vault().instance_index("single sign-on subject", &format!("{issuer}\n{subject}"))
}

/// What a sign-in is known by at a provider, keyed.
fn session_index(store: &Store, issuer: &str, session: &str) -> Vec<u8> {
    store.vault().instance_index("single sign-on session", &format!("{issuer}\n{session}"))
}

/// What a person is told of a provider that did not answer as it should; the log has the rest.
fn of_provider(error: PluginError) -> Error {
    let (kind, message) = match error.kind {
        PluginErrorKind::Unavailable | PluginErrorKind::RateLimited(_) => {
            (ErrorKind::Unavailable, "Your identity provider does not answer. Try again in a moment.")
        }
        PluginErrorKind::InvalidResponse => {
            (ErrorKind::Unavailable, "Your identity provider answers something else than OpenID Connect says.")
        }
        PluginErrorKind::HostNotAllowed => {
            (ErrorKind::Misconfigured, "Your identity provider is at an address that may not be reached from here.")
        }
        PluginErrorKind::Misconfigured => (
            ErrorKind::Misconfigured,
            "Your identity provider does not take this installation. Tell whoever runs your workspace.",
        ),
        PluginErrorKind::Refused | PluginErrorKind::Gone => {
            (ErrorKind::Unauthenticated, "This sign-in is not good, or was used. Begin again.")
        }
        PluginErrorKind::Internal => (ErrorKind::Internal, "an identity provider could not be spoken to"),
    };
    tracing::warn!(reason = %error, "an identity provider was not believed");
    Error::new(kind, message).because(error)
}

/// Takes away what ended.
pub(super) async fn sweep(tx: &InstanceTx) -> Result<u64> {
    let ended = logout_tokens::Entity::delete_many()
        .filter(logout_tokens::Column::ExpiresAt.lte(tx.store().now()))
        .exec(tx.db())
        .await?;
    Ok(ended.rows_affected)
}
