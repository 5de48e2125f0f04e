//! Children that stay for the next document of the same workspace: starting a process costs more than reading a page.
//!
//! Invariants, as absences:
//! - No child reads documents of two workspaces.
//! - No child stays that did anything but answer with a document, that read [`DOCUMENTS`], or that nobody asked for
//!   [`SandboxOptions::idle`](super::SandboxOptions::idle).

use std::collections::VecDeque;
use std::io;
use std::process::ExitStatus;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use consigne_foundation::id::WorkspaceId;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};

use super::{Header, LAST_WORDS, crashed, death, tell, unavailable};
use crate::knowledge::parse::{ParseFailure, ParsedDocument};

/// Documents that a child reads at most: what the memory of one that goes on and on has become, nobody knows.
pub(super) const DOCUMENTS: usize = 64;

/// A child that reads one document after the other. Dropping it kills it.
#[derive(Debug)]
pub(super) struct Resident {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
    stderr: ChildStderr,
    workspace: WorkspaceId,
    documents: usize,
}

impl Resident {
    /// A child that was just started, for documents of this workspace.
    pub(super) fn new(mut child: Child, workspace: WorkspaceId) -> Result<Self, ParseFailure> {
        let (Some(stdin), Some(stdout), Some(stderr)) = (child.stdin.take(), child.stdout.take(), child.stderr.take())
        else {
            return Err(unavailable());
        };
        Ok(Self { child, stdin, stdout: BufReader::new(stdout), stderr, workspace, documents: 0 })
    }

    /// What the child makes of a document, in an answer of at most `limit` bytes.
    pub(super) async fn read(
        &mut self,
        header: &Header,
        bytes: &[u8],
        limit: u64,
    ) -> Result<ParsedDocument, ParseFailure> {
        self.documents += 1;
        let mut last_words = vec![];
        let talk = async {
            let (told, answer) =
                tokio::join!(tell(&mut self.stdin, header, bytes), hear(&mut self.stdout, header, limit));
            told.map(|()| answer)
        };
        let answer = {
            tokio::pin!(talk);
            tokio::select! {
                answer = &mut talk => answer?,
                // A child without an error stream has ended, or is about to say something else.
                () = listen(&mut self.stderr, &mut last_words) => talk.await?,
            }
        };
        match answer {
            Ok(line) => serde_json::from_slice(&line).unwrap_or_else(|_| Err(crashed())),
            Err(_) => {
                listen(&mut self.stderr, &mut last_words).await;
                Err(match self.child.wait().await {
                    Ok(status) => unanswered(status, &last_words),
                    Err(_) => unavailable(),
                })
            }
        }
    }

    #[cfg(test)]
    pub(super) fn process(&mut self) -> &mut Child {
        &mut self.child
    }
}

/// The line behind the ticket's; what a parser prints before that is no answer.
async fn hear(stdout: &mut BufReader<ChildStdout>, header: &Header, limit: u64) -> io::Result<Vec<u8>> {
    let ticket = header.ticket.to_string();
    while line(stdout, limit).await?.trim_ascii() != ticket.as_bytes() {}
    line(stdout, limit).await
}

/// A line of at most `limit` bytes.
pub(super) async fn line(stdout: &mut BufReader<ChildStdout>, limit: u64) -> io::Result<Vec<u8>> {
    let mut line = vec![];
    match stdout.take(limit).read_until(b'\n', &mut line).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line),
    }
}

/// Reads an error stream to its end and keeps its beginning, so that a talkative child does not wait for a reader.
pub(super) async fn listen(stderr: &mut ChildStderr, last_words: &mut Vec<u8>) {
    let mut buffer = [0; 1024];
    while let Ok(read @ 1..) = stderr.read(&mut buffer).await {
        let room = (LAST_WORDS as usize).saturating_sub(last_words.len());
        last_words.extend_from_slice(&buffer[..read.min(room)]);
    }
}

fn unanswered(status: ExitStatus, last_words: &[u8]) -> ParseFailure {
    if status.success() { crashed() } else { death(status, last_words) }
}

/// The children that wait for a document.
#[derive(Debug)]
pub(super) struct Residents {
    idle: Arc<Mutex<Idle>>,
    most: usize,
    patience: Duration,
}

#[derive(Debug, Default)]
struct Idle {
    /// By the number of their stay, the longest first.
    children: VecDeque<(u64, Resident)>,
    stays: u64,
}

impl Residents {
    /// At most so many, each for so long.
    pub(super) fn new(most: usize, patience: Duration) -> Self {
        Self { idle: Arc::default(), most, patience }
    }

    /// A child that read documents of this workspace, where one waits.
    pub(super) fn take(&self, workspace: WorkspaceId) -> Option<Resident> {
        let mut idle = lock(&self.idle);
        let at = idle.children.iter().position(|(_, child)| child.workspace == workspace)?;
        idle.children.remove(at).map(|(_, child)| child)
    }

    /// Keeps a child that has just answered with a document, or ends it.
    pub(super) fn keep(&self, child: Resident) {
        if child.documents >= DOCUMENTS {
            return;
        }
        let mut idle = lock(&self.idle);
        idle.stays += 1;
        let stay = idle.stays;
        idle.children.push_back((stay, child));
        if idle.children.len() > self.most {
            idle.children.pop_front();
        }
        drop(idle);
        let (waiting, patience) = (Arc::downgrade(&self.idle), self.patience);
        tokio::spawn(async move {
            tokio::time::sleep(patience).await;
            if let Some(idle) = waiting.upgrade() {
                lock(&idle).children.retain(|(other, _)| *other != stay);
            }
        });
    }

    #[cfg(test)]
    pub(super) fn processes(&self) -> Vec<u32> {
        lock(&self.idle).children.iter_mut().filter_map(|(_, child)| child.process().id()).collect()
    }

    #[cfg(test)]
    pub(super) fn kill(&self) {
        lock(&self.idle).children.iter_mut().for_each(|(_, child)| child.process().start_kill().unwrap());
    }
}

fn lock(idle: &Mutex<Idle>) -> MutexGuard<'_, Idle> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
