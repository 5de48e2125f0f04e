//! Whether Slack sent a request: `v0:{timestamp}:{body}` under the app's signing secret.
//!
//! Source: Slack's documentation, "Verifying requests from Slack". The body is taken byte by byte as it came.

use consigne_sdk::{InboundRequest, PluginError, PluginErrorKind, Result, signed::TOLERANCE};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::ID;

/// # Errors
/// `Refused`, without saying which part did not fit.
pub(crate) fn verify(secret: &str, request: &InboundRequest) -> Result<()> {
    let fits = (|| {
        let timestamp = request.header("x-slack-request-timestamp")?;
        let signature = hex::decode(request.header("x-slack-signature")?.strip_prefix("v0=")?).ok()?;
        let is_number = timestamp.len() <= 12 && timestamp.bytes().all(|byte| byte.is_ascii_digit());
        let seconds: i64 = is_number.then(|| timestamp.parse().ok())??;
        if (request.at / 1_000 - seconds).abs() > TOLERANCE {
            return None;
        }
        let mut hmac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).ok()?;
        hmac.update(format!("v0:{timestamp}:").as_bytes());
        hmac.update(&request.body);
        hmac.verify_slice(&signature).ok()
    })();
    fits.ok_or_else(|| PluginError::new(PluginErrorKind::Refused, format!("{ID}: the request does not verify")))
}
