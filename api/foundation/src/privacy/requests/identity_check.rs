//! Who asks: proven by a visitor's token, by a one-time code that was sent to the address, or by staff with evidence.
//!
//! A code has eight random digits, holds for fifteen minutes and five tries, and is compared in constant time with a keyed
//! hash. An unknown reference, a wrong code and one that is over are answered alike, after the same work. The right code gives
//! a token for half an hour, which opens that person's rights and nothing else.

use std::time::Duration;

use subtle::ConstantTimeEq;

use super::{RequestState, VerifiedBy, advance, events, find, hold, key_of, place_of, receive, save, table};
use crate::{
    audit::{self, Event},
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
    id::{PrivacyRequestId, SubjectId, WorkspaceId, fill_random},
    identity::{
        SecretText,
        tokens::{self, PersonClaims, TokenKind},
    },
    privacy::{
        identifiers::{self, IdentifierKind},
        mails::{self, MailKind},
    },
    scope::{Permission, Scope},
    store::{Mode, Store, WorkspaceTx},
};

/// Digits of a code.
const DIGITS: u32 = 8;
/// How long a code holds.
pub const HOLDS: Duration = Duration::from_secs(15 * 60);
/// Wrong tries after which a code is void.
pub const TRIES: i64 = 5;
/// Codes that are sent for one request in an hour.
const MOST_CODES: i64 = 3;
const HOUR: Duration = Duration::from_secs(3_600);
/// Who acts where a code comes back.
const ACTOR: &str = "identity-check";

/// A request of which it is known who made it. Only this module makes one.
pub struct Verified<T>(T);

impl Verified<table::Model> {
    /// The row of a request, held and verified.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` where it is not known who asks.
    pub(super) async fn hold(tx: &WorkspaceTx, id: PrivacyRequestId) -> Result<Self> {
        let row = hold(tx, id).await?;
        if row.verified_at.is_none() {
            let message = "It is not known yet who asks. No right is served before.";
            return Err(Error::new(ErrorKind::Conflict, message));
        }
        Ok(Self(row))
    }

    /// The row.
    pub(super) fn into_row(self) -> table::Model {
        self.0
    }
}

/// Makes a new code for a request and answers with it, for the mail that carries it. An earlier one is void. `None` where
/// none is needed any more.
pub(in crate::privacy) async fn new_code(scope: &Scope, store: &Store, id: PrivacyRequestId) -> Result<Option<String>> {
    let tx = store.write(scope).await?;
    let mut row = hold(&tx, id).await?;
    if row.verified_at.is_some() || row.closed_at.is_some() {
        return Ok(None);
    }
    let code = random_code();
    row.code_hash = Some(hash(store, scope.workspace(), id, &code).await?);
    row.code_expires_at = Some(store.now().plus(HOLDS));
    row.code_tries = 0;
    if row.state.parse::<RequestState>()? == RequestState::Received {
        advance(&mut row, RequestState::IdentityPending)?;
    }
    save(&tx, row).await?;
    let event = Event::new("privacy_request.code_made").target("privacy_request", id.0);
    audit::append(scope, &tx, event).await?;
    tx.commit().await?;
    Ok(Some(code))
}

/// Sends another code. Answers the same whatever the reference is.
///
/// # Errors
/// `Unavailable`.
pub async fn send_again(store: &Store, reference: &str) -> Result<()> {
    let Some((workspace, id)) = receive::read_reference(reference) else { return Ok(()) };
    let scope = Scope::duty(workspace, ACTOR);
    let tx = store.write(&scope).await?;
    let Ok(mut row) = hold(&tx, id).await else { return Ok(()) };
    let now = store.now();
    if row.codes_asked_at.is_none_or(|since| since.plus(HOUR) <= now) {
        row.codes_asked_at = Some(now);
        row.codes_asked = 0;
    }
    if row.verified_at.is_some()
        || row.closed_at.is_some()
        || row.contact_sealed.is_none()
        || row.codes_asked >= MOST_CODES
    {
        return Ok(());
    }
    row.codes_asked += 1;
    save(&tx, row).await?;
    mails::put(&tx, Some(id), MailKind::Code).await?;
    tx.commit().await
}

