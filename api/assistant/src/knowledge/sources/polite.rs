//! One request to a host at a time, and a pause behind each, whoever crawls it in this process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex as Lock, PoisonError, Weak},
    time::Duration,
};

use tokio::sync::{Mutex, OwnedMutexGuard};

/// Turns at hosts. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Turns(Arc<Lock<HashMap<String, Weak<Mutex<()>>>>>);

impl Turns {
    /// Waits until nobody else asks this host. Keep the answer until the pause behind the request is over.
    pub(super) async fn at(&self, host: &str) -> OwnedMutexGuard<()> {
        self.of(host).lock_owned().await
    }

    fn of(&self, host: &str) -> Arc<Mutex<()>> {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = hosts.get(host).and_then(Weak::upgrade) {
            return turn;
        }
        hosts.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Mutex::new(()));
        hosts.insert(host.to_owned(), Arc::downgrade(&turn));
        turn
    }
}

/// The pause that holds: the customer's, or the site's own where it asks for more.
pub(super) fn pause(delay_millis: i64, asked: Option<Duration>) -> Duration {
    Duration::from_millis(delay_millis.unsigned_abs()).max(asked.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_crawls_of_a_host_take_turns_and_two_hosts_do_not_wait() {
        let turns = Turns::default();
        let first = turns.at("a.example").await;
        let _other = turns.at("b.example").await;
        let waiting = tokio::spawn({
            let turns = turns.clone();
            async move { turns.at("a.example").await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        drop(first);
        waiting.await.expect("it gets its turn");
    }

    #[test]
    fn the_longer_pause_holds() {
        assert_eq!(pause(500, None), Duration::from_millis(500));
        assert_eq!(pause(500, Some(Duration::from_secs(2))), Duration::from_secs(2));
        assert_eq!(pause(5_000, Some(Duration::from_secs(2))), Duration::from_secs(5));
    }
}
