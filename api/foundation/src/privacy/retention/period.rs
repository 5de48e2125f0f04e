//! How long: a calendar-aware period as ISO 8601 writes it (`P12M`, `P90D`, `PT24H`), counted from a moment in a time zone.
//!
//! A year after 29 February 2028 is 28 February 2029; a month after 31 January is the last of February; a day in which the
//! clock is put forward has 23 hours.

use std::{fmt, str::FromStr};

use jiff::{Span, tz::TimeZone};

use crate::{
    clock::Timestamp,
    error::{Error, Result},
};

/// Further than a calendar's periods of one name differ from each other: leap days, the clock put forward and back.
const SLACK: i64 = 4 * 24 * 3_600_000;

/// A period.
#[derive(Clone)]
pub struct Period {
    span: Span,
    text: String,
}

impl Period {
    /// A period as ISO 8601 writes it.
    ///
    /// # Errors
    /// `Invalid` where it cannot be read, or is not longer than nothing.
    pub fn parse(text: &str) -> Result<Self> {
        let unreadable = || Error::invalid("period", "Write a period as ISO 8601 does: P12M, P90D, PT24H.");
        let span = Span::from_str(text).map_err(|_| unreadable())?;
        if !span.is_positive() || !text.starts_with('P') {
            return Err(unreadable());
        }
        let parsed = Self { span, text: text.to_owned() };
        // It fits the calendar.
        parsed.after(Timestamp(0), &TimeZone::UTC).map(|_| parsed).ok_or_else(unreadable)
    }

    fn after(&self, moment: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let start = jiff::Timestamp::from_millisecond(moment.0).ok()?.to_zoned(zone.clone());
        let end = start.checked_add(self.span).ok()?;
        Some(Timestamp(end.timestamp().as_millisecond()))
    }

    /// When what began then is over; beyond the calendar, never.
    pub fn end(&self, began: Timestamp, zone: &TimeZone) -> Timestamp {
        self.after(began, zone).unwrap_or(Timestamp(i64::MAX))
    }

    /// Whatever began later than this is not over now; what began earlier may be, and is asked with [`Period::end`].
    pub fn newest_that_may_be_over(&self, now: Timestamp, zone: &TimeZone) -> Timestamp {
        let back = jiff::Timestamp::from_millisecond(now.0)
            .ok()
            .and_then(|now| now.to_zoned(zone.clone()).checked_sub(self.span).ok());
        back.map_or(Timestamp(i64::MIN), |moment| Timestamp(moment.timestamp().as_millisecond() + SLACK))
    }

    /// Whether it is never longer than the other, whenever it begins: each day of a leap cycle is tried.
    pub fn is_within(&self, other: &Self) -> bool {
        let day = 24 * 3_600_000;
        (0..4 * 366)
            .map(|number| Timestamp(1_704_067_200_000 + number * day))
            .all(|began| self.end(began, &TimeZone::UTC) <= other.end(began, &TimeZone::UTC))
    }

