//! When an assistant calls people, and how: set for each assistant, stored as JSON beside it.

use std::collections::BTreeSet;

use consigne_foundation::{
    Error, ErrorKind, Permission, Result, Scope,
    audit::{self, Event},
    id::{AssistantId, SubjectId},
    plugins::Registry,
    privacy::{Purpose, admission},
    store::{Store, WorkspaceTx},
};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr};
use serde::{Deserialize, Serialize};
use url::Url;

use super::hours::BusinessHours;
use crate::entity::assistants as table;

const MOST_KEYWORDS: usize = 100;
const LONGEST_KEYWORD: usize = 60;
const LONGEST_TEXT: usize = 1_000;
/// Where a console link names the chat.
const CHAT_PLACE: &str = "{chatId}";

/// What makes an assistant call people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Trigger {
    /// The knowledge has no answer.
    NotInKnowledge,
    /// The answer rests on a passage that is hardly near enough.
    LowConfidence,
    /// The visitor asks for a person in words.
    VisitorAsked,
    /// Several answers of the chat were rated bad.
    BadRatings,
    /// A listed word was said.
    Keyword,
    /// The answer failed for a technical reason.
    AnswerFailed,
}

/// Which of an assistant's channels are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ChannelOrder {
    /// All at once. The default: a chat that one channel loses is still heard of on another at once.
    #[default]
    AllAtOnce,
    /// The first; the next one only where a channel's opening delivery is given up.
    OneAfterAnother,
}

/// How much of a chat goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Content {
    /// That a chat waits, with a link to the console, and nothing that was said.
    #[default]
    LinkOnly,
    /// What was said.
    Conversation,
}

/// When an assistant calls people, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EscalationSettings {
    /// What makes it call people; nothing where nobody said so. A visitor can always ask by the button.
    pub triggers: BTreeSet<Trigger>,
    /// An answer whose best passage is less than this above the threshold is not sure.
    pub confidence_margin: f64,
    /// So many answers of a chat rated bad are bad ratings.
    pub bad_ratings: i64,
    /// Words and phrases that call people.
    pub keywords: Vec<String>,
    /// The plugins that are told, in this order.
    pub channels: Vec<String>,
    /// Which of them.
    pub order: ChannelOrder,
    /// How much of the chat goes out.
    pub content: Content,
    /// Where staff read and answer: https, with `{chatId}` in it.
    pub console_link: Option<String>,
    /// When people are there; always where nobody said when.
    pub hours: Option<BusinessHours>,
    /// Said when people are called and there; a text in the visitor's language where `None`.
    pub waiting_text: Option<String>,
    /// Said when people are called and not there; a text in the visitor's language where `None`.
    pub off_hours_text: Option<String>,
    /// Whether visitors see what members of staff are called.
    pub shows_staff_names: bool,
    /// An escalation in which nothing was said for so many hours is resolved; never where `None`.
    pub resolve_after_hours: Option<i64>,
}

impl Default for EscalationSettings {
    fn default() -> Self {
        Self {
            triggers: BTreeSet::new(),
            confidence_margin: 0.01,
            bad_ratings: 2,
            keywords: Vec::new(),
            channels: Vec::new(),
            order: ChannelOrder::default(),
            content: Content::default(),
            console_link: None,
            hours: None,
            waiting_text: None,
            off_hours_text: None,
            shows_staff_names: false,
            resolve_after_hours: Some(24),
        }
    }
}

impl EscalationSettings {
    /// Whether this makes the assistant call people.
    pub(crate) fn calls_for(&self, trigger: Trigger) -> bool {
        self.triggers.contains(&trigger)
    }

    /// Where staff read and answer this chat.
    pub(crate) fn link_to(&self, chat: &str) -> Option<String> {
        self.console_link.as_ref().map(|link| link.replace(CHAT_PLACE, chat))
    }

