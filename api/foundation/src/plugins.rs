//! Plugins: which are compiled in, which a workspace uses, under which sealed settings, and who gets data by them.
//!
//! Reading order: [`register`] (what a workspace sees), [`settings`] (checked, sealed, never given back), [`addresses`]
//! (where channels are written to), then [`Registry`], which opens plugins.
//!
//! The vector index is chosen for the whole installation, and so is the embedder, unless a workspace changes to another:
//! see `assistant::knowledge::embeddings`. A chat model is chosen by assistant, a channel by its rules; the page fetcher is
//! the one that is compiled in. One that works inside this installation is on from the start; one that hands data to another
//! party is used only where the workspace said so, and so is a reranker, wherever it works.
//!
//! Invariants, as absences:
//! - No setting is ever returned, logged or named in an error.
//! - No workspace's settings mix with the operator's, so that no operator's key goes to a host that a workspace names.
//! - No plugin that a workspace switched off answers for it.
//! - No other party that the operator chose answers for a workspace that was not told of it thirty days before ([`outside`]).
//! - No plugin that speaks to others is opened for a purpose that the workspace revoked.

pub mod addresses;
mod facts;
pub mod outside;
pub mod register;
pub(crate) mod settings;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
};

use consigne_sdk::{
    Capability, CapabilityKind, Channel, ChatModel, Corrector, Egress, Embedder, Mailer, PageFetcher, Plugin, Price,
    Processing, ProcessorRole, Reranker, VectorIndex,
};
use serde_json::Value;
use tokio::sync::OnceCell;

pub use self::register::{PluginInfo, Recipient};
use self::settings::{Schema, Stored};
use crate::{
    error::{Error, ErrorKind, Result},
    id::WorkspaceId,
    privacy::{Purpose, admission},
    scope::Scope,
    store::Store,
};

/// What the operator chose for the whole installation.
#[derive(Clone)]
pub struct InstanceDefaults {
    /// The plugin that makes vectors.
    pub embedder: String,
    /// The plugin that finds them.
    pub vector_index: String,
    /// The plugin that answers where an assistant names none.
    pub chat_model: String,
    /// The operator's settings, by plugin. A plugin without an entry has `{}`.
    pub settings: BTreeMap<String, Value>,
}

impl Default for InstanceDefaults {
    fn default() -> Self {
        Self {
            embedder: "fastembed".to_owned(),
            vector_index: "flat".to_owned(),
            chat_model: "extractive".to_owned(),
            settings: BTreeMap::new(),
        }
    }
}

/// The plugins that are compiled in, and those that are open. Cheap to clone.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    entries: Vec<Entry>,
    embedder: String,
    vector_index: String,
    chat_model: String,
    opened_embedder: OnceCell<Arc<dyn Embedder>>,
    opened_index: OnceCell<Arc<dyn VectorIndex>>,
    opened_fetcher: OnceCell<Arc<dyn PageFetcher>>,
    opened: Mutex<HashMap<Place, Opened>>,
}

/// What is true of a plugin under the settings that hold: who processes where, and what it costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteFacts {
    /// The plugin's id.
    pub plugin: &'static str,
    /// Who, where, under which safeguard, and what they keep.
    pub processing: Processing,
    /// What a million tokens cost.
    pub price: Price,
}

/// One compiled-in plugin.
struct Entry {
    plugin: Arc<dyn Plugin>,
    schema: Schema,
    /// The operator's.
    settings: Value,
}

impl Entry {
    fn id(&self) -> &'static str {
        self.plugin.manifest().id
    }

    /// A plugin is on without a word where it works inside this installation under the operator's settings.
    fn is_on_from_the_start(&self) -> bool {
        self.plugin.processing(&self.settings).role == ProcessorRole::Internal
            && self.schema.check(&self.settings).is_ok()
    }

    fn offers(&self, capability: CapabilityKind) -> bool {
        self.plugin.manifest().offers(capability)
    }

    async fn open(&self, capability: CapabilityKind, settings: Value) -> Result<Capability> {
        let egress = Egress::new(self.plugin.manifest(), &settings)?;
        Ok(self.plugin.open(capability, settings, egress).await?)
    }
}

