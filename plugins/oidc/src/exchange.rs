//! A code for tokens (OpenID Connect Core 1.0, 3.1.3), and a person's address where the id token has none (5.3).

use base64::{Engine, prelude::BASE64_STANDARD};
use consigne_sdk::{
    Egress, Provider, Reply, Result,
    egress::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HeaderMap, HeaderValue},
};
use serde::Deserialize;
use url::form_urlencoded::byte_serialize;

use crate::{
    discovery::{self, Metadata, WHOLE, unavailable, within},
    invalid, misconfigured, refused,
};

/// What a code is changed for. Neither prints.
#[derive(Deserialize)]
pub(crate) struct Tokens {
    pub id_token: String,
    access_token: Option<String>,
}

#[derive(Deserialize)]
struct Failure {
    error: String,
}

#[derive(Deserialize)]
struct UserInfo {
    sub: String,
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
}

/// Changes a code.
pub(crate) async fn redeem(egress: &Egress, metadata: &Metadata, provider: &Provider, reply: &Reply) -> Result<Tokens> {
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("code", reply.code.as_str()),
        ("redirect_uri", reply.redirect_uri.as_str()),
        ("code_verifier", reply.code_verifier.as_str()),
    ];
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    match &provider.client_secret {
        Some(secret) if takes_basic(metadata) => {
            headers.insert(AUTHORIZATION, basic(&provider.client_id, secret)?);
        }
        secret => {
            fields.push(("client_id", provider.client_id.as_str()));
            fields.extend(secret.as_deref().map(|secret| ("client_secret", secret)));
        }
    }
    within(async {
        let response = egress.send_form(metadata.token_endpoint.clone(), headers, &fields, WHOLE).await?;
        match response.status {
            200 => discovery::read(response).await,
            400 | 401 => match discovery::read::<Failure>(response).await?.error.as_str() {
                "invalid_client" | "unauthorized_client" => {
                    Err(misconfigured("the provider does not take this client, or not with this secret"))
                }
                _ => Err(refused("the provider does not take the code")),
            },
            429 | 500.. => Err(unavailable("the provider has a fault of its own")),
            _ => Err(invalid("the token endpoint answers something else than the protocol says")),
        }
    })
    .await
}

/// The address that the provider says is this person's, from where it tells about people.
pub(crate) async fn email(
    egress: &Egress,
    metadata: &Metadata,
    tokens: &Tokens,
    subject: &str,
) -> Result<Option<String>> {
    let Some((url, token)) = metadata.userinfo_endpoint.clone().zip(tokens.access_token.as_ref()) else {
        return Ok(None);
    };
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, secret_header(&format!("Bearer {token}"))?);
    let said: UserInfo = discovery::get(egress, url, headers).await?;
    if said.sub != subject {
        return Err(refused("the provider tells about somebody else"));
    }
    Ok(said.email.filter(|_| said.email_verified))
}

/// What every provider has to take, unless it says otherwise.
fn takes_basic(metadata: &Metadata) -> bool {
    let said = metadata.token_endpoint_auth_methods_supported.as_ref();
    said.is_none_or(|methods| methods.iter().any(|method| method == "client_secret_basic"))
}

/// RFC 6749, 2.3.1: both are form-encoded first.
fn basic(client: &str, secret: &str) -> Result<HeaderValue> {
    let encoded = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
    let pair = BASE64_STANDARD.encode(format!("{}:{}", encoded(client), encoded(secret)));
    secret_header(&format!("Basic {pair}"))
}

fn secret_header(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(|_| invalid("a token that is no header"))?;
    value.set_sensitive(true);
    Ok(value)
}
