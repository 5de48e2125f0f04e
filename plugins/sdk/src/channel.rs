//! Channels: how people hear that a visitor needs one of them, and how they answer.
//!
//! The host keeps an outbox and hands each delivery over at least once, under a key that never changes. A channel that
//! can find out whether it delivered already (Slack by the metadata of a message) does so when it is told that an
//! attempt may have got through; one whose receiver can tell by an id (a webhook) sends the id; one that can do neither
//! (SMTP) says so in its [`ChannelTraits`].
//!
//! What comes back is either pushed, as an HTTP request that the channel verifies by itself ([`Channel::receive`]), or
//! fetched ([`Channel::poll`]). Either way the host gets [`Inbound`] events, each with an id by which a repetition is
//! known.
//!
//! Texts are personal data: the types that carry them have no `Debug` and must not be logged.

pub mod phrases;

use async_trait::async_trait;
use bytes::Bytes;

use crate::Result;

/// What a channel can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelTraits {
    /// Whether answers come back through it.
    pub two_way: bool,
    /// Whether a delivery that was repeated after a crash is seen once: by the channel itself, or by whoever receives it.
    pub once: Once,
}

/// Who can tell that a delivery is a repetition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Once {
    /// The channel looks before it repeats.
    ByLooking,
    /// The receiver is given an id that never changes.
    ByReceiver,
    /// Nobody: after a crash between sending and noting it, a delivery can be seen twice.
    Never,
}

/// Something that people are to be told.
#[derive(Clone)]
pub struct Delivery {
    /// Never changes however often it is tried: at most 64 characters of `[A-Za-z0-9_-]`.
    pub key: String,
    /// When what it tells of happened, in milliseconds since 1970 (UTC).
    pub at: i64,
    /// When this attempt is made, in milliseconds since 1970 (UTC): a plugin reads no clock, and what it signs or dates
    /// has to be fresh however late the attempt is.
    pub now: i64,
    /// Counts from 1.
    pub attempt: u32,
    /// Whether an earlier attempt may have got through without this side knowing.
    pub may_have_been_sent: bool,
    /// What an earlier delivery of the same escalation answered as [`Receipt::thread`].
    pub thread: Option<String>,
    /// A token that a reply has to carry to be taken for one of this escalation: at most 32 characters of `[a-z0-9]`,
    /// because the local part of an address holds 64; the same for all deliveries of the escalation.
    pub reply_token: String,
    /// What happened.
    pub notice: Notice,
}

/// What people are told.
#[derive(Clone)]
pub enum Notice {
    /// A visitor needs a person.
    Opened(Opened),
    /// Something was said in a chat that people were told of before.
    Said(Line),
    /// Something that people were told was wrong, and is put right (GDPR art. 16 and 19): who said it and when, and what it
    /// says now.
    Rectified(Line),
    /// The state of the escalation changed.
    Changed {
        /// The new state.
        state: EscalationState,
        /// Who changed it, as colleagues know them; nobody where the product did.
        by: Option<String>,
    },
    /// Somebody checks whether the channel works.
    Test,
}

/// A visitor needs a person.
#[derive(Clone)]
pub struct Opened {
    /// The escalation's id, as GraphQL shows it.
    pub escalation: String,
    /// The chat's id, as GraphQL shows it.
    pub chat: String,
    /// The assistant's name.
    pub assistant: String,
    /// Why.
    pub reason: EscalationReason,
    /// Where staff read and answer, if the workspace named its console.
    pub link: Option<String>,
    /// ISO 639-1 code of the chat's language, where it was detected.
    pub language: Option<String>,
    /// What was said so far, oldest first; empty where the workspace sends a link only.
    pub conversation: Vec<Line>,
}

/// Something that was said.
#[derive(Clone)]
pub struct Line {
    /// Who said it.
    pub speaker: Speaker,
    /// The name that colleagues know a member of staff by; nothing for others.
    pub name: Option<String>,
    /// What was said; nothing where the workspace sends a link only.
    pub text: Option<String>,
    /// When, in milliseconds since 1970 (UTC).
    pub at: i64,
}

/// Who speaks in a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaker {
    /// The visitor.
    Visitor,
    /// The assistant.
    Assistant,
    /// A member of staff.
    Staff,
}

/// Where an escalation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EscalationState {
    /// Waits for a person.
    Waiting,
    /// A person has it.
    Taken,
    /// The assistant answers again.
    HandedBack,
    /// Done.
    Resolved,
}

