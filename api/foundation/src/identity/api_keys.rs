//! API keys: secret ones for programs, publishable ones for pages.
//!
//! A key's text is `csk_` or `cpk_`, the workspace's and the key's id (26 characters each), `_`, and 256 random bits.
//! The workspace stands in it so that row-level security holds from the first read on. Random bits need no slow hash:
//! SHA-256 is stored and compared in constant time.

use std::{collections::HashSet, time::Duration};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, sea_query::Expr};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{SecretText, unauthenticated};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{self, ApiKeyId, AssistantId, WorkspaceId},
    scope::{Permission, Permissions, Scope},
    store::{Mode, Notice, Store, Topic, WorkspaceTx, entity::api_keys},
    workspaces,
};

/// Secret or publishable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiKeyKind {
    /// For a program on the customer's server.
    Secret,
    /// For a page of the customer's site: starts visitor sessions and nothing else.
    Publishable,
}

impl ApiKeyKind {
    const ALL: [Self; 2] = [Self::Secret, Self::Publishable];

    /// What the text of such a key starts with.
    pub fn prefix(self) -> &'static str {
        match self {
            Self::Secret => "csk_",
            Self::Publishable => "cpk_",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Secret => "SECRET",
            Self::Publishable => "PUBLISHABLE",
        }
    }
}

/// A key to be made.
#[derive(Debug, Clone)]
pub enum NewApiKey {
    /// For a program on the customer's server.
    Secret {
        /// What people call it.
        name: String,
        /// What it may do; within what its maker may do.
        permissions: Vec<Permission>,
        /// When it ends by itself.
        expires_at: Option<Timestamp>,
    },
    /// For pages of the customer's site.
    Publishable {
        /// What people call it.
        name: String,
        /// The only assistant it opens. The caller has checked that the workspace has it.
        assistant: AssistantId,
        /// `scheme://host[:port]` of the pages, exactly; no wildcards.
        origins: Vec<String>,
        /// When it ends by itself.
        expires_at: Option<Timestamp>,
    },
}

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Secret or publishable.
    pub kind: ApiKeyKind,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub permissions: Permissions,
    /// The only assistant that a publishable key opens.
    pub assistant: Option<AssistantId>,
    /// Where a publishable key may be used.
    pub origins: Vec<String>,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// The last day it was used on, in days since 1970; no finer, for the sake of those who use it.
    pub last_used_day: Option<i64>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
    /// The key that took its place.
    pub replaced_by: Option<ApiKeyId>,
}

/// How long a key may go on beside the one that takes its place.
pub const LONGEST_OVERLAP: Duration = Duration::from_secs(30 * 24 * 3600);

/// Makes a key. Its text is given this once.
///
/// # Errors
/// `Forbidden` without `KEYS_WRITE`, or for a permission that the maker lacks; `ConfirmationRequired`; `Invalid`.
pub async fn create(scope: &Scope, store: &Store, new: NewApiKey) -> Result<(ApiKey, SecretText)> {
    scope.require(Permission::KeysWrite)?;
    scope.require_confirmed(store.now())?;
    let key = check(scope, store, new)?;
    let tx = store.write(scope).await?;
    let text = insert(scope, &tx, &key).await?;
    let event = event("api_key.created", key.id).detail("kind", key.kind.name());
    audit::append(
        scope,
        &tx,
        event.detail("permissions", join(key.permissions.list().into_iter().map(Permission::name))),
    )
    .await?;
    tx.commit().await?;
    Ok((key, text))
}

