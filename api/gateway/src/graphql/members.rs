//! Members of the workspace: whom a chat can be given to, and what they may do.

use std::collections::HashMap;

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use consigne_assistant::escalations::staff;
use consigne_foundation::{
    Error, ErrorKind, Permission, Scope,
    id::AccountId,
    identity::{SignUp, accounts, members, review},
};

use super::{
    context::ContextExt,
    error::{UserError, refuse, split},
    names::RoleName,
    scalars::DateTime,
};

/// A member of the workspace.
#[derive(SimpleObject, Clone)]
pub struct Member {
    /// The account.
    pub account_id: ID,
    /// What they are in the workspace.
    pub role: RoleName,
    /// Which of the workspace's own roles they have: it allows some of what `role` does. Null where they have the whole of it.
    pub custom_role_id: Option<ID>,
    /// What they are called in chats, where they said so.
    pub staff_name: Option<String>,
    /// Whether a chat can be given to them.
    pub may_answer: bool,
    /// Since when.
    pub created_at: DateTime,
    /// Let in no more since.
    pub deactivated_at: Option<DateTime>,
    /// When somebody else has to confirm the membership (`confirmMembers`); fourteen days later it rests.
    pub review_due_at: DateTime,
    /// From when the member may do nothing but enrol a second factor; null where nothing is missing.
    pub must_enrol_from: Option<DateTime>,
}

/// Another role for a member.
#[derive(InputObject)]
pub struct ChangeMemberRoleInput {
    /// The account.
    pub account_id: ID,
    /// What they are to be; nothing that may do more than you.
    pub role: RoleName,
}

/// Which member.
#[derive(InputObject)]
pub struct MemberInput {
    /// The account.
    pub account_id: ID,
}

/// Which members.
#[derive(InputObject)]
pub struct ConfirmMembersInput {
    /// The accounts, a hundred at the most.
    pub account_ids: Vec<ID>,
}

/// Whether they were confirmed.
#[derive(SimpleObject)]
pub struct ConfirmMembersPayload {
    /// The members of the workspace; null where nobody was confirmed.
    pub members: Option<Vec<Member>>,
    /// Why nobody was.
    pub user_errors: Vec<UserError>,
}

/// Whether it was done.
#[derive(SimpleObject)]
pub struct MemberPayload {
    /// The member; null where it was not done, or they are none any more.
    pub member: Option<Member>,
    /// Why it was not done.
    pub user_errors: Vec<UserError>,
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
        Member::all(ctx, &scope).await
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
        if ctx.services().account_rules.sign_up == SignUp::Closed {
            let closed = Error::new(ErrorKind::Disabled, "Accounts are made by the operator here.");
            let (_, user_errors) = split::<()>(Err(closed))?;
            return Ok(AddMemberPayload { account_id: None, user_errors });
        }
        let added = accounts::add_member(&scope, ctx.store(), &input.email, &input.password, input.role.into()).await;
        let (account, user_errors) = split(added)?;
        Ok(AddMemberPayload { account_id: account.map(|id| id.to_string().into()), user_errors })
    }

    /// Gives a member another role, at once. Nobody their own. Needs a confirmed session, as all that follows.
    async fn change_member_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ChangeMemberRoleInput,
    ) -> Result<MemberPayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let account = AccountId::parse_or_unknown(&input.account_id);
        let done = members::change_role(&scope, ctx.store(), account, input.role.into()).await;
        MemberPayload::of(ctx, &scope, account, done).await
    }

    /// Lets a member in no more; their sessions in the workspace end at once.
    async fn deactivate_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: MemberInput,
    ) -> Result<MemberPayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let account = AccountId::parse_or_unknown(&input.account_id);
        let done = members::deactivate(&scope, ctx.store(), account).await;
        MemberPayload::of(ctx, &scope, account, done).await
    }

    /// Lets a member in again.
    async fn reactivate_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: MemberInput,
    ) -> Result<MemberPayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let account = AccountId::parse_or_unknown(&input.account_id);
        let done = members::reactivate(&scope, ctx.store(), account).await;
        MemberPayload::of(ctx, &scope, account, done).await
    }

    /// Confirms that members still need what they may do, once a quarter. All of them or none; nobody themselves. Who is not
    /// confirmed within fourteen days is let in no more, until `reactivateMember`.
    async fn confirm_members(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ConfirmMembersInput,
    ) -> Result<ConfirmMembersPayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let accounts: Vec<AccountId> = input.account_ids.iter().map(|id| AccountId::parse_or_unknown(id)).collect();
        let (done, user_errors) = split(review::confirm(&scope, ctx.store(), &accounts).await)?;
        let members = if done.is_some() { Some(Member::all(ctx, &scope).await?) } else { None };
        Ok(ConfirmMembersPayload { members, user_errors })
    }

    /// Ends a membership; their sessions in the workspace end at once.
    async fn remove_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: MemberInput,
    ) -> Result<MemberPayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let account = AccountId::parse_or_unknown(&input.account_id);
        let done = members::remove(&scope, ctx.store(), account).await;
        MemberPayload::of(ctx, &scope, account, done).await
    }
}

impl MemberPayload {
    pub(super) async fn of(
        ctx: &Context<'_>,
        scope: &Scope,
        account: AccountId,
        done: consigne_foundation::Result<()>,
    ) -> Result<Self> {
        let (done, user_errors) = split(done)?;
        if done.is_none() {
            return Ok(Self { member: None, user_errors });
        }
        let id = ID::from(account.to_string());
        let member = Member::all(ctx, scope).await?.into_iter().find(|member| member.account_id == id);
        Ok(Self { member, user_errors })
    }
}

impl Member {
    async fn all(ctx: &Context<'_>, scope: &Scope) -> Result<Vec<Self>> {
        let all = accounts::members(scope, ctx.store()).await.map_err(refuse)?;
        let ids: Vec<AccountId> = all.iter().map(|member| member.account).collect();
        let names = staff::names_of(scope, ctx.store(), &ids).await.map_err(refuse)?;
        Ok(all.into_iter().map(|member| Self::of(member, &names)).collect())
    }

    fn of(member: accounts::Member, names: &HashMap<AccountId, String>) -> Self {
        Self {
            account_id: member.account.to_string().into(),
            role: member.role.into(),
            staff_name: names.get(&member.account).cloned(),
            custom_role_id: member.custom_role.map(|id| id.to_string().into()),
            may_answer: member.deactivated_at.is_none() && member.permissions.has(Permission::ChatsAnswer),
            created_at: member.created_at.into(),
            deactivated_at: member.deactivated_at.map(DateTime::from),
            review_due_at: member.review_due_at.into(),
            must_enrol_from: member.must_enrol_from.map(DateTime::from),
        }
    }
}
