//! One delivery: signed now, under an id that never changes.

use std::time::Duration;

use async_trait::async_trait;
use consigne_sdk::{
    Channel, ChannelTraits, Delivery, Egress, EgressRequest, InboundRequest, Notice, Once, PluginError,
    PluginErrorKind, Receipt, Received, Result,
    egress::{
        Method,
        header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT},
        retry_after,
    },
    signed::Secret,
};
use serde::Serialize;
use url::Url;

use crate::{
    ID, inbound,
    payload::Payload,
    settings::{Mode, Settings, misconfigured},
};

/// From the first byte out to the last byte in.
const WHOLE: Duration = Duration::from_secs(15);

/// As much of an answer is read, so that the connection can be used again, and thrown away.
const MOST_ANSWER: usize = 16 * 1024;

/// An address of the workspace's own.
pub(crate) struct WebhookChannel {
    url: Url,
    outbound: Vec<Secret>,
    inbound: Vec<Secret>,
    mode: Mode,
    pub(crate) takes_audit_log: bool,
    egress: Egress,
}

impl WebhookChannel {
    /// The channel under checked settings.
    pub(crate) fn new(settings: Settings, egress: Egress) -> Result<Self> {
        Ok(Self {
            url: settings.target()?,
            outbound: settings.outbound()?,
            inbound: settings.inbound()?,
            mode: settings.mode,
            takes_audit_log: settings.audit_log,
            egress,
        })
    }

    /// Sends a payload, signed now, under an id.
    pub(crate) async fn post(&self, id: &str, now: i64, payload: &impl Serialize) -> Result<()> {
        match tokio::time::timeout(WHOLE, self.post_once(id, now, payload)).await {
            Ok(posted) => posted,
            Err(_) => Err(PluginError::new(PluginErrorKind::Unavailable, format!("{ID}: no whole answer in time"))),
        }
    }

    async fn post_once(&self, id: &str, now: i64, payload: &impl Serialize) -> Result<()> {
        let internal = || PluginError::new(PluginErrorKind::Internal, format!("{ID}: a payload that is no JSON"));
        let payload = serde_json::to_value(payload).map_err(|_| internal())?;
        // The egress writes the same value by the same library, so these are the bytes that arrive; tests compare.
        let body = serde_json::to_vec(&payload).map_err(|_| internal())?;
        let response = self
            .egress
            .send(EgressRequest {
                method: Method::POST,
                url: self.url.clone(),
                headers: headers(&self.outbound, id, now, &body)?,
                json: Some(payload),
                timeout: WHOLE,
            })
            .await?;
        let (status, wait) = (response.status, retry_after(&response.headers, now));
        // An answer that is long or breaks off was still an answer.
        drop(response.whole(MOST_ANSWER).await);
        meaning(status, wait)
    }
}

#[async_trait]
impl Channel for WebhookChannel {
    fn traits(&self) -> ChannelTraits {
        ChannelTraits { two_way: self.mode == Mode::TwoWay, once: Once::ByReceiver }
    }

    /// Nothing is sent: a request that means nothing can still mean something to who receives it. [`Notice::Test`] is the
    /// test that arrives.
    async fn check(&self) -> Result<String> {
        self.egress.look_up(&self.url).await?;
        let signatures = self.outbound.len();
        Ok(format!("{} can be delivered to, with {signatures} signature(s).", self.url.host_str().unwrap_or_default()))
    }

    async fn deliver(&self, delivery: Delivery) -> Result<Receipt> {
        let (id, now) = (delivery.key.clone(), delivery.now);
        let thread = match &delivery.notice {
            Notice::Opened(opened) => Some(opened.escalation.clone()),
            _ => delivery.thread.clone(),
        };
        self.post(&id, now, &Payload::of(delivery)).await?;
        Ok(Receipt { thread, message: Some(id) })
    }

    async fn receive(&self, request: InboundRequest) -> Result<Received> {
        match self.mode {
            Mode::TwoWay => inbound::read(&self.inbound, &request),
            Mode::Alert => Err(misconfigured("mode is alert, which takes nothing back")),
        }
    }
}

fn headers(secrets: &[Secret], id: &str, now: i64, body: &[u8]) -> Result<HeaderMap> {
    let timestamp = now / 1_000;
    let signatures: Vec<String> = secrets.iter().filter_map(|secret| secret.sign(id, timestamp, body)).collect();
    let mut headers = HeaderMap::new();
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("Consigne/", env!("CARGO_PKG_VERSION"))));
    for (name, value) in [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", signatures.join(" ")),
    ] {
        let value = HeaderValue::from_str(&value)
            .map_err(|_| PluginError::new(PluginErrorKind::Internal, format!("{ID}: a key that no header carries")))?;
        headers.insert(HeaderName::from_static(name), value);
    }
    Ok(headers)
}

/// Standard Webhooks: 2xx is success, 410 the end, and everything else is tried again, a 4xx or a redirect too: a
/// receiver that is broken today is repaired tomorrow. Who names a time is given it.
fn meaning(status: u16, wait: Option<Duration>) -> Result<()> {
    let kind = match status {
        200..=299 => return Ok(()),
        410 => PluginErrorKind::Gone,
        429 => PluginErrorKind::RateLimited(wait),
        _ if wait.is_some() => PluginErrorKind::RateLimited(wait),
        _ => PluginErrorKind::Unavailable,
    };
    Err(PluginError::new(kind, format!("{ID}: the receiver answered {status}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_one_meaning() {
        let kind = |status, wait| meaning(status, wait).err().map(|error| error.kind);
        let wait = Some(Duration::from_secs(9));
        assert_eq!([200, 202, 204].map(|status| kind(status, None)), [None; 3]);
        assert_eq!(kind(410, wait), Some(PluginErrorKind::Gone));
        assert_eq!([429, 503, 400].map(|s| kind(s, wait)), [Some(PluginErrorKind::RateLimited(wait)); 3]);
        assert_eq!(kind(429, None), Some(PluginErrorKind::RateLimited(None)));
        assert_eq!([301, 400, 404, 500, 503].map(|s| kind(s, None)), [Some(PluginErrorKind::Unavailable); 5]);
    }
}
