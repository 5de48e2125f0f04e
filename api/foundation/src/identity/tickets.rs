//! Tickets: what waits for somebody to show a token. A token is random, shown once, works once, and soon ends; its hash
//! is stored.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{SecretText, unauthenticated};
use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{AccountId, TicketId, fill_random},
    jobs::{self, NewJob},
    store::{InstanceTx, Store, entity::account_tickets},
    vault::Place,
};

/// The job that mails one.
pub(super) const MAIL_JOB: &str = "account.mail";

/// What a ticket is for. A token of one purpose does nothing for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// The second step of a sign-in.
    SecondStep,
    /// Makes an account and its workspace.
    SignUp,
    /// Shows that an address is the account's.
    VerifyAddress,
    /// Chooses another password.
    ResetPassword,
    /// Agrees, at the old address, that the account goes over to another.
    LeaveAddress,
    /// Agrees at the new one.
    TakeAddress,
    /// Only tells that the password was changed.
    TellPasswordChanged,
    /// Comes back from an identity provider.
    SingleSignOn,
    /// Answers what an authenticator was asked.
    Passkey,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::SecondStep => "SECOND_STEP",
            Self::SignUp => "SIGN_UP",
            Self::VerifyAddress => "VERIFY_ADDRESS",
            Self::ResetPassword => "RESET_PASSWORD",
            Self::LeaveAddress => "LEAVE_ADDRESS",
            Self::TakeAddress => "TAKE_ADDRESS",
            Self::TellPasswordChanged => "TELL_PASSWORD_CHANGED",
            Self::SingleSignOn => "SINGLE_SIGN_ON",
            Self::Passkey => "PASSKEY",
        }
    }

    fn of(name: &str) -> Option<Self> {
        let all = [
            Self::SecondStep,
            Self::SignUp,
            Self::VerifyAddress,
            Self::ResetPassword,
            Self::LeaveAddress,
            Self::TakeAddress,
            Self::TellPasswordChanged,
            Self::SingleSignOn,
            Self::Passkey,
        ];
        all.into_iter().find(|purpose| purpose.name() == name)
    }

    /// How long a token of it works.
    fn lives(self) -> Duration {
        match self {
            Self::SecondStep | Self::Passkey => Duration::from_secs(5 * 60),
            Self::SingleSignOn => Duration::from_secs(10 * 60),
            Self::ResetPassword => Duration::from_secs(3600),
            Self::SignUp | Self::VerifyAddress | Self::LeaveAddress | Self::TakeAddress | Self::TellPasswordChanged => {
                Duration::from_secs(24 * 3600)
            }
        }
    }
}

/// A token, for the one it is meant for.
pub(super) struct Issued {
    pub token: SecretText,
    pub expires_at: Timestamp,
}

/// Makes a ticket whose token goes out at once.
pub(super) async fn issue<T: Serialize>(
    tx: &InstanceTx,
    purpose: Purpose,
    account: impl Into<Option<AccountId>>,
    about: &T,
) -> Result<Issued> {
    let store = tx.store();
    let id = TicketId::new(store.clock());
    let (token, hash) = new_token(id);
    let expires_at = store.now().plus(purpose.lives());
    let row = account_tickets::ActiveModel {
        id: Set(id),
        purpose: Set(purpose.name().to_owned()),
        account_id: Set(account.into()),
        token_hash: Set(Some(hash)),
        about_sealed: Set(seal(store, id, about)?),
        created_at: Set(store.now()),
        expires_at: Set(expires_at),
        used_at: Set(None),
    };
    account_tickets::Entity::insert(row).exec_without_returning(tx.db()).await?;
    Ok(Issued { token, expires_at })
}

