//! How often may be tried: so many tries at once, which come back one by one. Counted in the database, so that several
//! gateways count together, by keyed tags: whoever reads the table learns no address.
//!
//! The generic cell rate algorithm: one moment a tag says when all its tries will be back.

use std::time::Duration;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Statement};

use super::{ip_tags, whence::Whence};
use crate::{
    error::{Error, ErrorKind, Result},
    store::{InstanceTx, Store, entity::tries},
};

/// What is counted, how many tries there are, and in which time one comes back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rule {
    name: &'static str,
    one: Duration,
    all: Duration,
}

impl Rule {
    const fn new(name: &'static str, tries: u64, one: Duration) -> Self {
        Self { name, one, all: Duration::from_secs(one.as_secs() * tries) }
    }
}

/// Passwords for one address.
pub(super) const PASSWORDS: Rule = Rule::new("passwords", 10, Duration::from_secs(90));

/// Wrong passwords from one network.
pub(super) const PASSWORDS_FROM: Rule = Rule::new("passwords from", 50, Duration::from_secs(18));

/// Mails to one address.
pub(super) const MAILS: Rule = Rule::new("mails", 5, Duration::from_secs(600));

/// Mails that one network asks for.
pub(super) const MAILS_FROM: Rule = Rule::new("mails from", 20, Duration::from_secs(180));

/// Codes for one account.
pub(super) const CODES: Rule = Rule::new("codes", 5, Duration::from_secs(180));

/// Passkeys that one network begins or shows.
pub(super) const PASSKEYS_FROM: Rule = Rule::new("passkeys from", 100, Duration::from_secs(9));

/// Sign-ins at a provider that one address begins.
pub(super) const SIGN_ONS: Rule = Rule::new("sign-ons", 10, Duration::from_secs(90));

/// Sign-ins at providers that one network begins or ends.
pub(super) const SIGN_ONS_FROM: Rule = Rule::new("sign-ons from", 100, Duration::from_secs(9));

/// Takes one try.
///
/// # Errors
/// `RateLimited` where none is left.
pub(super) async fn take(store: &Store, rule: Rule, whom: &[u8]) -> Result<()> {
    let now = store.now();
    let one = i64::try_from(rule.one.as_millis()).unwrap_or(i64::MAX);
    // Both databases decide and count in this one statement.
    let sql = "INSERT INTO tries AS t (tag, all_back_at) VALUES ($1, $2 + $3) ON CONFLICT (tag) DO UPDATE \
               SET all_back_at = (CASE WHEN t.all_back_at > $2 THEN t.all_back_at ELSE $2 END) + $3 \
               WHERE (CASE WHEN t.all_back_at > $2 THEN t.all_back_at ELSE $2 END) + $3 <= $4";
    let values = [tag(store, rule, whom).into(), now.into(), one.into(), now.plus(rule.all).into()];
    let tx = store.write_instance_relaxed().await?;
    let taken = tx.db().execute_raw(Statement::from_sql_and_values(store.backend(), sql, values)).await?;
    tx.commit().await?;
    if taken.rows_affected() == 1 {
        return Ok(());
    }
    Err(Error::new(ErrorKind::RateLimited, "Too many tries. Wait some minutes, then try again."))
}

/// As [`take`], by the network that somebody comes from, where it is known.
///
/// # Errors
/// As [`take`].
pub(super) async fn take_from(store: &Store, rule: Rule, whence: &Whence) -> Result<()> {
    match whence.address() {
        Some(address) => take(store, rule, &ip_tags::tag(store, address).await?).await,
        None => Ok(()),
    }
}

/// Gives all tries back: the right person came.
pub(super) async fn forgive(tx: &InstanceTx, rule: Rule, whom: &[u8]) -> Result<()> {
    tries::Entity::delete_by_id(tag(tx.store(), rule, whom)).exec(tx.db()).await?;
    Ok(())
}

/// Gives one try back to a network: the right person came.
pub(super) async fn forgive_one_from(store: &Store, rule: Rule, whence: &Whence) -> Result<()> {
    let Some(address) = whence.address() else { return Ok(()) };
    let whom = ip_tags::tag(store, address).await?;
    let one = i64::try_from(rule.one.as_millis()).unwrap_or(i64::MAX);
    let sql = "UPDATE tries SET all_back_at = all_back_at - $2 WHERE tag = $1";
    let tx = store.write_instance_relaxed().await?;
    let values = [tag(store, rule, &whom).into(), one.into()];
    tx.db().execute_raw(Statement::from_sql_and_values(store.backend(), sql, values)).await?;
    tx.commit().await
}

/// Forgets those whose tries are all back.
pub(super) async fn forget(tx: &InstanceTx) -> Result<u64> {
    let back =
        tries::Entity::delete_many().filter(tries::Column::AllBackAt.lte(tx.store().now())).exec(tx.db()).await?;
    Ok(back.rows_affected)
}

fn tag(store: &Store, rule: Rule, whom: &[u8]) -> Vec<u8> {
    store.vault().instance_index("tries", &format!("{}/{}", rule.name, hex::encode(whom)))
}
