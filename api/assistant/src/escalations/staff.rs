//! What members of staff are called. Colleagues see it; visitors only where the assistant's settings say so, and otherwise
//! they talk to a member of staff without a name.

use std::collections::HashMap;

use consigne_foundation::{
    Error, Permission, Result, Scope,
    audit::{self, Event},
    error::ErrorKind,
    id::AccountId,
    scope::Actor,
    store::{Store, WorkspaceTx},
    vault::Place,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::OnConflict};

use crate::{entity::staff_names as table, knowledge::parse};

const LONGEST: usize = 60;

/// Says what the signed-in member is called; `None` takes the name away.
///
/// # Errors
/// `Forbidden` without `CHATS_ANSWER` and for anyone but a member; `Invalid`.
pub async fn set_own_name(scope: &Scope, store: &Store, name: Option<&str>) -> Result<Option<String>> {
    scope.require(Permission::ChatsAnswer)?;
    let Actor::Member { account, .. } = scope.actor() else {
        return Err(Error::new(ErrorKind::Forbidden, "Only a member has a name."));
    };
    let name = name.map(|name| parse::clean::one_line(name).trim().to_owned());
    if name.as_ref().is_some_and(|name| name.is_empty() || name.chars().count() > LONGEST) {
        return Err(Error::invalid("name", format!("Give a name of 1 to {LONGEST} characters, or none.")));
    }
    let key = store.vault().workspace_key(scope.workspace()).await?;
    let tx = store.write(scope).await?;
    match &name {
        None => {
            table::Entity::delete_by_id((scope.workspace(), account)).exec(tx.db()).await?;
        }
        Some(name) => {
            let row = table::ActiveModel {
                workspace_id: Set(scope.workspace()),
                account_id: Set(account),
                name_sealed: Set(key.seal_text(&place(&tx, account), name)),
                updated_at: Set(store.now()),
            };
            let again = OnConflict::columns([table::Column::WorkspaceId, table::Column::AccountId])
                .update_columns([table::Column::NameSealed, table::Column::UpdatedAt])
                .to_owned();
            table::Entity::insert(row).on_conflict(again).exec_without_returning(tx.db()).await?;
        }
    }
    audit::append(scope, &tx, Event::new("member.named").target("account", account.0)).await?;
    tx.commit().await?;
    Ok(name)
}

/// Forgets what a member is called, whose account is erased.
///
/// # Errors
/// `Unavailable`.
pub async fn forget(scope: &Scope, store: &Store, account: AccountId) -> Result<()> {
    let tx = store.write(scope).await?;
    let gone = table::Entity::delete_by_id((scope.workspace(), account)).exec(tx.db()).await?;
    if gone.rows_affected == 1 {
        audit::append(scope, &tx, Event::new("member.name_forgotten").target("account", account.0)).await?;
    }
    tx.commit().await
}

/// What these members are called, of those who said so.
///
/// # Errors
/// `Corrupt`, `Unavailable`.
pub(crate) async fn names(tx: &WorkspaceTx, accounts: &[AccountId]) -> Result<HashMap<AccountId, String>> {
    if accounts.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::AccountId.is_in(accounts.iter().copied()))
        .limit(1_000)
        .all(tx.db())
        .await?;
    if rows.is_empty() {
        return Ok(HashMap::new());
    }
    let key = tx.store().vault().workspace_key(tx.workspace()).await?;
    rows.into_iter()
        .map(|row| Ok((row.account_id, key.open_text(&place(tx, row.account_id), &row.name_sealed)?)))
        .collect()
}

/// The same, for whoever reads chats.
///
/// # Errors
/// `Forbidden` without `CHATS_READ`.
pub async fn names_of(scope: &Scope, store: &Store, accounts: &[AccountId]) -> Result<HashMap<AccountId, String>> {
    scope.require(Permission::ChatsRead)?;
    let tx = store.read(scope).await?;
    names(&tx, accounts).await
}

fn place(tx: &WorkspaceTx, account: AccountId) -> Place {
    Place::new(tx.workspace(), "staff_names", "name_sealed", account.0)
}