    /// As ISO 8601 writes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Period {
    fn eq(&self, other: &Self) -> bool {
        self.span.fieldwise() == other.span.fieldwise()
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A time zone by its name, as the IANA database has it.
///
/// # Errors
/// `Misconfigured`.
pub fn zone(name: &str) -> Result<TimeZone> {
    TimeZone::get(name).map_err(|_| {
        Error::new(
            crate::ErrorKind::Misconfigured,
            format!("There is no time zone {name}; write it as in Europe/Paris."),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(zone: &TimeZone, civil: &str) -> Timestamp {
        let zoned = civil.parse::<jiff::civil::DateTime>().unwrap().to_zoned(zone.clone()).unwrap();
        Timestamp(zoned.timestamp().as_millisecond())
    }

    #[test]
    fn a_period_ends_where_the_calendar_says() {
        let paris = zone("Europe/Paris").unwrap();
        let utc = TimeZone::UTC;
        for (period, zone, began, ends) in [
            ("P12M", &utc, "2027-11-23T08:00", "2028-11-23T08:00"),
            ("P12M", &utc, "2028-02-29T08:00", "2029-02-28T08:00"),
            ("P12M", &utc, "2027-02-28T08:00", "2028-02-28T08:00"),
            ("P4Y", &utc, "2028-02-29T08:00", "2032-02-29T08:00"),
            ("P1M", &utc, "2028-01-31T00:00", "2028-02-29T00:00"),
            ("P1M", &utc, "2027-01-31T00:00", "2027-02-28T00:00"),
            ("P6M", &utc, "2027-08-31T23:59", "2028-02-29T23:59"),
            ("P90D", &utc, "2028-01-01T00:00", "2028-03-31T00:00"),
            ("P3Y", &utc, "2025-03-01T00:00", "2028-03-01T00:00"),
            ("P10Y", &utc, "2026-12-31T23:59:59", "2036-12-31T23:59:59"),
            ("PT24H", &utc, "2028-02-28T12:00", "2028-02-29T12:00"),
            // The clock is put forward in the night to 28 March 2027, and back in the one to 31 October.
            ("P1D", &paris, "2027-03-27T12:00", "2027-03-28T12:00"),
            ("PT24H", &paris, "2027-03-27T12:00", "2027-03-28T13:00"),
            ("P1D", &paris, "2027-10-30T12:00", "2027-10-31T12:00"),
            ("PT24H", &paris, "2027-10-30T12:00", "2027-10-31T11:00"),
            ("P6M", &paris, "2026-11-23T09:00", "2027-05-23T09:00"),
        ] {
            let period = Period::parse(period).unwrap();
            assert_eq!(period.end(at(zone, began), zone), at(zone, ends), "{period} from {began}");
        }
    }

    #[test]
    fn midnight_is_that_of_the_time_zone() {
        let (paris, samoa) = (zone("Europe/Paris").unwrap(), zone("Pacific/Apia").unwrap());
        let began = at(&TimeZone::UTC, "2027-01-30T23:30");
        let month = Period::parse("P1M").unwrap();
        assert_eq!(month.end(began, &TimeZone::UTC), at(&TimeZone::UTC, "2027-02-28T23:30"));
        assert_eq!(month.end(began, &paris), at(&paris, "2027-02-28T00:30"), "it is the 31st there already");
        assert_eq!(month.end(began, &samoa), at(&samoa, "2027-02-28T12:30"));
    }

    /// What a search for candidates leaves out is never over yet.
    #[test]
    fn nothing_that_is_over_is_overlooked() {
        let zones = ["UTC", "Europe/Paris", "America/New_York", "Pacific/Apia"].map(|name| zone(name).unwrap());
        for text in ["PT24H", "P30D", "P90D", "P1M", "P6M", "P12M", "P3Y", "P10Y"] {
            let period = Period::parse(text).unwrap();
            for (zone, hours) in zones.iter().flat_map(|zone| (0..3_000).map(move |step| (zone, step * 29))) {
                let now = Timestamp(1_795_420_800_000 + hours * 3_600_000);
                let newest = period.newest_that_may_be_over(now, zone);
                assert!(period.end(Timestamp(newest.0 + 1), zone) > now, "{text} at {now:?}");
            }
        }
    }

    #[test]
    fn stricter_is_shorter_whenever_it_begins() {
        let is = |a: &str, b: &str| Period::parse(a).unwrap().is_within(&Period::parse(b).unwrap());
        assert!(is("P12M", "P12M") && is("P11M", "P12M") && is("P365D", "P366D") && is("P1Y", "P12M"));
        assert!(is("P28D", "P1M") && !is("P29D", "P1M") && !is("P30D", "P1M") && !is("P31D", "P1M"));
        assert!(is("P364D", "P12M") && is("P365D", "P12M") && !is("P366D", "P12M"));
        assert!(is("PT24H", "P1D") && !is("P13M", "P12M") && !is("P100Y", "P12M"));
    }

    #[test]
    fn what_is_no_period_is_refused() {
        for text in ["", "12 months", "P", "P0D", "-P1M", "P-1M", "1m", "P99999999Y"] {
            assert!(Period::parse(text).is_err(), "{text}");
        }
        assert!(zone("Europe/Atlantis").is_err());
    }
}
