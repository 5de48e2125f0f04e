//! One delivery: looked for where it may be there already, posted where it is not.

use async_trait::async_trait;
use consigne_sdk::{
    Channel, ChannelTraits, Delivery, Egress, InboundRequest, Notice, Once, PluginError, PluginErrorKind, Receipt,
    Received, Result,
};
use serde_json::Value;

use crate::{
    ID,
    api::Api,
    blocks::{self, EVENT_TYPE},
    failure::invalid,
    inbound,
    settings::{Mode, Settings, misconfigured},
    signature,
};

/// How much earlier than the event a message is looked for: two clocks are never the same.
const SLACK_OF_CLOCKS: i64 = 10 * 60;

/// Messages on a page of history, and most pages that are looked through.
const PAGE: &str = "200";
const MOST_PAGES: usize = 50;

/// One channel of one workspace.
pub(crate) struct SlackChannel {
    settings: Settings,
    api: Api,
}

impl SlackChannel {
    /// The channel under checked settings.
    pub(crate) fn new(settings: Settings, egress: Egress) -> Result<Self> {
        Ok(Self { api: Api::new(&settings, egress)?, settings })
    }

    /// The message that carries the delivery's key, in its thread or in the channel.
    async fn find(&self, delivery: &Delivery, thread: Option<&str>) -> Result<Option<Value>> {
        let oldest = (delivery.at / 1_000 - SLACK_OF_CLOCKS).to_string();
        let mut cursor = String::new();
        for _ in 0..MOST_PAGES {
            let mut arguments = vec![
                ("channel", self.settings.channel.as_str()),
                ("oldest", &oldest),
                ("include_all_metadata", "true"),
                ("limit", PAGE),
            ];
            if !cursor.is_empty() {
                arguments.push(("cursor", &cursor));
            }
            let page = match thread {
                Some(thread) => {
                    arguments.push(("ts", thread));
                    self.api.get("conversations.replies", &arguments, delivery.now).await
                }
                None => self.api.get("conversations.history", &arguments, delivery.now).await,
            };
            let page = match page {
                // The thread's first message was deleted, and its replies with it.
                Err(error) if thread.is_some() && error.message.ends_with(": thread_not_found") => return Ok(None),
                page => page?,
            };
            let messages = page["messages"].as_array().ok_or_else(|| invalid("a page without messages"))?;
            if let Some(found) = messages.iter().find(|message| carries(message, &delivery.key)) {
                return Ok(Some(found.clone()));
            }
            match page["response_metadata"]["next_cursor"].as_str().filter(|next| !next.is_empty()) {
                Some(next) => cursor = next.to_owned(),
                None => return Ok(None),
            }
        }
        let message = format!("{ID}: more messages than can be looked through");
        Err(PluginError::new(PluginErrorKind::Unavailable, message))
    }
}

fn carries(message: &Value, key: &str) -> bool {
    let metadata = &message["metadata"];
    metadata["event_type"] == EVENT_TYPE && metadata["event_payload"]["key"] == key
}

/// A thread as the host keeps it: the channel's id and the time stamp of the first message.
fn thread_of<'a>(settings: &Settings, delivery: &'a Delivery) -> Option<&'a str> {
    if matches!(delivery.notice, Notice::Opened(_) | Notice::Test) {
        return None;
    }
    // A thread of a channel that is not the settings' any more cannot be written to.
    let (channel, thread) = delivery.thread.as_deref()?.split_once(':')?;
    (channel == settings.channel).then_some(thread)
}

#[async_trait]
impl Channel for SlackChannel {
    fn traits(&self) -> ChannelTraits {
        ChannelTraits { two_way: self.settings.mode == Mode::TwoWay, once: Once::ByLooking }
    }

    async fn check(&self) -> Result<String> {
        let known = self.api.post("auth.test", serde_json::json!({}), 0).await?;
        match (known["team"].as_str(), known["user"].as_str()) {
            (Some(team), Some(user)) => Ok(format!("Connected to {team} as {user}.")),
            _ => Err(invalid("an answer without a team")),
        }
    }

    async fn deliver(&self, delivery: Delivery) -> Result<Receipt> {
        let thread = thread_of(&self.settings, &delivery);
        let found = match delivery.may_have_been_sent {
            true => self.find(&delivery, thread).await?,
            false => None,
        };
        let posted = match found {
            Some(found) => found,
            None => {
                self.api
                    .post("chat.postMessage", blocks::message(&self.settings, &delivery, thread), delivery.now)
                    .await?
            }
        };
        let ts = posted["ts"].as_str().filter(|ts| is_time_stamp(ts)).ok_or_else(|| invalid("a message without ts"))?;
        let name = |ts: &str| format!("{}:{ts}", self.settings.channel);
        Ok(Receipt { thread: Some(name(thread.unwrap_or(ts))), message: Some(name(ts)) })
    }

    async fn receive(&self, request: InboundRequest) -> Result<Received> {
        let secret = self.settings.signing_secret.as_deref().filter(|_| self.settings.mode == Mode::TwoWay);
        let secret = secret.ok_or_else(|| misconfigured("mode is alert, which takes nothing back"))?;
        signature::verify(secret, &request)?;
        inbound::read(&self.settings, &request)
    }
}

/// `1355517523.000005`.
pub(crate) fn is_time_stamp(ts: &str) -> bool {
    (3..=40).contains(&ts.len()) && ts.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}
