//! What channels are sent from outside: `POST /channels/{address}`.
//!
//! The address is an unguessable id of one workspace's channel, and opens nothing: the channel itself verifies the
//! request. Whatever is wrong is 401 without a word.

use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use consigne_foundation::ErrorKind;

use crate::graphql::Services;

/// Largest body: a mail with a few pictures, which are then refused by name.
pub const LARGEST: usize = 10 << 20;

/// Takes a request in.
pub async fn post(
    request: HttpRequest,
    address: web::Path<String>,
    body: Bytes,
    services: web::Data<Services>,
) -> HttpResponse {
    let readable = |(name, value): (&actix_web::http::header::HeaderName, &actix_web::http::header::HeaderValue)| {
        Some((name.as_str().to_ascii_lowercase(), value.to_str().ok()?.to_owned()))
    };
    let headers = request.headers().iter().filter_map(readable).collect();
    match services.inbound.receive(&address, headers, body).await {
        Ok(Some((media_type, answer))) => HttpResponse::Ok().content_type(media_type).body(answer),
        Ok(None) => HttpResponse::Ok().finish(),
        Err(error) if error.kind() == ErrorKind::Forbidden => HttpResponse::Unauthorized().finish(),
        // The sender comes again, and what was taken in already is known.
        Err(error) if error.is_retryable() || error.kind() == ErrorKind::Conflict => {
            HttpResponse::ServiceUnavailable().insert_header(("Retry-After", "5")).finish()
        }
        Err(error) => {
            let reference = crate::telemetry::new_reference();
            tracing::error!(reference, ?error, "what a channel was sent could not be taken in");
            HttpResponse::InternalServerError().finish()
        }
    }
}
