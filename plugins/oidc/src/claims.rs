//! What a token has to say, whose signature holds: of a sign-in (OpenID Connect Core 1.0, 3.1.3.7), and of a logout
//! (Back-Channel Logout 1.0, 2.6). Each refusal names the claim and not its value.

use consigne_sdk::{Identity, Logout, Provider, Reply, Result};
use serde::Deserialize;
use serde_json::Value;
use subtle::ConstantTimeEq;

use crate::refused;

/// What clocks may differ by, in seconds.
const LEEWAY: i64 = 30;

/// How old a token may be that just came, in seconds.
const OLDEST: i64 = 600;

/// Longest id that a provider may give a person or a sign-in.
const LONGEST_ID: usize = 255;

/// The event that makes a token a logout token.
const LOGGED_OUT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// One text or several.
#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// What both kinds of token say.
#[derive(Deserialize)]
struct Common {
    iss: String,
    aud: Audience,
    iat: i64,
    exp: i64,
    nbf: Option<i64>,
    sub: Option<String>,
    sid: Option<String>,
    nonce: Option<String>,
    jti: Option<String>,
    events: Option<Value>,
}

/// What an id token says besides.
#[derive(Deserialize)]
struct OfIdentity {
    azp: Option<String>,
    email: Option<String>,
    #[serde(default)]
    email_verified: bool,
    #[serde(default)]
    amr: Vec<String>,
    acr: Option<String>,
    auth_time: Option<i64>,
}

/// Who it is, by an id token that was signed by this provider.
pub(crate) fn identity(provider: &Provider, reply: &Reply, claims: Value) -> Result<Identity> {
    let more: OfIdentity = read(&claims)?;
    let common = common(provider, reply.at, &claims)?;
    if more.azp.is_some_and(|azp| azp != provider.client_id) {
        return Err(refused("azp: the id token was made for another client"));
    }
    if common.events.is_some() {
        return Err(refused("events: this is no id token"));
    }
    let nonce = common.nonce.unwrap_or_default();
    if !bool::from(nonce.as_bytes().ct_eq(reply.nonce.as_bytes())) {
        return Err(refused("nonce: the id token answers another question"));
    }
    if let Some(since) = reply.anew_since
        && more.auth_time.is_none_or(|proved| proved < since - LEEWAY)
    {
        return Err(refused("auth_time: it was not proved anew"));
    }
    if more.auth_time.is_some_and(|proved| proved > reply.at + LEEWAY) {
        return Err(refused("auth_time: it was proved in the future"));
    }
    Ok(Identity {
        subject: common.sub.ok_or_else(|| refused("sub: the id token is about nobody"))?,
        session: common.sid,
        verified_email: more.email.filter(|_| more.email_verified),
        amr: more.amr,
        acr: more.acr,
        auth_time: more.auth_time,
    })
}

/// Whose sign-ins are over, by a logout token that was signed by this provider.
pub(crate) fn logout(provider: &Provider, at: i64, claims: Value) -> Result<Logout> {
    let common = common(provider, at, &claims)?;
    let events = common.events.unwrap_or_default();
    if !events.get(LOGGED_OUT).is_some_and(Value::is_object) {
        return Err(refused("events: this is no logout token"));
    }
    if common.nonce.is_some() || claims.get("nonce").is_some() {
        return Err(refused("nonce: a logout token has none"));
    }
    if common.sub.is_none() && common.sid.is_none() {
        return Err(refused("sub, sid: the logout token is about nobody"));
    }
    let id = common.jti.filter(|id| (1..=LONGEST_ID).contains(&id.len()));
    let id = id.ok_or_else(|| refused("jti: the logout token has no id"))?;
    Ok(Logout { id, subject: common.sub, session: common.sid })
}

fn common(provider: &Provider, at: i64, claims: &Value) -> Result<Common> {
    let common: Common = read(claims)?;
    if common.iss != provider.issuer {
        return Err(refused("iss: another issuer"));
    }
    // Nobody else is trusted with what is meant for us.
    let is_for_us = match &common.aud {
        Audience::One(one) => *one == provider.client_id,
        Audience::Several(all) => !all.is_empty() && all.iter().all(|one| *one == provider.client_id),
    };
    if !is_for_us {
        return Err(refused("aud: it is meant for somebody else"));
    }
    if at >= common.exp.saturating_add(LEEWAY) {
        return Err(refused("exp: it has expired"));
    }
    if common.iat > at + LEEWAY || common.nbf.is_some_and(|from| from > at + LEEWAY) {
        return Err(refused("iat, nbf: it is from the future"));
    }
    if common.iat < at - OLDEST - LEEWAY {
        return Err(refused("iat: it is too old"));
    }
    let fits = |id: &Option<String>| id.as_ref().is_none_or(|id| (1..=LONGEST_ID).contains(&id.len()));
    if !fits(&common.sub) || !fits(&common.sid) {
        return Err(refused("sub, sid: empty, or too long"));
    }
    Ok(common)
}

fn read<T: for<'a> Deserialize<'a>>(claims: &Value) -> Result<T> {
    T::deserialize(claims).map_err(|_| refused("a claim is missing, or of another kind"))
}
