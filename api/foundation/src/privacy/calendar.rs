//! Periods of people's rights, on the calendar.
//!
//! - One month (GDPR art. 12(3)): the same hour of the same day of the next month, or of its last day where there is no such
//!   day; and never later than 30 days, which the agreement says. The earlier of the two holds. It is not stretched over a
//!   weekend, though Regulation (EEC) 1182/71 art. 3(4) would allow it: the strictest reading keeps every other one.
//! - Two further months (art. 12(3), second sentence) count from the first receipt too.
//! - Business days: Monday to Friday without French public holidays (Code du travail, art. L3133-1), in the time of Paris.
//!   The day of the receipt does not count; the period ends with the last second of its last day. In Alsace and Moselle Good
//!   Friday and 26 December are holidays too (art. L3134-13).

use std::time::Duration;

use jiff::{
    Span,
    civil::{Date, Weekday},
    tz::TimeZone,
};

use crate::{
    clock::Timestamp,
    error::{Error, Result},
};

/// The most days of a month's period.
const DAYS_OF_A_MONTH: u64 = 30;

/// Which public holidays count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Holidays {
    /// Those of France.
    #[default]
    France,
    /// Those of France, and of Alsace and Moselle.
    AlsaceMoselle,
}

/// The end of a month that begins at this moment.
///
/// # Errors
/// `Internal` for a moment that no calendar has.
pub fn a_month_after(received: Timestamp) -> Result<Timestamp> {
    let by_days = received.plus(Duration::from_secs(DAYS_OF_A_MONTH * 86_400));
    Ok(by_days.min(months_after(received, 1)?))
}

/// The end of a month and two further ones.
///
/// # Errors
/// As [`a_month_after`].
pub fn three_months_after(received: Timestamp) -> Result<Timestamp> {
    months_after(received, 3)
}

/// The last moment of the business day that comes so many after the day of this moment.
///
/// # Errors
/// As [`a_month_after`].
pub fn business_days_after(received: Timestamp, days: u32, holidays: Holidays) -> Result<Timestamp> {
    let paris = TimeZone::get("Europe/Paris").map_err(|e| Error::internal("the time zone of Paris").because(e))?;
    let mut day = moment(received)?.to_zoned(paris.clone()).date();
    let mut left = days;
    while left > 0 {
        day = day.tomorrow().map_err(|e| Error::internal("a day past the calendar").because(e))?;
        if is_business_day(day, holidays)? {
            left -= 1;
        }
    }
    let end =
        day.at(23, 59, 59, 999_000_000).to_zoned(paris).map_err(|e| Error::internal("an end of a day").because(e))?;
    Ok(Timestamp(end.timestamp().as_millisecond()))
}

/// Whether people work on this day.
///
/// # Errors
/// As [`a_month_after`].
pub fn is_business_day(day: Date, holidays: Holidays) -> Result<bool> {
    let is_weekend = matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday);
    Ok(!is_weekend && !is_holiday(day, holidays)?)
}

fn is_holiday(day: Date, holidays: Holidays) -> Result<bool> {
    let fixed = [(1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25)];
    let is_local = holidays == Holidays::AlsaceMoselle;
    if fixed.contains(&(day.month(), day.day())) || is_local && (day.month(), day.day()) == (12, 26) {
        return Ok(true);
    }
    // Easter Monday, Ascension, Whit Monday; Good Friday where it is one.
    let from_easter =
        day.since(easter(day.year())?).map_err(|e| Error::internal("days since Easter").because(e))?.get_days();
    Ok([1, 39, 50].contains(&from_easter) || is_local && from_easter == -2)
}

/// Easter Sunday of a year in the Gregorian calendar: the method of Meeus, Jones and Butcher (J. Meeus, Astronomical
/// Algorithms, chapter 8).
fn easter(year: i16) -> Result<Date> {
    let year_number = i32::from(year);
    let (a, century, of_century) = (year_number % 19, year_number / 100, year_number % 100);
    let (d, e) = (century / 4, century % 4);
    let g = (century - (century + 8) / 25 + 1) / 3;
    let h = (19 * a + century - d - g + 15) % 30;
    let (i, k) = (of_century / 4, of_century % 4);
    let l = (32 + 2 * e + 2 * i - h - k) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let (month, day) = ((h + l - 7 * m + 114) / 31, (h + l - 7 * m + 114) % 31 + 1);
    let small = |n: i32| i8::try_from(n).map_err(|e| Error::internal("a day of Easter").because(e));
    Date::new(year, small(month)?, small(day)?).map_err(|e| Error::internal("a day of Easter").because(e))
}

fn months_after(received: Timestamp, months: i32) -> Result<Timestamp> {
    let there = moment(received)?.to_zoned(TimeZone::UTC);
    let end = there.checked_add(Span::new().months(months)).map_err(|e| Error::internal("a month").because(e))?;
    Ok(Timestamp(end.timestamp().as_millisecond()))
}

