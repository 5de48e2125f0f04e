//! Cross-origin calls of `/graphql` and `/uploads`: pages of an allowed origin may send a token in a header. No cookies, no
//! credentials.

use actix_web::{
    Error, HttpResponse,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{
            ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, HeaderMap,
            HeaderValue, ORIGIN, VARY,
        },
    },
    middleware::Next,
    web,
};

use super::transport::Transport;

const HEADERS: HeaderValue = HeaderValue::from_static("Accept, Authorization, Content-Type, X-Request-Id");
const EXPOSED: HeaderValue = HeaderValue::from_static("RateLimit, RateLimit-Policy, Retry-After, X-Request-Id");
/// Ten minutes: long enough for a chat, short enough for an origin that is taken off the list.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Answers preflights, and marks the answers that a page of another origin may read.
///
/// # Errors
/// Those of the service behind it.
pub async fn cross_origin<B: MessageBody>(
    transport: web::Data<Transport>,
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let headers = request.headers();
    let is_preflight = request.method() == Method::OPTIONS && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let allowed = match headers.get(ORIGIN).cloned() {
        Some(origin) => {
            let is_allowed = match origin.to_str() {
                Ok(text) => transport.executor.allowed_origin(text).await,
                Err(_) => false,
            };
            is_allowed.then_some(origin)
        }
        None => None,
    };
    if is_preflight {
        let mut response = HttpResponse::NoContent().finish();
        if let Some(origin) = allowed {
            let headers = response.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, PUT"));
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE);
            allow(headers, origin);
        }
        response.headers_mut().insert(VARY, HeaderValue::from_static("Origin"));
        return Ok(request.into_response(response).map_into_right_body());
    }
    let mut response = next.call(request).await?.map_into_left_body();
    if let Some(origin) = allowed {
        response.headers_mut().insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
        allow(response.headers_mut(), origin);
    }
    Ok(response)
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
}
