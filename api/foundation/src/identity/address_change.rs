//! Going over to another address: agreed to at the old one and at the new one, in whatever order.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    AccountRules,
    email::{self, Email},
    password::{self, Verdict},
    passwords, sign_up, throttle,
    tickets::{self, Purpose},
    unauthenticated,
};
use crate::{
    audit::Event,
    error::{Error, ErrorKind, Result},
    id::{AccountId, random_uuid},
    scope::Scope,
    store::{InstanceTx, Store, entity::accounts},
};

/// One change, said in both tickets.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq)]
pub(super) struct Change {
    /// Which one: both tickets have to be of the same.
    id: Uuid,
    pub address: String,
}

/// How far a change is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressChange {
    /// The other address has to agree too.
    WaitsForTheOther,
    /// The account has the new address.
    Done,
}

/// Has a link mailed to both addresses. Whether the new one has an account is told to nobody.
///
/// # Errors
/// `Forbidden` for anyone but a member; `Unauthenticated` where the password is not right; `Invalid`; `RateLimited`;
/// `Misconfigured` without a mail server.
pub async fn request(scope: &Scope, store: &Store, rules: AccountRules, password: &str, address: &str) -> Result<()> {
    let (account, _) = scope.member()?;
    sign_up::require_mail(rules)?;
    Email::parse(address)?;
    throttle::take(store, throttle::CODES, account.0.as_bytes()).await?;
    let row = passwords::find(store, account).await?.ok_or_else(unauthenticated)?;
    if password::verify(password, Some(row.password_hash)).await? == Verdict::Wrong {
        return Err(Error::new(ErrorKind::Unauthenticated, "The password is not right."));
    }
    throttle::take(store, throttle::MAILS, &email::index_of_typed(store, address)).await?;
    let change = Change { id: random_uuid(), address: address.to_owned() };
    let tx = store.write_instance().await?;
    throttle::forgive(&tx, throttle::CODES, account.0.as_bytes()).await?;
    tickets::withdraw(&tx, account, &[Purpose::LeaveAddress, Purpose::TakeAddress]).await?;
    for purpose in [Purpose::LeaveAddress, Purpose::TakeAddress] {
        tickets::mail(&tx, purpose, Some(account), &change).await?;
    }
    let event = Event::new("account.address_change_requested").target("account", account.0);
    passwords::record(tx, account, Some(scope), &event).await?.commit().await
}

/// Takes the token of either link. The second makes the change.
///
/// # Errors
/// `Unauthenticated`, whatever is wrong with the token; `Conflict` where somebody else has the address meanwhile.
pub async fn confirm(store: &Store, token: &str) -> Result<AddressChange> {
    let purpose = match tickets::look_at::<Change>(store, Purpose::LeaveAddress, token).await {
        Ok(_) => Purpose::LeaveAddress,
        Err(error) if error.kind() == ErrorKind::Unauthenticated => Purpose::TakeAddress,
        Err(error) => return Err(error),
    };
    let account = tickets::look_at::<Change>(store, purpose, token).await?.account.ok_or_else(unauthenticated)?;
    let tx = store.write_instance().await?;
    // Of two that confirm at once the second sees the first.
    accounts::Entity::find_by_id(account).lock_exclusive().one(tx.db()).await?.ok_or_else(unauthenticated)?;
    let change = tickets::claim::<Change>(&tx, purpose, token).await?.about;
    let mut agreed = true;
    for purpose in [Purpose::LeaveAddress, Purpose::TakeAddress] {
        agreed &= tickets::used::<Change>(&tx, purpose, account).await?.contains(&change);
    }
    if !agreed {
        tx.commit().await?;
        return Ok(AddressChange::WaitsForTheOther);
    }
    set(&tx, account, &change.address).await?;
    tickets::withdraw(&tx, account, &[]).await?;
    let event = Event::new("account.address_changed").target("account", account.0);
    passwords::record(tx, account, None, &event).await?.commit().await?;
    Ok(AddressChange::Done)
}

async fn set(tx: &InstanceTx, account: AccountId, address: &str) -> Result<()> {
    let email = Email::parse(address)?;
    let store = tx.store();
    accounts::Entity::update_many()
        .col_expr(accounts::Column::EmailIndex, Expr::value(email.index(store)))
        .col_expr(accounts::Column::EmailSealed, Expr::value(email.seal(store, account)))
        .col_expr(accounts::Column::EmailVerifiedAt, Expr::value(store.now()))
        .filter(accounts::Column::Id.eq(account))
        .exec(tx.db())
        .await?;
    Ok(())
}
