//! Recovery codes: ten, each of which works once. What is stored of one is a keyed hash: 50 random bits alone could be
//! tried out by whoever has the table.

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, sea_query::Expr};

use super::super::SecretText;
use crate::{
    error::Result,
    id::{AccountId, encode, random_uuid},
    store::{InstanceTx, Store, entity::recovery_codes},
};

/// How many there are.
pub const CODES: usize = 10;

/// Characters of a code, of five bits each.
const LENGTH: usize = 10;

/// New codes in place of all old ones: `4f7kq-2m9xd`.
pub(super) async fn renew(tx: &InstanceTx, account: AccountId) -> Result<Vec<SecretText>> {
    remove(tx, account).await?;
    // The last characters of a random UUID are random bits alone.
    let codes: Vec<String> = (0..CODES).map(|_| encode(random_uuid())[26 - LENGTH..].to_owned()).collect();
    let rows = codes.iter().map(|code| recovery_codes::ActiveModel {
        account_id: Set(account),
        code_hash: Set(hash(tx.store(), account, code)),
        used_at: Set(None),
    });
    recovery_codes::Entity::insert_many(rows).exec_without_returning(tx.db()).await?;
    Ok(codes.iter().map(|code| SecretText::new(format!("{}-{}", &code[..5], &code[5..]))).collect())
}

/// Uses a code up; of two callers one gets it.
pub(super) async fn take(tx: &InstanceTx, account: AccountId, typed: &str) -> Result<bool> {
    let code: String = typed.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let taken = recovery_codes::Entity::update_many()
        .col_expr(recovery_codes::Column::UsedAt, Expr::value(tx.store().now()))
        .filter(recovery_codes::Column::AccountId.eq(account))
        .filter(recovery_codes::Column::CodeHash.eq(hash(tx.store(), account, &code)))
        .filter(recovery_codes::Column::UsedAt.is_null())
        .exec(tx.db())
        .await?;
    Ok(taken.rows_affected == 1)
}

/// How many were not used.
pub(super) async fn left(tx: &InstanceTx, account: AccountId) -> Result<u64> {
    let unused = recovery_codes::Entity::find()
        .filter(recovery_codes::Column::AccountId.eq(account))
        .filter(recovery_codes::Column::UsedAt.is_null());
    Ok(unused.count(tx.db()).await?)
}

pub(super) async fn remove(tx: &InstanceTx, account: AccountId) -> Result<()> {
    recovery_codes::Entity::delete_many().filter(recovery_codes::Column::AccountId.eq(account)).exec(tx.db()).await?;
    Ok(())
}

fn hash(store: &Store, account: AccountId, code: &str) -> Vec<u8> {
    store.vault().instance_index("recovery code", &format!("{account}/{code}"))
}
