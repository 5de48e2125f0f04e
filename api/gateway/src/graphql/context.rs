//! What a resolver has: services, and the scope that authentication made. No connection.

use std::sync::Arc;

use async_graphql::{Context, Result};
use consigne_assistant::{
    chats::live::Feed,
    corrections::Corrections,
    escalations::{asking::Sentences, inbound::InboundPost},
    knowledge::Knowledge,
    routes::Routes,
};
use consigne_foundation::{
    Permission, Scope,
    alerts::Operator,
    backups::Backups,
    identity::{AccountRules, Whence, mails::AccountMails, passkeys::Passkeys, single_sign_on::SingleSignOn},
    plugins::Registry,
    privacy::{Privacy, retention::Retention},
    store::Store,
};

use super::error::{self, refuse};

/// What resolvers call. Cheap to clone.
#[derive(Clone)]
pub struct Services {
    /// The database and its keys.
    pub store: Store,
    /// The plugins.
    pub registry: Arc<Registry>,
    /// Documents and search.
    pub knowledge: Knowledge,
    /// Text of answers on its way to whoever listens.
    pub feed: Feed,
    /// Answers that one process makes at once.
    pub answers_at_once: usize,
    /// What questions for a person are told by.
    pub sentences: Sentences,
    /// Ways to models.
    pub routes: Routes,
    /// Assisted correction.
    pub corrections: Corrections,
    /// People's rights.
    pub privacy: Privacy,
    /// What the operator decided about accounts.
    pub account_rules: AccountRules,
    /// What is mailed to people about their accounts.
    pub account_mails: AccountMails,
    /// Members who sign in at their workspace's identity provider.
    pub single_sign_on: SingleSignOn,
    /// Whom passkeys are made for.
    pub passkeys: Passkeys,
    /// Who is told of alerts by mail.
    pub operator: Option<Operator>,
    /// What goes by itself.
    pub retention: Retention,
    /// Backups of the installation.
    pub backups: Backups,
    /// What comes back through channels.
    pub inbound: InboundPost,
    /// Where clients reach this gateway: scheme, host and port, without a slash at the end.
    pub public_url: Arc<str>,
}

/// Who asks; `None` is the public.
#[derive(Clone, Default)]
pub struct Asking {
    /// What they may touch.
    pub scope: Option<Scope>,
    /// The page's origin, where a browser sent one.
    pub origin: Option<String>,
    /// From where.
    pub whence: Whence,
}

/// Short words for resolvers.
pub trait ContextExt {
    /// The services.
    fn services(&self) -> &Services;

    /// The database.
    fn store(&self) -> &Store;

    /// The scope of who asks, whoever it is.
    ///
    /// # Errors
    /// `UNAUTHENTICATED` where nobody is signed in.
    fn somebody(&self) -> Result<Scope>;

    /// The scope of who asks; none for the public.
    fn asking(&self) -> Option<Scope>;

    /// The scope, if it has this permission.
    ///
    /// # Errors
    /// `UNAUTHENTICATED`, `FORBIDDEN`.
    fn scope(&self, permission: Permission) -> Result<Scope>;

    /// The page's origin.
    fn origin(&self) -> Option<&str>;

    /// From where it is asked.
    fn whence(&self) -> &Whence;
}

impl ContextExt for Context<'_> {
    fn services(&self) -> &Services {
        self.data_unchecked::<Services>()
    }

    fn store(&self) -> &Store {
        &self.services().store
    }

    fn somebody(&self) -> Result<Scope> {
        self.data_unchecked::<Asking>().scope.clone().ok_or_else(error::unauthenticated)
    }

    fn asking(&self) -> Option<Scope> {
        self.data_unchecked::<Asking>().scope.clone()
    }

    fn scope(&self, permission: Permission) -> Result<Scope> {
        let scope = self.somebody()?;
        scope.require(permission).map_err(refuse)?;
        Ok(scope)
    }

    fn origin(&self) -> Option<&str> {
        self.data_unchecked::<Asking>().origin.as_deref()
    }

    fn whence(&self) -> &Whence {
        &self.data_unchecked::<Asking>().whence
    }
}