/// Under whose settings a plugin is open: the operator's, or one workspace's own.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Whose {
    Operator,
    Workspace(WorkspaceId),
}

/// What is open: whose, of which plugin, and which of its capabilities.
type Place = (Whose, &'static str, CapabilityKind);

/// In each place one version is open, and opened once however many ask at the same time.
struct Opened {
    version: i64,
    capability: Arc<OnceCell<Capability>>,
}

impl Registry {
    /// Registers these plugins.
    ///
    /// # Errors
    /// `Misconfigured` where two have the same id, a default names none or one of another capability, a manifest's
    /// schema is no schema, or the operator's settings are not what it asks for.
    pub fn new(plugins: Vec<Arc<dyn Plugin>>, defaults: InstanceDefaults) -> Result<Self> {
        let mut entries: Vec<Entry> = Vec::new();
        for plugin in plugins {
            let id = plugin.manifest().id;
            if entries.iter().any(|entry| entry.id() == id) {
                return Err(misconfigured(format!("Two plugins are called {id}.")));
            }
            let schema = Schema::of(plugin.manifest())?;
            let settings = match defaults.settings.get(id) {
                Some(settings) => {
                    schema.check(settings).map_err(|error| misconfigured(format!("{id}: {}", error.message())))?;
                    settings.clone()
                }
                None => Value::Object(serde_json::Map::new()),
            };
            entries.push(Entry { plugin, schema, settings });
        }
        for id in defaults.settings.keys() {
            if !entries.iter().any(|entry| entry.id() == id) {
                return Err(misconfigured(format!("There are settings for {id}, which is not compiled in.")));
            }
        }
        for (id, capability) in [
            (&defaults.embedder, CapabilityKind::Embedder),
            (&defaults.vector_index, CapabilityKind::VectorIndex),
            (&defaults.chat_model, CapabilityKind::ChatModel),
        ] {
            if !entries.iter().any(|e| e.id() == id && e.offers(capability)) {
                return Err(misconfigured(format!("{id} is not compiled in, or is no {capability:?}.")));
            }
        }
        Ok(Self(Arc::new(Inner {
            entries,
            embedder: defaults.embedder,
            vector_index: defaults.vector_index,
            chat_model: defaults.chat_model,
            opened_embedder: OnceCell::new(),
            opened_index: OnceCell::new(),
            opened_fetcher: OnceCell::new(),
            opened: Mutex::default(),
        })))
    }

    /// Opens the installation's embedder and vector index, once.
    ///
    /// # Errors
    /// `Misconfigured`, `Unavailable`.
    pub async fn open_defaults(&self) -> Result<()> {
        let open_embedder = async || match self.open_as_operator(&self.0.embedder, CapabilityKind::Embedder).await? {
            Capability::Embedder(embedder) => Ok(embedder),
            _ => Err(not_that(&self.0.embedder)),
        };
        self.0.opened_embedder.get_or_try_init(open_embedder).await?;
        let open_index = async || match self.open_as_operator(&self.0.vector_index, CapabilityKind::VectorIndex).await?
        {
            Capability::VectorIndex(index) => Ok(index),
            _ => Err(not_that(&self.0.vector_index)),
        };
        self.0.opened_index.get_or_try_init(open_index).await?;
        Ok(())
    }

    /// The installation's embedder.
    ///
    /// # Errors
    /// `Unavailable` before [`Registry::open_defaults`].
    pub fn embedder(&self) -> Result<Arc<dyn Embedder>> {
        self.0.opened_embedder.get().cloned().ok_or_else(not_open)
    }

    /// The installation's vector index.
    ///
    /// # Errors
    /// `Unavailable` before [`Registry::open_defaults`].
    pub fn vector_index(&self) -> Result<Arc<dyn VectorIndex>> {
        self.0.opened_index.get().cloned().ok_or_else(not_open)
    }

    /// The plugin that answers where an assistant names none.
    pub fn default_chat_model(&self) -> &str {
        &self.0.chat_model
    }

    /// The embedder of the installation, by name.
    pub fn default_embedder(&self) -> &str {
        &self.0.embedder
    }

    /// A chat model under the settings that hold for the workspace; opened on first use. Whether the workspace uses it
    /// is read each time, so that switching it off holds at the next question.
    ///
    /// # Errors
    /// `NotFound`; `Disabled` where the workspace does not use it; `PurposeRefused` where it revoked what for;
    /// `Misconfigured`, `Unavailable` where it cannot open.
    pub async fn chat_model(&self, scope: &Scope, store: &Store, plugin: &str) -> Result<Arc<dyn ChatModel>> {
        self.chat_route(scope, store, plugin).await.map(|(model, _)| model)
    }

    /// A channel under the settings that hold for the workspace, as [`Registry::chat_model`].
    ///
    /// # Errors
    /// As [`Registry::chat_model`].
    pub async fn channel(&self, scope: &Scope, store: &Store, plugin: &str) -> Result<Arc<dyn Channel>> {
        self.channel_route(scope, store, plugin).await.map(|(channel, _)| channel)
    }

    /// A channel with the facts of its route, as [`Registry::chat_route`].
    ///
    /// # Errors
    /// As [`Registry::chat_model`].
    pub async fn channel_route(
        &self,
        scope: &Scope,
        store: &Store,
        plugin: &str,
    ) -> Result<(Arc<dyn Channel>, RouteFacts)> {
        match self.opened(scope, store, plugin, CapabilityKind::Channel).await? {
            (Capability::Channel(channel), facts) => Ok((channel, facts)),
            _ => Err(not_that(plugin)),
        }
    }

    /// A chat model with the facts of its route: both of the same settings, so that no change comes between.
    ///
    /// # Errors
    /// As [`Registry::chat_model`].
    pub async fn chat_route(
        &self,
        scope: &Scope,
        store: &Store,
        plugin: &str,
    ) -> Result<(Arc<dyn ChatModel>, RouteFacts)> {
        match self.opened(scope, store, plugin, CapabilityKind::ChatModel).await? {
            (Capability::ChatModel(model), facts) => Ok((model, facts)),
            _ => Err(not_that(plugin)),
        }
    }

    /// A corrector with the facts of its route, as [`Registry::chat_route`].
    ///
    /// # Errors
    /// As [`Registry::chat_model`].
    pub async fn corrector_route(
        &self,
        scope: &Scope,
        store: &Store,
        plugin: &str,
    ) -> Result<(Arc<dyn Corrector>, RouteFacts)> {
        match self.opened(scope, store, plugin, CapabilityKind::Corrector).await? {
            (Capability::Corrector(corrector), facts) => Ok((corrector, facts)),
            _ => Err(not_that(plugin)),
        }
    }

    /// An embedder under the settings that hold for the workspace; the installation's own is open already.
    ///
    /// # Errors
    /// As [`Registry::chat_model`].
    pub async fn embedder_named(&self, scope: &Scope, store: &Store, plugin: &str) -> Result<Arc<dyn Embedder>> {
        self.embedder_route(scope, store, plugin).await.map(|(embedder, _)| embedder)
    }

    /// The reranker that the workspace switched on, with the facts of its route; the first registered where there are several, and none
    /// where it switched on none.
    ///
    /// # Errors
    /// `Misconfigured`, `Unavailable` where it cannot open.
    pub async fn reranker(&self, scope: &Scope, store: &Store) -> Result<Option<(Arc<dyn Reranker>, RouteFacts)>> {
        for entry in self.0.entries.iter().filter(|entry| entry.offers(CapabilityKind::Reranker)) {
            match self.opened(scope, store, entry.id(), CapabilityKind::Reranker).await {
                Ok((Capability::Reranker(reranker), facts)) => return Ok(Some((reranker, facts))),
                Ok(_) => return Err(not_that(entry.id())),
                Err(error) if error.kind() == ErrorKind::Disabled => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// What sends mail to one person: the workspace's own, the first registered where there are several, or else the
    /// operator's; none where there is neither.
    ///
    /// # Errors
    /// `Misconfigured`, `Unavailable` where it cannot open.
    pub async fn mailer(&self, scope: &Scope, store: &Store) -> Result<Option<Arc<dyn Mailer>>> {
        for entry in self.0.entries.iter().filter(|entry| entry.offers(CapabilityKind::Mailer)) {
            match self.opened(scope, store, entry.id(), CapabilityKind::Mailer).await {
                Ok((Capability::Mailer(mailer), _)) => return Ok(Some(mailer)),
                Ok(_) => return Err(not_that(entry.id())),
                Err(error) if error.kind() == ErrorKind::Disabled => {}
                Err(error) => return Err(error),
            }
        }
        let Some(entry) = self.operators_mailer_for(scope, store).await? else { return Ok(None) };
        let cell = self.cell((Whose::Operator, entry.id(), CapabilityKind::Mailer), 0);
        let open = async || entry.open(CapabilityKind::Mailer, entry.settings.clone()).await;
        match cell.get_or_try_init(open).await?.clone() {
            Capability::Mailer(mailer) => Ok(Some(mailer)),
            _ => Err(not_that(entry.id())),
        }
    }

    /// The mailer that the operator set up for everybody.
    fn operators_mailer(&self) -> Option<&Entry> {
        let mut mailers = self.0.entries.iter().filter(|entry| entry.offers(CapabilityKind::Mailer));
        mailers.find(|entry| {
            entry.settings != Value::Object(serde_json::Map::new()) && entry.schema.check(&entry.settings).is_ok()
        })
    }

    /// The plugins with this capability that the workspace uses, in the order of their registration.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn used(&self, scope: &Scope, store: &Store, capability: CapabilityKind) -> Result<Vec<&'static str>> {
        let stored = settings::all(scope, store).await?;
        let own = |entry: &Entry| stored.iter().find(|(id, _)| id == entry.id()).map(|(_, stored)| stored);
        let offering = self.0.entries.iter().filter(|entry| entry.offers(capability));
        Ok(offering.filter(|entry| self.is_enabled(entry, own(entry))).map(Entry::id).collect())
    }

    /// The plugins that are channels, in the order of their registration, used or not.
    pub fn channels(&self) -> Vec<&'static str> {
        self.0.entries.iter().filter(|entry| entry.offers(CapabilityKind::Channel)).map(Entry::id).collect()
    }

    /// A plugin as a row, for places and audit entries that name rows by UUID.
    pub fn row_of(plugin: &str) -> uuid::Uuid {
        settings::row_of(plugin)
    }

    async fn opened(
        &self,
        scope: &Scope,
        store: &Store,
        plugin: &str,
        capability: CapabilityKind,
    ) -> Result<(Capability, RouteFacts)> {
        let entry = self.entry(plugin)?;
        if !entry.offers(capability) {
            return Err(Error::not_found(match capability {
                CapabilityKind::Channel => "channel",
                CapabilityKind::Corrector => "corrector",
                CapabilityKind::Embedder => "embedder",
                _ => "chat model",
            }));
        }
        let stored = settings::find(scope, store, entry.id()).await?;
        if !self.is_enabled(entry, stored.as_ref()) {
            self.forget(scope.workspace(), entry.id());
            return Err(switched_off(entry));
        }
        if let Some(purpose) = purpose_of(capability) {
            admission::admit(scope, store, purpose, None).await?;
        }
        let own = match &stored {
            Some(stored) => stored.own_settings(scope, store).await?.map(|settings| (stored.version, settings)),
            None => None,
        };
        let (whose, version, settings) = match own {
            Some((version, settings)) => (Whose::Workspace(scope.workspace()), version, settings),
            None => (Whose::Operator, 0, entry.settings.clone()),
        };
        let facts = RouteFacts {
            plugin: entry.id(),
            processing: entry.plugin.processing(&settings),
            price: entry.plugin.price(&settings),
        };
        let cell = self.cell((whose, entry.id(), capability), version);
        let open = async || entry.open(capability, settings).await;
        Ok((cell.get_or_try_init(open).await?.clone(), facts))
    }

    /// What fetches pages of websites, under the operator's settings; opened on first use. Whether the workspace uses it
    /// is read each time.
    ///
    /// # Errors
    /// `Disabled` where the workspace does not use it; `Misconfigured` where none is compiled in or it cannot open.
    pub async fn page_fetcher(&self, scope: &Scope, store: &Store) -> Result<Arc<dyn PageFetcher>> {
        let mut entries = self.0.entries.iter();
        let entry = entries
            .find(|entry| entry.offers(CapabilityKind::PageFetcher))
            .ok_or_else(|| misconfigured("Nothing that fetches pages is compiled in.".to_owned()))?;
        let stored = settings::find(scope, store, entry.id()).await?;
        if !self.is_enabled(entry, stored.as_ref()) {
            return Err(switched_off(entry));
        }
        admission::admit(scope, store, Purpose::KnowledgeIndexing, None).await?;
        let open = async || match self.open_as_operator(entry.id(), CapabilityKind::PageFetcher).await? {
            Capability::PageFetcher(fetcher) => Ok(fetcher),
            _ => Err(not_that(entry.id())),
        };
        Ok(self.0.opened_fetcher.get_or_try_init(open).await?.clone())
    }

    fn entry(&self, plugin: &str) -> Result<&Entry> {
        self.0.entries.iter().find(|entry| entry.id() == plugin).ok_or_else(|| Error::not_found("plugin"))
    }

    async fn open_as_operator(&self, plugin: &str, capability: CapabilityKind) -> Result<Capability> {
        let entry = self.entry(plugin)?;
        entry.open(capability, entry.settings.clone()).await
    }

    /// Whether the workspace uses it: its own word, or else what holds from the start.
    fn is_enabled(&self, entry: &Entry, stored: Option<&Stored>) -> bool {
        if entry.offers(CapabilityKind::VectorIndex) {
            return entry.id() == self.0.vector_index;
        }
        if entry.id() == self.0.embedder {
            return true;
        }
        if entry.offers(CapabilityKind::Reranker) {
            return stored.is_some_and(|stored| stored.is_enabled);
        }
        stored.map_or_else(|| entry.is_on_from_the_start(), |stored| stored.is_enabled)
    }

    /// The place of this version; an older one is closed when its last use ends.
    fn cell(&self, place: Place, version: i64) -> Arc<OnceCell<Capability>> {
        let mut all = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let open = all.entry(place).or_insert_with(|| Opened { version, capability: Arc::default() });
        if open.version != version {
            *open = Opened { version, capability: Arc::default() };
        }
        open.capability.clone()
    }

    fn forget(&self, workspace: WorkspaceId, plugin: &'static str) {
        let mut all = self.0.opened.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(whose, id, _), _| (*whose, *id) != (Whose::Workspace(workspace), plugin));
    }
}

/// What a plugin is opened for. Whoever asks for an embedder or an index says so by themselves: both serve two purposes.
fn purpose_of(capability: CapabilityKind) -> Option<Purpose> {
    match capability {
        CapabilityKind::ChatModel | CapabilityKind::Reranker => Some(Purpose::Answering),
        CapabilityKind::Corrector => Some(Purpose::Correction),
        CapabilityKind::Channel => Some(Purpose::Escalation),
        CapabilityKind::PageFetcher => Some(Purpose::KnowledgeIndexing),
        CapabilityKind::Mailer | CapabilityKind::Mailbox => Some(Purpose::Rights),
        CapabilityKind::AuditSink => Some(Purpose::Accountability),
        CapabilityKind::Embedder | CapabilityKind::VectorIndex => None,
    }
}

fn misconfigured(message: String) -> Error {
    Error::new(ErrorKind::Misconfigured, message)
}

fn switched_off(entry: &Entry) -> Error {
    Error::new(ErrorKind::Disabled, format!("This workspace does not use the plugin {}.", entry.id()))
}

fn not_open() -> Error {
    Error::new(ErrorKind::Unavailable, "The installation's plugins are not open yet.")
}

fn not_that(plugin: &str) -> Error {
    misconfigured(format!("The plugin {plugin} opened as something else than its manifest says."))
}
