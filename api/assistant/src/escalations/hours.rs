//! When people are there: a weekly plan in the wall-clock time of a place, whatever its clocks do in spring and autumn.

use consigne_foundation::{Error, Result, Timestamp};
use jiff::{civil::Weekday, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// Minutes of a day.
const DAY: i64 = 24 * 60;
const MOST_PERIODS: usize = 50;

/// When people are there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BusinessHours {
    /// The IANA name of the time zone, such as `Europe/Brussels`.
    pub time_zone: String,
    /// The periods of a week.
    pub periods: Vec<Period>,
}

/// A period of a week.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Period {
    /// The day: 1 for Monday to 7 for Sunday (ISO 8601).
    pub day: i64,
    /// From this minute of the day on.
    pub from_minute: i64,
    /// Until before this minute; 1,440 is the end of the day.
    pub to_minute: i64,
}

impl BusinessHours {
    /// # Errors
    /// `Invalid`.
    pub(crate) fn check(&self) -> Result<()> {
        self.zone()?;
        let is_good = |p: &Period| {
            (1..=7).contains(&p.day) && 0 <= p.from_minute && p.from_minute < p.to_minute && p.to_minute <= DAY
        };
        if self.periods.is_empty() || self.periods.len() > MOST_PERIODS || !self.periods.iter().all(is_good) {
            return Err(Error::invalid("hours", "Give 1 to 50 periods, each within one day and not empty."));
        }
        Ok(())
    }

    /// Whether people are there at this moment.
    ///
    /// # Errors
    /// `Invalid` where the time zone is not known.
    pub(crate) fn are_open(&self, at: Timestamp) -> Result<bool> {
        let moment = jiff::Timestamp::from_millisecond(at.0).map_err(|_| Error::internal("a moment out of range"))?;
        let there = moment.to_zoned(self.zone()?);
        let day = i64::from(Weekday::to_monday_one_offset(there.weekday()));
        let minute = i64::from(there.hour()) * 60 + i64::from(there.minute());
        Ok(self.periods.iter().any(|p| p.day == day && (p.from_minute..p.to_minute).contains(&minute)))
    }

    fn zone(&self) -> Result<TimeZone> {
        // "Local" and "posix/..." are what the machine makes of them.
        let is_iana = self.time_zone.contains('/') || self.time_zone == "UTC";
        let zone = TimeZone::get(&self.time_zone).ok().filter(|_| is_iana);
        zone.ok_or_else(|| Error::invalid("hours", "Name a time zone of the IANA database, such as Europe/Brussels."))
    }
}

/// Minutes of the day that `09:30` names; `24:00` is its end.
pub fn minute_of_day(text: &str) -> Option<i64> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |digits: &str| {
        let is_two_digits = digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_digit());
        is_two_digits.then(|| digits.parse::<i64>().ok()).flatten()
    };
    let (hours, minutes) = (number(hours)?, number(minutes)?);
    let all = hours * 60 + minutes;
    (minutes < 60 && all <= DAY).then_some(all)
}

/// `09:30`, as [`minute_of_day`] reads it.
pub fn time_of_day(minute: i64) -> String {
    format!("{:02}:{:02}", minute / 60, minute % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brussels() -> BusinessHours {
        let nine_to_five = |day| Period { day, from_minute: 9 * 60, to_minute: 17 * 60 };
        BusinessHours { time_zone: "Europe/Brussels".to_owned(), periods: (1..=5).map(nine_to_five).collect() }
    }

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().expect("a moment").as_millisecond())
    }

    #[test]
    fn people_are_there_by_the_clock_on_their_wall_before_and_after_it_changes() {
        let hours = brussels();
        for (moment, open) in [
            ("2026-10-23T07:00:00Z", true),  // Friday, 09:00 in summer time
            ("2026-10-23T06:59:00Z", false), // 08:59
            ("2026-10-26T07:30:00Z", false), // Monday, 08:30 in winter time
            ("2026-10-26T08:00:00Z", true),  // 09:00
            ("2026-10-26T15:59:00Z", true),  // 16:59
            ("2026-10-26T16:00:00Z", false), // 17:00
            ("2027-03-26T08:30:00Z", true),  // Friday, 09:30 in winter time
            ("2027-03-29T07:30:00Z", true),  // Monday, 09:30 in summer time
            ("2027-03-29T15:30:00Z", false), // 17:30
            ("2026-10-25T10:00:00Z", false), // Sunday
        ] {
            assert_eq!(hours.are_open(at(moment)).expect("a known zone"), open, "{moment}");
        }
    }

    #[test]
    fn a_zone_that_nobody_knows_and_a_period_over_midnight_are_refused() {
        for zone in ["Local", "Mars/Olympus", "", "posixrules"] {
            assert!(BusinessHours { time_zone: zone.to_owned(), ..brussels() }.check().is_err(), "{zone}");
        }
        let night = Period { day: 1, from_minute: 22 * 60, to_minute: 6 * 60 };
        assert!(BusinessHours { periods: vec![night], ..brussels() }.check().is_err());
        assert!(brussels().check().is_ok());
    }

    #[test]
    fn times_of_day_are_read_and_written() {
        assert_eq!(
            (minute_of_day("09:30"), minute_of_day("24:00"), minute_of_day("00:00")),
            (Some(570), Some(1_440), Some(0))
        );
        for bad in ["9:30", "24:01", "12:60", "noon", "-1:00", "12"] {
            assert_eq!(minute_of_day(bad), None, "{bad}");
        }
        assert_eq!(time_of_day(570), "09:30");
    }
}
