//! Who may spend how many points (see [`super::cost`]) in a minute.
//!
//! One bucket a caller; the public shares the bucket of the key it shows, or one for all. No address of a caller is
//! kept.

use std::{
    num::NonZeroU32,
    sync::atomic::{AtomicU32, Ordering},
};

use governor::{
    DefaultKeyedRateLimiter, Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
};

use super::{CallerClass, Refusal};

/// Charges between two sweeps of buckets that are full again.
const SWEEP: u32 = 4_096;

/// Points of one caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Points that come back in a minute.
    pub per_minute: NonZeroU32,
    /// Points that can be saved up; an operation worth more never passes.
    pub burst: NonZeroU32,
}

impl Rate {
    /// A rate; zero counts as one.
    pub fn new(per_minute: u32, burst: u32) -> Self {
        let at_least_one = |points| NonZeroU32::new(points).unwrap_or(NonZeroU32::MIN);
        Self { per_minute: at_least_one(per_minute), burst: at_least_one(burst) }
    }
}

/// The rates by class of caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rates {
    /// All of the public together, or those who show the same publishable key.
    pub public: Rate,
    /// One visitor.
    pub visitor: Rate,
    /// One member, or one program.
    pub member: Rate,
}

impl Default for Rates {
    fn default() -> Self {
        Self { public: Rate::new(6_000, 6_000), visitor: Rate::new(2_000, 2_000), member: Rate::new(60_000, 20_000) }
    }
}

/// How a caller stands after a charge, for the headers `RateLimit` and `RateLimit-Policy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Points a minute.
    pub per_minute: u32,
    /// Points left now.
    pub remaining: u32,
    /// Seconds until all points are back.
    pub reset: u64,
}

struct Buckets {
    rate: Rate,
    keyed: DefaultKeyedRateLimiter<u128, StateInformationMiddleware>,
}

impl Buckets {
    fn new(rate: Rate) -> Self {
        let quota = Quota::per_minute(rate.per_minute).allow_burst(rate.burst);
        Self { rate, keyed: RateLimiter::keyed(quota).with_middleware() }
    }
}

/// The buckets of all callers.
pub struct RateLimits {
    public: Buckets,
    visitor: Buckets,
    member: Buckets,
    charges: AtomicU32,
    clock: DefaultClock,
}

impl RateLimits {
    /// Full buckets for everybody.
    pub fn new(rates: &Rates) -> Self {
        Self {
            public: Buckets::new(rates.public),
            visitor: Buckets::new(rates.visitor),
            member: Buckets::new(rates.member),
            charges: AtomicU32::new(0),
            clock: DefaultClock::default(),
        }
    }

    /// Takes points from the caller's bucket.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the seconds to wait; `QUERY_TOO_COSTLY` where waiting does not help.
    pub fn charge(&self, class: CallerClass, key: u128, points: NonZeroU32) -> Result<Standing, Refusal> {
        self.sweep_now_and_then();
        let buckets = match class {
            CallerClass::Public => &self.public,
            CallerClass::Visitor => &self.visitor,
            CallerClass::Member => &self.member,
        };
        match buckets.keyed.check_key_n(&key, points) {
            Ok(Ok(snapshot)) => {
                let per_minute = buckets.rate.per_minute.get();
                let remaining = snapshot.remaining_burst_capacity();
                let spent = u64::from(buckets.rate.burst.get().saturating_sub(remaining));
                Ok(Standing { per_minute, remaining, reset: (spent * 60).div_ceil(u64::from(per_minute)) })
            }
            Ok(Err(not_until)) => {
                let seconds = not_until.wait_time_from(self.clock.now()).as_secs() + 1;
                let message = format!("Too many requests, or too costly ones. Try again in {seconds} s.");
                Err(Refusal::transport(429, "RATE_LIMITED", message).retry_after(seconds))
            }
            Err(_) => Err(Refusal::document(
                "QUERY_TOO_COSTLY",
                format!("The operation is worth more than the {} points that can be saved up.", buckets.rate.burst),
            )),
        }
    }

    fn sweep_now_and_then(&self) {
        if self.charges.fetch_add(1, Ordering::Relaxed) % SWEEP == SWEEP - 1 {
            for buckets in [&self.public, &self.visitor, &self.member] {
                buckets.keyed.retain_recent();
            }
        }
    }
}
