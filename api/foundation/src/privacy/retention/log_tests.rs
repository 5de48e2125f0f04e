//! The audit log goes, and stays one that can be verified; accounts and keys go; and every period ends where the calendar says, in
//! leap years and wherever the clock is put forward.

use jiff::{Span, ToSpan, civil};
use sea_orm::ConnectionTrait;

use super::{
    tests::{DAY, World, of},
    *,
};
use crate::{
    audit::{self, Break, Verdict, checkpoint::verify_against},
    clock::Timestamp,
    error::ErrorKind,
    identity::signing::{self, SigningPurpose},
    privacy::holds,
};

/// A world whose log goes, after this long.
async fn world(period: &str) -> World {
    let w = World::new().await;
    let mut classes = foundation_classes();
    classes.push(Arc::new(AuditEntries));
    let retention = Retention::new(w.test.store.clone(), classes, "UTC").unwrap().with_log_period(period).unwrap();
    World { retention, ..w }
}

/// Something that is on record.
async fn happens(w: &World) {
    w.retention.set_policy(&w.scope, "api_keys", Some("P100D")).await.unwrap();
}

async fn signed(w: &World) -> i64 {
    audit::checkpoint(&w.test.store, w.workspace()).await.unwrap().unwrap()
}

async fn verdict(w: &World) -> Verdict {
    audit::verify(&w.test.store, w.workspace()).await.unwrap()
}

/// As somebody who may write to the database.
async fn tamper(w: &World, sql: &str) {
    assert!(w.test.owner.execute_unprepared(sql).await.unwrap().rows_affected() > 0, "{sql}");
}

#[tokio::test]
async fn the_oldest_part_of_the_log_goes_and_the_rest_can_be_verified() {
    let w = world("P6M").await;
    let began = w.test.clock.now();
    happens(&w).await;
    let cut_at = signed(&w).await;
    w.test.clock.advance(89 * DAY);
    assert_eq!(of(&w.run().await, "audit_entries").deleted, 0, "day 89: it is there");
    happens(&w).await;
    let newest = signed(&w).await;
    let first = register::line("audit_entries").unwrap().period.end(began, &TimeZone::UTC);
    w.just_before(first);
    assert_eq!(of(&w.run().await, "audit_entries").deleted, 0);
    w.a_moment_later();
    let dry = w.retention.report(&w.scope).await.unwrap();
    assert_eq!(of(&dry, "audit_entries").deleted, 0);
    let counted = w.run().await;
    assert_eq!(of(&counted, "audit_details").deleted, of(&counted, "audit_entries").deleted, "{counted:?}");
    assert_eq!(of(&counted, "audit_entries").deleted, cut_at.unsigned_abs());
    let oldest = audit::page(&w.scope, &w.test.store, None, 500).await.unwrap().pop().unwrap();
    assert_eq!(oldest.seq, cut_at + 1);
    assert!(matches!(verdict(&w).await, Verdict::Intact { entries } if entries > newest), "{:?}", verdict(&w).await);
    // It goes on: more is written, signed, and goes in its turn.
    happens(&w).await;
    signed(&w).await;
    w.test.clock.advance(100 * DAY);
    let counted = w.run().await;
    assert_eq!(of(&counted, "audit_entries").deleted, (newest - cut_at).unsigned_abs());
    assert!(matches!(verdict(&w).await, Verdict::Intact { .. }));
    assert_eq!(of(&w.run().await, "audit_entries").deleted, 0, "once");
}

