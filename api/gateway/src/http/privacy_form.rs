//! A form for requests about one's data, for a browser without scripts: `GET /privacy/{address}` shows it,
//! `POST /privacy/{address}` takes it, `POST /privacy/{address}/code` takes the code that was mailed.
//!
//! It is the mutations `submitPrivacyRequest` and `verifyPrivacyRequest` as pages, with their limits and charges. Nobody is signed in here
//! and no cookie is set, so a page elsewhere that sends the form does nothing that its visitor could not do without it. The pages load
//! nothing, may not be framed, and send their forms here alone; no value is written into one unescaped.

mod page;
mod words;

use std::str::FromStr;

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::{
        StatusCode,
        header::{ACCEPT_LANGUAGE, CACHE_CONTROL, CONTENT_SECURITY_POLICY, RETRY_AFTER, VARY},
    },
    web,
};
use consigne_foundation::{
    Error, ErrorKind, Result,
    privacy::{
        information::{self, Information, Of},
        requests::{
            RequestKind, identity_check,
            place::PublicPlace,
            receive::{self, Asked},
        },
    },
};
use serde::Deserialize;

use self::words::Words;
use super::transport::Transport;
use crate::graphql::Services;

/// Largest body: 5,000 characters, each written as twelve.
pub const LARGEST: usize = 64 * 1024;

const POLICY: &str = "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// What is filled in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filled {
    kind: String,
    email: String,
    #[serde(default)]
    message: String,
}

/// The code that was mailed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    reference: String,
    code: String,
}

/// Shows the form.
pub async fn get(request: HttpRequest, address: web::Path<String>, services: web::Data<Services>) -> HttpResponse {
    let words = words::of(accepted(&request));
    match about(&services, &address).await {
        Ok(information) => html(StatusCode::OK, page::form(words, &information, None)),
        Err(error) => failed(words, None, &error),
    }
}

/// Takes the form.
pub async fn post(
    request: HttpRequest,
    address: web::Path<String>,
    filled: web::Form<Filled>,
    transport: web::Data<Transport>,
    services: web::Data<Services>,
) -> HttpResponse {
    let words = words::of(accepted(&request));
    let information = match admitted(words, &transport, &services, &address).await {
        Ok(information) => information,
        Err(page) => return page,
    };
    let Filled { kind, email, message } = filled.into_inner();
    let taken = async {
        let kind = RequestKind::from_str(&kind).map_err(|_| Error::invalid("kind", "There is no such right."))?;
        let asked = Asked { kind, email: Some(&email), message: Some(&message), language: Some(words.language) };
        let place = PublicPlace { address: Some(&address), ..PublicPlace::default() };
        receive::from_public(&services.store, place, asked).await
    };
    match taken.await {
        Ok(receipt) => html(StatusCode::OK, page::taken(words, &information, &address, &receipt)),
        Err(error) => failed(words, Some(&information), &error),
    }
}

/// Takes the code.
pub async fn confirm(
    request: HttpRequest,
    address: web::Path<String>,
    typed: web::Form<Code>,
    transport: web::Data<Transport>,
    services: web::Data<Services>,
) -> HttpResponse {
    let words = words::of(accepted(&request));
    let information = match admitted(words, &transport, &services, &address).await {
        Ok(information) => information,
        Err(page) => return page,
    };
    // The token that comes of it is for a program; here it is enough that it is known who asks.
    match identity_check::verify(&services.store, &typed.reference, &typed.code).await {
        Ok(_) => html(StatusCode::OK, page::confirmed(words, &information)),
        Err(error) if error.kind() == ErrorKind::Invalid => {
            let page = page::code(words, &information, &address, &typed.reference, words.wrong_code);
            html(StatusCode::UNPROCESSABLE_ENTITY, page)
        }
        Err(error) => failed(words, Some(&information), &error),
    }
}

