//! The child is this test binary itself, asked to run [`child_process`] alone.

use std::io::Cursor;
use std::time::Duration;

use super::*;
use crate::knowledge::parse::tests::hostile;

/// Not a test of its own: the process that the others start. Without a parent that asks, it does nothing.
#[test]
fn child_process() {
    if std::env::args().any(|argument| argument == "--exact") && std::env::vars_os().next().is_none() {
        std::process::exit(i32::from(child::run()));
    }
}

fn sandbox(change: impl FnOnce(&mut SandboxOptions)) -> Sandbox {
    let mut options = SandboxOptions::new(std::env::current_exe().unwrap());
    options.wall = Duration::from_secs(30);
    options.memory_bytes = 512 << 20;
    options.cpu_seconds = 20;
    change(&mut options);
    let name = format!("{}::child_process", module_path!().split_once("::").unwrap().1);
    let arguments = [&name, "--exact", "--nocapture", "--format=terse", "--test-threads=1"];
    Sandbox { arguments: arguments.map(str::to_owned).to_vec(), ..Sandbox::new(options) }
}

async fn failure(sandbox: &Sandbox, name: &str, bytes: Vec<u8>) -> ParseFailure {
    sandbox.parse("", name, Cursor::new(bytes)).await.unwrap_err()
}

#[tokio::test]
async fn a_document_comes_back_parsed() {
    let document = sandbox(|_| ()).parse("text/markdown", "a.md", &b"# Title\n\nText."[..]).await.unwrap();
    assert_eq!(document.title.as_deref(), Some("Title"));
    assert_eq!(document.blocks.len(), 2);
}

#[tokio::test]
async fn a_refusal_comes_back_as_it_was_said() {
    let refused = failure(&sandbox(|_| ()), "a.bin", vec![0, 1, 2, 3]).await;
    assert_eq!(refused.code, FailureCode::UnsupportedFormat);
}

#[tokio::test]
async fn a_document_above_the_limit_is_not_even_sent_whole() {
    let refused = failure(&sandbox(|options| options.limits.input_bytes = 1000), "a.txt", vec![b'a'; 1001]).await;
    assert_eq!(refused.code, FailureCode::TooLarge);
}

#[tokio::test]
async fn a_child_that_takes_too_long_is_killed() {
    let sandbox = sandbox(|options| options.wall = Duration::from_millis(300));
    let (reader, _held) = tokio::io::duplex(64);
    let late = tokio::time::timeout(Duration::from_secs(5), sandbox.parse("", "a.txt", reader)).await;
    assert_eq!(late.unwrap().unwrap_err().code, FailureCode::TimedOut);
}

#[tokio::test]
async fn a_child_that_needs_too_much_memory_says_so() {
    let text = "a paragraph of text\n\n".repeat(2_000_000);
    let sandbox = sandbox(|options| options.memory_bytes = 160 << 20);
    assert_eq!(failure(&sandbox, "a.txt", text.into_bytes()).await.code, FailureCode::OutOfMemory);
}

#[tokio::test]
async fn a_document_that_never_ends_is_stopped_by_processor_time() {
    let sandbox = sandbox(|options| options.cpu_seconds = 1);
    assert_eq!(failure(&sandbox, "a.pdf", hostile::drawing_without_end(12)).await.code, FailureCode::TimedOut);
}

#[tokio::test]
async fn a_document_that_overflows_the_stack_fails_alone() {
    let sandbox = sandbox(|options| options.limits.depth = usize::MAX);
    let nested = "<span>".repeat(400_000) + "deep";
    assert_eq!(failure(&sandbox, "a.html", nested.into_bytes()).await.code, FailureCode::TooComplex);
}

#[tokio::test]
async fn a_hostile_document_does_not_keep_others_from_being_read() {
    let sandbox = sandbox(|options| {
        options.cpu_seconds = 1;
        options.concurrency = 2;
    });
    let good = async { sandbox.parse("", "a.md", &b"Good."[..]).await };
    let (bad, good) = tokio::join!(failure(&sandbox, "a.pdf", hostile::drawing_without_end(12)), good);
    assert_eq!(bad.code, FailureCode::TimedOut);
    assert_eq!(good.unwrap().blocks.len(), 1);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_our_trouble() {
    let missing = Sandbox::new(SandboxOptions::new("/nowhere/consigne"));
    let failure = failure(&missing, "a.txt", b"text".to_vec()).await;
    assert_eq!(failure.code, FailureCode::Unavailable);
    assert!(failure.is_retryable());
}

#[tokio::test]
async fn another_program_is_a_crash_not_an_answer() {
    let other = Sandbox::new(SandboxOptions::new("/bin/false"));
    assert_eq!(failure(&other, "a.txt", b"text".to_vec()).await.code, FailureCode::Crashed);
}
