//! Which other parties get data of all workspaces because the operator chose them: behind the installation's embedder, its vector
//! index and its mailer. What a workspace enables by itself, under settings of its own, is its own instruction, and none of them.

use consigne_sdk::{Egress, Processing, ProcessorRole};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Entry, Registry};
use crate::{
    error::{ErrorKind, Result},
    privacy::recipient_changes,
    scope::Scope,
    store::Store,
};

/// Another party, as the operator's settings declare it.
#[derive(Debug, Clone)]
pub struct Outside {
    /// The plugin through which it gets data.
    pub plugin: &'static str,
    /// Who, where, what, why and for how long.
    pub processing: Processing,
    /// The hosts that data goes to.
    pub hosts: Vec<String>,
}

impl Outside {
    /// All that a workspace is told of it.
    pub fn declaration(&self) -> Value {
        let Processing { role, operator, region, safeguard, categories, purposes, retention } = &self.processing;
        json!({
            "role": role,
            "operator": operator,
            "region": region.code(),
            "safeguard": safeguard.code(),
            "categories": categories,
            "purposes": purposes,
            "retention": retention.code(),
            "hosts": self.hosts,
        })
    }

    /// The same for the same declaration.
    pub(crate) fn hash(&self) -> Vec<u8> {
        Sha256::digest(format!("{}\n{}", self.plugin, self.declaration()).as_bytes()).to_vec()
    }
}

impl Registry {
    /// The other parties that the operator's settings hand data to.
    ///
    /// # Errors
    /// `Misconfigured` where a host cannot be read.
    pub fn outside(&self) -> Result<Vec<Outside>> {
        let mut plugins = vec![self.0.embedder.as_str(), self.0.vector_index.as_str()];
        plugins.extend(self.operators_mailer().map(Entry::id));
        let mut all = Vec::new();
        for plugin in plugins {
            all.extend(self.outside_of(plugin)?);
        }
        Ok(all)
    }

    fn outside_of(&self, plugin: &str) -> Result<Option<Outside>> {
        let entry = self.entry(plugin)?;
        let processing = entry.plugin.processing(&entry.settings);
        if processing.role == ProcessorRole::Internal {
            return Ok(None);
        }
        let mut hosts = Egress::new(entry.plugin.manifest(), &entry.settings)?.hosts();
        hosts.sort();
        Ok(Some(Outside { plugin: entry.id(), processing, hosts }))
    }

    /// Refuses a party of the operator's that the workspace was not told of for long enough, or objected to.
    ///
    /// # Errors
    /// `PurposeRefused`; `Unavailable`.
    pub(super) async fn require_announced(&self, scope: &Scope, store: &Store, plugin: &str) -> Result<()> {
        match self.outside_of(plugin)? {
            Some(outside) => recipient_changes::require(scope, store, &outside).await,
            None => Ok(()),
        }
    }

    /// Refuses where the workspace may not be indexed or searched with what the operator chose.
    ///
    /// # Errors
    /// As [`Registry::vector_index`]; `PurposeRefused` where another party behind the index was not announced for thirty days, or the
    /// workspace objected to it.
    pub async fn require_index(&self, scope: &Scope, store: &Store) -> Result<()> {
        self.require_announced(scope, store, &self.0.vector_index).await
    }

    /// Whether a party of the operator's gets data of the workspace: one that waits for its thirty days, or was objected to, gets none.
    ///
    /// # Errors
    /// `Unavailable`.
    pub(super) async fn is_admitted(&self, scope: &Scope, store: &Store, plugin: &str) -> Result<bool> {
        match self.require_announced(scope, store, plugin).await {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::PurposeRefused => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Refuses where the workspace may not be indexed with what the operator chose: by its embedder, where it is that one, or its index.
    ///
    /// # Errors
    /// As [`Registry::require_index`].
    pub async fn require_installation(&self, scope: &Scope, store: &Store, embedder: &str) -> Result<()> {
        if embedder == self.0.embedder {
            self.require_announced(scope, store, embedder).await?;
        }
        self.require_index(scope, store).await
    }

    /// The operator's mailer, for the workspace; none where it was told of a new one and may not use it yet.
    pub(super) async fn operators_mailer_for(&self, scope: &Scope, store: &Store) -> Result<Option<&Entry>> {
        let Some(entry) = self.operators_mailer() else { return Ok(None) };
        Ok(self.is_admitted(scope, store, entry.id()).await?.then_some(entry))
    }
}
