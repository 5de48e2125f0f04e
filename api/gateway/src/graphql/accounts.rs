//! Accounts: signing up, addresses, passwords.

use async_graphql::{Context, Enum, ID, InputObject, Object, Result, SimpleObject};
use consigne_foundation::identity::{
    accounts, address_change, closing, passwords,
    rules::SignUp,
    sign_up::{self, Verified},
};

use super::{
    context::ContextExt,
    error::{UserError, refuse, split, split_credentials},
    scalars::DateTime,
};

/// Who may make an account.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "SignUp")]
pub enum SignUpMode {
    /// Anybody with an address, and with it a workspace of their own.
    Open,
    /// Whoever a workspace invites or adds.
    Invitation,
    /// Nobody but through the operator.
    Closed,
}

/// What the operator decided about accounts.
#[derive(SimpleObject)]
pub struct AccountPolicy {
    /// Who may make an account.
    pub sign_up: SignUpMode,
    /// Whether links are mailed; otherwise people hand them over.
    pub sends_mail: bool,
    /// Shortest password, in characters.
    pub shortest_password: i32,
}

/// The account of the member who asks.
#[derive(SimpleObject)]
pub struct Account {
    /// Its id.
    pub id: ID,
    /// Its address.
    pub email: String,
    /// Since when the address is known to be theirs; null where nobody has shown it.
    pub email_verified_at: Option<DateTime>,
    /// Made at.
    pub created_at: DateTime,
}

/// Who signs up.
#[derive(InputObject)]
pub struct SignUpInput {
    /// The e-mail address, to which a link is mailed.
    #[graphql(secret)]
    pub email: String,
    /// At least 12 characters, and not one that anyone would try first.
    #[graphql(secret)]
    pub password: String,
    /// The name of the workspace that is made for the account.
    pub workspace_name: String,
}

/// A token that was mailed or handed over.
#[derive(InputObject)]
pub struct LinkTokenInput {
    /// What stands behind `#` in the link.
    #[graphql(secret)]
    pub token: String,
}

/// An address.
#[derive(InputObject)]
pub struct RequestPasswordResetInput {
    /// The e-mail address of the account.
    #[graphql(secret)]
    pub email: String,
}

/// Another password, by a link.
#[derive(InputObject)]
pub struct ResetPasswordInput {
    /// What stands behind `#` in the link.
    #[graphql(secret)]
    pub token: String,
    /// At least 12 characters, and not one that anyone would try first.
    #[graphql(secret)]
    pub new_password: String,
}

/// Another password, by the old one.
#[derive(InputObject)]
pub struct ChangePasswordInput {
    /// The password of now.
    #[graphql(secret)]
    pub current_password: String,
    /// At least 12 characters, and not one that anyone would try first.
    #[graphql(secret)]
    pub new_password: String,
}

/// Another address.
#[derive(InputObject)]
pub struct RequestEmailChangeInput {
    /// The new address.
    #[graphql(secret)]
    pub new_email: String,
    /// The password.
    #[graphql(secret)]
    pub password: String,
}

/// Closing one's account.
#[derive(InputObject)]
pub struct CloseAccountInput {
    /// The password.
    #[graphql(secret)]
    pub password: String,
}

/// Whether it was taken; the same whoever the address belongs to.
#[derive(SimpleObject)]
pub struct AcceptedPayload {
    /// Whether it was taken.
    pub is_accepted: bool,
    /// Why not.
    pub user_errors: Vec<UserError>,
}

/// What a verified address led to.
#[derive(SimpleObject)]
pub struct VerifyEmailPayload {
    /// The account.
    pub account_id: Option<ID>,
    /// The workspace that was made, where the account is new. Sign in now.
    pub workspace_id: Option<ID>,
    /// Why nothing.
    pub user_errors: Vec<UserError>,
}

/// How far a change of address is.
#[derive(SimpleObject)]
pub struct ConfirmEmailChangePayload {
    /// Whether the account has the new address; until then the other address has to agree.
    pub is_changed: bool,
    /// Why nothing.
    pub user_errors: Vec<UserError>,
}

/// Reading accounts.
#[derive(Default)]
pub struct AccountQuery;

#[Object]
impl AccountQuery {
    /// What the operator decided about accounts. Anybody may ask: a page for signing up has to know.
    async fn account_policy(&self, ctx: &Context<'_>) -> Result<AccountPolicy> {
        let rules = ctx.services().account_rules;
        Ok(AccountPolicy {
            sign_up: rules.sign_up.into(),
            sends_mail: rules.has_mail,
            shortest_password: i32::try_from(consigne_foundation::identity::password::SHORTEST).unwrap_or(i32::MAX),
        })
    }

