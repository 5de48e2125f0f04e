//! Which provider a workspace named, what it has to say of people, and whether there is another way in.
//!
//! Everything here is for owners, who proved who they are: with a provider one can be anybody in the workspace.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, OnConflict},
};

use super::{SingleSignOn, domains, of_provider};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{AccountId, WorkspaceId},
    identity::{
        Role, members,
        sessions::{self, Because, live_at},
    },
    leaving::exports::require_owner,
    scope::{Actor, Permission, Scope},
    store::{
        Mode, Store, WorkspaceTx,
        entity::{identity_providers as table, memberships, sessions as session_table},
    },
    vault::Place,
};
use consigne_sdk::{PluginErrorKind, Provider};

/// Most words of a list, and the longest of them.
const MOST_WORDS: usize = 20;
const LONGEST_WORD: usize = 200;

/// Longest issuer, client id and secret.
const LONGEST: usize = 2_000;

/// What a workspace says of its provider. What opens it is not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentityProvider {
    /// Its issuer.
    pub issuer: String,
    /// What this installation is called there.
    pub client_id: String,
    /// Whether a secret is stored.
    pub has_client_secret: bool,
    /// Of `amr` (RFC 8176), any of which is a second factor.
    pub accepted_amr: Vec<String>,
    /// Of `acr`, any of which is a second factor.
    pub accepted_acr: Vec<String>,
    /// Whether nobody comes in without a second factor there.
    pub is_second_factor_required: bool,
    /// What somebody becomes who comes for the first time; nobody is let in so where it is none.
    pub member_role: Option<Role>,
    /// Whether people may sign in there.
    pub is_enabled: bool,
    /// Whether there is no other way into the workspace.
    pub is_required: bool,
    /// Who comes in by a password all the same, when the provider is down.
    pub break_glass: Option<AccountId>,
    /// Changed at.
    pub updated_at: Timestamp,
}

/// What an owner says of the provider.
#[derive(Clone)]
pub struct Configuration {
    /// Its issuer, exactly as it says it itself.
    pub issuer: String,
    /// What this installation is called there.
    pub client_id: String,
    /// The secret; none leaves what is stored, unless the issuer or the client is another.
    pub client_secret: Option<String>,
    /// As in [`IdentityProvider`]; none stands for `mfa`.
    pub accepted_amr: Option<Vec<String>>,
    /// As in [`IdentityProvider`].
    pub accepted_acr: Vec<String>,
    /// As in [`IdentityProvider`].
    pub is_second_factor_required: bool,
    /// As in [`IdentityProvider`].
    pub member_role: Option<Role>,
    /// As in [`IdentityProvider`].
    pub is_enabled: bool,
}

/// A provider that may be used now, with what opens it.
pub(super) struct Usable {
    pub row: table::Model,
    pub party: Provider,
}

/// What the workspace says of its provider, where it named one.
///
/// # Errors
/// `Forbidden` without `WORKSPACE_WRITE`.
pub async fn get(scope: &Scope, store: &Store) -> Result<Option<IdentityProvider>> {
    scope.require(Permission::WorkspaceWrite)?;
    let tx = store.read(scope).await?;
    find(&tx).await?.map(read).transpose()
}

