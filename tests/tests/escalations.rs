//! A visitor needs a person: people are called, take over, answer, and give back.

mod inbound;
mod inbox;
mod outbox;
mod privacy;
mod rules;
mod transfers;
mod turns;

use anyhow::Result;
use consigne_tests::{
    app::TestApp,
    people::{Member, Visitor},
};
use serde_json::Value;

/// A customer whose assistant calls people through the recorder, and a visitor in a chat.
struct Desk {
    acme: Member,
    assistant: String,
    visitor: Visitor,
    chat: String,
}

impl Desk {
    /// With these settings beside.
    async fn open(app: &TestApp, more: Value) -> Result<Self> {
        Self::on(app, &["recorder"], more).await
    }

    /// Through these channels.
    async fn on(app: &TestApp, channels: &[&str], more: Value) -> Result<Self> {
        let acme = app.workspace("acme").await?;
        let assistant = acme.assistant("Ada").await?;
        acme.call_people(&assistant, channels, more).await?;
        let visitor = acme.visitor(&assistant).await?;
        let chat = visitor.start_chat().await?;
        Ok(Self { acme, assistant, visitor, chat })
    }

    /// A program of the customer's, whose key outlives many hours.
    async fn program(&self) -> Result<Member> {
        self.acme
            .program(&[
                "CHATS_READ",
                "CHATS_ANSWER",
                "PLUGINS_READ",
                "PLUGINS_WRITE",
                "JOBS_WRITE",
                "AUDIT_READ",
                "WORKSPACE_READ",
                "VISITORS_WRITE",
            ])
            .await
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
