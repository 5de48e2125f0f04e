//! Making an account by oneself: an address, a link that is mailed to it, and a workspace of one's own.
//!
//! Nothing but a sealed ticket is kept before the link is opened, and it ends after a day. Whether an address has an
//! account is told to that address alone.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};
use serde::{Deserialize, Serialize};

use super::{
    AccountRules, FirstStart, Role, SignUp, Whence, accounts,
    email::{self, Email},
    password, passwords, throttle,
    tickets::{self, Purpose},
    unauthenticated,
};
use crate::{
    audit::{self, Event},
    error::{Error, ErrorKind, Result},
    id::AccountId,
    scope::Scope,
    store::{Store, entity::accounts as account_table},
    workspaces,
};

/// What somebody who signs up wishes for.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Wish {
    pub address: String,
    password_hash: String,
    workspace_name: String,
}

/// What an address that was shown to be somebody's leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verified {
    /// A new account and its workspace.
    SignedUp(FirstStart),
    /// The address of an account.
    Address(AccountId),
}

/// Takes the wish, and has a link mailed to the address. The answer is the same whether it has an account or not.
///
/// # Errors
/// `Disabled` unless sign-up is open; `Invalid`; `RateLimited`.
pub async fn request(
    store: &Store,
    rules: AccountRules,
    address: &str,
    password: &str,
    workspace_name: &str,
    whence: &Whence,
) -> Result<()> {
    if rules.sign_up != SignUp::Open {
        return Err(Error::new(ErrorKind::Disabled, "Accounts are made by invitation here."));
    }
    Email::parse(address)?;
    password::check(password)?;
    workspaces::New::check(store, workspace_name, &["en".to_owned()])?;
    throttle::take(store, throttle::MAILS, &email::index_of_typed(store, address)).await?;
    throttle::take_from(store, throttle::MAILS_FROM, whence).await?;
    let wish = Wish {
        address: address.to_owned(),
        password_hash: password::hash(password).await?,
        workspace_name: workspace_name.to_owned(),
    };
    let tx = store.write_instance().await?;
    tickets::mail(&tx, Purpose::SignUp, None, &wish).await?;
    tx.commit().await
}

/// Has a link mailed to the member's own address, to show that it is theirs.
///
/// # Errors
/// `Forbidden` for anyone but a member; `Conflict` where that was shown; `RateLimited`; `Misconfigured` without a mail
/// server.
pub async fn request_verification(scope: &Scope, store: &Store, rules: AccountRules) -> Result<()> {
    let (account, _) = scope.member()?;
    require_mail(rules)?;
    let row = passwords::find(store, account).await?.ok_or_else(unauthenticated)?;
    if row.email_verified_at.is_some() {
        return Err(Error::new(ErrorKind::Conflict, "This address is verified."));
    }
    throttle::take(store, throttle::MAILS, &row.email_index).await?;
    let tx = store.write_instance().await?;
    tickets::withdraw(&tx, account, &[Purpose::VerifyAddress]).await?;
    tickets::mail(&tx, Purpose::VerifyAddress, Some(account), &passwords::Nothing {}).await?;
    tx.commit().await
}

/// Takes the token of a mailed link: makes the account that was wished for, or marks an account's address as verified.
///
/// # Errors
/// `Unauthenticated`, whatever is wrong with the token; `Conflict` where the address got an account meanwhile.
pub async fn verify(store: &Store, token: &str) -> Result<Verified> {
    match tickets::look_at::<Wish>(store, Purpose::SignUp, token).await {
        Ok(shown) => make(store, token, shown.about).await.map(Verified::SignedUp),
        Err(error) if error.kind() == ErrorKind::Unauthenticated => {
            verify_address(store, token).await.map(Verified::Address)
        }
        Err(error) => Err(error),
    }
}

pub(super) fn require_mail(rules: AccountRules) -> Result<()> {
    if rules.has_mail {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Misconfigured, "This installation has no mail server. Ask its operator."))
}

async fn make(store: &Store, token: &str, wish: Wish) -> Result<FirstStart> {
    let email = Email::parse(&wish.address)?;
    let new = workspaces::New::check(store, &wish.workspace_name, &["en".to_owned()])?;
    // The key store is another database: its key first, so that no row waits for it.
    store.vault().workspace_key(new.id()).await?;
    let scope = Scope::duty(new.id(), "sign-up");
    let tx = store.write(&scope).await?;
    tickets::claim::<Wish>(&tx, Purpose::SignUp, token).await?;
    let workspace = new.insert(&scope, &tx).await?.id;
    let account = accounts::insert_account(&tx, &email, wish.password_hash, Some(store.now())).await?;
    accounts::insert_membership(&tx, account, Role::Owner).await?;
    let event = Event::new("member.added").target("account", account.0).detail("role", Role::Owner.name());
    audit::append(&scope, &tx, event).await?;
    tx.commit().await?;
    Ok(FirstStart { account, workspace })
}

async fn verify_address(store: &Store, token: &str) -> Result<AccountId> {
    let tx = store.write_instance().await?;
    let shown = tickets::claim::<passwords::Nothing>(&tx, Purpose::VerifyAddress, token).await?;
    let account = shown.account.ok_or_else(unauthenticated)?;
    account_table::Entity::update_many()
        .col_expr(account_table::Column::EmailVerifiedAt, Expr::value(store.now()))
        .filter(account_table::Column::Id.eq(account))
        .exec(tx.db())
        .await?;
    let event = Event::new("account.address_verified").target("account", account.0);
    let tx = passwords::record(tx, account, None, &event).await?;
    tx.commit().await?;
    Ok(account)
}
