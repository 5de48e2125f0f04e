//! One call of the Web API.

use std::time::Duration;

use consigne_sdk::{
    Egress, EgressRequest, PluginError, PluginErrorKind, Result,
    egress::{
        Method,
        header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
        retry_after,
    },
};
use serde_json::Value;
use tokio::time::timeout;
use url::Url;

use crate::{
    ID,
    failure::{invalid, of_code, of_status},
    settings::Settings,
};

/// From the first byte out to the last byte in.
const WHOLE: Duration = Duration::from_secs(15);

/// Longest answer that is read: a page of history with its blocks.
const MOST_ANSWER: usize = 8 * 1024 * 1024;

/// The Web API, with a token.
pub(crate) struct Api {
    base: Url,
    authorization: HeaderValue,
    egress: Egress,
}

impl Api {
    pub(crate) fn new(settings: &Settings, egress: Egress) -> Result<Self> {
        Ok(Self { base: settings.base()?, authorization: settings.authorization()?, egress })
    }

    /// Calls a method that takes JSON.
    pub(crate) async fn post(&self, method: &str, arguments: Value, now: i64) -> Result<Value> {
        self.call(Method::POST, self.url(method)?, Some(arguments), now).await
    }

    /// Calls a method that takes its arguments from the query: those that read know no JSON.
    pub(crate) async fn get(&self, method: &str, arguments: &[(&str, &str)], now: i64) -> Result<Value> {
        let mut url = self.url(method)?;
        if !arguments.is_empty() {
            url.query_pairs_mut().extend_pairs(arguments);
        }
        self.call(Method::GET, url, None, now).await
    }

    fn url(&self, method: &str) -> Result<Url> {
        self.base.join(method).map_err(|_| PluginError::new(PluginErrorKind::Internal, format!("{ID}: no method")))
    }

    async fn call(&self, method: Method, url: Url, json: Option<Value>, now: i64) -> Result<Value> {
        let mut headers = HeaderMap::from_iter([(AUTHORIZATION, self.authorization.clone())]);
        if json.is_some() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json; charset=utf-8"));
        }
        let call = async {
            let response = self.egress.send(EgressRequest { method, url, headers, json, timeout: WHOLE }).await?;
            let wait = retry_after(&response.headers, now);
            if response.status != 200 {
                return Err(of_status(response.status, wait));
            }
            let body = response.whole(MOST_ANSWER).await?.ok_or_else(|| invalid("an answer without end"))?;
            let answer: Value = serde_json::from_slice(&body).map_err(|_| invalid("an answer that is no JSON"))?;
            match (answer["ok"].as_bool(), answer["error"].as_str()) {
                (Some(true), _) => Ok(answer),
                (Some(false), Some(code)) => Err(of_code(code, wait)),
                _ => Err(invalid("an answer that is neither ok nor an error")),
            }
        };
        let late = || PluginError::new(PluginErrorKind::Unavailable, format!("{ID}: no whole answer in time"));
        timeout(WHOLE, call).await.map_err(|_| late())?
    }
}