/// A form that cannot be read.
pub fn unreadable(error: actix_web::error::UrlencodedError, request: &HttpRequest) -> actix_web::Error {
    use actix_web::error::UrlencodedError::{ContentType, Overflow};
    let status = match &error {
        ContentType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Overflow { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        _ => StatusCode::BAD_REQUEST,
    };
    let words = words::of(accepted(request));
    actix_web::error::InternalError::from_response(error, html(status, page::message(words, None, words.unreadable)))
        .into()
}

/// Whom a form that was sent goes to, or the page that says why it is not taken.
async fn admitted(
    words: &'static Words,
    transport: &Transport,
    services: &Services,
    address: &str,
) -> Result<Information, HttpResponse> {
    if let Err(refusal) = transport.admit_public_change() {
        return Err(too_many(words, refusal.retry_after.unwrap_or(60)));
    }
    about(services, address).await.map_err(|error| failed(words, None, &error))
}

async fn about(services: &Services, address: &str) -> Result<Information> {
    let place = PublicPlace { address: Some(address), ..PublicPlace::default() };
    Ok(information::tell(&services.store, &services.registry, Of::Named(place)).await?.information)
}

fn failed(words: &'static Words, information: Option<&Information>, error: &Error) -> HttpResponse {
    match (error.kind(), information) {
        (ErrorKind::NotFound, _) => html(StatusCode::NOT_FOUND, page::message(words, None, words.nobody)),
        (ErrorKind::Invalid, Some(information)) => {
            let wrong = if error.field() == Some("email") { words.wrong_email } else { words.unreadable };
            html(StatusCode::UNPROCESSABLE_ENTITY, page::form(words, information, Some(wrong)))
        }
        (ErrorKind::RateLimited, _) => too_many(words, 3_600),
        _ if error.is_retryable() => {
            let page = page::message(words, information, words.later);
            answer(StatusCode::SERVICE_UNAVAILABLE).insert_header((RETRY_AFTER, "5")).body(page)
        }
        _ => {
            let reference = crate::telemetry::new_reference();
            tracing::error!(reference, ?error, "a request about personal data could not be taken");
            html(StatusCode::INTERNAL_SERVER_ERROR, page::message(words, information, words.later))
        }
    }
}

fn too_many(words: &'static Words, seconds: u64) -> HttpResponse {
    let page = page::message(words, None, words.too_many);
    answer(StatusCode::TOO_MANY_REQUESTS).insert_header((RETRY_AFTER, seconds.to_string())).body(page)
}

fn html(status: StatusCode, page: String) -> HttpResponse {
    answer(status).body(page)
}

fn answer(status: StatusCode) -> HttpResponseBuilder {
    let mut answer = HttpResponse::build(status);
    answer
        .content_type("text/html; charset=utf-8")
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((VARY, "Accept-Language"));
    answer
}

/// The language that the browser prefers among those that are spoken here (RFC 9110, section 12.5.4).
fn accepted(request: &HttpRequest) -> &'static str {
    let header = request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    preferred(header)
}

fn preferred(header: &str) -> &'static str {
    let mut best = (words::ALL[0].language, 0.0);
    for part in header.split(',') {
        let mut fields = part.split(';');
        let tag = fields.next().unwrap_or_default().trim().to_ascii_lowercase();
        let weight = fields.find_map(|field| field.trim().strip_prefix("q=")?.parse::<f32>().ok()).unwrap_or(1.0);
        let spoken = words::ALL.iter().find(|words| tag.split('-').next() == Some(words.language));
        if let Some(spoken) = spoken.filter(|_| weight > best.1) {
            best = (spoken.language, weight);
        }
    }
    best.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_language_is_the_one_that_is_preferred_among_those_that_are_spoken() {
        for (header, language) in [
            ("", "en"),
            ("fr", "fr"),
            ("de-AT,de;q=0.9,en;q=0.8", "de"),
            ("nl, en;q=0.3, es;q=0.7", "es"),
            ("pt-BR", "en"),
            ("*;q=0.5, FR;q=0.1", "fr"),
            ("fr;q=0, de", "de"),
            ("fr;q=nonsense", "fr"),
        ] {
            assert_eq!(preferred(header), language, "{header}");
        }
    }
}