/// Names the provider, or says something else of it. It is asked about itself first. Where it is another one, or is
/// switched off, whoever came by it is out.
///
/// # Errors
/// `Forbidden` for anyone but an owner; `ConfirmationRequired`; `Invalid`; `Unavailable` where the provider does not answer.
pub async fn configure(scope: &Scope, sso: &SingleSignOn, said: Configuration) -> Result<IdentityProvider> {
    scope.require(Permission::WorkspaceWrite)?;
    scope.require_confirmed(sso.store.now())?;
    require_owner(scope, &sso.store.read(scope).await?).await?;
    check(&said)?;
    look_at_issuer(sso, &said.issuer).await?;
    let store = &sso.store;
    let key = store.vault().workspace_key(scope.workspace()).await?;
    let tx = store.write(scope).await?;
    require_owner(scope, &tx).await?;
    if let Some(role) = said.member_role {
        members::require_power_over(scope, &tx, role).await?;
    }
    let before = find(&tx).await?;
    let is_same = before.as_ref().is_some_and(|row| row.issuer == said.issuer && row.client_id == said.client_id);
    let kept = before.as_ref().filter(|_| is_same).and_then(|row| row.client_secret_sealed.clone());
    let place = place(scope.workspace());
    let secret = said.client_secret.as_ref().filter(|secret| !secret.is_empty());
    let row = table::Model {
        workspace_id: scope.workspace(),
        issuer: said.issuer.clone(),
        client_id: said.client_id.clone(),
        client_secret_sealed: secret.map(|secret| key.seal_text(&place, secret)).or(kept),
        accepted_amr: said.accepted_amr.as_ref().map_or_else(|| "mfa".to_owned(), |words| words.join(" ")),
        accepted_acr: said.accepted_acr.join(" "),
        is_second_factor_required: said.is_second_factor_required,
        member_role: said.member_role.map(|role| role.name().to_owned()),
        is_enabled: said.is_enabled,
        // Nobody is locked out by a provider that was not tried.
        is_required: said.is_enabled && is_same && before.as_ref().is_some_and(|row| row.is_required),
        break_glass_account_id: before.as_ref().and_then(|row| row.break_glass_account_id),
        version: before.as_ref().map_or(1, |row| row.version + 1),
        created_at: before.as_ref().map_or(store.now(), |row| row.created_at),
        updated_at: store.now(),
    };
    let all = [
        table::Column::Issuer,
        table::Column::ClientId,
        table::Column::ClientSecretSealed,
        table::Column::AcceptedAmr,
        table::Column::AcceptedAcr,
        table::Column::IsSecondFactorRequired,
        table::Column::MemberRole,
        table::Column::IsEnabled,
        table::Column::IsRequired,
        table::Column::Version,
        table::Column::UpdatedAt,
    ];
    let replace = OnConflict::column(table::Column::WorkspaceId).update_columns(all).to_owned();
    let active = table::ActiveModel::from(row.clone()).reset_all();
    table::Entity::insert(active).on_conflict(replace).exec_without_returning(tx.db()).await?;
    let mut ended = 0;
    if before.is_some() && (!is_same || !said.is_enabled) {
        forget_people(&tx).await?;
        let came_by_it = session_table::Column::ProviderIssuer.is_not_null();
        ended = end(&tx, came_by_it, scope).await?;
    }
    let event = event("single_sign_on.configured", scope).detail("issuer", row.issuer.as_str());
    let event =
        event.detail("isEnabled", row.is_enabled).detail("hasNewSecret", secret.is_some()).detail("sessions", ended);
    audit::append(scope, &tx, event).await?;
    tx.commit().await?;
    read(row)
}

