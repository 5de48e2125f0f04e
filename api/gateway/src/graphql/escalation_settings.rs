//! When an assistant calls people, and how.

use async_graphql::{Context, Enum, ID, InputObject, MaybeUndefined, Object, Result, SimpleObject};
use consigne_assistant::escalations::{hours, settings};
use consigne_foundation::{Error, Permission, id::AssistantId};

use super::{
    context::ContextExt,
    error::{UserError, look_up, split},
};

/// What makes an assistant call people.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "settings::Trigger")]
pub enum EscalationTrigger {
    /// The knowledge has no answer.
    NotInKnowledge,
    /// The answer rests on a passage that is hardly near enough.
    LowConfidence,
    /// The visitor asks for a person in words, of any language that the embedding model knows.
    VisitorAsked,
    /// Several answers of the chat were rated bad.
    BadRatings,
    /// A listed word was said.
    Keyword,
    /// The answer failed for a technical reason.
    AnswerFailed,
}

/// Which of an assistant's channels are told.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "settings::ChannelOrder")]
pub enum ChannelOrder {
    /// All at once.
    AllAtOnce,
    /// The first; the next one only where a channel's opening delivery is given up.
    OneAfterAnother,
}

/// How much of a chat goes out.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "settings::Content")]
pub enum EscalationContent {
    /// That a chat waits, with a link to the console, and nothing that was said.
    LinkOnly,
    /// What was said.
    Conversation,
}

/// A day of the week.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weekday {
    /// Monday.
    Monday,
    /// Tuesday.
    Tuesday,
    /// Wednesday.
    Wednesday,
    /// Thursday.
    Thursday,
    /// Friday.
    Friday,
    /// Saturday.
    Saturday,
    /// Sunday.
    Sunday,
}

const DAYS: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

/// When people are there, by the clock on their wall.
#[derive(SimpleObject, Clone)]
pub struct BusinessHours {
    /// The IANA name of the time zone, such as `Europe/Brussels`.
    pub time_zone: String,
    /// The periods of a week.
    pub periods: Vec<BusinessPeriod>,
}

/// A period of a week.
#[derive(SimpleObject, Clone)]
pub struct BusinessPeriod {
    /// The day.
    pub day: Weekday,
    /// From, as in `09:00`.
    pub from: String,
    /// Until, as in `17:00`; `24:00` is the end of the day.
    pub to: String,
}

/// When people are there, by the clock on their wall.
#[derive(InputObject)]
pub struct BusinessHoursInput {
    /// The IANA name of the time zone, such as `Europe/Brussels`.
    pub time_zone: String,
    /// The periods of a week; at most 50, none over midnight.
    pub periods: Vec<BusinessPeriodInput>,
}

/// A period of a week.
#[derive(InputObject)]
pub struct BusinessPeriodInput {
    /// The day.
    pub day: Weekday,
    /// From, as in `09:00`.
    pub from: String,
    /// Until, as in `17:00`; `24:00` is the end of the day.
    pub to: String,
}

/// When an assistant calls people, and how.
#[derive(SimpleObject, Clone)]
pub struct EscalationSettings {
    /// What makes it call people; a visitor can always ask by `requestPerson`.
    pub triggers: Vec<EscalationTrigger>,
    /// An answer whose best passage is less than this above the threshold, as a difference of cosines, is not sure.
    pub confidence_margin: f64,
    /// So many answers of a chat rated bad are bad ratings.
    pub bad_ratings: i32,
    /// Words and phrases that call people.
    pub keywords: Vec<String>,
    /// The channels that are told, in this order.
    pub channel_ids: Vec<String>,
    /// Which of them.
    pub channel_order: ChannelOrder,
    /// How much of the chat goes out.
    pub content: EscalationContent,
    /// Where staff read and answer: an https address with `{chatId}` in it.
    pub console_link: Option<String>,
    /// When people are there; always where null.
    pub hours: Option<BusinessHours>,
    /// Said when people are called and there; a text in the visitor's language where null.
    pub waiting_text: Option<String>,
    /// Said when people are called and not there; a text in the visitor's language where null.
    pub off_hours_text: Option<String>,
    /// Whether visitors see what members of staff are called.
    pub shows_staff_names: bool,
    /// An escalation in which nothing was said for so many hours is resolved; never where null.
    pub resolve_after_hours: Option<i32>,
}

/// What is to change of when an assistant calls people, and how; what is left out stays.
#[derive(InputObject)]
pub struct ConfigureEscalationInput {
    /// The assistant.
    pub assistant_id: ID,
    /// What makes it call people; none for only by `requestPerson`.
    pub triggers: Option<Vec<EscalationTrigger>>,
    /// An answer whose best passage is less than this above the threshold, as a difference of cosines, is not sure.
    pub confidence_margin: Option<f64>,
    /// So many answers of a chat rated bad are bad ratings: 1 to 20.
    pub bad_ratings: Option<i32>,
    /// Words and phrases that call people: at most 100.
    pub keywords: Option<Vec<String>>,
    /// The channels that are told, in this order: names of plugins.
    pub channel_ids: Option<Vec<String>>,
    /// Which of them.
    pub channel_order: Option<ChannelOrder>,
    /// How much of the chat goes out.
    pub content: Option<EscalationContent>,
    /// Where staff read and answer: an https address with `{chatId}` in it, or null.
    pub console_link: MaybeUndefined<String>,
    /// When people are there; null for always.
    pub hours: MaybeUndefined<BusinessHoursInput>,
    /// Said when people are called and there; null for a text in the visitor's language.
    pub waiting_text: MaybeUndefined<String>,
    /// Said when people are called and not there; null for a text in the visitor's language.
    pub off_hours_text: MaybeUndefined<String>,
    /// Whether visitors see what members of staff are called.
    pub shows_staff_names: Option<bool>,
    /// An escalation in which nothing was said for so many hours is resolved; null for never.
    pub resolve_after_hours: MaybeUndefined<i32>,
}