#[tokio::test]
async fn whoever_cuts_more_than_goes_by_itself_is_found_out() {
    let w = world("P90D").await;
    happens(&w).await;
    let cut_at = signed(&w).await;
    w.test.clock.advance(45 * DAY);
    happens(&w).await;
    let later = signed(&w).await;
    let handed_out = {
        let tx = w.test.store.read(&w.scope).await.unwrap();
        audit::checkpoint::stored(&tx).await.unwrap().into_iter().find(|row| row.seq == cut_at).unwrap().jws
    };
    w.test.clock.advance(46 * DAY);
    assert_eq!(of(&w.run().await, "audit_entries").deleted, cut_at.unsigned_abs());
    assert!(matches!(verdict(&w).await, Verdict::Intact { .. }));
    // Whoever keeps the checkpoint that the chain was cut at can tell that the rest follows on it.
    let judged = verify_against(&w.test.store, w.workspace(), &handed_out).await.unwrap();
    assert!(matches!(judged, Verdict::Intact { .. }), "{judged:?}");

    let bad_anchor = |seq| Verdict::Broken { seq, why: Break::BadAnchor };
    tamper(&w, &format!("UPDATE audit_anchors SET seq = {later}")).await;
    assert_eq!(verdict(&w).await, bad_anchor(later));
    tamper(&w, &format!("UPDATE audit_anchors SET seq = {cut_at}")).await;
    assert!(matches!(verdict(&w).await, Verdict::Intact { .. }));
    tamper(&w, &format!("DELETE FROM audit_entries WHERE seq = {}", cut_at + 1)).await;
    assert_eq!(verdict(&w).await, Verdict::Broken { seq: cut_at + 1, why: Break::MissingRow });
    tamper(&w, "DELETE FROM audit_anchors").await;
    assert!(matches!(verdict(&w).await, Verdict::Broken { .. }), "without an anchor the chain begins at its beginning");
}

/// The proof of what somebody did to the log must not go by itself.
#[tokio::test]
async fn a_chain_that_is_broken_stays_as_it_is() {
    let w = world("P90D").await;
    happens(&w).await;
    signed(&w).await;
    tamper(&w, "UPDATE audit_entries SET action = 'nothing.happened' WHERE seq = 1").await;
    w.test.clock.advance(91 * DAY);
    let entries = w.rows("audit_entries").await;
    let failed = w.retention.run(&w.scope, Mode::Delete).await.unwrap_err();
    assert_eq!(failed.kind(), ErrorKind::Corrupt, "{failed}");
    assert!(w.rows("audit_entries").await >= entries);
    assert_eq!(verdict(&w).await, Verdict::Broken { seq: 1, why: Break::Altered });
}

#[tokio::test]
async fn what_is_held_keeps_its_entries() {
    let w = world("P90D").await;
    let held = w.visitor().await;
    let tx = w.test.store.write(&w.scope).await.unwrap();
    let event = audit::Event::new("visitor.started").target("visitor", held.0).subject(held);
    let seq = audit::append(&w.scope, &tx, event).await.unwrap();
    tx.commit().await.unwrap();
    let ends_at = w.test.clock.now().plus(400 * DAY);
    let ground = holds::Ground::LegalClaims;
    holds::place(&w.scope, &w.privacy, held, holds::Item::Person, ground, ends_at).await.unwrap();
    signed(&w).await;
    w.test.clock.advance(91 * DAY);
    w.run().await;
    let there = || async {
        let page = audit::page(&w.scope, &w.test.store, None, 500).await.unwrap();
        page.iter().any(|entry| entry.seq == seq && entry.action == "visitor.started")
    };
    assert!(there().await, "its details are held");
    assert!(matches!(verdict(&w).await, Verdict::Intact { .. }), "{:?}", verdict(&w).await);
    w.test.clock.advance(310 * DAY);
    w.run().await;
    assert!(!there().await, "the hold is over");
    assert!(matches!(verdict(&w).await, Verdict::Intact { .. }));
}

