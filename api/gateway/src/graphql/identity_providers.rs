//! Where the members of a workspace sign in: its identity provider, and the domains that are its own.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};
use consigne_foundation::{
    Error, Permission, Scope,
    id::AccountId,
    identity::{
        Role,
        single_sign_on::{
            domains,
            providers::{self, Configuration},
        },
    },
};

use super::{
    context::ContextExt,
    error::{UserError, refuse, split},
    names::RoleName,
    scalars::DateTime,
};

/// How members of the workspace sign in elsewhere, and what has to be registered there.
#[derive(SimpleObject)]
pub struct SingleSignOn {
    /// The identity provider; null where none is named.
    pub provider: Option<IdentityProvider>,
    /// Domains of mail addresses that the workspace says are its own.
    pub domains: Vec<SignOnDomain>,
    /// Where the provider sends browsers back to: the `redirect_uri` to register there. It is a page of the console, which calls
    /// `completeSingleSignOn`.
    pub redirect_uri: String,
    /// Where the provider says that a sign-in is over: the `backchannel_logout_uri` to register there.
    pub logout_uri: String,
}

/// An identity provider that speaks OpenID Connect. Its secret is not shown.
#[derive(SimpleObject, Clone)]
pub struct IdentityProvider {
    /// Its issuer, exactly as it says it itself.
    pub issuer: String,
    /// What this installation is called there.
    pub client_id: String,
    /// Whether a secret is stored.
    pub has_client_secret: bool,
    /// Values of `amr` (RFC 8176), each of which is a second factor.
    pub accepted_amr: Vec<String>,
    /// Values of `acr`, each of which is a second factor.
    pub accepted_acr: Vec<String>,
    /// Whether nobody comes in without a second factor there. Where the workspace asks everyone for one, or the account has
    /// one of its own, it is asked for in any case.
    pub is_second_factor_required: bool,
    /// What somebody becomes who signs in for the first time; null where nobody new is let in.
    pub member_role: Option<RoleName>,
    /// Whether people may sign in there.
    pub is_enabled: bool,
    /// Whether there is no other way into the workspace.
    pub is_required: bool,
    /// The owner's account that comes in by its password all the same, for when the provider is down. Its use raises an alert.
    pub break_glass_account_id: Option<ID>,
    /// Last changed at.
    pub updated_at: DateTime,
}

/// A domain of mail addresses whose people sign in at the workspace's provider.
#[derive(SimpleObject, Clone)]
pub struct SignOnDomain {
    /// The domain, in lower case and punycode.
    pub domain: String,
    /// The name of the TXT record by which its owner shows that it is theirs.
    pub record_name: String,
    /// What that record has to say.
    pub record_text: String,
    /// Named at.
    pub created_at: DateTime,
    /// When the record was seen; null while the domain does not count.
    pub verified_at: Option<DateTime>,
    /// Since when the record of a domain that counts is not there any more. It is looked at every day; after a week without it the
    /// domain counts no more.
    pub missing_since: Option<DateTime>,
}

/// What an owner says of the provider.
#[derive(InputObject)]
pub struct ConfigureSingleSignOnInput {
    /// Its issuer, exactly as it says it itself: https, on the public internet.
    pub issuer: String,
    /// What this installation is called there.
    pub client_id: String,
    /// The secret; where it is left out, what is stored stays, unless the issuer or the client is another one.
    #[graphql(secret)]
    pub client_secret: Option<String>,
    /// Values of `amr` (RFC 8176), each of which is a second factor; `mfa` where it is left out.
    pub accepted_amr: Option<Vec<String>>,
    /// Values of `acr`, each of which is a second factor.
    pub accepted_acr: Option<Vec<String>>,
    /// Whether nobody comes in without a second factor there; yes where it is left out.
    pub is_second_factor_required: Option<bool>,
    /// What somebody becomes who signs in for the first time, never an owner; nobody new is let in where it is left out.
    pub member_role: Option<RoleName>,
    /// Whether people may sign in there; yes where it is left out.
    pub is_enabled: Option<bool>,
}

/// Whether single sign-on is the only way in.
#[derive(InputObject)]
pub struct RequireSingleSignOnInput {
    /// Whether it is.
    pub is_required: bool,
    /// An owner's account that comes in by its password all the same; none where it is left out.
    pub break_glass_account_id: Option<ID>,
}

/// A domain.
#[derive(InputObject)]
pub struct SignOnDomainInput {
    /// The part of mail addresses behind `@`.
    pub domain: String,
}

/// The provider, or why it was not changed.
#[derive(SimpleObject)]
pub struct IdentityProviderPayload {
    /// The provider.
    pub provider: Option<IdentityProvider>,
    /// Why it was not changed.
    pub user_errors: Vec<UserError>,
}

/// The domain, or why it does not count.
#[derive(SimpleObject)]
pub struct SignOnDomainPayload {
    /// The domain.
    pub domain: Option<SignOnDomain>,
    /// Why it does not count.
    pub user_errors: Vec<UserError>,
}

/// Whether the domain is gone.
#[derive(SimpleObject)]
pub struct RemoveSignOnDomainPayload {
    /// Whether it is.
    pub is_removed: bool,
    /// Why it is not.
    pub user_errors: Vec<UserError>,
}

/// Reading how members sign in elsewhere.
#[derive(Default)]
pub struct IdentityProviderQuery;

