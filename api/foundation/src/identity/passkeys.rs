//! Passkeys: a key on somebody's device, by which a member signs in without a password, passes the second step, or proves
//! once more that it is them (W3C Web Authentication Level 3).
//!
//! Reading order: [`ceremony`] (what an authenticator says, and what it takes to be believed), [`register`](mod@register) (a
//! new one), [`enter`] (what one opens).
//!
//! A passkey is two factors: the device, and the finger, face or number that it asks for, without which none is taken here.
//! So it counts as the account's second factor, and signs in alone. It is bound to the console's domain: a page elsewhere
//! gets nothing out of it.
//!
//! Invariants, as absences:
//! - No challenge is answered twice, or by another browser than the one that was given it.
//! - No credential belongs to two accounts.
//! - No credential is taken whose signatures count backwards.

pub mod enter;
pub mod register;

mod ceremony;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, sea_query::Expr};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use self::ceremony::Party;
use self::ceremony::{Base64Url, Known};
use super::{
    SecretText, second_factor,
    tickets::{self, Purpose},
};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{AccountId, PasskeyId, SessionId, WorkspaceId},
    scope::Scope,
    store::{InstanceTx, Store, entity::passkeys},
    vault::Place,
};

/// Most that an account has.
pub const MOST: u64 = 20;

/// Longest name, in characters.
const LONGEST_NAME: usize = 100;

/// What it needs to know beside the database.
#[derive(Clone)]
pub struct Passkeys {
    /// The database.
    pub store: Store,
    /// Whom they are made for; none where the console has no domain.
    pub party: Option<Party>,
}

impl Passkeys {
    fn party(&self) -> Result<&Party> {
        let message = "There are no passkeys here: the console has no domain name (CONSIGNE_CONSOLE_URL).";
        self.party.as_ref().ok_or_else(|| Error::new(ErrorKind::Disabled, message))
    }
}

/// A passkey, as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passkey {
    /// Its id.
    pub id: PasskeyId,
    /// What its owner calls it.
    pub name: Option<String>,
    /// Whether it is on several devices, copied by whoever made the authenticator.
    pub is_backed_up: bool,
    /// Registered at.
    pub created_at: Timestamp,
    /// Last used at.
    pub last_used_at: Option<Timestamp>,
}

/// What a browser is to ask an authenticator.
#[derive(Clone)]
pub struct Begun {
    /// For `PublicKeyCredential.parseCreationOptionsFromJSON` or `parseRequestOptionsFromJSON`.
    pub options: Value,
    /// To be shown with the answer, once.
    pub token: SecretText,
    /// Until when.
    pub expires_at: Timestamp,
}

/// What waits for an authenticator's answer.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asked {
    challenge: String,
    what: What,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum What {
    /// A new passkey, for the account of this session.
    Register { session: SessionId },
    /// A sign-in, by whichever passkey.
    SignIn { workspace: Option<WorkspaceId>, stays_signed_in: bool },
    /// The second step behind a password: the token of the first.
    SecondStep { token: String },
    /// That it is still the member of this session.
    Confirm { session: SessionId },
}

/// The signed-in member's, the oldest first.
///
/// # Errors
/// `Forbidden` for anyone but a member.
pub async fn list(scope: &Scope, store: &Store) -> Result<Vec<Passkey>> {
    let (account, _) = scope.member()?;
    let rows = of(&store.read_instance().await?, account).await?;
    rows.into_iter().map(|row| listed(store, row)).collect()
}

/// Gives one another name; an empty one takes it away.
///
/// # Errors
/// `Forbidden` for anyone but a member who signed in here; `NotFound`; `Invalid` for a name of more than 100 characters.
pub async fn rename(scope: &Scope, store: &Store, id: PasskeyId, name: &str) -> Result<Passkey> {
    let (account, _) = scope.account_holder()?;
    let name_sealed = sealed_name(store, id, name)?;
    let tx = store.write(scope).await?;
    let named = passkeys::Entity::update_many()
        .col_expr(passkeys::Column::NameSealed, Expr::value(name_sealed))
        .filter(passkeys::Column::Id.eq(id))
        .filter(passkeys::Column::AccountId.eq(account))
        .exec(tx.db())
        .await?;
    let row = passkeys::Entity::find_by_id(id).one(tx.db()).await?;
    let row = row.filter(|_| named.rows_affected == 1).ok_or_else(|| Error::not_found("passkey"))?;
    audit::append(scope, &tx, event("passkey.renamed", id)).await?;
    tx.commit().await?;
    listed(store, row)
}