/// Why a visitor needs a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EscalationReason {
    /// The knowledge does not hold the answer.
    NotInKnowledge,
    /// The assistant answered without being sure.
    LowConfidence,
    /// The visitor asked for a person.
    VisitorAsked,
    /// The visitor found the answers bad.
    BadRatings,
    /// A word that the workspace listed was said.
    Keyword,
    /// The assistant could not answer for a technical reason.
    AnswerFailed,
    /// A member of staff took the chat.
    StaffTook,
}

/// What a channel answers when it delivered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipt {
    /// Where later deliveries of the same escalation go and replies come from: at most 500 characters without personal
    /// data.
    pub thread: Option<String>,
    /// The other side's id of what was delivered: at most 500 characters without personal data.
    pub message: Option<String>,
}

/// A request that somebody sent to the channel's inbound address. Nothing of it is trusted yet.
#[derive(Clone)]
pub struct InboundRequest {
    /// Names in lower case, values as they came; those that are no visible ASCII are left out.
    pub headers: Vec<(String, String)>,
    /// The body, byte by byte as it came.
    pub body: Bytes,
    /// When it came, in milliseconds since 1970 (UTC).
    pub at: i64,
}

impl InboundRequest {
    /// The value of this header, by its name in lower case; nothing where it came more than once.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut values = self.headers.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        values.next().filter(|_| values.next().is_none())
    }
}

/// What a channel made of a request.
#[derive(Clone, Default)]
pub struct Received {
    /// What happened, in order.
    pub events: Vec<Inbound>,
    /// What the sender is answered, beside the status 200: a media type and a body.
    pub answer: Option<(&'static str, Bytes)>,
}

/// Something that people did on the other side of a channel.
#[derive(Clone)]
pub struct Inbound {
    /// By which a repetition is known; unique within the channel, without personal data, at most 200 characters.
    pub id: String,
    /// To which escalation it belongs.
    pub of: ReplyTo,
    /// Who did it, as the other side calls them: `U024BE7LH`, an address. Personal data.
    pub by: Option<String>,
    /// What they did.
    pub what: Action,
}

/// How an inbound event says which escalation it belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyTo {
    /// By the thread of [`Receipt::thread`].
    Thread(String),
    /// By the token of [`Delivery::reply_token`].
    Token(String),
}

/// What people did.
#[derive(Clone)]
pub enum Action {
    /// Answered the visitor.
    Reply {
        /// The answer alone: without quotation and signature.
        text: String,
        /// Files that came with it and are not taken.
        refused_files: u32,
    },
    /// Wrote a note that the visitor never sees.
    Note {
        /// The note.
        text: String,
    },
    /// Took the chat.
    Take,
    /// Gave the chat back to the assistant.
    HandBack,
    /// Closed the escalation.
    Resolve,
    /// What was sent did not arrive.
    Bounced {
        /// Whether trying again is useless.
        for_good: bool,
    },
}

/// What was fetched, and where to go on.
#[derive(Clone, Default)]
pub struct Polled {
    /// What happened, in order.
    pub events: Vec<Inbound>,
    /// Handed in again at the next call, after the events were taken in: at most 500 characters.
    pub cursor: Option<String>,
}

/// Tells people, and brings back what they say.
#[async_trait]
pub trait Channel: Send + Sync {
    /// What it can do under its settings.
    fn traits(&self) -> ChannelTraits;

    /// Asks the other side whether the settings work, without telling anybody anything. Answers one sentence for whoever
    /// set it up: the workspace that a token belongs to, the greeting of a server.
    ///
    /// # Errors
    /// `Refused` where the other side does not accept them; `Unavailable`; `Misconfigured`.
    async fn check(&self) -> Result<String>;

    /// Delivers, unless it can tell that it did so before.
    ///
    /// # Errors
    /// `RateLimited` with the time that the other side asked for; `Unavailable` where another attempt may work;
    /// `Gone` where the receiver wants nothing more for good (410); `Refused` and `Misconfigured` where a person has to
    /// act; `HostNotAllowed`.
    async fn deliver(&self, delivery: Delivery) -> Result<Receipt>;

    /// Verifies and reads a request. Nothing is taken from one that does not verify.
    ///
    /// # Errors
    /// `Refused` where it does not verify, is too old or is not understood; `Misconfigured` where nothing to verify it
    /// with is set.
    async fn receive(&self, request: InboundRequest) -> Result<Received>;

    /// Fetches what came since `cursor`; nothing for a channel that is pushed to.
    ///
    /// # Errors
    /// As [`Channel::deliver`].
    async fn poll(&self, cursor: Option<String>) -> Result<Polled> {
        let _ = cursor;
        Ok(Polled::default())
    }
}
