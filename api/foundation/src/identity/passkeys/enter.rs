//! What a passkey opens: a session without a password, the second step behind one, or five more minutes for what cannot be
//! undone. The three begin apart and end alike.

use sea_orm::{ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, sea_query::Expr};
use serde_json::{Value, json};

use super::{
    Asked, Begun, Passkeys, What, ask,
    ceremony::{Assertion, Moment, Refused, read},
    credential_index, descriptors, event, known, of, use_up, user_handle,
};
use crate::{
    alerts::Rule,
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{AccountId, PasskeyId, SessionId, WorkspaceId},
    identity::{
        SignedIn, Whence, second_factor,
        secret::random_text,
        sessions,
        sign_in::{self, Completed},
        throttle,
        tickets::{self, Purpose},
        tokens, unauthenticated,
    },
    scope::{CONFIRMED_FOR, Scope},
    store::{InstanceTx, Mode, Store, entity::passkeys},
};

/// Begins a sign-in without address and password: whoever has a passkey of this console chooses it.
///
/// # Errors
/// `Disabled` where the console has no domain; `RateLimited`.
pub async fn begin_sign_in(
    passkeys: &Passkeys,
    workspace: Option<WorkspaceId>,
    stays_signed_in: bool,
    whence: &Whence,
) -> Result<Begun> {
    throttle::take_from(&passkeys.store, throttle::PASSKEYS_FROM, whence).await?;
    begin(passkeys, None, What::SignIn { workspace, stays_signed_in }).await
}

/// Begins the second step of a sign-in by password.
///
/// # Errors
/// `Unauthenticated` where the token of the first step does not hold; `Disabled` where the console has no domain;
/// `NotFound` where the account has no passkey; `RateLimited`.
pub async fn begin_second_step(passkeys: &Passkeys, token: &str) -> Result<Begun> {
    let account = sign_in::account_of_second_step(&passkeys.store, token).await?;
    throttle::take(&passkeys.store, throttle::CODES, account.0.as_bytes()).await?;
    begin(passkeys, Some(account), What::SecondStep { token: token.to_owned() }).await
}

/// Begins to prove once more who the member is.
///
/// # Errors
/// `Forbidden` for anyone but a member; `Disabled` where the console has no domain; `NotFound` where the account has no
/// passkey; `RateLimited`.
pub async fn begin_confirmation(scope: &Scope, passkeys: &Passkeys) -> Result<Begun> {
    let (account, session) = scope.member()?;
    throttle::take(&passkeys.store, throttle::CODES, account.0.as_bytes()).await?;
    begin(passkeys, Some(account), What::Confirm { session }).await
}

/// Takes the authenticator's answer, from whoever asks (`by`). Whatever comes of it, the token is used up.
///
/// # Errors
/// `Unauthenticated`, whatever is wrong; `Disabled` where the workspace is entered by single sign-on alone; `RateLimited`.
pub async fn complete(
    passkeys: &Passkeys,
    by: Option<&Scope>,
    token: &str,
    credential: Value,
    whence: &Whence,
) -> Result<Completed> {
    let store = &passkeys.store;
    throttle::take_from(store, throttle::PASSKEYS_FROM, whence).await?;
    let party = passkeys.party()?;
    let (account, Asked { challenge, what }) = use_up(store, token).await?;
    let credential = read::<Assertion>(credential).map_err(|why| not_believed(store, why))?;
    let index = credential_index(store, credential.id());
    let row = passkeys::Entity::find().filter(passkeys::Column::CredentialIndex.eq(index));
    let row = row.one(store.read_instance().await?.db()).await?.ok_or_else(|| failed(store))?;
    // Who signs in without saying who they are is whom the authenticator names; otherwise it need not say it, but nobody else.
    let said = credential.user_handle().map(|handle| handle == user_handle(row.account_id).0);
    let is_theirs = match account {
        Some(account) => account == row.account_id && said != Some(false),
        None => said == Some(true),
    };
    if !is_theirs {
        return Err(failed(store));
    }
    let count = u32::try_from(row.sign_count).unwrap_or(u32::MAX);
    let moment = credential
        .asserted(party, &challenge, &known(store, &row)?, count)
        .and_then(Moment::require_verified)
        .map_err(|why| not_believed(store, why))?;
    let used = Used { id: row.id, account: row.account_id, moment };
    match what {
        What::SignIn { workspace, stays_signed_in } => {
            let wish = sign_in::Wish { workspace, stays_signed_in };
            open(store, used, wish, None, whence).await.map(Completed::SignedIn)
        }
        What::SecondStep { token } => {
            let shown = tickets::look_at::<sign_in::Wish>(store, Purpose::SecondStep, &token).await?;
            open(store, used, shown.about, Some(&token), whence).await.map(Completed::SignedIn)
        }
        What::Confirm { session } => confirm(store, by, used, session).await.map(Completed::Confirmed),
        What::Register { .. } => Err(unauthenticated()),
    }
}