/// A way to one's rights.
pub struct RightsSession {
    /// For the `Authorization` header, after `Bearer`.
    pub token: SecretText,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The request.
    pub request: PrivacyRequestId,
    /// The person.
    pub subject: SubjectId,
}

/// Takes a code back. The right one says who asks, and opens their rights for half an hour; it works once.
///
/// # Errors
/// `Invalid` for the field `code`, whatever is wrong.
pub async fn verify(store: &Store, reference: &str, code: &str) -> Result<RightsSession> {
    // Nobody's workspace and request, where the reference cannot be read: the same work is done.
    let (workspace, id) = receive::read_reference(reference)
        .unwrap_or((WorkspaceId::parse_or_unknown(""), PrivacyRequestId::parse_or_unknown("")));
    let signer = tokens::signer(store).await?;
    let scope = Scope::duty(workspace, ACTOR);
    let typed: String = code.chars().filter(char::is_ascii_digit).collect();
    let tx = store.begin_in(workspace, Mode::Write).await?;
    let row = hold(&tx, id).await.ok();
    let offered = match row {
        Some(_) => hash(store, workspace, id, &typed).await?,
        // An unknown workspace gets no key; a hash is taken all the same.
        None => store.vault().instance_index("privacy request code", &format!("{id}:{typed}")),
    };
    let stored = row.as_ref().and_then(|row| row.code_hash.clone()).unwrap_or_else(|| vec![0; 32]);
    let is_right: bool = stored.ct_eq(&offered).into();
    let Some(mut row) = row else { return Err(wrong()) };
    let holds = row.code_hash.is_some()
        && row.code_expires_at.is_some_and(|end| store.now() < end)
        && row.code_tries < TRIES
        && row.closed_at.is_none();
    if !holds {
        return Err(wrong());
    }
    if !is_right {
        row.code_tries += 1;
        let is_over = row.code_tries >= TRIES;
        save(&tx, row).await?;
        let action = if is_over { "privacy_request.code_void" } else { "privacy_request.code_wrong" };
        audit::append(&scope, &tx, Event::new(action).target("privacy_request", id.0)).await?;
        tx.commit().await?;
        return Err(wrong());
    }
    row.code_hash = None;
    mark(&scope, &tx, &mut row, VerifiedBy::Code, None).await?;
    if row.concerns.is_none() {
        row.concerns = known_person(&tx, &row).await?;
    }
    let subject = row.concerns.or(row.subject_id).ok_or_else(wrong)?;
    save(&tx, row).await?;
    tx.commit().await?;
    let claims = PersonClaims { sub: id, workspace };
    let (token, expires_at) = tokens::issue(&signer, TokenKind::Person, claims, store.now())?;
    Ok(RightsSession { token, expires_at, request: id, subject })
}

/// Staff knows who asks, and says how: an identity card that was seen, a call back.
///
/// # Errors
/// `Forbidden` without `PRIVACY_WRITE`; `Invalid` evidence; `NotFound`; `Conflict` where the request is closed.
pub async fn confirm(
    scope: &Scope,
    store: &Store,
    id: PrivacyRequestId,
    evidence: &str,
) -> Result<super::PrivacyRequest> {
    scope.require(Permission::PrivacyWrite)?;
    let evidence = evidence.trim();
    if !(3..=2_000).contains(&evidence.chars().count()) {
        return Err(Error::invalid("evidence", "Say in 3 to 2,000 characters how you know."));
    }
    let tx = store.write(scope).await?;
    let mut row = hold(&tx, id).await?;
    if row.closed_at.is_some() {
        return Err(Error::new(ErrorKind::Conflict, "The request is closed."));
    }
    if row.verified_at.is_none() {
        mark(scope, &tx, &mut row, VerifiedBy::Staff, Some(evidence)).await?;
        save(&tx, row).await?;
    }
    let confirmed = super::read(&tx, find(&tx, id).await?).await?;
    tx.commit().await?;
    Ok(confirmed)
}

