//! The way back: from what the provider sent the browser back with to a session.

use consigne_sdk::{Identity, Reply};
use subtle::ConstantTimeEq;

use super::{
    SingleSignOn,
    begin::Way,
    domains, newcomers, of_provider,
    providers::{self, Usable},
    session_index, subject_index,
};
use crate::{
    alerts::Rule,
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{AccountId, SessionId},
    identity::{
        SignedIn, Whence, second_factor,
        sessions::{self, Opening, SignedOn},
        sign_in::Completed,
        throttle,
        tickets::{self, Purpose},
        tokens, unauthenticated,
    },
    scope::{CONFIRMED_FOR, Scope},
    store::{Mode, WorkspaceTx},
};

/// What a browser came back with.
#[derive(Clone, Copy)]
pub struct Return<'a> {
    /// What it kept.
    pub token: &'a str,
    /// From the address it came back to.
    pub state: &'a str,
    /// From there too.
    pub code: &'a str,
    /// From there too, where the provider says it.
    pub issuer: Option<&'a str>,
}

/// Completes a sign-in, or a proof of somebody who is signed in (`by`). Whatever comes of it, the token is used up.
///
/// # Errors
/// `Unauthenticated`, with what a person can do about it where that tells nobody anything; `ConfirmationRequired` where a
/// second factor is missing at the provider; `Conflict` where the address is somebody else's already; `Disabled` where nobody
/// new is let in; `RateLimited`; `Unavailable` and `Misconfigured` as the provider is.
pub async fn complete(sso: &SingleSignOn, by: Option<&Scope>, came: Return<'_>, whence: &Whence) -> Result<Completed> {
    let store = &sso.store;
    throttle::take_from(store, throttle::SIGN_ONS_FROM, whence).await?;
    let way = use_up(sso, came.token).await?;
    let is_own = bool::from(way.state.as_bytes().ct_eq(came.state.as_bytes()));
    let provider =
        providers::usable(store, way.workspace).await?.filter(|provider| provider.row.version == way.version);
    let Some(provider) = provider.filter(|_| is_own) else { return Err(failed(sso)) };
    let reply = Reply {
        code: came.code.to_owned(),
        issuer: came.issuer.map(str::to_owned),
        redirect_uri: way.redirect_uri.clone(),
        nonce: way.nonce.clone(),
        code_verifier: way.code_verifier.clone(),
        anew_since: way.confirms.map(|_| way.began_at),
        at: store.now().seconds(),
    };
    let identity = sso.sign_on.identity(&provider.party, reply).await.map_err(|error| {
        let error = of_provider(error);
        if error.kind() == ErrorKind::Unauthenticated {
            store.signals().count(Rule::FailedSignIns, None);
        }
        error
    })?;
    match way.confirms {
        Some(session) => confirm(sso, by, &way, &provider, session, &identity).await.map(Completed::Confirmed),
        None => sign_in(sso, &way, &provider, &identity, whence).await.map(Completed::SignedIn),
    }
}

async fn use_up(sso: &SingleSignOn, token: &str) -> Result<Way> {
    let tx = sso.store.write_instance().await?;
    let shown = tickets::claim::<Way>(&tx, Purpose::SingleSignOn, token).await;
    let shown = shown.map_err(|error| match error.kind() {
        ErrorKind::Unauthenticated => failed(sso),
        _ => error,
    })?;
    tx.commit().await?;
    Ok(shown.about)
}

