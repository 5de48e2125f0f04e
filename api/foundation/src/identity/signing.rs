//! Ed25519 keys (RFC 8032) that sign tokens, certificates and checkpoints; the private part sealed.
//!
//! A key is made on first use. Its id is derived from the installation's root key, its purpose and its number, so two
//! processes that make the first key at once make the same id, and the database lets one of them win. A key signs for ninety
//! days; what it signed stays valid.

pub mod jws;

use std::time::Duration;

use ed25519_dalek::{SigningKey, VerifyingKey};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, sea_query::Expr};
use serde_json::{Value, json};
use zeroize::Zeroizing;

pub use self::jws::verify_offline;
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{SigningKeyId, fill_random},
    store::{InstanceTx, Store, entity::signing_keys},
    vault::Place,
};

/// What a key signs. A key of one purpose never signs for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SigningPurpose {
    /// Access and visitor tokens.
    Tokens,
    /// Certificates of erasure.
    Certificates,
    /// Checkpoints of the audit chain.
    Checkpoints,
    /// Reports of restore drills.
    Reports,
}

/// How long a key signs.
const LONGEST_USE: Duration = Duration::from_secs(90 * 24 * 3_600);

impl SigningPurpose {
    const ALL: [Self; 4] = [Self::Tokens, Self::Certificates, Self::Checkpoints, Self::Reports];

    fn name(self) -> &'static str {
        match self {
            Self::Tokens => "TOKENS",
            Self::Certificates => "CERTIFICATES",
            Self::Checkpoints => "CHECKPOINTS",
            Self::Reports => "REPORTS",
        }
    }
}

/// Signs claims for this purpose: a compact JWS (RFC 7515) with `alg`, `kid` and `typ`. Do not call it inside a
/// transaction: the first call of a purpose makes the key in one of its own.
///
/// # Errors
/// `Unavailable`; `Internal` for [`SigningPurpose::Tokens`], which only [`tokens`](super::tokens) signs with.
pub async fn sign(store: &Store, purpose: SigningPurpose, claims: &Value) -> Result<String> {
    let typ = match purpose {
        SigningPurpose::Certificates => jws::CERTIFICATE,
        SigningPurpose::Checkpoints => jws::CHECKPOINT,
        SigningPurpose::Reports => jws::REPORT,
        SigningPurpose::Tokens => return Err(Error::internal("tokens are signed by the token module")),
    };
    let signer = signer(store, purpose).await?;
    Ok(jws::sign(&signer.key, &signer.id.to_string(), typ, claims))
}

/// All public keys, in use and retired, oldest first, as a JWK set (RFC 7517, RFC 8037).
///
/// # Errors
/// `Unavailable`.
pub async fn jwks(store: &Store) -> Result<Value> {
    let tx = store.read_instance().await?;
    let rows = signing_keys::Entity::find()
        .order_by_asc(signing_keys::Column::CreatedAt)
        .order_by_asc(signing_keys::Column::Id)
        .all(tx.db())
        .await?;
    let keys: Vec<Value> = rows.iter().map(|row| jws::jwk(&row.id.to_string(), &row.public_key)).collect();
    Ok(json!({ "keys": keys }))
}

/// Retires the key in use and makes the next. What the old one signed before stays valid.
///
/// # Errors
/// `Unavailable`; `Conflict` where another process did the same at this moment.
pub async fn rotate(store: &Store, purpose: SigningPurpose) -> Result<SigningKeyId> {
    let tx = store.write_instance().await?;
    signing_keys::Entity::update_many()
        .col_expr(signing_keys::Column::RetiredAt, Expr::value(store.now()))
        .filter(signing_keys::Column::Purpose.eq(purpose.name()))
        .filter(signing_keys::Column::RetiredAt.is_null())
        .exec(tx.db())
        .await?;
    let id = insert_next(&tx, purpose).await?;
    tx.commit().await?;
    tracing::info!(%id, purpose = purpose.name(), "a new signing key is in use");
    Ok(id)
}

/// Retires the keys that signed for ninety days, and makes the next. Answers how many.
///
/// # Errors
/// As [`rotate`].
pub async fn rotate_old(store: &Store) -> Result<usize> {
    let mut retired = 0;
    for purpose in SigningPurpose::ALL {
        let key = in_use(store, purpose).await?;
        if key.is_some_and(|key| key.created_at.plus(LONGEST_USE) <= store.now()) {
            rotate(store, purpose).await?;
            retired += 1;
        }
    }
    Ok(retired)
}

/// A private key, opened for one use.
pub(crate) struct Signer {
    pub id: SigningKeyId,
    key: SigningKey,
}

