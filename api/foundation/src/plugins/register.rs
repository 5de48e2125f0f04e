//! What a workspace sees of plugins, and says about them: the list, switching on and off, the recipients.

use consigne_sdk::{CapabilityKind, DataCategory, Egress, Manifest, Processing, ProcessorRole, Purpose};
use serde_json::Value;

use super::{
    Entry, Registry,
    settings::{self, Stored, Switch},
};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    scope::{Permission, Scope},
    store::Store,
};

/// A plugin as a workspace sees it. Its settings are not in it and cannot be asked for.
#[derive(Debug, Clone)]
pub struct PluginInfo {
    /// What it is, and which settings it takes.
    pub manifest: Manifest,
    /// Whether the workspace uses it.
    pub enabled: bool,
    /// The hosts it reaches, under the settings that hold.
    pub hosts: Vec<String>,
    /// The processing declaration, under the settings that hold.
    pub processing: Processing,
    /// Since when; `None` where it is off, or on from the start.
    pub enabled_at: Option<Timestamp>,
}

/// Who gets data of a workspace, and by which plugin.
#[derive(Debug, Clone)]
pub struct Recipient {
    /// The plugin's id.
    pub plugin: &'static str,
    /// The product.
    pub name: &'static str,
    /// Whether data stays inside this installation or goes to a sub-processor.
    pub role: ProcessorRole,
    /// The processing declaration that holds.
    pub processing: Processing,
    /// The hosts that data goes to.
    pub hosts: Vec<String>,
    /// Since when; `None` where it is on from the start.
    pub since: Option<Timestamp>,
}

impl Registry {
    /// All plugins that are compiled in, in the order of their registration.
    ///
    /// # Errors
    /// `Forbidden` without `PLUGINS_READ`; `Corrupt`.
    pub async fn list(&self, scope: &Scope, store: &Store) -> Result<Vec<PluginInfo>> {
        scope.require(Permission::PluginsRead)?;
        let stored = settings::all(scope, store).await?;
        let mut all = Vec::with_capacity(self.0.entries.len());
        for entry in &self.0.entries {
            let own = stored.iter().find(|(plugin, _)| plugin == entry.id()).map(|(_, stored)| stored);
            all.push(self.info(scope, store, entry, own).await?);
        }
        Ok(all)
    }

    /// Everyone who gets data: the plugins that the workspace uses, those inside this installation marked as such, and the
    /// operator's mailer where it uses none of its own. One that is handed no category of data is no recipient.
    ///
    /// # Errors
    /// `Forbidden` without `PLUGINS_READ`; `Corrupt`.
    pub async fn recipients(&self, scope: &Scope, store: &Store) -> Result<Vec<Recipient>> {
        let mut used = Vec::new();
        for plugin in self.list(scope, store).await? {
            let is_handed = plugin.enabled && !plugin.processing.categories.is_empty();
            // One that the workspace enabled by itself is its own instruction.
            let is_own = plugin.enabled_at.is_some();
            if is_handed && (is_own || self.is_admitted(scope, store, plugin.manifest.id).await?) {
                used.push(plugin);
            }
        }
        let all = used.into_iter().map(|plugin| Recipient {
            plugin: plugin.manifest.id,
            name: plugin.manifest.name,
            role: plugin.processing.role,
            processing: plugin.processing,
            hosts: plugin.hosts,
            since: plugin.enabled_at,
        });
        let mut all: Vec<Recipient> = all.collect();
        let has_own = all.iter().any(|r| self.entry(r.plugin).is_ok_and(|entry| entry.offers(CapabilityKind::Mailer)));
        let operators = if has_own { None } else { self.operators_mailer_for(scope, store).await? };
        if let Some(mailer) = operators {
            all.push(Recipient {
                plugin: mailer.id(),
                name: mailer.plugin.manifest().name,
                role: mailer.plugin.processing(&mailer.settings).role,
                // It is handed mails about people's rights, and nothing of chats.
                processing: Processing {
                    categories: vec![DataCategory::Contact],
                    purposes: vec![Purpose::Rights],
                    ..mailer.plugin.processing(&mailer.settings)
                },
                hosts: Egress::new(mailer.plugin.manifest(), &mailer.settings)?.hosts(),
                since: None,
            });
        }
        Ok(all)
    }