#[tokio::test]
async fn a_log_is_kept_for_ninety_days_at_the_least_and_six_months_at_the_most() {
    let w = World::new().await;
    for refused in ["P30D", "P89D", "P7M", "P200D", "six months"] {
        let retention = Retention::new(w.test.store.clone(), foundation_classes(), "UTC").unwrap();
        let error = retention.with_log_period(refused).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Misconfigured, "{refused}");
    }
    let w = world("P90D").await;
    let policies = w.retention.policies(&w.scope).await.unwrap();
    let log = policies.iter().find(|policy| policy.class == "audit_entries").unwrap();
    assert_eq!((log.period.as_str(), log.longest.as_str()), ("P90D", "P90D"));
    let refused = w.retention.set_policy(&w.scope, "audit_entries", Some("P100D")).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn a_closed_account_goes_after_three_years_and_a_retired_key_after_ten() {
    let w = World::new().await;
    let store = &w.test.store;
    signed(&w).await;
    let retired = signing::rotate(store, SigningPurpose::Checkpoints).await.unwrap();
    let began = w.test.clock.now();
    w.execute("UPDATE accounts SET deactivated_at = $1", vec![began.into()]).await;
    let run = async || w.retention.run_installation(Mode::Delete).await.unwrap();
    let keys = w.rows("signing_keys").await;
    for class in ["accounts", "signing_keys"] {
        w.just_before(register::line(class).unwrap().period.end(began, &TimeZone::UTC));
        assert_eq!(of(&run().await, class).deleted, 0, "{class}");
        w.a_moment_later();
        assert!(of(&run().await, class).deleted > 0, "{class}");
    }
    assert_eq!((w.rows("accounts").await, w.rows("memberships").await), (0, 0));
    assert_eq!(w.rows("signing_keys").await, keys - 1, "the one in use stays");
    let jwks = signing::jwks(store).await.unwrap().to_string();
    assert!(jwks.contains(&retired.to_string()), "{jwks}");
}

/// Every period of the register, from days on which calendars differ, in zones that put the clock forward or skipped a day.
#[test]
fn every_period_ends_where_the_calendar_says() {
    let moments = [
        "2028-02-29T12:00:00",
        "2027-02-28T23:59:59",
        "2027-08-31T00:00:00",
        "2027-12-31T23:59:59",
        "2026-03-29T01:59:59",
        "2027-03-28T03:00:00",
        "2026-10-25T02:30:00",
        "2024-02-29T00:00:00",
    ];
    for name in ["UTC", "Europe/Paris", "America/New_York", "Asia/Kathmandu", "Pacific/Chatham"] {
        let zone = period::zone(name).unwrap();
        for line in register::lines().unwrap() {
            for moment in moments {
                let civil: civil::DateTime = moment.parse().unwrap();
                let began = Timestamp(civil.to_zoned(zone.clone()).unwrap().timestamp().as_millisecond());
                let ends = line.period.end(began, &zone);
                let expected = by_the_calendar(line.period.as_str(), civil).to_zoned(zone.clone()).unwrap();
                assert_eq!(
                    ends.0,
                    expected.timestamp().as_millisecond(),
                    "{} of {} from {moment} in {name}",
                    line.period,
                    line.table
                );
                let just_before = Timestamp(ends.0 - 1);
                assert!(line.period.newest_that_may_be_over(ends, &zone) >= began, "{moment} in {name} is overlooked");
                assert!(line.period.end(began, &zone) > just_before);
            }
        }
    }
}

/// The same time of the day, so many days later; or of the same day of another month, or of its last.
fn by_the_calendar(period: &str, began: civil::DateTime) -> civil::DateTime {
    let number: i32 = period.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
    if period.ends_with('D') {
        let span: Span = i64::from(number).days();
        return began.checked_add(span).unwrap();
    }
    let months = if period.ends_with('Y') { number * 12 } else { number };
    let count = i32::from(began.year()) * 12 + i32::from(began.month()) - 1 + months;
    let (year, month) = (count / 12, count % 12 + 1);
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    let day = began.day().min(last);
    civil::date(year.try_into().unwrap(), month.try_into().unwrap(), day).to_datetime(began.time())
}