/// Writes into the row by what it is known who asks.
pub(super) async fn mark(
    scope: &Scope,
    tx: &WorkspaceTx,
    row: &mut table::Model,
    by: VerifiedBy,
    evidence: Option<&str>,
) -> Result<()> {
    row.verified_at = Some(tx.store().now());
    row.verified_by = Some(by.name().to_owned());
    if let (Some(evidence), Some(key)) = (evidence, super::key_of(tx, row).await?) {
        row.evidence_sealed = Some(key.seal_text(&super::place_of(row, "evidence_sealed"), evidence));
    }
    if row.state.parse::<RequestState>()?.may_become(RequestState::Verified) {
        advance(row, RequestState::Verified)?;
    }
    events::append(tx, row.id, events::Kind::Verified).await?;
    let event = Event::new("privacy_request.verified").target("privacy_request", row.id.0).detail("by", by.name());
    audit::append(scope, tx, event).await?;
    Ok(())
}

/// The person whom an earlier request from the same address was about, as staff found out.
async fn known_person(tx: &WorkspaceTx, row: &table::Model) -> Result<Option<SubjectId>> {
    use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder};
    let Some(index) = &row.contact_index else { return Ok(None) };
    let earlier = table::Entity::find()
        .filter(table::Column::WorkspaceId.eq(tx.workspace()))
        .filter(table::Column::ContactIndex.eq(index.clone()))
        .filter(table::Column::Concerns.is_not_null())
        .filter(table::Column::VerifiedAt.is_not_null())
        .order_by_desc(table::Column::Id)
        .one(tx.db())
        .await?;
    if let Some(concerns) = earlier.and_then(|earlier| earlier.concerns) {
        return Ok(Some(concerns));
    }
    let (Some(key), Some(sealed)) = (key_of(tx, row).await?, &row.contact_sealed) else { return Ok(None) };
    let contact = key.open_text(&place_of(row, "contact_sealed"), sealed)?;
    // Where the address is several people's, it says of none of them who asks.
    match identifiers::find(tx, IdentifierKind::Email, &contact).await?.as_slice() {
        [one] => Ok(Some(*one)),
        _ => Ok(None),
    }
}

/// The person behind a token of a request, while the request is open and verified.
pub(crate) async fn person_of(tx: &WorkspaceTx, id: PrivacyRequestId) -> Result<Option<SubjectId>> {
    match find(tx, id).await {
        Ok(row) if row.verified_at.is_some() && row.blanked_at.is_none() => Ok(row.concerns.or(row.subject_id)),
        Ok(_) => Ok(None),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

async fn hash(store: &Store, workspace: WorkspaceId, id: PrivacyRequestId, code: &str) -> Result<Vec<u8>> {
    store.vault().blind_index(workspace, "privacy request code", &format!("{id}:{code}")).await
}

/// Eight digits, each code as likely as any other: what would make some likelier is drawn again.
fn random_code() -> String {
    let codes = 10_u32.pow(DIGITS);
    loop {
        let mut bytes = [0; 4];
        fill_random(&mut bytes);
        let number = u32::from_be_bytes(bytes);
        if number < u32::MAX - u32::MAX % codes {
            return format!("{:08}", number % codes);
        }
    }
}

fn wrong() -> Error {
    Error::invalid("code", "This is not the code, or it is over. Ask for another one.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_eight_digits_and_another_one_is_another() {
        let codes: std::collections::HashSet<String> = (0..200).map(|_| random_code()).collect();
        assert!(codes.len() > 190);
        assert!(codes.iter().all(|code| code.len() == 8 && code.bytes().all(|b| b.is_ascii_digit())));
    }
}
