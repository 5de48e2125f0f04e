//! The pool with stand-ins for the model that do as their text says.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
    mpsc,
};

use tokio::sync::oneshot;

use super::*;

/// Counts its lives; panics on "panic"; on "gate" says that it is there and waits to be let on.
struct StandIn {
    alive: Arc<AtomicUsize>,
    arrived: mpsc::Sender<()>,
    gate: Arc<Mutex<mpsc::Receiver<()>>>,
    served: Arc<Mutex<Vec<String>>>,
}

impl Instance for StandIn {
    fn embed(&mut self, text: &str) -> Result<Vec<f32>> {
        assert_ne!(text, "panic", "as the text says");
        self.served.lock().unwrap().push(text.into());
        if text == "gate" {
            self.arrived.send(()).unwrap();
            self.gate.lock().unwrap().recv().unwrap();
        }
        Ok(vec![1.0])
    }

    fn count_tokens(&mut self, text: &str) -> Result<usize> {
        self.served.lock().unwrap().push(text.into());
        Ok(text.len())
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        self.alive.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Scene {
    pool: Pool,
    alive: Arc<AtomicUsize>,
    loaded: Arc<AtomicUsize>,
    served: Arc<Mutex<Vec<String>>>,
    arrived: mpsc::Receiver<()>,
    open_gate: mpsc::Sender<()>,
}

impl Scene {
    fn new(instances: usize, idle: Duration) -> Self {
        let (alive, loaded, served) = <(Arc<AtomicUsize>, Arc<AtomicUsize>, Arc<Mutex<Vec<_>>>)>::default();
        let ((arrived_here, arrived), (open_gate, gate)) = (mpsc::channel(), mpsc::channel());
        let gate = Arc::new(Mutex::new(gate));
        let load = {
            let (alive, loaded, served) = (alive.clone(), loaded.clone(), served.clone());
            move || {
                alive.fetch_add(1, Ordering::SeqCst);
                loaded.fetch_add(1, Ordering::SeqCst);
                let (alive, served) = (alive.clone(), served.clone());
                Ok(Box::new(StandIn { alive, served, arrived: arrived_here.clone(), gate: gate.clone() })
                    as Box<dyn Instance>)
            }
        };
        let pool = Pool::start(Box::new(load), Limits { instances, idle }).unwrap();
        Self { pool, alive, loaded, served, arrived, open_gate }
    }

    fn embed(&self, lane: Lane, text: &str) -> oneshot::Receiver<Result<Vec<f32>>> {
        self.embed_all(lane, &[text]).remove(0)
    }

    fn embed_all(&self, lane: Lane, texts: &[&str]) -> Vec<oneshot::Receiver<Result<Vec<f32>>>> {
        let queued = texts.iter().map(|text| {
            let (reply, answer) = oneshot::channel();
            (Task::Embed(text.to_string(), reply), answer)
        });
        let (tasks, answers) = queued.unzip();
        self.pool.submit(lane, tasks);
        answers
    }
}

#[test]
fn nothing_is_loaded_before_the_first_task() {
    let scene = Scene::new(1, Duration::ZERO);
    assert_eq!(scene.loaded.load(Ordering::SeqCst), 0);
    scene.embed(Lane::Question, "hello").blocking_recv().unwrap().unwrap();
    assert_eq!(scene.loaded.load(Ordering::SeqCst), 1);
}

#[test]
fn questions_overtake_waiting_passages_and_counts_go_between() {
    let scene = Scene::new(1, Duration::ZERO);
    let held = scene.embed(Lane::Passage, "gate");
    scene.arrived.recv().unwrap();
    let passages = scene.embed_all(Lane::Passage, &["p1", "p2"]);
    let (reply, count) = oneshot::channel();
    scene.pool.submit(Lane::Count, vec![Task::Count("count".into(), reply)]);
    let question = scene.embed(Lane::Question, "question");
    scene.open_gate.send(()).unwrap();
    for answer in passages.into_iter().chain([held, question]) {
        answer.blocking_recv().unwrap().unwrap();
    }
    assert_eq!(count.blocking_recv().unwrap().unwrap(), 5);
    assert_eq!(*scene.served.lock().unwrap(), ["gate", "question", "count", "p1", "p2"]);
}

#[test]
fn work_that_nobody_waits_for_is_skipped() {
    let scene = Scene::new(1, Duration::ZERO);
    let held = scene.embed(Lane::Passage, "gate");
    scene.arrived.recv().unwrap();
    drop(scene.embed_all(Lane::Passage, &["left", "left too"]));
    let last = scene.embed(Lane::Passage, "stayed");
    scene.open_gate.send(()).unwrap();
    held.blocking_recv().unwrap().unwrap();
    last.blocking_recv().unwrap().unwrap();
    assert_eq!(*scene.served.lock().unwrap(), ["gate", "stayed"]);
}

#[test]
fn a_panic_is_answered_and_its_instance_replaced() {
    let scene = Scene::new(1, Duration::ZERO);
    assert!(scene.embed(Lane::Question, "panic").blocking_recv().is_err(), "the reply was dropped");
    scene.embed(Lane::Question, "hello").blocking_recv().unwrap().unwrap();
    assert_eq!((scene.loaded.load(Ordering::SeqCst), scene.alive.load(Ordering::SeqCst)), (2, 1));
}

#[test]
fn waiting_passages_bring_further_instances_that_leave_when_idle() {
    let scene = Scene::new(3, Duration::ZERO);
    let gates = scene.embed_all(Lane::Passage, &["gate"; 40]);
    for _ in 0..3 {
        scene.arrived.recv().unwrap();
    }
    assert_eq!(scene.alive.load(Ordering::SeqCst), 3, "three serve at once, and no more than three");
    for _ in 0..40 {
        scene.open_gate.send(()).unwrap();
    }
    for answer in gates {
        answer.blocking_recv().unwrap().unwrap();
    }
    while scene.alive.load(Ordering::SeqCst) > 1 {
        thread::yield_now();
    }
    scene.embed(Lane::Question, "hello").blocking_recv().unwrap().unwrap();
    assert_eq!(scene.loaded.load(Ordering::SeqCst), 3, "the permanent one stayed");
}

#[test]
fn a_few_passages_bring_no_further_instance() {
    let scene = Scene::new(3, Duration::ZERO);
    for answer in scene.embed_all(Lane::Passage, &["passage"; PASSAGES_PER_INSTANCE - 1]) {
        answer.blocking_recv().unwrap().unwrap();
    }
    assert_eq!(scene.loaded.load(Ordering::SeqCst), 1);
}

#[test]
fn passages_that_wait_again_and_again_bring_a_further_instance() {
    let scene = Scene::new(2, Duration::from_secs(600));
    let mut answers = vec![scene.embed(Lane::Passage, "gate")];
    scene.arrived.recv().unwrap();
    // Never more than three in the queue, as from that many documents of one passage each.
    answers.extend(scene.embed_all(Lane::Passage, &["gate"; 2]));
    for _ in 0..2 * PASSAGES_PER_INSTANCE {
        answers.push(scene.embed(Lane::Passage, "gate"));
        scene.open_gate.send(()).unwrap();
        scene.arrived.recv().unwrap();
    }
    while scene.loaded.load(Ordering::SeqCst) < 2 {
        thread::yield_now();
    }
    for _ in &answers {
        scene.open_gate.send(()).unwrap();
    }
    for answer in answers {
        answer.blocking_recv().unwrap().unwrap();
    }
}

#[test]
fn everyone_who_waits_hears_why_loading_failed_and_the_next_one_tries_again() {
    let attempts = AtomicUsize::new(0);
    let load: Load = Box::new(move || match attempts.fetch_add(1, Ordering::SeqCst) {
        0 => Err(PluginError::new(PluginErrorKind::Unavailable, "not there")),
        _ => panic!("as the test says"),
    });
    let pool = Pool::start(load, Limits { instances: 1, idle: Duration::ZERO }).unwrap();
    for expected in [PluginErrorKind::Unavailable, PluginErrorKind::Internal] {
        let ((first, answer), (second, other)) = (oneshot::channel(), oneshot::channel());
        pool.submit(Lane::Question, vec![Task::Warm(first), Task::Count("text".into(), second)]);
        assert_eq!(answer.blocking_recv().unwrap().unwrap_err().kind, expected);
        assert_eq!(other.blocking_recv().unwrap().unwrap_err().kind, expected);
    }
}

#[test]
fn a_closed_pool_answers_what_waits_and_lets_its_instances_go() {
    let scene = Scene::new(1, Duration::ZERO);
    let held = scene.embed(Lane::Passage, "gate");
    scene.arrived.recv().unwrap();
    let waiting = scene.embed(Lane::Passage, "waits");
    drop(scene.pool);
    assert!(waiting.blocking_recv().is_err());
    scene.open_gate.send(()).unwrap();
    held.blocking_recv().unwrap().unwrap();
    while scene.alive.load(Ordering::SeqCst) > 0 {
        thread::yield_now();
    }
}
