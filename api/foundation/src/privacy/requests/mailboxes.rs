//! Requests that come by mail: each mail in a workspace's privacy mailbox becomes one, once. What was fetched and where to go on are
//! written in one transaction, and a mail is known by a keyed hash of its id, so that none is lost or taken twice. The clock runs from
//! the server's receipt, which the sender cannot set.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use consigne_sdk::{CapabilityKind, Letter};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait, QueryOrder, sea_query::OnConflict};
use tokio::time::timeout;

use super::receive;
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::PrivacyRequestId,
    jobs::{Duty, DutyContext},
    plugins::Registry,
    scope::{Permission, Scope},
    store::{
        Store, WorkspaceTx,
        entity::{privacy_letters as letters, privacy_mailboxes as table},
    },
};

/// A mailbox that does not answer is no other workspace's concern.
const PATIENCE: Duration = Duration::from_secs(60);
const LONGEST_CURSOR: usize = 500;

/// How a mailbox stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailboxStanding {
    /// The plugin through which it is fetched.
    pub plugin: String,
    /// When it was fetched at last.
    pub fetched_at: Option<Timestamp>,
    /// Why it was not fetched since, if it was not: a code.
    pub last_error: Option<String>,
}

/// The mailboxes that were looked into for the workspace.
///
/// # Errors
/// `Forbidden` without `PRIVACY_READ`.
pub async fn standings(scope: &Scope, store: &Store) -> Result<Vec<MailboxStanding>> {
    scope.require(Permission::PrivacyRead)?;
    let tx = store.read(scope).await?;
    let rows = of_workspace(&tx).order_by_asc(table::Column::PluginId).all(tx.db()).await?;
    let standing = |row: table::Model| MailboxStanding {
        plugin: row.plugin_id,
        fetched_at: row.fetched_at,
        last_error: row.last_error,
    };
    Ok(rows.into_iter().map(standing).collect())
}

/// Looks into the mailboxes.
pub struct PrivacyMailboxes(pub Arc<Registry>);

#[async_trait]
impl Duty for PrivacyMailboxes {
    fn name(&self) -> &'static str {
        "privacy-mailboxes"
    }

    fn every(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn run(&self, context: &DutyContext) -> Result<()> {
        let store = context.store();
        for scope in context.scopes().await? {
            for plugin in self.0.used(&scope, store, CapabilityKind::Mailbox).await? {
                if let Err(error) = self.fetch(&scope, store, plugin).await {
                    tracing::warn!(workspace = %scope.workspace(), plugin, %error, "a privacy mailbox could not be read");
                    failed(&scope, store, plugin, error.kind()).await?;
                }
            }
        }
        Ok(())
    }
}

impl PrivacyMailboxes {
    async fn fetch(&self, scope: &Scope, store: &Store, plugin: &str) -> Result<()> {
        let mailbox = self.0.mailbox(scope, store, plugin).await?;
        let known = {
            let tx = store.read(scope).await?;
            table::Entity::find_by_id((scope.workspace(), plugin.to_owned())).one(tx.db()).await?
        };
        let cursor = known.as_ref().and_then(|row| row.cursor.clone());
        let fetched = timeout(PATIENCE, mailbox.fetch(cursor.clone())).await;
        let fetched =
            fetched.map_err(|_| Error::new(ErrorKind::Unavailable, "The mailbox did not answer in time."))??;
        // A workspace that names no mailbox.
        if fetched.letters.is_empty() && fetched.cursor.is_none() && known.is_none() {
            return Ok(());
        }
        let tx = store.write(scope).await?;
        for letter in fetched.letters {
            take_in(scope, &tx, &letter).await?;
        }
        put(&tx, plugin, |row| {
            row.cursor = fetched.cursor.filter(|cursor| cursor.len() <= LONGEST_CURSOR);
            row.fetched_at = Some(store.now());
            row.last_error = None;
        })
        .await?;
        tx.commit().await
    }
}

/// Makes a request of a letter, unless it is one already.
async fn take_in(scope: &Scope, tx: &WorkspaceTx, letter: &Letter) -> Result<()> {
    let store = tx.store();
    let hash = store.vault().blind_index(scope.workspace(), "privacy mail", &letter.id).await?;
    let is_known = letters::Entity::find_by_id((scope.workspace(), hash.clone())).one(tx.db()).await?.is_some();
    if is_known {
        return Ok(());
    }
    // A server whose clock is ahead says nothing about the future.
    let received_at = Timestamp(letter.received_at.min(store.now().0));
    let message = format!("{}\n\n{}", letter.subject, letter.text);
    let request: PrivacyRequestId =
        receive::from_mail(scope, tx, letter.from.as_deref(), message.trim(), received_at).await?;
    let row = letters::ActiveModel {
        workspace_id: Set(scope.workspace()),
        letter_hash: Set(hash),
        request_id: Set(request),
        received_at: Set(received_at),
    };
    letters::Entity::insert(row).exec_without_returning(tx.db()).await?;
    Ok(())
}

async fn failed(scope: &Scope, store: &Store, plugin: &str, why: ErrorKind) -> Result<()> {
    let tx = store.write(scope).await?;
    put(&tx, plugin, |row| row.last_error = Some(format!("{why:?}").to_uppercase())).await?;
    tx.commit().await
}

async fn put(tx: &WorkspaceTx, plugin: &str, change: impl FnOnce(&mut table::Model)) -> Result<()> {
    let known = table::Entity::find_by_id((tx.workspace(), plugin.to_owned())).one(tx.db()).await?;
    let mut row = known.unwrap_or(table::Model {
        workspace_id: tx.workspace(),
        plugin_id: plugin.to_owned(),
        cursor: None,
        fetched_at: None,
        last_error: None,
    });
    change(&mut row);
    let again = OnConflict::columns([table::Column::WorkspaceId, table::Column::PluginId])
        .update_columns([table::Column::Cursor, table::Column::FetchedAt, table::Column::LastError])
        .to_owned();
    let row = table::ActiveModel::from(row).reset_all();
    table::Entity::insert(row).on_conflict(again).exec_without_returning(tx.db()).await?;
    Ok(())
}

fn of_workspace(tx: &WorkspaceTx) -> sea_orm::Select<table::Entity> {
    use sea_orm::{ColumnTrait, QueryFilter};
    table::Entity::find().filter(table::Column::WorkspaceId.eq(tx.workspace()))
}