/// Leaves no other way into the workspace than its provider, or opens the others again. Whoever came by a password is out,
/// but for who asks and for the one account that is kept for when the provider is down.
///
/// # Errors
/// `Forbidden` for anyone but an owner; `ConfirmationRequired`; `NotFound` where no provider is named; `Conflict` where it is
/// off, no domain is verified, or it would lock out who asks; `Invalid` where the account is no owner's.
pub async fn require(
    scope: &Scope,
    sso: &SingleSignOn,
    is_required: bool,
    break_glass: Option<AccountId>,
) -> Result<IdentityProvider> {
    scope.require(Permission::WorkspaceWrite)?;
    scope.require_confirmed(sso.store.now())?;
    let tx = sso.store.write(scope).await?;
    require_owner(scope, &tx).await?;
    let mut row = find(&tx).await?.ok_or_else(|| Error::not_found("identity provider"))?;
    if let Some(account) = break_glass {
        let membership = members::find(&tx, account).await?.ok_or_else(|| Error::not_found("member"))?;
        if membership.role != Role::Owner.name() || membership.suspended_at.is_some() {
            return Err(Error::invalid("breakGlassAccountId", "The account that is kept has to be an owner's."));
        }
    }
    if is_required {
        let conflict = |message: &str| Err(Error::new(ErrorKind::Conflict, message));
        if !row.is_enabled || !domains::has_any(&tx).await? {
            return conflict("Switch the provider on and verify a domain first.");
        }
        if !scope.is_signed_on() && break_glass.is_none() {
            return conflict("Sign in by the provider once to see that it works, or keep an owner's account.");
        }
    }
    (row.is_required, row.break_glass_account_id, row.updated_at) = (is_required, break_glass, sso.store.now());
    table::Entity::update_many()
        .col_expr(table::Column::IsRequired, Expr::value(is_required))
        .col_expr(table::Column::BreakGlassAccountId, Expr::value(break_glass))
        .col_expr(table::Column::UpdatedAt, Expr::value(row.updated_at))
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .exec(tx.db())
        .await?;
    let mut ended = 0;
    if is_required {
        let by_password = session_table::Column::ProviderIssuer.is_null();
        let of_others =
            break_glass.map_or(by_password.clone(), |kept| by_password.and(session_table::Column::AccountId.ne(kept)));
        ended = end(&tx, of_others, scope).await?;
    }
    let event = event("single_sign_on.required", scope).detail("isRequired", is_required);
    let event = event.detail("breakGlass", break_glass.map(|account| account.to_string())).detail("sessions", ended);
    audit::append(scope, &tx, event).await?;
    tx.commit().await?;
    read(row)
}

/// Opens the other ways into a workspace again, for the operator, where nobody can do it from inside.
///
/// # Errors
/// `NotFound` where the workspace named no provider.
pub async fn lift(store: &Store, workspace: WorkspaceId) -> Result<()> {
    let scope = Scope::duty(workspace, "operator");
    let tx = store.write(&scope).await?;
    let lifted = table::Entity::update_many()
        .col_expr(table::Column::IsRequired, Expr::value(false))
        .col_expr(table::Column::UpdatedAt, Expr::value(store.now()))
        .filter(table::Column::WorkspaceId.eq(workspace))
        .exec(tx.db())
        .await?;
    if lifted.rows_affected != 1 {
        return Err(Error::not_found("identity provider"));
    }
    audit::append(&scope, &tx, event("single_sign_on.required", &scope).detail("isRequired", false)).await?;
    tx.commit().await
}

/// The provider of a workspace, where people may sign in there now.
pub(super) async fn usable(store: &Store, workspace: WorkspaceId) -> Result<Option<Usable>> {
    let tx = store.begin_in(workspace, Mode::Read).await?;
    let Some(row) = find(&tx).await?.filter(|row| row.is_enabled) else { return Ok(None) };
    drop(tx);
    let client_secret = match &row.client_secret_sealed {
        Some(sealed) => Some(store.vault().workspace_key(workspace).await?.open_text(&place(workspace), sealed)?),
        None => None,
    };
    let party = Provider { issuer: row.issuer.clone(), client_id: row.client_id.clone(), client_secret };
    Ok(Some(Usable { row, party }))
}

pub(super) async fn find(tx: &WorkspaceTx) -> Result<Option<table::Model>> {
    Ok(table::Entity::find_by_id(tx.workspace()).one(tx.db()).await?)
}

/// Lists are words between spaces.
pub(super) fn words(list: &str) -> Vec<String> {
    list.split_whitespace().map(str::to_owned).collect()
}

async fn look_at_issuer(sso: &SingleSignOn, issuer: &str) -> Result<()> {
    let Err(error) = sso.sign_on.check(issuer, sso.store.now().seconds()).await else { return Ok(()) };
    let message = match error.kind {
        PluginErrorKind::HostNotAllowed => {
            "This issuer may not be reached: it has to be https on port 443 of the public internet."
        }
        PluginErrorKind::Misconfigured => "This is no issuer: it is a URL without a query.",
        PluginErrorKind::InvalidResponse | PluginErrorKind::Refused => {
            "This issuer does not say of itself what OpenID Connect asks (.well-known/openid-configuration)."
        }
        _ => return Err(of_provider(error).about("issuer")),
    };
    Err(Error::invalid("issuer", message))
}

