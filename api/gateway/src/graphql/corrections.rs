//! Assisted correction: a text comes in as an argument, is corrected while it is listened to, and is kept nowhere.

use async_graphql::{Context, Enum, InputObject, Result, SimpleObject, Subscription, Union};
use consigne_assistant::corrections::{self, Ask};
use consigne_sdk::{CorrectionAim as Aim, Ephemeral, Tone};
use futures::{Stream, StreamExt, future::ready};

use super::{
    chats::ProcessingDisclosure,
    context::ContextExt,
    error::{UserError, split},
};

/// What is done to a text.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum CorrectionAim {
    /// Spelling, grammar and punctuation; nothing else changes.
    Grammar,
    /// Says the same more clearly.
    Clarity,
    /// Says the same as one writes to a customer.
    PoliteTone,
    /// Says the same as one writes to a friend.
    FriendlyTone,
    /// Says the same as one writes to an office.
    FormalTone,
    /// Says the same in simpler words.
    Simpler,
    /// Says the same in another language; `language` says which.
    Translation,
    /// Corrects like `GRAMMAR`, for somebody who learns from the reasons.
    Feedback,
}

impl From<CorrectionAim> for Aim {
    fn from(aim: CorrectionAim) -> Self {
        match aim {
            CorrectionAim::Grammar => Self::Grammar,
            CorrectionAim::Clarity => Self::Clarity,
            CorrectionAim::PoliteTone => Self::Tone(Tone::Polite),
            CorrectionAim::FriendlyTone => Self::Tone(Tone::Friendly),
            CorrectionAim::FormalTone => Self::Tone(Tone::Formal),
            CorrectionAim::Simpler => Self::Simpler,
            CorrectionAim::Translation => Self::Translation,
            CorrectionAim::Feedback => Self::Feedback,
        }
    }
}

/// A text to be corrected.
#[derive(InputObject)]
pub struct CorrectTextInput {
    /// The text; at most 8,000 characters. Pass it as a variable: it is kept nowhere.
    #[graphql(secret)]
    pub text: String,
    /// What is done to it.
    pub aim: CorrectionAim,
    /// ISO 639-1 code of the language that the result is in; the text's own where left out. Needed for a translation.
    pub language: Option<String>,
    /// Whether each change gets a reason, and the writer some feedback; yes where left out. A translation gets none.
    pub explain: Option<bool>,
}

/// More of the corrected text.
#[derive(SimpleObject)]
pub struct CorrectionDelta {
    /// The text to append.
    pub text: String,
}

/// A change.
#[derive(SimpleObject)]
pub struct CorrectionChange {
    /// Where it was in the text that was sent in: its first UTF-16 code unit.
    pub start: i32,
    /// The first UTF-16 code unit behind it.
    pub end: i32,
    /// Where it is in the corrected text: its first UTF-16 code unit.
    pub corrected_start: i32,
    /// The first UTF-16 code unit behind it.
    pub corrected_end: i32,
    /// What was there; empty for what was added.
    pub from: String,
    /// What is there now; empty for what was taken out.
    pub to: String,
    /// Why, where the model said so.
    pub why: Option<String>,
}

/// What changed, by comparing both texts.
#[derive(SimpleObject)]
pub struct CorrectionChanges {
    /// The changes, in their order.
    pub changes: Vec<CorrectionChange>,
    /// What the writer can take from it.
    pub feedback: Option<String>,
}

/// The correction is complete.
#[derive(SimpleObject)]
pub struct CorrectionCompleted {
    /// Who processed it, where, and what they keep.
    pub disclosure: ProcessingDisclosure,
    /// Tokens that the model read, where it says so.
    pub input_tokens: Option<i32>,
    /// Tokens that the model wrote, where it says so.
    pub output_tokens: Option<i32>,
    /// How many names, addresses and numbers the model did not see.
    pub masked: i32,
}

/// There is no correction, or none that is complete.
#[derive(SimpleObject)]
pub struct CorrectionFailed {
    /// Why.
    pub user_errors: Vec<UserError>,
}

/// Something that a correction has to say: deltas, then the changes, then the end.
#[derive(Union)]
pub enum CorrectionEvent {
    /// More of the corrected text.
    CorrectionDelta(CorrectionDelta),
    /// What changed.
    CorrectionChanges(CorrectionChanges),
    /// It is complete.
    CorrectionCompleted(CorrectionCompleted),
    /// There is none.
    CorrectionFailed(CorrectionFailed),
}

/// Correcting.
#[derive(Default)]
pub struct CorrectionSubscription;

#[Subscription]
impl CorrectionSubscription {
    /// Corrects a text while it is listened to. The text is kept nowhere; hanging up ends the correction, and nothing of it
    /// can be asked for again.
    async fn correct_text(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to correct, and how.")] input: CorrectTextInput,
    ) -> Result<impl Stream<Item = Result<CorrectionEvent>> + use<>> {
        let scope = ctx.somebody()?;
        let ask = Ask {
            text: Ephemeral::new(input.text),
            aim: input.aim.into(),
            target: input.language,
            explain: input.explain.unwrap_or(true),
        };
        let said = ctx.services().corrections.clone().correct(scope, ask);
        Ok(said.filter_map(|said| ready(CorrectionEvent::of(said).transpose())))
    }
}

impl CorrectionEvent {
    fn of(said: consigne_foundation::Result<corrections::Said>) -> Result<Option<Self>> {
        let (said, user_errors) = split(said)?;
        Ok(Some(match said {
            None => Self::CorrectionFailed(CorrectionFailed { user_errors }),
            Some(corrections::Said::Piece(text)) if text.expose().is_empty() => return Ok(None),
            Some(corrections::Said::Piece(text)) => Self::CorrectionDelta(CorrectionDelta { text: shown(&text) }),
            Some(corrections::Said::Changes(changes, feedback)) => Self::CorrectionChanges(CorrectionChanges {
                changes: changes.iter().map(CorrectionChange::of).collect(),
                feedback: feedback.as_ref().map(shown),
            }),
            Some(corrections::Said::Done(summary)) => Self::CorrectionCompleted(CorrectionCompleted {
                input_tokens: summary.used.map(|used| number(used.input)),
                output_tokens: summary.used.map(|used| number(used.output)),
                masked: number(summary.masked),
                disclosure: summary.disclosure.into(),
            }),
        }))
    }
}

impl CorrectionChange {
    fn of(change: &corrections::Change) -> Self {
        Self {
            start: number(change.before.start),
            end: number(change.before.end),
            corrected_start: number(change.after.start),
            corrected_end: number(change.after.end),
            from: shown(&change.from),
            to: shown(&change.to),
            why: change.why.as_ref().map(shown),
        }
    }
}

/// The answer is what leaves; from here on it is the transport's.
fn shown(text: &Ephemeral) -> String {
    text.expose().to_owned()
}

fn number(count: impl TryInto<i32>) -> i32 {
    count.try_into().unwrap_or(i32::MAX)
}