/// Makes a key of the same name that may do the same, and lets the old one go on for `overlap`, or as long as it would have
/// anyway. The new one ends when the old one would have ended, or as long after as it was made to live.
///
/// # Errors
/// `Forbidden` without `KEYS_WRITE`, or for a permission that the maker lacks; `ConfirmationRequired`; `NotFound`;
/// `Conflict` where the key does not hold or was replaced already; `Invalid` for more than thirty days.
pub async fn rotate(scope: &Scope, store: &Store, old: ApiKeyId, overlap: Duration) -> Result<(ApiKey, SecretText)> {
    scope.require(Permission::KeysWrite)?;
    scope.require_confirmed(store.now())?;
    if overlap > LONGEST_OVERLAP {
        return Err(Error::invalid("overlapHours", "Two keys stand side by side for 30 days at most."));
    }
    let now = store.now();
    let tx = store.write(scope).await?;
    let row = find(&tx, old).await?.ok_or_else(|| Error::not_found("API key"))?;
    if !holds(&row, now) || row.replaced_by.is_some() {
        return Err(Error::new(ErrorKind::Conflict, "This key does not hold any more, or was replaced."));
    }
    let old_ends = row.expires_at;
    let lives = old_ends.map(|end| Duration::from_millis(u64::try_from(end.0 - row.created_at.0).unwrap_or(0)));
    let before = read(row)?;
    if before.permissions.and(scope.permissions()) != before.permissions {
        return Err(Error::new(ErrorKind::Forbidden, "A key cannot be given a permission that you lack."));
    }
    let key = ApiKey {
        id: ApiKeyId::new(store.clock()),
        created_at: now,
        expires_at: lives.map(|lives| now.plus(lives)),
        last_used_day: None,
        ..before
    };
    let text = insert(scope, &tx, &key).await?;
    let ends = old_ends.map_or(now.plus(overlap), |end| Ord::min(end, now.plus(overlap)));
    let replaced = api_keys::Entity::update_many()
        .col_expr(api_keys::Column::ExpiresAt, Expr::value(ends))
        .col_expr(api_keys::Column::ReplacedBy, Expr::value(key.id))
        .filter(api_keys::Column::WorkspaceId.eq(scope.workspace()))
        .filter(api_keys::Column::Id.eq(old))
        .filter(api_keys::Column::ReplacedBy.is_null())
        .exec(tx.db())
        .await?;
    if replaced.rows_affected != 1 {
        return Err(Error::new(ErrorKind::Conflict, "This key was replaced."));
    }
    tx.notify(Notice { topic: Topic::Session, id: old.0 });
    let event = event("api_key.rotated", old).detail("by", key.id.to_string()).detail("ends", ends.rfc3339());
    audit::append(scope, &tx, event).await?;
    tx.commit().await?;
    Ok((key, text))
}

/// Writes a key and gives its text.
async fn insert(scope: &Scope, tx: &WorkspaceTx, key: &ApiKey) -> Result<SecretText> {
    let mut secret = Zeroizing::new([0; 32]);
    id::fill_random(&mut *secret);
    let row = api_keys::ActiveModel {
        workspace_id: Set(scope.workspace()),
        id: Set(key.id),
        kind: Set(key.kind.name().to_owned()),
        name: Set(key.name.clone()),
        secret_hash: Set(Sha256::digest(*secret).to_vec()),
        permissions: Set(join(key.permissions.list().into_iter().map(Permission::name))),
        assistant_id: Set(key.assistant),
        origins: Set(join(key.origins.iter().cloned())),
        created_by: Set(scope.actor().id()),
        created_at: Set(key.created_at),
        expires_at: Set(key.expires_at),
        last_used_day: Set(None),
        revoked_at: Set(None),
        replaced_by: Set(None),
    };
    api_keys::Entity::insert(row).exec_without_returning(tx.db()).await?;
    Ok(write(key.kind, scope.workspace(), key.id, &secret))
}

/// Every origin that a usable publishable key of any workspace names: pages that may call at all. What they may do is
/// decided by the key they show.
///
/// # Errors
/// `Unavailable`.
pub async fn origins(store: &Store) -> Result<HashSet<String>> {
    let mut origins = HashSet::new();
    for workspace in workspaces::all_ids(store).await? {
        let tx = store.begin_in(workspace, Mode::Read).await?;
        let rows = api_keys::Entity::find()
            .filter(api_keys::Column::WorkspaceId.eq(workspace))
            .filter(api_keys::Column::Kind.eq(ApiKeyKind::Publishable.name()))
            .filter(api_keys::Column::RevokedAt.is_null())
            .all(tx.db())
            .await?;
        let usable = rows.into_iter().filter(|row| row.expires_at.is_none_or(|end| end > store.now()));
        for row in usable {
            origins.extend(split(&row.origins).map(str::to_owned));
        }
    }
    Ok(origins)
}

