//! Who is behind what the installation searches with: questions go there too, or what is derived from them. Where people write to, and where
//! the audit log goes.

use std::sync::Arc;

use consigne_sdk::{AuditSink, Capability, CapabilityKind, Embedder, Mailbox};

use super::{Registry, RouteFacts, not_that};
use crate::{error::Result, scope::Scope, store::Store};

impl Registry {
    /// An embedder with the facts of its route, as [`Registry::chat_route`]; the installation's own is open already.
    ///
    /// # Errors
    /// As [`Registry::chat_model`].
    pub async fn embedder_route(
        &self,
        scope: &Scope,
        store: &Store,
        plugin: &str,
    ) -> Result<(Arc<dyn Embedder>, RouteFacts)> {
        if plugin == self.0.embedder {
            return self.own_embedder_route(scope, store).await;
        }
        match self.opened(scope, store, plugin, CapabilityKind::Embedder).await? {
            (Capability::Embedder(embedder), facts) => Ok((embedder, facts)),
            _ => Err(not_that(plugin)),
        }
    }

    /// A mailbox that people write to about their data, as [`Registry::chat_model`].
    ///
    /// # Errors
    /// As [`Registry::chat_model`].
    pub async fn mailbox(&self, scope: &Scope, store: &Store, plugin: &str) -> Result<Arc<dyn Mailbox>> {
        match self.opened(scope, store, plugin, CapabilityKind::Mailbox).await? {
            (Capability::Mailbox(mailbox), _) => Ok(mailbox),
            _ => Err(not_that(plugin)),
        }
    }

    /// A plugin that takes the audit log, as [`Registry::chat_model`].
    ///
    /// # Errors
    /// As [`Registry::chat_model`].
    pub async fn audit_sink(&self, scope: &Scope, store: &Store, plugin: &str) -> Result<Arc<dyn AuditSink>> {
        match self.opened(scope, store, plugin, CapabilityKind::AuditSink).await? {
            (Capability::AuditSink(sink), _) => Ok(sink),
            _ => Err(not_that(plugin)),
        }
    }

    /// The installation's embedder with the facts of its route.
    ///
    /// # Errors
    /// `Unavailable` before [`Registry::open_defaults`]; `PurposeRefused` where another party is behind it that the workspace was not told
    /// of for thirty days, or objected to.
    pub async fn own_embedder_route(&self, scope: &Scope, store: &Store) -> Result<(Arc<dyn Embedder>, RouteFacts)> {
        self.require_announced(scope, store, &self.0.embedder).await?;
        Ok((self.embedder()?, self.operators_facts(&self.0.embedder)?))
    }

    /// The facts of the route to the installation's vector index.
    ///
    /// # Errors
    /// `NotFound` where it is not compiled in, which [`Registry::new`] refuses.
    pub fn vector_index_facts(&self) -> Result<RouteFacts> {
        self.operators_facts(&self.0.vector_index)
    }

    fn operators_facts(&self, plugin: &str) -> Result<RouteFacts> {
        let entry = self.entry(plugin)?;
        Ok(RouteFacts {
            plugin: entry.id(),
            processing: entry.plugin.processing(&entry.settings),
            price: entry.plugin.price(&entry.settings),
        })
    }
}
