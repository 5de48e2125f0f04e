//! Parsing in a process of its own, so that a hostile document fails alone and with a reason.
//!
//! [`Sandbox::parse`] starts `<program> parse-document`, writes a header and the document to it, and reads one line of JSON
//! back; the child stays for the next document of the same workspace ([`residents`]). [`Sandbox::unpack`] reads the members
//! of an archive back, one by one ([`pieces`]). [`run_child`] is what that subcommand does: it takes rights and resources
//! from itself, then does what the header says. The child has no environment, no arguments that say anything, the root
//! folder for its own, and dies with the future that waits for it.
//!
//! A PDF without text is scanned: where text recognition is set up, a child draws its pages and another one for each page
//! becomes the program that recognises ([`ocr`]).
//!
//! Invariants, as absences:
//! - Nothing of a document reaches a log: what the child writes to its error stream only sorts its death and is dropped.
//! - The child writes no file, starts no process and keeps no core.

mod child;
pub mod ocr;
pub mod pieces;
mod residents;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use consigne_foundation::id::{WorkspaceId, random_uuid};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::Semaphore;
use uuid::Uuid;

use super::parse::{FailureCode, ParseFailure, ParseLimits, ParsedDocument, too_large};

pub use child::run_child;
pub use ocr::Recognizer;
pub use pieces::{Piece, Pieces};
use residents::{Resident, Residents};

/// The hidden subcommand of the program that calls [`run_child`].
pub const SUBCOMMAND: &str = "parse-document";

/// What the child may say on its error stream before it is not listened to.
const LAST_WORDS: u64 = 4 << 10;

/// How documents are parsed out of process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxOptions {
    /// The program whose subcommand [`SUBCOMMAND`] calls [`run_child`]: this one.
    pub program: PathBuf,
    /// After this the child is killed.
    pub wall: Duration,
    /// Address space of the child.
    pub memory_bytes: u64,
    /// Processor time of the child.
    pub cpu_seconds: u64,
    /// Children at a time that work; more calls wait.
    pub concurrency: usize,
    /// How long a child that read a document waits for the next one of its workspace.
    pub idle: Duration,
    /// What a document may cost.
    pub limits: ParseLimits,
    /// What recognises the text of scanned pages, where something does.
    pub recognizer: Option<Recognizer>,
    /// After this the recognition of a whole document is given up: its job would keep others waiting.
    pub recognition: Duration,
}

impl SandboxOptions {
    /// One minute, 1 GiB, 45 s of processor time, one child at a time that waits ten seconds for the next document, no
    /// text recognition, and half an hour for it.
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            wall: Duration::from_secs(60),
            memory_bytes: 1 << 30,
            cpu_seconds: 45,
            concurrency: 1,
            idle: Duration::from_secs(10),
            limits: ParseLimits::default(),
            recognizer: None,
            recognition: Duration::from_secs(30 * 60),
        }
    }
}

/// Parses documents out of process.
#[derive(Debug)]
pub struct Sandbox {
    options: SandboxOptions,
    arguments: Vec<String>,
    places: Semaphore,
    residents: Residents,
}

/// What a child reads first, behind its length: four bytes, the most significant first.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    task: Task,
    /// Nobody else knows it: an answer that begins with it is the answer to this.
    ticket: Uuid,
    media_type: String,
    file_name: String,
    /// Bytes of the document behind this.
    length: u64,
    memory_bytes: u64,
    cpu_seconds: u64,
    limits: ParseLimits,
}

/// What a child is asked to do with the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Task {
    /// Parse a document.
    Parse,
    /// Hand back the members of an archive.
    Unpack,
    /// Draw the pages of a PDF.
    Draw,
    /// Become the program that recognises the text of a picture.
    Recognize(Recognizer),
}

impl Sandbox {
    /// A sandbox with these options.
    pub fn new(options: SandboxOptions) -> Self {
        let most = options.concurrency.max(1);
        let residents = Residents::new(most, options.idle);
        Self { options, arguments: vec![SUBCOMMAND.to_owned()], places: Semaphore::new(most), residents }
    }

    /// Parses a document of a workspace. Dropping the future kills the child.
    ///
    /// # Errors
    /// Those of [`super::parse::parse`]; `TimedOut`, `OutOfMemory` or `Crashed` where the child died of it;
    /// `Unavailable` where no child could be had.
    pub async fn parse(
        &self,
        workspace: WorkspaceId,
        media_type: &str,
        file_name: &str,
        bytes: &[u8],
    ) -> Result<ParsedDocument, ParseFailure> {
        self.refuse_too_large(bytes)?;
        let header = self.header(Task::Parse, media_type, file_name, bytes);
        let _place = self.places.acquire().await.map_err(|_| unavailable())?;
        // A used one may fail of the documents before. What a fresh one says, it says of this one.
        if let Some(used) = self.residents.take(workspace)
            && let Ok(parsed) = self.parse_in(used, &header, bytes).await
        {
            return Ok(parsed);
        }
        let child = self.start().map_err(|_| unavailable())?;
        self.parse_in(Resident::new(child, workspace)?, &header, bytes).await
    }

    /// Parses a document in a child, which stays where that succeeds and is killed where it does not.
    async fn parse_in(
        &self,
        mut child: Resident,
        header: &Header,
        bytes: &[u8],
    ) -> Result<ParsedDocument, ParseFailure> {
        // JSON escapes at most double text, and each block carries its headings.
        let limit = 4 * self.options.limits.text_bytes as u64 + (64 << 20);
        let reading = child.read(header, bytes, limit);
        let parsed = tokio::time::timeout(self.options.wall, reading).await.map_err(|_| timed_out())??;
        self.residents.keep(child);
        Ok(parsed)
    }

