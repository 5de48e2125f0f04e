//! Changes of who gets data because the operator chose them (GDPR art. 28(2)): told to the owners and the data protection officer of every
//! workspace thirty days ahead, and until then, and where the workspace objected, nothing is sent there.
//!
//! What a workspace enables by itself is its own instruction and is in use at once. Whoever is there when an installation begins, or when
//! a workspace does, is in the list that was agreed to. The days count from when the workspace was told: by mail, or, where the
//! installation has no mail server, by the list in the console.
//!
//! Invariants, as absences:
//! - No party of the operator's gets data of a workspace that was not told of it thirty days before, in the words of that declaration.
//! - No objection ends by itself.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use consigne_sdk::{Mail, Mailer};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, sea_query::OnConflict,
};
use serde_json::Value;
use tokio::time::timeout;

use super::information;
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{AccountId, random_uuid},
    identity::{Role, email},
    jobs::{Duty, DutyContext},
    plugins::{Registry, outside::Outside},
    scope::{Permission, Scope},
    store::{
        InstanceTx, Store, WorkspaceTx,
        entity::{accounts, memberships, recipient_changes as table, recipient_notices as notices, workspaces},
    },
};

/// How long before it gets data a workspace is told of another party.
pub const AHEAD: Duration = Duration::from_secs(30 * 86_400);
const PATIENCE: Duration = Duration::from_secs(60);
/// Says that an installation began, with whoever was there.
const BEGINNING: &str = "";

/// Another party that gets data, or is to, and how the workspace stands to it.
#[derive(Debug, Clone, PartialEq)]
pub struct RecipientChange {
    /// The plugin through which it gets data.
    pub plugin: String,
    /// What is declared of it: role, operator, region, safeguard, categories, purposes, retention, hosts.
    pub declaration: Value,
    /// When the installation announced it.
    pub announced_at: Timestamp,
    /// When the workspace was told; none where it was there from the start, or nobody was told yet.
    pub told_at: Option<Timestamp>,
    /// From when on it gets data of the workspace; none while nobody was told.
    pub usable_from: Option<Timestamp>,
    /// When the workspace objected: it gets no data of it.
    pub objected_at: Option<Timestamp>,
}

/// Writes down whom the operator's settings hand data to: at the first start as there from the start, later as announced.
///
/// # Errors
/// `Unavailable`.
pub async fn note(store: &Store, registry: &Registry) -> Result<()> {
    let now_declared = registry.outside()?;
    let tx = store.write_instance().await?;
    let known = newest(&tx).await?;
    let is_beginning = !known.contains_key(BEGINNING);
    let mut changed = Vec::new();
    if is_beginning {
        insert(&tx, BEGINNING, String::new(), Vec::new(), true).await?;
    }
    for outside in now_declared {
        let hash = outside.hash();
        if known.get(outside.plugin).is_some_and(|row| row.declaration_hash == hash) {
            continue;
        }
        insert(&tx, outside.plugin, outside.declaration().to_string(), hash, is_beginning).await?;
        changed.push(outside.plugin);
    }
    tx.commit().await?;
    if !is_beginning && !changed.is_empty() {
        tracing::warn!(plugins = ?changed, "other parties are to get data: workspaces are told, and nothing is sent there for thirty days");
    }
    Ok(())
}

/// Refuses a party that the workspace was not told of for long enough, or objected to.
///
/// # Errors
/// `PurposeRefused`; `Unavailable`.
pub(crate) async fn require(scope: &Scope, store: &Store, outside: &Outside) -> Result<()> {
    let row = {
        let tx = store.read_instance().await?;
        newest(&tx).await?.remove(outside.plugin).filter(|row| row.declaration_hash == outside.hash())
    };
    let refused = |why: String| Err(Error::new(ErrorKind::PurposeRefused, why));
    let Some(row) = row else {
        return refused(format!("{} is not announced yet.", outside.plugin));
    };
    let tx = store.read(scope).await?;
    let change = standing(&tx, row).await?;
    if change.objected_at.is_some() {
        return refused(format!("The workspace objected to {}.", outside.plugin));
    }
    match change.usable_from {
        Some(from) if from <= store.now() => Ok(()),
        Some(from) => refused(format!("{} is announced, and gets data from {} on.", outside.plugin, from.rfc3339())),
        None => refused(format!("{} is announced, and the workspace is told of it first.", outside.plugin)),
    }
}

