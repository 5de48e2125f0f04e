//! Invitations into the workspace.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use consigne_foundation::{
    Permission,
    id::{CustomRoleId, InvitationId},
    identity::invitations,
};

use super::{
    context::{Asking, ContextExt},
    error::{UserError, refuse, split, split_credentials},
    names::RoleName,
    scalars::DateTime,
};

/// An invitation into the workspace.
#[derive(SimpleObject, Clone)]
pub struct Invitation {
    /// Its id.
    pub id: ID,
    /// The address it is for.
    pub email: String,
    /// What its owner will be.
    pub role: RoleName,
    /// Which of the workspace's own roles that comes from it, where it is one.
    pub custom_role_id: Option<ID>,
    /// Made at.
    pub created_at: DateTime,
    /// Ends at.
    pub expires_at: DateTime,
    /// Accepted at.
    pub accepted_at: Option<DateTime>,
    /// Taken back at.
    pub revoked_at: Option<DateTime>,
}

/// Whom to invite.
#[derive(InputObject)]
pub struct InviteMemberInput {
    /// The e-mail address; it may have an account or not.
    #[graphql(secret)]
    pub email: String,
    /// What they are to be; nothing that may do more than you.
    pub role: RoleName,
    /// One of the workspace's own roles, which has to come from `role`; all of `role` where it is left out.
    pub custom_role_id: Option<ID>,
    /// Days that it lives, 1 to 30; seven where it is left out.
    pub days: Option<i32>,
}

/// The invitation, or why there is none.
#[derive(SimpleObject)]
pub struct InviteMemberPayload {
    /// The invitation.
    pub invitation: Option<Invitation>,
    /// What `acceptInvitation` takes, shown this once, where the installation sends no mail; hand it over yourself.
    pub token: Option<String>,
    /// Why there is none.
    pub user_errors: Vec<UserError>,
}

/// Which invitation to take back.
#[derive(InputObject)]
pub struct RevokeInvitationInput {
    /// The invitation.
    pub invitation_id: ID,
}

/// Whether it was taken back.
#[derive(SimpleObject)]
pub struct RevokeInvitationPayload {
    /// Whether it holds no more.
    pub is_revoked: bool,
    /// Why it still does.
    pub user_errors: Vec<UserError>,
}

/// Which invitation to accept.
#[derive(InputObject)]
pub struct AcceptInvitationInput {
    /// What stands behind `#` in the link, or was handed over.
    #[graphql(secret)]
    pub token: String,
    /// For a new account: at least 12 characters. Whoever has an account signs in with it first and leaves this out.
    #[graphql(secret)]
    pub password: Option<String>,
}

/// Where one is a member now.
#[derive(SimpleObject)]
pub struct AcceptInvitationPayload {
    /// The workspace; sign in to it, or go over with `switchWorkspace`.
    pub workspace_id: Option<ID>,
    /// The account.
    pub account_id: Option<ID>,
    /// Why nowhere.
    pub user_errors: Vec<UserError>,
}

/// Reading invitations.
#[derive(Default)]
pub struct InvitationQuery;

#[Object]
impl InvitationQuery {
    /// The invitations of the workspace, newest first, until thirty days after they ended.
    async fn invitations(&self, ctx: &Context<'_>) -> Result<Vec<Invitation>> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let all = invitations::list(&scope, ctx.store()).await.map_err(refuse)?;
        Ok(all.into_iter().map(Invitation::from).collect())
    }
}

/// Inviting and accepting.
#[derive(Default)]
pub struct InvitationMutation;

#[Object]
impl InvitationMutation {
    /// Invites an address into the workspace. The answer is the same whether it has an account or not. Needs a confirmed
    /// session.
    async fn invite_member(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: InviteMemberInput,
    ) -> Result<InviteMemberPayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let (rules, days) = (ctx.services().account_rules, input.days.map(i64::from));
        let custom_role = input.custom_role_id.as_ref().map(|id| CustomRoleId::parse_or_unknown(id));
        let role = (input.role.into(), custom_role);
        let made = invitations::invite(&scope, ctx.store(), rules, &input.email, role, days).await;
        let (made, user_errors) = split(made)?;
        let (invitation, token) = made.map(|(made, token)| (Invitation::from(made), token)).unzip();
        let token = token.flatten().map(|token| token.expose().to_owned());
        Ok(InviteMemberPayload { invitation, token, user_errors })
    }

    /// Takes an invitation back.
    async fn revoke_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RevokeInvitationInput,
    ) -> Result<RevokeInvitationPayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let id = InvitationId::parse_or_unknown(&input.invitation_id);
        let (done, user_errors) = split(invitations::revoke(&scope, ctx.store(), id).await)?;
        Ok(RevokeInvitationPayload { is_revoked: done.is_some(), user_errors })
    }

    /// Accepts an invitation: signed in with the account of its address, or with a new account under a password.
    async fn accept_invitation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: AcceptInvitationInput,
    ) -> Result<AcceptInvitationPayload> {
        let by = ctx.data_unchecked::<Asking>().scope.as_ref();
        let rules = ctx.services().account_rules;
        let accepted = invitations::accept(ctx.store(), rules, by, &input.token, input.password.as_deref()).await;
        let (accepted, user_errors) = split_credentials(accepted)?;
        let (workspace_id, account_id) = accepted.map(|(w, a)| (w.to_string().into(), a.to_string().into())).unzip();
        Ok(AcceptInvitationPayload { workspace_id, account_id, user_errors })
    }
}

impl From<invitations::Invitation> for Invitation {
    fn from(i: invitations::Invitation) -> Self {
        Self {
            id: i.id.to_string().into(),
            email: i.address,
            role: i.role.into(),
            custom_role_id: i.custom_role.map(|id| id.to_string().into()),
            created_at: i.created_at.into(),
            expires_at: i.expires_at.into(),
            accepted_at: i.accepted_at.map(DateTime::from),
            revoked_at: i.revoked_at.map(DateTime::from),
        }
    }
}