fn check(said: &Configuration) -> Result<()> {
    let fits = |text: &str| (1..=LONGEST).contains(&text.len()) && !text.chars().any(char::is_control);
    if !fits(&said.issuer) {
        return Err(Error::invalid("issuer", "Give the provider's issuer."));
    }
    if !fits(&said.client_id) {
        return Err(Error::invalid("clientId", "Give the name of this installation at the provider."));
    }
    if said.client_secret.as_ref().is_some_and(|secret| !secret.is_empty() && !fits(secret)) {
        return Err(Error::invalid("clientSecret", "The secret is too long, or no text."));
    }
    let no_words: Vec<String> = Vec::new();
    for (field, words) in
        [("acceptedAmr", said.accepted_amr.as_ref().unwrap_or(&no_words)), ("acceptedAcr", &said.accepted_acr)]
    {
        let is_word = |word: &String| {
            (1..=LONGEST_WORD).contains(&word.len()) && !word.contains(|c: char| c.is_whitespace() || c.is_control())
        };
        if words.len() > MOST_WORDS || !words.iter().all(is_word) {
            return Err(Error::invalid(field, "At most 20 values, of at most 200 characters and without spaces."));
        }
    }
    if matches!(said.member_role, Some(Role::Owner | Role::Visitor)) {
        return Err(Error::invalid("memberRole", "Nobody becomes an owner, or a visitor, by signing in."));
    }
    Ok(())
}

/// Another provider gives other ids: who is who is found anew, by the address.
async fn forget_people(tx: &WorkspaceTx) -> Result<()> {
    memberships::Entity::update_many()
        .col_expr(memberships::Column::ProviderSubjectIndex, Expr::value(Option::<Vec<u8>>::None))
        .filter(memberships::Column::MemberWorkspaceId.eq(tx.workspace()))
        .exec(tx.db())
        .await?;
    Ok(())
}

/// Ends the sessions of the workspace that are so, but for the one that asks. Says how many.
async fn end(tx: &WorkspaceTx, so: Expr, by: &Scope) -> Result<u64> {
    let current = match by.actor() {
        Actor::Member { session, .. } => Some(session),
        _ => None,
    };
    let all: Vec<crate::id::SessionId> = session_table::Entity::find()
        .select_only()
        .column(session_table::Column::Id)
        .filter(session_table::Column::MemberWorkspaceId.eq(tx.workspace()))
        .filter(live_at(tx.store().now()))
        .filter(so)
        .into_tuple()
        .all(tx.db())
        .await?;
    let mut ended = 0;
    for session in all.into_iter().filter(|session| Some(*session) != current) {
        ended += u64::from(sessions::end(tx, session, Because::SingleSignOnChanged).await?);
    }
    Ok(ended)
}

fn read(row: table::Model) -> Result<IdentityProvider> {
    Ok(IdentityProvider {
        issuer: row.issuer,
        client_id: row.client_id,
        has_client_secret: row.client_secret_sealed.is_some(),
        accepted_amr: words(&row.accepted_amr),
        accepted_acr: words(&row.accepted_acr),
        is_second_factor_required: row.is_second_factor_required,
        member_role: row.member_role.map(|role| role.parse()).transpose()?,
        is_enabled: row.is_enabled,
        is_required: row.is_required,
        break_glass: row.break_glass_account_id,
        updated_at: row.updated_at,
    })
}

fn event(action: &'static str, scope: &Scope) -> Event {
    Event::new(action).target("workspace", scope.workspace().0)
}

fn place(workspace: WorkspaceId) -> Place {
    Place::new(workspace, "identity_providers", "client_secret_sealed", workspace.0)
}