    /// The account of the member who asks.
    async fn account(&self, ctx: &Context<'_>) -> Result<Account> {
        let scope = ctx.somebody()?;
        let own = accounts::own(&scope, ctx.store()).await.map_err(refuse)?;
        Ok(Account {
            id: own.id.to_string().into(),
            email: own.email,
            email_verified_at: own.email_verified_at.map(DateTime::from),
            created_at: own.created_at.into(),
        })
    }
}

/// Signing up; changing passwords and addresses.
#[derive(Default)]
pub struct AccountMutation;

#[Object]
impl AccountMutation {
    /// Signs up, where that is open: a link is mailed to the address, and `verifyEmail` takes it. The answer is the same
    /// whether the address has an account or not.
    async fn sign_up(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: SignUpInput,
    ) -> Result<AcceptedPayload> {
        let rules = ctx.services().account_rules;
        let (email, password, workspace) = (&input.email, &input.password, &input.workspace_name);
        AcceptedPayload::of(sign_up::request(ctx.store(), rules, email, password, workspace, ctx.whence()).await)
    }

    /// Has a link mailed to the member's own address, which `verifyEmail` takes.
    async fn request_email_verification(&self, ctx: &Context<'_>) -> Result<AcceptedPayload> {
        let scope = ctx.somebody()?;
        let rules = ctx.services().account_rules;
        AcceptedPayload::of(sign_up::request_verification(&scope, ctx.store(), rules).await)
    }

    /// Takes a mailed link: makes the account that was signed up for, or marks an address as its owner's.
    async fn verify_email(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: LinkTokenInput,
    ) -> Result<VerifyEmailPayload> {
        let (verified, user_errors) = split_credentials(sign_up::verify(ctx.store(), &input.token).await)?;
        let (account, workspace) = match verified {
            Some(Verified::SignedUp(start)) => (Some(start.account), Some(start.workspace)),
            Some(Verified::Address(account)) => (Some(account), None),
            None => (None, None),
        };
        Ok(VerifyEmailPayload {
            account_id: account.map(|id| id.to_string().into()),
            workspace_id: workspace.map(|id| id.to_string().into()),
            user_errors,
        })
    }

    /// Has a link mailed to the owner of an address, if there is an account. The answer and its time are the same if there
    /// is none. Without a mail server the operator hands a link over.
    async fn request_password_reset(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RequestPasswordResetInput,
    ) -> Result<AcceptedPayload> {
        AcceptedPayload::of(passwords::request_reset(ctx.store(), &input.email, ctx.whence()).await)
    }

    /// Chooses another password by a link. All sessions of the account end.
    async fn reset_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ResetPasswordInput,
    ) -> Result<AcceptedPayload> {
        let reset = passwords::reset(ctx.store(), &input.token, &input.new_password).await;
        AcceptedPayload::of_credentials(reset)
    }

    /// Chooses another password by the old one. The other sessions of the account end.
    async fn change_password(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ChangePasswordInput,
    ) -> Result<AcceptedPayload> {
        let scope = ctx.somebody()?;
        scope.member().map_err(refuse)?;
        let (old, new) = (&input.current_password, &input.new_password);
        AcceptedPayload::of_credentials(passwords::change(&scope, ctx.store(), old, new).await)
    }

    /// Has a link mailed to the old and to the new address. The account goes over when both were opened
    /// (`confirmEmailChange`).
    async fn request_email_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RequestEmailChangeInput,
    ) -> Result<AcceptedPayload> {
        let scope = ctx.somebody()?;
        scope.member().map_err(refuse)?;
        let rules = ctx.services().account_rules;
        let asked = address_change::request(&scope, ctx.store(), rules, &input.password, &input.new_email).await;
        AcceptedPayload::of_credentials(asked)
    }

    /// Closes the account of the member who asks: their sessions end everywhere, and nobody signs in with it any more. The
    /// operator opens it again, or erases it. Whoever is the only owner of a workspace hands it over first.
    async fn close_account(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: CloseAccountInput,
    ) -> Result<AcceptedPayload> {
        let scope = ctx.somebody()?;
        scope.member().map_err(refuse)?;
        AcceptedPayload::of_credentials(closing::close(&scope, ctx.store(), &input.password).await)
    }

    /// Agrees to a change of address by one of its two links; the second makes the change.
    async fn confirm_email_change(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: LinkTokenInput,
    ) -> Result<ConfirmEmailChangePayload> {
        let (change, user_errors) = split_credentials(address_change::confirm(ctx.store(), &input.token).await)?;
        Ok(ConfirmEmailChangePayload { is_changed: change == Some(address_change::AddressChange::Done), user_errors })
    }
}

impl AcceptedPayload {
    fn of(result: consigne_foundation::Result<()>) -> Result<Self> {
        let (done, user_errors) = split(result)?;
        Ok(Self { is_accepted: done.is_some(), user_errors })
    }

    fn of_credentials(result: consigne_foundation::Result<()>) -> Result<Self> {
        let (done, user_errors) = split_credentials(result)?;
        Ok(Self { is_accepted: done.is_some(), user_errors })
    }
}
