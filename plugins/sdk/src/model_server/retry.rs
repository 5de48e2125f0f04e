//! When a failed call is made again, and after how long.

use std::{
    collections::hash_map::RandomState,
    hash::{BuildHasher, Hasher},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::{PluginError, PluginErrorKind, Result};

/// Calls in all.
const ATTEMPTS: u32 = 3;

/// Pause after the first failure; doubled after each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(400);

/// Longest wait on behalf of a server while somebody waits for the answer. A longer one is handed to the host.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// Calls `attempt` until it succeeds, or no try is left, or the next would begin past `deadline`.
///
/// # Errors
/// The last attempt's.
pub async fn until_it_begins<T, F: Future<Output = Result<T>>>(
    plugin: &'static str,
    deadline: Instant,
    attempt: impl Fn() -> F,
) -> Result<T> {
    let mut count = 1;
    loop {
        let error = match attempt().await {
            Ok(begun) => return Ok(begun),
            Err(error) => error,
        };
        let Some(pause) = pause(count, &error, jitter()) else {
            return Err(error);
        };
        let pause = sleep(pause);
        if pause.deadline() >= deadline {
            return Err(error);
        }
        tracing::debug!(plugin, attempt = count, kind = ?error.kind, "asking again");
        pause.await;
        count += 1;
    }
}

/// How long to wait after attempt number `attempt` (from 1) failed with `error`; `None` gives up. `jitter` is between
/// 0 and 1 and spreads clients that failed together.
fn pause(attempt: u32, error: &PluginError, jitter: f64) -> Option<Duration> {
    if attempt >= ATTEMPTS {
        return None;
    }
    let backoff = FIRST_PAUSE * 2u32.pow(attempt - 1);
    let backoff = backoff.mul_f64(0.5 + jitter.clamp(0.0, 1.0) / 2.0);
    match error.kind {
        PluginErrorKind::RateLimited(Some(asked)) if asked > LONGEST_PAUSE => None,
        PluginErrorKind::RateLimited(Some(asked)) => Some(asked.max(backoff)),
        PluginErrorKind::RateLimited(None) | PluginErrorKind::Unavailable => Some(backoff),
        _ => None,
    }
}

/// A number between 0 and 1 from the standard library's randomly keyed hasher: good enough to spread retries, and for
/// nothing else.
fn jitter() -> f64 {
    let random = RandomState::new().build_hasher().finish();
    (random >> 11) as f64 / (1u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(attempt: u32, kind: PluginErrorKind, jitter: f64) -> Option<u128> {
        pause(attempt, &PluginError::new(kind, ""), jitter).map(|pause| pause.as_millis())
    }

    #[test]
    fn pauses_double_and_spread_and_end_after_three_attempts() {
        let unavailable = PluginErrorKind::Unavailable;
        assert_eq!([1, 2, 3].map(|n| after(n, unavailable, 1.0)), [Some(400), Some(800), None]);
        assert_eq!([1, 2, 3].map(|n| after(n, unavailable, 0.0)), [Some(200), Some(400), None]);
    }

    #[test]
    fn a_wait_the_server_asks_for_is_kept_or_handed_on() {
        let asked = |seconds| PluginErrorKind::RateLimited(Some(Duration::from_secs(seconds)));
        assert_eq!(after(1, asked(3), 0.0), Some(3000));
        assert_eq!(after(1, asked(0), 1.0), Some(400));
        assert_eq!(after(1, asked(21), 0.0), None);
    }

    #[test]
    fn what_cannot_help_is_not_repeated() {
        use PluginErrorKind::{HostNotAllowed, InvalidResponse, Misconfigured, Refused};
        assert_eq!(
            [HostNotAllowed, InvalidResponse, Misconfigured, Refused].map(|kind| after(1, kind, 0.5)),
            [None; 4]
        );
    }

    #[test]
    fn jitter_varies_between_0_and_1() {
        let drawn: Vec<f64> = (0..32).map(|_| jitter()).collect();
        assert!(drawn.iter().all(|j| (0.0..1.0).contains(j)));
        assert!(drawn.iter().any(|j| *j != drawn[0]));
    }
}