/// Takes one away: it opens nothing any more.
///
/// # Errors
/// `Forbidden` for anyone but a member who signed in here; `ConfirmationRequired`; `NotFound`; `Conflict` where it is the only
/// second factor, and a workspace of the account asks for one.
pub async fn remove(scope: &Scope, store: &Store, id: PasskeyId) -> Result<()> {
    let (account, _) = scope.account_holder()?;
    scope.require_confirmed(store.now())?;
    let tx = store.write(scope).await?;
    let removed = passkeys::Entity::delete_many()
        .filter(passkeys::Column::Id.eq(id))
        .filter(passkeys::Column::AccountId.eq(account))
        .exec(tx.db())
        .await?;
    if removed.rows_affected != 1 {
        return Err(Error::not_found("passkey"));
    }
    second_factor::lost(&tx, account).await?;
    audit::append(scope, &tx, event("passkey.removed", id)).await?;
    tx.commit().await
}

/// Whether an account has any.
pub(super) async fn has_any(tx: &InstanceTx, account: AccountId) -> Result<bool> {
    Ok(count(tx, account).await? > 0)
}

/// Takes all of an account away.
pub(super) async fn remove_all(tx: &InstanceTx, account: AccountId) -> Result<()> {
    passkeys::Entity::delete_many().filter(passkeys::Column::AccountId.eq(account)).exec(tx.db()).await?;
    Ok(())
}

async fn count(tx: &InstanceTx, account: AccountId) -> Result<u64> {
    Ok(passkeys::Entity::find().filter(passkeys::Column::AccountId.eq(account)).count(tx.db()).await?)
}

async fn of(tx: &InstanceTx, account: AccountId) -> Result<Vec<passkeys::Model>> {
    let own = passkeys::Entity::find().filter(passkeys::Column::AccountId.eq(account));
    Ok(own.order_by_asc(passkeys::Column::Id).all(tx.db()).await?)
}

/// Writes down what is asked of an authenticator, under a challenge of its own.
async fn ask(tx: &InstanceTx, account: Option<AccountId>, challenge: String, what: What) -> Result<tickets::Issued> {
    tickets::issue(tx, Purpose::Passkey, account, &Asked { challenge, what }).await
}

/// What was asked, which is used up whatever comes of it.
async fn use_up(store: &Store, token: &str) -> Result<(Option<AccountId>, Asked)> {
    let tx = store.write_instance().await?;
    let shown = tickets::claim::<Asked>(&tx, Purpose::Passkey, token).await?;
    tx.commit().await?;
    Ok((shown.account, shown.about))
}

/// Refuses another where there are [`MOST`].
async fn require_room(tx: &InstanceTx, account: AccountId) -> Result<()> {
    if count(tx, account).await? < MOST {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Conflict, format!("An account has at most {MOST} passkeys. Remove one first.")))
}

/// How an account is known to its authenticators: by its id, which names nobody.
fn user_handle(account: AccountId) -> Base64Url {
    Base64Url(account.0.as_bytes().to_vec())
}

/// `PublicKeyCredentialDescriptorJSON`.
fn descriptors(store: &Store, rows: &[passkeys::Model]) -> Result<Vec<Value>> {
    let described = rows.iter().map(|row| {
        let known = known(store, row)?;
        Ok(json!({"type": "public-key", "id": known.id, "transports": known.transports}))
    });
    described.collect()
}

fn known(store: &Store, row: &passkeys::Model) -> Result<Known> {
    let place = place("credential_sealed", row.id);
    let json = store.vault().instance_key().open(&place, &row.credential_sealed)?;
    let unreadable = || Error::new(ErrorKind::Corrupt, format!("The passkey {} cannot be read.", row.id));
    serde_json::from_slice(&json).map_err(|_| unreadable())
}

fn credential_index(store: &Store, credential: &[u8]) -> Vec<u8> {
    store.vault().instance_index("passkey", &BASE64_URL_SAFE_NO_PAD.encode(credential))
}

fn sealed_name(store: &Store, id: PasskeyId, name: &str) -> Result<Option<Vec<u8>>> {
    let name = name.trim();
    if name.chars().count() > LONGEST_NAME {
        return Err(Error::invalid("name", format!("A name has at most {LONGEST_NAME} characters.")));
    }
    let seal = || store.vault().instance_key().seal(&place("name_sealed", id), name.as_bytes());
    Ok((!name.is_empty()).then(seal))
}

fn listed(store: &Store, row: passkeys::Model) -> Result<Passkey> {
    let name = match &row.name_sealed {
        Some(sealed) => {
            let bytes = store.vault().instance_key().open(&place("name_sealed", row.id), sealed)?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        }
        None => None,
    };
    Ok(Passkey {
        id: row.id,
        name,
        is_backed_up: row.is_backed_up,
        created_at: row.created_at,
        last_used_at: row.last_used_at,
    })
}

fn place(column: &'static str, id: PasskeyId) -> Place {
    Place::instance("passkeys", column, id.0)
}

fn event(action: &'static str, id: PasskeyId) -> Event {
    Event::new(action).target("passkey", id.0)
}
