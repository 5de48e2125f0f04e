//! Canned replies: texts that staff send often, kept for the workspace.

use consigne_foundation::{
    Error, Permission, Result, Scope, Timestamp,
    audit::{self, Event},
    id::CannedReplyId,
    store::{Store, WorkspaceTx},
    vault::Place,
};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, sea_query::Expr};

use super::replies;
use crate::{entity::canned_replies as table, knowledge::parse};

const MOST: u64 = 500;
const LONGEST_TITLE: usize = 100;

/// A canned reply.
#[derive(Clone, PartialEq, Eq)]
pub struct CannedReply {
    /// The reply.
    pub id: CannedReplyId,
    /// What staff finds it by.
    pub title: String,
    /// What is sent.
    pub text: String,
    /// Written at.
    pub created_at: Timestamp,
    /// Changed at.
    pub updated_at: Timestamp,
}

/// All of the workspace, oldest first: 500 at most.
///
/// # Errors
/// `Forbidden` without `CHATS_ANSWER`.
pub async fn list(scope: &Scope, store: &Store) -> Result<Vec<CannedReply>> {
    scope.require(Permission::ChatsAnswer)?;
    let key = store.vault().workspace_key(scope.workspace()).await?;
    let tx = store.read(scope).await?;
    let rows = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .order_by_asc(table::Column::Id)
        .all(tx.db())
        .await?;
    rows.into_iter()
        .map(|row| {
            Ok(CannedReply {
                id: row.id,
                title: key.open_text(&place(&tx, "title_sealed", row.id), &row.title_sealed)?,
                text: key.open_text(&place(&tx, "text_sealed", row.id), &row.text_sealed)?,
                created_at: row.created_at,
                updated_at: row.updated_at,
            })
        })
        .collect()
}

/// Adds one.
///
/// # Errors
/// `Forbidden` without `CHATS_ANSWER`; `Invalid`; `LimitExceeded`.
pub async fn create(scope: &Scope, store: &Store, title: &str, text: &str) -> Result<CannedReply> {
    scope.require(Permission::ChatsAnswer)?;
    let (title, text) = check(title, text)?;
    let key = store.vault().workspace_key(scope.workspace()).await?;
    let tx = store.write(scope).await?;
    let of_workspace = table::Entity::find().filter(table::Column::WorkspaceId.eq(scope.workspace()));
    if of_workspace.count(tx.db()).await? >= MOST {
        let message = format!("A workspace has {MOST} canned replies at most.");
        return Err(Error::new(consigne_foundation::ErrorKind::LimitExceeded, message));
    }
    let (id, now) = (CannedReplyId::new(store.clock()), store.now());
    let row = table::ActiveModel {
        workspace_id: Set(scope.workspace()),
        id: Set(id),
        title_sealed: Set(key.seal_text(&place(&tx, "title_sealed", id), &title)),
        text_sealed: Set(key.seal_text(&place(&tx, "text_sealed", id), &text)),
        created_at: Set(now),
        updated_at: Set(now),
    };
    table::Entity::insert(row).exec_without_returning(tx.db()).await?;
    audit::append(scope, &tx, Event::new("canned_reply.created").target("canned_reply", id.0)).await?;
    tx.commit().await?;
    Ok(CannedReply { id, title, text, created_at: now, updated_at: now })
}

/// Changes one.
///
/// # Errors
/// `Forbidden` without `CHATS_ANSWER`; `NotFound`; `Invalid`.
pub async fn change(scope: &Scope, store: &Store, id: CannedReplyId, title: &str, text: &str) -> Result<CannedReply> {
    scope.require(Permission::ChatsAnswer)?;
    let (title, text) = check(title, text)?;
    let key = store.vault().workspace_key(scope.workspace()).await?;
    let tx = store.write(scope).await?;
    let row = table::Entity::find_by_id((scope.workspace(), id)).one(tx.db()).await?;
    let row = row.ok_or_else(|| Error::not_found("canned reply"))?;
    table::Entity::update_many()
        .col_expr(table::Column::TitleSealed, Expr::value(key.seal_text(&place(&tx, "title_sealed", id), &title)))
        .col_expr(table::Column::TextSealed, Expr::value(key.seal_text(&place(&tx, "text_sealed", id), &text)))
        .col_expr(table::Column::UpdatedAt, Expr::value(store.now()))
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::Id.eq(id))
        .exec(tx.db())
        .await?;
    audit::append(scope, &tx, Event::new("canned_reply.changed").target("canned_reply", id.0)).await?;
    tx.commit().await?;
    Ok(CannedReply { id, title, text, created_at: row.created_at, updated_at: store.now() })
}

/// Takes one away.
///
/// # Errors
/// `Forbidden` without `CHATS_ANSWER`; `NotFound`.
pub async fn delete(scope: &Scope, store: &Store, id: CannedReplyId) -> Result<()> {
    scope.require(Permission::ChatsAnswer)?;
    let tx = store.write(scope).await?;
    let deleted = table::Entity::delete_by_id((scope.workspace(), id)).exec(tx.db()).await?;
    if deleted.rows_affected == 0 {
        return Err(Error::not_found("canned reply"));
    }
    audit::append(scope, &tx, Event::new("canned_reply.deleted").target("canned_reply", id.0)).await?;
    tx.commit().await
}

fn check(title: &str, text: &str) -> Result<(String, String)> {
    let title = parse::clean::one_line(title).trim().to_owned();
    if title.is_empty() || title.chars().count() > LONGEST_TITLE {
        return Err(Error::invalid("title", format!("Give a title of 1 to {LONGEST_TITLE} characters.")));
    }
    let text = parse::clean::clean(text).trim().to_owned();
    if text.is_empty() || text.chars().count() > replies::MOST_CHARACTERS {
        return Err(Error::invalid("text", format!("Give a text of 1 to {} characters.", replies::MOST_CHARACTERS)));
    }
    Ok((title, text))
}

fn place(tx: &WorkspaceTx, column: &'static str, id: CannedReplyId) -> Place {
    Place::new(tx.workspace(), "canned_replies", column, id.0)
}
