//! A workspace's settings of a plugin: checked against the manifest's schema, sealed, and read only to open the plugin.

use consigne_sdk::Manifest;
use jsonschema::{ValidationError, Validator, error::ValidationErrorKind};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde_json::Value;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::WorkspaceId,
    scope::Scope,
    store::{Store, WorkspaceTx, entity::plugin_settings},
    vault::{Key, Place},
};

/// Longest settings, as JSON.
const LONGEST: usize = 32 * 1024;

/// A manifest's JSON Schema, compiled.
pub(super) struct Schema(Validator);

impl Schema {
    /// # Errors
    /// `Misconfigured` where it is no schema.
    pub(super) fn of(manifest: &Manifest) -> Result<Self> {
        let compiled = jsonschema::validator_for(&manifest.settings_schema);
        compiled.map(Self).map_err(|_| {
            Error::new(ErrorKind::Misconfigured, format!("The settings schema of {} cannot be read.", manifest.id))
        })
    }

    /// # Errors
    /// `Invalid`, with the paths of the fields and the rules that they break, and never a value.
    pub(super) fn check(&self, settings: &Value) -> Result<()> {
        if settings.to_string().len() > LONGEST {
            return Err(Error::invalid("settings", "The settings are too long."));
        }
        let broken: Vec<String> = self.0.iter_errors(settings).take(5).map(|error| describe(&error)).collect();
        if broken.is_empty() { Ok(()) } else { Err(Error::invalid("settings", format!("{}.", broken.join("; ")))) }
    }
}

/// Where and which rule: words of the schema. What the library itself says would repeat values, and the name of a
/// property that nobody expected, which may be a secret in the wrong place.
fn describe(error: &ValidationError<'_>) -> String {
    let path = error.instance_path().as_str();
    match error.kind() {
        ValidationErrorKind::Required { property } => {
            format!("settings{path}/{} is missing", property.as_str().unwrap_or_default())
        }
        ValidationErrorKind::AdditionalProperties { .. } | ValidationErrorKind::UnevaluatedProperties { .. } => {
            format!("settings{path} has a field that nobody expects")
        }
        _ => {
            let rule = error.schema_path().as_str().rsplit('/').next().unwrap_or_default();
            format!("settings{path} breaks the rule \"{rule}\"")
        }
    }
}

/// A row, with its settings still sealed.
pub(super) struct Stored {
    pub is_enabled: bool,
    pub version: i64,
    pub enabled_at: Timestamp,
    plugin: String,
    sealed: Vec<u8>,
}

impl Stored {
    /// The workspace's own settings; `None` where the operator's hold.
    ///
    /// # Errors
    /// `Corrupt`.
    pub(super) async fn own_settings(&self, scope: &Scope, store: &Store) -> Result<Option<Value>> {
        let key = store.vault().workspace_key(scope.workspace()).await?;
        let opened = key.open(&place(scope.workspace(), &self.plugin, self.version), &self.sealed)?;
        let settings: Value = serde_json::from_slice(&opened)
            .map_err(|_| Error::new(ErrorKind::Corrupt, format!("The settings of {} cannot be read.", self.plugin)))?;
        Ok((!settings.is_null()).then_some(settings))
    }
}

/// What the workspace said about a plugin.
pub(super) async fn find(scope: &Scope, store: &Store, plugin: &str) -> Result<Option<Stored>> {
    let tx = store.read(scope).await?;
    find_in(&tx, plugin).await
}

/// What the workspace said about plugins.
pub(super) async fn all(scope: &Scope, store: &Store) -> Result<Vec<(String, Stored)>> {
    let tx = store.read(scope).await?;
    let rows = plugin_settings::Entity::find()
        .filter(plugin_settings::Column::WorkspaceId.eq(scope.workspace()))
        .all(tx.db())
        .await?;
    Ok(rows.into_iter().map(|row| (row.plugin_id.clone(), stored(row))).collect())
}

pub(super) async fn find_in(tx: &WorkspaceTx, plugin: &str) -> Result<Option<Stored>> {
    let row = plugin_settings::Entity::find_by_id((tx.workspace(), plugin.to_owned())).one(tx.db()).await?;
    Ok(row.map(stored))
}

/// Whether a workspace switches a plugin on or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Switch {
    On,
    Off,
}

/// Writes what the workspace says, in place of what it said. `Null` stands for the operator's settings.
pub(super) async fn write(tx: &WorkspaceTx, key: &Key, plugin: &str, switch: Switch, settings: &Value) -> Result<()> {
    let before = find_in(tx, plugin).await?;
    let now = tx.store().now();
    let version = before.as_ref().map_or(1, |stored| stored.version + 1);
    let was_enabled_at = before.as_ref().filter(|stored| stored.is_enabled).map(|stored| stored.enabled_at);
    let row = plugin_settings::ActiveModel {
        workspace_id: Set(tx.workspace()),
        plugin_id: Set(plugin.to_owned()),
        is_enabled: Set(switch == Switch::On),
        settings_sealed: Set(key.seal_text(&place(tx.workspace(), plugin, version), &settings.to_string())),
        version: Set(version),
        enabled_at: Set(was_enabled_at.unwrap_or(now)),
        updated_at: Set(now),
    };
    if before.is_some() {
        plugin_settings::Entity::update(row).exec(tx.db()).await?;
    } else {
        plugin_settings::Entity::insert(row).exec_without_returning(tx.db()).await?;
    }
    Ok(())
}

fn stored(row: plugin_settings::Model) -> Stored {
    Stored {
        is_enabled: row.is_enabled,
        version: row.version,
        enabled_at: row.enabled_at,
        plugin: row.plugin_id,
        sealed: row.settings_sealed,
    }
}

/// Where a plugin's settings stand.
pub(crate) fn place(workspace: WorkspaceId, plugin: &str, version: i64) -> Place {
    Place::new(workspace, "plugin_settings", "settings_sealed", row_of(plugin)).part(version)
}

/// A plugin's row as a UUID, for the places and the audit log that name rows so.
pub(crate) fn row_of(plugin: &str) -> Uuid {
    let digest = Sha256::digest(plugin.as_bytes());
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}
