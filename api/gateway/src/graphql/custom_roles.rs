//! Roles of the workspace's own.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use consigne_foundation::{
    Permission,
    id::{AccountId, CustomRoleId},
    identity::custom_roles,
};

use super::{
    context::ContextExt,
    error::{UserError, refuse, split},
    members::MemberPayload,
    names::{PermissionName, RoleName},
    scalars::DateTime,
};

/// A role of the workspace's own: a name for some of what one of the roles may do.
#[derive(SimpleObject, Clone)]
pub struct CustomRole {
    /// Its id.
    pub id: ID,
    /// What it is called.
    pub name: String,
    /// Whose permissions it has some of.
    pub role: RoleName,
    /// What whoever has it may do.
    pub permissions: Vec<PermissionName>,
    /// Made at.
    pub created_at: DateTime,
}

/// A role to be made.
#[derive(InputObject)]
pub struct CreateCustomRoleInput {
    /// What it is to be called, 60 characters at the most.
    pub name: String,
    /// Whose permissions it is to have some of; not `OWNER`, not `VISITOR`.
    pub role: RoleName,
    /// What it allows; nothing that you may not do.
    pub permissions: Vec<PermissionName>,
}

/// What to change of a role; what is left out stays.
#[derive(InputObject)]
pub struct ChangeCustomRoleInput {
    /// The role.
    pub custom_role_id: ID,
    /// What it is to be called.
    pub name: Option<String>,
    /// What it is to allow, to everybody who has it, at once.
    pub permissions: Option<Vec<PermissionName>>,
}

/// Which role to take away.
#[derive(InputObject)]
pub struct DeleteCustomRoleInput {
    /// The role; nobody may have it, or be invited to it.
    pub custom_role_id: ID,
}

/// Who is to have which role.
#[derive(InputObject)]
pub struct AssignCustomRoleInput {
    /// The account.
    pub account_id: ID,
    /// The role.
    pub custom_role_id: ID,
}

/// The role, or why it is not as it was wanted.
#[derive(SimpleObject)]
pub struct CustomRolePayload {
    /// The role.
    pub custom_role: Option<CustomRole>,
    /// Why not.
    pub user_errors: Vec<UserError>,
}

/// Whether it was taken away.
#[derive(SimpleObject)]
pub struct DeleteCustomRolePayload {
    /// Whether there is none any more.
    pub is_deleted: bool,
    /// Why there still is.
    pub user_errors: Vec<UserError>,
}

/// Reading roles.
#[derive(Default)]
pub struct CustomRoleQuery;

#[Object]
impl CustomRoleQuery {
    /// The roles of the workspace's own, by name.
    async fn custom_roles(&self, ctx: &Context<'_>) -> Result<Vec<CustomRole>> {
        let scope = ctx.scope(Permission::WorkspaceRead)?;
        let all = custom_roles::list(&scope, ctx.store()).await.map_err(refuse)?;
        Ok(all.into_iter().map(CustomRole::from).collect())
    }
}

/// Making and giving roles.
#[derive(Default)]
pub struct CustomRoleMutation;

#[Object]
impl CustomRoleMutation {
    /// Makes a role of the workspace's own. Needs a confirmed session, as all that follows.
    async fn create_custom_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: CreateCustomRoleInput,
    ) -> Result<CustomRolePayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let permissions = named(&input.permissions);
        let made = custom_roles::create(&scope, ctx.store(), &input.name, input.role.into(), &permissions).await;
        CustomRolePayload::of(made)
    }

    /// Changes a role of the workspace's own, for everybody who has it, at once.
    async fn change_custom_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ChangeCustomRoleInput,
    ) -> Result<CustomRolePayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let id = CustomRoleId::parse_or_unknown(&input.custom_role_id);
        let permissions = input.permissions.as_deref().map(named);
        let (name, permissions) = (input.name.as_deref(), permissions.as_deref());
        CustomRolePayload::of(custom_roles::change(&scope, ctx.store(), id, name, permissions).await)
    }

    /// Takes a role of the workspace's own away, which nobody has.
    async fn delete_custom_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: DeleteCustomRoleInput,
    ) -> Result<DeleteCustomRolePayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let id = CustomRoleId::parse_or_unknown(&input.custom_role_id);
        let (done, user_errors) = split(custom_roles::delete(&scope, ctx.store(), id).await)?;
        Ok(DeleteCustomRolePayload { is_deleted: done.is_some(), user_errors })
    }

    /// Gives a member a role of the workspace's own, at once. Nobody their own. `changeMemberRole` gives a whole role again.
    async fn assign_custom_role(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: AssignCustomRoleInput,
    ) -> Result<MemberPayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let account = AccountId::parse_or_unknown(&input.account_id);
        let id = CustomRoleId::parse_or_unknown(&input.custom_role_id);
        let done = custom_roles::assign(&scope, ctx.store(), account, id).await;
        MemberPayload::of(ctx, &scope, account, done).await
    }
}

fn named(permissions: &[PermissionName]) -> Vec<Permission> {
    permissions.iter().map(|name| Permission::from(*name)).collect()
}

impl CustomRolePayload {
    fn of(made: consigne_foundation::Result<custom_roles::CustomRole>) -> Result<Self> {
        let (made, user_errors) = split(made)?;
        Ok(Self { custom_role: made.map(CustomRole::from), user_errors })
    }
}

impl From<custom_roles::CustomRole> for CustomRole {
    fn from(role: custom_roles::CustomRole) -> Self {
        Self {
            id: role.id.to_string().into(),
            name: role.name,
            role: role.role.into(),
            permissions: role.permissions.list().into_iter().map(PermissionName::from).collect(),
            created_at: role.created_at.into(),
        }
    }
}