/// The settings, or why they were not changed.
#[derive(SimpleObject)]
pub struct ConfigureEscalationPayload {
    /// The settings.
    pub settings: Option<EscalationSettings>,
    /// Why they were not changed.
    pub user_errors: Vec<UserError>,
}

/// Reading when people are called.
#[derive(Default)]
pub struct EscalationSettingsQuery;

#[Object]
impl EscalationSettingsQuery {
    /// When an assistant calls people, and how. Null where the assistant is unknown.
    async fn escalation_settings(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The assistant.")] assistant_id: ID,
    ) -> Result<Option<EscalationSettings>> {
        let scope = ctx.scope(Permission::WorkspaceRead)?;
        let found = settings::get(&scope, ctx.store(), AssistantId::parse_or_unknown(&assistant_id)).await;
        Ok(look_up(found)?.map(EscalationSettings::from))
    }
}

/// Changing when people are called.
#[derive(Default)]
pub struct EscalationSettingsMutation;

#[Object]
impl EscalationSettingsMutation {
    /// Changes when an assistant calls people, and how.
    async fn configure_escalation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to do, and with what.")] input: ConfigureEscalationInput,
    ) -> Result<ConfigureEscalationPayload> {
        let scope = ctx.scope(Permission::WorkspaceWrite)?;
        let id = AssistantId::parse_or_unknown(&input.assistant_id);
        let registry = &ctx.services().registry;
        let changed = settings::configure(&scope, ctx.store(), registry, id, |known| input.apply(known)).await;
        let (settings, user_errors) = split(changed)?;
        Ok(ConfigureEscalationPayload { settings: settings.map(EscalationSettings::from), user_errors })
    }
}

impl ConfigureEscalationInput {
    fn apply(self, to: &mut settings::EscalationSettings) -> consigne_foundation::Result<()> {
        if let Some(triggers) = self.triggers {
            to.triggers = triggers.into_iter().map(settings::Trigger::from).collect();
        }
        to.confidence_margin = self.confidence_margin.unwrap_or(to.confidence_margin);
        to.bad_ratings = self.bad_ratings.map_or(to.bad_ratings, i64::from);
        set(&mut to.keywords, self.keywords);
        set(&mut to.channels, self.channel_ids);
        set(&mut to.order, self.channel_order.map(settings::ChannelOrder::from));
        set(&mut to.content, self.content.map(settings::Content::from));
        set(&mut to.console_link, self.console_link.into());
        set(&mut to.waiting_text, self.waiting_text.into());
        set(&mut to.off_hours_text, self.off_hours_text.into());
        set(&mut to.shows_staff_names, self.shows_staff_names);
        let hours: Option<Option<i32>> = self.resolve_after_hours.into();
        set(&mut to.resolve_after_hours, hours.map(|hours| hours.map(i64::from)));
        let hours: Option<Option<BusinessHoursInput>> = self.hours.into();
        if let Some(hours) = hours {
            to.hours = hours.map(BusinessHoursInput::read).transpose()?;
        }
        Ok(())
    }
}

/// What is left out stays.
fn set<T>(known: &mut T, new: Option<T>) {
    if let Some(new) = new {
        *known = new;
    }
}

impl BusinessHoursInput {
    fn read(self) -> consigne_foundation::Result<hours::BusinessHours> {
        let minute = |text: &str| {
            hours::minute_of_day(text).ok_or_else(|| Error::invalid("hours", "A time of day is written as in 09:30."))
        };
        let periods = self.periods.into_iter().map(|period| {
            let day = DAYS.iter().position(|day| *day == period.day).unwrap_or_default();
            Ok(hours::Period {
                day: i64::try_from(day).unwrap_or_default() + 1,
                from_minute: minute(&period.from)?,
                to_minute: minute(&period.to)?,
            })
        });
        Ok(hours::BusinessHours {
            time_zone: self.time_zone,
            periods: periods.collect::<consigne_foundation::Result<_>>()?,
        })
    }
}

impl From<settings::EscalationSettings> for EscalationSettings {
    fn from(s: settings::EscalationSettings) -> Self {
        Self {
            triggers: s.triggers.into_iter().map(EscalationTrigger::from).collect(),
            confidence_margin: s.confidence_margin,
            bad_ratings: i32::try_from(s.bad_ratings).unwrap_or(i32::MAX),
            keywords: s.keywords,
            channel_ids: s.channels,
            channel_order: s.order.into(),
            content: s.content.into(),
            console_link: s.console_link,
            hours: s.hours.map(BusinessHours::from),
            waiting_text: s.waiting_text,
            off_hours_text: s.off_hours_text,
            shows_staff_names: s.shows_staff_names,
            resolve_after_hours: s.resolve_after_hours.map(|hours| i32::try_from(hours).unwrap_or(i32::MAX)),
        }
    }
}

impl From<hours::BusinessHours> for BusinessHours {
    fn from(h: hours::BusinessHours) -> Self {
        let day = |number: i64| usize::try_from(number - 1).ok().and_then(|at| DAYS.get(at)).copied();
        let periods = h.periods.into_iter().filter_map(|period| {
            Some(BusinessPeriod {
                day: day(period.day)?,
                from: hours::time_of_day(period.from_minute),
                to: hours::time_of_day(period.to_minute),
            })
        });
        Self { time_zone: h.time_zone, periods: periods.collect() }
    }
}
