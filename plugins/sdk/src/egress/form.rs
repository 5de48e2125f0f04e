//! A request whose body is a form, for protocols that are older than JSON.

use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use url::{Url, form_urlencoded};

use super::{Egress, EgressResponse};
use crate::Result;

impl Egress {
    /// Posts a form to an allowed host, as [`Egress::send`] sends.
    ///
    /// # Errors
    /// As [`Egress::send`].
    pub async fn send_form(
        &self,
        url: Url,
        headers: HeaderMap,
        fields: &[(&str, &str)],
        timeout: Duration,
    ) -> Result<EgressResponse> {
        self.check(&url)?;
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let builder = self.client.post(url.clone()).headers(headers);
        let builder = builder.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body);
        self.deliver(builder, url, timeout).await
    }
}