#[Object]
impl IdentityProviderQuery {
    /// How members of the workspace sign in elsewhere, and what has to be registered there.
    async fn single_sign_on(&self, ctx: &Context<'_>) -> Result<SingleSignOn> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let provider = providers::get(&scope, ctx.store()).await.map_err(refuse)?;
        let domains = domains::list(&scope, ctx.store()).await.map_err(refuse)?;
        let services = ctx.services();
        Ok(SingleSignOn {
            provider: provider.map(IdentityProvider::from),
            domains: domains.into_iter().map(SignOnDomain::from).collect(),
            redirect_uri: services.single_sign_on.redirect_uri(),
            logout_uri: format!("{}/sso/logout/{}", services.public_url, scope.workspace()),
        })
    }
}

/// Naming the provider and domains.
#[derive(Default)]
pub struct IdentityProviderMutation;

#[Object]
impl IdentityProviderMutation {
    /// Names the identity provider of the workspace, or says something else of it; it is asked about itself first. Where it is
    /// another one, or is switched off, whoever came by it is out. Only an owner can, since whoever runs the provider can be any
    /// member. Needs a confirmed session.
    async fn configure_single_sign_on(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ConfigureSingleSignOnInput,
    ) -> Result<IdentityProviderPayload> {
        let scope = member(ctx)?;
        let said = Configuration {
            issuer: input.issuer,
            client_id: input.client_id,
            client_secret: input.client_secret,
            accepted_amr: input.accepted_amr,
            accepted_acr: input.accepted_acr.unwrap_or_default(),
            is_second_factor_required: input.is_second_factor_required.unwrap_or(true),
            member_role: input.member_role.map(Role::from),
            is_enabled: input.is_enabled.unwrap_or(true),
        };
        IdentityProviderPayload::of(providers::configure(&scope, &ctx.services().single_sign_on, said).await)
    }

    /// Leaves no other way into the workspace than its provider, or opens passwords again. Sessions that came by a password end,
    /// but for the one that asks and those of the account that is kept. Only an owner can. Needs a confirmed session.
    async fn require_single_sign_on(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: RequireSingleSignOnInput,
    ) -> Result<IdentityProviderPayload> {
        let scope = member(ctx)?;
        let kept = input.break_glass_account_id.map(|id| AccountId::parse_or_unknown(&id));
        let sso = &ctx.services().single_sign_on;
        IdentityProviderPayload::of(providers::require(&scope, sso, input.is_required, kept).await)
    }

    /// Says that a domain is the workspace's, and answers with the TXT record by which its owner shows it. Only an owner can.
    /// Needs a confirmed session.
    async fn add_sign_on_domain(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: SignOnDomainInput,
    ) -> Result<SignOnDomainPayload> {
        let scope = member(ctx)?;
        SignOnDomainPayload::of(domains::add(&scope, ctx.store(), &input.domain).await)
    }

    /// Looks for the record of a domain; from then on its addresses sign in at the workspace's provider. A domain is one
    /// workspace's. Only an owner can. Needs a confirmed session.
    async fn verify_sign_on_domain(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: SignOnDomainInput,
    ) -> Result<SignOnDomainPayload> {
        let scope = member(ctx)?;
        SignOnDomainPayload::of(domains::verify(&scope, &ctx.services().single_sign_on, &input.domain).await)
    }

    /// Takes a domain away: nobody of it signs in at the provider any more. Only an owner can. Needs a confirmed session.
    async fn remove_sign_on_domain(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: SignOnDomainInput,
    ) -> Result<RemoveSignOnDomainPayload> {
        let scope = member(ctx)?;
        let (removed, user_errors) = split(domains::remove(&scope, ctx.store(), &input.domain).await)?;
        Ok(RemoveSignOnDomainPayload { is_removed: removed.is_some(), user_errors })
    }
}

fn member(ctx: &Context<'_>) -> Result<Scope> {
    let scope = ctx.scope(Permission::WorkspaceWrite)?;
    scope.member().map_err(refuse)?;
    Ok(scope)
}

impl IdentityProviderPayload {
    fn of(result: Result<providers::IdentityProvider, Error>) -> Result<Self> {
        let (provider, user_errors) = split(result)?;
        Ok(Self { provider: provider.map(IdentityProvider::from), user_errors })
    }
}

impl SignOnDomainPayload {
    fn of(result: Result<domains::SignOnDomain, Error>) -> Result<Self> {
        let (domain, user_errors) = split(result)?;
        Ok(Self { domain: domain.map(SignOnDomain::from), user_errors })
    }
}

impl From<providers::IdentityProvider> for IdentityProvider {
    fn from(p: providers::IdentityProvider) -> Self {
        Self {
            issuer: p.issuer,
            client_id: p.client_id,
            has_client_secret: p.has_client_secret,
            accepted_amr: p.accepted_amr,
            accepted_acr: p.accepted_acr,
            is_second_factor_required: p.is_second_factor_required,
            member_role: p.member_role.map(RoleName::from),
            is_enabled: p.is_enabled,
            is_required: p.is_required,
            break_glass_account_id: p.break_glass.map(|id| id.to_string().into()),
            updated_at: p.updated_at.into(),
        }
    }
}

impl From<domains::SignOnDomain> for SignOnDomain {
    fn from(d: domains::SignOnDomain) -> Self {
        Self {
            domain: d.domain,
            record_name: d.record_name,
            record_text: d.record_text,
            created_at: d.created_at.into(),
            verified_at: d.verified_at.map(DateTime::from),
            missing_since: d.missing_since.map(DateTime::from),
        }
    }
}
