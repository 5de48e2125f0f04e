//! An archive while it streams: what is written comes out compressed on the other side, and never stands whole anywhere.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use futures::{SinkExt, channel::mpsc};
use sha2::{Digest, Sha256};
use zip::{
    CompressionMethod, ZipWriter,
    write::{SimpleFileOptions, StreamWriter},
};

use super::manifest::File;
use crate::error::{Error, ErrorKind, Result};

/// What waits to be sealed, before it is handed on.
const PIECE: usize = 256 * 1024;

/// Where a part of the archive goes.
pub(crate) type Out = mpsc::Sender<Result<Bytes>>;

/// Whether a file is worth compressing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Squeeze {
    Yes,
    No,
}

/// A ZIP archive on its way.
pub(crate) struct Pour {
    zip: ZipWriter<StreamWriter<Ready>>,
    ready: Ready,
    out: Out,
    file: Option<Open>,
}

struct Open {
    path: String,
    bytes: u64,
    hash: Sha256,
}

impl Pour {
    pub fn new(out: Out) -> Self {
        let ready = Ready::default();
        Self { zip: ZipWriter::new_stream(ready.clone()), ready, out, file: None }
    }

    /// Begins a file.
    pub fn begin(&mut self, path: String, squeeze: Squeeze) -> Result<()> {
        let method = if squeeze == Squeeze::Yes { CompressionMethod::Deflated } else { CompressionMethod::Stored };
        // How long it gets is not known yet, so it may get longer than 4 GiB.
        let options = SimpleFileOptions::default().compression_method(method).large_file(true);
        self.zip.start_file(path.as_str(), options).map_err(|_| unwritable())?;
        self.file = Some(Open { path, bytes: 0, hash: Sha256::new() });
        Ok(())
    }

    /// Writes to the file that was begun.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let file = self.file.as_mut().ok_or_else(|| Error::internal("no file of the archive was begun"))?;
        file.bytes += bytes.len() as u64;
        file.hash.update(bytes);
        self.zip.write_all(bytes).map_err(|error| unwritable().because(error))?;
        if self.ready.len() >= PIECE { self.hand_on().await } else { Ok(()) }
    }

    /// Ends the file, and says what it was.
    pub fn end(&mut self) -> Result<File> {
        let file = self.file.take().ok_or_else(|| Error::internal("no file of the archive was begun"))?;
        Ok(File { path: file.path, bytes: file.bytes, sha256: hex::encode(file.hash.finalize()) })
    }

    /// Ends the archive.
    pub async fn finish(self) -> Result<()> {
        let Self { zip, ready, mut out, .. } = self;
        zip.finish().map_err(|_| unwritable())?;
        hand_on(&ready, &mut out).await
    }

    async fn hand_on(&mut self) -> Result<()> {
        hand_on(&self.ready, &mut self.out).await
    }
}

async fn hand_on(ready: &Ready, out: &mut Out) -> Result<()> {
    let piece = ready.take();
    if piece.is_empty() {
        return Ok(());
    }
    out.send(Ok(Bytes::from(piece))).await.map_err(|_| not_taken())
}

/// Whoever seals it has stopped, and says why.
fn not_taken() -> Error {
    Error::new(ErrorKind::Unavailable, "The store of files does not take the archive.")
}

fn unwritable() -> Error {
    Error::internal("an archive could not be written")
}

/// What was compressed and not handed on yet.
#[derive(Clone, Default)]
struct Ready(Arc<Mutex<Vec<u8>>>);

impl Ready {
    fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn take(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Write for Ready {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
