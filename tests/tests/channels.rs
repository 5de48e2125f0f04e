//! Slack, e-mail and webhook at once, each with a server of its own kind on the other side: what calls people, what comes
//! back, what is never lost and what is never sent.

mod audit_log;
mod erased;
mod killed;
mod sent;
mod story;

use anyhow::{Context, Result, ensure};
use consigne_tests::{
    app::TestApp,
    people::{Member, Visitor},
    standins::{
        mail::{Arrived, Imap, NAME, PASSWORD, Smtp, SmtpMode},
        slack::{Post, Slack},
        webhook::Receiver,
    },
};
use serde_json::{Value, json};

/// What webhooks are signed with, both ways.
const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// What a mail server signs with that hands replies over.
const MAIL_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// Nothing in the handbook answers it.
const QUESTION: &str = "Who won the chess world championship in 1972?";

/// The three that are told.
struct OtherSide {
    slack: Slack,
    smtp: Smtp,
    receiver: Receiver,
}

impl OtherSide {
    /// All three; `None`, with a line that says why, where the machine cannot run a mail server.
    async fn start() -> Result<Option<Self>> {
        let Some(smtp) = Smtp::start(SmtpMode::Plain, None).await? else { return Ok(None) };
        Ok(Some(Self { slack: Slack::start().await, smtp, receiver: Receiver::start(WEBHOOK_SECRET).await }))
    }

    /// The flags of a gateway that may deliver to the receiver, which is not on the public internet.
    fn flags(&self) -> [String; 2] {
        ["--webhook-allow".to_owned(), self.receiver.address().to_string()]
    }

    /// A gateway whose clock shows the time, as theirs do.
    async fn app(&self) -> Result<TestApp> {
        let flags = self.flags();
        TestApp::start_now(&flags.each_ref().map(String::as_str)).await
    }

    /// Uses all three, and has the assistant call people through them. Replies are fetched from this mailbox too.
    async fn furnish(&self, owner: &Member, assistant: &str, mailbox: Option<&Imap>) -> Result<()> {
        let mut email = json!({
            "smtpUrl": self.smtp.url(), "from": "support@example.com", "fromName": "Acme", "to": ["desk@example.com"],
            "replyTo": "replies@example.com", "replySecret": "a secret of at least 24 characters",
            "inboundSecrets": [MAIL_SECRET],
        });
        if let Some(mailbox) = mailbox {
            email["imapUrl"] = json!(mailbox.url());
            email["imapUsername"] = json!(NAME);
            email["imapPassword"] = json!(PASSWORD);
        }
        let webhook = json!({"url": self.receiver.url(), "secrets": [WEBHOOK_SECRET]});
        for (plugin, settings) in [("slack", self.slack.settings()), ("email", email), ("webhook", webhook)] {
            let input = json!({"pluginId": plugin, "settings": settings});
            owner.graphql("enable_plugin", json!({"input": input})).await?.ok().get("/enablePlugin/plugin");
            let checked = owner.graphql("check_channel", json!({"input": {"pluginId": plugin}})).await?.ok();
            ensure!(!checked.text("/checkChannel/message").is_empty(), "{plugin} says nothing");
        }
        let rules = json!({"channelIds": ["slack", "email", "webhook"], "triggers": ["NOT_IN_KNOWLEDGE"]});
        owner.call_people(assistant, &[], rules).await
    }

    /// How many messages, mails and requests came.
    fn counts(&self) -> Result<[usize; 3]> {
        Ok([self.slack.posts().len(), self.smtp.arrived()?.len(), self.receiver.taken().len()])
    }

    /// How many answers are held back: by Slack, by the mail server, by the webhook's receiver.
    fn held(&self) -> Result<[usize; 3]> {
        Ok([self.slack.held(), self.smtp.held()?, self.receiver.held()])
    }

    /// Nobody was asked for anything that they do not understand.
    fn assert_content(&self) -> Result<()> {
        let refused = [self.slack.refused(), self.receiver.refused()].concat();
        ensure!(refused.is_empty(), "refused: {refused:?}");
        Ok(())
    }
}

/// A customer who uses the three, and a visitor whose question called people.
struct Desk {
    owner: Member,
    visitor: Visitor,
    chat: String,
}

impl Desk {
    /// The question is asked, and people are being called.
    async fn open(app: &TestApp, other: &OtherSide, mailbox: Option<&Imap>) -> Result<Self> {
        Self::ask(app, other, mailbox, QUESTION).await
    }

    /// The same, with another question.
    async fn ask(app: &TestApp, other: &OtherSide, mailbox: Option<&Imap>, question: &str) -> Result<Self> {
        let owner = app.workspace("acme").await?;
        let assistant = owner.assistant("Ada").await?;
        other.furnish(&owner, &assistant, mailbox).await?;
        let visitor = owner.visitor(&assistant).await?;
        let chat = visitor.start_chat().await?;
        visitor.ask(&chat, question).await?;
        Ok(Self { owner, visitor, chat })
    }

    /// Where this channel is written to.
    async fn address(&self, plugin: &str) -> Result<String> {
        let all = self.owner.graphql("channels", json!({})).await?.ok();
        let all = all.get("/channels").as_array().context("channels")?.clone();
        let channel = all.iter().find(|channel| channel["pluginId"] == plugin).context("the channel")?;
        Ok(channel["inboundUrl"].as_str().context("an address")?.to_owned())
    }

    /// What members of staff said to the visitor, in order.
    async fn said_by_staff(&self) -> Result<Vec<String>> {
        let said = self.visitor.messages(&self.chat).await?;
        Ok(said.into_iter().filter(|(author, _)| author == "STAFF").map(|(_, text)| text).collect())
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// All text of a message's blocks.
fn blocks(post: &Post) -> String {
    post.arguments["blocks"].to_string()
}

/// A header of a mail, its lines put together; empty where there is none.
fn header(mail: &Arrived, name: &str) -> String {
    let head = mail.raw.split("\r\n\r\n").next().unwrap_or_default().replace("\r\n ", " ").replace("\r\n\t", " ");
    let found =
        head.lines().find_map(|line| line.split_once(':').filter(|(known, _)| known.eq_ignore_ascii_case(name)));
    found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}
