//! Bytes of staged uploads: `PUT /uploads/{id}` with the `Authorization` of whoever announced them.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use bytes::Bytes;
use consigne_assistant::knowledge::uploads;
use consigne_foundation::{Error, ErrorKind, id::UploadId, identity};
use futures::{SinkExt, StreamExt, channel::mpsc};
use serde_json::json;

use crate::graphql::Services;

/// Pieces of a body that may wait for the disk.
const WAITING_PIECES: usize = 16;

/// Takes the bytes.
pub async fn put(
    request: HttpRequest,
    id: web::Path<String>,
    body: web::Payload,
    services: web::Data<Services>,
) -> HttpResponse {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|h| h.to_str().ok());
    let somebody = match identity::authenticate::authenticate(&services.store, header).await {
        Ok(Some(somebody)) => somebody,
        Ok(None) => return refuse(&Error::new(ErrorKind::Unauthenticated, "Sign in first.")),
        Err(error) => return refuse(&error),
    };
    let id = UploadId::parse_or_unknown(&id);
    let (sender, receiver) = mpsc::channel(WAITING_PIECES);
    let taken = uploads::receive(&somebody.scope, &services.knowledge, id, receiver);
    let (taken, ()) = futures::join!(taken, pass_on(body, sender));
    match taken {
        Ok(bytes) => HttpResponse::Ok().json(json!({ "bytes": bytes })),
        Err(error) => refuse(&error),
    }
}

/// Passes the body on to where it is sealed; a body belongs to the thread of its connection.
async fn pass_on(mut body: web::Payload, mut sender: mpsc::Sender<consigne_foundation::Result<Bytes>>) {
    while let Some(piece) = body.next().await {
        let piece = piece
            .map_err(|_| Error::new(ErrorKind::Unavailable, "The connection broke before the whole file was sent."));
        // Whoever seals it has stopped: it is too large, or a store is down.
        if sender.send(piece).await.is_err() {
            return;
        }
    }
}

fn refuse(error: &Error) -> HttpResponse {
    let (mut response, code) = match error.kind() {
        ErrorKind::Unauthenticated => (HttpResponse::Unauthorized(), "UNAUTHENTICATED"),
        ErrorKind::Forbidden => (HttpResponse::Forbidden(), "FORBIDDEN"),
        ErrorKind::NotFound => (HttpResponse::NotFound(), "NOT_FOUND"),
        ErrorKind::LimitExceeded => (HttpResponse::PayloadTooLarge(), "LIMIT_EXCEEDED"),
        ErrorKind::Unavailable => (HttpResponse::ServiceUnavailable(), "TEMPORARILY_UNAVAILABLE"),
        ErrorKind::Conflict => (HttpResponse::Conflict(), "CONFLICT"),
        _ => {
            let reference = crate::telemetry::new_reference();
            tracing::error!(reference, ?error, "an upload failed");
            let body = json!({ "code": "INTERNAL", "message": "Internal error", "reference": reference });
            return HttpResponse::InternalServerError().json(body);
        }
    };
    response.json(json!({ "code": code, "message": error.message() }))
}
