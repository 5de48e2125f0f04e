//! Events that are rows: those behind a number, then those that come, on whichever gateway they are made.

use std::{future::Future, pin::pin, time::Duration};

use futures::{Stream, StreamExt, stream};

use super::{Notice, Store};
use crate::error::Result;

/// Events that are read in one step. A page that is not full is the last one for now.
pub const PAGE: u64 = 200;

/// A look at the rows where no notice came: word is not lost, so this mends what nobody thought of.
pub const LOOK_EVERY: Duration = Duration::from_secs(30);

/// An event that is a row.
pub trait Numbered {
    /// Its number, which counts up.
    fn seq(&self) -> i64;
}

/// Events behind `after`, without end: `read` answers at most a [`PAGE`] of those behind a number, and is asked again whenever
/// there is this notice. Ends with the first error of `read`.
pub fn replay<E, R>(
    store: Store,
    after: i64,
    told_by: Notice,
    read: impl Fn(i64) -> R + Send,
) -> impl Stream<Item = Result<E>> + Send
where
    E: Numbered + Send,
    R: Future<Output = Result<Vec<E>>> + Send,
{
    replay_or_hear(store, after, [told_by], stream::pending(), read)
}

/// As [`replay`], and takes an event that follows the last one as it is `heard`, without reading it. Where some were not
/// heard (`None`, or a gap), they are read.
pub fn replay_or_hear<E, R>(
    store: Store,
    after: i64,
    told_by: impl IntoIterator<Item = Notice> + Send,
    heard: impl Stream<Item = Option<E>> + Send,
    read: impl Fn(i64) -> R + Send,
) -> impl Stream<Item = Result<E>> + Send
where
    E: Numbered + Send,
    R: Future<Output = Result<Vec<E>>> + Send,
{
    async_stream::stream! {
        // Listening begins before reading, so that no event falls between.
        let mut notices = store.notices().listen(told_by);
        let mut heard = pin!(heard);
        let mut seen = after.max(0);
        loop {
            match read(seen).await {
                Ok(page) => {
                    let is_full = page.len() as u64 == PAGE;
                    for event in page {
                        seen = event.seq();
                        yield Ok(event);
                    }
                    if is_full {
                        continue;
                    }
                }
                Err(error) => {
                    yield Err(error);
                    return;
                }
            }
            loop {
                let event = tokio::select! {
                    biased;
                    event = heard.next() => event.flatten(),
                    _ = notices.wait(LOOK_EVERY) => None,
                };
                match event {
                    Some(event) if event.seq() <= seen => {}
                    Some(event) if event.seq() == seen + 1 => {
                        seen = event.seq();
                        yield Ok(event);
                    }
                    _ => break,
                }
            }
        }
    }
}
