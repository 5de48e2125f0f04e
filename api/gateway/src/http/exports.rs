//! Copies of what is held about people, and archives of workspaces: `GET /exports/{token}` and `GET /workspace-exports/{token}`, where
//! the token opens one file once; and the schema of what is made for other programs.

use actix_web::{HttpResponse, http::header, web};
use consigne_foundation::{
    Error, ErrorKind, Result,
    identity::signing,
    leaving::{self, termination},
    privacy::exports::{self, Download, portability},
};
use futures::TryStreamExt;
use serde_json::json;

use crate::graphql::Services;

/// The file. Whatever is wrong with the token, there is no such file.
pub async fn get(token: web::Path<String>, services: web::Data<Services>) -> HttpResponse {
    answer(exports::redeem(&services.privacy, &token).await)
}

/// An archive of a workspace; as [`get`].
pub async fn get_archive(token: web::Path<String>, services: web::Data<Services>) -> HttpResponse {
    answer(leaving::exports::redeem(&services.privacy, &token).await)
}

/// How the end of a workspace went on, for whoever has its receipt: when nobody can sign in to it any more, this shows that it was
/// done. `consigne verify` reads what it answers.
pub async fn receipt(token: web::Path<String>, services: web::Data<Services>) -> HttpResponse {
    let ended = match termination::by_receipt(&services.privacy, &token).await {
        Ok(ended) => ended,
        Err(error) if error.kind() == ErrorKind::NotFound => return HttpResponse::NotFound().finish(),
        Err(error) => return unopened(&error),
    };
    let keys = match signing::jwks(&services.store).await {
        Ok(keys) => keys,
        Err(error) => return unopened(&error),
    };
    let newest = ended.final_certificate.as_ref().or(ended.certificate.as_ref());
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(json!({
        "termination": ended.id,
        "workspace": ended.workspace,
        "choice": ended.choice.name(),
        "state": ended.state.name(),
        "requestedAt": ended.requested_at.rfc3339(),
        "purgeAt": ended.purge_at.rfc3339(),
        "certificate": newest,
        "liveCertificate": ended.certificate,
        "finalCertificate": ended.final_certificate,
        "keys": keys["keys"],
    }))
}

fn unopened(error: &Error) -> HttpResponse {
    fault(error, "a file could not be opened")
}

/// What is nobody's fault who asks: later works, or `what` is in the log.
pub(super) fn fault(error: &Error, what: &'static str) -> HttpResponse {
    if error.is_retryable() {
        return HttpResponse::ServiceUnavailable().insert_header((header::RETRY_AFTER, "5")).finish();
    }
    let reference = crate::telemetry::new_reference();
    tracing::error!(reference, ?error, "{what}");
    HttpResponse::InternalServerError().finish()
}

fn answer(redeemed: Result<Download>) -> HttpResponse {
    match redeemed {
        Ok(download) => {
            let disposition = format!("attachment; filename=\"{}\"", download.file_name);
            let body = download.body.map_err(|error| {
                tracing::error!(?error, "a file could not be sent whole");
                actix_web::error::ErrorInternalServerError("Internal error")
            });
            HttpResponse::Ok()
                .insert_header((header::CONTENT_TYPE, download.media_type))
                .insert_header((header::CONTENT_DISPOSITION, disposition))
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .streaming(body)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body(
                "There is no such file. A link opens its file once, and not for ever; another link can be had where it was asked for.",
            )
        }
        Err(error) => unopened(&error),
    }
}

/// The schema of what a person provided.
pub async fn portability_schema() -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/schema+json")
        .insert_header((header::CACHE_CONTROL, "public, max-age=3600"))
        .body(portability::SCHEMA)
}
