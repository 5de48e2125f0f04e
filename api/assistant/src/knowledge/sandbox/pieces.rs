//! What a child answers piece by piece: the members of an archive, the pictures of scanned pages.
//!
//! After the line [`BEGINNING`] comes a line of JSON for each piece and then its bytes; a line with how it ended is the
//! last.

use std::io::{self, Write};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout};
use tokio::sync::SemaphorePermit;

use super::residents::{line, listen};
use super::{crashed, death, timed_out, unavailable};
use crate::knowledge::parse::ParseFailure;

/// The first line that is an answer; what a program prints before it is not.
const BEGINNING: &str = "pieces";
/// A line is far shorter.
const LONGEST_LINE: u64 = 64 << 10;

/// A member of an archive, or the picture of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Its name.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

#[derive(Debug, Serialize, Deserialize)]
enum Line {
    Piece { name: String, bytes: u64 },
    End(Result<(), ParseFailure>),
}

/// Pieces as a child makes them, which waits while nobody takes one. Dropping this kills it.
#[derive(Debug)]
pub struct Pieces<'a> {
    pub(super) _place: SemaphorePermit<'a>,
    pub(super) child: Child,
    pub(super) stdout: BufReader<ChildStdout>,
    pub(super) wall: Duration,
    /// Bytes that may still come.
    pub(super) left: u64,
    pub(super) begun: bool,
}

impl Pieces<'_> {
    /// The next piece; `None` behind the last.
    ///
    /// # Errors
    /// Why there are no more.
    pub async fn next(&mut self) -> Result<Option<Piece>, ParseFailure> {
        match tokio::time::timeout(self.wall, self.read()).await {
            Ok(Ok(read)) => read,
            Ok(Err(_)) => Err(self.death().await),
            Err(_) => Err(timed_out()),
        }
    }

    async fn read(&mut self) -> io::Result<Result<Option<Piece>, ParseFailure>> {
        while !self.begun {
            self.begun = line(&mut self.stdout, LONGEST_LINE).await?.trim_ascii() == BEGINNING.as_bytes();
        }
        let line = line(&mut self.stdout, LONGEST_LINE).await?;
        match serde_json::from_slice(&line)? {
            Line::End(end) => Ok(end.map(|()| None)),
            Line::Piece { name, bytes } if bytes <= self.left => {
                self.left -= bytes;
                let mut content = vec![];
                (&mut self.stdout).take(bytes).read_to_end(&mut content).await?;
                if content.len() as u64 != bytes {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(Ok(Some(Piece { name, bytes: content })))
            }
            Line::Piece { .. } => Ok(Err(crashed())),
        }
    }

    /// Why the child ended before it was done.
    async fn death(&mut self) -> ParseFailure {
        let mut words = vec![];
        if let Some(mut stderr) = self.child.stderr.take() {
            listen(&mut stderr, &mut words).await;
        }
        match self.child.wait().await {
            Ok(status) => death(status, &words),
            Err(_) => unavailable(),
        }
    }
}

/// The child's side: writes what `make` hands over, piece by piece, then how it ended.
pub(super) fn write(
    mut out: impl Write,
    make: impl FnOnce(&mut dyn FnMut(&str, &[u8]) -> io::Result<()>) -> Result<(), ParseFailure>,
) -> io::Result<()> {
    writeln!(out, "\n{BEGINNING}")?;
    let end = make(&mut |name, bytes| {
        serde_json::to_writer(&mut out, &Line::Piece { name: name.to_owned(), bytes: bytes.len() as u64 })?;
        out.write_all(b"\n")?;
        out.write_all(bytes)
    });
    serde_json::to_writer(&mut out, &Line::End(end))?;
    out.write_all(b"\n")?;
    out.flush()
}