async fn sign_in(
    sso: &SingleSignOn,
    way: &Way,
    provider: &Usable,
    identity: &Identity,
    whence: &Whence,
) -> Result<SignedIn> {
    let store = &sso.store;
    // The key that signs is opened before the transaction, never inside.
    let signer = tokens::signer(store).await?;
    let tx = store.begin_in(way.workspace, Mode::Write).await?;
    require_unchanged(&tx, provider).await?;
    let address = identity.verified_email.as_deref().ok_or_else(|| {
        refused("Your identity provider does not say that your address is yours (email, email_verified).")
    })?;
    if !domains::is_of_workspace(&tx, address).await? {
        return Err(refused("Your address is of no domain that this workspace showed to be its own."));
    }
    let role = provider.row.member_role.as_deref().map(str::parse).transpose()?;
    let scope = Scope::duty(way.workspace, "single sign-on");
    let subject = subject_index(store, &provider.row.issuer, &identity.subject);
    let membership = newcomers::member_of(&scope, &tx, sso.rules, address, &subject, role).await?;
    let has_second_factor = require_second_factor(&tx, provider, identity, Some(membership.account_id)).await?;
    let opening = Opening {
        stays_signed_in: way.stays_signed_in,
        agent: whence.agent().map(str::to_owned),
        confirmed_at: proved_at(identity, store.now()),
        signed_on: Some(SignedOn {
            issuer: provider.row.issuer.clone(),
            subject_index: subject,
            session_index: identity.session.as_deref().map(|sid| session_index(store, &provider.row.issuer, sid)),
            amr: identity.amr.clone(),
            has_second_factor,
        }),
    };
    let live = sessions::open(&tx, &membership, opening).await?;
    tx.commit().await?;
    live.signed_in(store, &signer)
}

/// The same person, anew, for the session that asked.
async fn confirm(
    sso: &SingleSignOn,
    by: Option<&Scope>,
    way: &Way,
    provider: &Usable,
    session: SessionId,
    identity: &Identity,
) -> Result<Timestamp> {
    let store = &sso.store;
    let scope = sessions::asked_by(by, session)?;
    let tx = store.begin_in(way.workspace, Mode::Write).await?;
    require_unchanged(&tx, provider).await?;
    let live = sessions::find_live(&tx, session, store.now()).await?.ok_or_else(unauthenticated)?;
    let subject = subject_index(store, &provider.row.issuer, &identity.subject);
    if live.session.provider_subject_index.as_deref() != Some(subject.as_slice()) {
        return Err(refused("This is somebody else than who is signed in here."));
    }
    require_second_factor(&tx, provider, identity, Some(live.session.account_id)).await?;
    second_factor::mark_confirmed(&tx, session).await?;
    let event = Event::new("session.confirmed").target("account", live.session.account_id.0);
    audit::append(scope, &tx, event.detail("amr", identity.amr.join(" "))).await?;
    tx.commit().await?;
    Ok(store.now().plus(CONFIRMED_FOR))
}

/// Nobody comes in by a provider that was changed or switched off while they were on their way.
async fn require_unchanged(tx: &WorkspaceTx, provider: &Usable) -> Result<()> {
    let now = providers::find(tx).await?;
    match now.is_some_and(|row| row.is_enabled && row.version == provider.row.version) {
        true => Ok(()),
        false => Err(unauthenticated()),
    }
}

/// Whether it was proved by a second factor. Refuses where it was not, and the workspace asks for one, its provider has to,
/// or the account has one of its own that would be passed by.
async fn require_second_factor(
    tx: &WorkspaceTx,
    provider: &Usable,
    identity: &Identity,
    account: Option<AccountId>,
) -> Result<bool> {
    let accepted = providers::words(&provider.row.accepted_amr);
    let classes = providers::words(&provider.row.accepted_acr);
    let has_one = identity.amr.iter().any(|method| accepted.contains(method))
        || identity.acr.as_ref().is_some_and(|class| classes.contains(class));
    let own = match account {
        Some(account) => second_factor::is_active(tx, account).await?,
        None => false,
    };
    let is_asked = provider.row.is_second_factor_required || own || second_factor::grace_days(tx).await?.is_some();
    if is_asked && !has_one {
        let message = "A second factor is missing. Sign in with one at your identity provider, then begin again.";
        return Err(Error::new(ErrorKind::ConfirmationRequired, message));
    }
    Ok(has_one)
}

/// When they proved it, as the provider says: a sign-in there that is hours old proves nothing of this moment.
fn proved_at(identity: &Identity, now: Timestamp) -> Option<Timestamp> {
    identity.auth_time.map(|seconds| Timestamp(seconds.saturating_mul(1_000)).min(now))
}

fn failed(sso: &SingleSignOn) -> Error {
    sso.store.signals().count(Rule::FailedSignIns, None);
    refused("This sign-in is not good, was used, or was begun elsewhere. Begin again.")
}

fn refused(message: &str) -> Error {
    Error::new(ErrorKind::Unauthenticated, message)
}