/// The parties that the operator hands data to, and how the workspace stands to each, the newest announcement first.
///
/// # Errors
/// `Forbidden` without `PLUGINS_READ`.
pub async fn list(scope: &Scope, store: &Store) -> Result<Vec<RecipientChange>> {
    scope.require(Permission::PluginsRead)?;
    let rows = {
        let tx = store.read_instance().await?;
        let mut rows: Vec<table::Model> = newest(&tx).await?.into_values().collect();
        rows.retain(|row| row.plugin_id != BEGINNING);
        rows.sort_by(|a, b| b.announced_at.cmp(&a.announced_at).then(a.plugin_id.cmp(&b.plugin_id)));
        rows
    };
    let tx = store.read(scope).await?;
    let mut all = Vec::with_capacity(rows.len());
    for row in rows {
        all.push(standing(&tx, row).await?);
    }
    Ok(all)
}

/// Objects to a party that was announced: it gets no data of the workspace.
///
/// # Errors
/// `Forbidden` without `PRIVACY_WRITE`; `NotFound` where none was announced; `Conflict` once it gets data, or was objected to.
pub async fn object(scope: &Scope, store: &Store, plugin: &str) -> Result<RecipientChange> {
    scope.require(Permission::PrivacyWrite)?;
    let row = {
        let tx = store.read_instance().await?;
        newest(&tx).await?.remove(plugin).filter(|row| row.plugin_id != BEGINNING)
    };
    let row = row.ok_or_else(|| Error::not_found("recipient"))?;
    let tx = store.write(scope).await?;
    let change = standing(&tx, row.clone()).await?;
    if change.objected_at.is_some() || change.usable_from.is_some_and(|from| from <= store.now()) {
        let message = "An objection is possible once, until data goes there. End the use of what it serves instead.";
        return Err(Error::new(ErrorKind::Conflict, message));
    }
    let told = notices::ActiveModel {
        workspace_id: Set(scope.workspace()),
        change_id: Set(row.id),
        told_at: Set(change.told_at.unwrap_or(store.now())),
        mails: Set(0),
        objected_at: Set(Some(store.now())),
        objected_by: Set(scope.actor().id()),
    };
    use notices::Column::{ChangeId, ObjectedAt, ObjectedBy, WorkspaceId};
    let also = OnConflict::columns([WorkspaceId, ChangeId]).update_columns([ObjectedAt, ObjectedBy]).to_owned();
    notices::Entity::insert(told).on_conflict(also).exec_without_returning(tx.db()).await?;
    let change = standing(&tx, row).await?;
    audit::append(scope, &tx, Event::new("recipient.objected").detail("plugin", plugin)).await?;
    tx.commit().await?;
    Ok(change)
}

/// How the workspace of a transaction stands to a party.
async fn standing(tx: &WorkspaceTx, row: table::Model) -> Result<RecipientChange> {
    let notice = notices::Entity::find_by_id((tx.workspace(), row.id)).one(tx.db()).await?;
    let workspace = workspaces::Entity::find_by_id(tx.workspace()).one(tx.db()).await?;
    let began = workspace.ok_or_else(|| Error::not_found("workspace"))?.created_at;
    // Who is there when a workspace begins is in the list that it agrees to.
    let is_agreed = row.is_from_the_start || row.announced_at <= began;
    let told_at = notice.as_ref().map(|notice| notice.told_at);
    let usable_from = if is_agreed { Some(row.announced_at) } else { told_at.map(|told| told.plus(AHEAD)) };
    let declaration = serde_json::from_str(&row.declaration)
        .map_err(|_| Error::new(ErrorKind::Corrupt, "A declaration of a recipient cannot be read."))?;
    Ok(RecipientChange {
        plugin: row.plugin_id,
        declaration,
        announced_at: row.announced_at,
        told_at,
        usable_from,
        objected_at: notice.and_then(|notice| notice.objected_at),
    })
}