/// All keys of the workspace, newest first, revoked ones too.
///
/// # Errors
/// `Forbidden` without `KEYS_WRITE`.
pub async fn list(scope: &Scope, store: &Store) -> Result<Vec<ApiKey>> {
    scope.require(Permission::KeysWrite)?;
    let tx = store.read(scope).await?;
    let rows = api_keys::Entity::find()
        .filter(api_keys::Column::WorkspaceId.eq(scope.workspace()))
        .order_by_desc(api_keys::Column::Id)
        .all(tx.db())
        .await?;
    rows.into_iter().map(read).collect()
}

/// Ends a key at once, and with it the tokens of visitors that came by it. Again does nothing.
///
/// # Errors
/// `Forbidden` without `KEYS_WRITE`; `NotFound`.
pub async fn revoke(scope: &Scope, store: &Store, key: ApiKeyId) -> Result<ApiKey> {
    scope.require(Permission::KeysWrite)?;
    let tx = store.write(scope).await?;
    let revoked = api_keys::Entity::update_many()
        .col_expr(api_keys::Column::RevokedAt, Expr::value(store.now()))
        .filter(api_keys::Column::WorkspaceId.eq(scope.workspace()))
        .filter(api_keys::Column::Id.eq(key))
        .filter(api_keys::Column::RevokedAt.is_null())
        .exec(tx.db())
        .await?;
    let row = find(&tx, key).await?.ok_or_else(|| Error::not_found("API key"))?;
    if revoked.rows_affected == 1 {
        tx.notify(Notice { topic: Topic::Session, id: key.0 });
        audit::append(scope, &tx, event("api_key.revoked", key)).await?;
    }
    tx.commit().await?;
    read(row)
}

/// A key that holds, found by its text.
///
/// # Errors
/// `Unauthenticated`, whatever is wrong.
pub(crate) async fn by_text(store: &Store, text: &str, kind: ApiKeyKind) -> Result<(WorkspaceId, ApiKey)> {
    let (workspace, key, secret) = parse(text, kind).ok_or_else(unauthenticated)?;
    let tx = store.begin_in(workspace, Mode::Read).await?;
    let row = find(&tx, key).await?;
    drop(tx);
    // Without a row the same comparison is made.
    let stored = row.as_ref().map_or_else(|| vec![0; 32], |row| row.secret_hash.clone());
    let is_right: bool = stored.ct_eq(Sha256::digest(*secret).as_slice()).into();
    let row =
        row.filter(|row| is_right && row.kind == kind.name() && holds(row, store.now())).ok_or_else(unauthenticated)?;
    note_use(store, &row).await;
    Ok((workspace, read(row)?))
}

/// Whether the key still holds.
pub(super) async fn is_usable(tx: &WorkspaceTx, key: ApiKeyId) -> Result<bool> {
    Ok(find(tx, key).await?.is_some_and(|row| holds(&row, tx.store().now())))
}

fn holds(row: &api_keys::Model, now: Timestamp) -> bool {
    row.revoked_at.is_none() && row.expires_at.is_none_or(|end| end > now)
}

/// Once a day. The key works without this note, so a failure is only logged.
async fn note_use(store: &Store, row: &api_keys::Model) {
    let today = store.now().day();
    if row.last_used_day == Some(today) {
        return;
    }
    let noted = async {
        let tx = store.begin_in(row.workspace_id, Mode::Write).await?;
        api_keys::Entity::update_many()
            .col_expr(api_keys::Column::LastUsedDay, Expr::value(today))
            .filter(api_keys::Column::WorkspaceId.eq(row.workspace_id))
            .filter(api_keys::Column::Id.eq(row.id))
            .filter(api_keys::Column::LastUsedDay.is_null().or(api_keys::Column::LastUsedDay.lt(today)))
            .exec(tx.db())
            .await?;
        tx.commit().await
    };
    if let Err(error) = noted.await {
        tracing::warn!(key = %row.id, ?error, "the day an API key was used on could not be noted");
    }
}

