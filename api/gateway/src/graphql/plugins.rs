//! Plugins, and who gets which personal data through them.

use async_graphql::{Context, Enum, InputObject, Json, Object, Result, SimpleObject};
use consigne_foundation::{
    Permission, plugins as registry,
    privacy::{self, recipient_changes},
};
use consigne_sdk as sdk;
use serde_json::Value;

use super::{
    context::ContextExt,
    error::{UserError, refuse, split},
    purposes::Purpose,
    scalars::DateTime,
};

/// Which capability a plugin offers.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "sdk::CapabilityKind")]
pub enum PluginCapability {
    /// Turns text into vectors.
    Embedder,
    /// Finds the nearest vectors of one workspace.
    VectorIndex,
    /// Puts found passages into a better order.
    Reranker,
    /// Answers a question from passages.
    ChatModel,
    /// Fetches pages of websites that customers name.
    PageFetcher,
    /// Tells people that a visitor needs one of them, and brings back what they say.
    Channel,
    /// Corrects texts without keeping any.
    Corrector,
    /// Sends mail to one person.
    Mailer,
    /// Fetches what people write about their data.
    Mailbox,
    /// Takes the workspace's audit log as it grows.
    AuditSink,
}

/// Who the operator of a plugin's other side is (GDPR art. 4 and 28).
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "sdk::ProcessorRole")]
pub enum ProcessorRole {
    /// Runs inside this installation; nobody else gets data.
    Internal,
    /// Another party that processes on our behalf.
    SubProcessor,
}

/// Kinds of personal data that a plugin may be handed.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "sdk::DataCategory")]
pub enum DataCategory {
    /// Passages of the customer's knowledge.
    Knowledge,
    /// What visitors write and what they are answered.
    Conversation,
    /// Numbers derived from text, without the text.
    Vectors,
    /// Contact details that a person volunteered.
    Contact,
    /// Texts that are corrected, with personal data masked.
    Drafts,
}

/// Which personal data a plugin is handed, why, where, and how long it is kept there.
#[derive(SimpleObject, Clone)]
pub struct ProcessingDeclaration {
    /// Inside this installation, or another party.
    pub role: ProcessorRole,
    /// Who operates the other side.
    pub operator: String,
    /// Where: `LOCAL`, `EEA`, an ISO 3166-1 code, or `UNDECLARED`.
    pub region: String,
    /// Under which transfer safeguard (GDPR chapter V): `NOT_NEEDED`, `ADEQUACY`, `STANDARD_CLAUSES` or `UNDECLARED`.
    pub safeguard: String,
    /// What they keep: `NONE`, `WITH_SOURCE`, a number of days, or `UNDECLARED`.
    pub retention: String,
    /// Which categories are handed over.
    pub categories: Vec<DataCategory>,
    /// For which purposes.
    pub purposes: Vec<Purpose>,
}

/// A product behind a capability, or a few under the same settings.
#[derive(SimpleObject, Clone)]
pub struct Plugin {
    /// Its stable name, as settings and the audit log write it.
    pub id: String,
    /// The product's name.
    pub name: String,
    /// What it does, in a sentence.
    pub summary: String,
    /// The capabilities it offers.
    pub capabilities: Vec<PluginCapability>,
    /// Whether the workspace uses it.
    pub is_enabled: bool,
    /// Since when; null where it is on from the start, or off.
    pub enabled_at: Option<DateTime>,
    /// The hosts it may reach; any other is refused.
    pub hosts: Vec<String>,
    /// JSON Schema (2020-12) of its settings. The settings themselves can be written and never read.
    pub settings_schema: Json<Value>,
    /// What it is handed, under the settings in force.
    pub processing: ProcessingDeclaration,
}

/// Somebody who gets personal data of the workspace (GDPR art. 15(1)(c)).
#[derive(SimpleObject, Clone)]
pub struct Recipient {
    /// The plugin through which it goes.
    pub plugin_id: String,
    /// The product's name.
    pub name: String,
    /// The hosts it goes to; none where it stays in this installation.
    pub hosts: Vec<String>,
    /// Since when; null where it is on from the start.
    pub since: Option<DateTime>,
    /// What is handed over.
    pub processing: ProcessingDeclaration,
}