/// A passkey that was believed.
#[derive(Clone, Copy)]
struct Used {
    id: PasskeyId,
    account: AccountId,
    moment: Moment,
}

async fn begin(passkeys: &Passkeys, account: Option<AccountId>, what: What) -> Result<Begun> {
    let (store, party) = (&passkeys.store, passkeys.party()?);
    let tx = store.write_instance().await?;
    let rows = match account {
        Some(account) => of(&tx, account).await?,
        None => Vec::new(),
    };
    if account.is_some() && rows.is_empty() {
        return Err(Error::not_found("passkey"));
    }
    let challenge = random_text();
    let options = json!({
        "challenge": challenge,
        "rpId": party.id,
        "timeout": 300_000,
        "allowCredentials": descriptors(store, &rows)?,
        "userVerification": "required",
    });
    let issued = ask(&tx, account, challenge, what).await?;
    tx.commit().await?;
    Ok(Begun { options, token: issued.token, expires_at: issued.expires_at })
}

async fn open(
    store: &Store,
    used: Used,
    wish: sign_in::Wish,
    second_step: Option<&str>,
    whence: &Whence,
) -> Result<SignedIn> {
    let membership = sign_in::membership_of(store, used.account, wish.workspace).await?;
    let signer = tokens::signer(store).await?;
    let tx = store.begin_in(membership.member_workspace_id, Mode::Write).await?;
    if let Some(token) = second_step {
        tickets::claim::<sign_in::Wish>(&tx, Purpose::SecondStep, token).await?;
    }
    note(&tx, used).await?;
    throttle::forgive(&tx, throttle::CODES, used.account.0.as_bytes()).await?;
    let way = event("passkey.used", used.id);
    sign_in::open(tx, &membership, sign_in::opening(store, wish.stays_signed_in, whence), Some(way), &signer).await
}

async fn confirm(store: &Store, by: Option<&Scope>, used: Used, session: SessionId) -> Result<Timestamp> {
    let scope = sessions::asked_by(by, session)?;
    let tx = store.write(scope).await?;
    note(&tx, used).await?;
    second_factor::mark_confirmed(&tx, session).await?;
    throttle::forgive(&tx, throttle::CODES, used.account.0.as_bytes()).await?;
    let event = Event::new("session.confirmed").target("account", used.account.0);
    audit::append(scope, &tx, event.detail("passkey", used.id.to_string())).await?;
    tx.commit().await?;
    Ok(store.now().plus(CONFIRMED_FOR))
}

/// That it was used, and how often it has signed. Of two answers with one count, one is taken: the comparison and the change
/// are one statement.
async fn note(tx: &InstanceTx, used: Used) -> Result<()> {
    let count = i64::from(used.moment.sign_count);
    let counts_on = passkeys::Column::SignCount.lt(count);
    let counts_nothing = passkeys::Column::SignCount.eq(0).and(Expr::value(count == 0));
    let noted = passkeys::Entity::update_many()
        .col_expr(passkeys::Column::SignCount, Expr::value(count))
        .col_expr(passkeys::Column::IsBackedUp, Expr::value(used.moment.is_backed_up))
        .col_expr(passkeys::Column::LastUsedAt, Expr::value(tx.store().now()))
        .filter(passkeys::Column::Id.eq(used.id))
        .filter(Condition::any().add(counts_on).add(counts_nothing))
        .exec(tx.db())
        .await?;
    if noted.rows_affected == 1 { Ok(()) } else { Err(unauthenticated()) }
}

/// What a person is told; the log has the rest.
fn not_believed(store: &Store, why: Refused) -> Error {
    tracing::warn!(reason = %why, "a passkey was not believed");
    failed(store)
}

fn failed(store: &Store) -> Error {
    store.signals().count(Rule::FailedSignIns, None);
    Error::new(ErrorKind::Unauthenticated, "This passkey is not known here, or its answer is not right. Begin again.")
}