    /// Takes an archive apart into its members.
    ///
    /// # Errors
    /// `TimedOut`, `TooLarge`, `Unavailable`; those of the archive come with [`Pieces::next`].
    pub async fn unpack(&self, bytes: &[u8]) -> Result<Pieces<'_>, ParseFailure> {
        self.refuse_too_large(bytes)?;
        self.pieces(&self.header(Task::Unpack, "", "", bytes), bytes, self.options.limits.unpacked_bytes).await
    }

    /// Starts a child that answers in pieces of at most `left` bytes together.
    async fn pieces(&self, header: &Header, bytes: &[u8], left: u64) -> Result<Pieces<'_>, ParseFailure> {
        let place = self.places.acquire().await.map_err(|_| unavailable())?;
        let mut child = self.start().map_err(|_| unavailable())?;
        let (Some(mut stdin), Some(stdout)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(unavailable());
        };
        // The child reads all before it answers anything.
        let told = tell(&mut stdin, header, bytes);
        tokio::time::timeout(self.options.wall, told).await.map_err(|_| timed_out())??;
        let stdout = BufReader::new(stdout);
        Ok(Pieces { _place: place, child, stdout, wall: self.options.wall, left, begun: false })
    }

    fn header(&self, task: Task, media_type: &str, file_name: &str, bytes: &[u8]) -> Header {
        Header {
            task,
            ticket: random_uuid(),
            media_type: media_type.to_owned(),
            file_name: file_name.to_owned(),
            length: bytes.len() as u64,
            memory_bytes: self.options.memory_bytes,
            cpu_seconds: self.options.cpu_seconds,
            limits: self.options.limits,
        }
    }

    fn start(&self) -> std::io::Result<Child> {
        Command::new(&self.options.program)
            .args(&self.arguments)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }

    fn refuse_too_large(&self, bytes: &[u8]) -> Result<(), ParseFailure> {
        let limit = self.options.limits.input_bytes;
        if bytes.len() as u64 > limit { Err(too_large(limit)) } else { Ok(()) }
    }
}

/// What a child said until its end.
struct Said {
    status: ExitStatus,
    answer: Vec<u8>,
    last_words: Vec<u8>,
}

/// Tells a child what to do with some bytes, and hears at most `answer_limit` of its answer, until it ends.
async fn talk(child: &mut Child, header: &Header, bytes: &[u8], answer_limit: u64) -> Result<Said, ParseFailure> {
    let (Some(mut stdin), Some(stdout), Some(mut stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(unavailable());
    };
    let tell = async move { tell(&mut stdin, header, bytes).await };
    let hear = async {
        let mut answer = vec![];
        stdout.take(answer_limit).read_to_end(&mut answer).await.map(|_| answer).map_err(|_| unavailable())
    };
    let mark = async {
        let mut words = vec![];
        residents::listen(&mut stderr, &mut words).await;
        Ok::<_, ParseFailure>(words)
    };
    let ((), answer, last_words) = tokio::try_join!(tell, hear, mark)?;
    let status = child.wait().await.map_err(|_| unavailable())?;
    Ok(Said { status, answer, last_words })
}

/// Writes the header and the document to a child. One that is gone says why by its exit, not by a broken pipe.
async fn tell(stdin: &mut ChildStdin, header: &Header, bytes: &[u8]) -> Result<(), ParseFailure> {
    let json = serde_json::to_vec(header).map_err(|_| unavailable())?;
    let length = u32::try_from(json.len()).map_err(|_| unavailable())?;
    let head = [&length.to_be_bytes()[..], &json].concat();
    let _gone = async {
        stdin.write_all(&head).await?;
        stdin.write_all(bytes).await
    }
    .await;
    Ok(())
}

/// Why a child died.
fn death(status: ExitStatus, last_words: &[u8]) -> ParseFailure {
    let said = |words: &[u8]| last_words.windows(words.len()).any(|window| window == words);
    match signal(status) {
        Some(SIGXCPU) => timed_out(),
        Some(SIGABRT) if said(b"overflowed its stack") => ParseFailure::new(
            FailureCode::TooComplex,
            "The document is nested too deeply. Export it again in a simpler form.",
        ),
        // Rust aborts where memory is refused; the kernel kills where there is none.
        Some(SIGABRT | SIGKILL) => out_of_memory(),
        _ if said(b"memory allocation of") || status.code() == Some(i32::from(child::NO_MEMORY)) => out_of_memory(),
        _ => crashed(),
    }
}

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGXCPU: i32 = 24;

#[cfg(unix)]
fn signal(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(not(unix))]
fn signal(_: ExitStatus) -> Option<i32> {
    None
}

fn timed_out() -> ParseFailure {
    ParseFailure::new(FailureCode::TimedOut, "Reading the document took too long. Split it or export it again.")
}

fn out_of_memory() -> ParseFailure {
    let message = "Reading the document took too much memory. Split it or export it again without embedded objects.";
    ParseFailure::new(FailureCode::OutOfMemory, message)
}

fn crashed() -> ParseFailure {
    ParseFailure::new(FailureCode::Crashed, "The document could not be read. Export it again, or in another format.")
}

fn unavailable() -> ParseFailure {
    ParseFailure::new(FailureCode::Unavailable, "The document could not be read just now. It will be tried again.")
}
