//! Codes of an authenticator (RFC 6238): six digits by HMAC-SHA-1, a new one every thirty seconds.

use form_urlencoded::byte_serialize;
use totp_rs::{Algorithm, Builder, Secret, Totp};

use super::super::SecretText;
use crate::{
    clock::Timestamp,
    error::{Error, Result},
};

/// 160 bits, as RFC 4226 recommends.
pub(super) const SECRET_BYTES: usize = 20;

/// Seconds of a step.
const STEP: u64 = 30;

/// A code of the step before and of the one after is taken too: clocks differ, and people type.
const SKEW: u16 = 1;

const DIGITS: u8 = 6;

/// The step that a code belongs to, if it is one of this moment.
pub(super) fn step_of(secret: &[u8], typed: &str, now: Timestamp) -> Result<Option<i64>> {
    let code: String = typed.chars().filter(|c| !c.is_whitespace()).collect();
    let step = totp(secret, DIGITS)?.check(&code, now.seconds().unsigned_abs());
    Ok(step.and_then(|step| i64::try_from(step).ok()))
}

fn totp(secret: &[u8], digits: u8) -> Result<Totp> {
    let builder = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(digits).with_skew(SKEW);
    let built = builder.with_step_duration(STEP).with_secret(secret).build();
    built.map_err(|_| Error::internal("a secret of an authenticator is too short"))
}

/// Base 32 (RFC 4648), as authenticators take it.
pub(super) fn base32(secret: &[u8]) -> String {
    Secret::from(secret).to_base32()
}

/// `otpauth://totp/Consigne:ana%40example.org?secret=...&issuer=Consigne`
pub(super) fn uri(secret: &SecretText, email: &str) -> String {
    let label: String = byte_serialize(email.as_bytes()).collect();
    format!("otpauth://totp/Consigne:{label}?secret={}&issuer=Consigne&digits={DIGITS}&period={STEP}", secret.expose())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, the rows of SHA-1.
    #[test]
    fn the_vectors_of_the_standard_hold() {
        let secret = b"12345678901234567890";
        for (seconds, code) in [
            (59_i64, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let eight = totp(secret, 8).unwrap().generate(seconds.unsigned_abs()).to_string();
            assert_eq!(eight, code, "{seconds}");
            // Six digits are the last six of the eight.
            assert_eq!(step_of(secret, &code[2..], Timestamp(seconds * 1_000)).unwrap(), Some(seconds / 30));
        }
    }

    #[test]
    fn a_code_holds_for_its_step_and_one_to_each_side() {
        let secret = b"12345678901234567890";
        let at = |seconds: i64| step_of(secret, "287 082", Timestamp(seconds * 1_000)).unwrap();
        assert_eq!([0, 30, 59, 89].map(at), [Some(1); 4], "of the second 59");
        assert_eq!([90, 120, 100_000].map(at), [None; 3]);
        for wrong in ["", "28708", "2870821", "287083", "２８７０８２"] {
            assert_eq!(step_of(secret, wrong, Timestamp(59_000)).unwrap(), None, "{wrong}");
        }
    }

    #[test]
    fn an_authenticator_reads_the_secret_and_the_address() {
        assert_eq!(base32(b"12345678901234567890"), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        let uri = uri(&SecretText::new("ABC".to_owned()), "ana+x@example.org");
        assert_eq!(uri, "otpauth://totp/Consigne:ana%2Bx%40example.org?secret=ABC&issuer=Consigne&digits=6&period=30");
    }
}
