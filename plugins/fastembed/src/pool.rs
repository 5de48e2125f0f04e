//! Who serves: threads that hold an instance of the model each.
//!
//! One is permanent: it loads its instance with the first task and keeps it. When passages queue up, many at once or a few
//! again and again, others are started; they serve the same queue and leave, instance and all, once they were idle for a
//! while. A thread takes one text at a time, so a question waits for the text being run and for nothing else.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use consigne_sdk::{PluginError, PluginErrorKind, Result};

use crate::queue::{Lane, Queue, Task};

/// A further instance is worth its loading time, a second of a core, for this many waiting passages.
const PASSAGES_PER_INSTANCE: usize = 8;

/// A loaded model. Lives and dies on one thread.
pub(crate) trait Instance {
    /// The vector of a text.
    fn embed(&mut self, text: &str) -> Result<Vec<f32>>;

    /// The tokens of a text, without special tokens.
    fn count_tokens(&mut self, text: &str) -> Result<usize>;
}

/// Makes an instance. Called on the thread that will use it.
pub(crate) type Load = Box<dyn Fn() -> Result<Box<dyn Instance>> + Send + Sync>;

/// How many threads, and for how long.
pub(crate) struct Limits {
    /// Instances at the most, the permanent one included.
    pub(crate) instances: usize,
    /// How long a further instance outlives its last task.
    pub(crate) idle: Duration,
}

/// The threads. Dropping it lets each of them finish its text and end; what waits then is answered with an error.
pub(crate) struct Pool {
    shared: Arc<Shared>,
}

struct Shared {
    load: Load,
    limits: Limits,
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Default)]
struct State {
    queue: Queue,
    further: usize,
    /// Tasks taken with passages left behind since an instance last found nothing to do. Several small documents are never
    /// a long queue, yet keep one instance busy and the other cores idle.
    left_behind: usize,
    closed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tenure {
    Permanent,
    Further,
}

impl Pool {
    /// Starts the permanent thread. Nothing is loaded yet.
    ///
    /// # Errors
    /// `Unavailable` where the system gives no thread.
    pub(crate) fn start(load: Load, limits: Limits) -> Result<Self> {
        let shared = Arc::new(Shared { load, limits, state: Mutex::default(), wake: Condvar::new() });
        shared.start_thread(Tenure::Permanent)?;
        Ok(Self { shared })
    }

    /// Queues tasks. Each is answered through its own reply.
    pub(crate) fn submit(&self, lane: Lane, tasks: Vec<Task>) {
        let mut state = self.shared.lock();
        state.queue.push(lane, tasks);
        let mut worthwhile = state.queue.passages() / PASSAGES_PER_INSTANCE;
        if state.left_behind >= PASSAGES_PER_INSTANCE {
            state.left_behind = 0;
            worthwhile = worthwhile.max(state.further + 1);
        }
        while state.further < worthwhile.min(self.shared.limits.instances.saturating_sub(1)) {
            if self.shared.start_thread(Tenure::Further).is_err() {
                break; // the permanent one serves them all, only later
            }
            state.further += 1;
        }
        drop(state);
        self.shared.wake.notify_all();
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let unanswered = state.queue.drain();
        drop(state);
        drop(unanswered);
        self.shared.wake.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start_thread(self: &Arc<Self>, tenure: Tenure) -> Result<()> {
        let shared = Arc::clone(self);
        let thread = thread::Builder::new().name("embedding".into()).spawn(move || match tenure {
            Tenure::Permanent => shared.serve_for_good(),
            Tenure::Further => shared.serve_while_busy(),
        });
        let failed = |_| PluginError::new(PluginErrorKind::Unavailable, "the system gives no thread to embed on");
        thread.map(drop).map_err(failed)
    }

    /// Loads with the first task and again after a panic. Where loading fails, everyone who waits is told why, and the
    /// next task tries again.
    fn serve_for_good(&self) {
        while self.wait_for_work() {
            match self.load() {
                Ok(mut instance) => self.serve(instance.as_mut(), Tenure::Permanent),
                Err(error) => {
                    tracing::error!(kind = ?error.kind, error = %error, "the embedding model cannot be loaded");
                    let waiting = self.lock().queue.drain();
                    waiting.into_iter().for_each(|task| task.fail(&error));
                }
            }
        }
    }

    /// Loads before it takes a task: a question must not wait for that.
    fn serve_while_busy(&self) {
        let mut loaded = self.load();
        match &mut loaded {
            Ok(instance) => self.serve(instance.as_mut(), Tenure::Further),
            Err(error) => tracing::warn!(kind = ?error.kind, error = %error, "no further instance could be loaded"),
        }
        self.lock().further -= 1;
    }

    fn load(&self) -> Result<Box<dyn Instance>> {
        let loaded = catch_unwind(AssertUnwindSafe(|| (self.load)()));
        loaded.unwrap_or_else(|_| {
            Err(PluginError::new(PluginErrorKind::Internal, "loading the embedding model panicked"))
        })
    }

    /// Serves until there is nothing more to do or a task panics. After a panic the instance must go: what state it was
    /// left in, nobody knows. The panicking task's caller sees its reply dropped.
    fn serve(&self, instance: &mut dyn Instance, tenure: Tenure) {
        while let Some(task) = self.next(tenure) {
            if catch_unwind(AssertUnwindSafe(|| task.run(instance))).is_err() {
                tracing::error!("an embedding instance panicked and is replaced");
                return;
            }
        }
    }

    /// Waits until there is a task, without taking it. False where the pool is closed.
    fn wait_for_work(&self) -> bool {
        let state = self.wake.wait_while(self.lock(), |state| !state.closed && state.queue.is_empty());
        !state.unwrap_or_else(PoisonError::into_inner).closed
    }

    /// The next task, or `None` where the thread should end.
    fn next(&self, tenure: Tenure) -> Option<Task> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(task) = state.queue.pop() {
                if state.queue.passages() > 0 {
                    state.left_behind += 1;
                }
                return Some(task);
            }
            state.left_behind = 0;
            state = match tenure {
                Tenure::Permanent => self.wake.wait(state).unwrap_or_else(PoisonError::into_inner),
                Tenure::Further => {
                    let idle = |state: &mut State| !state.closed && state.queue.is_empty();
                    let waited = self.wake.wait_timeout_while(state, self.limits.idle, idle);
                    let (state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                    if timeout.timed_out() {
                        return None;
                    }
                    state
                }
            };
        }
    }
}

impl Task {
    fn run(self, instance: &mut dyn Instance) {
        // A caller who left in the meantime is no failure, so what `send` says does not matter.
        match self {
            Self::Warm(reply) => drop(reply.send(Ok(()))),
            Self::Embed(text, reply) => drop(reply.send(instance.embed(&text))),
            Self::Count(text, reply) => drop(reply.send(instance.count_tokens(&text))),
        }
    }

    fn fail(self, error: &PluginError) {
        let error = PluginError::new(error.kind, error.message.clone());
        match self {
            Self::Warm(reply) => drop(reply.send(Err(error))),
            Self::Embed(_, reply) => drop(reply.send(Err(error))),
            Self::Count(_, reply) => drop(reply.send(Err(error))),
        }
    }
}

#[cfg(test)]
mod tests;
