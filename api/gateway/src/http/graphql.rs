//! `POST /graphql`: GraphQL over HTTP (<https://graphql.github.io/graphql-over-http/draft/>).
//!
//! Only POST, and only bodies that say they are `application/json`: a browser sends neither across origins without
//! asking first, so no page can make a visitor's browser act.

use std::sync::Arc;

use actix_web::{
    HttpMessage, HttpRequest, HttpResponse,
    http::{
        StatusCode,
        header::{
            AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, ORIGIN, RETRY_AFTER, USER_AGENT,
            VARY, WWW_AUTHENTICATE,
        },
    },
    web,
};
use consigne_foundation::identity::Whence;
use futures::StreamExt;

use super::{
    answer::{Answer, Kind},
    executor::Caller,
    media::{self, Json},
    sse,
    transport::{Credentials, Permit, Transport},
};
use crate::{
    graphql::request::{OperationKind, Parameters, Refusal, Stage, Standing},
    telemetry::OperationFacts,
};

/// Answers one operation, as JSON or, where the client names `text/event-stream`, as a stream of events.
pub async fn post(request: HttpRequest, payload: web::Payload, transport: web::Data<Transport>) -> HttpResponse {
    let transport = transport.into_inner();
    let accepted = media::accepted(request.headers());
    if accepted.prefers_stream {
        return sse::respond(&request, payload, &transport).await;
    }
    let Some(json) = accepted.json else {
        let message = "The answer is application/graphql-response+json, application/json or text/event-stream.";
        return respond(&Refusal::transport(406, "NOT_ACCEPTABLE", message).into(), Json::Plain, None);
    };
    let (caller, permit) = match receive(&request, payload, &transport).await {
        Ok(received) => received,
        Err(refusal) => return respond(&refusal.into(), json, None),
    };
    let standing = Some(permit.standing);
    if permit.admitted.kind == OperationKind::Subscription {
        if accepted.stream {
            return sse::stream(&transport, transport.listen(caller, permit.admitted), standing);
        }
        let message = "A subscription is answered as text/event-stream, or over a WebSocket.";
        return respond(&Refusal::transport(406, "STREAM_REQUIRED", message).into(), json, standing);
    }
    let answer = transport.answer(&caller, permit.admitted).await;
    respond(&answer, json, standing)
}

/// Reads, authenticates, charges and measures a request. What it is goes to the log.
///
/// # Errors
/// Whatever stops it.
pub(super) async fn receive(
    request: &HttpRequest,
    payload: web::Payload,
    transport: &Arc<Transport>,
) -> Result<(Caller, Permit), Refusal> {
    if !media::is_json(request.headers()) {
        let message = "The body must be application/json in UTF-8, uncompressed.";
        return Err(Refusal::transport(415, "UNSUPPORTED_MEDIA_TYPE", message));
    }
    let body = read(request, payload, transport).await?;
    let parameters = Parameters::from_slice(&body)?;
    let caller = transport.authenticate(&credentials(request, transport)).await?;
    let permit = transport.admit(&caller, parameters)?;
    request.extensions_mut().insert(OperationFacts::of(&permit.admitted));
    Ok((caller, permit))
}

/// What a client shows of itself.
pub(super) fn credentials(request: &HttpRequest, transport: &Transport) -> Credentials {
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    let address = match transport.settings.is_behind_proxy {
        // The last entry is the proxy's own; what stands before it is the client's to make up.
        true => text(HeaderName::from_static("x-forwarded-for"))
            .and_then(|list| list.rsplit(',').next())
            .and_then(|last| last.trim().parse().ok()),
        false => request.peer_addr().map(|peer| peer.ip()),
    };
    Credentials {
        authorization: text(AUTHORIZATION).map(str::to_owned),
        origin: text(ORIGIN).map(str::to_owned),
        whence: Whence::new(text(USER_AGENT), address),
    }
}

async fn read(request: &HttpRequest, mut payload: web::Payload, transport: &Transport) -> Result<Vec<u8>, Refusal> {
    let limit = transport.settings.body_bytes;
    let too_large =
        || Refusal::transport(413, "BODY_TOO_LARGE", format!("The body has more than the {limit} bytes allowed."));
    let announced = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let arrive = async {
        let mut body = Vec::with_capacity(announced.unwrap_or(0).min(limit));
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(|_| Refusal::transport(400, "BAD_REQUEST", "The body could not be read."))?;
            if body.len() + chunk.len() > limit {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    };
    let late = Refusal::transport(408, "TIMEOUT", "The body did not arrive in time.");
    tokio::time::timeout(transport.settings.arrival, arrive).await.unwrap_or(Err(late))
}

/// A single answer. What was not executed says so in the status, unless it is a GraphQL response in `application/json`,
/// which is 200 by tradition.
pub(super) fn respond(answer: &Answer, json: Json, standing: Option<Standing>) -> HttpResponse {
    let status = match (answer.kind, json) {
        (Kind::Executed, _) | (Kind::Refused(Stage::Document), Json::Plain) => StatusCode::OK,
        (Kind::Refused(Stage::Document), Json::GraphqlResponse) => StatusCode::BAD_REQUEST,
        (Kind::Refused(Stage::Transport(status)), _) => {
            StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        }
    };
    let mut response = HttpResponse::build(status);
    response
        .insert_header((CONTENT_TYPE, json.content_type()))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((VARY, "Accept, Origin"));
    if status == StatusCode::UNAUTHORIZED {
        response.insert_header((WWW_AUTHENTICATE, "Bearer"));
    }
    if let Some(seconds) = answer.retry_after {
        response.insert_header((RETRY_AFTER, seconds));
    }
    for header in standing.iter().flat_map(rate_headers) {
        response.insert_header(header);
    }
    response.body(answer.to_json())
}

/// `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10); the unit is a point, not a request.
pub(super) fn rate_headers(standing: &Standing) -> [(&'static str, String); 2] {
    [
        ("RateLimit-Policy", format!("\"points\";q={};w=60", standing.per_minute)),
        ("RateLimit", format!("\"points\";r={};t={}", standing.remaining, standing.reset)),
    ]
}
