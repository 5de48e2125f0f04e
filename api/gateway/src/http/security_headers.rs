//! Headers that make a browser careful with whatever is answered.

use actix_web::middleware::DefaultHeaders;

/// Nothing is guessed, framed, loaded or told to others. An answer that needs more sets its own header; this one then
/// keeps away.
pub fn security_headers(is_under_tls: bool) -> DefaultHeaders {
    let headers = DefaultHeaders::new();
    // A year (RFC 6797). Over plain HTTP the header means nothing.
    let headers = if is_under_tls { headers.add(("Strict-Transport-Security", "max-age=31536000")) } else { headers };
    headers
        .add(("X-Content-Type-Options", "nosniff"))
        .add(("X-Frame-Options", "DENY"))
        .add((
            "Content-Security-Policy",
            "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'",
        ))
        .add(("Referrer-Policy", "no-referrer"))
        .add(("Permissions-Policy", "camera=(), geolocation=(), microphone=()"))
}