fn check(scope: &Scope, store: &Store, new: NewApiKey) -> Result<ApiKey> {
    let now = store.now();
    let (kind, name, permissions, assistant, origins, expires_at) = match new {
        NewApiKey::Secret { name, permissions, expires_at } => {
            (ApiKeyKind::Secret, name, Permissions::of(&permissions), None, Vec::new(), expires_at)
        }
        NewApiKey::Publishable { name, assistant, origins, expires_at } => {
            let origins = origins.iter().map(|origin| canonical_origin(origin)).collect::<Result<Vec<_>>>()?;
            let starts_visitors = Permissions::of(&[Permission::VisitorsWrite]);
            (ApiKeyKind::Publishable, name, starts_visitors, Some(assistant), origins, expires_at)
        }
    };
    let name = name.trim().to_owned();
    if name.is_empty() || name.chars().count() > 100 {
        return Err(Error::invalid("name", "The name needs 1 to 100 characters."));
    }
    if permissions.and(scope.permissions()) != permissions {
        return Err(Error::new(ErrorKind::Forbidden, "A key cannot be given a permission that you lack."));
    }
    if permissions == Permissions::default() {
        return Err(Error::invalid("permissions", "A key needs at least one permission."));
    }
    if kind == ApiKeyKind::Publishable && !(1..=20).contains(&origins.len()) {
        return Err(Error::invalid("origins", "A publishable key needs 1 to 20 origins."));
    }
    if expires_at.is_some_and(|end| end <= now) {
        return Err(Error::invalid("expiresAt", "The end is in the past."));
    }
    let id = ApiKeyId::new(store.clock());
    Ok(ApiKey {
        id,
        kind,
        name,
        permissions,
        assistant,
        origins,
        created_at: now,
        expires_at,
        last_used_day: None,
        revoked_at: None,
        replaced_by: None,
    })
}

/// The origin as a browser writes it (RFC 6454, 6.2), so that a plain comparison is enough.
fn canonical_origin(text: &str) -> Result<String> {
    let refuse =
        || Error::invalid("origins", "Write an origin as https://host or https://host:port, without a path or *.");
    let url = url::Url::parse(text.trim()).map_err(|_| refuse())?;
    let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
    let has_user = !url.username().is_empty() || url.password().is_some();
    let is_web = matches!(url.scheme(), "https" | "http") && url.host_str().is_some_and(|host| !host.contains('*'));
    if !is_bare || has_user || !is_web {
        return Err(refuse());
    }
    Ok(url.origin().ascii_serialization())
}

async fn find(tx: &WorkspaceTx, key: ApiKeyId) -> Result<Option<api_keys::Model>> {
    Ok(api_keys::Entity::find_by_id((tx.workspace(), key)).one(tx.db()).await?)
}

fn read(row: api_keys::Model) -> Result<ApiKey> {
    let unreadable = || Error::internal(format!("the row of {} cannot be read", row.id));
    let kind = ApiKeyKind::ALL.into_iter().find(|kind| kind.name() == row.kind).ok_or_else(unreadable)?;
    let permissions: Vec<Permission> = split(&row.permissions).filter_map(Permission::parse).collect();
    Ok(ApiKey {
        id: row.id,
        kind,
        permissions: Permissions::of(&permissions),
        assistant: row.assistant_id,
        origins: split(&row.origins).map(str::to_owned).collect(),
        name: row.name,
        created_at: row.created_at,
        expires_at: row.expires_at,
        last_used_day: row.last_used_day,
        revoked_at: row.revoked_at,
        replaced_by: row.replaced_by,
    })
}

fn write(kind: ApiKeyKind, workspace: WorkspaceId, key: ApiKeyId, secret: &[u8; 32]) -> SecretText {
    let secret = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(secret));
    SecretText::new(format!("{}{}{}_{}", kind.prefix(), id::encode(workspace.0), id::encode(key.0), *secret))
}

fn parse(text: &str, kind: ApiKeyKind) -> Option<(WorkspaceId, ApiKeyId, Zeroizing<[u8; 32]>)> {
    let rest = text.strip_prefix(kind.prefix())?;
    let (ids, secret) = rest.split_once('_')?;
    let (workspace, key) = ids.split_at_checked(26)?;
    let secret = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(secret).ok()?);
    let secret = Zeroizing::new(<[u8; 32]>::try_from(secret.as_slice()).ok()?);
    Some((WorkspaceId(id::decode(workspace)?), ApiKeyId(id::decode(key)?), secret))
}

fn event(action: &'static str, key: ApiKeyId) -> Event {
    Event::new(action).target("api_key", key.0)
}

fn join(all: impl Iterator<Item = String>) -> String {
    all.collect::<Vec<_>>().join(" ")
}

fn split(all: &str) -> impl Iterator<Item = &str> {
    all.split(' ').filter(|one| !one.is_empty())
}
