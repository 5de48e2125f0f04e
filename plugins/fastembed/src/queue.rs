//! Who is served next.

use std::collections::VecDeque;

use consigne_sdk::Result;
use tokio::sync::oneshot;

/// Answers one caller. Closed where the caller is gone.
pub(crate) type Reply<T> = oneshot::Sender<Result<T>>;

/// One piece of work, small enough that whoever is more urgent can go before the next.
pub(crate) enum Task {
    /// Load what is not loaded yet.
    Warm(Reply<()>),
    /// Turn one text, prefix included, into its vector.
    Embed(String, Reply<Vec<f32>>),
    /// Count one text's tokens.
    Count(String, Reply<usize>),
}

/// Lanes, the most urgent first. Within a lane, first come is first served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// A visitor waits.
    Question,
    /// An ingest is about to cut its passages; takes microseconds.
    Count,
    /// An ingest waits.
    Passage,
}

/// The tasks that wait.
#[derive(Default)]
pub(crate) struct Queue {
    lanes: [VecDeque<Task>; 3],
}

impl Task {
    /// Whether nobody waits for the answer any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        match self {
            Self::Warm(reply) => reply.is_closed(),
            Self::Embed(_, reply) => reply.is_closed(),
            Self::Count(_, reply) => reply.is_closed(),
        }
    }
}

impl Queue {
    /// Puts tasks at the end of a lane.
    pub(crate) fn push(&mut self, lane: Lane, tasks: Vec<Task>) {
        self.lanes[lane as usize].extend(tasks);
    }

    /// Takes the next task that somebody still waits for.
    pub(crate) fn pop(&mut self) -> Option<Task> {
        self.lanes.iter_mut().flat_map(|lane| std::iter::from_fn(|| lane.pop_front())).find(|task| !task.is_abandoned())
    }

    /// Takes everything.
    pub(crate) fn drain(&mut self) -> Vec<Task> {
        self.lanes.iter_mut().flat_map(std::mem::take).collect()
    }

    /// Whether nothing waits, not even abandoned work.
    pub(crate) fn is_empty(&self) -> bool {
        self.lanes.iter().all(VecDeque::is_empty)
    }

    /// How many passages wait.
    pub(crate) fn passages(&self) -> usize {
        self.lanes[Lane::Passage as usize].len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn embed(text: &str) -> (Task, oneshot::Receiver<Result<Vec<f32>>>) {
        let (reply, answer) = oneshot::channel();
        (Task::Embed(text.into(), reply), answer)
    }

    fn text(task: Option<Task>) -> Option<String> {
        match task? {
            Task::Embed(text, _) => Some(text),
            _ => None,
        }
    }

    #[test]
    fn questions_come_first_and_each_lane_keeps_its_order() {
        let mut queue = Queue::default();
        let mut answers = Vec::new();
        for (lane, name) in
            [(Lane::Passage, "p1"), (Lane::Passage, "p2"), (Lane::Question, "q1"), (Lane::Question, "q2")]
        {
            let (task, answer) = embed(name);
            queue.push(lane, vec![task]);
            answers.push(answer);
        }
        let order: Vec<_> = std::iter::from_fn(|| text(queue.pop())).collect();
        assert_eq!(order, ["q1", "q2", "p1", "p2"]);
    }

    #[test]
    fn abandoned_work_is_skipped() {
        let mut queue = Queue::default();
        let (gone, answer) = embed("gone");
        let (stays, _answer) = embed("stays");
        queue.push(Lane::Question, vec![gone]);
        queue.push(Lane::Passage, vec![stays]);
        drop(answer);
        assert_eq!(text(queue.pop()).as_deref(), Some("stays"));
        assert!(queue.is_empty());
    }
}
