//! A new passkey: the browser is told what to ask the authenticator, and its answer is believed or not.

use coset::iana::EnumI64;
use sea_orm::{ActiveModelTrait, EntityTrait, sea_query::OnConflict};
use serde_json::{Value, json};

use super::{
    Asked, Begun, Passkey, Passkeys, What, ask,
    ceremony::{ALGORITHMS, Attestation, Refused, read},
    credential_index, descriptors, event, listed, of, place, require_room, sealed_name, use_up, user_handle,
};
use crate::{
    audit,
    error::{Error, ErrorKind, Result},
    id::PasskeyId,
    identity::{SecretText, accounts, second_factor, secret::random_text, unauthenticated},
    scope::Scope,
    store::entity::passkeys,
};

/// What is kept of a new passkey, and what its owner keeps.
pub struct Registered {
    /// The passkey.
    pub passkey: Passkey,
    /// For whoever loses it: codes that work once, where the account had no second factor before.
    pub recovery_codes: Option<Vec<SecretText>>,
}

/// Begins: what the browser is to ask for.
///
/// # Errors
/// `Forbidden` for anyone but a member who signed in here; `ConfirmationRequired`; `Disabled` where the console has no domain;
/// `Conflict` where the account has twenty.
pub async fn begin(scope: &Scope, passkeys: &Passkeys) -> Result<Begun> {
    let store = &passkeys.store;
    let (account, session) = scope.account_holder()?;
    scope.require_confirmed(store.now())?;
    let party = passkeys.party()?;
    let email = accounts::own_email(scope, store).await?;
    let tx = store.write_instance().await?;
    require_room(&tx, account).await?;
    let rows = of(&tx, account).await?;
    let challenge = random_text();
    let algorithms: Vec<Value> =
        ALGORITHMS.iter().map(|algorithm| json!({"type": "public-key", "alg": algorithm.to_i64()})).collect();
    let options = json!({
        "rp": {"id": party.id, "name": "Consigne"},
        "user": {"id": user_handle(account), "name": email, "displayName": email},
        "challenge": challenge,
        "pubKeyCredParams": algorithms,
        "timeout": 300_000,
        "excludeCredentials": descriptors(store, &rows)?,
        "authenticatorSelection": {
            "residentKey": "required",
            "requireResidentKey": true,
            "userVerification": "required",
        },
        "attestation": "none",
    });
    let issued = ask(&tx, Some(account), challenge, What::Register { session }).await?;
    tx.commit().await?;
    Ok(Begun { options, token: issued.token, expires_at: issued.expires_at })
}

/// Takes what the authenticator made. From now on sign-ins of the account need it or another second factor.
///
/// # Errors
/// `Forbidden` and `Disabled` as in [`begin`]; `Unauthenticated` where the token is not of this session, or was used;
/// `Invalid` where the credential is not believed, or for the name; `Conflict` where it is registered.
pub async fn finish(
    scope: &Scope,
    passkeys: &Passkeys,
    token: &str,
    credential: Value,
    name: &str,
) -> Result<Registered> {
    let store = &passkeys.store;
    let (account, session) = scope.account_holder()?;
    let party = passkeys.party()?;
    let id = PasskeyId::new(store.clock());
    let name_sealed = sealed_name(store, id, name)?;
    let (asked_of, Asked { challenge, what }) = use_up(store, token).await?;
    let is_own = matches!(what, What::Register { session: asked } if asked == session) && asked_of == Some(account);
    if !is_own {
        return Err(unauthenticated());
    }
    let (known, moment) = read::<Attestation>(credential)
        .and_then(|credential| credential.registered(party, &challenge))
        .and_then(|(known, moment)| Ok((known, moment.require_verified()?)))
        .map_err(not_believed)?;
    let json = serde_json::to_vec(&known).map_err(|_| Error::internal("a passkey cannot be written"))?;
    let row = passkeys::Model {
        id,
        account_id: account,
        credential_index: credential_index(store, &known.id.0),
        credential_sealed: store.vault().instance_key().seal(&place("credential_sealed", id), &json),
        name_sealed,
        sign_count: moment.sign_count.into(),
        is_backed_up: moment.is_backed_up,
        created_at: store.now(),
        last_used_at: None,
    };
    let tx = store.write(scope).await?;
    require_room(&tx, account).await?;
    let once = OnConflict::column(passkeys::Column::CredentialIndex).do_nothing().to_owned();
    let new = passkeys::ActiveModel::from(row.clone()).reset_all();
    let written = passkeys::Entity::insert(new).on_conflict(once).exec_without_returning(tx.db()).await?;
    if written != 1 {
        return Err(Error::new(ErrorKind::Conflict, "This passkey is registered already."));
    }
    let recovery_codes = second_factor::gained_passkey(&tx, account, session).await?;
    audit::append(scope, &tx, event("passkey.registered", id)).await?;
    tx.commit().await?;
    Ok(Registered { passkey: listed(store, row)?, recovery_codes })
}

fn not_believed(why: Refused) -> Error {
    Error::invalid("credential", format!("This credential is not taken: {why}. Begin again."))
}
