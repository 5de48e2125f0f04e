//! The child is this test binary itself, asked to run [`child_process`] alone.

use std::time::Duration;

use super::*;
use crate::knowledge::parse::tests::hostile;

const SOMEONE: WorkspaceId = WorkspaceId(uuid::Uuid::from_u128(1));
const SOMEONE_ELSE: WorkspaceId = WorkspaceId(uuid::Uuid::from_u128(2));

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
    sandbox.parse(SOMEONE, "", name, &bytes).await.unwrap_err()
}

#[tokio::test]
async fn a_document_comes_back_parsed() {
    let document = sandbox(|_| ()).parse(SOMEONE, "text/markdown", "a.md", b"# Title\n\nText.").await.unwrap();
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
    let endless = hostile::drawing_without_end(12);
    let late = tokio::time::timeout(Duration::from_secs(5), failure(&sandbox, "a.pdf", endless)).await;
    assert_eq!(late.unwrap().code, FailureCode::TimedOut);
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
    let good = async { sandbox.parse(SOMEONE, "", "a.md", b"Good.").await };
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

#[cfg(unix)]
fn script(folder: &std::path::Path, command: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let program = folder.join("program");
    std::fs::write(&program, format!("#!/bin/sh\n{command}\n")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
    program
}

#[cfg(unix)]
#[tokio::test]
async fn what_is_printed_without_the_ticket_is_no_answer() {
    let folder = tempfile::tempdir().unwrap();
    let printed = serde_json::to_string(&Err::<ParsedDocument, _>(timed_out())).unwrap();
    let printing = script(folder.path(), &format!("echo; echo '{printed}'; echo '{printed}'"));
    let other = Sandbox::new(SandboxOptions::new(printing));
    assert_eq!(failure(&other, "a.txt", b"text".to_vec()).await.code, FailureCode::Crashed);
}

async fn process_that_read(sandbox: &Sandbox, workspace: WorkspaceId, text: &str) -> u32 {
    let document = sandbox.parse(workspace, "", "a.md", text.as_bytes()).await.unwrap();
    assert_eq!(document.blocks.len(), 1, "{text}");
    assert_eq!(document.blocks[0].text, text);
    *sandbox.residents.processes().last().expect("it stays")
}

#[tokio::test]
async fn a_child_stays_for_the_next_documents_of_its_workspace_alone() {
    let sandbox = sandbox(|options| options.concurrency = 2);
    let first = process_that_read(&sandbox, SOMEONE, "One.").await;
    assert_eq!(process_that_read(&sandbox, SOMEONE, "Two.").await, first);
    let other = process_that_read(&sandbox, SOMEONE_ELSE, "Three.").await;
    assert_ne!(other, first);
    assert_eq!(process_that_read(&sandbox, SOMEONE, "Four.").await, first);
    assert_eq!(sandbox.residents.processes(), [other, first]);
}

#[tokio::test]
async fn no_more_children_stay_than_may_work() {
    let sandbox = sandbox(|_| ());
    process_that_read(&sandbox, SOMEONE, "One.").await;
    let other = process_that_read(&sandbox, SOMEONE_ELSE, "Two.").await;
    assert_eq!(sandbox.residents.processes(), [other]);
}

#[tokio::test]
async fn a_child_leaves_after_its_documents_and_when_nobody_asks() {
    let sandbox = sandbox(|_| ());
    let first = process_that_read(&sandbox, SOMEONE, "One.").await;
    for _ in 2..residents::DOCUMENTS {
        assert_eq!(process_that_read(&sandbox, SOMEONE, "Another.").await, first);
    }
    sandbox.parse(SOMEONE, "", "a.md", b"The last.").await.unwrap();
    assert!(sandbox.residents.processes().is_empty());

    let sandbox = self::sandbox(|options| options.idle = Duration::from_millis(50));
    process_that_read(&sandbox, SOMEONE, "One.").await;
    while !sandbox.residents.processes().is_empty() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_document_that_fails_ends_its_child_and_says_what_a_fresh_one_says() {
    let sandbox = sandbox(|options| options.memory_bytes = 160 << 20);
    let first = process_that_read(&sandbox, SOMEONE, "One.").await;
    assert_eq!(failure(&sandbox, "a.bin", vec![0, 1, 2, 3]).await.code, FailureCode::UnsupportedFormat);
    assert!(sandbox.residents.processes().is_empty());
    let second = process_that_read(&sandbox, SOMEONE, "Two.").await;
    assert_ne!(second, first);
    let text = "a paragraph of text\n\n".repeat(2_000_000);
    assert_eq!(failure(&sandbox, "a.txt", text.into_bytes()).await.code, FailureCode::OutOfMemory);
    assert_ne!(process_that_read(&sandbox, SOMEONE, "Three.").await, second);
}

#[tokio::test]
async fn a_child_that_died_while_it_waited_costs_no_document() {
    let sandbox = sandbox(|_| ());
    let first = process_that_read(&sandbox, SOMEONE, "One.").await;
    sandbox.residents.kill();
    assert_ne!(process_that_read(&sandbox, SOMEONE, "Two.").await, first);
}

fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    crate::knowledge::parse::tests::archive_writer::of(files)
}

#[tokio::test]
async fn an_archive_comes_back_file_by_file() {
    let sandbox = sandbox(|_| ());
    let files =
        [("a.md", "One"), ("folder/../b.txt", "Two\n"), ("__MACOSX/a.md", "x"), (".DS_Store", "x"), ("empty", "")];
    let mut pieces = sandbox.unpack(&archive(&files)).await.unwrap();
    let mut found = vec![];
    while let Some(piece) = pieces.next().await.unwrap() {
        found.push((piece.name, String::from_utf8(piece.bytes).unwrap()));
    }
    let expected = [("a.md", "One"), ("folder/b.txt", "Two\n"), ("empty", "")];
    assert_eq!(found, expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
}

#[tokio::test]
async fn an_archive_that_unpacks_to_too_much_ends_with_a_reason() {
    let sandbox = sandbox(|options| options.limits.unpacked_bytes = 1 << 20);
    let large = "x".repeat(700 << 10);
    let mut pieces = sandbox.unpack(&archive(&[("a.txt", &large), ("b.txt", &large)])).await.unwrap();
    assert_eq!(pieces.next().await.unwrap().unwrap().name, "a.txt");
    assert_eq!(pieces.next().await.unwrap_err().code, FailureCode::TooLarge);
}

#[tokio::test]
async fn what_is_no_archive_is_damaged() {
    let sandbox = sandbox(|_| ());
    let mut pieces = sandbox.unpack(b"no archive").await.unwrap();
    assert_eq!(pieces.next().await.unwrap_err().code, FailureCode::Damaged);
}

/// A page that shows nothing but a picture of text: black dots on white, one byte each.
fn scan(width: usize, height: usize, dots: &[u8]) -> Vec<u8> {
    use crate::knowledge::parse::tests::pdf_writer::{file, packed, stream};
    // 300 dots to an inch.
    let points = |dots: usize| dots as f64 * 0.24;
    let picture = format!(
        "/Type /XObject /Subtype /Image /Width {width} /Height {height} /ColorSpace /DeviceGray /BitsPerComponent 8 /Filter \
         /FlateDecode"
    );
    file(&[
        b"<< /Type /Catalog /Pages 2 0 R >>".to_vec(),
        format!("<< /Type /Pages /Count 1 /Kids [3 0 R] /MediaBox [0 0 {} {}] >>", points(width), points(height))
            .into(),
        b"<< /Type /Page /Parent 2 0 R /Contents 4 0 R /Resources << /XObject << /X 5 0 R >> >> >>".to_vec(),
        stream("", format!("{} 0 0 {} 0 0 cm /X Do", points(width), points(height)).as_bytes()),
        stream(&picture, &packed(dots)),
    ])
}

#[tokio::test]
async fn a_scanned_page_is_recognised_where_tesseract_is_installed() {
    let tesseract = ["/usr/bin/tesseract", "/usr/local/bin/tesseract", "/opt/homebrew/bin/tesseract"];
    let Some(tesseract) = tesseract.iter().map(PathBuf::from).find(|program| program.exists()) else {
        println!("skipped: tesseract is not installed");
        return;
    };
    let recognizer = Recognizer { tesseract, languages: "eng+xyz".to_owned() };
    let sandbox = sandbox(|options| options.recognizer = Some(recognizer));
    let (width, height, dots) = letters("NINE NINE NINE", 8);
    let document = sandbox.read(SOMEONE, "", "a.pdf", &scan(width, height, &dots)).await.unwrap();
    let text: Vec<&str> = document.blocks.iter().map(|block| block.text.as_str()).collect();
    assert!(text.join(" ").contains("NINE"), "{text:?}");
    assert_eq!(document.blocks.last().unwrap().page, Some(1));
}

#[cfg(unix)]
#[tokio::test]
async fn recognition_that_takes_too_long_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let slow = script(folder.path(), "exec /bin/sleep 60");
    let sandbox = sandbox(|options| {
        options.recognizer = Some(Recognizer { tesseract: slow, languages: "eng".to_owned() });
        options.recognition = Duration::from_secs(2);
    });
    let failure = sandbox.read(SOMEONE, "", "a.pdf", &scan(8, 8, &[0; 64])).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::TimedOut);
    assert!(failure.message.contains("half an hour"), "{}", failure.message);
}

#[tokio::test]
async fn without_recognition_a_scanned_page_says_what_is_missing() {
    let failure = sandbox(|_| ()).read(SOMEONE, "", "a.pdf", &scan(8, 8, &[0; 64])).await.unwrap_err();
    assert_eq!(failure.code, FailureCode::NoText);
    assert!(failure.message.contains("tesseract"), "{}", failure.message);
}

/// Capital letters of five by seven dots, each dot `size` wide, with white around them.
fn letters(text: &str, size: usize) -> (usize, usize, Vec<u8>) {
    let shape = |letter: char| -> [&str; 7] {
        match letter {
            'E' => ["#####", "#....", "#....", "####.", "#....", "#....", "#####"],
            'I' => [".###.", "..#..", "..#..", "..#..", "..#..", "..#..", ".###."],
            'N' => ["#...#", "##..#", "##..#", "#.#.#", "#..##", "#..##", "#...#"],
            _ => ["....."; 7],
        }
    };
    let columns = text.chars().count() * 6 + 8;
    let rows = 7 + 16;
    let (width, height) = (columns * size, rows * size);
    let mut dots = vec![255; width * height];
    for (at, letter) in text.chars().enumerate() {
        for (row, line) in shape(letter).iter().enumerate() {
            for (column, _) in line.bytes().enumerate().filter(|(_, dot)| *dot == b'#') {
                let (x, y) = ((at * 6 + column + 4) * size, (row + 8) * size);
                (0..size).for_each(|down| dots[(y + down) * width + x..][..size].fill(0));
            }
        }
    }
    (width, height, dots)
}