impl Signer {
    /// PKCS#8 (RFC 8410, 10.3), as the JWT library wants it: a head that is the same for every key, then the seed.
    pub(super) fn pkcs8(&self) -> Zeroizing<Vec<u8>> {
        const HEAD: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
        Zeroizing::new([HEAD.as_slice(), self.key.as_bytes()].concat())
    }
}

/// The key in use, made if there is none.
pub(super) async fn signer(store: &Store, purpose: SigningPurpose) -> Result<Signer> {
    if let Some(row) = in_use(store, purpose).await? {
        return open(store, &row);
    }
    match make_first(store, purpose).await {
        Ok(()) => {}
        // Another process was faster.
        Err(error) if error.kind() == ErrorKind::Conflict => {}
        Err(error) => return Err(error),
    }
    let row =
        in_use(store, purpose).await?.ok_or_else(|| Error::internal("a signing key that was made is not there"))?;
    open(store, &row)
}

/// A public key and, where it was retired, when.
pub(super) struct PublicKey {
    pub bytes: Vec<u8>,
    pub retired_at: Option<Timestamp>,
}

/// The public key of this id, if it serves this purpose.
pub(super) async fn public_key(
    tx: &InstanceTx,
    id: SigningKeyId,
    purpose: SigningPurpose,
) -> Result<Option<PublicKey>> {
    let row = signing_keys::Entity::find_by_id(id)
        .filter(signing_keys::Column::Purpose.eq(purpose.name()))
        .one(tx.db())
        .await?;
    Ok(row.map(|row| PublicKey { bytes: row.public_key, retired_at: row.retired_at }))
}

async fn in_use(store: &Store, purpose: SigningPurpose) -> Result<Option<signing_keys::Model>> {
    let tx = store.read_instance().await?;
    let row = signing_keys::Entity::find()
        .filter(signing_keys::Column::Purpose.eq(purpose.name()))
        .filter(signing_keys::Column::RetiredAt.is_null())
        .order_by_desc(signing_keys::Column::CreatedAt)
        .one(tx.db())
        .await?;
    Ok(row)
}

async fn make_first(store: &Store, purpose: SigningPurpose) -> Result<()> {
    let tx = store.write_instance().await?;
    let others = count(&tx, purpose).await?;
    if others == 0 {
        insert_next(&tx, purpose).await?;
    }
    tx.commit().await
}

async fn count(tx: &InstanceTx, purpose: SigningPurpose) -> Result<u64> {
    Ok(signing_keys::Entity::find().filter(signing_keys::Column::Purpose.eq(purpose.name())).count(tx.db()).await?)
}

async fn insert_next(tx: &InstanceTx, purpose: SigningPurpose) -> Result<SigningKeyId> {
    let store = tx.store();
    let id = id_of(store, purpose, count(tx, purpose).await? + 1)?;
    let mut seed = Zeroizing::new([0; 32]);
    fill_random(&mut *seed);
    let public = SigningKey::from_bytes(&seed).verifying_key();
    let row = signing_keys::ActiveModel {
        id: Set(id),
        purpose: Set(purpose.name().to_owned()),
        public_key: Set(public.to_bytes().to_vec()),
        private_key_sealed: Set(store.vault().instance_key().seal(&place(id), &*seed)),
        created_at: Set(store.now()),
        retired_at: Set(None),
    };
    signing_keys::Entity::insert(row).exec_without_returning(tx.db()).await?;
    Ok(id)
}

fn id_of(store: &Store, purpose: SigningPurpose, number: u64) -> Result<SigningKeyId> {
    let index = store.vault().instance_index("signing key", &format!("{}/{number}", purpose.name()));
    let bytes = index.first_chunk::<16>().ok_or_else(|| Error::internal("a keyed index is too short"))?;
    Ok(SigningKeyId(uuid::Builder::from_custom_bytes(*bytes).into_uuid()))
}

fn open(store: &Store, row: &signing_keys::Model) -> Result<Signer> {
    let corrupt = || Error::new(ErrorKind::Corrupt, format!("The signing key {} is not what was stored.", row.id));
    let seed = store.vault().instance_key().open(&place(row.id), &row.private_key_sealed)?;
    let seed = Zeroizing::new(<[u8; 32]>::try_from(seed.as_slice()).map_err(|_| corrupt())?);
    let key = SigningKey::from_bytes(&seed);
    let stored = <&[u8; 32]>::try_from(row.public_key.as_slice()).map_err(|_| corrupt())?;
    if VerifyingKey::from_bytes(stored).ok() != Some(key.verifying_key()) {
        return Err(corrupt());
    }
    Ok(Signer { id: row.id, key })
}

fn place(id: SigningKeyId) -> Place {
    Place::instance("signing_keys", "private_key_sealed", id.0)
}
