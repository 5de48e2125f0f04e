//! The sender's signature on a mail (RFC 6376), where the mail server does not sign by itself.
//!
//! `rsa-sha256`, which every receiver knows; headers and body in the relaxed form, because servers on the way fold lines
//! and cut spaces.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use consigne_sdk::{PluginError, PluginErrorKind, Result};
use sha2::{Digest, Sha256};
use tokio_rustls::rustls::{
    SignatureScheme,
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::{PrivateKeyDer, pem::PemObject},
    sign::SigningKey,
};

use crate::{
    ID,
    settings::{Settings, misconfigured},
};

/// Headers that are signed where a mail has them.
const SIGNED: [&str; 11] = [
    "from",
    "to",
    "subject",
    "date",
    "message-id",
    "reply-to",
    "in-reply-to",
    "references",
    "mime-version",
    "content-type",
    "auto-submitted",
];

/// Characters of a signature in a line.
const LINE: usize = 70;

/// A key, and where receivers find its public half: `selector._domainkey.domain`.
pub(crate) struct Dkim {
    domain: String,
    selector: String,
    key: Arc<dyn SigningKey>,
}

impl Dkim {
    /// The key of the settings, where they have one.
    ///
    /// # Errors
    /// `Misconfigured`.
    pub(crate) fn of(settings: &Settings) -> Result<Option<Self>> {
        let Some(dkim) = &settings.dkim else { return Ok(None) };
        let is_label = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
        if dkim.selector.is_empty() || !dkim.selector.bytes().all(is_label) {
            return Err(misconfigured("dkim.selector is no name"));
        }
        let unusable = || misconfigured("dkim.privateKey is no RSA key in PEM");
        let key = PrivateKeyDer::from_pem_slice(dkim.private_key.as_bytes()).map_err(|_| unusable())?;
        let key = any_supported_type(&key).map_err(|_| unusable())?;
        key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).ok_or_else(unusable)?;
        let domain = settings.sender()?.domain().to_ascii_lowercase();
        Ok(Some(Self { domain, selector: dkim.selector.clone(), key }))
    }

    /// The mail with the signature above it.
    ///
    /// # Errors
    /// `Internal`.
    pub(crate) fn signed(&self, mail: &[u8]) -> Result<Vec<u8>> {
        let internal = || PluginError::new(PluginErrorKind::Internal, format!("{ID}: a mail that cannot be signed"));
        let mail_text = std::str::from_utf8(mail).map_err(|_| internal())?;
        let (head, body) = mail_text.split_once("\r\n\r\n").ok_or_else(internal)?;
        let headers = headers(head);
        let known = SIGNED.iter().filter_map(|name| headers.iter().find(|(known, _)| known == name));
        let known: Vec<&(String, String)> = known.collect();
        let names: Vec<&str> = known.iter().map(|(name, _)| name.as_str()).collect();
        let bare = format!(
            "v=1; a=rsa-sha256; c=relaxed/relaxed; d={};\r\n s={}; h={};\r\n bh={};\r\n b=",
            self.domain,
            self.selector,
            names.join(":"),
            BASE64.encode(Sha256::digest(relaxed_body(body)))
        );
        let mut content = String::new();
        for (name, value) in known {
            content.push_str(&format!("{name}:{value}\r\n"));
        }
        content.push_str(&format!("dkim-signature:{}", relaxed(&bare)));
        let signer = self.key.choose_scheme(&[SignatureScheme::RSA_PKCS1_SHA256]).ok_or_else(internal)?;
        let signature = BASE64.encode(signer.sign(content.as_bytes()).map_err(|_| internal())?);
        let lines: Vec<&str> =
            (0..signature.len()).step_by(LINE).map(|at| &signature[at..signature.len().min(at + LINE)]).collect();
        let header = format!("DKIM-Signature: {bare}{}\r\n", lines.join("\r\n "));
        Ok([header.as_bytes(), mail].concat())
    }
}

/// Names in lower case, values in the relaxed form.
fn headers(head: &str) -> Vec<(String, String)> {
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let headers = unfolded.split("\r\n").filter_map(|line| line.split_once(':'));
    headers.map(|(name, value)| (name.trim().to_ascii_lowercase(), relaxed(value))).collect()
}

/// One space for any number of them and for a fold, none at the ends.
fn relaxed(value: &str) -> String {
    value.split([' ', '\t', '\r', '\n']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Lines with one space for any number of them and none at the end, without the empty lines at the end.
fn relaxed_body(body: &str) -> String {
    let mut relaxed = String::with_capacity(body.len());
    for line in body.split("\r\n") {
        let mut was_space = false;
        let start = relaxed.len();
        for character in line.chars() {
            let is_space = matches!(character, ' ' | '\t');
            if !is_space {
                relaxed.push(character);
            } else if !was_space {
                relaxed.push(' ');
            }
            was_space = is_space;
        }
        if relaxed.len() > start && relaxed.ends_with(' ') {
            relaxed.pop();
        }
        relaxed.push_str("\r\n");
    }
    while relaxed.ends_with("\r\n\r\n") {
        relaxed.truncate(relaxed.len() - 2);
    }
    if relaxed == "\r\n" { String::new() } else { relaxed }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6376, section 3.4.5.
    #[test]
    fn headers_and_body_are_relaxed_as_the_standard_shows() {
        let headers = headers("A: X\r\nB : Y\t\r\n\tZ  ");
        assert_eq!(headers, [("a".to_owned(), "X".to_owned()), ("b".to_owned(), "Y Z".to_owned())]);
        assert_eq!(relaxed_body(" C \r\nD \t E\r\n\r\n\r\n"), " C\r\nD E\r\n");
        assert_eq!(relaxed_body(""), "");
    }
}
