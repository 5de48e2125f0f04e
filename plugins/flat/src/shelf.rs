//! Which partitions are in memory, how much they take, and which one goes first.
//!
//! Knows sizes and versions, not vectors. Every call is short and holds one lock that nobody waits under.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use consigne_sdk::{Partition, PluginError, PluginErrorKind, Result};
use tokio::sync::RwLock;

use crate::rows::Rows;

/// The rows of one partition. Changes take the write side, so that no search sees half of one.
pub(crate) type SharedRows = Arc<RwLock<Rows>>;

/// One partition in memory.
struct Place {
    rows: SharedRows,
    version: Option<i64>,
    bytes: usize,
    last_used: u64,
}

/// What is known of partitions that are not in memory.
#[derive(Clone, Copy, PartialEq)]
enum Gone {
    /// Evicted, and the host does not know it yet: a change would make half a partition of it.
    Silently,
    /// Evicted, and [`Shelf::version`] said so: what comes next is a fresh fill.
    Announced,
}

#[derive(Default)]
struct State {
    places: HashMap<Partition, Place>,
    gone: HashMap<Partition, Gone>,
    bytes: usize,
    uses: u64,
}

/// The partitions in memory.
pub(crate) struct Shelf {
    budget: usize,
    state: Mutex<State>,
}

impl Shelf {
    /// Room for this many bytes.
    pub fn new(budget: usize) -> Self {
        Self { budget, state: Mutex::default() }
    }

    /// The version of a partition in memory. Tells the host of an eviction, so that it may fill anew.
    pub fn version(&self, partition: &Partition) -> Option<i64> {
        let mut state = self.lock();
        if let Some(gone) = state.gone.get_mut(partition) {
            *gone = Gone::Announced;
        }
        state.touch(partition).and_then(|place| place.version)
    }

    /// The rows of a partition, if it is in memory.
    pub fn find(&self, partition: &Partition) -> Option<SharedRows> {
        self.lock().touch(partition).map(|place| place.rows.clone())
    }

    /// The rows of a partition that is to be searched, if it is in memory.
    ///
    /// # Errors
    /// `Unavailable` where it was evicted and not filled again: "no hit" would be a wrong answer.
    pub fn find_to_search(&self, partition: &Partition) -> Result<Option<SharedRows>> {
        let mut state = self.lock();
        if state.gone.contains_key(partition) {
            return Err(evicted());
        }
        Ok(state.touch(partition).map(|place| place.rows.clone()))
    }

    /// The rows of a partition that is to be changed; empty ones where there are none yet.
    ///
    /// # Errors
    /// `Unavailable` where the partition was evicted and the host does not know it yet.
    pub fn open(&self, partition: &Partition) -> Result<SharedRows> {
        let mut state = self.lock();
        if state.gone.get(partition) == Some(&Gone::Silently) {
            return Err(evicted());
        }
        if !state.places.contains_key(partition) {
            let place = Place { rows: SharedRows::default(), version: None, bytes: 0, last_used: 0 };
            state.places.insert(*partition, place);
        }
        state.touch(partition).map(|place| place.rows.clone()).ok_or_else(evicted)
    }

    /// Makes room for a partition to grow to `bytes`, and hands back the rows that had to go for it.
    ///
    /// # Errors
    /// `Misconfigured` where it would not fit alone; `Unavailable` where it was evicted meanwhile.
    pub fn reserve(&self, partition: &Partition, rows: &SharedRows, bytes: usize) -> Result<Vec<SharedRows>> {
        if bytes > self.budget {
            return Err(too_big(bytes, self.budget));
        }
        let mut state = self.lock();
        let place = state.own(partition, rows)?;
        let before = place.bytes;
        place.bytes = before.max(bytes);
        state.bytes += bytes.saturating_sub(before);
        Ok(state.evict(self.budget, partition))
    }

    /// Records what a partition takes after a change, and its version where the change brought one.
    ///
    /// # Errors
    /// `Unavailable` where it was evicted meanwhile.
    pub fn settle(&self, partition: &Partition, rows: &SharedRows, bytes: usize, version: Option<i64>) -> Result<()> {
        let mut state = self.lock();
        let place = state.own(partition, rows)?;
        let before = std::mem::replace(&mut place.bytes, bytes);
        place.version = version.or(place.version);
        state.bytes = state.bytes - before + bytes;
        if version.is_some() {
            state.gone.remove(partition);
        }
        Ok(())
    }

    /// Takes back [`Shelf::open`] of a partition that was never filled.
    pub fn close_unused(&self, partition: &Partition) {
        let mut state = self.lock();
        if state.places.get(partition).is_some_and(|place| place.version.is_none() && place.bytes == 0) {
            state.places.remove(partition);
        }
    }

    /// Forgets a partition and hands back its rows.
    pub fn remove(&self, partition: &Partition) -> Option<SharedRows> {
        let mut state = self.lock();
        state.gone.remove(partition);
        let place = state.places.remove(partition)?;
        state.bytes -= place.bytes;
        Some(place.rows)
    }

    /// Bytes that all partitions take.
    #[cfg(test)]
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// No code under the lock can fail half-way, so a panic elsewhere leaves a sound state.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn touch(&mut self, partition: &Partition) -> Option<&mut Place> {
        self.uses += 1;
        let place = self.places.get_mut(partition)?;
        place.last_used = self.uses;
        Some(place)
    }

    /// The place that still holds exactly these rows.
    fn own(&mut self, partition: &Partition, rows: &SharedRows) -> Result<&mut Place> {
        self.places.get_mut(partition).filter(|place| Arc::ptr_eq(&place.rows, rows)).ok_or_else(evicted)
    }

    fn evict(&mut self, budget: usize, keep: &Partition) -> Vec<SharedRows> {
        let mut evicted = Vec::new();
        while self.bytes > budget {
            let filled = self.places.iter().filter(|(partition, place)| *partition != keep && place.bytes > 0);
            let Some(oldest) = filled.min_by_key(|(_, place)| place.last_used).map(|(partition, _)| *partition) else {
                break;
            };
            if let Some(place) = self.places.remove(&oldest) {
                self.bytes -= place.bytes;
                self.gone.insert(oldest, Gone::Silently);
                evicted.push(place.rows);
            }
        }
        evicted
    }
}

/// The host has to ask for the version, learn that it is `None`, and fill.
fn evicted() -> PluginError {
    PluginError::new(PluginErrorKind::Unavailable, "the partition was evicted from memory and has to be filled again")
}

fn too_big(bytes: usize, budget: usize) -> PluginError {
    let message = format!(
        "one partition needs {bytes} bytes where flat may use {budget} in all: give it more or use a vector server"
    );
    PluginError::new(PluginErrorKind::Misconfigured, message)
}
