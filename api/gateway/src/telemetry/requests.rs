//! One line a request: id, method, route pattern, status, time, and what kind of operation it was.

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{HeaderName, HeaderValue},
    },
    middleware::Next,
};
use tracing::{Instrument, info, info_span};

use super::{Stopwatch, new_reference};
use crate::graphql::request::Admitted;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the log tells of an operation: nothing a client wrote, but the hash by which two of the same can be told.
#[derive(Debug, Clone)]
pub struct OperationFacts {
    /// `query`, `mutation` or `subscription`.
    pub kind: &'static str,
    /// The start of the SHA-256 of the query text.
    pub fingerprint: String,
    /// Points.
    pub cost: u32,
}

impl OperationFacts {
    /// The facts of an operation.
    pub fn of(admitted: &Admitted) -> Self {
        Self { kind: admitted.kind.name(), fingerprint: admitted.fingerprint.clone(), cost: admitted.cost }
    }
}

/// Writes a line for every request, and gives it an id: the client's `X-Request-Id` if it is plain, else a new one. It
/// goes outermost: `App::new().wrap(from_fn(log_requests))`.
///
/// # Errors
/// Those of the service behind it.
pub async fn log_requests<B: MessageBody>(request: ServiceRequest, next: Next<B>) -> Result<ServiceResponse<B>, Error> {
    let watch = Stopwatch::start();
    let given = request.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(|id| is_plain(id));
    let id = given.map_or_else(new_reference, str::to_owned);
    let span = info_span!("request", id);
    let method = known(request.method());
    let result = next.call(request).instrument(span.clone()).await;
    let _entered = span.entered();
    let (status, millis) = match &result {
        Ok(response) => (response.status().as_u16(), watch.millis()),
        Err(error) => (error.as_response_error().status_code().as_u16(), watch.millis()),
    };
    let mut response = match result {
        Ok(response) => response,
        Err(error) => {
            info!(method, status, ms = millis, "request");
            return Err(error);
        }
    };
    let route = response.request().match_pattern();
    let route = route.as_deref().unwrap_or("none");
    match response.request().extensions().get::<OperationFacts>() {
        Some(facts) => {
            let (operation, hash, cost) = (facts.kind, facts.fingerprint.as_str(), facts.cost);
            info!(method, route, status, ms = millis, operation, hash, cost, "request");
        }
        None => info!(method, route, status, ms = millis, "request"),
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    Ok(response)
}

/// Writes a line for an operation on a socket; the request's line was written when the socket opened.
pub fn log_socket_operation(facts: Option<&OperationFacts>, code: &'static str) {
    match facts {
        Some(facts) => info!(operation = facts.kind, hash = facts.fingerprint, cost = facts.cost, code, "operation"),
        None => info!(code, "operation"),
    }
}

/// Letters, digits and hyphens, at most 64.
fn is_plain(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// A method's name; whatever else a client makes up is not repeated.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}
