//! What this crate holds about a member: the account, memberships, sessions, passkeys, the keys they made, and what they did.
//!
//! Members are people of the installation, and each workspace answers for what is in it. So a member is shown what this
//! workspace holds, with their account; and erasing them takes their traces here, and the account where no membership is left.

use async_trait::async_trait;
use sea_orm::{
    ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter,
    sea_query::{Expr, Query},
};

use super::{
    DataHolder,
    holding::{self, Counted, Holding, Provided, Table},
    identifiers,
};
use crate::{
    error::Result,
    id::{AccountId, SubjectId},
    identity::closing,
    scope::Scope,
    store::{
        Store, WorkspaceTx,
        entity::{accounts, api_keys, memberships, sessions},
    },
};

/// Accounts, memberships, sessions, passkeys, and the audit entries of what a member did, which stay.
pub struct MemberHolder(pub Store);

static TABLES: [Table; 7] = [
    Table::of_account("accounts", "the person, or who added them", "id").workspace_in(None).provided(&[Provided {
        kind: "ACCOUNT",
        when: None,
        text: "email",
        id: Some("id"),
        within: None,
        at: Some("created_at"),
        of_type: None,
    }]),
    Table::of_account("memberships", "who added them", "account_id").workspace_in(Some("member_workspace_id")),
    Table::of_account("sessions", "the service itself, when the person signed in", "account_id")
        .workspace_in(Some("member_workspace_id")),
    Table::of_account("passkeys", "the person", "account_id").workspace_in(None).only(&[
        "id",
        "name_sealed",
        "is_backed_up",
        "created_at",
        "last_used_at",
    ]),
    Table::of_account("api_keys", "the person", "created_by").only(&["id", "name", "created_by", "created_at"]),
    Table::of_account("erasures", "the service itself, when the person served a right", "requested_by").only(&[
        "id",
        "requested_at",
        "requested_by",
    ]),
    Table::of_account("audit_entries", "the service itself, when the person did something", "actor_id").only(&[
        "seq",
        "at",
        "actor_kind",
        "actor_id",
        "action",
        "target_kind",
        "target_id",
    ]),
];

#[async_trait]
impl DataHolder for MemberHolder {
    fn name(&self) -> &'static str {
        "members"
    }

    fn tables(&self) -> &'static [Table] {
        &TABLES
    }

    async fn count(&self, scope: &Scope, subject: SubjectId) -> Result<u64> {
        let tx = self.0.read(scope).await?;
        let Some(account) = identifiers::account_of(&tx, subject).await? else { return Ok(0) };
        let left = is_member_anywhere(&tx, account).await?;
        Ok(sessions_here(&tx, account).count(tx.db()).await?
            + keys_made_by(&tx, account).count(tx.db()).await?
            + if left { 0 } else { accounts::Entity::find_by_id(account).count(tx.db()).await? })
    }

    async fn inventory(&self, scope: &Scope, subject: SubjectId) -> Result<Vec<Counted>> {
        holding::inventory(scope, &self.0, &TABLES, subject).await
    }

    async fn export(&self, scope: &Scope, subject: SubjectId) -> Result<Vec<Holding>> {
        holding::export(scope, &self.0, &TABLES, subject).await
    }

    async fn restrict(&self, _: &WorkspaceTx, _: SubjectId) -> Result<()> {
        Ok(())
    }

    async fn lift(&self, _: &WorkspaceTx, _: SubjectId) -> Result<()> {
        Ok(())
    }

    async fn erase(&self, scope: &Scope, subject: SubjectId) -> Result<u64> {
        let tx = self.0.write(scope).await?;
        let Some(account) = identifiers::account_of(&tx, subject).await? else { return Ok(0) };
        let of_sessions = sessions::Entity::delete_many()
            .filter(sessions::Column::AccountId.eq(account))
            .filter(sessions::Column::MemberWorkspaceId.eq(scope.workspace()))
            .exec(tx.db())
            .await?;
        let of_keys = api_keys::Entity::update_many()
            .col_expr(api_keys::Column::CreatedBy, Expr::value(Option::<uuid::Uuid>::None))
            .filter(api_keys::Column::WorkspaceId.eq(scope.workspace()))
            .filter(api_keys::Column::CreatedBy.eq(account.0))
            .exec(tx.db())
            .await?;
        let mut erased = of_sessions.rows_affected + of_keys.rows_affected;
        if !is_member_anywhere(&tx, account).await? {
            closing::remove_what_opens(&tx, account).await?;
            let memberships_left = Query::select()
                .column(memberships::Column::AccountId)
                .from(memberships::Entity)
                .and_where(memberships::Column::AccountId.eq(account))
                .to_owned();
            erased += accounts::Entity::delete_many()
                .filter(accounts::Column::Id.eq(account))
                .filter(accounts::Column::Id.not_in_subquery(memberships_left))
                .exec(tx.db())
                .await?
                .rows_affected;
        }
        tx.commit().await?;
        Ok(erased)
    }
}

async fn is_member_anywhere(tx: &WorkspaceTx, account: AccountId) -> Result<bool> {
    let any = memberships::Entity::find().filter(memberships::Column::AccountId.eq(account)).count(tx.db()).await?;
    Ok(any > 0)
}

fn sessions_here(tx: &WorkspaceTx, account: AccountId) -> sea_orm::Select<sessions::Entity> {
    sessions::Entity::find()
        .filter(sessions::Column::AccountId.eq(account))
        .filter(sessions::Column::MemberWorkspaceId.eq(tx.workspace()))
}

fn keys_made_by(tx: &WorkspaceTx, account: AccountId) -> sea_orm::Select<api_keys::Entity> {
    api_keys::Entity::find()
        .filter(api_keys::Column::WorkspaceId.eq(tx.workspace()))
        .filter(api_keys::Column::CreatedBy.eq(account.0))
}
