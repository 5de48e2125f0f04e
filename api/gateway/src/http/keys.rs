//! `/.well-known/jwks.json`: the keys with which anyone verifies what this installation signed (RFC 7517, RFC 8037).

use actix_web::{HttpResponse, web};
use consigne_foundation::identity::signing;

use crate::graphql::Services;

/// The keys, retired ones too: what they signed stays verifiable.
pub async fn jwks(services: web::Data<Services>) -> HttpResponse {
    match signing::jwks(&services.store).await {
        Ok(keys) => HttpResponse::Ok().insert_header(("Cache-Control", "public, max-age=300")).json(keys),
        Err(error) => {
            tracing::error!(?error, "the keys could not be read");
            HttpResponse::ServiceUnavailable().finish()
        }
    }
}
