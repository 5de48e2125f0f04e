//! How often an account may be tried: ten times, then once every ninety seconds. Counted in memory, by the keyed index
//! of the address, whether there is such an account or not.
//!
//! The generic cell rate algorithm: one moment a key says when all its tries will be back.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    clock::Timestamp,
    error::{Error, ErrorKind, Result},
};

/// In this time all tries come back.
const WINDOW: Duration = Duration::from_secs(15 * 60);

/// In this time one does.
const ONE_TRY: Duration = Duration::from_secs(90);

/// So many keys are remembered; past it no new one is let in until some are forgotten.
const REMEMBERED: usize = 100_000;

/// Counts tries.
#[derive(Default)]
pub(super) struct Throttle(Mutex<HashMap<Vec<u8>, Timestamp>>);

impl Throttle {
    /// Takes one try.
    ///
    /// # Errors
    /// `RateLimited` where none is left.
    pub(super) fn take(&self, key: &[u8], now: Timestamp) -> Result<()> {
        let mut all_back_at = self.lock();
        if all_back_at.len() >= REMEMBERED {
            all_back_at.retain(|_, at| *at > now);
        }
        let spent = all_back_at.get(key).copied().unwrap_or(now).max(now).plus(ONE_TRY);
        let is_full = all_back_at.len() >= REMEMBERED && !all_back_at.contains_key(key);
        if spent > now.plus(WINDOW) || is_full {
            return Err(Error::new(ErrorKind::RateLimited, "Too many tries. Wait some minutes, then try again."));
        }
        all_back_at.insert(key.to_vec(), spent);
        Ok(())
    }

    /// Gives all tries back: the right person came.
    pub(super) fn forgive(&self, key: &[u8]) {
        self.lock().remove(key);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Timestamp>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_tries_then_one_every_ninety_seconds_for_each_key() {
        let (throttle, start) = (Throttle::default(), Timestamp(1_790_000_000_000));
        for _ in 0..10 {
            throttle.take(b"a", start).unwrap();
        }
        assert_eq!(throttle.take(b"a", start).unwrap_err().kind(), ErrorKind::RateLimited);
        throttle.take(b"b", start).unwrap();
        let later = start.plus(ONE_TRY);
        throttle.take(b"a", later).unwrap();
        assert!(throttle.take(b"a", later).is_err());
        throttle.forgive(b"a");
        throttle.take(b"a", later).unwrap();
    }
}