    fn check(&self, registry: &Registry) -> Result<()> {
        if !(0.0..=1.0).contains(&self.confidence_margin) {
            return Err(Error::invalid("confidenceMargin", "A margin is a difference of cosines between 0 and 1."));
        }
        if !(1..=20).contains(&self.bad_ratings) {
            return Err(Error::invalid("badRatings", "1 to 20 bad ratings can call people."));
        }
        let is_word = |word: &String| !word.trim().is_empty() && word.chars().count() <= LONGEST_KEYWORD;
        if self.keywords.len() > MOST_KEYWORDS || !self.keywords.iter().all(is_word) {
            let message = format!("Give at most {MOST_KEYWORDS} keywords of 1 to {LONGEST_KEYWORD} characters.");
            return Err(Error::invalid("keywords", message));
        }
        let known = registry.channels();
        let each_once: BTreeSet<&String> = self.channels.iter().collect();
        if each_once.len() != self.channels.len() || !self.channels.iter().all(|id| known.contains(&id.as_str())) {
            return Err(Error::invalid("channels", "Name plugins that are channels, each once."));
        }
        if let Some(link) = &self.console_link {
            check_link(link)?;
        }
        for (field, text) in [("waitingText", &self.waiting_text), ("offHoursText", &self.off_hours_text)] {
            if text.as_ref().is_some_and(|t| t.trim().is_empty() || t.chars().count() > LONGEST_TEXT) {
                return Err(Error::invalid(field, "Give a text of 1 to 1,000 characters, or none."));
            }
        }
        if self.resolve_after_hours.is_some_and(|hours| !(1..=2_160).contains(&hours)) {
            return Err(Error::invalid("resolveAfterHours", "1 to 2,160 hours of silence can resolve."));
        }
        self.hours.as_ref().map_or(Ok(()), BusinessHours::check)
    }
}

fn check_link(link: &str) -> Result<()> {
    let bad = || Error::invalid("consoleLink", "Give an https address of at most 300 characters with {chatId} in it.");
    let url = Url::parse(&link.replace(CHAT_PLACE, "cht_0")).map_err(|_| bad())?;
    let names_nobody = url.username().is_empty() && url.password().is_none();
    let is_good = url.scheme() == "https" && names_nobody && link.contains(CHAT_PLACE) && link.len() <= 300;
    if is_good { Ok(()) } else { Err(bad()) }
}

/// An assistant's settings.
///
/// # Errors
/// `Forbidden` without `WORKSPACE_READ`; `NotFound`.
pub async fn get(scope: &Scope, store: &Store, assistant: AssistantId) -> Result<EscalationSettings> {
    scope.require(Permission::WorkspaceRead)?;
    let tx = store.read(scope).await?;
    of(&tx, assistant).await
}

/// Changes them.
///
/// # Errors
/// `Forbidden` without `WORKSPACE_WRITE`; `NotFound`; `Invalid`, and what `change` says.
pub async fn configure(
    scope: &Scope,
    store: &Store,
    registry: &Registry,
    assistant: AssistantId,
    change: impl FnOnce(&mut EscalationSettings) -> Result<()>,
) -> Result<EscalationSettings> {
    scope.require(Permission::WorkspaceWrite)?;
    let tx = store.write(scope).await?;
    let mut settings = of(&tx, assistant).await?;
    change(&mut settings)?;
    settings.check(registry)?;
    let json = serde_json::to_string(&settings).map_err(|e| Error::internal("settings as JSON").because(e))?;
    let changed = table::Entity::update_many()
        .col_expr(table::Column::Escalation, Expr::value(json))
        .col_expr(table::Column::UpdatedAt, Expr::value(store.now()))
        .filter(table::Column::WorkspaceId.eq(scope.workspace()))
        .filter(table::Column::Id.eq(assistant))
        .exec(tx.db())
        .await?;
    if changed.rows_affected == 0 {
        return Err(Error::not_found("assistant"));
    }
    let event = Event::new("escalation.configured").target("assistant", assistant.0);
    audit::append(scope, &tx, event.detail("channels", settings.channels.join(","))).await?;
    tx.commit().await?;
    Ok(settings)
}

/// An assistant's settings for one person: nothing calls people where the workspace revoked handing over, or the person
/// objected to it.
pub(crate) async fn for_person(
    tx: &WorkspaceTx,
    assistant: AssistantId,
    subject: SubjectId,
) -> Result<EscalationSettings> {
    let mut settings = of(tx, assistant).await?;
    if admission::refusal(tx, Purpose::Escalation, Some(subject)).await?.is_some() {
        settings.triggers.clear();
    }
    Ok(settings)
}

/// An assistant's settings, in a transaction.
pub(crate) async fn of(tx: &WorkspaceTx, assistant: AssistantId) -> Result<EscalationSettings> {
    let stored: Option<Option<String>> = table::Entity::find_by_id((tx.workspace(), assistant))
        .select_only()
        .column(table::Column::Escalation)
        .into_tuple()
        .one(tx.db())
        .await?;
    match stored.ok_or_else(|| Error::not_found("assistant"))? {
        None => Ok(EscalationSettings::default()),
        Some(json) => serde_json::from_str(&json).map_err(|e| {
            Error::new(ErrorKind::Corrupt, "An assistant's escalation settings cannot be read.").because(e)
        }),
    }
}