fn moment(at: Timestamp) -> Result<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(at.0).map_err(|e| Error::internal("a moment out of range").because(e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(text.parse::<jiff::Timestamp>().expect("a moment").as_millisecond())
    }

    fn day(text: &str) -> Date {
        text.parse().expect("a day")
    }

    #[test]
    fn a_month_is_the_earlier_of_thirty_days_and_the_same_day() {
        for (received, due) in [
            ("2026-11-23T08:00:00Z", "2026-12-23T08:00:00Z"),
            ("2026-12-23T08:00:00Z", "2027-01-22T08:00:00Z"),
            ("2027-01-31T23:59:59Z", "2027-02-28T23:59:59Z"),
            ("2027-01-30T12:00:00Z", "2027-02-28T12:00:00Z"),
            ("2028-01-31T12:00:00Z", "2028-02-29T12:00:00Z"),
            ("2028-01-29T12:00:00Z", "2028-02-28T12:00:00Z"),
            ("2027-02-28T10:00:00Z", "2027-03-28T10:00:00Z"),
            ("2027-02-01T10:00:00Z", "2027-03-01T10:00:00Z"),
            ("2027-03-31T10:00:00Z", "2027-04-30T10:00:00Z"),
        ] {
            assert_eq!(a_month_after(at(received)).unwrap(), at(due), "{received}");
        }
        assert_eq!(three_months_after(at("2026-11-30T08:00:00Z")).unwrap(), at("2027-02-28T08:00:00Z"));
    }

    #[test]
    fn easter_is_where_the_tables_have_it() {
        for (year, sunday) in [
            (1818, "1818-03-22"),
            (1943, "1943-04-25"),
            (1954, "1954-04-18"),
            (1981, "1981-04-19"),
            (2000, "2000-04-23"),
            (2008, "2008-03-23"),
            (2024, "2024-03-31"),
            (2025, "2025-04-20"),
            (2026, "2026-04-05"),
            (2027, "2027-03-28"),
            (2028, "2028-04-16"),
            (2029, "2029-04-01"),
            (2030, "2030-04-21"),
            (2038, "2038-04-25"),
            (2049, "2049-04-18"),
            (2076, "2076-04-19"),
        ] {
            assert_eq!(easter(year).unwrap(), day(sunday));
        }
    }

    #[test]
    fn the_holidays_of_two_years_are_those_of_the_law() {
        let of_2026 = [
            "2026-01-01",
            "2026-04-06",
            "2026-05-01",
            "2026-05-08",
            "2026-05-14",
            "2026-05-25",
            "2026-07-14",
            "2026-08-15",
            "2026-11-01",
            "2026-11-11",
            "2026-12-25",
        ];
        let of_2027 = [
            "2027-01-01",
            "2027-03-29",
            "2027-05-01",
            "2027-05-06",
            "2027-05-08",
            "2027-05-17",
            "2027-07-14",
            "2027-08-15",
            "2027-11-01",
            "2027-11-11",
            "2027-12-25",
        ];
        let of_alsace = ["2026-04-03", "2026-12-26", "2027-03-26", "2027-12-26"];
        let mut today = day("2026-01-01");
        while today < day("2028-01-01") {
            let text = today.to_string();
            let is_french = of_2026.contains(&text.as_str()) || of_2027.contains(&text.as_str());
            assert_eq!(is_holiday(today, Holidays::France).unwrap(), is_french, "{text}");
            let is_local = is_french || of_alsace.contains(&text.as_str());
            assert_eq!(is_holiday(today, Holidays::AlsaceMoselle).unwrap(), is_local, "{text}");
            today = today.tomorrow().unwrap();
        }
    }

    #[test]
    fn business_days_leave_out_weekends_and_holidays_and_end_with_their_day_in_paris() {
        for (received, due, holidays) in [
            // A plain week, in winter and in summer.
            ("2026-11-23T08:00:00Z", "2026-11-30T22:59:59.999Z", Holidays::France),
            ("2026-06-01T08:00:00Z", "2026-06-08T21:59:59.999Z", Holidays::France),
            // At half past eleven in the evening UTC it is the next day in Paris.
            ("2026-11-23T23:30:00Z", "2026-12-01T22:59:59.999Z", Holidays::France),
            // Over a weekend alone.
            ("2026-11-28T12:00:00Z", "2026-12-04T22:59:59.999Z", Holidays::France),
            // Christmas and New Year.
            ("2026-12-23T08:00:00Z", "2026-12-31T22:59:59.999Z", Holidays::France),
            ("2026-12-24T08:00:00Z", "2027-01-04T22:59:59.999Z", Holidays::France),
            // Easter: Good Friday 26 March 2027, Easter Monday 29 March; the clocks change on 28 March.
            ("2027-03-24T08:00:00Z", "2027-04-01T21:59:59.999Z", Holidays::France),
            ("2027-03-24T08:00:00Z", "2027-04-02T21:59:59.999Z", Holidays::AlsaceMoselle),
            // Ascension, Thursday 6 May 2027; 8 May is a Saturday; Whit Monday 17 May.
            ("2027-05-05T08:00:00Z", "2027-05-13T21:59:59.999Z", Holidays::France),
            ("2027-05-13T08:00:00Z", "2027-05-21T21:59:59.999Z", Holidays::France),
            // A leap day is a day.
            ("2028-02-25T08:00:00Z", "2028-03-03T22:59:59.999Z", Holidays::France),
        ] {
            assert_eq!(business_days_after(at(received), 5, holidays).unwrap(), at(due), "{received} {holidays:?}");
        }
    }
}