/// What holds now of each plugin.
async fn newest(tx: &InstanceTx) -> Result<HashMap<String, table::Model>> {
    let rows = table::Entity::find()
        .order_by_asc(table::Column::AnnouncedAt)
        .order_by_asc(table::Column::Id)
        .all(tx.db())
        .await?;
    Ok(rows.into_iter().map(|row| (row.plugin_id.clone(), row)).collect())
}

async fn insert(tx: &InstanceTx, plugin: &str, declaration: String, hash: Vec<u8>, is_first: bool) -> Result<()> {
    let row = table::Model {
        id: random_uuid(),
        plugin_id: plugin.to_owned(),
        declaration,
        declaration_hash: hash,
        announced_at: tx.store().now(),
        is_from_the_start: is_first,
    };
    table::Entity::insert(table::ActiveModel::from(row).reset_all()).exec_without_returning(tx.db()).await?;
    Ok(())
}

/// Tells workspaces of other parties that are to get data.
pub struct RecipientNotices {
    /// The installation's own mailer; where it has none, the workspace's is asked.
    pub mailer: Option<Arc<dyn Mailer>>,
    /// Mailers of workspaces come from here.
    pub registry: Arc<Registry>,
    /// Where people open the console.
    pub console_url: Arc<str>,
}

#[async_trait]
impl Duty for RecipientNotices {
    fn name(&self) -> &'static str {
        "recipient-notices"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(600)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        let store = context.store();
        let announced: Vec<table::Model> = {
            let tx = store.read_instance().await?;
            let all = newest(&tx).await?.into_values();
            all.filter(|row| !row.is_from_the_start).collect()
        };
        for scope in context.scopes().await? {
            for row in &announced {
                if let Err(error) = self.tell(&scope, store, row).await {
                    // The days do not begin before somebody was told.
                    tracing::error!(workspace = %scope.workspace(), plugin = row.plugin_id, %error, "a workspace could not be told of a new recipient");
                }
            }
        }
        Ok(())
    }
}

impl RecipientNotices {
    async fn tell(&self, scope: &Scope, store: &Store, row: &table::Model) -> Result<()> {
        let (people, language, change) = {
            let tx = store.read(scope).await?;
            let change = standing(&tx, row.clone()).await?;
            if change.told_at.is_some() || change.usable_from.is_some() {
                return Ok(());
            }
            (addressed(&tx).await?, language_of(&tx).await?, change)
        };
        let mailer = match &self.mailer {
            Some(mailer) => Some(mailer.clone()),
            None => self.registry.mailer(scope, store).await?,
        };
        let mut mails = 0;
        for to in &people {
            let Some(mailer) = &mailer else { break };
            let (subject, text) = words(&language, &change, store.now().plus(AHEAD), &self.console_url);
            let mail =
                Mail { key: random_uuid().as_simple().to_string(), to: to.clone(), subject, text, at: store.now().0 };
            match timeout(PATIENCE, mailer.send(mail)).await {
                Ok(Ok(())) => mails += 1,
                // An address that is refused for good is one that nobody reads.
                Ok(Err(error)) if !error.is_retryable() => {}
                Ok(Err(error)) => return Err(error.into()),
                Err(_) => return Err(Error::new(ErrorKind::Unavailable, "The mail server did not answer in time.")),
            }
        }
        let tx = store.write(scope).await?;
        let told = notices::Model {
            workspace_id: scope.workspace(),
            change_id: row.id,
            told_at: store.now(),
            mails,
            objected_at: None,
            objected_by: None,
        };
        use notices::Column::{ChangeId, WorkspaceId};
        let once = OnConflict::columns([WorkspaceId, ChangeId]).do_nothing().to_owned();
        let told = notices::ActiveModel::from(told).reset_all();
        notices::Entity::insert(told).on_conflict(once).exec_without_returning(tx.db()).await?;
        let event = Event::new("recipient.announced").detail("plugin", row.plugin_id.clone()).detail("mails", mails);
        audit::append(scope, &tx, event).await?;
        tx.commit().await
    }
}