/// Makes a ticket whose token is made when it is mailed, and has it mailed. So no token is stored, and whoever asks for a
/// mail learns nothing from how long that takes: whether there is an account is looked up later.
pub(super) async fn mail<T: Serialize>(
    tx: &InstanceTx,
    purpose: Purpose,
    account: Option<AccountId>,
    about: &T,
) -> Result<TicketId> {
    let store = tx.store();
    let id = TicketId::new(store.clock());
    let row = account_tickets::ActiveModel {
        id: Set(id),
        purpose: Set(purpose.name().to_owned()),
        account_id: Set(account),
        token_hash: Set(None),
        about_sealed: Set(seal(store, id, about)?),
        created_at: Set(store.now()),
        expires_at: Set(store.now().plus(purpose.lives())),
        used_at: Set(None),
    };
    account_tickets::Entity::insert(row).exec_without_returning(tx.db()).await?;
    jobs::enqueue_for_instance(tx, NewJob::new(MAIL_JOB, id.0).priority(2)).await?;
    Ok(id)
}

/// A ticket that is to be mailed.
pub(super) struct ToMail {
    pub id: TicketId,
    pub purpose: Purpose,
    pub account: Option<AccountId>,
    about: Zeroizing<Vec<u8>>,
}

impl ToMail {
    pub(super) fn about<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.about).map_err(|_| unreadable(self.id))
    }
}

/// A ticket that waits to be mailed, or to be mailed again.
pub(super) async fn to_mail(store: &Store, id: TicketId) -> Result<Option<ToMail>> {
    let tx = store.read_instance().await?;
    let row = account_tickets::Entity::find_by_id(id)
        .filter(account_tickets::Column::ExpiresAt.gt(store.now()))
        .filter(account_tickets::Column::UsedAt.is_null())
        .one(tx.db())
        .await?;
    let Some(row) = row else { return Ok(None) };
    let about = store.vault().instance_key().open(&place(id), &row.about_sealed)?;
    let purpose = Purpose::of(&row.purpose).ok_or_else(|| unreadable(id))?;
    Ok(Some(ToMail { id, purpose, account: row.account_id, about }))
}

/// A token for a ticket that is mailed now, in place of an earlier one, for this account.
pub(super) async fn arm(store: &Store, id: TicketId, account: Option<AccountId>) -> Result<SecretText> {
    let (token, hash) = new_token(id);
    let tx = store.write_instance().await?;
    account_tickets::Entity::update_many()
        .col_expr(account_tickets::Column::TokenHash, Expr::value(hash))
        .col_expr(account_tickets::Column::AccountId, Expr::value(account))
        .filter(account_tickets::Column::Id.eq(id))
        .filter(account_tickets::Column::UsedAt.is_null())
        .exec(tx.db())
        .await?;
    tx.commit().await?;
    Ok(token)
}

/// Takes a ticket away that nobody is told of.
pub(super) async fn drop_ticket(store: &Store, id: TicketId) -> Result<()> {
    let tx = store.write_instance().await?;
    account_tickets::Entity::delete_by_id(id).exec(tx.db()).await?;
    tx.commit().await
}

/// Takes all tickets of these purposes away that an account has; all of them where none is named.
pub(super) async fn withdraw(tx: &InstanceTx, account: AccountId, purposes: &[Purpose]) -> Result<()> {
    let mut gone = account_tickets::Entity::delete_many().filter(account_tickets::Column::AccountId.eq(account));
    if !purposes.is_empty() {
        let names = purposes.iter().map(|purpose| purpose.name());
        gone = gone.filter(account_tickets::Column::Purpose.is_in(names));
    }
    gone.exec(tx.db()).await?;
    Ok(())
}

/// The tickets of a purpose that an account used and that have not ended.
pub(super) async fn used<T: DeserializeOwned>(tx: &InstanceTx, purpose: Purpose, account: AccountId) -> Result<Vec<T>> {
    let rows = account_tickets::Entity::find()
        .filter(account_tickets::Column::AccountId.eq(account))
        .filter(account_tickets::Column::Purpose.eq(purpose.name()))
        .filter(account_tickets::Column::ExpiresAt.gt(tx.store().now()))
        .filter(account_tickets::Column::UsedAt.is_not_null())
        .all(tx.db())
        .await?;
    rows.iter().map(|row| open(tx.store(), row)).collect()
}

