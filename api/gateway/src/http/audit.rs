//! The audit log for other programs: `GET /audit.ndjson?after=SEQ`, a line of JSON an entry, oldest first.
//!
//! A program keeps the last `seq` it read and asks for what follows. That the log was taken along is an entry of it.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header,
    web::{Bytes, Data, Query},
};
use consigne_foundation::{
    Error, ErrorKind, Permission, Result, Scope,
    audit::{self, Event, forward},
    identity::authenticate::authenticate,
    store::Store,
};
use futures::{Stream, TryStreamExt};
use serde::Deserialize;

use super::exports::fault;
use crate::graphql::Services;

/// From where on.
#[derive(Deserialize)]
pub struct From {
    /// The number of the last entry that is known already; 0 for all.
    #[serde(default)]
    after: i64,
}

/// The entries that follow.
pub async fn get(request: HttpRequest, from: Query<From>, services: Data<Services>) -> HttpResponse {
    let store = services.store.clone();
    match begin(&request, &store, from.after).await {
        Ok(scope) => {
            let lines = lines(scope, store, from.after).map_err(|error| {
                tracing::error!(?error, "an audit log could not be sent whole");
                actix_web::error::ErrorInternalServerError("Internal error")
            });
            HttpResponse::Ok()
                .content_type("application/x-ndjson")
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .streaming(lines)
        }
        Err(error) => match error.kind() {
            ErrorKind::Unauthenticated => HttpResponse::Unauthorized().finish(),
            ErrorKind::Forbidden => HttpResponse::Forbidden().finish(),
            _ => fault(&error, "an audit log could not be read"),
        },
    }
}

/// Who asks; written down before anything is sent.
async fn begin(request: &HttpRequest, store: &Store, after: i64) -> Result<Scope> {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let somebody = authenticate(store, given).await?;
    let scope = somebody.ok_or_else(|| Error::new(ErrorKind::Unauthenticated, "Sign in first."))?.scope;
    scope.require(Permission::AuditRead)?;
    let tx = store.write(&scope).await?;
    audit::append(&scope, &tx, Event::new("audit.exported").detail("after", after)).await?;
    tx.commit().await?;
    Ok(scope)
}

fn lines(scope: Scope, store: Store, mut after: i64) -> impl Stream<Item = Result<Bytes>> {
    async_stream::try_stream! {
        loop {
            let entries = audit::since(&scope, &store, after).await?;
            let Some(last) = entries.last() else { break };
            after = last.seq;
            let text: String = entries.iter().map(|entry| format!("{}\n", forward::line(entry))).collect();
            yield Bytes::from(text);
        }
    }
}