/// The owners of a workspace, and its data protection officer.
async fn addressed(tx: &WorkspaceTx) -> Result<Vec<String>> {
    let owners = memberships::Entity::find()
        .filter(memberships::Column::MemberWorkspaceId.eq(tx.workspace()))
        .filter(memberships::Column::Role.eq(Role::Owner.name()))
        .all(tx.db())
        .await?;
    let owners: Vec<AccountId> = owners.into_iter().map(|row| row.account_id).collect();
    let rows = accounts::Entity::find()
        .filter(accounts::Column::Id.is_in(owners))
        .filter(accounts::Column::DeactivatedAt.is_null())
        .all(tx.db())
        .await?;
    let opened = rows.iter().map(|row| email::open(tx.store(), row.id, &row.email_sealed));
    let mut all: Vec<String> = opened.collect::<Result<_>>()?;
    all.extend(information::current(tx).await?.told_at().map(str::to_owned));
    all.sort();
    all.dedup();
    Ok(all)
}

async fn language_of(tx: &WorkspaceTx) -> Result<String> {
    let own = crate::workspaces::current(tx).await?.languages;
    Ok(own.into_iter().find(|language| ["en", "fr", "de", "es"].contains(&language.as_str())).unwrap_or_default())
}

/// What owners and officer are told. Facts of the declaration, and by when to object.
fn words(language: &str, change: &RecipientChange, from: Timestamp, console: &str) -> (String, String) {
    let day = from.rfc3339();
    let day = day.split('T').next().unwrap_or_default().to_owned();
    let said = |field: &str| match &change.declaration[field] {
        Value::String(text) => text.clone(),
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
        _ => String::new(),
    };
    let (operator, region, safeguard) = (said("operator"), said("region"), said("safeguard"));
    let (categories, purposes, retention, hosts) =
        (said("categories"), said("purposes"), said("retention"), said("hosts"));
    let plugin = &change.plugin;
    match language {
        "fr" => (
            format!("Nouveau destinataire de données : {operator}"),
            format!(
                "À partir du {day}, {operator} recevra des données de votre espace, par {plugin}.\n\nLieu : {region}\nGarantie : {safeguard}\n\
                 Catégories : {categories}\nFinalités : {purposes}\nConservation : {retention}\nHôtes : {hosts}\n\nVous pouvez vous y opposer \
                 jusque-là dans la console : {console}\n"
            ),
        ),
        "de" => (
            format!("Neuer Empfänger von Daten: {operator}"),
            format!(
                "Ab dem {day} erhält {operator} Daten Ihres Arbeitsbereichs, durch {plugin}.\n\nOrt: {region}\nGarantie: {safeguard}\n\
                 Kategorien: {categories}\nZwecke: {purposes}\nAufbewahrung: {retention}\nHosts: {hosts}\n\nBis dahin können Sie in der Konsole \
                 widersprechen: {console}\n"
            ),
        ),
        "es" => (
            format!("Nuevo destinatario de datos: {operator}"),
            format!(
                "A partir del {day}, {operator} recibirá datos de su espacio, a través de {plugin}.\n\nLugar: {region}\nGarantía: {safeguard}\n\
                 Categorías: {categories}\nFines: {purposes}\nConservación: {retention}\nHosts: {hosts}\n\nHasta entonces puede oponerse en la \
                 consola: {console}\n"
            ),
        ),
        _ => (
            format!("A new recipient of data: {operator}"),
            format!(
                "From {day} on {operator} gets data of your workspace, through {plugin}.\n\nWhere: {region}\nSafeguard: {safeguard}\n\
                 Categories: {categories}\nPurposes: {purposes}\nThey keep it: {retention}\nHosts: {hosts}\n\nUntil then you can object in the \
                 console: {console}\n"
            ),
        ),
    }
}
