//! Members of the workspace: whom a chat can be given to.

use std::collections::HashMap;

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use consigne_assistant::escalations::staff;
use consigne_foundation::{Permission, id::AccountId, identity::accounts};

use super::{
    context::ContextExt,
    error::{UserError, refuse, split},
    identity::RoleName,
    scalars::DateTime,
};

/// A member of the workspace.
#[derive(SimpleObject, Clone)]
pub struct Member {
    /// The account.
    pub account_id: ID,
    /// What they are in the workspace.
    pub role: RoleName,
    /// What they are called in chats, where they said so.
    pub staff_name: Option<String>,
    /// Whether a chat can be given to them.
    pub may_answer: bool,
    /// Since when.
    pub created_at: DateTime,
}

/// A member to be added.
#[derive(InputObject)]
pub struct AddMemberInput {
    /// The e-mail address of the new account.
    #[graphql(secret)]
    pub email: String,
    /// The password that the member signs in with first.
    #[graphql(secret)]
    pub password: String,
    /// What they are to be; nothing that may do more than you.
    pub role: RoleName,
}

/// The account, or why there is none.
#[derive(SimpleObject)]
pub struct AddMemberPayload {
    /// The account.
    pub account_id: Option<ID>,
    /// Why there is none.
    pub user_errors: Vec<UserError>,
}

/// Reading members.
#[derive(Default)]
pub struct MemberQuery;

#[Object]
impl MemberQuery {
    /// The members of the workspace, the oldest membership first.
    async fn members(&self, ctx: &Context<'_>) -> Result<Vec<Member>> {
        let scope = ctx.scope(Permission::ChatsRead)?;
        let all = accounts::members(&scope, ctx.store()).await.map_err(refuse)?;
        let ids: Vec<AccountId> = all.iter().map(|member| member.account).collect();
        let names = staff::names_of(&scope, ctx.store(), &ids).await.map_err(refuse)?;
        Ok(all.into_iter().map(|member| Member::of(member, &names)).collect())
    }
}

/// Adding members.
#[derive(Default)]
pub struct MemberMutation;

#[Object]
impl MemberMutation {
    /// Makes an account that is a member of the workspace.
    async fn add_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: AddMemberInput,
    ) -> Result<AddMemberPayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let added = accounts::add_member(&scope, ctx.store(), &input.email, &input.password, input.role.into()).await;
        let (account, user_errors) = split(added)?;
        Ok(AddMemberPayload { account_id: account.map(|id| id.to_string().into()), user_errors })
    }
}

impl Member {
    fn of(member: accounts::Member, names: &HashMap<AccountId, String>) -> Self {
        Self {
            account_id: member.account.to_string().into(),
            role: member.role.into(),
            staff_name: names.get(&member.account).cloned(),
            may_answer: member.role.permissions().has(Permission::ChatsAnswer),
            created_at: member.created_at.into(),
        }
    }
}
