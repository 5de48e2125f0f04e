//! Visitors whose identity the customer's server vouched for: one person an external id, sealed under the person's key.

use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use super::visitor_jwt::Known;
use crate::{
    error::{Error, Result},
    id::{SubjectId, WorkspaceId},
    privacy::subjects,
    scope::{Permission, Scope},
    store::{Store, WorkspaceTx, entity::visitor_identities as table},
    vault::{Key, Place},
};

/// Who a visitor is, as the customer's server said.
#[derive(Clone, PartialEq, Eq)]
pub struct VisitorIdentity {
    /// The person.
    pub subject: SubjectId,
    /// The customer's own id of the person.
    pub external_id: String,
    /// An address.
    pub email: Option<String>,
    /// A name.
    pub name: Option<String>,
}

/// Who this person is; none where nobody vouched for them.
///
/// # Errors
/// `Forbidden` without `CHATS_READ`, and for anyone but the person; `SubjectErased`.
pub async fn get(scope: &Scope, store: &Store, subject: SubjectId) -> Result<Option<VisitorIdentity>> {
    if scope.subject() != Some(subject) {
        scope.require(Permission::ChatsRead)?;
    }
    let tx = store.read(scope).await?;
    let Some(row) = table::Entity::find_by_id((scope.workspace(), subject)).one(tx.db()).await? else {
        return Ok(None);
    };
    drop(tx);
    let key = store.vault().subject_key(scope.workspace(), subject).await?;
    let open = |column, sealed: &[u8]| key.open_text(&place(scope.workspace(), column, subject), sealed);
    Ok(Some(VisitorIdentity {
        subject,
        external_id: open("external_sealed", &row.external_sealed)?,
        email: row.email_sealed.as_deref().map(|sealed| open("email_sealed", sealed)).transpose()?,
        name: row.name_sealed.as_deref().map(|sealed| open("name_sealed", sealed)).transpose()?,
    }))
}

/// What an external id is found by. Before a transaction: it asks the key store.
pub(super) async fn index(store: &Store, workspace: WorkspaceId, known: &Known) -> Result<Vec<u8>> {
    index_of(store, workspace, &known.external_id).await
}

/// What this external id is found by.
pub(crate) async fn index_of(store: &Store, workspace: WorkspaceId, external_id: &str) -> Result<Vec<u8>> {
    store.vault().blind_index(workspace, "external id", external_id).await
}

/// The person of an external id, the one who was named so before, or else a new one; what was said about them is brought up to date.
pub(super) async fn person(
    tx: &WorkspaceTx,
    index: &[u8],
    known: &Known,
    named: Option<SubjectId>,
    kind: &'static str,
) -> Result<SubjectId> {
    let found = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::ExternalIndex.eq(index.to_vec()))
        .one(tx.db())
        .await?;
    match found {
        Some(row) => {
            subjects::hold_active(tx, row.subject_id).await?;
            update(tx, row.subject_id, None, known).await?;
            Ok(row.subject_id)
        }
        None => {
            let subject = match named {
                Some(named) => {
                    subjects::hold_active(tx, named).await?;
                    named
                }
                None => subjects::create(tx, kind).await?,
            };
            // The customer's id of the person was put right, and is the new one from now on.
            let is_known = table::Entity::find_by_id((tx.workspace(), subject)).one(tx.db()).await?.is_some();
            if is_known {
                update(tx, subject, Some(index), known).await?;
            } else {
                insert(tx, subject, index, known).await?;
            }
            Ok(subject)
        }
    }
}

async fn insert(tx: &WorkspaceTx, subject: SubjectId, index: &[u8], known: &Known) -> Result<()> {
    let key = tx.store().vault().subject_key(tx.workspace(), subject).await?;
    let now = tx.store().now();
    let row = table::Model {
        workspace_id: tx.workspace(),
        subject_id: subject,
        external_index: index.to_vec(),
        external_sealed: seal(tx, &key, "external_sealed", subject, &known.external_id),
        email_sealed: known.email.as_ref().map(|email| seal(tx, &key, "email_sealed", subject, email)),
        name_sealed: known.name.as_ref().map(|name| seal(tx, &key, "name_sealed", subject, name)),
        created_at: now,
        updated_at: now,
    };
    table::Entity::insert(table::ActiveModel::from(row).reset_all()).exec_without_returning(tx.db()).await?;
    Ok(())
}

/// What is not said this time stays; the customer's id does where no other index is given.
async fn update(tx: &WorkspaceTx, subject: SubjectId, index: Option<&[u8]>, known: &Known) -> Result<()> {
    let key = tx.store().vault().subject_key(tx.workspace(), subject).await?;
    let mut update = table::Entity::update_many()
        .col_expr(table::Column::UpdatedAt, Expr::value(tx.store().now()))
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::SubjectId.eq(subject));
    if let Some(index) = index {
        let sealed = seal(tx, &key, "external_sealed", subject, &known.external_id);
        update = update.col_expr(table::Column::ExternalIndex, Expr::value(index.to_vec()));
        update = update.col_expr(table::Column::ExternalSealed, Expr::value(sealed));
    }
    if let Some(email) = &known.email {
        let sealed = seal(tx, &key, "email_sealed", subject, email);
        update = update.col_expr(table::Column::EmailSealed, Expr::value(sealed));
    }
    if let Some(name) = &known.name {
        let sealed = seal(tx, &key, "name_sealed", subject, name);
        update = update.col_expr(table::Column::NameSealed, Expr::value(sealed));
    }
    let updated = update.exec(tx.db()).await?;
    if updated.rows_affected == 1 { Ok(()) } else { Err(Error::not_found("person")) }
}

fn seal(tx: &WorkspaceTx, key: &Key, column: &'static str, subject: SubjectId, text: &str) -> Vec<u8> {
    key.seal_text(&place(tx.workspace(), column, subject), text)
}

fn place(workspace: WorkspaceId, column: &'static str, subject: SubjectId) -> Place {
    Place::new(workspace, "visitor_identities", column, subject.0)
}