/// Another party that gets data of all workspaces because the operator chose it, or is to.
#[derive(SimpleObject, Clone)]
pub struct RecipientChange {
    /// The plugin through which it gets data.
    pub plugin_id: String,
    /// Who operates the other side.
    pub operator: String,
    /// Where: `LOCAL`, `EEA`, an ISO 3166-1 code, or `UNDECLARED`.
    pub region: String,
    /// Under which transfer safeguard.
    pub safeguard: String,
    /// What they keep.
    pub retention: String,
    /// Which categories are handed over.
    pub categories: Vec<String>,
    /// For which purposes.
    pub purposes: Vec<String>,
    /// The hosts it goes to.
    pub hosts: Vec<String>,
    /// When the installation announced it.
    pub announced_at: DateTime,
    /// When the workspace was told; null where it was there from the start, or nobody was told yet.
    pub told_at: Option<DateTime>,
    /// From when on it gets data of the workspace, unless the workspace objects; null while nobody was told.
    pub usable_from: Option<DateTime>,
    /// When the workspace objected; it gets no data of it then.
    pub objected_at: Option<DateTime>,
}

/// To whom to object.
#[derive(InputObject)]
pub struct ObjectToRecipientInput {
    /// The plugin through which they would get data.
    pub plugin_id: String,
}

/// How the workspace stands to the party, or why nothing was changed.
#[derive(SimpleObject)]
pub struct RecipientChangePayload {
    /// The party.
    pub recipient_change: Option<RecipientChange>,
    /// Why nothing was changed.
    pub user_errors: Vec<UserError>,
}

/// Which plugin to enable, and how.
#[derive(InputObject)]
pub struct EnablePluginInput {
    /// The plugin's name.
    pub plugin_id: String,
    /// Its settings, as its schema says; sealed and never shown again.
    #[graphql(secret)]
    pub settings: Option<Json<Value>>,
}

/// Which plugin to disable.
#[derive(InputObject)]
pub struct DisablePluginInput {
    /// The plugin's name.
    pub plugin_id: String,
}

/// The plugin, or why it was not changed.
#[derive(SimpleObject)]
pub struct PluginPayload {
    /// The plugin.
    pub plugin: Option<Plugin>,
    /// Why it was not changed.
    pub user_errors: Vec<UserError>,
}

/// Reading plugins and recipients.
#[derive(Default)]
pub struct PluginQuery;

#[Object]
impl PluginQuery {
    /// All plugins: what is enabled, where it is and what it gets.
    async fn plugins(&self, ctx: &Context<'_>) -> Result<Vec<Plugin>> {
        let scope = ctx.scope(Permission::PluginsRead)?;
        let all = ctx.services().registry.list(&scope, ctx.store()).await.map_err(refuse)?;
        Ok(all.into_iter().map(Plugin::from).collect())
    }

    /// Who gets personal data of the workspace: the sub-processor register, made from what is enabled.
    async fn recipients(&self, ctx: &Context<'_>) -> Result<Vec<Recipient>> {
        let scope = ctx.scope(Permission::PluginsRead)?;
        let all = ctx.services().registry.recipients(&scope, ctx.store()).await.map_err(refuse)?;
        Ok(all.into_iter().map(Recipient::from).collect())
    }

    /// Other parties that the operator hands data of all workspaces to, and from when on: a new one is announced thirty days ahead, the
    /// newest first. What the workspace enables by itself is not among them.
    async fn recipient_changes(&self, ctx: &Context<'_>) -> Result<Vec<RecipientChange>> {
        let scope = ctx.scope(Permission::PluginsRead)?;
        let all = recipient_changes::list(&scope, ctx.store()).await.map_err(refuse)?;
        Ok(all.into_iter().map(RecipientChange::from).collect())
    }
}

/// Enabling and disabling plugins.
#[derive(Default)]
pub struct PluginMutation;

