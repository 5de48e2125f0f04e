//! What identity providers say of themselves: `POST /sso/logout/{workspace}` (OpenID Connect Back-Channel Logout 1.0, 2.5).
//!
//! The workspace in the path opens nothing: the logout token is believed if that workspace's provider signed it.

use actix_web::{HttpResponse, http::header, web};
use consigne_foundation::{ErrorKind, id::WorkspaceId, identity::single_sign_on::logout};
use serde::Deserialize;
use serde_json::json;

use super::exports::fault;
use crate::graphql::Services;

/// Largest body: a token and its name.
pub const LARGEST: usize = 20 << 10;

/// What a provider sends.
#[derive(Deserialize)]
pub struct LogoutForm {
    logout_token: String,
}

/// Takes a logout token.
pub async fn log_out(
    workspace: web::Path<String>,
    form: web::Form<LogoutForm>,
    services: web::Data<Services>,
) -> HttpResponse {
    let workspace = WorkspaceId::parse_or_unknown(&workspace);
    match logout::log_out(&services.single_sign_on, workspace, &form.logout_token).await {
        Ok(_) => HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).finish(),
        Err(error) if matches!(error.kind(), ErrorKind::Unauthenticated | ErrorKind::Conflict) => refused(),
        Err(error) if error.kind() == ErrorKind::Misconfigured => refused(),
        Err(error) => fault(&error, "a logout could not be taken in"),
    }
}

/// Whatever is wrong, in the words of the protocol.
fn refused() -> HttpResponse {
    HttpResponse::BadRequest()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .json(json!({"error": "invalid_request", "error_description": "The logout token was not taken."}))
}

/// No form, or one without a token.
pub fn unreadable(error: actix_web::error::UrlencodedError, _: &actix_web::HttpRequest) -> actix_web::Error {
    actix_web::error::InternalError::from_response(error, refused()).into()
}
