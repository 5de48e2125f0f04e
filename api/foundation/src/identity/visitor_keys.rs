//! Keys by which a customer's own server says who a visitor is: Ed25519, of which the public half is registered, or a secret
//! for HS256 that is made here. A token signed with one lives minutes (`visitor_jwt`): a fixed HMAC over
//! an id would be a password that never changes.

use base64::{
    Engine,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use ed25519_dalek::VerifyingKey;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, ExprTrait, PaginatorTrait, QueryFilter, QueryOrder, sea_query::Expr,
};
use zeroize::Zeroizing;

use super::SecretText;
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{VisitorSigningKeyId, WorkspaceId, fill_random},
    scope::{Permission, Scope},
    store::{Mode, Notice, Store, Topic, WorkspaceTx, entity::visitor_signing_keys as table},
    vault::Place,
};

/// Keys that hold at once.
const MOST: u64 = 10;

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VisitorKeyAlgorithm {
    /// Ed25519 (RFC 8037): the customer keeps the private half.
    EdDsa,
    /// HMAC-SHA-256 (RFC 7518): both sides know the secret.
    Hs256,
}

impl VisitorKeyAlgorithm {
    /// As a token's header names it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Hs256 => "HS256",
        }
    }

    fn of(name: &str) -> Option<Self> {
        [Self::EdDsa, Self::Hs256].into_iter().find(|algorithm| algorithm.name() == name)
    }
}

/// A key, without what opens anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VisitorSigningKey {
    /// Its id: the `kid` of the tokens.
    pub id: VisitorSigningKeyId,
    /// What people call it.
    pub name: String,
    /// How it signs.
    pub algorithm: VisitorKeyAlgorithm,
    /// Since when.
    pub created_at: Timestamp,
    /// Until when.
    pub expires_at: Option<Timestamp>,
    /// The last day a token of it was taken, in days since 1970.
    pub last_used_day: Option<i64>,
    /// When it was revoked.
    pub revoked_at: Option<Timestamp>,
}

/// A key to be registered.
pub struct NewVisitorKey {
    /// What people call it.
    pub name: String,
    /// The public key of Ed25519, as PEM (`BEGIN PUBLIC KEY`) or the 32 bytes in base64url. Without it a secret for HS256 is
    /// made.
    pub public_key: Option<String>,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
}

/// Registers a key. A secret for HS256 is given this once.
///
/// # Errors
/// `Forbidden` without `KEYS_WRITE`; `ConfirmationRequired`; `Invalid`; `LimitExceeded` where ten hold.
pub async fn add(scope: &Scope, store: &Store, new: NewVisitorKey) -> Result<(VisitorSigningKey, Option<SecretText>)> {
    scope.require(Permission::KeysWrite)?;
    scope.require_confirmed(store.now())?;
    let name = new.name.trim().to_owned();
    if name.is_empty() || name.chars().count() > 100 {
        return Err(Error::invalid("name", "The name needs 1 to 100 characters."));
    }
    if new.expires_at.is_some_and(|end| end <= store.now()) {
        return Err(Error::invalid("expiresAt", "The end is in the past."));
    }
    let (algorithm, material, secret) = match &new.public_key {
        Some(text) => (VisitorKeyAlgorithm::EdDsa, Zeroizing::new(public_key(text)?.to_vec()), None),
        None => {
            let mut secret = Zeroizing::new(vec![0; 32]);
            fill_random(&mut secret);
            let text = SecretText::new(BASE64_URL_SAFE_NO_PAD.encode(&*secret));
            (VisitorKeyAlgorithm::Hs256, secret, Some(text))
        }
    };
    let id = VisitorSigningKeyId::new(store.clock());
    let key = store.vault().workspace_key(scope.workspace()).await?;
    let row = table::Model {
        workspace_id: scope.workspace(),
        id,
        name,
        algorithm: algorithm.name().to_owned(),
        key_sealed: key.seal(&place(scope.workspace(), id), &material),
        created_by: scope.actor().id(),
        created_at: store.now(),
        expires_at: new.expires_at,
        last_used_day: None,
        revoked_at: None,
    };
    let tx = store.write(scope).await?;
    let holding = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::RevokedAt.is_null())
        .filter(table::Column::ExpiresAt.is_null().or(table::Column::ExpiresAt.gt(store.now())))
        .count(tx.db())
        .await?;
    if holding >= MOST {
        return Err(Error::new(ErrorKind::LimitExceeded, "Ten keys hold already. Revoke one first."));
    }
    table::Entity::insert(table::ActiveModel::from(row.clone()).reset_all()).exec_without_returning(tx.db()).await?;
    audit::append(scope, &tx, event("visitor_key.added", id).detail("algorithm", algorithm.name())).await?;
    tx.commit().await?;
    Ok((read(row)?, secret))
}

/// All keys of the workspace, newest first, revoked ones too.
///
/// # Errors
/// `Forbidden` without `KEYS_WRITE`.
pub async fn list(scope: &Scope, store: &Store) -> Result<Vec<VisitorSigningKey>> {
    scope.require(Permission::KeysWrite)?;
    let tx = store.read(scope).await?;
    let rows = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .order_by_desc(table::Column::Id)
        .all(tx.db())
        .await?;
    rows.into_iter().map(read).collect()
}