#[Object]
impl PluginMutation {
    /// Enables a plugin for the workspace, or gives it new settings.
    async fn enable_plugin(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: EnablePluginInput,
    ) -> Result<PluginPayload> {
        let scope = ctx.scope(Permission::PluginsWrite)?;
        let settings = input.settings.map_or_else(|| Value::Object(serde_json::Map::new()), |json| json.0);
        let enabled = ctx.services().registry.enable(&scope, ctx.store(), &input.plugin_id, settings).await;
        PluginPayload::of(enabled)
    }

    /// Objects to another party that was announced: it gets no data of the workspace. Possible until it does.
    async fn object_to_recipient(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ObjectToRecipientInput,
    ) -> Result<RecipientChangePayload> {
        let scope = ctx.scope(Permission::PrivacyWrite)?;
        let objected = recipient_changes::object(&scope, ctx.store(), &input.plugin_id).await;
        let (change, user_errors) = split(objected)?;
        Ok(RecipientChangePayload { recipient_change: change.map(RecipientChange::from), user_errors })
    }

    /// Disables a plugin for the workspace. Its sealed settings go.
    async fn disable_plugin(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: DisablePluginInput,
    ) -> Result<PluginPayload> {
        let scope = ctx.scope(Permission::PluginsWrite)?;
        let disabled = ctx.services().registry.disable(&scope, ctx.store(), &input.plugin_id).await;
        PluginPayload::of(disabled)
    }
}

impl PluginPayload {
    fn of(result: consigne_foundation::Result<registry::PluginInfo>) -> Result<Self> {
        let (plugin, user_errors) = split(result)?;
        Ok(Self { plugin: plugin.map(Plugin::from), user_errors })
    }
}

impl From<registry::PluginInfo> for Plugin {
    fn from(p: registry::PluginInfo) -> Self {
        Self {
            id: p.manifest.id.to_owned(),
            name: p.manifest.name.to_owned(),
            summary: p.manifest.summary.to_owned(),
            capabilities: p.manifest.capabilities.into_iter().map(PluginCapability::from).collect(),
            is_enabled: p.enabled,
            enabled_at: p.enabled_at.map(DateTime::from),
            hosts: p.hosts,
            settings_schema: Json(p.manifest.settings_schema),
            processing: p.processing.into(),
        }
    }
}

impl From<registry::Recipient> for Recipient {
    fn from(r: registry::Recipient) -> Self {
        Self {
            plugin_id: r.plugin.to_owned(),
            name: r.name.to_owned(),
            hosts: r.hosts,
            since: r.since.map(DateTime::from),
            processing: r.processing.into(),
        }
    }
}

impl From<recipient_changes::RecipientChange> for RecipientChange {
    fn from(c: recipient_changes::RecipientChange) -> Self {
        let text = |field: &str| c.declaration[field].as_str().unwrap_or_default().to_owned();
        let all = |field: &str| {
            let values = c.declaration[field].as_array().into_iter().flatten().filter_map(Value::as_str);
            values.map(str::to_owned).collect()
        };
        Self {
            operator: text("operator"),
            region: text("region"),
            safeguard: text("safeguard"),
            retention: text("retention"),
            categories: all("categories"),
            purposes: all("purposes"),
            hosts: all("hosts"),
            announced_at: c.announced_at.into(),
            told_at: c.told_at.map(DateTime::from),
            usable_from: c.usable_from.map(DateTime::from),
            objected_at: c.objected_at.map(DateTime::from),
            plugin_id: c.plugin,
        }
    }
}

impl From<sdk::Processing> for ProcessingDeclaration {
    fn from(p: sdk::Processing) -> Self {
        Self {
            role: p.role.into(),
            operator: p.operator,
            region: p.region.code(),
            safeguard: p.safeguard.code().to_owned(),
            retention: p.retention.code(),
            categories: p.categories.into_iter().map(DataCategory::from).collect(),
            purposes: p.purposes.into_iter().map(|declared| privacy::Purpose::from(declared).into()).collect(),
        }
    }
}
