//! Requests as other systems write them: the JSON of OpenDSR (github.com/opengdpr/opendsr, version 3.0), out and in.
//!
//! OpenDSR knows `access`, `portability` and `erasure`; the other rights of the regulation go by the same word in lower case.
//! An identity of the type `email` is taken; another one is kept out. Signatures of OpenDSR are not made or checked: who hands
//! a request in is known by their API key.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    PrivacyRequest, RequestKind, RequestSource, RequestState,
    receive::{self, Asked, Recorded},
};
use crate::{
    clock::Timestamp,
    error::{Error, Result},
    scope::Scope,
    store::Store,
};

const VERSION: &str = "3.0";
const MOST_IDENTITIES: usize = 20;

/// The request, for another system.
pub fn request(request: &PrivacyRequest) -> Value {
    let identities: Vec<Value> = request
        .contact
        .iter()
        .map(|email| json!({"identity_type": "email", "identity_format": "raw", "identity_value": email}))
        .collect();
    json!({
        "regulation": "gdpr",
        "subject_request_id": id_of(request),
        "subject_request_type": request.kind.name().to_lowercase(),
        "submitted_time": request.received_at.rfc3339(),
        "subject_identities": identities,
        "api_version": VERSION,
        "status_callback_urls": [],
        "extensions": {},
    })
}

/// How the request stands, for another system.
pub fn status(request: &PrivacyRequest) -> Value {
    let status = match request.state {
        RequestState::Received | RequestState::IdentityPending | RequestState::Verified | RequestState::Forwarded => {
            "pending"
        }
        RequestState::InProgress => "in_progress",
        RequestState::Fulfilled => "completed",
        RequestState::Refused | RequestState::Withdrawn => "cancelled",
    };
    json!({
        "subject_request_id": id_of(request),
        "request_status": status,
        "received_time": request.recorded_at.rfc3339(),
        "expected_completion_time": request.due_at.rfc3339(),
        "api_version": VERSION,
    })
}

/// The id that the other system gave it, or our own as a UUID.
fn id_of(request: &PrivacyRequest) -> String {
    request.external_id.clone().unwrap_or_else(|| request.id.0.to_string())
}

#[derive(Deserialize)]
struct Incoming {
    regulation: String,
    subject_request_id: String,
    subject_request_type: String,
    submitted_time: String,
    #[serde(alias = "identities")]
    subject_identities: Vec<Identity>,
}

#[derive(Deserialize)]
struct Identity {
    identity_type: String,
    identity_format: String,
    identity_value: String,
}

/// Takes a request from another system. The same id again answers with the same request. The clock runs from
/// `submitted_time`: that is when it was first received.
///
/// # Errors
/// `Invalid` for the field `request`, with what is wrong; `Forbidden` without `PRIVACY_WRITE`.
pub async fn take_in(scope: &Scope, store: &Store, value: Value) -> Result<PrivacyRequest> {
    let bad = |what: &str| Error::invalid("request", what.to_owned());
    let incoming: Incoming = serde_json::from_value(value).map_err(|_| {
        bad("It needs regulation, subject_request_id, subject_request_type, submitted_time and subject_identities.")
    })?;
    if incoming.regulation != "gdpr" {
        return Err(bad("The regulation has to be gdpr."));
    }
    let kind = incoming.subject_request_type.to_uppercase().parse::<RequestKind>();
    let kind = kind.map_err(|_| bad("The subject_request_type is none of the rights that are known."))?;
    let received_at =
        moment(&incoming.submitted_time).ok_or_else(|| bad("The submitted_time is no moment of RFC 3339."))?;
    if incoming.subject_identities.len() > MOST_IDENTITIES {
        return Err(bad("There are more than 20 identities."));
    }
    let is_address = |identity: &&Identity| identity.identity_type == "email" && identity.identity_format == "raw";
    let address = incoming.subject_identities.iter().find(is_address);
    let address = address.ok_or_else(|| bad("One identity has to be an email in the format raw."))?;
    let asked = Asked { kind, email: Some(&address.identity_value), message: None, language: None };
    let recorded = Recorded {
        asked,
        source: RequestSource::OpenDsr,
        received_at: Some(received_at),
        concerns: None,
        external_id: Some(&incoming.subject_request_id),
    };
    receive::record(scope, store, recorded).await
}

fn moment(text: &str) -> Option<Timestamp> {
    text.parse::<jiff::Timestamp>().ok().map(|moment| Timestamp(moment.as_millisecond()))
}