/// Ends a key at once, and with it the sessions of visitors that came by it. Again does nothing.
///
/// # Errors
/// `Forbidden` without `KEYS_WRITE`; `NotFound`.
pub async fn revoke(scope: &Scope, store: &Store, id: VisitorSigningKeyId) -> Result<VisitorSigningKey> {
    scope.require(Permission::KeysWrite)?;
    let tx = store.write(scope).await?;
    let revoked = table::Entity::update_many()
        .col_expr(table::Column::RevokedAt, Expr::value(store.now()))
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::Id.eq(id))
        .filter(table::Column::RevokedAt.is_null())
        .exec(tx.db())
        .await?;
    let row = find(&tx, id).await?.ok_or_else(|| Error::not_found("visitor signing key"))?;
    if revoked.rows_affected == 1 {
        tx.notify(Notice { topic: Topic::Session, id: id.0 });
        audit::append(scope, &tx, event("visitor_key.revoked", id)).await?;
    }
    tx.commit().await?;
    read(row)
}

/// What verifies tokens: the algorithm, and the public key or the secret.
pub(super) struct Verifier {
    pub algorithm: VisitorKeyAlgorithm,
    pub material: Zeroizing<Vec<u8>>,
}

/// The key of this id, if it holds.
pub(super) async fn verifier(
    store: &Store,
    workspace: WorkspaceId,
    id: VisitorSigningKeyId,
) -> Result<Option<Verifier>> {
    let tx = store.begin_in(workspace, Mode::Read).await?;
    let Some(row) = find(&tx, id).await?.filter(|row| holds(row, store.now())) else { return Ok(None) };
    drop(tx);
    let key = store.vault().workspace_key(workspace).await?;
    let material = key.open(&place(workspace, id), &row.key_sealed)?;
    let algorithm = VisitorKeyAlgorithm::of(&row.algorithm).ok_or_else(|| unreadable(id))?;
    Ok(Some(Verifier { algorithm, material }))
}

/// Notes the day, once, in a transaction that writes anyway.
pub(super) async fn note_use(tx: &WorkspaceTx, id: VisitorSigningKeyId) -> Result<()> {
    let today = tx.store().now().day();
    table::Entity::update_many()
        .col_expr(table::Column::LastUsedDay, Expr::value(today))
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::Id.eq(id))
        .filter(table::Column::LastUsedDay.is_null().or(table::Column::LastUsedDay.lt(today)))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Whether the key still holds.
pub(super) async fn is_usable(tx: &WorkspaceTx, id: VisitorSigningKeyId) -> Result<bool> {
    Ok(find(tx, id).await?.is_some_and(|row| holds(&row, tx.store().now())))
}

fn holds(row: &table::Model, now: Timestamp) -> bool {
    row.revoked_at.is_none() && row.expires_at.is_none_or(|end| end > now)
}

async fn find(tx: &WorkspaceTx, id: VisitorSigningKeyId) -> Result<Option<table::Model>> {
    Ok(table::Entity::find_by_id((tx.workspace(), id)).one(tx.db()).await?)
}

/// A key that a signature by nobody would fit (RFC 8032, small order) is none.
fn public_key(text: &str) -> Result<[u8; 32]> {
    let refuse = || Error::invalid("publicKey", "Give an Ed25519 public key, as PEM or as 32 bytes in base64url.");
    let bytes = match text.trim().strip_prefix("-----BEGIN PUBLIC KEY-----") {
        Some(rest) => of_pem(rest).ok_or_else(refuse)?,
        None => BASE64_URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| refuse())?,
    };
    let bytes: [u8; 32] = bytes.try_into().map_err(|_| refuse())?;
    let key = VerifyingKey::from_bytes(&bytes).map_err(|_| refuse())?;
    if key.is_weak() { Err(refuse()) } else { Ok(key.to_bytes()) }
}

/// The bytes behind the head that every such key has (RFC 8410, 10.1).
fn of_pem(rest: &str) -> Option<Vec<u8>> {
    const HEAD: [u8; 12] = [0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0];
    let body: String = rest.strip_suffix("-----END PUBLIC KEY-----")?.split_whitespace().collect();
    BASE64_STANDARD.decode(body).ok()?.strip_prefix(&HEAD).map(<[u8]>::to_vec)
}

fn read(row: table::Model) -> Result<VisitorSigningKey> {
    Ok(VisitorSigningKey {
        algorithm: VisitorKeyAlgorithm::of(&row.algorithm).ok_or_else(|| unreadable(row.id))?,
        id: row.id,
        name: row.name,
        created_at: row.created_at,
        expires_at: row.expires_at,
        last_used_day: row.last_used_day,
        revoked_at: row.revoked_at,
    })
}

fn unreadable(id: VisitorSigningKeyId) -> Error {
    Error::internal(format!("the row of {id} cannot be read"))
}

fn event(action: &'static str, id: VisitorSigningKeyId) -> Event {
    Event::new(action).target("visitor_signing_key", id.0)
}

/// Where a key stands.
pub(crate) fn place(workspace: WorkspaceId, id: VisitorSigningKeyId) -> Place {
    Place::new(workspace, "visitor_signing_keys", "key_sealed", id.0)
}