/// A ticket that was shown.
pub(super) struct Shown<T> {
    pub account: Option<AccountId>,
    pub about: T,
}

/// Uses a token up, if the transaction is committed; of two callers one gets it.
///
/// # Errors
/// `Unauthenticated`, whatever is wrong with it.
pub(super) async fn claim<T: DeserializeOwned>(tx: &InstanceTx, purpose: Purpose, token: &str) -> Result<Shown<T>> {
    let (id, hash) = parse(token).ok_or_else(unauthenticated)?;
    let now = tx.store().now();
    let claimed = account_tickets::Entity::update_many()
        .col_expr(account_tickets::Column::UsedAt, Expr::value(now))
        .filter(account_tickets::Column::Id.eq(id))
        .filter(account_tickets::Column::Purpose.eq(purpose.name()))
        .filter(account_tickets::Column::TokenHash.eq(hash))
        .filter(account_tickets::Column::ExpiresAt.gt(now))
        .filter(account_tickets::Column::UsedAt.is_null())
        .exec(tx.db())
        .await?;
    if claimed.rows_affected != 1 {
        return Err(unauthenticated());
    }
    let row = account_tickets::Entity::find_by_id(id).one(tx.db()).await?.ok_or_else(unauthenticated)?;
    Ok(Shown { account: row.account_id, about: open(tx.store(), &row)? })
}

/// The ticket of a token that would be taken, without using it up.
///
/// # Errors
/// As [`claim`].
pub(super) async fn look_at<T: DeserializeOwned>(store: &Store, purpose: Purpose, token: &str) -> Result<Shown<T>> {
    let (id, hash) = parse(token).ok_or_else(unauthenticated)?;
    let tx = store.read_instance().await?;
    let row = account_tickets::Entity::find_by_id(id)
        .filter(account_tickets::Column::Purpose.eq(purpose.name()))
        .filter(account_tickets::Column::TokenHash.eq(hash))
        .filter(account_tickets::Column::ExpiresAt.gt(store.now()))
        .filter(account_tickets::Column::UsedAt.is_null())
        .one(tx.db())
        .await?
        .ok_or_else(unauthenticated)?;
    Ok(Shown { account: row.account_id, about: open(store, &row)? })
}

/// Takes away what has ended.
pub(super) async fn sweep(tx: &InstanceTx) -> Result<u64> {
    let ended = account_tickets::Entity::delete_many()
        .filter(account_tickets::Column::ExpiresAt.lte(tx.store().now()))
        .exec(tx.db())
        .await?;
    Ok(ended.rows_affected)
}

/// `<id>.<256 random bits>`, and the hash that is stored: random bits need no slow one.
fn new_token(id: TicketId) -> (SecretText, Vec<u8>) {
    let mut secret = Zeroizing::new([0; 32]);
    fill_random(&mut *secret);
    let text = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(*secret));
    (SecretText::new(format!("{id}.{}", *text)), Sha256::digest(*secret).to_vec())
}

fn parse(token: &str) -> Option<(TicketId, Vec<u8>)> {
    let (id, secret) = token.trim().split_once('.')?;
    let secret = Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(secret).ok()?);
    Some((id.parse().ok()?, Sha256::digest(&*secret).to_vec()))
}

fn seal<T: Serialize>(store: &Store, id: TicketId, about: &T) -> Result<Vec<u8>> {
    let json = serde_json::to_vec(about).map_err(|_| Error::internal("a ticket cannot be written"))?;
    Ok(store.vault().instance_key().seal(&place(id), &Zeroizing::new(json)))
}

fn open<T: DeserializeOwned>(store: &Store, row: &account_tickets::Model) -> Result<T> {
    let json = store.vault().instance_key().open(&place(row.id), &row.about_sealed)?;
    serde_json::from_slice(&json).map_err(|_| unreadable(row.id))
}

fn unreadable(id: TicketId) -> Error {
    Error::new(ErrorKind::Corrupt, format!("The ticket {id} cannot be read."))
}

fn place(id: TicketId) -> Place {
    Place::instance("account_tickets", "about_sealed", id.0)
}
