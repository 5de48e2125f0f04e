//! Who is down: a route that failed several times in a row is left alone for a while, then tried by one call.
//!
//! In memory, for each process: what several gateways learn apart costs each of them a few calls.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use consigne_foundation::{Timestamp, id::WorkspaceId};

/// Failures in a row that open it.
const FAILURES: u32 = 5;

/// How long a route is left alone, and how long a trying call is waited for.
const PAUSE: Duration = Duration::from_secs(30);

/// The state of every route that failed last time.
#[derive(Default)]
pub(super) struct Breakers(Mutex<HashMap<(WorkspaceId, &'static str), State>>);

#[derive(Default, Clone, Copy)]
struct State {
    failures: u32,
    closed_until: Option<Timestamp>,
}

impl Breakers {
    /// Whether a call may be made. Where it is the one that tries, others wait for what becomes of it.
    pub(super) fn admits(&self, workspace: WorkspaceId, route: &'static str, now: Timestamp) -> bool {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(state) = all.get_mut(&(workspace, route)) else { return true };
        match state.closed_until {
            None => true,
            Some(until) if now < until => false,
            Some(_) => {
                state.closed_until = Some(now.plus(PAUSE));
                true
            }
        }
    }

    pub(super) fn worked(&self, workspace: WorkspaceId, route: &'static str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&(workspace, route));
    }

    pub(super) fn failed(&self, workspace: WorkspaceId, route: &'static str, now: Timestamp) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = all.entry((workspace, route)).or_default();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.closed_until = Some(now.plus(PAUSE));
        }
    }
}

#[cfg(test)]
mod tests {
    use consigne_foundation::Clock;

    use super::*;

    #[test]
    fn a_route_is_left_alone_after_five_failures_and_tried_by_one_call() {
        let (breakers, clock) = (Breakers::default(), Clock::fixed(Timestamp(1_000_000)));
        let workspace = WorkspaceId::new(&clock);
        for _ in 0..FAILURES {
            assert!(breakers.admits(workspace, "a", clock.now()));
            breakers.failed(workspace, "a", clock.now());
        }
        assert!(!breakers.admits(workspace, "a", clock.now()));
        assert!(
            breakers.admits(workspace, "b", clock.now()) && breakers.admits(WorkspaceId::new(&clock), "a", clock.now())
        );
        clock.advance(PAUSE);
        assert!(breakers.admits(workspace, "a", clock.now()), "one tries");
        assert!(!breakers.admits(workspace, "a", clock.now()), "and no other");
        breakers.failed(workspace, "a", clock.now());
        assert!(!breakers.admits(workspace, "a", clock.now()), "left alone again at its first failure");
        clock.advance(PAUSE);
        assert!(breakers.admits(workspace, "a", clock.now()));
        breakers.worked(workspace, "a");
        assert!(breakers.admits(workspace, "a", clock.now()) && breakers.admits(workspace, "a", clock.now()));
    }

    #[test]
    fn a_success_between_failures_begins_the_count_anew() {
        let breakers = Breakers::default();
        let workspace = WorkspaceId::new(&Clock::fixed(Timestamp(1)));
        for _ in 0..3 * FAILURES {
            breakers.failed(workspace, "a", Timestamp(1));
            breakers.worked(workspace, "a");
        }
        assert!(breakers.admits(workspace, "a", Timestamp(1)));
    }
}
