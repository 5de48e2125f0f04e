//! Who may come in, told as stories: accounts, sessions, tokens, keys, visitors and workspaces.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where")]

#[path = "../support/mod.rs"]
mod support;

mod accounts;
mod api_keys;
mod forgeries;
mod pool;
mod sessions;
mod signing;
mod visitors;
mod workspaces;

use std::time::Duration;

use consigne_foundation::{
    identity::{Authenticated, FirstStart, SignedIn, authenticate},
    *,
};
use support::TestStore;

/// A password that everyone here uses.
pub(crate) const PASSWORD: &str = "a long enough password";

/// A store with one workspace and its owner.
pub(crate) struct House {
    pub(crate) test: TestStore,
    pub(crate) start: FirstStart,
}

impl House {
    pub(crate) async fn open() -> Self {
        identity::password::set_cheap_cost_for_tests();
        let test = support::open().await;
        let start =
            identity::accounts::create_first(&test.store, "owner@acme.example", PASSWORD, "Acme").await.unwrap();
        Self { test, start }
    }

    pub(crate) fn store(&self) -> &store::Store {
        &self.test.store
    }

    pub(crate) fn wait(&self, seconds: u64) {
        self.test.clock.advance(Duration::from_secs(seconds));
    }

    pub(crate) async fn sign_in(&self, email: &str) -> SignedIn {
        identity::accounts::sign_in(self.store(), email, PASSWORD, None).await.unwrap()
    }

    /// The owner of the first workspace, signed in.
    pub(crate) async fn owner(&self) -> Scope {
        self.scope(&self.sign_in("owner@acme.example").await).await
    }

    /// The owner of another customer's workspace, signed in.
    pub(crate) async fn stranger(&self) -> Scope {
        identity::accounts::create_owner(self.store(), "owner@other.example", PASSWORD, "Other").await.unwrap();
        self.scope(&self.sign_in("owner@other.example").await).await
    }

    pub(crate) async fn scope(&self, signed_in: &SignedIn) -> Scope {
        self.come_in(signed_in.access_token.expose()).await.unwrap().scope
    }

    pub(crate) async fn come_in(&self, credential: &str) -> Result<Authenticated> {
        let header = format!("Bearer {credential}");
        authenticate(self.store(), Some(&header)).await.map(|somebody| somebody.expect("a header was given"))
    }

    /// Expects the one answer to everything that is wrong.
    pub(crate) async fn is_refused(&self, credential: &str) {
        let error = self.come_in(credential).await.map(|s| s.kind).expect_err("it was let in");
        assert_eq!(error.kind(), ErrorKind::Unauthenticated);
        assert_eq!(error.message(), "You are not signed in, or not any more.");
    }

    /// What the audit log says was done, oldest first.
    pub(crate) async fn actions(&self, scope: &Scope) -> Vec<String> {
        let mut entries = audit::page(scope, self.store(), None, 100).await.unwrap();
        entries.reverse();
        entries.into_iter().map(|entry| entry.action).collect()
    }
}