    /// Switches a plugin on for the workspace, under these settings; `Null` takes the operator's. Settings that it had
    /// are replaced whole. They can never be read again.
    ///
    /// # Errors
    /// `Forbidden` without `PLUGINS_WRITE`; `NotFound`; `Invalid` where the settings are not what the manifest asks for;
    /// `Conflict` for the installation's embedder and for a vector index, which the operator chooses.
    pub async fn enable(&self, scope: &Scope, store: &Store, plugin: &str, settings: Value) -> Result<PluginInfo> {
        scope.require(Permission::PluginsWrite)?;
        let entry = self.switchable(plugin)?;
        let in_force = if settings.is_null() { &entry.settings } else { &settings };
        entry.schema.check(in_force)?;
        // A host that cannot be read is the sender's mistake here, not the operator's.
        Egress::new(entry.plugin.manifest(), in_force).map_err(|error| Error::invalid("settings", error.message))?;
        self.switch(scope, store, entry, Switch::On, &settings).await
    }

    /// Switches a plugin off for the workspace and forgets the settings it had there.
    ///
    /// # Errors
    /// `Forbidden` without `PLUGINS_WRITE`; `NotFound`; `Conflict` as in [`Registry::enable`].
    pub async fn disable(&self, scope: &Scope, store: &Store, plugin: &str) -> Result<PluginInfo> {
        scope.require(Permission::PluginsWrite)?;
        let entry = self.switchable(plugin)?;
        self.switch(scope, store, entry, Switch::Off, &Value::Null).await
    }

    async fn switch(
        &self,
        scope: &Scope,
        store: &Store,
        entry: &Entry,
        to: Switch,
        settings: &Value,
    ) -> Result<PluginInfo> {
        let key = store.vault().workspace_key(scope.workspace()).await?;
        let tx = store.write(scope).await?;
        settings::write(&tx, &key, entry.id(), to, settings).await?;
        let event = Event::new(if to == Switch::On { "plugin.enabled" } else { "plugin.disabled" });
        let event = event.target("plugin", settings::row_of(entry.id())).detail("plugin", entry.id());
        audit::append(scope, &tx, event).await?;
        let stored = settings::find_in(&tx, entry.id()).await?;
        tx.commit().await?;
        self.forget(scope.workspace(), entry.id());
        self.info(scope, store, entry, stored.as_ref()).await
    }

    fn switchable(&self, plugin: &str) -> Result<&Entry> {
        let entry = self.entry(plugin)?;
        if entry.offers(CapabilityKind::VectorIndex) || entry.id() == self.0.embedder {
            return Err(Error::new(
                ErrorKind::Conflict,
                "The operator chooses this plugin for the whole installation.",
            ));
        }
        Ok(entry)
    }

    async fn info(&self, scope: &Scope, store: &Store, entry: &Entry, stored: Option<&Stored>) -> Result<PluginInfo> {
        let enabled = self.is_enabled(entry, stored);
        let own = match stored {
            Some(stored) if enabled => stored.own_settings(scope, store).await?,
            _ => None,
        };
        let in_force = own.as_ref().unwrap_or(&entry.settings);
        Ok(PluginInfo {
            manifest: entry.plugin.manifest().clone(),
            enabled,
            hosts: Egress::new(entry.plugin.manifest(), in_force)?.hosts(),
            processing: entry.plugin.processing(in_force),
            enabled_at: stored.filter(|_| enabled).map(|stored| stored.enabled_at),
        })
    }
}
